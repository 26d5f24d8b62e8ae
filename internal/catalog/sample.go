package catalog

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Sampler has sources receive samples.
type Sampler interface {
	// Sample has the source of that id receive a request as if its provider had sent it with that query. The error is
	// CodeNotFound if there is no such source, and CodeConflict if it takes no requests.
	Sample(ctx context.Context, sourceID, query string, r provider.OutboundRequest) (bellhop.Sampled, error)
}

// A Sample is a sample that was sent to a source.
type Sample struct {
	bellhop.Sampled
	Request provider.OutboundRequest // its secrets are masked
	Bytes   int                      // of the body of the request before it was masked
	URL     string                   // of the request; masked
	Took    time.Duration
	// Agreed says, of a handshake, that the provider would be content with the answer. Otherwise Disagreed says why
	// not.
	Agreed    bool
	Disagreed string
	// Cause and Advice explain a refusal.
	Cause, Advice string
}

// SampleSource sends a source what its provider would send: the sample of that type, the provider's first one if the
// type is "", or its handshake. The request is signed with the first secret of the source, and goes through the door
// as one from outside. The error is CodeInvalid at "type" for an unknown sample, and CodeConflict if nobody but the
// provider can make an authentic request, or the source is disabled.
func (c *Catalog) SampleSource(ctx context.Context, idOrName, kind string) (s Sample, err error) {
	src, err := c.opts.Store.Source(ctx, idOrName)
	if err != nil {
		return s, err
	}
	p, ok := c.provider(src.Provider)
	if !ok {
		return s, bellhop.Conflict("there is no provider " + src.Provider + " any more")
	}
	play := provider.Play{Provider: p, Source: src.Name, Settings: src.Settings,
		URL: c.opts.PublicURL + "/in/" + src.Name, Env: c.opts.Env}
	played, err := play.Request(ctx, kind)
	if err != nil {
		return s, err
	}
	_, query, _ := strings.Cut(played.URL, "?")
	start := c.opts.Env.Now()
	if s.Sampled, err = c.opts.Sampler.Sample(ctx, src.ID, query, played.OutboundRequest); err != nil {
		return s, err
	}
	s.Took = c.opts.Env.Now().Sub(start)
	if played.Read != nil {
		result, err := played.Read(s.Status, s.Header, s.Body)
		switch {
		case err != nil:
			s.Disagreed = err.Error()
		case result.Pending:
			s.Disagreed = "it may agree later: " + result.Reason
		default:
			s.Agreed = true
		}
	} else if kind == provider.SampleHandshake {
		s.Agreed = s.Status/100 == 2
	}
	if s.Reason != "" {
		if words, ok := causes[s.Reason]; ok {
			s.Cause, s.Advice = words[0], words[1]
		}
	}
	c.maskSample(&s, src, played)
	c.log.Info("source.sampled", "source_id", src.ID, "source", src.Name, "type", kind, "status", s.Status,
		"reason", s.Reason, "events", len(s.EventIDs))
	return s, nil
}

// maskSample sets the request of a sample, without the secrets of its source.
func (c *Catalog) maskSample(s *Sample, src bellhop.Source, played provider.PlayedRequest) {
	texts := c.sourceSecrets(src.Provider).texts(src.Settings)
	mask := textMask(texts)
	s.Request.Method = played.Method
	if s.Request.Method == "" {
		s.Request.Method = http.MethodPost
	}
	s.Request.Header = make(http.Header, len(played.Header))
	for name, values := range played.Header {
		for _, value := range values {
			for _, secret := range texts { // however short: a header has few words beside it
				value = strings.ReplaceAll(value, secret, "…")
			}
			s.Request.Header[name] = append(s.Request.Header[name], maskHeader(value, mask, texts, false))
		}
	}
	body := mask(string(played.Body))
	for _, secret := range texts {
		quoted, _ := json.Marshal(secret) // a text
		body = strings.ReplaceAll(body, string(quoted), `"…"`)
	}
	s.Request.Body, s.Bytes = []byte(body), len(played.Body)
	s.URL = maskAllQuery(played.URL, texts)
	s.Body = []byte(mask(string(s.Body)))
	s.Detail, s.Disagreed = mask(s.Detail), mask(s.Disagreed)
}

// maskAllQuery returns a URL with an ellipsis in place of each value in its query that is a secret, however short, or
// belongs to a parameter that carries one.
func maskAllQuery(text string, secrets []string) string {
	base, query, ok := strings.Cut(text, "?")
	if !ok {
		return text
	}
	pairs := strings.Split(query, "&")
	for i, pair := range pairs {
		name, value, _ := strings.Cut(pair, "=")
		plain, err := url.QueryUnescape(value)
		for _, secret := range secrets {
			if err != nil || plain == secret {
				pairs[i] = name + "=…"
			}
		}
	}
	return maskQuery(base + "?" + strings.Join(pairs, "&"))
}
