package generic

import (
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// A sender signs a URL as a text, and its library and its HTTP client may write the same URL differently: with or
// without the default port, a character escaped or plain. So several forms of the URL are tried. All of them have the
// same parameters with the same values.

// publicURLs returns the forms of a source's public URL that may be signed: as it is set, and with its port added
// or removed. Twilio sometimes signs a URL with the default port of its scheme, or without the port that it has.
func publicURLs(text string) ([]string, error) {
	u, err := url.Parse(text)
	web := err == nil && (u.Scheme == "https" || u.Scheme == "http")
	if !web || u.Host == "" || u.User != nil || strings.ContainsAny(text, "?#%") {
		return nil, bellhop.Invalid("url", "use the whole URL that the system calls, such as "+
			"https://hooks.example.com/in/calls; the query is taken from each request")
	}
	other := u.Host + map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	if port := u.Port(); port != "" {
		other = strings.TrimSuffix(u.Host, ":"+port)
	}
	start := len(u.Scheme) + len("://")
	return []string{text, text[:start] + other + text[start+len(u.Host):]}, nil
}

// signedURLs returns the forms of a request's URL that may be signed: each of bases with each form of the query of
// target, the form as received first.
func signedURLs(bases []string, target string) []string {
	_, query, hasQuery := strings.Cut(target, "?")
	if !hasQuery {
		return bases
	}
	var urls []string
	for _, query := range queryForms(query) {
		for _, base := range bases {
			urls = append(urls, base+"?"+query)
		}
	}
	return urls
}

// queryForms returns the forms of a query that senders were seen to sign, without repetition: as it was received,
// with its quotes escaped or plain (URL parsers of browsers escape them), encoded anew by querystring of Node.js, and
// with the characters plain that HubSpot's rule names. Sources: https://www.twilio.com/docs/usage/security,
// https://github.com/twilio/twilio-node (src/webhooks),
// https://developers.hubspot.com/docs/apps/legacy-apps/authentication/validating-requests
func queryForms(query string) []string {
	forms := []string{query}
	if !strings.ContainsAny(query, "%+'") {
		return forms
	}
	for _, form := range []string{
		strings.ReplaceAll(query, "'", "%27"), strings.ReplaceAll(query, "%27", "'"), encodeAnew(query),
		plainForHubSpot(query),
	} {
		if !slices.Contains(forms, form) {
			forms = append(forms, form)
		}
	}
	return forms
}

// encodeAnew decodes the names and values of a query and encodes them as querystring.stringify of Node.js does: a
// blank becomes %20, and letters, digits and -_.!~*'() stay plain. A pair with a wrong escape is left as it is.
func encodeAnew(query string) string {
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, hasValue := strings.Cut(pair, "=")
		plainName, nameErr := url.QueryUnescape(name)
		plainValue, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil {
			continue
		}
		if pairs[i] = nodeEscapes.Replace(url.QueryEscape(plainName)); hasValue {
			pairs[i] += "=" + nodeEscapes.Replace(url.QueryEscape(plainValue))
		}
	}
	return strings.Join(pairs, "&")
}

// nodeEscapes turns the escapes of package net/url into those of Node.js.
var nodeEscapes = strings.NewReplacer("+", "%20", "%21", "!", "%2A", "*", "%27", "'", "%28", "(", "%29", ")")

var hubSpotPlain = strings.NewReplacer("%3A", ":", "%2F", "/", "%3F", "?", "%40", "@", "%21", "!", "%24", "$",
	"%27", "'", "%28", "(", "%29", ")", "%2A", "*", "%2C", ",", "%3B", ";", "%3a", ":", "%2f", "/", "%3f", "?",
	"%2a", "*", "%2c", ",", "%3b", ";")

func plainForHubSpot(query string) string { return hubSpotPlain.Replace(query) }
