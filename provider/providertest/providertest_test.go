package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// bells is the provider of a fictional system that has a handshake and batches. Each item of a batch carries the
// shared state, so that some items can be refused and others accepted.
type bells struct{}

func (bells) Info() provider.Info {
	return provider.Info{
		Name: "bells", Title: "Bells", Summary: "Rings.", Links: []string{"https://bells.example"}, Key: "state",
		Settings: []provider.Setting{
			{Name: "state", Title: "State", Doc: "Repeated in each item.", Example: "abc", Secret: true,
				Required: true},
		},
	}
}

func (bells) Open(_ provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s struct {
		State provider.Secrets `json:"state"`
	}
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	return bellsReceiver(s.State), s.State.Check("state")
}

type bellsReceiver []string

func (r bellsReceiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	if req.Method != http.MethodPost {
		return provider.Receipt{}, provider.ErrMethod
	}
	if tokens := provider.Query(req.Target, "token"); len(tokens) == 1 {
		return provider.Receipt{Reply: &provider.Reply{Status: 200, Body: []byte(tokens[0])}}, nil
	}
	value, err := strictjson.Find(req.Content(), "value")
	if err != nil {
		return provider.Receipt{}, err
	}
	var receipt provider.Receipt
	err = strictjson.Array(value, func(i int, item []byte) {
		id, state := strictjson.Member{Name: "id"}, strictjson.Member{Name: "state"}
		if strictjson.FindAll(item, &id, &state) != nil || !signature.EqualToken(state.Text(), r...) {
			receipt.Refused = append(receipt.Refused, provider.ItemError{Index: i, Err: provider.ErrForbidden})
			return
		}
		receipt.Events = append(receipt.Events, bellhop.Event{Type: "bells.rung",
			ProviderID: provider.RepeatKey(id.Text()), Body: item})
	})
	return receipt, err
}

// signBells returns a request with body, after it has put state into each item of body.
func signBells(state string, _ time.Time, body []byte) *provider.Request {
	req := &provider.Request{Method: "POST", Target: "/in/bells", Header: http.Header{}, Body: bytes.Clone(body)}
	var document map[string]any
	text := strictjson.TrimBOM(body)
	if json.Unmarshal(text, &document) != nil {
		return req
	}
	items, _ := document["value"].([]any)
	for _, item := range items {
		if item, ok := item.(map[string]any); ok {
			item["state"] = state
		}
	}
	if items != nil {
		changed, _ := json.Marshal(document)
		req.Body = append(bytes.Clone(body[:len(body)-len(text)]), changed...)
	}
	return req
}

func bellsCase() Case {
	handshake := &provider.Request{Method: "POST", Target: "/in/bells?token=a%20b", Header: http.Header{}}
	mixed := signBells("first state", Now, []byte(`{"value":[{"id":"1"},{"id":"2"}]}`))
	mixed.Body = bytes.Replace(mixed.Body, []byte("first state"), []byte("another"), 1)
	return Case{
		Provider:   bells{},
		Settings:   func(secrets []string) string { return JSON(map[string]any{"state": secrets}) },
		Secrets:    [2]string{"first state", "second state"},
		Sign:       signBells,
		Proves:     ProvesSender,
		Recordings: []Recording{{Name: "handshake", Request: handshake}, {Name: "one-of-two", Request: mixed}},
	}
}

func TestRun(t *testing.T) { Run(t, bellsCase()) }

func FuzzReceive(f *testing.F) { Fuzz(f, bellsCase()) }

// TestVary counts the variations of a small document.
func TestVary(t *testing.T) {
	document := map[string]any{"a": []any{map[string]any{"b": 1}}, "c": ""}
	before := JSON(document)
	var seen []string
	vary(document, func() { seen = append(seen, JSON(document)) })
	if after := JSON(document); after != before {
		t.Errorf("vary left %s of %s", after, before)
	}
	perMember := len(replacements) + 2 // also removed, and with its name in upper case
	if want := 3*perMember + len(replacements); len(seen) != want || slices.Contains(seen, "") {
		t.Errorf("%d variations, want %d", len(seen), want)
	}
}
