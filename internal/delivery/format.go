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

// openHTTP makes the renderer of a destination of type http. Where there is a secret, every format is signed.
func (e *Engine) openHTTP(raw json.RawMessage) (renderFunc, error) {
	s, err := readHTTPSettings(raw)
	if err != nil {
		return nil, err
	}
	keys, err := readKeys(s)
	if err != nil {
		return nil, err
	}
	fixed, hasType, err := e.readHeaders(s.Headers)
	if err != nil {
		return nil, err
	}
	var body func(*bellhop.Event) (body []byte, contentType string, err error)
	switch s.Format {
	case FormatRaw, FormatStandard:
		body = asReceived
	case FormatEnvelope:
		body = envelope
	default:
		return nil, bellhop.Invalid("format", "no such format; there are raw, standard and envelope")
	}
	return func(ev *bellhop.Event, at provider.Sending) (rendered, error) {
		b, contentType, err := body(ev)
		if err != nil {
			return rendered{}, err
		}
		h := make([]byte, 0, 768)
		h = append(h, fixed...)
		if contentType != "" && !hasType {
			h = egress.AppendHeader(h, "Content-Type", contentType)
		}
		h = append(append(append(h, "webhook-id: "...), ev.ID...), "\r\nwebhook-timestamp: "...)
		h = append(strconv.AppendInt(h, at.Time.Unix(), 10), "\r\n"...)
		if len(keys) > 0 {
			signed, err := signature.SignStandard(keys, ev.ID, at.Time, b)
			if err != nil {
				return rendered{}, err
			}
			h = append(append(append(h, "webhook-signature: "...), signed...), "\r\n"...)
		}
		return rendered{header: appendIDs(h, ev, at), body: b}, nil
	}, nil
}

// readHeaders renders the headers of a destination's settings, in canonical names, and says whether the content type
// is among them, which then holds for all that is sent.
func (e *Engine) readHeaders(headers map[string]string) (rendered []byte, hasType bool, err error) {
	var errs []error
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(headers)) {
		canonical := http.CanonicalHeaderKey(name)
		if err := e.opts.Client.CheckHeader(name, headers[name]); err != nil {
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
