package api

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A PreviewRequest asks what a destination would do with an event. Either may be one there is, or only be thought of.
type PreviewRequest struct {
	Destination nameOr[NewDestination] `json:"destination" doc:"Name or id of a destination, or what one would be made of"`
	Event       nameOr[SampleEvent]    `json:"event" doc:"Id of an event, or a sample of one"`
}

// A SampleEvent is an event that is only thought of.
type SampleEvent struct {
	Type    string            `json:"type" minLength:"1" maxLength:"255" example:"invoice.paid"`
	Source  string            `json:"source,omitempty" maxLength:"255" doc:"Name or id of a source; api if not given"`
	Subject string            `json:"subject,omitempty" maxLength:"1024"`
	Time    time.Time         `json:"time,omitzero" doc:"When it happened; now if not given"`
	Tenant  string            `json:"tenant,omitempty" maxLength:"255"`
	Headers map[string]string `json:"headers,omitempty" doc:"Of the request it came in"`
	Data    json.RawMessage   `json:"data,omitempty" doc:"Its body, as JSON"`
	Body    string            `json:"body,omitempty" doc:"Its body, as text, in place of data"`
}

// A Preview is what a destination would do with an event.
type Preview struct {
	Matches    bool                `json:"matches" doc:"Whether the destination wants the event"`
	Why        string              `json:"why" doc:"Which part of the match does not want it"`
	MatchError string              `json:"match_error" doc:"Why the where could not be evaluated"`
	Request    *PreviewedRequest   `json:"request,omitempty" doc:"What would be sent if it matched; left out if nothing would"`
	Signature  map[string][]string `json:"signature" doc:"Those of the headers that sign the request"`
	Error      string              `json:"error" doc:"Why nothing could be rendered: such a delivery is dead"`
	Skipped    string              `json:"skipped" doc:"Why the destination's own filter does not want the event: such a delivery is cancelled"`
}

// A PreviewedRequest is a request as it would be sent, with an ellipsis in place of each secret setting.
type PreviewedRequest struct {
	Method     string              `json:"method" example:"POST"`
	URL        string              `json:"url"`
	Way        string              `json:"way" doc:"How it would get there, in words; empty is directly, as anybody"`
	Headers    map[string][]string `json:"headers"`
	Body       string              `json:"body" doc:"Its beginning, up to 256 KiB, if that is UTF-8"`
	BodyBase64 string              `json:"body_base64,omitempty" doc:"The same if it is not"`
	BodyBytes  int                 `json:"body_bytes" doc:"How long it is in all"`
}

// nameOr is a T, or the name or id of one, as it was written. It is read later, so that its errors can have a path.
type nameOr[T any] json.RawMessage

// MarshalJSON writes n.
func (n nameOr[T]) MarshalJSON() ([]byte, error) { return json.RawMessage(n).MarshalJSON() }

// UnmarshalJSON keeps b.
func (n *nameOr[T]) UnmarshalJSON(b []byte) error { return (*json.RawMessage)(n).UnmarshalJSON(b) }

// name returns the name or id that n is; ok is false for a T. Anything else is neither.
func (n nameOr[T]) name() (name string, ok bool, err error) {
	switch {
	case len(n) > 0 && n[0] == '"':
		return name, true, json.Unmarshal(n, &name)
	case len(n) > 0 && n[0] == '{':
		return "", false, nil
	}
	return "", false, bellhop.Invalid("", "must be a text, the name or id of one, or an object")
}

// Schema describes n.
func (nameOr[T]) Schema(r huma.Registry) *huma.Schema {
	return &huma.Schema{Extensions: map[string]any{"oneOf": []any{map[string]any{"type": "string"}, Patch[T]{}.Schema(r)}}}
}

func (s *server) preview(ctx context.Context, in *struct{ Body PreviewRequest }) (*bodyOf[Preview], error) {
	d, err := s.destinationOf(ctx, in.Body.Destination)
	if err = bellhop.Join("destination", err); err != nil {
		return nil, err
	}
	ev, err := s.eventOf(ctx, in.Body.Event)
	if err = bellhop.Join("event", err); err != nil {
		return nil, err
	}
	p, err := s.Opener.Preview(d, ev)
	if err = bellhop.Join("destination", err); err != nil {
		return nil, err
	}
	return &bodyOf[Preview]{s.previewJSON(d, p)}, nil
}

// destinationOf is the destination that n names, or would be made of.
func (s *server) destinationOf(ctx context.Context, n nameOr[NewDestination]) (d bellhop.Destination, err error) {
	name, ok, err := n.name()
	switch {
	case err != nil:
		return d, err
	case ok:
		return s.Store.Destination(ctx, name)
	}
	in, err := readAs[NewDestination](s, named(n, "preview"))
	if err != nil {
		return d, err
	}
	if in.Type == "" {
		in.Type = bellhop.TypeHTTP
	}
	refused := s.refuseShown(in)
	d, err = s.checkDestination(in)
	return d, firstOf(refused, err)
}

// named returns raw, which may be an object without a name, with that name.
func named(raw []byte, name string) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || object["name"] != nil && string(object["name"]) != `""` {
		return raw
	}
	object["name"], _ = json.Marshal(name)
	whole, _ := json.Marshal(object) // of parts that were JSON
	return whole
}

// eventOf is the event that n names, or is a sample of.
func (s *server) eventOf(ctx context.Context, n nameOr[SampleEvent]) (ev bellhop.Event, err error) {
	id, ok, err := n.name()
	switch {
	case err != nil:
		return ev, err
	case ok:
		return s.Store.Event(ctx, id)
	}
	in, err := readAs[SampleEvent](s, n)
	if err != nil {
		return ev, err
	}
	if in.Data != nil && in.Body != "" {
		return ev, bellhop.Invalid("body", "stands in place of data; leave one of them out")
	}
	err = bellhop.Join("", plainText("type", in.Type), plainText("subject", in.Subject), plainText("tenant", in.Tenant))
	if err != nil {
		return ev, err
	}
	ev = bellhop.Event{ID: bellhop.PrefixEvent + "preview", SourceID: bellhop.SourceAPIID, Source: bellhop.SourceAPI, Type: in.Type, Subject: in.Subject,
		Tenant: in.Tenant, Time: in.Time, ReceivedAt: s.Env.Now(), ContentType: "application/json", Body: in.Data}
	switch {
	case in.Body != "":
		ev.Body, ev.ContentType = []byte(in.Body), "text/plain; charset=utf-8"
	case in.Data == nil:
		ev.Body = []byte("null")
	}
	header := make(http.Header)
	for name, value := range in.Headers {
		header.Set(name, value)
	}
	ev.Header = bellhop.NewHeader(header, func(string) bool { return false })
	if kind := header.Get("Content-Type"); kind != "" {
		ev.ContentType = kind
	}
	return ev, s.placeAt(ctx, &ev, in.Source)
}

// placeAt makes ev one of a source; one that there is not may still come to be.
func (s *server) placeAt(ctx context.Context, ev *bellhop.Event, source string) error {
	if source == "" || source == bellhop.SourceAPI {
		return nil
	}
	src, err := s.Store.Source(ctx, source)
	switch {
	case source == bellhop.SourceSelf:
		ev.Source, ev.SourceID = bellhop.SourceSelf, bellhop.SourceSelfID
	case err == nil:
		ev.Source, ev.SourceID = src.Name, src.ID
	case isNotFound(err):
		ev.Source, ev.SourceID = source, source
	default:
		return err
	}
	return nil
}

// previewJSON is p as it is shown.
func (s *server) previewJSON(d bellhop.Destination, p bellhop.Preview) Preview {
	out := Preview{Matches: p.Why == "", Why: p.Why, MatchError: p.MatchError, Error: p.Error, Skipped: p.Skipped, Signature: map[string][]string{}}
	if p.Method == "" {
		return out
	}
	veil := s.veil(d)
	headers := make(map[string][]string)
	for name, values := range p.Header {
		for _, value := range values {
			headers[name] = append(headers[name], veil(value))
		}
	}
	body := veil(string(p.Body))
	out.Request = &PreviewedRequest{Method: p.Method, URL: veil(s.shownURL(d)), Way: wayText(d.Access), Headers: headers, BodyBytes: len(p.Body)}
	out.Request.Body, out.Request.BodyBase64 = textOrBase64(beginning(body, maxDataBytes))
	maps.Copy(out.Signature, headers)
	maps.DeleteFunc(out.Signature, func(name string, values []string) bool { return !signs(name, values) })
	return out
}

// signs reports whether a header carries a signature, by its name, or by that of its scheme.
func signs(name string, values []string) bool {
	if strings.EqualFold(name, "Authorization") {
		return len(values) == 1 && strings.Contains(strings.ToUpper(values[0]), "HMAC")
	}
	return strings.Contains(strings.ToLower(name), "signature")
}

// beginning returns at most n bytes of text, and no half of a character.
func beginning(text string, n int) []byte {
	if len(text) <= n {
		return []byte(text)
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return []byte(text[:n])
}
