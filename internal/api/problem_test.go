package api

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

func TestMalformed(t *testing.T) {
	r := newRig(t)
	r.fill()
	for _, path := range []string{"POST /api/v1/sources", "PATCH /api/v1/sources/media", "POST /api/v1/destinations",
		"PATCH /api/v1/destinations/billing", "POST /api/v1/events"} {
		method, path, _ := strings.Cut(path, " ")
		for _, body := range []string{
			`{`, `{"name":"` + canary, canary, `{"name":"x",}`, `{"name":"x"} {}`, "\xef\xbb\xbf{}", `{"name":"` +
				"\xff" +
				`"}`,
			`{"name":"a","name":"b"}`, `{"settings":{"key":"a","key":"b"}}`, strings.Repeat("[", 20000),
		} {
			r.do(method, path, body).refused(400, bellhop.CodeMalformed, "body")
		}
		r.do(method, path, "").refused(400, bellhop.CodeMalformed)
		for _, contentType := range []string{"text/plain", "application/x-www-form-urlencoded", "application/json-seq",
			"nonsense/"} {
			r.do(method, path, `{}`, "Content-Type: "+contentType).refused(415, bellhop.CodeMalformed)
		}
		big := `{"name":"` + strings.Repeat("x", MaxBodyBytes) + `"}`
		r.do(method, path, big).refused(413, bellhop.CodeTooLarge)
	}
	exact := `{"type":"t","data":"` + strings.Repeat("x", MaxBodyBytes-22) + `"}`
	if len(exact) != MaxBodyBytes {
		t.Fatal(len(exact))
	}
	r.do("POST", "/api/v1/events", exact).is(202)
	r.do("POST", "/api/v1/events", exact+" ").refused(413, bellhop.CodeTooLarge)
}

func TestNoRoute(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/in/x", "/openapi.yaml", "/docs", "/schemas/Source.json", "/api",
		"/api/v2/sources"} {
		r.send("GET", path, "").refused(404, bellhop.CodeNotFound)
	}
	for _, path := range []string{"/api/v1", "/api/v1/", "/api/v1/nothing", "/api/v1/sources/a/b"} {
		r.send("GET", path, "").refused(401, bellhop.CodeUnauthorized)
		r.do("GET", path, "").refused(404, bellhop.CodeNotFound)
	}
	a := r.do("PUT", "/api/v1/sources", "{}")
	a.refused(405, bellhop.CodeMalformed)
	if allow := a.header.Get("Allow"); !strings.Contains(allow, "POST") || !strings.Contains(allow, "GET") {
		t.Errorf("Allow: %q", allow)
	}
	r.do("DELETE", "/openapi.json", "").refused(405, bellhop.CodeMalformed)
	for _, path := range []string{"/x/../api/v1/sources", "//api/v1/sources", "/api%2fv1/sources",
		"/%61pi/v1/sources"} {
		if a := r.send("GET", path, ""); a.status == 200 {
			t.Errorf("%s is open", path)
		}
	}
}

func TestParameters(t *testing.T) {
	r := newRig(t)
	for query, path := range map[string]string{
		"sources?limit=0": "limit", "sources?limit=251": "limit", "sources?limit=x": "limit",
		"sources?cursor=zzz":     "cursor",
		"sources?offset=1":       "offset",
		"events?since=yesterday": "since", "events?until=1": "until", "events?source=nobody": "source",
		"events?types=x":        "types",
		"deliveries?state=lost": "state", "deliveries?destination=nobody": "destination",
		"requests?outcome=lost": "outcome", "requests?source=nobody": "source",
	} {
		r.do("GET", "/api/v1/"+query, "").refused(422, bellhop.CodeInvalid, path)
	}
}

func TestPanicIsAnInternalError(t *testing.T) {
	r := newRig(t)
	r.handler.(*server).Store = nil
	r.do("GET", "/api/v1/stats", "").refused(500, bellhop.CodeInternal)
	if !strings.Contains(r.logged.String(), "api.panicked") {
		t.Error("not logged")
	}
}

func TestCodes(t *testing.T) {
	for code, status := range map[bellhop.Code]int{
		bellhop.CodeInvalid: 422, bellhop.CodeMalformed: 400, bellhop.CodeUnauthorized: 401,
		bellhop.CodeForbidden: 403, bellhop.CodeNotFound: 404, bellhop.CodeConflict: 409,
		bellhop.CodeTooLarge: 413, bellhop.CodeUnavailable: 503, bellhop.CodeInternal: 500, "new": 500,
	} {
		if got := StatusOf(code); got != status {
			t.Errorf("%s is %d, want %d", code, got, status)
		}
		if got := codeOf(status); code != "new" && got != code {
			t.Errorf("%d is %s, want %s", status, got, code)
		}
	}
}
