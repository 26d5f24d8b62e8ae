package catalog

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
)

// SampleEvent checks and completes an event of a preview, which need not be stored. source is the name or id of
// its source; "" is that of published events. The source need not exist: it may be created later.
func (c *Catalog) SampleEvent(ctx context.Context, ev bellhop.Event, source string) (bellhop.Event, error) {
	if err := checkEvent(ev); err != nil {
		return ev, err
	}
	ev.ID, ev.ReceivedAt = bellhop.PrefixEvent+"preview", c.now()
	if own := bellhop.TenantOf(ctx); own != "" {
		ev.Tenant = own
	}
	switch source {
	case "", bellhop.SourceAPI:
		ev.Source, ev.SourceID = bellhop.SourceAPI, bellhop.SourceAPIID
		return ev, nil
	case bellhop.SourceSelf:
		ev.Source, ev.SourceID = bellhop.SourceSelf, bellhop.SourceSelfID
		return ev, nil
	}
	src, err := c.opts.Store.Source(ctx, source)
	switch {
	case err == nil:
		ev.Source, ev.SourceID, ev.Tenant = src.Name, src.ID, src.Tenant
	case isNotFound(err):
		ev.Source, ev.SourceID = source, source
	default:
		return ev, err
	}
	return ev, nil
}

// A Preview is a bellhop.Preview with its secrets masked.
type Preview struct {
	bellhop.Preview
	URL       string
	Route     string // how the request gets there and signs in, in words: see routeText
	BodyBytes int    // of the body before it was masked
}

// Preview says whether d wants ev, and renders the request that d would get, with its secrets masked.
func (c *Catalog) Preview(d bellhop.Destination, ev bellhop.Event) (Preview, error) {
	p, err := c.opts.Opener.Preview(d, ev)
	if err != nil {
		return Preview{}, err
	}
	if !d.Takes(c.opts.Engine.OwnerOf(&ev)) && p.Why == "" {
		p.Why = "the event belongs to another tenant than the destination, whose tenants do not name it"
	}
	secrets := c.secretTexts(d)
	mask := textMask(secrets)
	header := make(http.Header, len(p.Header))
	given := givenHeaders(d)
	for name, values := range p.Header {
		for _, value := range values {
			header[name] = append(header[name], maskHeader(value, mask, secrets, given[http.CanonicalHeaderKey(name)]))
		}
	}
	masked := Preview{Preview: p, URL: mask(c.maskURL(d)), Route: routeText(d.Access), BodyBytes: len(p.Body)}
	masked.Header, masked.Body = header, []byte(mask(string(p.Body)))
	return masked, nil
}

// secretTexts returns the secrets of d that a request to it may have in its body.
func (c *Catalog) secretTexts(d bellhop.Destination) []string {
	own := c.destinationSecrets(d.Type)
	if writes(d.Type) {
		own.each = "" // the values of settings.headers are in headers alone
	}
	return slices.Concat(own.texts(d.Settings), accessSecrets.texts(d.Access))
}

// givenHeaders returns the canonical names of the headers that settings.headers of a destination of type http sets.
// Their values are secrets.
func givenHeaders(d bellhop.Destination) map[string]bool {
	names := make(map[string]bool)
	if !writes(d.Type) {
		return names
	}
	for name := range members(members(d.Settings)["headers"]) {
		names[http.CanonicalHeaderKey(name)] = true
	}
	return names
}

// maskHeader returns the value of a header with its secrets masked: all of it if the header is given, and otherwise
// the texts that mask finds, each word that is a secret however short, and the credentials of HTTP Basic.
func maskHeader(value string, mask func(string) string, secrets []string, given bool) string {
	if given {
		return "…"
	}
	words := strings.Split(mask(value), " ")
	for i, word := range words {
		basic := i == 1 && strings.EqualFold(words[0], "Basic")
		if basic || slices.Contains(secrets, word) {
			words[i] = "…"
		}
	}
	return strings.Join(words, " ")
}

// routeText says in words how a request gets to its destination and how it signs in, apart from its headers. It
// is "" if the request goes directly and without signing in.
func routeText(raw json.RawMessage) string {
	a, err := access.Parse(raw)
	if err != nil {
		return ""
	}
	var parts []string
	if a.TokenURL != "" {
		parts = append(parts, "with a token that is fetched before")
	}
	if a.Certificate != "" {
		parts = append(parts, "showing its certificate if asked")
	}
	if a.CA != "" {
		parts = append(parts, "trusting its own authorities alone")
	}
	if a.Proxy != "" {
		parts = append(parts, "through the proxy "+a.Proxy)
	}
	return strings.Join(parts, ", ")
}
