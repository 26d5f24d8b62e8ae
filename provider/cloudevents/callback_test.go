package cloudevents_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

// A caller answers calls, and keeps them.
type caller struct {
	status int
	err    error
	calls  []*http.Request
}

func (c *caller) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls = append(c.calls, r)
	return &http.Response{StatusCode: c.status, Body: http.NoBody, Request: r}, c.err
}

const callback = "https://eventemitter.example.com/confirm?id=12345&key=c2VjcmV0"

func shaken(t *testing.T, c *caller, hosts []string, callbacks ...string) *provider.Reply {
	t.Helper()
	req := options("WebHook-Request-Origin", emitter, "WebHook-Request-Rate", "120")
	req.Header["Webhook-Request-Callback"] = callbacks
	env := provider.Env{Client: &http.Client{Transport: c}}
	receipt, err := openWith(t, env, map[string]any{"allowed_origins": []string{emitter}, "callback_hosts": hosts}).Receive(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.calls) > 0 {
		t.Fatal("called before the answer")
	}
	return receipt.Reply
}

// A host that is listed is called, and told what the answer leaves out.
func TestCallback(t *testing.T) {
	c := &caller{status: 200}
	reply := shaken(t, c, []string{"EventEmitter.example.com"}, callback)
	if reply.Status != 200 || reply.Then == nil || reply.Header.Get("WebHook-Allowed-Origin") != "" || reply.Header.Get("WebHook-Allowed-Rate") != "" {
		t.Fatalf("got %+v", reply)
	}
	if err := reply.Then(context.Background()); err != nil {
		t.Error(err)
	}
	if len(c.calls) != 1 || c.calls[0].Method != "GET" || c.calls[0].URL.String() != callback || c.calls[0].Header.Get("WebHook-Allowed-Rate") != "120" {
		t.Errorf("called %+v", c.calls)
	}
}

// The forgery list's V28: nothing else is called. The answer agrees by itself.
func TestCallbackNotListed(t *testing.T) {
	listed := []string{emitter, "a.example:8443"}
	for _, url := range []string{
		"https://eventemitter.example.com.evil.example.net/", "https://evil.example.net/?eventemitter.example.com", "https://eventemitter.example.com@evil.example.net/",
		"https://user:pw@eventemitter.example.com/", "http://eventemitter.example.com/", "https://eventemitter.example.com:8443/", "https://a.example/",
		"//eventemitter.example.com/", "https:eventemitter.example.com", "https://", "https://169.254.169.254/latest/", "file:///etc/passwd",
		"https://eventemitter.example.com\\@evil.example.net/", "https://eventemitter.example.com\r\n/", "https://eventemitter.example.com./", "", "%",
	} {
		if reply := shaken(t, &caller{}, listed, url); reply.Then != nil || reply.Header.Get("WebHook-Allowed-Origin") != emitter {
			t.Errorf("%q is called, or not agreed to: %+v", url, reply)
		}
	}
	if reply := shaken(t, &caller{}, listed, callback, callback); reply.Then != nil {
		t.Error("of two callbacks, one is called")
	}
	if reply := shaken(t, &caller{}, nil, callback); reply.Then != nil {
		t.Error("called, though no host is listed")
	}
	for _, url := range []string{"https://eventemitter.example.com:443/x", "https://a.example:8443/x"} {
		if reply := shaken(t, &caller{}, listed, url); reply.Then == nil {
			t.Errorf("%q is not called", url)
		}
	}
}

// Why a call failed is on record, and where it went is not.
func TestCallbackFails(t *testing.T) {
	for _, c := range []*caller{{status: 404}, {status: 302}, {err: errors.New("no route")}} {
		err := shaken(t, c, []string{emitter}, callback).Then(context.Background())
		if err == nil || strings.Contains(err.Error(), "c2VjcmV0") || strings.Contains(err.Error(), "confirm") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestSecretHeaders(t *testing.T) {
	keeper, ok := open(t, nil).(provider.SecretHeaders)
	if !ok || !slices.Contains(keeper.SecretHeaders(), "Webhook-Request-Callback") {
		t.Error("the URL of a callback is kept")
	}
}
