package outbound

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// panicker is a provider and an action that panics on every event but the probe.
type panicker struct{ provider.Provider }

func (panicker) Info() provider.Info {
	return provider.Info{Name: "panicker", SendSettings: []provider.Setting{}}
}

func (p panicker) OpenSender(provider.Env, json.RawMessage) (provider.Renderer, error) { return p, nil }

func (p panicker) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	if ev.Type != "bellhop.probe" {
		panic("the cause")
	}
	return provider.OutboundRequest{Body: ev.Body}, nil
}

type panickingAction struct{ chore }

func (*panickingAction) OpenAction(provider.ActionEnv, bellhop.Destination) (provider.Performer, error) {
	return &panickingAction{}, nil
}

func (*panickingAction) Perform(context.Context, *bellhop.Event, provider.AttemptInfo) provider.ActionResult {
	panic("the cause")
}

// TestPanics: a provider or an action that panics fails that attempt, which says nothing about the cause. The
// cause is logged once, with the destination, the type, the delivery and the stack.
func TestPanics(t *testing.T) {
	for event, d := range map[string]bellhop.Destination{
		"provider.panicked": {ID: "dst_1", Type: "panicker", URL: "https://example.com", Timeout: time.Second},
		"action.panicked":   {ID: "dst_1", Type: "chore", Timeout: time.Second},
	} {
		var logged bytes.Buffer
		o := opener(t, func(opts *Options) {
			opts.Logger = slog.New(slog.NewJSONHandler(&logged, nil))
			opts.Providers, opts.Actions = []provider.Provider{panicker{}}, []provider.Action{&panickingAction{}}
		})
		target, err := o.Open(d)
		if err != nil {
			t.Fatal(err)
		}
		reply := target.Send(t.Context(), []*bellhop.Delivery{{ID: "dlv_1", Event: &bellhop.Event{ID: "evt_1"}}},
			began)
		if !reply.Final || reply.Detail != d.Type+": failed on the event" {
			t.Errorf("%s: %+v", event, reply)
		}
		var line struct {
			Msg, Type, Panic, Stack string
			Destination             string `json:"destination_id"`
			Delivery                string `json:"delivery_id"`
		}
		if err := json.Unmarshal(logged.Bytes(), &line); err != nil { // also of several lines
			t.Fatalf("%s: %v: %s", event, err, logged.Bytes())
		}
		if line.Msg != event || line.Type != d.Type || line.Panic != "the cause" || line.Destination != "dst_1" ||
			line.Delivery != "dlv_1" ||
			!strings.Contains(line.Stack, "target_test.go") {
			t.Errorf("%s: %+v", event, line)
		}
	}
}
