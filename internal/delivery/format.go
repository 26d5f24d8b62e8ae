package delivery

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The formats of a destination of type http.
const (
	// FormatRaw sends the bytes and the content type as received.
	FormatRaw = "raw"
	// FormatStandard sends the body as received, signed by Standard Webhooks. The default.
	FormatStandard = "standard"
	// FormatEnvelope sends JSON with id, type, source, subject, time and data.
	FormatEnvelope = "envelope"
)

// httpSettings are those of a destination of type http.
type httpSettings struct {
	Format  string            `json:"format"`
	Secret  provider.Secrets  `json:"secret"`
	Headers map[string]string `json:"headers"`
}

func readHTTPSettings(raw json.RawMessage) (s httpSettings, err error) {
	err = provider.DecodeSettings(raw, &s)
	if s.Format == "" {
		s.Format = FormatStandard
	}
	return s, err
}

// openHTTP makes the renderers of a destination of type http; that of batches is nil where the format knows none.
func (e *Engine) openHTTP(raw json.RawMessage) (renderFunc, renderBatchFunc, error) {
	s, err := readHTTPSettings(raw)
	if err != nil {
		return nil, nil, err
	}
	keys, err := readKeys(s)
	if err != nil {
		return nil, nil, err
	}
	fixed, hasType, err := readHeaders(s.Headers)
	if err != nil {
		return nil, nil, err
	}
	w := &httpWriter{keys: keys, fixed: fixed, hasType: hasType}
	switch s.Format {
	case FormatRaw, FormatStandard:
		w.body = asReceived
		return w.one, nil, nil
	case FormatEnvelope:
		w.body = envelope
		return w.one, w.many, nil
	}
	return nil, nil, bellhop.Invalid("format", "no such format; there are raw, standard and envelope")
}

// An httpWriter writes the requests of a destination of type http. Where there are keys, every format is signed.
type httpWriter struct {
	keys    []signature.StandardKey
	fixed   []byte // the headers of the settings
	hasType bool   // with the content type among them
	body    func(*bellhop.Event) (body []byte, contentType string, err error)
}

// one writes an event under its own id.
func (w *httpWriter) one(ev *bellhop.Event, at provider.Sending) (rendered, error) {
	b, contentType, err := w.body(ev)
	if err != nil {
		return rendered{}, err
	}
	h, err := w.head(ev.ID, contentType, b, at)
	return rendered{header: appendIDs(h, ev, at), body: b}, err
}

// many writes a JSON array, under the id of the first delivery: another attempt may have others beside it.
func (w *httpWriter) many(events []*bellhop.Event, at provider.Sending) (rendered, error) {
	body := []byte{'['}
	for i, ev := range events {
		b, _, err := w.body(ev)
		if err != nil {
			return rendered{}, err
		}
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, b...)
	}
	body = append(body, ']')
	h, err := w.head(at.DeliveryID, "application/json", body, at)
	return rendered{header: appendBatchIDs(h, events, at), body: body}, err
}

// head writes the headers that are not about Bellhop's own ids.
func (w *httpWriter) head(id, contentType string, body []byte, at provider.Sending) ([]byte, error) {
	h := append(make([]byte, 0, 768), w.fixed...)
	if contentType != "" && !w.hasType {
		h = egress.AppendHeader(h, "Content-Type", contentType)
	}
	h = append(append(append(h, "webhook-id: "...), id...), "\r\nwebhook-timestamp: "...)
	h = append(strconv.AppendInt(h, at.Time.Unix(), 10), "\r\n"...)
	if len(w.keys) == 0 {
		return h, nil
	}
	signed, err := signature.SignStandard(w.keys, id, at.Time, body)
	return append(append(append(h, "webhook-signature: "...), signed...), "\r\n"...), err
}

// readHeaders renders the headers of a destination's settings, in canonical names, and says whether the content type
// is among them, which then holds for all that is sent.
func readHeaders(headers map[string]string) (rendered []byte, hasType bool, err error) {
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
		rendered = egress.AppendHeader(rendered, canonical, headers[name])
	}
	return rendered, seen["Content-Type"], bellhop.Join("", errs...)
}

func readKeys(s httpSettings) ([]signature.StandardKey, error) {
	if len(s.Secret) == 0 && s.Format != FormatStandard {
		return nil, nil
	}
	if len(s.Secret) == 0 {
		return nil, bellhop.Invalid("secret", `required to sign in format standard: "whsec_" and 24 to 64 random bytes in Base64; or choose format raw or envelope`)
	}
	if err := s.Secret.Check("secret"); err != nil {
		return nil, err
	}
	keys := make([]signature.StandardKey, len(s.Secret))
	for i, text := range s.Secret {
		key, err := signature.ParseStandardKey(text)
		if err == nil {
			_, err = signature.SignStandard([]signature.StandardKey{key}, "probe", time.Unix(0, 0), nil)
		}
		if err != nil {
			return nil, bellhop.Invalid(s.Secret.Path("secret", i), err.Error())
		}
		keys[i] = key
	}
	return keys, nil
}

// appendIDs writes the headers by which a receiver tells what it has already, and we an event that goes in circles.
func appendIDs(h []byte, ev *bellhop.Event, at provider.Sending) []byte {
	h = append(append(append(h, "Bellhop-Event-Id: "...), ev.ID...), "\r\nBellhop-Delivery-Id: "...)
	h = append(append(h, at.DeliveryID...), "\r\nBellhop-Attempt: "...)
	h = append(strconv.AppendInt(h, int64(at.Attempt), 10), "\r\nBellhop-Hops: "...)
	return append(strconv.AppendInt(h, int64(bellhop.Hops(ev.Header)+1), 10), "\r\n"...)
}

// appendBatchIDs writes them for several events: the delivery is that of the first, the hops are the most of any.
func appendBatchIDs(h []byte, events []*bellhop.Event, at provider.Sending) []byte {
	hops := 0
	for _, ev := range events {
		hops = max(hops, bellhop.Hops(ev.Header))
	}
	h = append(append(append(h, "Bellhop-Batch: "...), strconv.Itoa(len(events))...), "\r\nBellhop-Delivery-Id: "...)
	h = append(append(h, at.DeliveryID...), "\r\nBellhop-Attempt: "...)
	h = append(strconv.AppendInt(h, int64(at.Attempt), 10), "\r\nBellhop-Hops: "...)
	return append(strconv.AppendInt(h, int64(hops+1), 10), "\r\n"...)
}

func asReceived(ev *bellhop.Event) ([]byte, string, error) { return ev.Body, ev.ContentType, nil }

// envelope carries the body as data where it is JSON, else as data_base64.
func envelope(ev *bellhop.Event) ([]byte, string, error) {
	e := struct {
		ID         string          `json:"id"`
		Type       string          `json:"type"`
		Source     string          `json:"source"`
		Subject    string          `json:"subject,omitempty"`
		Time       time.Time       `json:"time"`
		Tenant     string          `json:"tenant,omitempty"`
		Data       json.RawMessage `json:"data,omitempty"`
		DataBase64 string          `json:"data_base64,omitempty"`
	}{ID: ev.ID, Type: ev.Type, Source: ev.Source, Subject: ev.Subject, Time: ev.HappenedAt().UTC(), Tenant: ev.Tenant}
	if json.Valid(ev.Body) && utf8.Valid(ev.Body) {
		e.Data = ev.Body
	} else {
		e.DataBase64 = base64.StdEncoding.EncodeToString(ev.Body)
	}
	b, err := json.Marshal(e)
	return b, "application/json", err
}
