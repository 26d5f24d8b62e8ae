package outbound

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The formats of a destination of type http.
const (
	// FormatRaw sends the bytes as received, with their content type and content encoding.
	FormatRaw = "raw"
	// FormatStandard sends the body as received, its content encoding undone, signed by Standard Webhooks. The
	// default.
	FormatStandard = "standard"
	// FormatEnvelope sends JSON with id, type, source, subject, time and data.
	FormatEnvelope = "envelope"
	// FormatThin sends the same JSON without data. Instead it has the URL where a holder of an API key fetches the
	// body.
	FormatThin = "thin"
	// FormatTemplate sends the results of the expressions in the setting template.
	FormatTemplate = "template"
)

var formats = []string{FormatRaw, FormatStandard, FormatEnvelope, FormatThin, FormatTemplate}

// A content is an event in the format of a destination.
type content struct {
	body   []byte
	kind   string // the content type; "" sends none
	header []byte // further headers, "Name: value\r\n" a line
}

// openFormat returns the function that puts an event into the format of s.
func (o *Opener) openFormat(s httpSettings) (func(*bellhop.Event) (content, error), error) {
	if s.Template != nil && s.Format != FormatTemplate {
		return nil, bellhop.Invalid("template", "goes with format template; set that, or leave this out")
	}
	switch s.Format {
	case FormatRaw, FormatStandard: // of standard, the coding is undone before
		taken := make(map[string]bool, len(s.Headers))
		for name := range s.Headers {
			taken[http.CanonicalHeaderKey(name)] = true
		}
		return func(ev *bellhop.Event) (content, error) { return asSent(ev, taken) }, nil
	case FormatEnvelope:
		return envelope, nil
	case FormatThin:
		return o.thin, nil
	case FormatTemplate:
		return openTemplate(s)
	}
	return nil, bellhop.Invalid("format", provider.NoChoice(s.Format, formats...))
}

// metadata are the members that formats envelope and thin share.
type metadata struct {
	ID      string    `json:"id"`
	Type    string    `json:"type"`
	Source  string    `json:"source"`
	Subject string    `json:"subject,omitempty"`
	Time    time.Time `json:"time"`
	Tenant  string    `json:"tenant,omitempty"`
}

func metadataOf(ev *bellhop.Event) metadata {
	return metadata{ID: ev.ID, Type: ev.Type, Source: ev.Source, Subject: ev.Subject, Time: ev.HappenedAt().UTC(),
		Tenant: ev.Tenant}
}

// envelope carries the body in data if it is JSON, otherwise in data_base64.
func envelope(ev *bellhop.Event) (content, error) {
	e := struct {
		metadata
		Data       json.RawMessage `json:"data,omitempty"`
		DataBase64 string          `json:"data_base64,omitempty"`
	}{metadata: metadataOf(ev)}
	if e.Data = strictjson.Document(ev.Body); e.Data == nil {
		e.DataBase64 = base64.StdEncoding.EncodeToString(ev.Body)
	}
	b, err := json.Marshal(e)
	return content{body: b, kind: "application/json"}, err
}

// thin carries the URL of the body, so that only a receiver which may use the API can read it.
func (o *Opener) thin(ev *bellhop.Event) (content, error) {
	b, err := json.Marshal(struct {
		metadata
		URL string `json:"url"`
	}{metadataOf(ev), strings.TrimSuffix(o.opts.PublicURL, "/") + "/api/v1/events/" + url.PathEscape(ev.ID) + "/body"})
	return content{body: b, kind: "application/json"}, err
}
