package doctor

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// A publicRig is a server at a public URL, behind what answers there.
type publicRig struct {
	Public
	mu    sync.Mutex // guards paths
	paths []string   // that were asked for
}

// newPublicRig starts a server by https; handler answers in its place, if it is not nil. Its name is one that no
// provider would take for that of this machine.
func newPublicRig(t *testing.T, handler func(r *publicRig, w http.ResponseWriter, req *http.Request)) *publicRig {
	r := &publicRig{}
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.paths = append(r.paths, req.URL.Path)
		r.mu.Unlock()
		if handler != nil {
			handler(r, w, req)
			return
		}
		r.answer(w, req)
	}))
	t.Cleanup(server.Close)
	client := server.Client() // whose transport takes example.com for the server
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	r.Public = Public{URL: "https://example.com/hooks/", Prefix: "/in/", Client: client, Probes: &Probes{},
		Now: time.Now}
	return r
}

// answer answers as the server itself does.
func (r *publicRig) answer(w http.ResponseWriter, req *http.Request) {
	if answer, ok := r.Probes.Answer(strings.TrimPrefix(req.URL.Path, "/hooks/in/")); ok {
		fmt.Fprint(w, answer)
		return
	}
	http.Error(w, "no such source", http.StatusNotFound)
}

// TestReach: the server recognises its own call, and only that; whatever else answers is told apart.
func TestReach(t *testing.T) {
	r := newPublicRig(t, nil)
	expect(t, "itself", r.Reach(t.Context()), OK, "at the private address 127.0.0.1")
	if len(r.paths) != 1 || !strings.HasPrefix(r.paths[0], "/hooks/in/"+ProbePrefix) {
		t.Errorf("%q", r.paths)
	}
	name := strings.TrimPrefix(r.paths[0], "/hooks/in/")
	if answer, ok := r.Probes.Answer(name); ok {
		t.Errorf("the secret of a call that has ended is answered by %q", answer)
	}
	for what, c := range map[string]struct {
		handler func(r *publicRig, w http.ResponseWriter, req *http.Request)
		message string
	}{
		"another server": {func(_ *publicRig, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "hello") },
			"something else than this server answers there (200)"},
		"not passed on": {func(_ *publicRig, w http.ResponseWriter, _ *http.Request) {
			http.Error(w, "no", http.StatusBadGateway)
		}, "answers there (502)"},
		"a redirect": {func(_ *publicRig, w http.ResponseWriter, req *http.Request) {
			http.Redirect(w, req, "https://www.example.net/in/?code=hunter2", http.StatusMovedPermanently)
		}, "a redirect (301) to https://www.example.net, which"},
		"a page without end": {func(_ *publicRig, w http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(w, strings.Repeat("x", 1<<20))
		}, "something else"},
	} {
		f := newPublicRig(t, c.handler).Reach(t.Context())
		expect(t, what, f, Failed, c.message)
		if strings.Contains(f.Message, "hunter2") || strings.Contains(f.Message, ProbePrefix) {
			t.Errorf("%s: a secret: %q", what, f.Message)
		}
	}
	r.URL = "https://nobody.invalid"
	r.Client = &http.Client{}
	f := r.Reach(t.Context())
	expect(t, "no such name", f, Failed, "the name nobody.invalid does not resolve")
	if strings.Contains(f.Message, ProbePrefix) {
		t.Errorf("a secret: %q", f.Message)
	}
	for url, why := range map[string]string{"": "no public URL", "http://127.0.0.1:8080": "of this machine",
		"http://localhost:8080": "of this machine", "http://[::1]:8080": "of this machine"} {
		r.URL = url
		expect(t, url, r.Reach(t.Context()), Skipped, why)
		expect(t, url, r.Certificate(t.Context()), Skipped, why)
	}
}

// TestReachInTime: a URL where nobody answers is told when the time is over.
func TestReachInTime(t *testing.T) {
	hang := make(chan struct{})
	r := newPublicRig(t, func(_ *publicRig, _ http.ResponseWriter, req *http.Request) {
		select {
		case <-hang:
		case <-req.Context().Done():
		}
	})
	defer close(hang)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	expect(t, "nobody answers", r.Reach(ctx), Failed, "no answer came")
}

// TestCertificate: the end of a certificate is told, and one that is not accepted is told apart from one that ends.
func TestCertificate(t *testing.T) {
	r := newPublicRig(t, nil)
	end := time.Date(2084, 1, 29, 16, 0, 0, 0, time.UTC) // of the certificate of package httptest
	for left, state := range map[time.Duration]State{100 * 24 * time.Hour: OK, 10 * 24 * time.Hour: Warning,
		24 * time.Hour: Failed} {
		r.Now = func() time.Time { return end.Add(-left) }
		expect(t, left.String(), r.Certificate(t.Context()), state, "TLS 1.3; the certificate ends in "+span(left))
	}
	r.Now = time.Now
	r.Client = &http.Client{Transport: &http.Transport{DialContext: r.Client.Transport.(*http.Transport).DialContext,
		TLSClientConfig: &tls.Config{ServerName: "example.com"}}} // trusts the authorities of the system
	f := r.Certificate(t.Context())
	expect(t, "not trusted", f, Failed, "its certificate is not accepted: x509: ")
	if !strings.Contains(f.Message, "ends in") {
		t.Errorf("%q says not when it ends", f.Message)
	}
	expect(t, "not trusted", r.Reach(t.Context()), Failed, "does not reach itself there: tls: failed to verify "+
		"certificate")
	r.URL = "https://nobody.invalid"
	r.Client = &http.Client{}
	expect(t, "not reached", r.Certificate(t.Context()), Skipped, "was not reached")
	r.URL = "http://hooks.example.com"
	expect(t, "plain http", r.Certificate(t.Context()), Warning, "plain http")
}

// TestProbes: only the secret of a call that is under way is answered, and each has its own answer.
func TestProbes(t *testing.T) {
	var p Probes
	if _, ok := p.Answer(ProbePrefix); ok {
		t.Error("an answer without a call")
	}
	a, answerA, endA := p.begin()
	b, answerB, endB := p.begin()
	for name, want := range map[string]string{a: answerA, b: answerB, ProbePrefix: "", a + "/": "", "media": ""} {
		if got, ok := p.Answer(name); got != want || ok != (want != "") {
			t.Errorf("%s: %q %v, want %q", name, got, ok, want)
		}
	}
	if a == b || answerA == answerB || len(answerA) < 20 {
		t.Errorf("%s %s, %s %s", a, b, answerA, answerB)
	}
	endA()
	if _, ok := p.Answer(a); ok {
		t.Error("an answer after the call")
	}
	if got, _ := p.Answer(b); got != answerB {
		t.Errorf("%q, want %q", got, answerB)
	}
	endB()
	if p.waiting.Load() != 0 || len(p.answers) != 0 {
		t.Errorf("%d %v are left", p.waiting.Load(), p.answers)
	}
}
