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
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
)

// trials adds the operations that try a destination out, and the one that rotates its secret.
func (s *server) trials() {
	handle(s, op{http.MethodPost, "/destinations/preview", "preview-destination",
		"Show the request that a destination would get, without sending it", 0}, s.preview)
	handle(s, op{http.MethodPost, "/destinations/try", "try-destination",
		"Send one event to a destination that need not be stored", 0}, s.tryDestination)
	handle(s, op{http.MethodPost, "/destinations/match", "match-events",
		"Say which of the newest stored events a destination would want", 0}, s.matchEvents)
	handle(s, op{http.MethodPost, "/destinations/{id}/test", "test-destination",
		"Send a test event to a destination, whatever its match says", http.StatusAccepted}, s.testDestination)
	handle(s, op{http.MethodPost, "/destinations/{id}/rotate-secret", "rotate-destination-secret",
		"Sign with a new secret, and for a while with the old one too", 0}, s.rotateSecret)
}

func (s *server) preview(
	ctx context.Context, in *struct{ Body client.PreviewRequest },
) (*bodyOf[client.Preview], error) {
	d, err := s.previewDestination(ctx, in.Body.Destination)
	if err = bellhop.Join("destination", err); err != nil {
		return nil, err
	}
	ev, err := s.previewEvent(ctx, in.Body.Event)
	if err = bellhop.Join("event", err); err != nil {
		return nil, err
	}
	p, err := s.Catalog.Preview(d, ev)
	if err = bellhop.Join("destination", err); err != nil {
		return nil, err
	}
	return &bodyOf[client.Preview]{previewJSON(p)}, nil
}

// nameIn returns the text of n, the name or id of a noun. ok is false if n is an object. Anything else is an
// error.
func nameIn[T any](n client.NameOr[T]) (name string, ok bool, err error) {
	switch {
	case len(n) > 0 && n[0] == '"':
		return name, true, json.Unmarshal(n, &name)
	case len(n) > 0 && n[0] == '{':
		return "", false, nil
	}
	return "", false, bellhop.Invalid("", "must be a text, which is a name or an id, or an object")
}

// previewDestination returns the destination that n names, or the one with the values of n.
func (s *server) previewDestination(
	ctx context.Context, n client.NameOr[client.NewDestination],
) (d bellhop.Destination, err error) {
	name, ok, err := nameIn(n)
	switch {
	case err != nil:
		return d, err
	case ok:
		return s.Store.Destination(ctx, name)
	}
	in, err := readAs[client.NewDestination](s, withName(n, "preview"))
	if err != nil {
		return d, err
	}
	d, err = destinationOf(in)
	if own := bellhop.TenantOf(ctx); own != "" {
		d.Tenant = own
	}
	return s.Catalog.CheckDestination(d, err)
}

// withName returns raw, an object that may have no name, with that name.
func withName(raw []byte, name string) []byte {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) != nil || object["name"] != nil && string(object["name"]) != `""` {
		return raw
	}
	object["name"], _ = json.Marshal(name)
	whole, _ := json.Marshal(object) // of values that are JSON
	return whole
}

// previewEvent returns the event that n names, or the one with the values of n.
func (s *server) previewEvent(ctx context.Context, n client.NameOr[client.SampleEvent]) (ev bellhop.Event, err error) {
	id, ok, err := nameIn(n)
	switch {
	case err != nil:
		return ev, err
	case ok:
		return s.Store.Event(ctx, id)
	}
	in, err := readAs[client.SampleEvent](s, n)
	if err != nil {
		return ev, err
	}
	if in.Data != nil && in.Body != "" {
		return ev, bellhop.Invalid("body", "takes the place of data; leave one of them out")
	}
	ev = bellhop.Event{
		Type: in.Type, Subject: in.Subject, Tenant: in.Tenant, Time: in.Time, ContentType: "application/json",
		Body: in.Data,
	}
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
	if contentType := header.Get("Content-Type"); contentType != "" {
		ev.ContentType = contentType
	}
	return s.Catalog.SampleEvent(ctx, ev, in.Source)
}

// previewJSON returns p in its JSON form.
func previewJSON(p catalog.Preview) client.Preview {
	out := client.Preview{
		Matches: p.Why == "", Why: p.Why, MatchError: p.MatchError, Error: p.Error, Skipped: p.Skipped,
		Signature: map[string][]string{},
	}
	if p.Method == "" {
		return out
	}
	out.Request = &client.PreviewedRequest{
		Method: p.Method, URL: p.URL, Way: p.Route, Headers: p.Header, BodyBytes: p.BodyBytes,
	}
	out.Request.Body, out.Request.BodyBase64 = textOrBase64(beginning(p.Body, maxDataBytes))
	maps.Copy(out.Signature, p.Header)
	maps.DeleteFunc(out.Signature, func(name string, values []string) bool { return !signs(name, values) })
	return out
}

// signs reports whether a header carries a signature, by its name or by the scheme of its value.
func signs(name string, values []string) bool {
	if strings.EqualFold(name, "Authorization") {
		return len(values) == 1 && strings.Contains(strings.ToUpper(values[0]), "HMAC")
	}
	return strings.Contains(strings.ToLower(name), "signature")
}

// beginning returns at most n bytes of text, and does not cut a character in two.
func beginning(text []byte, n int) []byte {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n]
}

func (s *server) testDestination(ctx context.Context, in *one) (*bodyOf[client.Trial], error) {
	d, err := s.Store.Destination(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	if reason := s.closed(d.ID); reason != "" {
		return nil, bellhop.Conflict("destination " + d.Name + " cannot be opened, so nothing is sent: " + reason)
	}
	ev, deliveryID, err := s.Catalog.TestDestination(ctx, d.ID)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.Trial]{client.Trial{EventID: ev.ID, DeliveryID: deliveryID}}, nil
}

type rotateInput struct {
	ID string `path:"id" doc:"Its id or name" example:"billing"`
	Precondition
	Body *client.Rotation
}

func (s *server) rotateSecret(ctx context.Context, in *rotateInput) (*bodyOf[client.RotatedDestination], error) {
	var rotation client.Rotation
	if in.Body != nil {
		rotation = *in.Body
	}
	d, made, err := s.Catalog.RotateSecret(ctx, in.ID, rotation.Secret, graceOf(rotation.Grace),
		func(before bellhop.Destination) error { return in.check("destination", before.UpdatedAt) })
	if err != nil {
		return nil, err
	}
	out := client.RotatedDestination{Destination: s.changedDestinationJSON(d), Secret: made}
	return &bodyOf[client.RotatedDestination]{out}, nil
}

// graceOf reads a grace; "" is the default.
func graceOf(text string) time.Duration {
	if text == "" {
		return catalog.DefaultGrace
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return refused
	}
	return d
}
