package outbound

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// templateSettings is the setting template: expressions over the event, in the language of [match.Template].
type templateSettings struct {
	Body    string            `json:"body"`
	Headers map[string]string `json:"headers"`
	// "" is text/plain or application/json, by the type of the result of Body
	ContentType string `json:"content_type"`
}

// templateMembers describe the members of the setting template, if it is an object.
var templateMembers = []provider.Setting{
	{Name: "body", Title: "Body", Example: "data.text", Doc: "An expression that gives the body"},
	{Name: "headers", Title: "Headers", Kind: provider.KindObject, Example: `{"X-Order":"data.id"}`,
		Doc: "Expressions that give further headers"},
	{Name: "content_type", Title: "Content type", Example: "text/xml",
		Doc: "Default: text/plain; of a body that is no text, application/json"},
}

// maxTemplateHeaders bounds the headers of a template.
const maxTemplateHeaders = 50

// UnmarshalJSON reads an object, or a string that is short for {"body": text}.
func (s *templateSettings) UnmarshalJSON(b []byte) error {
	if json.Unmarshal(b, &s.Body) == nil {
		return nil
	}
	type plain templateSettings
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if d.Decode((*plain)(s)) != nil {
		return bellhop.Invalid("template", `must be an expression, or an object of such: `+
			`{"body": "…", "headers": {"X-Name": "…"}, "content_type": "text/plain"}`)
	}
	return nil
}

// A template makes the content of a destination of format template.
type template struct {
	body    *match.Template
	names   []string // of the headers, canonical
	headers []*match.Template
	kind    string // the setting content_type
	needs   match.Needs
}

// openTemplate compiles the expressions of s, and returns the function that renders an event by them.
func openTemplate(s httpSettings) (func(*bellhop.Event) (content, error), error) {
	if s.Template == nil {
		return nil,
			bellhop.Invalid("template", `required in format template: {"body": "an expression", "headers": {…}}`)
	}
	t := &template{kind: s.Template.ContentType}
	var errs []error
	var err error
	if t.body, err = match.CompileTemplate(s.Template.Body); err != nil {
		errs = append(errs, bellhop.Join("template.body", err))
	}
	if err := bellhop.CheckHeader("Content-Type", t.kind); err != nil {
		errs = append(errs, bellhop.Invalid("template.content_type", err.Error()))
	}
	if len(s.Template.Headers) > maxTemplateHeaders {
		errs = append(errs, bellhop.Invalid("template.headers", fmt.Sprintf("at most %d", maxTemplateHeaders)))
	}
	taken := map[string]string{}
	for name := range s.Headers {
		taken[http.CanonicalHeaderKey(name)] = "is among headers too; leave one of them out"
	}
	if t.kind != "" && taken["Content-Type"] != "" {
		errs = append(errs, bellhop.Invalid("template.content_type", taken["Content-Type"]))
	}
	if t.kind != "" {
		taken["Content-Type"] = "is content_type too; leave one of them out"
	}
	for _, name := range slices.Sorted(maps.Keys(s.Template.Headers)) {
		errs = append(errs, bellhop.Join("template.headers."+name, t.addHeader(name, s.Template.Headers[name], taken)))
	}
	if err := bellhop.Join("", errs...); err != nil {
		return nil, err
	}
	for _, x := range append(t.headers[:len(t.headers):len(t.headers)], t.body) {
		t.needs.Merge(x.Needs())
	}
	return t.render, nil
}

// addHeader adds the header name to t, unless it is a key of taken; the value says why it is taken.
func (t *template) addHeader(name, text string, taken map[string]string) error {
	canonical := http.CanonicalHeaderKey(name)
	if err := bellhop.CheckHeader(name, ""); err != nil {
		return bellhop.Invalid("", err.Error())
	}
	if why := taken[canonical]; why != "" {
		return bellhop.Invalid("", why)
	}
	taken[canonical] = "is there twice, in different cases"
	header, err := match.CompileTemplate(text)
	t.names, t.headers = append(t.names, canonical), append(t.headers, header)
	return err
}

// render makes the content of ev. A result that is a string is the body as it is; any other is encoded as JSON.
// The body of ev is decoded once for all expressions.
func (t *template) render(ev *bellhop.Event) (c content, err error) {
	view := match.Open(ev, t.needs, match.Budget{}, nil)
	defer view.Close()
	for i, name := range t.names {
		v, err := t.headers[i].RenderView(view)
		if err == nil {
			c.header, err = t.appendHeader(c.header, name, v)
		}
		if err != nil {
			return content{}, fmt.Errorf("template.headers.%s: %w", name, err)
		}
	}
	v, err := t.body.RenderView(view)
	if err == nil {
		c.body, c.kind, err = match.EncodeResult(v)
	}
	if err != nil {
		return content{}, fmt.Errorf("template.body: %w", err)
	}
	switch {
	case slices.Contains(t.names, "Content-Type"):
		c.kind = ""
	case t.kind != "":
		c.kind = t.kind
	}
	return c, nil
}

// appendHeader appends a header whose value comes from an event. A value with a character that could end the
// line is an error.
func (t *template) appendHeader(h []byte, name string, v any) ([]byte, error) {
	text, ok := match.Text(v)
	if at, isTime := v.(time.Time); isTime {
		text, ok = at.UTC().Format(time.RFC3339Nano), true
	}
	if !ok {
		return nil, errors.New("must give a text, a number, true or false")
	}
	if err := bellhop.CheckHeader(name, text); err != nil {
		return nil, err
	}
	return egress.AppendHeader(h, name, text), nil
}
