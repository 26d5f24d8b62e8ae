package ingest

import (
	"errors"
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestRefusals: each reason has its status and body. The request is on record, and nothing is stored.
func TestRefusals(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		err    error
		status int
		reason string
		body   string
	}{
		{signature.ErrMissing, 401, "signature_missing", `{"error":"not authentic"}`},
		{signature.ErrMismatch, 401, "signature_mismatch", `{"error":"not authentic"}`},
		{signature.ErrExpired, 401, "signature_expired", `{"error":"not authentic"}`},
		{signature.ErrMalformed, 401, "signature_malformed", `{"error":"not authentic"}`},
		{provider.ErrBody, 400, "malformed_body", `{"error":"malformed request"}`},
		{provider.ErrForbidden, 403, "forbidden", `{"error":"not allowed"}`},
		{provider.ErrMethod, 405, "method", `{"error":"method not allowed"}`},
		{provider.ErrEncoding, 415, "content_encoding", `{"error":"content not accepted"}`},
		{fmt.Errorf("stub: %w", &provider.MethodError{Allow: []string{"PUT", "PATCH"}}), 405, "method",
			`{"error":"method not allowed"}`},
		{provider.ErrMediaType, 415, "media_type", `{"error":"content not accepted"}`},
		{provider.ErrUnavailable, 503, "unavailable", `{"error":"try again later"}`},
		{signature.ErrKey, 503, "signature_key", `{"error":"try again later"}`},
		{errors.New("s3cret: the key server does not answer"), 503, "unavailable", `{"error":"try again later"}`},
		{bellhop.NotFound("source", "s3cret"), 503, "unavailable", `{"error":"try again later"}`},
	} {
		for _, err := range []error{c.err, fmt.Errorf("stub: %w: really", c.err)} {
			r := newRig(t)
			r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, err }
			w := r.send("POST", "/in/src", strings.NewReader("hello"))
			if w.Code != c.status || w.Body.String() != c.body+"\n" {
				t.Errorf("%v: %d %s", err, w.Code, w.Body)
			}
			wantInert(t, w.Header())
			want := map[string]string{"Content-Type": "application/json", "Retry-After": "", "Allow": ""}
			switch c.status {
			case 503:
				want["Retry-After"] = "5"
			case 405:
				want["Allow"] = allowedMethods(err)
			}
			for name, value := range want {
				if got := w.Header().Get(name); got != value {
					t.Errorf("%v: %s: %q", err, name, got)
				}
			}
			got := r.onlyRequest()
			if got.Outcome != bellhop.RequestRefused || got.Status != c.status || got.Reason != c.reason ||
				got.Detail == "" || got.Events != 0 || string(got.Body) != "hello" || got.BodyBytes != 5 ||
				got.SourceID != "src_src" || got.RemoteAddr == "" || got.ReceivedAt.IsZero() {
				t.Errorf("%v: on record: %+v", err, got)
			}
			if strings.Contains(got.Detail, "s3cret") {
				t.Errorf("%v: the text of an internal fault is on record: %q", err, got.Detail)
			}
			if len(r.events()) != 0 || r.lanes.matched.Load() != 0 {
				t.Errorf("%v: something was stored", err)
			}
		}
	}
}

// TestUnauthorizedAlike: a sender that cannot sign gets the same answer for every way to fail.
func TestUnauthorizedAlike(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	var first *httptest.ResponseRecorder
	for _, err := range []error{signature.ErrMissing, signature.ErrMismatch, signature.ErrExpired,
		fmt.Errorf("stub: %w", signature.ErrMalformed)} {
		r.stub.receive = func(*provider.Request) (provider.Receipt, error) { return provider.Receipt{}, err }
		w := r.send("POST", "/in/src", strings.NewReader("hello"))
		if first == nil {
			first = w
		}
		if w.Code != first.Code || w.Body.String() != first.Body.String() ||
			!reflect.DeepEqual(w.Header(), first.Header()) {
			t.Errorf("%v: %d %v %s", err, w.Code, w.Header(), w.Body)
		}
	}
}

// TestDescribeRefused: the reason is that of the first refused item, and the detail names at most twenty items.
func TestDescribeRefused(t *testing.T) {
	t.Parallel()
	refused := slices.Repeat([]provider.ItemError{{Index: 3, Err: provider.ErrForbidden},
		{Index: 4, Err: errors.New("odd")}}, 15)
	reason, detail := describeRefused(refused)
	if reason != "forbidden" ||
		!strings.HasPrefix(detail, "item 3: not the expected account or state; item 4: odd; ") ||
		!strings.HasSuffix(detail, "; and 10 more") || strings.Count(detail, "item ") != 20 {
		t.Errorf("%s: %s", reason, detail)
	}
	if reason, _ := describeRefused([]provider.ItemError{{Err: errors.New("odd")}}); reason != "refused" {
		t.Errorf("without a code: %s", reason)
	}
}
