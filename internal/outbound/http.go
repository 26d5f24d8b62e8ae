package outbound

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// httpSettings are the settings of a destination of type http.
type httpSettings struct {
	Format      string            `json:"format"`
	Secret      provider.Secrets  `json:"secret"`
	SecretUntil string            `json:"secret_until"`
	Headers     map[string]string `json:"headers"`
	Template    *templateSettings `json:"template"`
}

// HTTPSettings describe the settings of destinations of type http and pull. Of headers, each is a secret by itself.
var HTTPSettings = []provider.Setting{
	{Name: "format", Title: "Format", Example: FormatEnvelope, Choices: formats,
		Doc: "The form of the body and of the signature. Default: standard"},
	{Name: "secret", Title: "Secret", Secret: true, Signs: true, Many: true,
		Make:    provider.MakeStandard,
		Example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		Doc:     "What signs deliveries: whsec_ and Base64. Two while the secret is being replaced"},
	{Name: "secret_until", Title: "End of the second secret", Format: "date-time", Example: "2026-12-01T00:00:00Z",
		Doc: "Until when the second secret signs too"},
	{Name: "headers", Title: "Headers", Kind: provider.KindObject, Secret: true, Example: `{"X-Api-Key":"…"}`,
		Doc: "Further headers of each request"},
	{Name: "template", Title: "Template", Kind: provider.KindDocument, Example: `{"body":"{\"id\": data.id}"}`,
		Members: templateMembers,
		Doc:     "The request, with format template: expressions over the event"},
}

func readHTTPSettings(raw json.RawMessage) (s httpSettings, err error) {
	err = provider.DecodeSettings(raw, &s)
	if s.Format == "" {
		s.Format = FormatStandard
	}
	return s, err
}

// openHTTP sets the renderers of t, a destination of type http. The renderer of batches stays nil if the format knows
// no batches. signs says that format standard requires a secret.
func (o *Opener) openHTTP(t *Target, raw json.RawMessage, signs bool) error {
	s, err := readHTTPSettings(raw)
	if err != nil {
		return err
	}
	w := &httpWriter{}
	var errs [3]error
	w.keys, errs[0] = readKeys(s, signs && s.Format == FormatStandard)
	w.fixed, w.hasType, errs[1] = readHeaders(s.Headers)
	w.content, errs[2] = o.openFormat(s)
	if err := bellhop.Join("", errs[:]...); err != nil {
		return err
	}
	if slices.ContainsFunc(w.keys.keys, signature.StandardKey.Short) {
		t.warnings = []string{"secret has fewer than 24 bytes, the least that Standard Webhooks asks for; a " +
			"rotation makes a longer one"}
	}
	t.render, t.evaluates, t.verbatim = w.one, s.Format == FormatTemplate, s.Format == FormatRaw
	t.whole = s.Format == FormatEnvelope
	if s.Format == FormatEnvelope || s.Format == FormatThin {
		t.renderBatch = w.many
	}
	return nil
}

// An httpWriter renders the requests of a destination of type http. If there are keys, it signs every format.
type httpWriter struct {
	keys    signingKeys
	fixed   []byte // the headers of the settings
	hasType bool   // fixed has a Content-Type
	content func(*bellhop.Event) (content, error)
}

// one renders a single event, under the event's id.
func (w *httpWriter) one(ev *bellhop.Event, at provider.AttemptInfo) (request, error) {
	c, err := w.content(ev)
	if err != nil {
		return request{}, err
	}
	h, err := w.head(ev.ID, c, at)
	return request{header: appendIDs(h, ev, at), body: c.body}, err
}

// many renders a JSON array, under the id of the first delivery: the next attempt may put other events beside it.
func (w *httpWriter) many(events []*bellhop.Event, at provider.AttemptInfo) (request, error) {
	body := []byte{'['}
	for i, ev := range events {
		c, err := w.content(ev)
		if err != nil {
			return request{}, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, c.body...)
	}
	body = append(body, ']')
	h, err := w.head(at.DeliveryID, content{body: body, kind: "application/json"}, at)
	return request{header: appendBatchIDs(h, events, at), body: body}, err
}

// head returns the header lines of a request, except those that carry Bellhop's own ids.
func (w *httpWriter) head(id string, c content, at provider.AttemptInfo) ([]byte, error) {
	h := append(append(make([]byte, 0, 768), w.fixed...), c.header...)
	if c.kind != "" && !w.hasType {
		h = egress.AppendHeader(h, "Content-Type", c.kind)
	}
	h = append(append(append(h, "webhook-id: "...), id...), "\r\nwebhook-timestamp: "...)
	h = append(strconv.AppendInt(h, at.Time.Unix(), 10), "\r\n"...)
	keys := w.keys.at(at.Time)
	if len(keys) == 0 {
		return h, nil
	}
	signed, err := signature.SignStandard(keys, id, at.Time, c.body)
	return append(append(append(h, "webhook-signature: "...), signed...), "\r\n"...), err
}

// readHeaders renders the headers of a destination's settings, in canonical names. hasType reports whether a
// Content-Type is among them, which then replaces the format's.
func readHeaders(headers map[string]string) (lines []byte, hasType bool, err error) {
	var errs []error
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		if err := bellhop.CheckHeader(name, headers[name]); err != nil {
			errs = append(errs, bellhop.Invalid("headers."+name, err.Error()))
		} else if seen[canonical] {
			errs = append(errs, bellhop.Invalid("headers."+name, "is there twice, in different cases"))
		}
		seen[canonical] = true
		lines = egress.AppendHeader(lines, canonical, headers[name])
	}
	return lines, seen["Content-Type"], bellhop.Join("", errs...)
}

// appendIDs appends the headers that carry Bellhop's ids. A receiver detects repeats by them, and Bellhop
// detects loops by the hops.
func appendIDs(h []byte, ev *bellhop.Event, at provider.AttemptInfo) []byte {
	h = append(append(append(h, "Bellhop-Event-Id: "...), ev.ID...), "\r\nBellhop-Delivery-Id: "...)
	h = append(append(h, at.DeliveryID...), "\r\nBellhop-Attempt: "...)
	h = append(strconv.AppendInt(h, int64(at.Attempt), 10), "\r\nBellhop-Hops: "...)
	return append(strconv.AppendInt(h, int64(bellhop.Hops(ev.Header)+1), 10), "\r\n"...)
}

// appendBatchIDs appends the same headers for several events: the id of the first delivery, and the largest
// hops of any event.
func appendBatchIDs(h []byte, events []*bellhop.Event, at provider.AttemptInfo) []byte {
	hops := 0
	for _, ev := range events {
		hops = max(hops, bellhop.Hops(ev.Header))
	}
	h = append(append(append(h, "Bellhop-Batch: "...), strconv.Itoa(len(events))...), "\r\nBellhop-Delivery-Id: "...)
	h = append(append(h, at.DeliveryID...), "\r\nBellhop-Attempt: "...)
	h = append(strconv.AppendInt(h, int64(at.Attempt), 10), "\r\nBellhop-Hops: "...)
	return append(strconv.AppendInt(h, int64(hops+1), 10), "\r\n"...)
}

// signingKeys are the keys of a destination's secrets. Before until all of them sign, afterwards only the first.
type signingKeys struct {
	keys  []signature.StandardKey
	until time.Time // zero is never
}

// at returns the keys that sign at the time now.
func (k signingKeys) at(now time.Time) []signature.StandardKey {
	if len(k.keys) > 1 && !k.until.IsZero() && !now.Before(k.until) {
		return k.keys[:1]
	}
	return k.keys
}

// readKeys reads the settings secret and secret_until. Without required, requests are signed only if there is a
// secret.
func readKeys(s httpSettings, required bool) (signingKeys, error) {
	if len(s.Secret) == 0 && !required {
		return signingKeys{}, nil
	}
	if len(s.Secret) == 0 {
		return signingKeys{}, bellhop.Invalid("secret",
			`required to sign in format standard: "whsec_" and 24 to 64 random bytes in Base64; or choose another format`)
	}
	if err := s.Secret.Check("secret"); err != nil {
		return signingKeys{}, err
	}
	keys := make([]signature.StandardKey, len(s.Secret))
	for i, text := range s.Secret {
		key, err := signature.ParseStandardKey(text)
		if err == nil {
			_, err = signature.SignStandard([]signature.StandardKey{key}, "probe", time.Unix(0, 0), nil)
		}
		if err != nil {
			return signingKeys{}, bellhop.Invalid(s.Secret.Path("secret", i), err.Error())
		}
		keys[i] = key
	}
	until, err := readUntil(s.SecretUntil)
	return signingKeys{keys, until}, err
}

// readUntil reads the setting secret_until; "" is the zero time.
func readUntil(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return until, bellhop.Invalid("secret_until",
			`use a time such as "2026-11-22T10:00:00Z": until then every secret signs, and afterwards the first alone`)
	}
	return until, nil
}
