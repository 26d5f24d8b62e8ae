// Package client calls the HTTP API of a Bellhop gateway.
//
//	c := client.New("http://127.0.0.1:8080", key, nil)
//	source, err := c.CreateSource(ctx, client.NewSource{Name: "media", Provider: "ams", Settings: map[string]any{…}})
//
// One file holds one noun: the JSON forms of its requests and answers, and the methods that send them. The gateway
// reads and writes the same types, and makes its OpenAPI document from them and their tags. An error that the API
// answers is an [Error]. The package needs nothing but the standard library.
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
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// MaxReplyBytes is the largest answer that a Client reads.
const MaxReplyBytes = 64 << 20

// Header is a header of every answer of a gateway's API, with the version of the API as its value. A Client takes an
// answer without it for that of another server.
const (
	Header     = "Bellhop-Api"
	APIVersion = "1"
)

// StandbyHeader is a header of the answers of a server in standby to those who may see all tenants: it sends nothing
// until somebody calls [Client.Resume]. Its value is "on".
const StandbyHeader = "Bellhop-Standby"

// A Client calls one gateway. It is safe for concurrent use.
type Client struct {
	base    string
	key     string
	http    *http.Client
	ifMatch string // of changes; "" is any version
	once    string // the Idempotency-Key of what is created; "" is none

	pauses func(failures int) time.Duration // between tries to follow a stream again
}

// New returns a client of the gateway at baseURL ("http://127.0.0.1:8080") with its API key. If httpClient is nil,
// each call has 30 seconds. Redirects are errors, whatever httpClient does: the key is for baseURL alone.
func New(baseURL, key string, httpClient *http.Client) *Client {
	own := http.Client{Timeout: 30 * time.Second}
	if httpClient != nil {
		own = *httpClient
	}
	own.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &Client{base: strings.TrimRight(baseURL, "/"), key: key, http: &own, pauses: streamPause}
}

// IfMatch returns a client like c, which changes and deletes a noun, and replaces its secret, only if the noun has not
// changed since the answer with that ETag. Otherwise the error has [bellhop.CodeChanged]. The tag may be without its
// quotes; "" is any version.
func (c *Client) IfMatch(etag string) *Client {
	bound := *c
	if etag != "" && etag != "*" && !strings.Contains(etag, `"`) {
		etag = `"` + etag + `"`
	}
	bound.ifMatch = etag
	return &bound
}

// Once returns a client like c for one request that creates something: it sends the idempotency key with it. A repeat
// within 24 hours, by a client with the same key, creates nothing and returns what the first request returned. If the
// key was used for another request, the error has [bellhop.CodeConflict].
func (c *Client) Once(idempotencyKey string) *Client {
	bound := *c
	bound.once = idempotencyKey
	return &bound
}

// path escapes parts and joins them below the prefix of the API.
func path(parts ...string) string {
	p := "/api/v1"
	for _, part := range parts {
		p += "/" + url.PathEscape(part)
	}
	return p
}

// call sends in as JSON, unless it is nil, and decodes the answer into out, unless that is nil.
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
	noun, ok := out.(interface{ setETag(tag string) })
	if ok {
		noun.setETag(reply.header.Get("ETag"))
	}
	return nil
}

// reply is an answer of status 2xx.
type reply struct {
	header http.Header
	body   []byte
}

// do sends one request by a client, and returns the answer whatever its status, unless it does not come from a
// gateway.
func (c *Client) do(ctx context.Context, by *http.Client, method, path string, header http.Header,
	body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil || req.URL.Scheme != "http" && req.URL.Scheme != "https" {
		return nil, errors.New("the gateway's URL cannot be read; write it as http://host:port")
	}
	req.Header = header
	req.Header.Set("Accept", "application/json")
	req.Header.Set("Authorization", "Bearer "+c.key)
	if c.ifMatch != "" && (method == http.MethodPatch || method == http.MethodDelete ||
		method == http.MethodPost && strings.HasSuffix(path, "-secret")) {
		req.Header.Set("If-Match", c.ifMatch)
	}
	if c.once != "" && method == http.MethodPost {
		req.Header.Set("Idempotency-Key", c.once)
	}
	resp, err := by.Do(req)
	if err != nil {
		return nil, fmt.Errorf("call the gateway: %w", err)
	}
	if resp.StatusCode >= 200 && resp.StatusCode <= 299 && resp.Header.Get(Header) != APIVersion {
		resp.Body.Close()
		return nil, &Error{Status: resp.StatusCode, Detail: strangerAnswered(resp)}
	}
	return resp, nil
}

// send sends one request and reads the whole answer. A status other than 2xx is an *Error.
func (c *Client) send(ctx context.Context, method, path string, header http.Header, body []byte) (reply, error) {
	resp, err := c.do(ctx, c.http, method, path, header, body)
	if err != nil {
		return reply{}, err
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

// get returns the noun at path.
func get[T any](ctx context.Context, c *Client, path string) (v T, err error) {
	err = c.call(ctx, http.MethodGet, path, nil, &v)
	return v, err
}

// post sends in to path and returns the answer.
func post[T any](ctx context.Context, c *Client, path string, in any) (v T, err error) {
	err = c.call(ctx, http.MethodPost, path, in, &v)
	return v, err
}

// patch sends the merge patch in to path and returns the answer.
func patch[T any](ctx context.Context, c *Client, path string, in map[string]any) (v T, err error) {
	err = c.call(ctx, http.MethodPatch, path, in, &v)
	return v, err
}

// A Page says which part of a list to return. Lists are newest first. The zero Page is the first 50 entries.
type Page struct {
	Limit  int    // at most 250; 0 is 50
	Cursor string // Next of the previous page
}

// A List is one page of a list.
type List[T any] struct {
	Data []T
	Next string // the cursor of the next page; "" on the last page

	// Incomplete says that the page is not full because its filter took too long: the entries were looked through from
	// the newest one to those of the time SearchedTo, and the next page goes on from there.
	Incomplete bool
	SearchedTo time.Time
}

// list gets one page. It leaves empty values of query out.
func list[T any](ctx context.Context, c *Client, path string, page Page, query url.Values) (List[T], error) {
	if query == nil {
		query = make(url.Values)
	}
	for name := range query {
		if query.Get(name) == "" {
			query.Del(name)
		}
	}
	if page.Limit != 0 {
		query.Set("limit", strconv.Itoa(page.Limit))
	}
	if page.Cursor != "" {
		query.Set("cursor", page.Cursor)
	}
	if len(query) > 0 {
		path += "?" + query.Encode()
	}
	var answer struct {
		Data       []T       `json:"data"`
		Next       *string   `json:"next"`
		Incomplete bool      `json:"incomplete"`
		SearchedTo time.Time `json:"searched_to"`
	}
	err := c.call(ctx, http.MethodGet, path, nil, &answer)
	if err == nil && answer.Data == nil {
		err = fmt.Errorf("read the answer of %s: the list has no member data", c.base)
	}
	l := List[T]{Data: answer.Data, Incomplete: answer.Incomplete, SearchedTo: answer.SearchedTo}
	if answer.Next != nil {
		l.Next = *answer.Next
	}
	return l, err
}

// moment writes t as a query parameter; the zero time is "".
func moment(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}

// An Error is an error that the gateway answered.
type Error struct {
	Status int          // of the HTTP answer
	Code   bellhop.Code // "" if the answer is not that of a gateway
	Detail string       // what is wrong, where, and what to do
	Errors []FieldError // the values that the gateway does not accept
}

func (e *Error) Error() string { return e.Detail }

// A Problem is the JSON form of an error: the problem details of RFC 9457, with a code and the wrong values.
type Problem struct {
	Type   string       `json:"type" example:"about:blank"`
	Title  string       `json:"title" example:"Unprocessable Entity"`
	Status int          `json:"status" example:"422"`
	Detail string       `json:"detail" example:"name: required"`
	Code   bellhop.Code `json:"code" example:"invalid"`
	Errors []FieldError `json:"errors"`
}

// A FieldError names one value that the gateway does not accept.
type FieldError struct {
	// in the JSON that was sent, or the name of the parameter
	Path    string `json:"path" example:"settings.signing_key"`
	Message string `json:"message" example:"required"` // what is wrong and what to write instead
}

// newError reads a problem document. Any other answer does not come from a gateway.
func newError(resp *http.Response, body []byte) *Error {
	var p Problem
	if resp.Header.Get(Header) == "" || json.Unmarshal(body, &p) != nil || p.Code == "" {
		return &Error{Status: resp.StatusCode, Detail: strangerAnswered(resp)}
	}
	return &Error{Status: resp.StatusCode, Code: p.Code, Detail: p.Detail, Errors: p.Errors}
}

// strangerAnswered says that the answer does not come from a gateway, without the path and the query of the URL.
func strangerAnswered(resp *http.Response) string {
	from := resp.Request.URL.Scheme + "://" + resp.Request.URL.Host
	if resp.StatusCode >= 300 && resp.StatusCode <= 399 {
		return fmt.Sprintf("%s answered %s, a redirect, which is not followed: give the URL of "+
			"the Bellhop server itself",
			from, resp.Status)
	}
	return fmt.Sprintf("%s answered %s, but it is no Bellhop server, or a proxy before it answered", from, resp.Status)
}
