package api

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
)

// TestSampleSource: a source gets what its provider would send, signed with its first secret, which the answer does
// not show.
func TestSampleSource(t *testing.T) {
	r := newRig(t)
	r.sources = []bellhop.Source{{ID: "src_1", Name: "media", Provider: "lock",
		Settings: []byte(`{"key":["` + canary + `","older"],"account_id":"a1"}`)}}
	var got provider.OutboundRequest
	r.sampled = func(_ string, sent provider.OutboundRequest) bellhop.Sampled {
		got = sent
		return bellhop.Sampled{Status: 200, EventIDs: []string{"evt_1"}, Body: []byte("taken with " + canary)}
	}
	answer := r.do("POST", "/api/v1/sources/media/sample", "")
	made := answer.is(200)
	if string(got.Body) != `{"account":"a1","key":"`+canary+`"}` || got.Header.Get("X-Key") != "Key "+canary {
		t.Errorf("the door gets %v %s", got.Header, got.Body)
	}
	if strings.Contains(string(answer.body), canary) {
		t.Errorf("the answer has the secret: %s", answer.body)
	}
	delete(made, "duration_ms")
	same(t, made, `{"request":{"method":"POST","url":"https://hooks.example.com/in/media","way":"",
		"headers":{"X-Key":["Key …"]},"body":"{\"account\":\"a1\",\"key\":\"…\"}","body_bytes":`+
		strconv.Itoa(len(got.Body))+`},"status":200,"body":"taken with …","event_ids":["evt_1"],"request_id":"",
		"reason":"","detail":"","cause":"","advice":"","handshake":""}`)
}

// TestSampleRefused: a refusal of the source is an answer, with the record and what to do. What cannot be sent is an
// error.
func TestSampleRefused(t *testing.T) {
	r := newRig(t)
	r.sources = []bellhop.Source{{ID: "src_1", Name: "media", Provider: "lock", Settings: []byte(`{"key":"k"}`)},
		{ID: "src_2", Name: "blank", Provider: "lock", Settings: []byte(`{"key":"blank"}`)},
		{ID: "src_3", Name: "deaf", Provider: "deaf", Settings: []byte(`{}`)},
		{ID: "src_4", Name: "off", Provider: "lock", Disabled: true, Settings: []byte(`{"key":"k"}`)},
		{ID: "src_5", Name: "keyless", Provider: "lock", Settings: []byte(`{}`)},
		{ID: "src_6", Name: "gone", Provider: "gone", Settings: []byte(`{}`)}}
	r.sampled = func(string, provider.OutboundRequest) bellhop.Sampled {
		return bellhop.Sampled{Status: 401, RequestID: "req_1", Reason: "signature_mismatch", Detail: "it differs"}
	}
	got := r.do("POST", "/api/v1/sources/src_1/sample", `{"type":"lock.sample"}`).is(200)
	if got["status"] != 401.0 || got["request_id"] != "req_1" || got["reason"] != "signature_mismatch" ||
		got["cause"] == "" || got["advice"] == "" {
		t.Errorf("%v", got)
	}
	if got := r.do("POST", "/api/v1/sources/src_1/sample", `{"type":"handshake"}`).is(200); got["handshake"] !=
		"not_agreed" {
		t.Errorf("%v", got)
	}
	r.sampled = nil
	if got := r.do("POST", "/api/v1/sources/src_1/sample", `{"type":"handshake"}`).is(200); got["handshake"] !=
		"agreed" {
		t.Errorf("%v", got)
	}
	r.do("POST", "/api/v1/sources/media/sample", `{"type":"lock.other"}`).refused(422, bellhop.CodeInvalid, "type")
	r.do("POST", "/api/v1/sources/media/sample", `{"kind":"x"}`).refused(422, bellhop.CodeInvalid, "kind")
	r.do("POST", "/api/v1/sources/media/sample", `{"type":7}`).refused(422, bellhop.CodeInvalid, "type")
	r.do("POST", "/api/v1/sources/nobody/sample", "").refused(404, bellhop.CodeNotFound)
	for _, name := range []string{"blank", "deaf", "off", "keyless", "gone"} {
		r.do("POST", "/api/v1/sources/"+name+"/sample", "").refused(409, bellhop.CodeConflict)
	}
}

// TestRotateSourceSecret: the new secret comes before the present one, older ones go, and the old one goes when it is
// dropped.
func TestRotateSourceSecret(t *testing.T) {
	r := newRig(t)
	r.sources = []bellhop.Source{{ID: "src_1", Name: "media", Provider: "lock",
		Settings: []byte(`{"key":["second","first"],"account_id":"a1"}`)},
		{ID: "src_2", Name: "keyless", Provider: "lock", Settings: []byte(`{}`)},
		{ID: "src_3", Name: "deaf", Provider: "deaf", Settings: []byte(`{}`)}}
	got := r.do("POST", "/api/v1/sources/media/rotate-secret", `{"secret":" `+canary+`\n"}`).is(200)
	if stored := string(r.sources[0].Settings); stored != `{"account_id":"a1","key":["`+canary+`","second"]}` {
		t.Errorf("stored %s", stored)
	}
	same(t, got["settings"], `{"key":{"set":true,"set_at":"2026-11-22T09:30:00.123Z","count":2},"account_id":"a1"}`)
	if got["secret"] != nil || got["setting"] != "key" || got["id"] != "src_1" {
		t.Errorf("%v", got)
	}
	// whoever replaces a secret that was replaced meanwhile would end the one that the provider still has
	other := `If-Match: "of-an-answer-before"`
	r.do("POST", "/api/v1/sources/media/rotate-secret", "", other).refused(412, bellhop.CodeChanged)
	r.do("POST", "/api/v1/sources/media/drop-secret", "", other).refused(412, bellhop.CodeChanged)
	if stored := string(r.sources[0].Settings); stored != `{"account_id":"a1","key":["`+canary+`","second"]}` {
		t.Errorf("stored %s", stored)
	}
	// the mask of two secrets keeps both
	mask, err := json.Marshal(got["settings"])
	if err != nil {
		t.Fatal(err)
	}
	r.do("PATCH", "/api/v1/sources/media", `{"settings":`+string(mask)+`}`).is(200)
	if stored := string(r.sources[0].Settings); stored != `{"account_id":"a1","key":["`+canary+`","second"]}` {
		t.Errorf("stored %s", stored)
	}
	r.do("POST", "/api/v1/sources/media/rotate-secret", `{"secret":"second"}`).refused(422, bellhop.CodeInvalid,
		"secret")
	r.do("POST", "/api/v1/sources/media/rotate-secret", `{"secret":"  "}`).refused(422, bellhop.CodeInvalid, "secret")
	r.do("POST", "/api/v1/sources/media/rotate-secret", `{"setting":"account_id"}`).refused(422, bellhop.CodeInvalid,
		"setting")
	r.do("POST", "/api/v1/sources/nobody/rotate-secret", "").refused(404, bellhop.CodeNotFound)
	r.do("POST", "/api/v1/sources/keyless/rotate-secret", "").refused(409, bellhop.CodeConflict)
	r.do("POST", "/api/v1/sources/deaf/rotate-secret", "").refused(409, bellhop.CodeConflict)

	r.do("POST", "/api/v1/sources/media/drop-secret", `{"setting":"key"}`).is(200)
	if stored := string(r.sources[0].Settings); stored != `{"account_id":"a1","key":"`+canary+`"}` {
		t.Errorf("stored %s", stored)
	}
	r.do("POST", "/api/v1/sources/media/drop-secret", "").refused(409, bellhop.CodeConflict)

	made := r.do("POST", "/api/v1/sources/media/rotate-secret", "").is(200)
	if secret := made["secret"].(string); len(secret) != 64 ||
		string(r.sources[0].Settings) != `{"account_id":"a1","key":["`+secret+`","`+canary+`"]}` {
		t.Errorf("made %q, stored %s", secret, r.sources[0].Settings)
	}
	if again := r.do("GET", "/api/v1/sources/media", "").is(200); again["secret"] != nil {
		t.Errorf("the secret is shown again: %v", again)
	}
}

// TestSampleClient: the client makes these calls.
func TestSampleClient(t *testing.T) {
	r, c := newClient(t)
	r.sources = []bellhop.Source{{ID: "src_1", Name: "media", Provider: "lock", Settings: []byte(`{"key":"k"}`)}}
	sample, err := c.SampleSource(t.Context(), "media", client.NewSample{Type: "lock.sample"})
	if err != nil || len(sample.EventIDs) != 1 || sample.Request.Method != "POST" {
		t.Error(sample, err)
	}
	rotated, err := c.RotateSourceSecret(t.Context(), "media", client.SourceRotation{})
	if err != nil || rotated.Secret == "" || rotated.Name != "media" {
		t.Error(rotated, err)
	}
	_, err = c.IfMatch("before").DropOldSecret(t.Context(), "media", client.DroppedSecret{})
	if err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Error("a change for another version:", err)
	}
	if dropped, err := c.DropOldSecret(t.Context(), "media", client.DroppedSecret{Setting: "key"}); err != nil ||
		dropped.Setting != "key" {
		t.Error(dropped, err)
	}
}
