package api

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestVerifyRequest: a request on record is verified by the settings of its source, or by those with another secret,
// which is in no answer and no log. The answer has the likely cause.
func TestVerifyRequest(t *testing.T) {
	r := newRig(t)
	r.fill()
	const path = "/api/v1/requests/req_1/verify"
	const other = "another-secret-of-the-sender"
	var got bellhop.Source
	refused := bellhop.Verdict{Outcome: bellhop.RequestRefused, Status: 401, Reason: "signature_mismatch",
		Detail: "no"}
	accepted := bellhop.Verdict{Outcome: bellhop.RequestAccepted, Status: 202, Events: 1}
	r.verify = func(src bellhop.Source, q bellhop.Request) (bellhop.Verdict, error) {
		if got = src; q.ID != "req_1" || string(q.Body) != "hello" {
			t.Errorf("%+v", q)
		}
		return refused, nil
	}
	a := r.do("POST", path, "").is(200)
	if a["outcome"] != "refused" || a["status"] != 401.0 || a["reason"] != "signature_mismatch" ||
		a["detail"] != "no" || !strings.Contains(a["cause"].(string), "another secret") || a["advice"] == "" ||
		len(a["missing"].([]any)) > 0 {
		t.Errorf("%v", a)
	}
	if !strings.Contains(string(got.Settings), canary) {
		t.Errorf("%s", got.Settings)
	}
	whole := r.do("POST", path, `{"secret":"`+other+`"}`)
	a = whole.is(200)
	var settings map[string]string
	json.Unmarshal(got.Settings, &settings)
	if settings["key"] != other || settings["account_id"] != "a1" ||
		!strings.Contains(a["cause"].(string), "this secret either") {
		t.Errorf("%s %v", got.Settings, a)
	}
	if strings.Contains(whole.body, other) || strings.Contains(r.logged.String(), other) {
		t.Error("the secret is in the answer or in the log")
	}
	if string(r.sources[0].Settings) != `{"key":"`+canary+`","account_id":"a1"}` || r.changes > 0 {
		t.Errorf("the source was changed: %s", r.sources[0].Settings)
	}

	// White space around the secret is found.
	r.verify = func(src bellhop.Source, _ bellhop.Request) (bellhop.Verdict, error) {
		if strings.Contains(string(src.Settings), `" `) {
			return refused, nil
		}
		return accepted, nil
	}
	a = r.do("POST", path, `{"secret":" `+other+`"}`).is(200)
	if a["outcome"] != "refused" || !strings.Contains(a["cause"].(string), "white space") {
		t.Errorf("%v", a)
	}

	r.do("POST", path, `{"secret":" \u200b"}`).refused(422, bellhop.CodeInvalid, "secret")

	// The causes of a request that would be accepted now.
	r.verify = nil
	for _, c := range []struct {
		body, reason, cause string
		changed             time.Duration
	}{
		{`{"secret":"` + other + `","setting":"key"}`, "signature_mismatch", "another secret than this one", 0},
		{"{}", "signature_mismatch", "changed since", time.Minute},
		{"{}", "tenant_rate", "a limit or a shortage", time.Minute},
		{"{}", "signature_mismatch", "something that passes", 0},
	} {
		r.requests[0].Reason, r.sources[0].UpdatedAt = c.reason, testNow.Add(c.changed)
		a := r.do("POST", path, c.body).is(200)
		if a["outcome"] != "accepted" || a["events"] != 1.0 || !strings.Contains(a["cause"].(string), c.cause) ||
			a["advice"] == "" {
			t.Errorf("%+v: %v", c, a)
		}
	}

	// An open verdict.
	r.verify = func(bellhop.Source, bellhop.Request) (bellhop.Verdict, error) {
		return bellhop.Verdict{Missing: []bellhop.Missing{{Part: "body", Detail: "cut"}}}, nil
	}
	a = r.do("POST", path, "").is(200)
	same(t, map[string]any{"outcome": a["outcome"], "missing": a["missing"], "status": a["status"]},
		`{"outcome":"unknown","missing":[{"part":"body","detail":"cut"}],"status":0}`)
}

// TestVerifyRequestRefuses: what cannot be verified, and values that cannot be accepted.
func TestVerifyRequestRefuses(t *testing.T) {
	r := newRig(t)
	r.fill()
	r.requests = append(r.requests, bellhop.Request{ID: "req_2", RequestName: "nobody"},
		bellhop.Request{ID: "req_3", SourceID: "src_gone", Source: "gone"})
	r.do("POST", "/api/v1/requests/req_9/verify", "").is(404)
	for id, want := range map[string]string{"req_2": "named no source", "req_3": "source gone was deleted"} {
		if a := r.do("POST", "/api/v1/requests/"+id+"/verify", "").is(409); !strings.Contains(
			a["detail"].(string), want) {
			t.Errorf("%s: %v", id, a["detail"])
		}
	}
	for body, path := range map[string]string{
		`{"setting":"key"}`:                                 "setting",
		`{"secret":"x","setting":"account_id"}`:             "setting",
		`{"secret":"` + strings.Repeat("x", 1<<16+1) + `"}`: "secret",
		`{"secrets":"x"}`:                                   "secrets",
	} {
		a := r.do("POST", "/api/v1/requests/req_1/verify", body).is(422)
		if got := a["errors"].([]any)[0].(map[string]any)["path"]; got != path {
			t.Errorf("%.40s: %v", body, a)
		}
	}
	r.verify = func(bellhop.Source, bellhop.Request) (bellhop.Verdict, error) {
		return bellhop.Verdict{}, bellhop.Invalid("settings.key", "is not Base64")
	}
	a := r.do("POST", "/api/v1/requests/req_1/verify", `{"secret":"x"}`).is(422)
	same(t, a["errors"], `[{"path":"secret","message":"is not Base64"}]`)
}
