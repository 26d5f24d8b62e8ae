package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/contentcoding"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/spf13/cobra"
)

// verifyFlags are the flags of verify.
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
		Short: "Check a saved request and explain why it is refused",
		Long: `Check a saved request as a source of the provider would. Print its events, or the reason why it is
refused; then the command fails.

--headers is a file of 'Name: value' lines, which may begin with the request line, or a JSON object
of names and values; the output of 'bellhop requests show ID --json' will do. Most signatures are
valid for a few minutes only: use --at to give the time at which the request was received.`,
		Example: `  bellhop verify ams --key env:SIGNING_KEY --headers headers.txt --file body.json
  bellhop verify generic --set scheme=query --key KEY --target '/in/grid?code=KEY' --headers h.txt --file body.json
  bellhop verify standardwebhooks --key @secret.txt --headers headers.txt --file body.json --at 2026-11-22T10:00:00Z`,
		Args: oneArgument("provider"),
		RunE: func(c *cobra.Command, args []string) error { return verify(c.Context(), e, args[0], f) },
	}
	c.Flags().StringVar(&f.key, "key", "", "the key that the request was signed with: text, @FILE or env:NAME")
	c.Flags().StringArrayVar(&f.set, "set", nil, setHelp)
	c.Flags().StringVar(&f.headers, "headers", "", "a file with the headers")
	c.Flags().StringVar(&f.file, "file", "", "a file with the body; - is stdin")
	c.Flags().StringVar(&f.target, "target", "", "path and query of the request (default /in/PROVIDER)")
	c.Flags().StringVar(&f.method, "method", "", "method of the request (default POST)")
	timeFlag(c, &f.at, "at", "check as if it were this time")
	formatFlags(e, c.Flags(), &f.json)
	return c
}

// verify hands the saved request to a receiver of the provider and prints the result.
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
	receiver, err := provider.Open(p, env, settings)
	if err != nil {
		return wrongSettings(p.Info(), givenFlag("--key", f.key), err)
	}
	req, err := f.request(e, name)
	if err != nil {
		return err
	}
	req.ReceivedAt = env.Now()
	if err := decodeSaved(req); err != nil {
		return f.printRefusal(e, err)
	}
	receipt, err := receiver.Receive(ctx, req)
	if err != nil {
		return f.printRefusal(e, err)
	}
	for i := range receipt.Events {
		if ev := &receipt.Events[i]; req.Decoded != nil && bytes.Equal(ev.Body, req.Body) {
			ev.Body = req.Decoded // which can be read
		}
	}
	return f.printReceipt(e, receipt)
}

// request reads the saved request. Flags win over the request line in the file of headers.
func (f *verifyFlags) request(e *env, name string) (*provider.Request, error) {
	text, err := e.readFile(f.headers)
	if err != nil {
		return nil, err
	}
	saved, err := parseSaved(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.headers, err)
	}
	req := &provider.Request{
		Method: http.MethodPost, Target: "/in/" + name, Header: saved.header, RemoteAddr: "127.0.0.1:1",
	}
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
	if req.Body, err = e.readFile(f.file); err != nil {
		return nil, err
	}
	return req, nil
}

// decodeSaved undoes the content encoding of req, as the server does. Its errors are those of a refusal.
func decodeSaved(req *provider.Request) error {
	coding, err := contentcoding.Of(req.Header[contentcoding.Header])
	switch {
	case err != nil:
		return provider.ErrEncoding
	case coding == contentcoding.None:
		return nil
	}
	req.Decoded, err = contentcoding.Decode(coding, req.Body, bellhop.MaxMaxBodyBytes, nil)
	if err != nil {
		return fmt.Errorf("%w: %w", provider.ErrBody, err)
	}
	return nil
}

// A saved holds the content of a file of headers. Method and target are "" if the file has none.
type saved struct {
	method, target string
	header         http.Header
}

// parseSaved reads either of two forms: 'Name: value' lines, optionally after a request line and before a
// blank line; or a JSON object of names and values. That object may also be the member "headers" of another
// one, as in the output of 'bellhop requests show --json'.
func parseSaved(text []byte) (saved, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return parseSavedJSON(text)
	}
	s := saved{header: make(http.Header)}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		if method, target, ok := requestLine(line); i == 0 && ok {
			s.method, s.target = method, target
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return s, fmt.Errorf("line %d is not 'Name: value'", i+1)
		}
		s.header.Add(strings.TrimSpace(name), strings.Trim(value, " \t"))
	}
	return s, nil
}

// requestLine splits "POST /in/x HTTP/1.1".
func requestLine(line string) (method, target string, ok bool) {
	method, rest, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(method, ":") {
		return "", "", false
	}
	target, _, ok = strings.Cut(rest, " HTTP/")
	return method, target, ok
}

func parseSavedJSON(text []byte) (saved, error) {
	s := saved{header: make(http.Header)}
	var whole struct {
		Method, Target string
		Headers        map[string]any
	}
	if err := json.Unmarshal(text, &whole); err != nil || whole.Headers == nil {
		whole.Method, whole.Target = "", ""
		if err := json.Unmarshal(text, &whole.Headers); err != nil {
			return s, errors.New("not a JSON object of headers")
		}
	}
	s.method, s.target = whole.Method, whole.Target
	for name, value := range whole.Headers {
		switch value := value.(type) {
		case string:
			s.header.Add(name, value)
		case []any:
			for _, v := range value {
				s.header.Add(name, fmt.Sprint(v))
			}
		default:
			return s, fmt.Errorf("header %s is neither a text nor a list of texts", name)
		}
	}
	return s, nil
}

// refusal returns the reason of a refusal: its code, or "" if it has none, and its text.
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
		if err := printData(e, map[string]string{"refused": words, "reason": code}); err != nil {
			return err
		}
		return errReported
	}
	fmt.Fprintf(e.stdout, "refused: %s\n", clean(words))
	return errReported
}

// printReceipt prints the events or the handshake, and the items that were refused.
func (f *verifyFlags) printReceipt(e *env, receipt provider.Receipt) error {
	err := f.printAccepted(e, receipt)
	for _, r := range receipt.Refused {
		code, words := refusal(r.Err)
		if f.json {
			err = errors.Join(err, printData(e, map[string]any{"item": r.Index, "refused": words, "reason": code}))
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
			return printData(e, map[string]any{"handshake": reply.Status, "reply": string(reply.Body)})
		}
		fmt.Fprintf(e.stdout, "a handshake, answered %d\n%s\n", reply.Status, cleanLines(string(reply.Body)))
		return nil
	}
	if !f.json {
		fmt.Fprintf(e.stderr, "accepted: %s\n", bellhop.Count(len(receipt.Events), "event"))
		return printTable(e, receipt.Events, verifiedColumns)
	}
	for _, ev := range receipt.Events {
		err := printData(e, map[string]any{
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
	{title: "TYPE", cell: func(ev bellhop.Event) string { return ev.Type }},
	{title: "SUBJECT", cell: func(ev bellhop.Event) string { return ev.Subject }},
	{title: "PROVIDER ID", cell: func(ev bellhop.Event) string { return ev.ProviderID }},
	{title: "TIME", at: func(ev bellhop.Event) time.Time { return ev.Time }},
	{title: "BYTES", cell: func(ev bellhop.Event) string { return strconv.Itoa(len(ev.Body)) }},
}
