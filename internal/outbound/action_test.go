package outbound

import (
	"context"
	"strings"
	"testing"

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
		d := bellhop.Destination{Type: "chore", Retry: bellhop.Retry{Outcomes: bellhop.Outcomes{code: bellhop.OutcomeDead}}}
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
