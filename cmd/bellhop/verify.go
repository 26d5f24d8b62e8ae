package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

// verifyFlags are those of verify.
type verifyFlags struct {
	key, headers, file, target, method string
	set                                []string
	at                                 time.Time
	json                               bool
}

func newVerifyCommand(e *env) *cobra.Command {
	var f verifyFlags
	c := &cobra.Command{
		Use:   "verify PROVIDER [--key K] --headers FILE --file BODY",
		Short: "Check a saved request and say why it fails",
		Long: `Check a saved request as a source of the provider would, and print its events, or why it is refused.

--headers is a file of 'Name: value' lines, which may begin with the request line, or a JSON object of names and
values. --at is when the request came in; most signatures hold for a few minutes only. It fails if anything is refused.`,
		Example: `  bellhop verify ams --key env:SIGNING_KEY --headers headers.txt --file body.json
  bellhop verify generic --set scheme=query --key s3cret --target '/in/grid?code=s3cret' --headers headers.txt --file body.json
  bellhop verify standardwebhooks --key @secret.txt --headers headers.txt --file body.json --at 2026-11-22T10:00:00Z`,
		Args: named("provider"),
		RunE: func(c *cobra.Command, args []string) error { return verify(c.Context(), e, args[0], f) },
	}
	c.Flags().StringVar(&f.key, "key", "", "the key that signed: text, @FILE or env:NAME")
	c.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
	c.Flags().StringVar(&f.headers, "headers", "", "file with the headers")
	c.Flags().StringVar(&f.file, "file", "", "file with the body; - is stdin")
	c.Flags().StringVar(&f.target, "target", "", "path and query of the request (default /in/PROVIDER)")
	c.Flags().StringVar(&f.method, "method", "", "method of the request (default POST)")
	timeFlag(c, &f.at, "at", "check as of this time")
	c.Flags().BoolVar(&f.json, "json", false, "print JSON, one line per event")
	return c
}

// verify opens a receiver, hands it the request and prints what it made of it.
func verify(ctx context.Context, e *env, name string, f verifyFlags) error {
	if f.headers == "" || f.file == "" {
		return wrongUsage("missing --headers FILE or --file BODY")
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
	receiver, err := p.Open(env, settings)
	if err != nil {
		return wrongSettings(p.Info(), err)
	}
	req, err := f.request(e, name)
	if err != nil {
		return err
	}
	req.ReceivedAt = env.Now()
	receipt, err := receiver.Receive(ctx, req)
	if err != nil {
		return f.printRefusal(e, err)
	}
	return f.printReceipt(e, receipt)
}

// request puts the saved request together. What a flag says wins over what the file of headers does.
func (f *verifyFlags) request(e *env, name string) (*provider.Request, error) {
	text, err := e.readFile(f.headers)
	if err != nil {
		return nil, err
	}
	saved, err := parseSaved(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.headers, err)
	}
	req := &provider.Request{Method: http.MethodPost, Target: "/in/" + name, Header: saved.header, RemoteAddr: "127.0.0.1:1"}
	for _, method := range []string{saved.method, f.method} {
		if method != "" {
			req.Method = method
		}
	}
	for _, target := range []string{saved.target, f.target} {
		if target != "" {
			req.Target = target
		}
	}
	req.Body, err = e.readFile(f.file)
	return req, err
}

// refusal is why something was refused: a short code, if there is one, and words.
func refusal(err error) (code, words string) {
	var coded interface{ Code() string }
	if errors.As(err, &coded) {
		code = coded.Code()
	}
	return code, err.Error()
}

func (f *verifyFlags) printRefusal(e *env, err error) error {
	code, words := refusal(err)
	if f.json {
		if err := printJSON(e.stdout, map[string]string{"refused": words, "reason": code}); err != nil {
			return err
		}
		return errReported
	}
	fmt.Fprintf(e.stdout, "refused: %s\n", clean(words))
	return errReported
}

// printReceipt prints the events or the handshake, and what was refused beside them.
func (f *verifyFlags) printReceipt(e *env, receipt provider.Receipt) error {
	err := f.printAccepted(e, receipt)
	for _, r := range receipt.Refused {
		code, words := refusal(r.Err)
		if f.json {
			err = errors.Join(err, printJSON(e.stdout, map[string]any{"item": r.Index, "refused": words, "reason": code}))
		} else {
			fmt.Fprintf(e.stdout, "item %d refused: %s\n", r.Index, clean(words))
		}
	}
	if err == nil && len(receipt.Refused) > 0 {
		return errReported
	}
	return err
}

func (f *verifyFlags) printAccepted(e *env, receipt provider.Receipt) error {
	if reply := receipt.Reply; reply != nil {
		if f.json {
			return printJSON(e.stdout, map[string]any{"handshake": reply.Status, "reply": string(reply.Body)})
		}
		fmt.Fprintf(e.stdout, "a handshake, answered %d\n%s\n", reply.Status, cleanLines(string(reply.Body)))
		return nil
	}
	if !f.json {
		fmt.Fprintf(e.stderr, "accepted: %d events\n", len(receipt.Events))
		return printTable(e.stdout, receipt.Events, verifiedColumns)
	}
	for _, ev := range receipt.Events {
		err := printJSON(e.stdout, map[string]any{
			"type": ev.Type, "subject": ev.Subject, "provider_id": ev.ProviderID, "time": moment(ev.Time),
			"content_type": ev.ContentType, "body": string(ev.Body),
		})
		if err != nil {
			return err
		}
	}
	return nil
}

var verifiedColumns = []column[bellhop.Event]{
	{"TYPE", func(ev bellhop.Event) string { return ev.Type }},
	{"SUBJECT", func(ev bellhop.Event) string { return ev.Subject }},
	{"PROVIDER ID", func(ev bellhop.Event) string { return ev.ProviderID }},
	{"TIME", func(ev bellhop.Event) string { return moment(ev.Time) }},
	{"BYTES", func(ev bellhop.Event) string { return strconv.Itoa(len(ev.Body)) }},
}
