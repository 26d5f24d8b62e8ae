package action

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
)

// A clerk is a provider with one work, which the test does.
type clerk struct {
	graph.Provider // for what a provider has beside
	do             func(ctx context.Context, t *provider.Task) (provider.WorkDone, error)
}

func (clerk) Works() []provider.WorkInfo {
	return []provider.WorkInfo{{Name: "graph.file", Title: "File", Width: 2, Timeout: time.Minute,
		Expressions: map[string]string{"what": "data.what", "where": ""},
		Settings:    []provider.Setting{{Name: "what"}, {Name: "where"}}}}
}

func (c clerk) OpenWork(_ provider.Env, name string, settings json.RawMessage) (provider.Work, error) {
	var s struct {
		Connection string `json:"connection"`
		What       string `json:"what"`
		Where      string `json:"where"`
	}
	return c, provider.DecodeSettings(settings, &s)
}

func (clerk) Skip(ev *bellhop.Event) string {
	if ev.Type == "none" {
		return "there is nothing to file"
	}
	return ""
}

func (c clerk) Do(ctx context.Context, t *provider.Task) (provider.WorkDone, error) {
	return c.do(ctx, t)
}

// clerk opens a destination whose work is do.
func (b *bench) clerk(do func(ctx context.Context, t *provider.Task) (provider.WorkDone, error),
	change func(d *bellhop.Destination)) provider.Performer {
	b.Helper()
	d := bellhop.Destination{ID: "dst_1", Name: "file", Settings: []byte(`{"connection":"work"}`)}
	if change != nil {
		change(&d)
	}
	actions := Works([]provider.Provider{graph.Provider{}, clerk{do: do}}, b.newCalls(), match.NewGate(0).Compile)
	if len(actions) != 1 || actions[0].Info().Name != "graph.file" {
		b.Fatalf("%d actions", len(actions))
	}
	p, err := actions[0].OpenAction(b.env(), d)
	if err != nil {
		b.Fatal(err)
	}
	return p
}

var paper = &bellhop.Event{ID: "evt_paper", Type: "paper", Body: []byte(`{"what":"a letter"}`)}

// filed is a work that is done by one call and two events.
func filed(ctx context.Context, t *provider.Task) (provider.WorkDone, error) {
	_, err := t.API.Do(ctx, provider.Call{Method: http.MethodPost, Path: "/files"})
	return provider.WorkDone{Why: "noted", Events: []provider.Made{
		{Key: "one", Event: bellhop.Event{Type: "graph.filed", Subject: "1"}},
		{Key: "two", Event: bellhop.Event{Type: "graph.filed", Subject: t.Values["what"] + t.Values["where"]}}}}, err
}

// TestWork shows a work that is done: what it is given, what is published, once, and the line about it.
func TestWork(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	var seen provider.Task
	w := b.clerk(func(ctx context.Context, t *provider.Task) (provider.WorkDone, error) {
		seen = *t
		return filed(ctx, t)
	}, nil)
	at := attempt
	at.Progress = []byte("saved")
	for range 2 {
		done := w.Perform(t.Context(), paper, at)
		want := `{"events":[{"event":"evt_made0","type":"graph.filed"},{"event":"evt_made1","type":"graph.filed"}],` +
			`"note":"noted"}`
		if done.Error != "" || string(done.Reply) != want || done.Progress != nil {
			t.Fatalf("%+v %s", done, done.Reply)
		}
	}
	if len(b.published) != 2 || b.published[1].Subject != "a letter" || b.published[1].ProviderID != "dst_1|two" ||
		seen.DeliveryID != "dlv_1" || string(seen.Progress) != "saved" ||
		seen.BaseURL != "https://api.example.com/v1" ||
		seen.Event != paper {
		t.Errorf("%+v %+v", b.published, seen)
	}
	for _, want := range []string{"msg=action.worked", "action=graph.file", "calls=1", "event_id=evt_paper",
		`published_ids="[evt_made0 evt_made1]"`, "connection_id=con_work"} {
		if !strings.Contains(b.log.String(), want) {
			t.Errorf("the log has no %s: %s", want, b.log.String())
		}
	}
	if strings.Contains(b.log.String(), "letter") {
		t.Error("the log has the body")
	}
	if info := (Work{Provider: clerk{}, Is: clerk{}.Works()[0]}).Info(); info.Timeout != time.Minute ||
		info.SendSettings[0].Name != connectionSetting || info.Concurrency != fetchConcurrency ||
		len(info.Errors) == 0 {
		t.Errorf("%+v", info)
	}
}

// TestWorkSkips shows which events are none to work for.
func TestWorkSkips(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	caused := *paper
	caused.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {"evt_0"}}, nil)
	w := b.clerk(filed, nil)
	for _, ev := range []*bellhop.Event{{Type: "none"}, &caused} {
		if done := w.Perform(t.Context(), ev, attempt); !done.Skip || !strings.HasPrefix(done.Detail, "graph.file: ") {
			t.Errorf("%s: %+v", ev.Type, done)
		}
	}
	if leftOut(w, &caused) || !leftOut(w, &bellhop.Event{Type: "none"}) {
		t.Error("of the events of actions there is a delivery exactly of those for which it could work")
	}
	w = b.clerk(filed, func(d *bellhop.Destination) { d.Match.Types = []string{"paper"} })
	if done := w.Perform(t.Context(), &caused, attempt); done.Skip || done.Error != "" {
		t.Errorf("a match that names the type: %+v", done)
	}
	w = b.clerk(func(context.Context, *provider.Task) (provider.WorkDone, error) {
		return provider.WorkDone{Skip: true, Why: "it names nothing"}, nil
	}, nil)
	if done := w.Perform(t.Context(), paper, attempt); !done.Skip || done.Detail != "graph.file: it names nothing" {
		t.Errorf("%+v", done)
	}
}

// TestWorkResults shows what an attempt that is not done comes to, and that its progress and its events are kept.
func TestWorkResults(t *testing.T) {
	t.Parallel()
	half := provider.WorkDone{Progress: []byte("half"), Events: []provider.Made{{Key: "one",
		Event: bellhop.Event{Type: "t"}}}}
	for name, c := range map[string]struct {
		wait    time.Duration
		err     error
		refusal error
		want    provider.ActionResult
	}{
		"waits": {wait: time.Minute, want: provider.ActionResult{Continue: newStopwatch().wall.Add(time.Minute)}},
		"temporary": {err: &provider.APIError{Kind: provider.APITemporary, Message: "m"},
			want: provider.ActionResult{Error: errorTemporary, Detail: "m"}},
		"final": {err: &provider.APIError{Kind: provider.APIInvalid, Message: "m", Remedy: "r"},
			want: provider.ActionResult{Error: errorInvalid, Detail: "m: r", Final: true}},
		"signed out": {err: &provider.APIError{Kind: provider.APISignedOut, Message: "m"},
			want: provider.ActionResult{Parked: "con_work"}},
		"not stored": {refusal: bellhop.Conflict("no"), want: provider.ActionResult{Error: errorPublish,
			Detail: "the event could not be stored: no", Final: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t)
			b.refusal = c.refusal
			w := b.clerk(func(context.Context, *provider.Task) (provider.WorkDone, error) {
				done := half
				done.Wait = c.wait
				return done, c.err
			}, nil)
			got := w.Perform(t.Context(), paper, attempt)
			if c.want.Parked != "" {
				c.want.Detail = got.Detail
			}
			if string(got.Progress) != "half" || got.Error != c.want.Error || got.Detail != c.want.Detail ||
				got.Final != c.want.Final || got.Parked != c.want.Parked || !got.Continue.Equal(c.want.Continue) {
				t.Errorf("%+v, want %+v", got, c.want)
			}
			if published := len(b.published) == 1; published != (c.refusal == nil) {
				t.Errorf("%d events", len(b.published))
			}
		})
	}
}

// TestWorkThrottled shows that a call which the API refuses for now, and all that follow, wait until its time; that
// uses up no try.
func TestWorkThrottled(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.answer = provider.Answer{Status: http.StatusServiceUnavailable, Header: http.Header{"Retry-After": {"7"}}}
	var saw error
	w := b.clerk(func(ctx context.Context, task *provider.Task) (provider.WorkDone, error) {
		_, saw = task.API.Do(ctx, provider.Call{Method: http.MethodGet, Path: "/files"})
		return provider.WorkDone{}, fmt.Errorf("while filing: %w", saw)
	}, nil)
	for range 2 {
		done := w.Perform(t.Context(), paper, attempt)
		var e *provider.APIError
		if done.Error != "" || done.Continue.Before(b.now().Add(7*time.Second)) || !errors.As(saw, &e) ||
			e.Kind != provider.APITemporary {
			t.Errorf("%+v, %v", done, saw)
		}
	}
	if len(b.calls) != 1 {
		t.Errorf("%d calls", len(b.calls))
	}
	b.clock.pass(10 * time.Second)
	b.answer = provider.Answer{Status: http.StatusServiceUnavailable} // without a time it is an answer like others
	if w.Perform(t.Context(), paper, attempt); saw != nil || len(b.calls) != 2 {
		t.Errorf("%v, %d calls", saw, len(b.calls))
	}
}

// TestWorkSettings shows which settings are refused, and what an expression must give.
func TestWorkSettings(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	action := Works([]provider.Provider{clerk{do: filed}}, b.newCalls(), match.NewGate(0).Compile)[0]
	for settings, path := range map[string]string{
		`{}`: "settings.connection", `{"connection":"nobody"}`: "settings.connection",
		`{"connection":"site"}`:                   "settings.connection",
		`{"connection":"work","what":"data."}`:    "settings.what",
		`{"connection":"work","colour":"red"}`:    "settings.colour",
		`{"connection":"work","where":"where +"}`: "settings.where",
	} {
		_, err := action.OpenAction(b.env(), bellhop.Destination{Settings: []byte(settings)})
		if err == nil || !strings.Contains(err.Error(), path+":") {
			t.Errorf("%s: %v, want %s", settings, err, path)
		}
	}
	env := b.env()
	env.Publish = nil
	if _, err := action.OpenAction(env, bellhop.Destination{Settings: []byte(`{"connection":"work"}`)}); err == nil {
		t.Error("a server that takes no events has works")
	}
	for body, want := range map[string]string{`{"what":7}`: "what: the expression gives no text", `[]`: "what: "} {
		done := b.clerk(filed, nil).Perform(t.Context(), &bellhop.Event{Body: []byte(body)}, attempt)
		if done.Error != errorInvalid || !done.Final || !strings.Contains(done.Detail, want) {
			t.Errorf("%s: %+v", body, done)
		}
	}
	if done := b.clerk(filed, nil).Perform(t.Context(), &bellhop.Event{Body: []byte(`{}`)},
		attempt); done.Error != "" {
		t.Errorf("null: %+v", done)
	}
}

// TestWorkSource shows which sources a work gets.
func TestWorkSource(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for name, want := range map[string]string{"calendar": "", "nobody": "there is no source nobody",
		"media":  "one of provider ams",
		"broken": "could not be read"} {
		var got provider.ActionSource
		var err error
		d := bellhop.Destination{ID: "dst_1", Settings: []byte(`{"connection":"work"}`)}
		env := b.env()
		env.Source = func(_ context.Context, name string) (provider.ActionSource, error) {
			kind, ok := map[string]string{"calendar": "graph", "media": "ams"}[name]
			if !ok && name == "broken" {
				return provider.ActionSource{}, errors.New("disk")
			} else if !ok {
				return provider.ActionSource{}, bellhop.NotFound("source", name)
			}
			return provider.ActionSource{Name: name, Provider: kind}, nil
		}
		action := Works([]provider.Provider{clerk{do: func(ctx context.Context,
			task *provider.Task) (provider.WorkDone, error) {
			got, err = task.Source(ctx, name)
			return provider.WorkDone{}, err
		}}}, b.newCalls(), match.NewGate(0).Compile)[0]
		p, openErr := action.OpenAction(env, d)
		if openErr != nil {
			t.Fatal(openErr)
		}
		p.Perform(t.Context(), paper, attempt)
		if want == "" && (err != nil || got.Name != name) || want != "" && (err == nil ||
			!strings.Contains(err.Error(), want)) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}
