package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

// sendFlags are those of send.
type sendFlags struct {
	to, key, file, kind, id string
	callback                string
	set, headers            []string
	at                      time.Time
	handshake, json         bool
}

func newSendCommand(e *env) *cobra.Command {
	var f sendFlags
	c := &cobra.Command{
		Use:   "send PROVIDER --to URL [--key K] [--file BODY|-] [--header 'N: v']…",
		Short: "Sign and post as a provider would",
		Long: `Sign and post as a provider would, and print the status and the reply.

The body of --file is sent as it is where it is one of the provider's own; any other is put into the provider's form.
Without --file, a small test event is sent, or the system's own test message where there is one. It fails if the answer is not 2xx.

With --handshake nothing is sent; the receiver is asked whether it agrees, as a provider does before it sends at all.

'bellhop providers' says which providers send, and 'bellhop providers PROVIDER' what they can be told with --set.`,
		Example: `  bellhop send ams --to http://127.0.0.1:8080/in/media --key @key.txt --set account_id=GUID --file job.json
  bellhop send standardwebhooks --to http://127.0.0.1:3000/hooks --key whsec_… --type invoice.paid --file - < invoice.json
  bellhop send github --to http://127.0.0.1:3000/hooks --key @secret.txt --type github.push --file push.json
  bellhop send graph --to http://127.0.0.1:3000/hooks --key STATE --handshake`,
		Args: named("provider"),
		RunE: func(c *cobra.Command, args []string) error { return send(c.Context(), e, args[0], f) },
	}
	c.Flags().StringVar(&f.to, "to", "", "URL to post to")
	c.Flags().StringVar(&f.key, "key", "", "the key to sign with: text, @FILE or env:NAME")
	c.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
	c.Flags().StringVar(&f.file, "file", "", "the body; - is stdin")
	c.Flags().StringArrayVar(&f.headers, "header", nil, "a header to send as well, 'Name: value' (repeatable)")
	c.Flags().StringVar(&f.kind, "type", "", "type of the event (default PROVIDER.event with --file, else bellhop.test)")
	c.Flags().StringVar(&f.id, "id", "", "id of the event; the same one again is a repeat (default a new one)")
	timeFlag(c, &f.at, "at", "sign as of this time")
	c.Flags().BoolVar(&f.handshake, "handshake", false, "ask the receiver whether it agrees, and send nothing")
	c.Flags().StringVar(&f.callback, "callback", "", "with --handshake: a URL where the receiver may agree later")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON")
	return c
}

// send renders an event as the provider does, posts it and prints the answer.
func send(ctx context.Context, e *env, name string, f sendFlags) error {
	if f.to == "" {
		return wrongUsage("missing --to URL")
	}
	p, err := findProvider(name)
	if err != nil {
		return err
	}
	settings, err := e.rawSettings(p.Info(), f.key, f.set)
	if err != nil {
		return err
	}
	env := e.providerEnv(f.at)
	renderer, err := openRenderer(p, env, settings)
	if err != nil {
		return err
	}
	sending := provider.AttemptInfo{DeliveryID: bellhop.NewID(bellhop.PrefixDelivery, env.Rand), Attempt: 1, Time: env.Now(), URL: f.to, Callback: f.callback}
	if f.handshake {
		return sendHandshake(ctx, e, renderer, sending, f)
	}
	ev, err := f.event(e, env, p)
	if err != nil {
		return err
	}
	messages, err := render(ctx, p, renderer, ev, sending)
	if err != nil {
		return err
	}
	for _, message := range messages {
		if err := post(ctx, e, message, f); err != nil {
			return err
		}
	}
	return nil
}

// openRenderer opens the Renderer of the system's own requests.
func openRenderer(p provider.Provider, env provider.Env, settings json.RawMessage) (provider.Renderer, error) {
	emulation := provider.EmulationOf(p)
	if emulation.Open == nil {
		return nil, wrongUsage("%s only receives; 'bellhop providers' says which providers send", p.Info().Name)
	}
	renderer, err := emulation.Open(env, settings)
	if err != nil {
		return nil, wrongSettings(p.Info(), err)
	}
	return renderer, nil
}

// render puts an event into a request. If its body is one that the provider itself would send, with one event or several,
// these events are rendered, so that each goes out as it is: in one request if the renderer can do that, else one by one.
func render(ctx context.Context, p provider.Provider, renderer provider.Renderer, ev *bellhop.Event, at provider.AttemptInfo) (messages []provider.OutboundRequest, err error) {
	own, err := provider.EmulationOf(p).OwnEvents(ctx, ev.ContentType, ev.Body)
	if err != nil {
		return nil, err
	}
	events := asReceived(own, ev)
	if len(events) == 0 {
		events = []*bellhop.Event{ev}
	}
	if batcher, ok := renderer.(provider.Batcher); ok && len(events) > 1 {
		m, err := batcher.RenderBatch(events, at)
		return []provider.OutboundRequest{m}, err
	}
	for _, ev := range events {
		m, err := renderer.Render(ev, at)
		if err != nil {
			return nil, err
		}
		messages = append(messages, m)
	}
	return messages, nil
}

// asReceived gives items, which are parts of ev, what a source would.
func asReceived(items []bellhop.Event, ev *bellhop.Event) (events []*bellhop.Event) {
	for _, item := range items {
		if !bytes.Contains(ev.Body, item.Body) {
			continue // the provider's own remark, such as of a gap
		}
		item.ID, item.Source, item.ReceivedAt = ev.ID, ev.Source, ev.ReceivedAt
		events = append(events, &item)
	}
	return events
}

// event is what is sent: the body of --file as an event that came from this provider, or else a test event.
func (f *sendFlags) event(e *env, env provider.Env, p provider.Provider) (*bellhop.Event, error) {
	now, name := env.Now(), p.Info().Name
	ev := &bellhop.Event{ID: f.id, Type: f.kind, Source: name, Time: now, ReceivedAt: now, ContentType: "application/json"}
	if ev.ID == "" {
		ev.ID = bellhop.NewID(bellhop.PrefixEvent, env.Rand)
	}
	if ev.Type == "" {
		ev.Type = "bellhop.test"
		if f.file != "" {
			ev.Type = name + ".event"
		}
	}
	ev.Body = []byte(`{"message":"a test event, sent by bellhop"}`)
	if test := provider.EmulationOf(p).TestBody; test != nil {
		ev.Body = test(now)
	}
	if f.file != "" {
		var err error
		if ev.Body, err = e.readFile(f.file); err != nil {
			return nil, err
		}
		if !json.Valid(ev.Body) {
			ev.ContentType = http.DetectContentType(ev.Body)
		}
		if given := headerIn(f.headers, "Content-Type"); given != "" {
			ev.ContentType = given
		}
	}
	ev.SHA256 = sha256.Sum256(ev.Body)
	return ev, nil
}

// headerIn returns the value of a header among 'Name: value' lines, "" if it is not there.
func headerIn(lines []string, name string) string {
	for _, line := range lines {
		if n, value, _ := strings.Cut(line, ":"); strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}
