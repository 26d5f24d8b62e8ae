package delivery

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The formats of a destination of type http.
const (
	// FormatRaw sends the bytes and the content type as received.
	FormatRaw = "raw"
	// FormatStandard sends the body as received, signed by Standard Webhooks. The default.
	FormatStandard = "standard"
	// FormatEnvelope sends JSON with id, type, source, subject, time and data.
	FormatEnvelope = "envelope"
	// FormatThin sends the same without data: with the URL where whoever has a key fetches it.
	FormatThin = "thin"
	// FormatTemplate sends what the expressions of the setting template make of the event.
	FormatTemplate = "template"
)

// httpSettings are those of a destination of type http.
type httpSettings struct {
	Format      string            `json:"format"`
	Secret      provider.Secrets  `json:"secret"`
	SecretUntil string            `json:"secret_until"`
	Headers     map[string]string `json:"headers"`
	Template    *templateSettings `json:"template"`
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
	w := &httpWriter{}
	var errs [3]error
	w.keys, errs[0] = readKeys(s)
	w.fixed, w.hasType, errs[1] = readHeaders(s.Headers)
	w.content, errs[2] = e.content(s)
	if err := bellhop.Join("", errs[:]...); err != nil {
		return nil, nil, err
	}
	if s.Format == FormatEnvelope || s.Format == FormatThin {
		return w.one, w.many, nil
	}
	return w.one, nil, nil
}

// A content is what an event becomes: the body, and what says what that is.
type content struct {
	body   []byte
	kind   string // the content type; "" is none
	header []byte // besides, "Name: value\r\n" a line
}

// content returns what the format of s makes of an event.
func (e *Engine) content(s httpSettings) (func(*bellhop.Event) (content, error), error) {
	if s.Template != nil && s.Format != FormatTemplate {
		return nil, bellhop.Invalid("template", "goes with format template; set that, or leave this out")
	}
	switch s.Format {
	case FormatRaw, FormatStandard:
		return asReceived, nil
	case FormatEnvelope:
		return envelope, nil
	case FormatThin:
		return e.thin, nil
	case FormatTemplate:
		return openTemplate(s)
	}
	return nil, bellhop.Invalid("format", "no such format; there are raw, standard, envelope, thin and template")
}

func asReceived(ev *bellhop.Event) (content, error) {
	return content{body: ev.Body, kind: ev.ContentType}, nil
}

// about is what both envelope and thin say of an event.
type about struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Source  string    `json:"source"`
	Subject string    `json:"subject,omitempty"`
	Time    time.Time `json:"time"`
	Tenant  string    `json:"tenant,omitempty"`
}

func aboutOf(ev *bellhop.Event) about {
	return about{ID: ev.ID, Type: ev.Type, Source: ev.Source, Subject: ev.Subject, Time: ev.HappenedAt().UTC(), Tenant: ev.Tenant}
}

// envelope carries the body as data where it is JSON, else as data_base64.
func envelope(ev *bellhop.Event) (content, error) {
	e := struct {
		about
		Data       json.RawMessage `json:"data,omitempty"`
		DataBase64 string          `json:"data_base64,omitempty"`
	}{about: aboutOf(ev)}
	if json.Valid(ev.Body) && utf8.Valid(ev.Body) {
		e.Data = ev.Body
	} else {
		e.DataBase64 = base64.StdEncoding.EncodeToString(ev.Body)
	}
	b, err := json.Marshal(e)
	return content{body: b, kind: "application/json"}, err
}

// thin carries where the body is, so that nobody learns it who may not ask the API.
func (e *Engine) thin(ev *bellhop.Event) (content, error) {
	b, err := json.Marshal(struct {
		about
		URL string `json:"url"`
	}{aboutOf(ev), strings.TrimSuffix(e.opts.PublicURL, "/") + "/api/v1/events/" + url.PathEscape(ev.ID) + "/body"})
	return content{body: b, kind: "application/json"}, err
}
