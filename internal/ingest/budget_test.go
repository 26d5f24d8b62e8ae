package ingest

import (
	"bufio"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/signature"
)

// sendHalf sends half of a body of a MiB to the source, and then nothing.
func sendHalf(t *testing.T, addr net.Addr, source string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	fmt.Fprintf(c, "POST /in/%s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n%s", source, 1<<20,
		strings.Repeat("x", 530_000))
	return c
}

// answered returns the status of the answer.
func answered(t *testing.T, c net.Conn) int {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(time.Minute))
	reply, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		t.Fatal(err)
	}
	reply.Body.Close()
	return reply.StatusCode
}

// A clock is set by a test.
type clock struct {
	start  time.Time
	passed atomic.Int64
}

func (c *clock) now() time.Time           { return c.start.Add(time.Duration(c.passed.Load())) }
func (c *clock) advance(by time.Duration) { c.passed.Add(int64(by)) }

// TestHalfSentBodiesKeepNobodyOut: an attacker fills the whole budget with half-sent bodies at one source. Meanwhile
// an honest sender's small body is accepted at another source and at the same, a large body at another source is
// accepted at once, and at the same source as soon as the attacker's have become slow. The attacker's give way.
func TestHalfSentBodiesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	clock := &clock{start: time.Now()}
	const uploads = 60 // fewer than the first 100 refusals of a source, all of which are on record
	r := newRig(t, func(o *Options) { o.MaxBytesInFlight, o.Env.Now = 16<<20, clock.now })
	r.sources(bellhop.Source{Name: "other"})
	s := httptest.NewServer(r.door) // without a read timeout
	t.Cleanup(s.Close)
	var attackers []net.Conn
	for range uploads {
		attackers = append(attackers, sendHalf(t, s.Listener.Addr(), "src"))
	}
	const each = 1<<20 - freeBytes
	eventually(t, "the budget is full", func() bool { return r.door.budget.inUse() > 16<<20-each })

	send := func(source string, size int) int {
		reply, err := s.Client().Post(s.URL+"/in/"+source, "text/plain", strings.NewReader(strings.Repeat("y", size)))
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		return reply.StatusCode
	}
	for _, c := range []struct {
		name, source string
		size         int
		after        time.Duration
	}{
		{"a small body at another source", "other", 2, 0},
		{"a small body at the same source", "src", 2, 0},
		{"the largest body that is small", "src", freeBytes, 0},
		{"a large body at another source", "other", 1 << 20, 0},
		{"a large body at the same source, later", "src", 1 << 20, 2 * slowAfter},
	} {
		clock.advance(c.after)
		if code := send(c.source, c.size); code != http.StatusAccepted {
			t.Errorf("%s: %d, want 202", c.name, code)
		}
	}
	eventually(t, "one of the attacker's was cut", func() bool {
		return slices.ContainsFunc(r.requests(), func(kept bellhop.Request) bool { return kept.Reason == "cut" })
	})
	for _, kept := range r.requests() {
		if kept.SourceID != "src_src" || kept.Reason != "cut" && kept.Reason != "busy" {
			t.Errorf("on record: %+v", kept)
		}
	}
	for _, a := range attackers {
		a.(*net.TCPConn).CloseWrite()
	}
	for i, a := range attackers {
		if code := answered(t, a); code != 408 && code != 503 && code != 400 {
			t.Errorf("attacker %d: answered %d", i, code)
		}
	}
	eventually(t, "the budget is free again", func() bool { return r.door.budget.inUse() == 0 })
}

// TestManyAddressesKeepNobodyOut: half-sent bodies of ten addresses at one source fill the whole budget. None of these
// is slow yet, and no address holds a quarter. Bodies of 200 KB that another address sends to the same source are
// accepted, and those of the attacker's addresses give way.
func TestManyAddressesKeepNobodyOut(t *testing.T) {
	t.Parallel()
	clock := &clock{start: time.Now()}
	r := newRig(t, func(o *Options) { o.MaxBytesInFlight, o.Env.Now = 16<<20, clock.now })
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		req.RemoteAddr = req.Header.Get("X-From") + ":1"
		r.door.ServeHTTP(w, req)
	}))
	t.Cleanup(s.Close)
	for i := range 40 {
		c, err := net.Dial("tcp", s.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		fmt.Fprintf(c, "POST /in/src HTTP/1.1\r\nHost: h\r\nX-From: 192.0.2.%d\r\nContent-Length: %d\r\n\r\n%s",
			100+i%10, 1<<20, strings.Repeat("x", 530_000))
	}
	eventually(t, "the budget is full", func() bool { return r.door.budget.inUse() > 15<<20 })
	for i := range 30 {
		req, err := http.NewRequest("POST", s.URL+"/in/src", strings.NewReader(strings.Repeat("y", 200_000)))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-From", alice)
		reply, err := s.Client().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		reply.Body.Close()
		if reply.StatusCode != http.StatusAccepted {
			t.Errorf("body %d: %d, want 202", i, reply.StatusCode)
		}
	}
}

// eventually waits until done holds, and fails after a generous deadline.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("never: %s", what)
		}
	}
}

// A budgetRig is a budget of 1000 bytes with uploads that have no request.
type budgetRig struct {
	*budget
	t     *testing.T
	clock *clock
	cut   map[string]bool
}

func newBudgetRig(t *testing.T) *budgetRig {
	c := &clock{start: time.Now()}
	return &budgetRig{newBudget(1000, c.now), t, c, map[string]bool{}}
}

// upload makes an upload of a sender at a source, and takes n bytes for it.
func (r *budgetRig) upload(name, source, sender string, n int64) (*upload, error) {
	u := &upload{source: source, sender: netip.MustParsePrefix(sender + "/32"), cut: func() { r.cut[name] = true }}
	return u, r.reserve(u, n)
}

// must is upload, which must be admitted.
func (r *budgetRig) must(name, source, sender string, n int64) *upload {
	r.t.Helper()
	u, err := r.upload(name, source, sender, n)
	if err != nil {
		r.t.Fatalf("%s: %v", name, err)
	}
	return u
}

// gaveWay checks which uploads were cut.
func (r *budgetRig) gaveWay(names ...string) {
	r.t.Helper()
	if len(r.cut) != len(names) {
		r.t.Errorf("cut are %v, want %v", r.cut, names)
	}
	for _, name := range names {
		if !r.cut[name] {
			r.t.Errorf("cut are %v, want %v", r.cut, names)
		}
	}
}

const (
	alice = "192.0.2.1"
	bob   = "192.0.2.2"
)

// TestSlowUploadIsCut: when the budget is short, the slow upload gives way and a faster one does not.
func TestSlowUploadIsCut(t *testing.T) {
	t.Parallel()
	r := newBudgetRig(t)
	slow := r.must("slow", "s", alice, 400)
	fast := r.must("fast", "s", alice, 400)
	r.clock.advance(slowAfter)
	slow.read.Store(slowRate - 1)
	fast.read.Store(slowRate)
	next := r.must("next", "s", alice, 500)
	r.gaveWay("slow")
	if err := r.reserve(slow, 1); err != errCut {
		t.Errorf("the slow one goes on: %v", err)
	}
	if err := r.settle(slow); err != errCut {
		t.Errorf("the slow one arrives: %v", err)
	}
	r.release(slow)
	if n := r.inUse(); n != 900 {
		t.Errorf("%d bytes in use", n)
	}
	if _, err := r.upload("one more", "s", alice, 200); err != errBusy {
		t.Errorf("there is nobody to give way: %v", err)
	}
	for _, u := range []*upload{fast, next} {
		if err := r.settle(u); err != nil {
			t.Error(err)
		}
		r.release(u)
	}
	if r.inUse() != 0 || len(r.bySource)+len(r.bySender)+len(r.reading) != 0 {
		t.Errorf("something is kept: %+v", r.budget)
	}
}

// TestShares: when the budget is short, the source or the sender that holds more than its share gives way, even to a
// newcomer at the same moment. Holders of alike size do not cut each other.
func TestShares(t *testing.T) {
	t.Parallel()
	t.Run("a source", func(t *testing.T) {
		r := newBudgetRig(t)
		r.must("large 1", "large", alice, 500)
		r.must("large 2", "large", alice, 500)
		r.must("small", "small", alice, 100) // behind one proxy all have one address
		if len(r.cut) != 1 || r.cut["small"] {
			t.Errorf("cut are %v", r.cut)
		}
	})
	t.Run("a sender", func(t *testing.T) {
		r := newBudgetRig(t)
		r.must("his 1", "s", alice, 500)
		r.must("his 2", "s", alice, 500)
		r.must("hers", "s", bob, 100)
		if len(r.cut) != 1 || r.cut["hers"] {
			t.Errorf("cut are %v", r.cut)
		}
	})
	t.Run("of several senders", func(t *testing.T) { // none of whom holds a quarter
		r := newBudgetRig(t)
		slowest := r.must("slowest", "s", "192.0.2.100", 80)
		for i := range 11 {
			u := r.must(fmt.Sprint(i), "s", fmt.Sprintf("192.0.2.%d", 101+i%4), 80)
			u.read.Store(10)
		}
		r.clock.advance(slowAfter / 2)
		slowest.read.Store(9)
		r.must("other", "s", "192.0.2.100", 30)
		r.must("hers", "s", bob, 40)
		if len(r.cut) != 1 || r.cut["slowest"] || r.cut["other"] {
			t.Errorf("cut are %v, want one of a sender that holds 240", r.cut)
		}
		if _, err := r.upload("hers too", "s", bob, 100); err != errBusy {
			t.Errorf("she has half as much as each of them then: %v", err)
		}
	})
	t.Run("alike", func(t *testing.T) {
		r := newBudgetRig(t)
		r.must("a", "a", alice, 500)
		r.must("b", "b", bob, 500)
		if _, err := r.upload("b 2", "b", bob, 100); err != errBusy {
			t.Errorf("%v", err)
		}
		r.gaveWay()
	})
	t.Run("arrived whole", func(t *testing.T) {
		r := newBudgetRig(t)
		u := r.must("a", "a", alice, 1000)
		if err := r.settle(u); err != nil {
			t.Error(err)
		}
		r.clock.advance(time.Hour)
		if _, err := r.upload("b", "b", bob, 100); err != errBusy {
			t.Errorf("%v", err)
		}
		r.gaveWay()
	})
	t.Run("more than there is", func(t *testing.T) {
		r := newBudgetRig(t)
		if _, err := r.upload("a", "a", alice, 1001); err != errBusy {
			t.Errorf("%v", err)
		}
	})
}

// headed is a provider that refuses by the header.
type headed struct{ *stub }

func (h headed) CheckHeader(req *provider.Request) error {
	switch {
	case req.Body != nil:
		panic("a body")
	case req.Header.Get("X-Proof") == "":
		return signature.ErrMissing
	}
	return nil
}

// TestRefusedByHeader: a large body is not read if the header shows that the request is refused. The answer and the
// record are the same as for a small one, without the body.
func TestRefusedByHeader(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		if err := (headed{r.stub}).CheckHeader(&provider.Request{Header: req.Header}); err != nil {
			return provider.Receipt{}, err
		}
		return provider.Receipt{Events: []bellhop.Event{event(req.Body)}}, nil
	}
	(*r.door.sources.Load())["src"].receiver = headed{r.stub}
	for _, size := range []int{freeBytes, freeBytes + 1} {
		body := strings.NewReader(strings.Repeat("x", size))
		if w := r.send("POST", "/in/src", body); w.Code != 401 {
			t.Errorf("%d bytes: %d", size, w.Code)
		}
		if read := size - body.Len(); (read == 0) != (size > freeBytes) {
			t.Errorf("%d of %d bytes were read", read, size)
		}
		got := r.requests()[0]
		if got.Reason != "signature_missing" || got.BodyBytes != int64(size-body.Len()) {
			t.Errorf("on record: %+v", got)
		}
	}
	small := strings.NewReader("no gzip") // it would cost memory and time to decode, however short it is
	if w := r.send("POST", "/in/src", small, "Content-Encoding", "gzip"); w.Code != 401 ||
		small.Len() != len("no gzip") {
		t.Errorf("a compressed one: %d, %d bytes left", w.Code, small.Len())
	}
	if w := r.send("POST", "/in/src", strings.NewReader(strings.Repeat("x", 1<<20)), "X-Proof", "1"); w.Code != 202 {
		t.Errorf("with a proof: %d", w.Code)
	}
	if w := r.send("POST", "/in/src", strings.NewReader(strings.Repeat("x", 1<<20)), "Bellhop-Hops",
		"99"); w.Code != 508 {
		t.Errorf("in circles: %d", w.Code)
	}
}

// TestRefusedByHeaderOfProvider: a body of 1 MiB is not read if the signature of a real provider can never match. It
// uses nothing of the budget.
func TestRefusedByHeaderOfProvider(t *testing.T) {
	t.Parallel()
	r := newRig(t, func(o *Options) { o.Providers = append(o.Providers, generic.Provider{}) })
	sent := time.Now()
	create := func(name, settings string) {
		err := r.store.CreateSource(t.Context(), bellhop.Source{ID: "src_" + name, Name: name, Provider: "generic",
			Settings: []byte(settings), CreatedAt: sent, UpdatedAt: sent})
		if err != nil {
			t.Fatal(err)
		}
	}
	create("signed", `{"scheme":"hmac","secret":"0123456789abcdef","header":"X-Sig"}`)
	create("token", `{"scheme":"token","secret":"0123456789abcdef"}`)
	r.reopen()
	for _, c := range []struct {
		target, header, value, reason string
	}{
		{"/in/signed", "X-Sig", "00", "signature_malformed"},
		{"/in/signed", "X-Other", "00", "signature_missing"},
		{"/in/token", "Authorization", "Bearer 0123456789abcdee", "signature_mismatch"},
	} {
		body := strings.NewReader(strings.Repeat("x", 1<<20))
		if w := r.send("POST", c.target, body, c.header, c.value); w.Code != 401 {
			t.Errorf("%s: %d", c.reason, w.Code)
		}
		if read, used := 1<<20-body.Len(), r.door.budget.inUse(); read != 0 || used != 0 {
			t.Errorf("%s: %d bytes were read, %d are in use", c.reason, read, used)
		}
		if got := r.requests()[0]; got.Reason != c.reason || got.BodyBytes != 0 {
			t.Errorf("%s: on record: %+v", c.reason, got)
		}
	}
	if w := r.send("POST", "/in/token", strings.NewReader(strings.Repeat("x", 1<<20)), "Authorization",
		"Bearer 0123456789abcdef"); w.Code != 202 {
		t.Errorf("with the token: %d", w.Code)
	}
}
