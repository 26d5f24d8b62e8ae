// Package client calls the HTTP API of a Bellhop gateway.
//
//	c := client.New("http://127.0.0.1:8080", key, nil)
//	source, err := c.CreateSource(ctx, client.NewSource{Name: "media", Provider: "ams", Settings: map[string]any{…}})
//
// One file holds one noun. What the API refuses is an [Error].
package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// MaxReplyBytes is the largest answer that is read.
const MaxReplyBytes = 64 << 20

// A Client calls one gateway. It is safe for concurrent use.
type Client struct {
	base string
	key  string
	http *http.Client
}

// New returns a client of the gateway at baseURL ("http://127.0.0.1:8080"), with its API key. A nil httpClient is one
// that gives up after 30 seconds.
func New(baseURL, key string, httpClient *http.Client) *Client {
	if httpClient == nil {
		httpClient = &http.Client{Timeout: 30 * time.Second}
	}
	return &Client{base: strings.TrimRight(baseURL, "/"), key: key, http: httpClient}
}

// path joins parts, each escaped, below the API's prefix.
func path(parts ...string) string {
	p := "/api/v1"
	for _, part := range parts {
		p += "/" + url.PathEscape(part)
	}
	return p
}

// call sends in, if not nil, as JSON and reads the answer into out, if not nil.
func (c *Client) call(ctx context.Context, method, path string, in, out any) error {
	header := make(http.Header)
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return fmt.Errorf("write the request: %w", err)
		}
		header.Set("Content-Type", "application/json")
	}
	reply, err := c.send(ctx, method, path, header, body)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(reply.body, out); err != nil {
		return fmt.Errorf("read the answer of %s: %w", c.base, err)
	}
	return nil
}

// reply is an answer that is not an error.
type reply struct {
	header http.Header
	body   []byte
}

// send sends one request and reads the whole answer. A status other than 2xx is an *Error.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, body []byte) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return reply{}, errors.New("the gateway's URL cannot be read; write it as http://host:port")
	}
	req.Header = header
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.key)
	resp, err := c.http.Do(req)
	if err != nil {
		return reply{}, fmt.Errorf("call the gateway: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, MaxReplyBytes+1))
	if err != nil {
		return reply{}, fmt.Errorf("read the gateway's answer: %w", err)
	}
	if len(answer) > MaxReplyBytes {
		return reply{}, fmt.Errorf("the gateway's answer is larger than %d bytes", MaxReplyBytes)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return reply{}, newError(resp, answer)
	}
	return reply{resp.Header, answer}, nil
}
