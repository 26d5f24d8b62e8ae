package api

import (
	"encoding/json"
	"errors"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

func newClient(t *testing.T) (*rig, *client.Client) {
	r := newRig(t)
	server := httptest.NewServer(r.handler)
	t.Cleanup(server.Close)
	return r, client.New(server.URL+"/", testKey, server.Client())
}

func TestClient(t *testing.T) {
	r, c := newClient(t)
	ctx := t.Context()
	src, err := c.CreateSource(ctx, client.NewSource{Name: "media", Provider: "lock",
		Settings: map[string]any{"key": canary}})
	if err != nil || src.URL != "https://hooks.example.com/in/media" || !src.CreatedAt.Equal(testNow) {
		t.Fatal(src, err)
	}
	updated, err := c.UpdateSource(ctx, "media", map[string]any{"disabled": true})
	if err != nil || !updated.Disabled || len(updated.Followed)+len(updated.Warnings) > 0 {
		t.Fatal(updated, err)
	}
	d, err := c.CreateDestination(ctx, client.NewDestination{
		Name: "d", URL: "https://x.example.com", Match: &client.Match{Types: []string{"a.*"}},
		Retry: &client.Retry{Schedule: client.Schedule{"5s"}},
	})
	if err != nil || d.Match.Types[0] != "a.*" || len(d.Retry.Schedule) != 1 || d.Retry.Schedule[0] != "5s" {
		t.Fatal(d, err)
	}
	d, err = c.UpdateDestination(ctx, d.ID, map[string]any{"retry": client.Retry{Schedule: client.Schedule{"none"}}})
	if err != nil || d.Retry.Schedule[0] != "none" {
		t.Fatal(d, err)
	}
	if d, err = c.PauseDestination(ctx, "d"); err != nil || d.State != "paused" {
		t.Fatal(d, err)
	}
	if d, err = c.ResumeDestination(ctx, "d"); err != nil || d.State != "active" {
		t.Fatal(d, err)
	}
	preview, err := c.PreviewDestination(ctx, client.NewDestination{URL: "https://x.example.com"},
		client.SampleEvent{Type: "t", Data: json.RawMessage(`1`)})
	if err != nil || !preview.Matches || preview.Request.Body != "1" {
		t.Fatal(preview, err)
	}
	if rotated, err := c.RotateSecret(ctx, "d", client.Rotation{Grace: "1h"}); err != nil || rotated.Secret == "" ||
		rotated.Name != "d" {
		t.Fatal(rotated, err)
	}
	ev, repeated, err := c.Publish(ctx, client.NewEvent{Type: "t", Data: json.RawMessage(`{"a":1}`)}, "k")
	if err != nil || repeated || ev.BodyBytes != 7 {
		t.Fatal(ev, repeated, err)
	}
	again, repeated, err := c.Publish(ctx, client.NewEvent{Type: "t", Data: json.RawMessage(`{"a":1}`),
		Time: time.Now()},
		"k")
	if err != nil || !repeated || again.ID != ev.ID {
		t.Fatal(again, repeated, err)
	}
	body, contentType, err := c.EventBody(ctx, ev.ID)
	if err != nil || string(body) != `{"a":1}` || contentType != "application/json" {
		t.Fatal(string(body), contentType, err)
	}
	if detail, err := c.Event(ctx, ev.ID); err != nil || string(detail.Data) != `{"a":1}` {
		t.Fatal(detail, err)
	}
	for range 3 {
		if _, _, err := c.Publish(ctx, client.NewEvent{Type: "t", Data: json.RawMessage(`1`)}, ""); err != nil {
			t.Fatal(err)
		}
	}
	if trial, err := c.TestDestination(ctx, "d"); err != nil || trial.DeliveryID == "" {
		t.Fatal(trial, err)
	}
	list, err := c.Events(ctx, client.EventFilter{Type: "t", Until: testNow.Add(time.Hour)}, client.Page{Limit: 3})
	if err != nil || len(list.Data) != 3 || list.Next == "" {
		t.Fatal(list, err)
	}
	if list, err = c.Events(ctx, client.EventFilter{Type: "t"},
		client.Page{Limit: 3, Cursor: list.Next}); err != nil ||
		len(list.Data) != 1 || list.Next != "" {
		t.Fatal(list, err)
	}
	if err := errors.Join(c.DeleteSource(ctx, "media"), c.DeleteDestination(ctx, "d")); err != nil {
		t.Fatal(err)
	}

	r.fill()
	deliveries, err := c.Deliveries(ctx, client.DeliveryFilter{State: "pending", Destination: "billing"},
		client.Page{})
	if err != nil || len(deliveries.Data) != 1 || deliveries.Data[0].Last.Status != 500 {
		t.Fatal(deliveries, err)
	}
	if dlv, err := c.Delivery(ctx, "dlv_1"); err != nil || len(dlv.History) != 1 {
		t.Fatal(dlv, err)
	}
	if dlv, err := c.CancelDelivery(ctx, "dlv_1"); err != nil || dlv.State != "cancelled" || !dlv.NextAt.IsZero() {
		t.Fatal(dlv, err)
	}
	if dlv, err := c.RetryDelivery(ctx, "dlv_1"); err != nil || dlv.State != "pending" {
		t.Fatal(dlv, err)
	}
	rate := 5.0
	replay := client.NewReplay{Source: "media", Destination: "billing", Range: client.Range{Since: testNow},
		Pace: client.Pace{Rate: &rate}}
	if rpr, err := c.ReplayEvents(ctx, replay); err != nil || rpr.State != "running" || rpr.Rate != 5 ||
		rpr.Filter.DestinationID != "dst_1" || !rpr.Filter.Since.Equal(testNow) {
		t.Fatal(rpr, err)
	}
	if n, err := c.CountReplay(ctx, replay); err != nil || n.Deliveries != 3 || !n.Complete ||
		!n.SearchedTo.IsZero() {
		t.Fatal(n, err)
	}
	if made, err := c.ReplayEvent(ctx, "evt_1", "billing"); err != nil || len(made) != 1 ||
		made[0].DestinationID != "dst_1" {
		t.Fatal(made, err)
	}
	choice := client.Choice{Destination: "billing", Error: "timeout"}
	if rpr, err := c.RetryDeliveries(ctx, client.NewRetry{State: "cancelled", Choice: choice}); err != nil ||
		rpr.Filter.State != "cancelled" || rpr.Rate != 200 {
		t.Fatal(rpr, err)
	}
	if n, err := c.CountRetry(ctx, client.NewRetry{Choice: choice}); err != nil || n.Events != 2 {
		t.Fatal(n, err)
	}
	if n, err := c.CountCancel(ctx, choice); err != nil || n.Deliveries != 3 || n.Complete ||
		!n.SearchedTo.Equal(testNow) {
		t.Fatal(n, err)
	}
	rpr, err := c.CancelDeliveries(ctx, choice)
	if err != nil || rpr.Filter.State != "pending" || rpr.Rate != 0 {
		t.Fatal(rpr, err)
	}
	if rpr, err = c.CancelRepair(ctx, rpr.ID); err != nil || rpr.State != "cancelled" {
		t.Fatal(rpr, err)
	}
	if rpr, err = c.Repair(ctx, rpr.ID); err != nil || rpr.State != "cancelled" {
		t.Fatal(rpr, err)
	}
	if list, err := c.Repairs(ctx, client.RepairQuery{}, client.Page{}); err != nil || len(list.Data) != 4 {
		t.Fatal(list, err)
	}
	if requests, err := c.Requests(ctx, client.RequestFilter{Outcome: "refused"}, client.Page{}); err != nil ||
		len(requests.Data) != 1 {
		t.Fatal(requests, err)
	}
	if req, err := c.Request(ctx, "req_1"); err != nil || req.Body != "hello" {
		t.Fatal(req, err)
	}
	if stats, err := c.Stats(ctx); err != nil || stats.Deliveries["dead"] != 2 {
		t.Fatal(stats, err)
	}
	if providers, err := c.Providers(ctx); err != nil || len(providers) != 3 {
		t.Fatal(providers, err)
	}
	if list, err := c.Sources(ctx, client.SourceFilter{}, client.Page{}); err != nil || len(list.Data) != 1 {
		t.Fatal(list, err)
	}
	if list, err := c.Destinations(ctx, client.DestinationFilter{}, client.Page{}); err != nil || len(list.Data) != 1 {
		t.Fatal(list, err)
	}
}

func TestClientErrors(t *testing.T) {
	_, c := newClient(t)
	_, err := c.Source(t.Context(), "no/such")
	var e *client.Error
	if !errors.As(err, &e) || e.Status != 404 || e.Code != bellhop.CodeNotFound || e.Detail == "" {
		t.Errorf("%#v", err)
	}
	_, err = c.CreateSource(t.Context(), client.NewSource{Name: "x", Provider: "lock"})
	if !errors.As(err, &e) || e.Code != bellhop.CodeInvalid || len(e.Errors) != 1 ||
		e.Errors[0].Path != "settings.key" {
		t.Errorf("%#v", err)
	}
}
