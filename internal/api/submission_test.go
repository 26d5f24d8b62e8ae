package api

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/auth"
)

func (f *fake) BeginSubmission(_ context.Context, sub bellhop.Submission) (bellhop.Submission, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return sub, false, f.err
	}
	if f.submissions == nil {
		f.submissions = map[[32]byte]bellhop.Submission{}
	}
	first, ok := f.submissions[sub.Key]
	if ok {
		return first, false, nil
	}
	f.submissions[sub.Key] = sub
	return sub, true, nil
}

func (f *fake) EndSubmission(_ context.Context, key [32]byte, status int, answer []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	sub := f.submissions[key]
	sub.Status, sub.Answer = status, answer
	f.submissions[key] = sub
	return f.err
}

func (f *fake) DropSubmission(_ context.Context, key [32]byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.submissions, key)
	return nil
}

// submitted are the routes that take an Idempotency-Key, and what counts how often each was done.
var submitted = []struct {
	path, body, other string
	done              func(r *rig) int
}{
	{"/sources", `{"name":"two","provider":"lock","settings":{"key":"` + canary + `"}}`,
		`{"name":"three","provider":"lock","settings":{"key":"` + canary + `"}}`, func(r *rig) int {
			return len(r.sources) - 1
		}},
	{"/destinations", `{"name":"two","url":"https://two.example.com"}`,
		`{"name":"three","url":"https://two.example.com"}`,
		func(r *rig) int { return len(r.destinations) - 1 }},
	{"/connections", `{"name":"two","provider":"crm","settings":{"secret":"` + canary + `","api_url":"https://x"}}`,
		`{"name":"three","provider":"crm","settings":{"secret":"` + canary + `","api_url":"https://x"}}`,
		func(r *rig) int { return len(r.connections) - 1 }},
	{"/subscriptions", `{"name":"two","source":"media","connection":"work","provider":"crm","resource":"/me"}`,
		`{"name":"three","source":"media","connection":"work","provider":"crm","resource":"/me"}`,
		func(r *rig) int { return len(r.subscriptions) - 1 }},
	{"/events/replay", `{"source":"media"}`, `{"source":"media","rate":1}`, func(r *rig) int {
		return len(r.repairs) - 1
	}},
	{"/deliveries/retry", `{"destination":"billing"}`, `{"destination":"billing","rate":1}`,
		func(r *rig) int { return len(r.repairs) - 1 }},
	{"/deliveries/cancel", `{"destination":"billing"}`, `{"destination":"billing","error":"4xx"}`,
		func(r *rig) int { return len(r.repairs) - 1 }},
	{"/destinations/{id}/test", "", `{}`, func(r *rig) int { return len(r.events) - 1 }},
}

// TestIdempotencyKey: a repeat gets the first answer and does nothing; another request with the key is refused.
func TestIdempotencyKey(t *testing.T) {
	for _, c := range submitted {
		r := newRig(t)
		r.fill()
		path := concrete(c.path)
		first := r.do("POST", path, c.body, "Idempotency-Key: k1")
		again := r.do("POST", path, c.body, "Idempotency-Key: k1")
		if first.status/100 != 2 || again.status != first.status || again.body != first.body || c.done(r) != 1 {
			t.Errorf("%s: done %d times: %d %s, then %d %s", path, c.done(r), first.status, first.body, again.status,
				again.body)
		}
		for _, name := range []string{"Location", "ETag", "Content-Type", client.Header} {
			if again.header.Get(name) != first.header.Get(name) {
				t.Errorf("%s: %s was %q, and is %q in the repeat", path, name, first.header.Get(name),
					again.header.Get(name))
			}
		}
		if first.header.Get("Idempotent-Replayed") != "" || again.header.Get("Idempotent-Replayed") != "true" {
			t.Errorf("%s: a repeat does not say that it is one: %v, %v", path, first.header, again.header)
		}
		if c.body != "" {
			a := r.do("POST", path, c.other, "Idempotency-Key: k1")
			a.refused(409, bellhop.CodeConflict)
			if !strings.Contains(a.body, "a new request needs a new key") {
				t.Error(a.body)
			}
		}
		if a := r.do("POST", path, c.other, "Idempotency-Key: k2"); c.body != "" && a.status != first.status {
			t.Errorf("%s: with a new key: %d %s", path, a.status, a.body)
		}
		for _, sub := range r.submissions {
			if strings.Contains(string(sub.Answer), canary) {
				t.Errorf("%s: the stored answer has a secret", path)
			}
		}
	}
}

// TestIdempotencyKeyOfFailure: a request that failed can be corrected and repeated with its key.
func TestIdempotencyKeyOfFailure(t *testing.T) {
	r := newRig(t)
	r.fill()
	const key = "Idempotency-Key: k"
	r.do("POST", Prefix+"/sources", `{"name":"media","provider":"lock","settings":{"key":"`+canary+`"}}`, key).
		refused(409, bellhop.CodeConflict)
	r.do("POST", Prefix+"/sources", `{"name":"two"}`, key).refused(422, bellhop.CodeInvalid, "provider")
	r.do("POST", Prefix+"/sources", `{"name":"two"`, key).refused(400, bellhop.CodeMalformed, "body")
	r.do("POST", Prefix+"/sources", `{"name":"`+strings.Repeat("x", MaxBodyBytes)+`"}`, key).
		refused(413, bellhop.CodeTooLarge)
	r.do("POST", Prefix+"/sources", `{"name":"two","provider":"lock","settings":{"key":"`+canary+`"}}`, key).is(201)
	for _, wrong := range []string{"", strings.Repeat("k", 256)} {
		r.do("POST", Prefix+"/sources", `{}`, "Idempotency-Key: "+wrong).refused(422, bellhop.CodeInvalid,
			"Idempotency-Key")
	}
	r.do("POST", Prefix+"/sources", `{}`, key, "Idempotency-Key: k2").refused(422, bellhop.CodeInvalid,
		"Idempotency-Key")
	r.send("POST", Prefix+"/sources", `{}`, key).refused(401, bellhop.CodeUnauthorized)
	r.err = &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage is full"}
	r.do("POST", Prefix+"/sources", `{}`, key).refused(503, bellhop.CodeUnavailable)
}

// TestIdempotencyKeyMeanwhile: while the first request is being answered, and after a crash cut it off, a repeat is a
// conflict that says so.
func TestIdempotencyKeyMeanwhile(t *testing.T) {
	r := newRig(t)
	r.fill()
	const body = `{"name":"two","provider":"lock","settings":{"key":"` + canary + `"}}`
	r.beginning = func(context.Context) {
		r.beginning = nil
		a := r.do("POST", Prefix+"/sources", body, "Idempotency-Key: k")
		a.refused(409, bellhop.CodeConflict)
		if !strings.Contains(a.body, "is being answered") {
			t.Error(a.body)
		}
	}
	r.do("POST", Prefix+"/sources", body, "Idempotency-Key: k").is(201)

	for key, sub := range r.submissions {
		sub.Status, sub.Answer = 0, nil
		r.submissions[key] = sub
	}
	a := r.do("POST", Prefix+"/sources", body, "Idempotency-Key: k")
	a.refused(409, bellhop.CodeConflict)
	if !strings.Contains(a.body, "was cut off") {
		t.Error(a.body)
	}
}

// TestIdempotencyKeyOfImpatience: a request whose client gives up is done, and its repeat gets the answer.
func TestIdempotencyKeyOfImpatience(t *testing.T) {
	r := newRig(t)
	r.fill()
	const body = `{"name":"two","provider":"lock","settings":{"key":"` + canary + `"}}`
	ctx, giveUp := context.WithCancel(t.Context())
	r.beginning = func(ctx context.Context) {
		r.beginning = nil
		giveUp()
		if ctx.Err() != nil {
			t.Error("the handler is cut off because its client gave up")
		}
	}
	req := httptest.NewRequestWithContext(ctx, "POST", Prefix+"/sources", strings.NewReader(body))
	req.Header.Set("Authorization", "Bearer "+testKey)
	req.Header.Set("Idempotency-Key", "k")
	r.handler.ServeHTTP(httptest.NewRecorder(), req)
	a := r.do("POST", Prefix+"/sources", body, "Idempotency-Key: k")
	if a.status != 201 || a.header.Get("Idempotent-Replayed") != "true" || len(r.sources) != 2 {
		t.Errorf("%d sources: %d %s", len(r.sources), a.status, a.body)
	}
}

// TestIdempotencyKeyOfInternalError: nobody knows whether a request that failed inside was done, and a repeat says so
// in place of doing it again.
func TestIdempotencyKeyOfInternalError(t *testing.T) {
	r := newRig(t)
	r.fill()
	const body = `{"name":"two","provider":"lock","settings":{"key":"` + canary + `"}}`
	r.beginning = func(context.Context) { r.beginning, r.err = nil, errors.New("half done") }
	r.do("POST", Prefix+"/sources", body, "Idempotency-Key: k").refused(500, bellhop.CodeInternal)
	r.err = nil
	a := r.do("POST", Prefix+"/sources", body, "Idempotency-Key: k")
	a.refused(409, bellhop.CodeConflict)
	if !strings.Contains(a.body, "failed inside") || len(r.sources) != 2 {
		t.Errorf("%d sources: %s", len(r.sources), a.body)
	}

	r.beginning = func(context.Context) {
		r.beginning, r.err = nil, &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "storage is full"}
	}
	const another = `{"name":"three","provider":"lock","settings":{"key":"` + canary + `"}}`
	r.do("POST", Prefix+"/sources", another, "Idempotency-Key: k2").refused(503, bellhop.CodeUnavailable)
	r.err, r.sources = nil, r.sources[:2] // storage that is full keeps nothing
	r.do("POST", Prefix+"/sources", another, "Idempotency-Key: k2").is(201)
}

// TestIdempotencyKeyOfAnother: a key belongs to who sends it.
func TestIdempotencyKeyOfAnother(t *testing.T) {
	r := newRig(t)
	r.fill()
	const body = `{"source":"media"}`
	r.do("POST", Prefix+"/events/replay", body, "Idempotency-Key: k").is(202)
	for _, id := range []string{"key_1", "key_2"} { // the second one has the name of the first, which was revoked
		r.handler.(*server).Auth = colleague(id)
		for repeat, want := range []string{"", "true"} {
			a := r.do("POST", Prefix+"/events/replay", body, "Idempotency-Key: k")
			if got := a.header.Get("Idempotent-Replayed"); got != want {
				t.Errorf("%s, repeat %d: an earlier answer: %q, want %q", id, repeat, got, want)
			}
		}
	}
}

// colleague authenticates every request by the key of that id.
type colleague string

func (id colleague) Authenticate(*http.Request) (auth.Principal, error) {
	return auth.Principal{Name: "operator", KeyID: string(id), Scope: "admin"}, nil
}

func TestHashOf(t *testing.T) {
	if hashOf("a", "bc") == hashOf("ab", "c") || hashOf("a") == hashOf("a", "") {
		t.Error("parts that differ have one hash")
	}
}
