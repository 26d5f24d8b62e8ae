package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
)

// maxReplyBytes is how much of a reply is printed.
const maxReplyBytes = 64 << 10

// post sends message and prints what came back.
func post(ctx context.Context, e *env, message provider.OutboundRequest, f sendFlags) error {
	resp, reply, err := exchange(ctx, f.to, message, f.headers)
	if err != nil {
		return err
	}
	return printReply(e, resp, reply, f.json)
}

// exchange sends message, with headers of the user's besides, and returns the reply, its body cut to what is printed.
func exchange(ctx context.Context, to string, message provider.OutboundRequest, headers []string) (*http.Response, []byte, error) {
	if message.Method == "" {
		message.Method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(ctx, message.Method, to, bytes.NewReader(message.Body))
	if err != nil {
		return nil, nil, wrongUsage("--to: cannot be read; write a whole URL such as http://127.0.0.1:8080/in/media")
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
	resp, err := egress.NewLocal().Do(req)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(resp.Body, maxReplyBytes))
	if err != nil {
		return nil, nil, fmt.Errorf("read the reply: %w", err)
	}
	return resp, reply, nil
}

// printReply prints an answer; one that is not 2xx is a failure.
func printReply(e *env, resp *http.Response, reply []byte, asJSON bool) (err error) {
	if asJSON {
		err = printJSON(e.stdout, map[string]any{"status": resp.StatusCode, "content_type": resp.Header.Get("Content-Type"), "reply": string(reply)})
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
