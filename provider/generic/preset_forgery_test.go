package generic_test

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Vectors that the systems publish, or their own libraries hold themselves to. Those of Twilio are those of its helper
// libraries, https://github.com/twilio/twilio-python; that of Bitbucket is on its page about webhooks.
func TestPresetVectors(t *testing.T) {
	const (
		twilioVector = "https://mycompany.com/myapp.php"
		form         = "application/x-www-form-urlencoded"
		call         = "Digits=1234&CallSid=CA1234567890ABCDE&To=%2B18005551212&Caller=%2B14158675309&From=%2B14158675309"
		twice        = "Sid=CA123&SidAccount=AC123&Digits=5678&Digits=1234&Digits=1234"
		json         = `{"property": "value", "boolean": true}`
		jsonHash     = "bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620"
	)
	twilio := func(url string) values { return values{"preset": "twilio", "secret": "12345", "url": url} }
	for _, c := range []struct {
		name     string
		settings values
		target   string
		req      *provider.Request
	}{
		{"bitbucket", values{"preset": "bitbucket", "secret": "It's a Secret to Everybody"}, "/",
			post("Hello World!", "X-Hub-Signature", "sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")},
		{"twilio", twilio(twilioVector), "/?foo=1&bar=2", post(call, "Content-Type", form, "X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")},
		{"twilio, signed with its port", twilio(twilioVector), "/?foo=1&bar=2", post(call, "Content-Type", form, "X-Twilio-Signature", "kvajT1Ptam85bY51eRf/AJRuM3w=")},
		{"twilio, signed without its port", twilio("https://mycompany.com:1234/myapp.php"), "/?foo=1&bar=2", post(call, "Content-Type", form, "X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")},
		{"twilio over http", twilio("http://mycompany.com/myapp.php"), "/?foo=1&bar=2", post(call, "Content-Type", form, "X-Twilio-Signature", "0ZXoZLH/DfblKGATFgpif+LLRf4=")},
		{"twilio over http with a port", twilio("http://mycompany.com:1234/myapp.php"), "/?foo=1&bar=2", post(call, "Content-Type", form, "X-Twilio-Signature", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=")},
		{"twilio, values twice", twilio(twilioVector), "/?foo=1&bar=2", post(twice, "Content-Type", form, "X-Twilio-Signature", "IK+Dwps556ElfBT0I3Rgjkr1wJU=")},
		{"twilio, JSON", twilio(twilioVector), "/?foo=1&bar=2&" + jsonHash, post(json, "X-Twilio-Signature", "a9nBmqA0ju/hNViExpshrM61xv4=")},
		{"twilio, JSON, no other parameter", twilio(twilioVector), "/?" + jsonHash, post(json, "X-Twilio-Signature", "y77kIzt2vzLz71DgmJGsen2scGs=")},
	} {
		c.req.Target = c.target
		if _, err := receive(t, c.settings, c.req); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// What can be wrong with the form that Twilio signs.
func TestTwilioForgeries(t *testing.T) {
	c := presetNamed("twilio")
	settings := presetSettings(c, secrets[0])
	recorded := recordings(t, "twilio")
	for _, f := range []struct {
		name   string
		from   string
		change func(req *provider.Request)
		want   error
	}{
		{"control", "twilio", func(*provider.Request) {}, nil},
		{"parameters in another order", "twilio", func(req *provider.Request) { req.Body = turned(req.Body) }, nil},
		{"a parameter more", "twilio", func(req *provider.Request) { req.Body = append(req.Body, "&Zebra=1"...) }, signature.ErrMismatch},
		{"a parameter less", "twilio", func(req *provider.Request) { req.Body = req.Body[bytes.IndexByte(req.Body, '&')+1:] }, signature.ErrMismatch},
		{"another query", "twilio", func(req *provider.Request) { req.Target += "&x=1" }, signature.ErrMismatch},
		{"no query", "twilio", func(req *provider.Request) { req.Target = "/in/twilio" }, signature.ErrMismatch},
		{"another host in Host", "twilio", func(req *provider.Request) { req.Header.Set("Host", "evil.example") }, nil},
		{"no form by its type", "twilio", func(req *provider.Request) { req.Header.Set("Content-Type", "text/plain") }, signature.ErrMissing},
		{"no type", "twilio", func(req *provider.Request) { req.Header.Del("Content-Type") }, signature.ErrMissing},
		{"escape that is none", "twilio", func(req *provider.Request) { req.Body = append(req.Body, "&a=%zz"...) }, signature.ErrMalformed},
		{"too many", "twilio", func(req *provider.Request) { req.Body = []byte(strings.Repeat("a=1&", 1001)) }, signature.ErrMalformed},
		{"many", "twilio", func(req *provider.Request) { req.Body = []byte(strings.Repeat("a=1&", 1000)) }, signature.ErrMismatch},
		{"JSON, another body", "twilio-json", func(req *provider.Request) { req.Body = []byte("{}") }, signature.ErrMismatch},
		{"JSON, no body", "twilio-json", func(req *provider.Request) { req.Body = nil }, signature.ErrMismatch},
		{"JSON, two hashes", "twilio-json", func(req *provider.Request) { req.Target += "&" + req.Target[strings.Index(req.Target, "?")+1:] }, signature.ErrMalformed},
		{"JSON, as a form", "twilio-json", func(req *provider.Request) { req.Header.Set("Content-Type", "application/x-www-form-urlencoded") }, signature.ErrMismatch},
		{"JSON, no hash", "twilio-json", func(req *provider.Request) { req.Target = "/in/twilio" }, signature.ErrMissing},
	} {
		req := copied(recorded[f.from])
		f.change(req)
		if _, err := receive(t, settings, req); !errors.Is(err, f.want) {
			t.Errorf("%s: got %v, want %v", f.name, err, f.want)
		}
	}
}

// turned puts the parameters of a form in the opposite order.
func turned(form []byte) []byte {
	list := strings.Split(string(form), "&")
	slices.Reverse(list)
	return []byte(strings.Join(list, "&"))
}

func copied(req *provider.Request) *provider.Request {
	c := *req
	c.Header, c.Body = req.Header.Clone(), bytes.Clone(req.Body)
	return &c
}

// Section 5 of the forgery list, as far as lists of signatures are the same: T05, T08 to T11.
func TestSignatureList(t *testing.T) {
	settings := presetSettings(presetNamed("pagerduty"), secrets[0])
	recorded := recordings(t, "pagerduty")["pagerduty"]
	other, good, _ := strings.Cut(recorded.Header.Get("X-Pagerduty-Signature"), ",")
	for value, want := range map[string]error{
		other + "," + good:                    nil,
		good + "," + other:                    nil,
		good:                                  nil,
		good + "," + good:                     nil,
		"v2=0," + good:                        nil,
		",," + good + ",":                     nil,
		"v1=," + good:                         nil,
		strings.Repeat(other+",", 15) + good:  nil,
		strings.Repeat(other+",", 16) + good:  signature.ErrMismatch,
		other:                                 signature.ErrMismatch,
		strings.Repeat(other+",", 1000):       signature.ErrMismatch,
		"v0" + strings.TrimPrefix(good, "v1"): signature.ErrMalformed,
		strings.TrimPrefix(good, "v1="):       signature.ErrMalformed,
		other + ", " + good:                   signature.ErrMismatch,
		other + ";" + good:                    signature.ErrMalformed,
		good + "0":                            signature.ErrMalformed,
		good[:len(good)-2]:                    signature.ErrMalformed,
		"v1":                                  signature.ErrMalformed,
		",":                                   signature.ErrMalformed,
		"":                                    signature.ErrMissing,
		"v1=" + strings.Repeat("0", 64) + "," + good[1:]: signature.ErrMismatch,
	} {
		req := copied(recorded)
		req.Header.Set("X-Pagerduty-Signature", value)
		if _, err := receive(t, settings, req); !errors.Is(err, want) {
			t.Errorf("%.200q: got %v, want %v", value, err, want)
		}
	}
	twice := copied(recorded)
	twice.Header.Add("X-Pagerduty-Signature", good)
	if _, err := receive(t, settings, twice); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("two headers: %v", err)
	}
}

// A repeat is one in whatever order the signatures come, and whichever of the keys made them.
func TestListIsOneRepeatKey(t *testing.T) {
	settings := values{"scheme": "hmac", "header": "X-Signature", "separator": " ", "secret": []string{secrets[0], secrets[1]}}
	first, second := signed("{}", "{}").Header.Get("X-Signature"), ""
	h := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex}
	second, err := h.Sign([]byte(secrets[1]), []byte("{}"))
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{first + " " + second, second + " " + first, strings.ToUpper(second) + " " + first} {
		receipt, err := receive(t, settings, post("{}", "X-Signature", value))
		if err != nil || receipt.Events[0].ProviderID != first {
			t.Errorf("%s: got %+v, %v", value, receipt.Events, err)
		}
	}
}

// Linear's time stands in the body, which is signed whole.
func TestTimestampInBody(t *testing.T) {
	settings := presetSettings(presetNamed("linear"), secrets[0])
	sign := func(body string) *provider.Request {
		req := signed(body, body)
		req.Header.Set("Linear-Signature", req.Header.Get("X-Signature"))
		return req
	}
	now := "1795338000000"
	for body, want := range map[string]error{
		`{"webhookTimestamp":` + now + `}`:          nil,
		`{"webhookTimestamp":"` + now + `"}`:        nil,
		`{"webhookTimestamp":1795337940000}`:        nil,
		`{"webhookTimestamp":1795337939999}`:        signature.ErrExpired,
		`{"webhookTimestamp":1795338060001}`:        signature.ErrExpired,
		`{"webhookTimestamp":1795338000}`:           signature.ErrExpired,
		`{"webhookTimestamp":0}`:                    signature.ErrExpired,
		`{"webhookTimestamp":-1}`:                   signature.ErrMalformed,
		`{"webhookTimestamp":1.795338e12}`:          signature.ErrMalformed,
		`{"webhookTimestamp":179533800000000}`:      signature.ErrMalformed,
		`{"webhookTimestamp":null}`:                 signature.ErrMissing,
		`{"webhookTimestamp":["` + now + `"]}`:      signature.ErrMissing,
		`{"data":{"webhookTimestamp":` + now + `}}`: signature.ErrMissing,
		`{}`: signature.ErrMissing,
		`{"webhookTimestamp":0,"webhookTimestamp":` + now + `}`: provider.ErrBody,
		`{"webhookTimestamp":` + now + `}x`:                     provider.ErrBody,
		`[` + now + `]`:                                         provider.ErrBody,
	} {
		if _, err := receive(t, settings, sign(body)); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", body, err, want)
		}
	}
	loose := with(settings, values{"tolerance": "1h"})
	if _, err := receive(t, loose, sign(`{"webhookTimestamp":1795334400000}`)); err != nil {
		t.Errorf("a tolerance of an hour: %v", err)
	}
}

// W36 for Twitch, which signs id, time and body with nothing between them: bytes cannot move, whatever the body is.
func TestTwitchBoundaries(t *testing.T) {
	c := presetNamed("twitch")
	settings := presetSettings(c, secrets[0])
	const id, at, body = "e76c6bd4-2026-11-22T09", "2026-11-22T09:00:00.5Z", `2026-11-22T09:00:00Z{"a":"2026-11-22T09:00:00Z"}`
	whole := id + at + body
	h := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
	sig, err := h.Sign([]byte(secrets[0]), []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	taken := 0
	for i := range len(whole) {
		for j := i; j <= len(whole); j++ {
			req := post(whole[j:], "Twitch-Eventsub-Message-Id", whole[:i], "Twitch-Eventsub-Message-Timestamp", whole[i:j], "Twitch-Eventsub-Message-Signature", sig)
			_, err := receive(t, settings, req)
			if err == nil || errors.Is(err, provider.ErrBody) {
				if taken++; whole[:i] != id || whole[i:j] != at {
					t.Errorf("id %q, time %q: %v", whole[:i], whole[i:j], err)
				}
			}
		}
	}
	if taken != 1 {
		t.Errorf("%d ways to part what is signed", taken)
	}
}

// Every preset refuses what was signed for another, though the secret is the same.
func TestPresetsAreNotOneAnother(t *testing.T) {
	for _, c := range generic.PresetCases() {
		for _, other := range generic.PresetCases() {
			if c.Name == other.Name {
				continue
			}
			req := signPreset(other, secrets[0], providertest.Now, []byte(`{"a":1}`))
			if _, err := receive(t, presetSettings(c, secrets[0]), req); err == nil {
				t.Errorf("%s takes what %s sent", c.Name, other.Name)
			}
		}
	}
}
