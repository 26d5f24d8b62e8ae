package outbound

import (
	"context"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// chore is an action that does nothing. It may not do even that if it is off.
type chore struct{ off bool }

func (*chore) Info() provider.Info {
	return provider.Info{Name: "chore", SendSettings: []provider.Setting{}, Errors: []string{"exit"}}
}

func (c *chore) OpenAction(provider.ActionEnv, bellhop.Destination) (provider.Performer, error) {
	if c.off {
		return nil, bellhop.Invalid("type", "chore is off")
	}
	return c, nil
}

func (*chore) Perform(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
	return provider.ActionResult{}
}

// TestActionSettings: fields that belong to destinations which send are refused for an action.
func TestActionSettings(t *testing.T) {
	c := &chore{}
	e := opener(t, func(opts *Options) { opts.Actions = []provider.Action{c} })
	good := bellhop.Destination{Type: "chore"}
	if err := e.Check(good); err != nil || e.DefaultHandshake(good) != bellhop.HandshakeNone {
		t.Error(err)
	}
	bad := bellhop.Destination{Type: "chore", URL: "https://x.example.com", Access: []byte(`{"basic":{}}`),
		Handshake: "eventgrid", Batch: bellhop.Batch{MaxEvents: 2}, Match: bellhop.Match{Where: "data.x =="}}
	err := e.Check(bad)
	for _, path := range []string{"url: an action runs here and has no URL", "access: an action sends no request",
		"handshake: ",
		"batch: ", "match.where: "} {
		if err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%v: no %s", err, path)
		}
	}
	for code, want := range map[string]string{"exit": "", "timeout": "", "dns": "retry.outcomes.dns"} {
		d := bellhop.Destination{Type: "chore",
			Retry: bellhop.Retry{Outcomes: bellhop.Outcomes{code: bellhop.OutcomeDead}}}
		if err := e.Check(d); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want+": ") {
			t.Errorf("outcome of %s: %v", code, err)
		}
	}
	if err := e.Check(bellhop.Destination{Type: "chores"}); err == nil ||
		!strings.Contains(err.Error(), "there are ams, chore, http") {
		t.Error(err)
	}
	c.off = true
	if err := e.Check(good); err == nil || err.Error() != "type: chore is off" {
		t.Error(err)
	}
}

// A fixed is a Performer that always has the same result.
type fixed provider.ActionResult

func (f fixed) Perform(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
	return provider.ActionResult(f)
}

// TestActionReplies: the reply of each kind of result that is about somebody else: an HTTP answer, a connection that
// is signed out, and nobody who is there.
func TestActionReplies(t *testing.T) {
	for name, c := range map[string]struct {
		done provider.ActionResult
		want Reply
	}{
		"an answer": {provider.ActionResult{Status: 503, RetryAfter: "7", Reply: []byte("later")},
			Reply{Class: Answered, Status: 503, RetryAfter: "7", Body: []byte("later")}},
		"signed out": {provider.ActionResult{Parked: "con_1", Detail: "sign in"},
			Reply{Class: Unsent, Error: ErrorSignedOut, Detail: "sign in", Parked: "con_1"}},
		"gone": {provider.ActionResult{Parked: "dst_1", Error: "listener_gone", Detail: "it left"},
			Reply{Class: Unsent, Error: "listener_gone", Detail: "it left", Parked: "dst_1"}},
		"nobody": {provider.ActionResult{Parked: "dst_1", Unmade: true, Detail: "nobody"},
			Reply{Class: Unmade, Detail: "nobody", Parked: "dst_1"}},
	} {
		target := &Target{opener: opener(t), kind: "chore", timeout: time.Second, performer: fixed(c.done)}
		got := target.perform(t.Context(), &bellhop.Delivery{ID: "dlv_1", Event: &bellhop.Event{}}, time.Now())
		if len(got.Body) == 0 {
			got.Body = nil
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// A chooser is a Performer that leaves out events of type chore.done.
type chooser struct{ fixed }

func (chooser) LeavesOut(ev *bellhop.Event) bool { return ev.Type == "chore.done" }

// TestPreviewOfAction: a preview of an action has no request. It says why an event is left out that an action made.
func TestPreviewOfAction(t *testing.T) {
	o := opener(t, func(opts *Options) { opts.Actions = []provider.Action{choosing{}} })
	made := bellhop.NewHeader(http.Header{bellhop.CauseHeader: {"evt_1"}}, nil)
	for name, c := range map[string]struct {
		ev  bellhop.Event
		why string
	}{
		"its own result":        {bellhop.Event{Type: "chore.done", Header: made}, "an action made the event"},
		"another one":           {bellhop.Event{Type: "chore.begun", Header: made}, ""},
		"not made by an action": {bellhop.Event{Type: "chore.done"}, ""},
	} {
		p, err := o.Preview(bellhop.Destination{Type: "chosen", Settings: []byte("{}")}, c.ev)
		if err != nil || !strings.HasPrefix(p.Why, c.why) || c.why == "" && p.Why != "" ||
			p.Method+p.Error+p.Skipped != "" {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// A choosing is an action whose Performer is a chooser.
type choosing struct{}

func (choosing) Info() provider.Info {
	return provider.Info{Name: "chosen", SendSettings: []provider.Setting{}}
}

func (choosing) OpenAction(provider.ActionEnv, bellhop.Destination) (provider.Performer, error) {
	return chooser{}, nil
}
