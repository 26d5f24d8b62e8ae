package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

// sendFlags are the flags of send.
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
		Short: "Sign and post an event as a provider would",
		Long: `Sign and post an event as a provider would, and print the status and the reply. The command fails if
the status is not 2xx.

If the body of --file is in the provider's own form, it is sent as it is. Any other body is put into
that form. Without --file, a small test event is sent, or the provider's own test message if it has
one.

With --handshake no event is sent. The receiver is asked whether it agrees to receive, as the
provider asks before it sends anything.

'bellhop providers' shows which providers send, 'bellhop providers PROVIDER' the settings for --set.`,
		Example: `  bellhop send ams --to http://127.0.0.1:8080/in/media --key @key.txt --set account_id=GUID --file job.json
  bellhop send standardwebhooks --to http://127.0.0.1:3000/hooks --key whsec_… --type invoice.paid --file - < paid.json
  bellhop send github --to http://127.0.0.1:3000/hooks --key @secret.txt --type github.push --file push.json
  bellhop send graph --to http://127.0.0.1:3000/hooks --key STATE --handshake`,
		Args: oneArgument("provider"),
		RunE: func(c *cobra.Command, args []string) error { return send(c.Context(), e, args[0], f) },
	}
	c.Flags().StringVar(&f.to, "to", "", "URL to post to")
	c.Flags().StringVar(&f.key, "key", "", "the key to sign with: text, @FILE or env:NAME")
	c.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
	c.Flags().StringVar(&f.file, "file", "", "a file with the body; - is stdin")
	c.Flags().StringArrayVar(&f.headers, "header", nil, "an additional header, as 'Name: value' (repeatable)")
	c.Flags().StringVar(&f.kind, "type", "",
		"type of the event (default PROVIDER.event with --file, else bellhop.test)")
	c.Flags().StringVar(&f.id, "id", "",
		"id of the event; a second event with the same id is a repeat (default: a new id)")
	timeFlag(c, &f.at, "at", "sign as if it were this time")
	c.Flags().BoolVar(&f.handshake, "handshake", false, "ask the receiver whether it agrees, and send no event")
	c.Flags().StringVar(&f.callback, "callback", "", "with --handshake: a URL at which the receiver may agree later")
	formatFlags(e, c.Flags(), &f.json)
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
	renderer, err := openRenderer(p, env, settings, givenFlag("--key", f.key))
	if err != nil {
		return err
	}
	attempt := provider.AttemptInfo{
		DeliveryID: bellhop.NewID(bellhop.PrefixDelivery, env.Rand), Attempt: 1, Time: env.Now(),
		URL: f.to, Callback: f.callback,
	}
	if f.handshake {
		return sendHandshake(ctx, e, renderer, attempt, f)
	}
	ev, err := f.event(e, env, p)
	if err != nil {
		return err
	}
	requests, err := provider.EmulationOf(p).Render(ctx, renderer, ev, attempt)
	if err != nil {
		return err
	}
	for _, request := range requests {
		resp, reply, err := exchange(ctx, f.to, request, f.headers)
		if err != nil {
			return err
		}
		if err := printReply(e, resp, reply, f.json); err != nil {
			return err
		}
	}
	return nil
}

// openRenderer opens the renderer of the provider's own requests. keyFlag is that of wrongSettings.
func openRenderer(
	p provider.Provider, env provider.Env, settings json.RawMessage, keyFlag string,
) (provider.Renderer, error) {
	emulation := provider.EmulationOf(p)
	if emulation.Open == nil {
		return nil, wrongUsage("%s only receives; 'bellhop providers' shows which providers send", p.Info().Name)
	}
	renderer, err := emulation.Open(env, settings)
	if err != nil {
		return nil, wrongSettings(p.Info(), keyFlag, err)
	}
	return renderer, nil
}

// event returns the event to send: with the body of --file, or else a test event.
func (f *sendFlags) event(e *env, env provider.Env, p provider.Provider) (*bellhop.Event, error) {
	now, name := env.Now(), p.Info().Name
	ev := &bellhop.Event{
		ID: f.id, Type: f.kind, Source: name, Time: now, ReceivedAt: now, ContentType: "application/json",
	}
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

// headerIn returns the value of the named header among 'Name: value' lines, or "" if it is not there.
func headerIn(lines []string, name string) string {
	for _, line := range lines {
		if n, value, _ := strings.Cut(line, ":"); strings.EqualFold(strings.TrimSpace(n), name) {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// sendHandshake makes the handshake and prints the answer. It fails unless the receiver agrees or may agree later.
func sendHandshake(
	ctx context.Context, e *env, renderer provider.Renderer, attempt provider.AttemptInfo, f sendFlags,
) error {
	handshaker, ok := renderer.(provider.Handshaker)
	if !ok {
		return wrongUsage("this provider sends without a handshake; leave out --handshake")
	}
	handshake, err := handshaker.Handshake(attempt)
	if err != nil {
		return err
	}
	to := f.to
	if handshake.URL != "" {
		to = handshake.URL
	}
	resp, reply, err := exchange(ctx, to, handshake.Request, f.headers)
	if err != nil {
		return err
	}
	if err := printReply(e, resp, reply, f.json); err != nil && err != errReported {
		return err
	}
	agreed, err := handshake.Read(resp.StatusCode, resp.Header, reply)
	switch {
	case err != nil:
		return fmt.Errorf("the receiver did not agree: %w", err)
	case agreed.Pending:
		fmt.Fprintln(e.stderr, "the receiver has not agreed yet; it may do so at the callback")
	case agreed.Rate > 0:
		fmt.Fprintf(e.stderr, "the receiver agrees, to %g deliveries a second\n", agreed.Rate)
	default:
		fmt.Fprintln(e.stderr, "the receiver agrees")
	}
	return nil
}

// maxReplyBytes is how much of a reply is read and printed.
const maxReplyBytes = 64 << 10

// exchange sends message with the user's headers, which replace its own, and returns the answer. The body of
// the answer is cut after maxReplyBytes.
func exchange(
	ctx context.Context, to string, message provider.OutboundRequest, headers []string,
) (resp *http.Response, reply []byte, err error) {
	if message.Method == "" {
		message.Method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, message.Method, to, bytes.NewReader(message.Body))
	if err != nil {
		return nil, nil, wrongUsage("--to: not a URL; write a whole one, such as http://127.0.0.1:8080/in/media")
	}
	if message.Header != nil {
		req.Header = message.Header.Clone()
	}
	for _, line := range headers {
		name, value, ok := strings.Cut(line, ":")
		if !ok {
			return nil, nil, wrongUsage("--header %s: write it as 'Name: value'", line)
		}
		req.Header.Set(strings.TrimSpace(name), strings.TrimSpace(value))
	}
	if host := req.Header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err = egress.NewLocal().Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	reply, err = io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes))
	if err != nil {
		return nil, nil, fmt.Errorf("read the reply: %w", err)
	}
	return resp, reply, nil
}

// printReply prints an answer. It returns errReported if the status is not 2xx.
func printReply(e *env, resp *http.Response, reply []byte, asJSON bool) (err error) {
	if asJSON {
		contentType := resp.Header.Get("Content-Type")
		err = printData(e, map[string]any{"status": resp.StatusCode, "content_type": contentType,
			"reply": string(reply)})
	} else {
		fmt.Fprintln(e.stdout, clean(resp.Status))
		if text := strings.TrimRight(cleanLines(string(reply)), "\n"); text != "" {
			fmt.Fprintln(e.stdout, text)
		}
	}
	if err == nil && (resp.StatusCode < 200 || resp.StatusCode > 299) {
		return errReported
	}
	return err
}
