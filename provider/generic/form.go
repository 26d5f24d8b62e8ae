package generic

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// bodyHash is the parameter of the URL that proves a body which is no form: its SHA-256 in hex.
const bodyHash = "bodySHA256"

// maxParams bounds the parameters of a form that is signed.
const maxParams = 1000

// formParams returns what {params} stands for: the name and value of each parameter of the form in body, decoded, one
// behind the other without anything between, sorted by name and then by value, equal pairs once. A body that is no form
// stands for nothing; the URL, which is signed, has to have its hash then.
//
// Names and values run into one another, so that who caught a request can move bytes from one to the next under the
// same signature. That is the system's own scheme.
// Source: https://www.twilio.com/docs/usage/security#validating-requests
func formParams(h http.Header, target string, body []byte) ([]byte, error) {
	hashed, err := checkBodyHash(target, body)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", bodyHash, err)
	}
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	if kind != "application/x-www-form-urlencoded" {
		if !hashed && len(body) > 0 {
			return nil, fmt.Errorf("%s, for a body that is no form: %w", bodyHash, signature.ErrMissing)
		}
		return nil, nil
	}
	pairs, err := parseForm(string(body))
	if err != nil {
		return nil, err
	}
	var text []byte
	for _, p := range pairs {
		text = append(append(text, p.name...), p.value...)
	}
	return text, nil
}

// checkBodyHash reports whether target has the hash of body. One that is another's is signature.ErrMismatch.
func checkBodyHash(target string, body []byte) (bool, error) {
	sums := provider.Query(target, bodyHash)
	if len(sums) == 0 {
		return false, nil
	}
	sum := sha256.Sum256(body)
	switch {
	case len(sums) > 1:
		return false, signature.ErrMalformed
	case sums[0] != hex.EncodeToString(sum[:]):
		return false, signature.ErrMismatch
	}
	return true, nil
}

type param struct{ name, value string }

// parseForm returns the parameters of an encoded form in the order in which they are signed. What is not encoded as it
// should be, and what is too much, is signature.ErrMalformed.
func parseForm(text string) ([]param, error) {
	var pairs []param
	for pair := range strings.SplitSeq(text, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, nameErr := url.QueryUnescape(name)
		value, valueErr := url.QueryUnescape(value)
		if nameErr != nil || valueErr != nil || len(pairs) == maxParams {
			return nil, fmt.Errorf("the form in the body: %w", signature.ErrMalformed)
		}
		pairs = append(pairs, param{name, value})
	}
	slices.SortFunc(pairs, func(a, b param) int {
		return cmp.Or(strings.Compare(a.name, b.name), strings.Compare(a.value, b.value))
	})
	return slices.Compact(pairs), nil
}

// publicURLs returns the forms of the URL at which the outside calls a source, from its setting: as it is, and the other
// way with its port, since Twilio is known to sign a URL with the port of its scheme, and one without the port it has.
func publicURLs(text string) ([]string, error) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || strings.ContainsAny(text, "?#%") {
		return nil, bellhop.Invalid("url", "use the whole URL that the system calls, such as https://hooks.example.com/in/calls; its query is taken from each request")
	}
	other := u.Host + map[string]string{"https": ":443", "http": ":80"}[u.Scheme]
	if port := u.Port(); port != "" {
		other = strings.TrimSuffix(u.Host, ":"+port)
	}
	start := len(u.Scheme) + len("://")
	return []string{text, text[:start] + other + text[start+len(u.Host):]}, nil
}

// signedURL returns base with the query of target, as they were called together.
func signedURL(base, target string) string {
	if _, query, ok := strings.Cut(target, "?"); ok {
		return base + "?" + query
	}
	return base
}
