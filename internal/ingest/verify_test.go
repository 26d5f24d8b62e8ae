package ingest

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/errortest"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/bellhop-gateway/bellhop/signature"
)

// verifyRig returns a rig with a source "odd" of a real provider, and the clock of its door.
func verifyRig(t *testing.T, name, settings string) (r *rig, now *time.Time) {
	now = new(time.Time)
	*now = time.Now()
	r = newRig(t, func(o *Options) {
		o.Providers = append(o.Providers, all.Providers()...)
		o.Env.Now = func() time.Time { return *now }
	})
	src := bellhop.Source{ID: "src_odd", Name: "odd", Provider: name, Settings: []byte(settings), CreatedAt: *now,
		UpdatedAt: *now}
	if err := r.store.CreateSource(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	r.reopen()
	return r, now
}

// verify verifies the one request on record by the settings of odd, or by other ones.
func (r *rig) verify(other string) (bellhop.Verdict, error) {
	r.t.Helper()
	src, err := r.store.Source(r.t.Context(), "odd")
	if err != nil {
		r.t.Fatal(err)
	}
	if other != "" {
		src.Settings = []byte(other)
	}
	return r.door.Verify(r.t.Context(), src, r.onlyRequest())
}

// missing lists the parts that a verdict says are not on record.
func missing(v bellhop.Verdict) string {
	var parts []string
	for _, m := range v.Missing {
		if m.Detail == "" {
			return "no detail"
		}
		parts = append(parts, m.Part)
	}
	return strings.Join(parts, " ")
}

func githubSigned(secret, body string) []string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return []string{"X-Hub-Signature-256", "sha256=" + hex.EncodeToString(mac.Sum(nil)), "X-GitHub-Event", "push",
		"X-GitHub-Delivery", "72d3162e-cc78-11e3-81ab-4c9367dc0958", "Content-Type", "application/json",
		"Content-Length", strconv.Itoa(len(body))}
}

// TestVerify: a refused request is accepted by the settings that fit it, and by no others; nothing is stored.
func TestVerify(t *testing.T) {
	t.Parallel()
	const body = `{"ref":"refs/heads/main"}`
	r, now := verifyRig(t, "github", `{"secret":"the secret of the source"}`)
	if w := r.send("POST", "/in/odd", strings.NewReader(body),
		githubSigned("the secret of GitHub", body)...); w.Code != 401 {
		t.Fatal(w.Code)
	}
	*now = now.Add(48 * time.Hour)
	v, err := r.verify("")
	if err != nil || v.Outcome != bellhop.RequestRefused || v.Status != 401 || v.Reason != "signature_mismatch" ||
		v.Detail == "" || len(v.Missing) > 0 {
		t.Errorf("by the stored secret: %+v %v", v, err)
	}
	v, err = r.verify(`{"secret":"the secret of GitHub"}`)
	if err != nil || v.Outcome != bellhop.RequestAccepted || v.Status != 202 || v.Events != 1 || v.Reason != "" {
		t.Errorf("by the right secret: %+v %v", v, err)
	}
	_, err = r.verify(`{"secret":""}`)
	if paths := errortest.InvalidPaths(t, err); len(paths) != 1 || paths[0] != "settings.secret" {
		t.Errorf("by no secret: %v", err)
	}
	if len(r.events()) > 0 || len(r.requests()) != 1 || r.lanes.matched.Load() > 0 {
		t.Error("something was stored or matched")
	}
}

// TestVerifyAtItsTime: the clock of a verification is that of the request, so that a signature which was good for
// minutes does not expire on record.
func TestVerifyAtItsTime(t *testing.T) {
	t.Parallel()
	r, now := verifyRig(t, "slack", `{"signing_secret":"8f742231b10e8888abcd99yyyzzz85a5"}`)
	body := `{"type":"event_callback","event_id":"Ev1","event":{"type":"message"}}`
	stamp := strconv.FormatInt(now.Unix(), 10)
	sign := func(secret string) string {
		mac := hmac.New(sha256.New, []byte(secret))
		fmt.Fprintf(mac, "v0:%s:%s", stamp, body)
		return "v0=" + hex.EncodeToString(mac.Sum(nil))
	}
	r.send("POST", "/in/odd", strings.NewReader(body), "Content-Type", "application/json", "Content-Length",
		strconv.Itoa(len(body)), "X-Slack-Request-Timestamp", stamp, "X-Slack-Signature", sign("another"))
	*now = now.Add(30 * 24 * time.Hour)
	v, err := r.verify(`{"signing_secret":"another"}`)
	if err != nil || v.Outcome != bellhop.RequestAccepted {
		t.Errorf("%+v %v", v, err)
	}
}

// TestVerifyOfParts: where the record lacks what proves the request, the outcome is open and the part is named; where
// the rest decides, it is not.
func TestVerifyOfParts(t *testing.T) {
	t.Parallel()
	long := `{"ref":"` + strings.Repeat("a", bellhop.MaxRefusedBodyBytes) + `"}`
	batch :=
		`[{"id":"1","eventType":"a.b","subject":"s","eventTime":"2026-11-22T10:00:00Z","dataVersion":"1","data":{}}]`
	grid := []string{"Content-Type", "application/json", "Content-Length", strconv.Itoa(len(batch)), "Aeg-Event-Type",
		"Notification"}
	const boro = `{"profile_id":"7","secret_key":"00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"}`
	for _, c := range []struct {
		name, provider, settings, target, body string
		header                                 []string
		outcome                                bellhop.RequestOutcome
		missing                                string
	}{
		{"a body that was cut", "github", `{"secret":"the secret of the source"}`, "/in/odd", long,
			githubSigned("another", long), "", "body"},
		{"a body that was cut, and no signature", "github", `{"secret":"the secret of the source"}`, "/in/odd", long,
			[]string{"Content-Length", strconv.Itoa(len(long))}, bellhop.RequestRefused, "body"},
		{"a secret in the query", "eventgrid", `{"query_secret":"3f9cVb7pQ2mXw8Lk"}`, "/in/odd?code=wrong",
			batch, grid, "", "query"},
		{"a secret in a header", "eventgrid", `{"header":"X-Key","header_secret":"3f9cVb7pQ2mXw8Lk"}`,
			"/in/odd", batch, append([]string{"X-Key", "wrong"}, grid...), "", "header"},
		{"a signature in Authorization", "boro", boro, "/in/odd", `{"a":1}`,
			[]string{"Authorization", "APIAuth-HMAC-SHA256 7:AAAA", "Content-Type", "application/json", "Date",
				time.Now().UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT"), "Content-Length", "7"}, "", "header"},
		{"a query without meaning", "github", `{"secret":"the secret of the source"}`, "/in/odd?a=b", "{}",
			githubSigned("another", "{}"), bellhop.RequestRefused, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r, _ := verifyRig(t, c.provider, c.settings)
			if w := r.send("POST", c.target, strings.NewReader(c.body), c.header...); w.Code < 400 {
				t.Fatal(w.Code)
			}
			v, err := r.verify("")
			if err != nil || v.Outcome != c.outcome || missing(v) != c.missing {
				t.Errorf("%+v %v", v, err)
			}
			if c.outcome == "" && (v.Status != 0 || v.Reason != "") {
				t.Errorf("an open verdict has a reason: %+v", v)
			}
		})
	}
}

// TestVerifyOfUnread: the body of some refusals was never read; the present bound of a body decides all the same.
func TestVerifyOfUnread(t *testing.T) {
	t.Parallel()
	r, _ := verifyRig(t, "github", `{"secret":"the secret of the source"}`)
	body := strings.Repeat("a", bellhop.DefaultMaxBodyBytes+1)
	if w := r.send("POST", "/in/odd", strings.NewReader(body),
		githubSigned("the secret of the source", body)...); w.Code != 413 {
		t.Fatal(w.Code)
	}
	v, err := r.verify("")
	if err != nil || v.Outcome != bellhop.RequestRefused || v.Reason != "too_large" || v.Status != 413 {
		t.Errorf("%+v %v", v, err)
	}
	src, _ := r.store.Source(t.Context(), "odd")
	src.MaxBodyBytes = bellhop.MaxMaxBodyBytes
	v, err = r.door.Verify(t.Context(), src, r.onlyRequest())
	if err != nil || v.Outcome != "" || missing(v) != "body" {
		t.Errorf("with a larger bound: %+v %v", v, err)
	}
}

// TestVerifyOutcomes: handshakes are not answered, items may be refused, and what cannot be decided is an error. No
// error repeats what a provider that fails says.
func TestVerifyOutcomes(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	src := bellhop.Source{ID: "src_src", Name: "src", Provider: "stub", Settings: []byte("{}")}
	record := bellhop.Request{SourceID: "src_src", Method: "POST", Target: "/in/src", Body: []byte("a"), BodyBytes: 1,
		Header: bellhop.Header("Content-Length: 1\n"), ReceivedAt: time.Now(), Outcome: bellhop.RequestRefused}
	then := false
	for _, c := range []struct {
		receipt provider.Receipt
		err     error
		outcome bellhop.RequestOutcome
		status  int
		reason  string
	}{
		{provider.Receipt{Reply: &provider.Reply{Status: 200, Then: func(context.Context) error {
			then = true
			return nil
		}}}, nil,
			bellhop.RequestHandshake, 200, ""},
		{provider.Receipt{Status: 204, Events: []bellhop.Event{{}, {}}}, nil, bellhop.RequestAccepted, 204, ""},
		{provider.Receipt{Events: []bellhop.Event{{}},
			Refused: []provider.ItemError{{Index: 1, Err: provider.ErrForbidden}}},
			nil, bellhop.RequestPartial, 202, "forbidden"},
		{provider.Receipt{Refused: []provider.ItemError{{Index: 0, Err: signature.ErrMismatch}}}, nil,
			bellhop.RequestRefused, 202, "signature_mismatch"},
		{provider.Receipt{}, provider.ErrMethod, bellhop.RequestRefused, 405, "method"},
	} {
		r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return c.receipt, c.err }
		v, err := r.door.Verify(t.Context(), src, record)
		if err != nil || v.Outcome != c.outcome || v.Status != c.status || v.Reason != c.reason {
			t.Errorf("%+v %v, want %s %d", v, err, c.outcome, c.status)
		}
	}
	if then {
		t.Error("a call that confirms a handshake was made")
	}
	for _, failing := range []func(*provider.Request) (provider.Receipt, error){
		func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, errors.New("s3cret") },
		func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, provider.ErrUnavailable },
		func(*provider.Request) (provider.Receipt, error) { panic("s3cret") },
	} {
		r.stub.receive = failing
		_, err := r.door.Verify(t.Context(), src, record)
		var e *bellhop.Error
		if !errors.As(err, &e) || e.Code != bellhop.CodeUnavailable || strings.Contains(e.Error(), "s3cret") {
			t.Errorf("%v", err)
		}
	}
	record.Body, record.BodyBytes = bytes.Repeat([]byte("a"), 10), 10
	src.MaxBodyBytes = 9
	v, err := r.door.Verify(t.Context(), src, record)
	if err != nil || v.Reason != "too_large" {
		t.Errorf("%+v %v", v, err)
	}
}
