package provider

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Sample is an event of a system, by which a source is tried.
type Sample struct {
	// Type is that of the event that a source makes of it. The samples of one provider differ in it.
	Type  string
	Title string // in words: "A job has finished"
	// Body is in the system's own form. In it stand {{id}} for a new id of letters and digits, {{time}} for the time
	// in the form of RFC 3339, {{seconds}} for that time in seconds since 1970, and {{name|default}} for the text of
	// the setting of that name of the source. "" is a test event, which the provider puts into its form.
	Body string
}

// SampleHandshake takes the place of the type of a sample: it is the handshake of the system.
const SampleHandshake = "handshake"

// SamplesOf returns the samples of p: none if only its system can make authentic requests.
func SamplesOf(p Provider) []Sample {
	e := EmulationOf(p)
	switch {
	case e.Open == nil:
		return nil
	case e.Samples != nil:
		return e.Samples
	case e.TestBody != nil:
		return []Sample{{Type: testType, Title: "The test message of " + p.Info().Title}}
	}
	return []Sample{{Type: testType, Title: "A test event in the form of " + p.Info().Title}}
}

// testType is the type of an event that only tries something out.
const testType = "bellhop.test"

// MakesHandshake reports whether the system of p makes a handshake that can be played.
func MakesHandshake(p Provider) bool {
	e := EmulationOf(p)
	return e.Open != nil && (e.Handshake != "" || p.Info().Handshake != "")
}

// A Play plays the system of a provider towards one source.
type Play struct {
	Provider Provider
	Source   string          // its name
	Settings json.RawMessage // of the source
	URL      string          // that the system calls, without the query that proves it
	Env      Env
}

// A PlayedRequest is a request that the system makes.
type PlayedRequest struct {
	OutboundRequest
	URL string
	// Read reads the answer to a handshake, as HandshakeRequest.Read does. It is nil for an event, and for a
	// handshake to which any answer of 2xx is agreement.
	Read func(status int, h http.Header, body []byte) (HandshakeResult, error)
}

// Request returns the request of a sample: of that type, of the first one if the type is "", or the handshake. Its
// error is bellhop.CodeInvalid at "type" for an unknown sample, and bellhop.CodeConflict, with the reason in words, if
// the system cannot be played towards the source.
func (p *Play) Request(ctx context.Context, kind string) (r PlayedRequest, err error) {
	title := p.Provider.Info().Title
	e := EmulationOf(p.Provider)
	samples := SamplesOf(p.Provider)
	if len(samples) == 0 {
		return r, bellhop.Conflict("only " + title + " itself can sign its requests: the source has no secret to " +
			"sign with. Have " + title + " send something")
	}
	sample, err := p.find(samples, kind)
	if err != nil {
		return r, err
	}
	settings, to, err := e.ToSource(p.Settings, p.URL)
	if err != nil {
		return r, p.refuse(err)
	}
	renderer, err := e.Open(p.Env, settings)
	if err != nil {
		return r, p.refuse(err)
	}
	at := AttemptInfo{DeliveryID: bellhop.NewID(bellhop.PrefixDelivery, p.Env.Rand), Attempt: 1, Time: p.Env.Now(),
		URL: to}
	if handshaker, ok := renderer.(Handshaker); ok && kind == SampleHandshake {
		h, err := handshaker.Handshake(at)
		if err != nil {
			return r, p.refuse(err)
		}
		if h.URL != "" {
			to = h.URL
		}
		return PlayedRequest{OutboundRequest: h.Request, URL: to, Read: h.Read}, nil
	}
	requests, err := e.Render(ctx, renderer, p.event(e, sample), at)
	if err != nil {
		return r, p.refuse(err)
	}
	return PlayedRequest{OutboundRequest: requests[0], URL: to}, nil
}

// find returns the sample of that type.
func (p *Play) find(samples []Sample, kind string) (Sample, error) {
	if kind == "" {
		return samples[0], nil
	}
	var types []string
	for _, s := range samples {
		if s.Type == kind {
			return s, nil
		}
		types = append(types, s.Type)
	}
	if MakesHandshake(p.Provider) {
		if kind == SampleHandshake {
			e := EmulationOf(p.Provider)
			return Sample{Type: p.Provider.Info().Name + "." + SampleHandshake, Body: e.Handshake}, nil
		}
		types = append(types, SampleHandshake)
	}
	return Sample{}, bellhop.Invalid("type", "there is no such sample of "+p.Provider.Info().Name+"; use "+
		strings.Join(types, ", "))
}

// refuse says why the system cannot be played towards the source. No error of settings has a secret in it.
func (p *Play) refuse(err error) error {
	why := err.Error()
	var faults *bellhop.Error
	if errors.As(err, &faults) && len(faults.Fields) > 0 {
		var texts []string
		for _, f := range faults.Fields {
			texts = append(texts, strings.TrimPrefix(f.Path+": "+f.Message, ": "))
		}
		why = strings.Join(texts, "; ")
	}
	return bellhop.Conflict(p.Provider.Info().Title + " cannot be played towards this source: " + why)
}

// event returns the event of a sample.
func (p *Play) event(e Emulation, sample Sample) *bellhop.Event {
	now := p.Env.Now()
	ev := &bellhop.Event{ID: bellhop.NewID(bellhop.PrefixEvent, p.Env.Rand), Type: sample.Type, Source: p.Source,
		Time: now, ReceivedAt: now, ContentType: "application/json"}
	switch {
	case sample.Body != "":
		ev.Body = p.fill(sample.Body, ev.ID, now)
	case e.TestBody != nil:
		ev.Body = e.TestBody(now)
	default:
		ev.Body = []byte(`{"message":"a sample, sent by bellhop"}`)
	}
	if !json.Valid(ev.Body) {
		ev.ContentType = "application/x-www-form-urlencoded"
	}
	return ev
}

// blank finds what stands for something in the body of a sample.
var blank = regexp.MustCompile(`\{\{(\w+)(?:\|([^}]*))?\}\}`)

// fill returns the body of a sample. A setting whose text is not plain is left out, so that the body stays what it is.
func (p *Play) fill(body, id string, at time.Time) []byte {
	settings := objectOf(p.Settings)
	filled := blank.ReplaceAllStringFunc(body, func(found string) string {
		parts := blank.FindStringSubmatch(found)
		switch parts[1] {
		case "id":
			return strings.TrimPrefix(id, bellhop.PrefixEvent)
		case "time":
			return at.UTC().Format("2006-01-02T15:04:05.000Z")
		case "seconds":
			return strconv.FormatInt(at.Unix(), 10)
		}
		var text string
		if json.Unmarshal(settings[parts[1]], &text) != nil || text == "" || !Word(text) {
			return parts[2]
		}
		return text
	})
	return []byte(filled)
}

// Render returns the requests that carry ev. If the body of ev is in the system's own form, with one event or several,
// it is first read into those events, so that it goes out as it is. Several events go in one request if the renderer
// has batches, otherwise in one request each.
func (e Emulation) Render(ctx context.Context, renderer Renderer, ev *bellhop.Event,
	at AttemptInfo) (requests []OutboundRequest, err error) {
	own, err := e.OwnEvents(ctx, ev.ContentType, ev.Body)
	if err != nil {
		return nil, err
	}
	events := asReceived(own, ev)
	if len(events) == 0 {
		events = []*bellhop.Event{ev}
	}
	if batcher, ok := renderer.(Batcher); ok && len(events) > 1 {
		request, err := batcher.RenderBatch(events, at)
		return []OutboundRequest{request}, err
	}
	for _, ev := range events {
		request, err := renderer.Render(ev, at)
		if err != nil {
			return nil, err
		}
		requests = append(requests, request)
	}
	return requests, nil
}

// asReceived gives items, which were read from ev's body, the id, source and time of ev, as a source would.
func asReceived(items []bellhop.Event, ev *bellhop.Event) (events []*bellhop.Event) {
	for _, item := range items {
		if !bytes.Contains(ev.Body, item.Body) {
			continue // an event that the provider package added, such as a note of a gap
		}
		item.ID, item.Source, item.ReceivedAt = ev.ID, ev.Source, ev.ReceivedAt
		events = append(events, &item)
	}
	return events
}

// objectOf returns the members of a settings object; none of what is no object.
func objectOf(settings json.RawMessage) map[string]json.RawMessage {
	object := map[string]json.RawMessage{}
	if json.Unmarshal(settings, &object) != nil {
		return map[string]json.RawMessage{}
	}
	return object
}

// ToSource returns the settings of a destination of p by which it plays its system towards a source with the given
// settings, and the URL that the system calls: to, with the secret in its query if it has one. Each setting of the
// destination is that of the source of the same name; of several secrets it is the first. It is the default of
// [Emulation.ToSource].
func ToSource(p Provider, source json.RawMessage, to string) (settings json.RawMessage, url string, err error) {
	from, result := objectOf(source), map[string]json.RawMessage{}
	for _, s := range p.Info().SendSettings {
		value, ok := from[s.Name]
		switch {
		case ok:
			result[s.Name] = firstOf(value, s.Many)
		case s.Required && string(from["unauthenticated"]) == "true":
			result[s.Name] = json.RawMessage(`"unauthenticated"`)
		case s.Required:
			return nil, "", errors.New("its setting " + s.Name + " is not set, which proves a request")
		}
	}
	settings, err = json.Marshal(result)
	return settings, WithProof(p, source, to), err
}

// firstOf returns the first entry of a value that may be a list in place of a text, and any other value as it is.
func firstOf(value json.RawMessage, many bool) json.RawMessage {
	var list []json.RawMessage
	if many && json.Unmarshal(value, &list) == nil && len(list) > 0 {
		return list[0]
	}
	return value
}

// WithProof returns the URL to with the secret of a source in its query, if the provider of the source has it there.
func WithProof(p Provider, source json.RawMessage, to string) string {
	prover, ok := p.(QueryProver)
	if !ok {
		return to
	}
	parameter, setting := prover.QueryProof(source)
	var secret string
	if parameter == "" || json.Unmarshal(firstOf(objectOf(source)[setting], true), &secret) != nil {
		return to
	}
	return to + "?" + url.QueryEscape(parameter) + "=" + url.QueryEscape(secret)
}

// ChangedSettings returns settings with some members changed, and without those whose new value is nil.
func ChangedSettings(settings json.RawMessage, changes map[string]any) (json.RawMessage, error) {
	object := objectOf(settings)
	for name, value := range changes {
		if value == nil {
			delete(object, name)
			continue
		}
		raw, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		object[name] = raw
	}
	return json.Marshal(object)
}

// FirstText returns the first text of a setting that is a text or a list of texts; "" if there is none.
func FirstText(settings json.RawMessage, name string) string {
	var text string
	if json.Unmarshal(firstOf(objectOf(settings)[name], true), &text) != nil {
		return ""
	}
	return text
}
