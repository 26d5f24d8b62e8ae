package cloudevents_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func options(headers ...string) *provider.Request {
	h := http.Header{}
	for i := 0; i < len(headers); i += 2 {
		h.Add(headers[i], headers[i+1])
	}
	return &provider.Request{Method: "OPTIONS", Target: "/in/orders", Header: h, ReceivedAt: providertest.Now}
}

func TestHandshakeVectors(t *testing.T) {
	var file struct {
		CloudEvents []struct {
			Name           string
			Headers        map[string]string
			AllowedOrigins []string `json:"allowed_origins"`
			Expect         struct {
				Status        int
				Headers       map[string]string
				HeadersAbsent []string `json:"headers_absent"`
			}
		}
	}
	providertest.ReadJSON(t, "testdata/handshakes.json", &file)
	if len(file.CloudEvents) != 5 {
		t.Fatalf("%d vectors", len(file.CloudEvents))
	}
	for _, v := range file.CloudEvents {
		if v.AllowedOrigins == nil {
			v.AllowedOrigins = []string{"EventEmitter.example.com", "eventgrid.azure.net"}
		}
		req := options()
		for name, value := range v.Headers {
			req.Header.Set(name, value)
		}
		receipt, err := open(t, map[string]any{"allowed_origins": v.AllowedOrigins}).Receive(context.Background(), req)
		if v.Expect.HeadersAbsent != nil {
			if !errors.Is(err, provider.ErrMethod) {
				t.Errorf("%s: %+v, %v", v.Name, receipt, err)
			}
			continue
		}
		if err != nil || receipt.Reply == nil || receipt.Reply.Then != nil || v.Expect.Status != 0 &&
			receipt.Reply.Status != v.Expect.Status {
			t.Errorf("%s: %+v, %v", v.Name, receipt.Reply, err)
			continue
		}
		for name, want := range v.Expect.Headers {
			if got := receipt.Reply.Header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", v.Name, name, got, want)
			}
		}
	}
}

// V26 and V27 of the forgery list, and other contents of a handshake.
func TestAnswerHandshake(t *testing.T) {
	const origin, rate = "WebHook-Request-Origin", "WebHook-Request-Rate"
	for _, c := range []struct {
		name      string
		allowed   string // separated by blanks
		most      int
		requested []string
		origin    string // of the answer; "" is none
		rate      string
		want      error
	}{
		{name: "exactly", allowed: emitter, requested: []string{origin, emitter}, origin: emitter, rate: "*"},
		{name: "in another case, answered as asked", allowed: emitter,
			requested: []string{origin, "EventEmitter.Example.COM"}, origin: "EventEmitter.Example.COM", rate: "*"},
		{name: "one of two", allowed: "a.example " + emitter, requested: []string{origin, emitter}, origin: emitter,
			rate: "*"},
		{name: "any", allowed: "*", requested: []string{origin, "b.example"}, origin: "b.example", rate: "*"},
		{name: "none allowed", requested: []string{origin, emitter}, want: provider.ErrMethod},
		{name: "longer", allowed: emitter, requested: []string{origin, emitter + ".evil.example.net"},
			want: provider.ErrMethod},
		{name: "shorter", allowed: emitter, requested: []string{origin, "example.com"}, want: provider.ErrMethod},
		{name: "in front", allowed: emitter, requested: []string{origin, "x" + emitter}, want: provider.ErrMethod},
		{name: "a letter that folds to ASCII", allowed: "k.example", requested: []string{origin, "\u212A.example"},
			want: provider.ErrBody},
		{name: "scheme", allowed: "*", requested: []string{origin, "https://b.example"}, want: provider.ErrBody},
		{name: "port", allowed: "*", requested: []string{origin, "b.example:443"}, want: provider.ErrBody},
		{name: "star", allowed: "*", requested: []string{origin, "*"}, want: provider.ErrBody},
		{name: "list", allowed: "*", requested: []string{origin, "a.example, b.example"}, want: provider.ErrBody},
		{name: "empty", allowed: "*", requested: []string{origin, ""}, want: provider.ErrBody},
		{name: "V05 line end", allowed: "*", requested: []string{origin, "a.example\r\nX: y"}, want: provider.ErrBody},
		{name: "V06 NUL", allowed: "*", requested: []string{origin, "a.example\x00"}, want: provider.ErrBody},
		{name: "V07 long", allowed: "*", requested: []string{origin, strings.Repeat("a", 254)},
			want: provider.ErrBody},
		{name: "twice", allowed: "*", requested: []string{origin, emitter, origin, emitter}, want: provider.ErrBody},

		{name: "rate asked for", allowed: "*", requested: []string{origin, emitter, rate, "120"}, origin: emitter,
			rate: "120"},
		{name: "rate above ours", allowed: "*", most: 60, requested: []string{origin, emitter, rate, "120"},
			origin: emitter, rate: "60"},
		{name: "rate below ours", allowed: "*", most: 600, requested: []string{origin, emitter, rate, "120"},
			origin: emitter, rate: "120"},
		{name: "no rate, and ours", allowed: "*", most: 60, requested: []string{origin, emitter}, origin: emitter,
			rate: "60"},
		{name: "rate 0", allowed: "*", requested: []string{origin, emitter, rate, "0"}, want: provider.ErrBody},
		{name: "rate negative", allowed: "*", requested: []string{origin, emitter, rate, "-1"},
			want: provider.ErrBody},
		{name: "rate with a sign", allowed: "*", requested: []string{origin, emitter, rate, "+1"},
			want: provider.ErrBody},
		{name: "rate broken", allowed: "*", requested: []string{origin, emitter, rate, "1.5"}, want: provider.ErrBody},
		{name: "rate huge", allowed: "*", requested: []string{origin, emitter, rate, "1000000000"},
			want: provider.ErrBody},
		{name: "rate empty", allowed: "*", requested: []string{origin, emitter, rate, ""}, want: provider.ErrBody},
		{name: "rate twice", allowed: "*", requested: []string{origin, emitter, rate, "1", rate, "1"},
			want: provider.ErrBody},
	} {
		t.Run(c.name, func(t *testing.T) {
			reply, ok, err := cloudevents.AnswerHandshake(options(c.requested...), strings.Fields(c.allowed), c.most)
			if !ok || !errors.Is(err, c.want) || (reply != nil) != (c.want == nil) {
				t.Fatalf("got %+v, %v, %v; want %v", reply, ok, err, c.want)
			}
			if reply == nil {
				return
			}
			got := reply.Header
			if got.Get("WebHook-Allowed-Origin") != c.origin || got.Get("WebHook-Allowed-Rate") != c.rate ||
				got.Get("Allow") != "POST" || reply.Status != 200 || len(reply.Body) > 0 {
				t.Errorf("got %+v", reply)
			}
		})
	}
	for _, req := range []*provider.Request{options(), options("Origin", "https://app.example"),
		request("", "", nil)} {
		if reply, ok, err := cloudevents.AnswerHandshake(req, []string{"*"}, 0); reply != nil || ok || err != nil {
			t.Errorf("%s %v is treated as a handshake", req.Method, req.Header)
		}
	}
}

func FuzzAnswerHandshake(f *testing.F) {
	f.Add("OPTIONS", emitter, "120")
	f.Add("OPTIONS", emitter+".evil.example.net", "")
	f.Add("POST", "*", "-1")
	f.Fuzz(func(t *testing.T, method, origin, rate string) {
		req := options("WebHook-Request-Origin", origin, "WebHook-Request-Rate", rate)
		req.Method = method
		reply, _, _ := cloudevents.AnswerHandshake(req, []string{emitter}, 100)
		if reply != nil && (method != "OPTIONS" || !strings.EqualFold(origin, emitter) ||
			reply.Header.Get("WebHook-Allowed-Origin") != origin) {
			t.Errorf("%q %q accepted: %v", method, origin, reply.Header)
		}
		if any, ok, err := cloudevents.AnswerHandshake(req, []string{"*"}, 0); ok && err == nil &&
			strings.ContainsAny(any.Header.Get("WebHook-Allowed-Origin"), "\r\n :/*,") {
			t.Errorf("%q accepted", origin)
		}
	})
}

// A recorder answers requests, and records them.
type recorder struct {
	status int
	err    error
	calls  []*http.Request
}

func (c *recorder) RoundTrip(r *http.Request) (*http.Response, error) {
	c.calls = append(c.calls, r)
	return &http.Response{StatusCode: c.status, Body: http.NoBody, Request: r}, c.err
}

const callback = "https://eventemitter.example.com/confirm?id=12345&key=c2VjcmV0"

func handshakeReply(t *testing.T, c *recorder, hosts []string, callbacks ...string) *provider.Reply {
	t.Helper()
	req := options("WebHook-Request-Origin", emitter, "WebHook-Request-Rate", "120")
	req.Header["Webhook-Request-Callback"] = callbacks
	env := provider.Env{Client: &http.Client{Transport: c}}
	receipt, err := openWith(t, env,
		map[string]any{"allowed_origins": []string{emitter}, "callback_hosts": hosts}).Receive(context.Background(),
		req)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.calls) > 0 {
		t.Fatal("called before the answer")
	}
	return receipt.Reply
}

// A callback to a listed host is called, with the permission that the answer leaves out.
func TestCallback(t *testing.T) {
	c := &recorder{status: 200}
	reply := handshakeReply(t, c, []string{"EventEmitter.example.com"}, callback)
	if reply.Status != 200 || reply.Then == nil || reply.Header.Get("WebHook-Allowed-Origin") != "" ||
		reply.Header.Get("WebHook-Allowed-Rate") != "" {
		t.Fatalf("got %+v", reply)
	}
	if err := reply.Then(context.Background()); err != nil {
		t.Error(err)
	}
	if len(c.calls) != 1 || c.calls[0].Method != "GET" || c.calls[0].URL.String() != callback ||
		c.calls[0].Header.Get("WebHook-Allowed-Rate") != "120" {
		t.Errorf("called %+v", c.calls)
	}
}

// V28 of the forgery list: no other host is called. The answer itself gives permission.
func TestCallbackNotListed(t *testing.T) {
	listed := []string{emitter, "a.example:8443"}
	for _, url := range []string{
		"https://eventemitter.example.com.evil.example.net/", "https://evil.example.net/?eventemitter.example.com",
		"https://eventemitter.example.com@evil.example.net/",
		"https://user:pw@eventemitter.example.com/", "http://eventemitter.example.com/",
		"https://eventemitter.example.com:8443/", "https://a.example/",
		"//eventemitter.example.com/", "https:eventemitter.example.com", "https://", "https://169.254.169.254/latest/",
		"file:///etc/passwd",
		"https://eventemitter.example.com\\@evil.example.net/", "https://eventemitter.example.com\r\n/",
		"https://eventemitter.example.com./", "", "%",
	} {
		if reply := handshakeReply(t, &recorder{}, listed, url); reply.Then != nil ||
			reply.Header.Get("WebHook-Allowed-Origin") != emitter {
			t.Errorf("%q is called, or not accepted: %+v", url, reply)
		}
	}
	if reply := handshakeReply(t, &recorder{}, listed, callback, callback); reply.Then != nil {
		t.Error("called one of two callbacks")
	}
	if reply := handshakeReply(t, &recorder{}, nil, callback); reply.Then != nil {
		t.Error("called, although no host is listed")
	}
	for _, url := range []string{"https://eventemitter.example.com:443/x", "https://a.example:8443/x"} {
		if reply := handshakeReply(t, &recorder{}, listed, url); reply.Then == nil {
			t.Errorf("%q is not called", url)
		}
	}
}

// The error of a failed call says why, and does not contain the URL.
func TestCallbackFails(t *testing.T) {
	for _, c := range []*recorder{{status: 404}, {status: 302}, {err: errors.New("no route")}} {
		err := handshakeReply(t, c, []string{emitter}, callback).Then(context.Background())
		if err == nil || strings.Contains(err.Error(), "c2VjcmV0") || strings.Contains(err.Error(), "confirm") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestSecretHeaders(t *testing.T) {
	keeper, ok := open(t, nil).(provider.SecretHeaders)
	if !ok || !slices.Contains(keeper.SecretHeaders(), "Webhook-Request-Callback") {
		t.Error("the URL of a callback is stored")
	}
}
