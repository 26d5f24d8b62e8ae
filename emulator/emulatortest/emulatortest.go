// Package emulatortest starts stand-ins in a Go test: a host with the systems that the test needs, on a port of its
// own, with a clock that the test moves and a receiver that takes notifications. The end of the test stops them.
//
//	rig := emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
//		tokens := entra.New(host, entra.Options{Key: emulatortest.Key()})
//		return []emulator.System{tokens, graph.New(host, tokens, graph.Options{})}
//	})
//	rig.Token = rig.AppToken("bellhop", "secret", "https://graph.microsoft.com/.default")
//	answer := rig.Call("GET", "/v1.0/subscriptions", nil)
package emulatortest

import (
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// Key returns an RSA key that is made once in a test binary, because making one takes long.
var Key = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err) // crypto/rand ends the program first
	}
	return key
})

// StartTime is the time of the clock of a Rig at its start.
var StartTime = time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC)

// patience is how long a Rig waits for a notification.
const patience = time.Minute

// A Rig is a running host of stand-ins. Its methods end the test if they fail.
type Rig struct {
	*Receiver
	Host  *emulator.Host
	URL   string // of the host
	Token string // the bearer token of Call; "" sends none

	t testing.TB

	mu  sync.Mutex
	now time.Time // mu guards it
}

// Start starts a host with the systems that add returns.
func Start(t testing.TB, add func(host *emulator.Host) []emulator.System) *Rig {
	t.Helper()
	r := &Rig{t: t, now: StartTime, Receiver: newReceiver(t)}
	r.Host = emulator.New(emulator.Options{Speed: 1e9, Now: r.Now})
	r.Host.Add(add(r.Host)...)
	server := httptest.NewServer(r.Host)
	t.Cleanup(func() {
		server.Close()
		r.Host.Close()
	})
	r.URL = server.URL
	return r
}

// Now returns the time of the Rig's clock, which stands still between calls of Pass.
func (r *Rig) Now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.now
}

// Pass lets time pass.
func (r *Rig) Pass(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now = r.now.Add(d)
}

// An Answer is the answer to a call.
type Answer struct {
	Status int
	Header http.Header
	Text   string
	JSON   map[string]any // of Text; nil if it is no JSON object
}

// Call calls the stand-in with the Rig's token and a JSON body, which nil leaves out, and returns the answer. A target
// that begins with "http" is a whole URL, another one is a path and a query. header holds names and values.
func (r *Rig) Call(method, target string, body any, header ...string) Answer {
	r.t.Helper()
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			r.t.Fatal(err)
		}
	}
	return r.Raw(method, target, string(text), append([]string{"Content-Type", "application/json"}, header...)...)
}

// Raw is Call with the text of a body, and without a Content-Type.
func (r *Rig) Raw(method, target, body string, header ...string) Answer {
	r.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = r.URL + target
	}
	req, err := http.NewRequest(method, target, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if r.Token != "" {
		req.Header.Set("Authorization", "Bearer "+r.Token)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(req)
}

// Post posts a form, as to a token endpoint. The target is as that of Call.
func (r *Rig) Post(target string, form url.Values) Answer {
	r.t.Helper()
	if !strings.HasPrefix(target, "http") {
		target = r.URL + target
	}
	req, err := http.NewRequest(http.MethodPost, target, strings.NewReader(form.Encode()))
	if err != nil {
		r.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	return r.do(req)
}

func (r *Rig) do(req *http.Request) Answer {
	r.t.Helper()
	res, err := http.DefaultTransport.RoundTrip(req) // which follows no redirect
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	answer := Answer{Status: res.StatusCode, Header: res.Header, Text: string(text)}
	if json.Unmarshal(text, &answer.JSON) != nil {
		answer.JSON = nil
	}
	return answer
}

// The tenant of AppToken and UserToken.
const Tenant = "contoso.example"

// AppToken returns an access token of an application's own, by its secret, from the stand-in of package entra.
func (r *Rig) AppToken(client, secret, scope string) string {
	r.t.Helper()
	return r.token(url.Values{"grant_type": {"client_credentials"}, "client_id": {client}, "client_secret": {secret},
		"scope": {scope}})
}

// UserToken returns an access token of the user, who agrees at once, for a public client.
func (r *Rig) UserToken(client, scope string) string {
	r.t.Helper()
	begun := r.Post("/"+Tenant+"/oauth2/v2.0/devicecode", url.Values{"client_id": {client}, "scope": {scope}})
	code, _ := begun.JSON["device_code"].(string)
	return r.token(url.Values{"grant_type": {"device_code"}, "client_id": {client}, "device_code": {code}})
}

func (r *Rig) token(form url.Values) string {
	r.t.Helper()
	answer := r.Post("/"+Tenant+"/oauth2/v2.0/token", form)
	token, _ := answer.JSON["access_token"].(string)
	if token == "" {
		r.t.Fatalf("no token was issued: %d %s", answer.Status, answer.Text)
	}
	return token
}
