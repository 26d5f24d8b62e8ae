package generic_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// twilioURL is the signed part of the URL of the recorded requests.
const twilioURL = "https://hooks.example.com/in/twilio"

// presetSettings returns the settings of a source with this preset.
func presetSettings(c generic.PresetCase, secrets ...string) values {
	s := values{"preset": c.Name, "secret": secrets}
	if slices.Contains(c.Required, "verify_token") {
		s["verify_token"] = "meatyhamhock"
	}
	if slices.Contains(c.Required, "url") {
		s["url"] = twilioURL
	}
	return s
}

// presetCase returns the case of a preset for providertest, from the table and from testdata/recordings.
func presetCase(t testing.TB, c generic.PresetCase) providertest.Case {
	tested := providertest.Case{
		Provider: generic.Provider{},
		Name:     c.Name,
		Settings: func(secrets []string) string { return providertest.JSON(presetSettings(c, secrets...)) },
		Secrets:  secrets,
		Sign: func(secret string, at time.Time, body []byte) *provider.Request {
			return signPreset(c, secret, at, body)
		},
		Headers:   c.Signed,
		Window:    c.Window,
		NoRepeats: !c.Repeats,
		Methods:   c.Methods,
		// A preset sends nothing. Sending without a preset is tested with the cases of the schemes.
		SendSettings: func(string) string { return `{"scheme":"none"}` },
		Sent:         func(*testing.T, *bellhop.Event, *provider.Request) {},
	}
	if c.Scheme == "token" || c.Params {
		tested.Proves = providertest.ProvesSender
	}
	if c.List {
		tested.Headers = nil // one valid signature is enough, whatever the others are: see TestSignatureList
	}
	if c.Plain {
		tested.MAC = &providertest.MAC{Header: c.Signed[0], Scheme: c.HMAC(),
			Key: func(secret string) []byte { return []byte(secret) }}
	}
	for name, req := range recordings(t, c.Name) {
		tested.Recordings = append(tested.Recordings, providertest.Recording{Name: "recorded-" + name, Request: req})
	}
	slices.SortFunc(tested.Recordings, func(a, b providertest.Recording) int {
		return strings.Compare(a.Name, b.Name)
	})
	return tested
}

// signPreset returns a signed request with body. If the system has a timestamp in its body, that is added to body.
func signPreset(c generic.PresetCase, secret string, at time.Time, body []byte) *provider.Request {
	req := &provider.Request{Method: "POST", Target: "/in/" + c.Name,
		Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ReceivedAt: at}
	mark, object, ok := bytes.Cut(body, []byte("{")) // mark is empty, or a byte order mark
	if c.Member != "" && ok && len(bytes.TrimPrefix(mark, []byte("\uFEFF"))) == 0 {
		req.Body = fmt.Appendf(nil, `%s{"%s":%d,%s`, mark, c.Member, at.UnixMilli(), object)
	}
	if c.Params {
		sum := sha256.Sum256(body)
		req.Target += "?bodySHA256=" + hex.EncodeToString(sum[:])
	}
	if err := c.Sign(req, secret, twilioURL, at); err != nil {
		panic(err)
	}
	return req
}

// recordings returns the recorded requests of one system by file name in testdata/recordings. Their signatures were
// not made by this package; the secret is the first of secrets.
func recordings(t testing.TB, name string) map[string]*provider.Request {
	t.Helper()
	files, err := filepath.Glob("testdata/recordings/" + name + "*.http")
	if err != nil || len(files) == 0 {
		t.Fatalf("no recording of %s: %v", name, err)
	}
	all := map[string]*provider.Request{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		all[strings.TrimSuffix(filepath.Base(file), ".http")] = parseRecording(t, text)
	}
	return all
}

func parseRecording(t testing.TB, text []byte) *provider.Request {
	t.Helper()
	head, body, _ := bytes.Cut(text, []byte("\n\n"))
	lines := strings.Split(string(head), "\n")
	method, target, ok := strings.Cut(lines[0], " ")
	req := &provider.Request{Method: method, Target: target, Header: http.Header{}, Body: body,
		ReceivedAt: providertest.Now}
	for _, line := range lines[1:] {
		name, value, colon := strings.Cut(line, ": ")
		ok = ok && colon
		req.Header.Add(name, value)
	}
	if !ok {
		t.Fatalf("cannot read %q", head)
	}
	return req
}

func TestPresets(t *testing.T) {
	for _, c := range generic.PresetCases() {
		t.Run(c.Name, func(t *testing.T) { providertest.Run(t, presetCase(t, c)) })
	}
}

// The expected answers were not made by this package.
func TestPresetHandshakes(t *testing.T) {
	for name, want := range map[string]string{
		"dropbox": "W3eZ0qk7Yb-_1xA+",
		"meta":    "1158201444",
		"twitch":  "pogchamp-kappa-360noscope-vohiyo",
		"x":       `{"response_token":"sha256=aXd9ghRrjmkCfTk0XG7PA/Wy4hemkxonySm5TzBl9XE="}`,
		"zoom":    `{"encryptedToken":"7d2c08c7fae9c1c8613a22d702d023e8378c18e68045f330003e109352b6b9c8","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`,
	} {
		req := recordings(t, name)[name+"-challenge"]
		receipt, err := receive(t, presetSettings(presetNamed(name), secrets[0]), req)
		if err != nil || receipt.Reply == nil || string(receipt.Reply.Body) != want || receipt.Reply.Status != 200 ||
			len(receipt.Events) > 0 {
			t.Errorf("%s: got %+v, %v, want %s", name, receipt, err, want)
			continue
		}
		if isJSON := receipt.Reply.ContentType == "application/json"; isJSON != (want[0] == '{') {
			t.Errorf("%s: content type %q", name, receipt.Reply.ContentType)
		}
	}
}

// TestProbes: a probe is answered and makes no event, and is never an authentic request.
func TestProbes(t *testing.T) {
	probing := with(hmac, values{"methods": []string{"POST", "HEAD", "GET", "OPTIONS"}})
	get := func(target string, header http.Header) *provider.Request {
		return &provider.Request{Method: "GET", Target: target, Header: header}
	}
	for _, c := range []struct {
		name     string
		settings values
		req      *provider.Request
		want     error // nil is a probe
	}{
		{"HEAD", probing, &provider.Request{Method: "HEAD", Target: "/in/orders"}, nil},
		{"HEAD with a query", probing, &provider.Request{Method: "HEAD", Target: "/in/orders?a=1"}, nil},
		{"OPTIONS", probing, &provider.Request{Method: "OPTIONS", Target: "/in/orders"}, nil},
		{"GET", probing, get("/in/orders", nil), nil},
		{"GET with data", probing, get("/in/orders?type=a", nil), signature.ErrMissing},
		{"GET with a wrong signature", probing, get("/in/orders", http.Header{"X-Signature": {"00"}}),
			signature.ErrMalformed},
		{"GET with a body", probing, &provider.Request{Method: "GET", Target: "/in/orders", Body: []byte("{}")},
			signature.ErrMissing},
		{"POST", probing, &provider.Request{Method: "POST", Target: "/in/orders"}, signature.ErrMissing},
		{"HEAD by default", hmac, &provider.Request{Method: "HEAD", Target: "/in/orders"}, nil},
		{"HEAD that is not one of methods", with(hmac, values{"methods": []string{"POST"}}),
			&provider.Request{Method: "HEAD", Target: "/in/orders"}, provider.ErrMethod},
		{"OPTIONS by default", hmac, &provider.Request{Method: "OPTIONS", Target: "/in/orders"}, provider.ErrMethod},
		{"GET by default", hmac, get("/in/orders", nil), provider.ErrMethod},
		{"HEAD of Trello", presetSettings(presetNamed("trello"), secrets[0]),
			&provider.Request{Method: "HEAD", Target: "/in/trello"}, nil},
	} {
		receipt, err := receive(t, c.settings, c.req)
		if !errors.Is(err, c.want) || len(receipt.Events) > 0 || (receipt.Reply != nil) != (c.want == nil) {
			t.Errorf("%s: got %+v, %v, want %v", c.name, receipt, err, c.want)
			continue
		}
		if receipt.Reply != nil && (receipt.Reply.Status != 200 || len(receipt.Reply.Body) > 0) {
			t.Errorf("%s: answered %+v", c.name, receipt.Reply)
		}
	}
}

// TestDataInQuery: a GET whose proof covers the query is an event whose body is that query, without the secret.
func TestDataInQuery(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	methods := []string{"GET", "POST"}
	for _, c := range []struct {
		name     string
		settings values
		req      *provider.Request
		kind     string
		body     string
	}{
		{"twilio", presetSettings(presetNamed("twilio"), secrets[0]), recordings(t, "twilio")["twilio-get"],
			"twilio.callback", "MessageSid=SM1&Body=It's+on&From=%2B15551112222"},
		{"query", with(query, values{"methods": methods, "type_field": "event"}),
			&provider.Request{Method: "GET", Target: "/in/orders?event=paid&key=" + secrets[0] + "&id=7"}, "paid",
			"event=paid&id=7"},
		{"hmac of the body", with(hmac, values{"methods": methods}),
			&provider.Request{Method: "GET", Target: "/in/orders?type=a", Header: signed("", "").Header},
			generic.DefaultType, ""},
	} {
		if c.name == "query" {
			c.settings["parameter"], c.settings["secret"] = "key", secrets[0]
			c.req.Target = strings.ReplaceAll(c.req.Target, " ", "+")
		}
		receipt, err := receive(t, c.settings, c.req)
		if err != nil || len(receipt.Events) != 1 {
			t.Errorf("%s: got %+v, %v", c.name, receipt, err)
			continue
		}
		ev := receipt.Events[0]
		if ev.Type != c.kind || string(ev.Body) != c.body || c.body != "" && ev.ContentType != form {
			t.Errorf("%s: got %s %q %s", c.name, ev.Type, ev.Body, ev.ContentType)
		}
	}
}

func presetNamed(name string) generic.PresetCase {
	all := generic.PresetCases()
	return all[slices.IndexFunc(all, func(c generic.PresetCase) bool { return c.Name == name })]
}

func FuzzReceiveTwitch(f *testing.F) { providertest.Fuzz(f, presetCase(f, presetNamed("twitch"))) }
func FuzzReceiveTwilio(f *testing.F) { providertest.Fuzz(f, presetCase(f, presetNamed("twilio"))) }
func FuzzReceiveZoom(f *testing.F)   { providertest.Fuzz(f, presetCase(f, presetNamed("zoom"))) }

func BenchmarkPreset(b *testing.B) {
	body := []byte(`{"type":"order.changed","id":"ord_7f3","words":"` + strings.Repeat("nightly ", 121) + `"}`)
	for _, c := range generic.PresetCases() {
		b.Run(c.Name, func(b *testing.B) { providertest.Benchmark(b, presetCase(b, c), body) })
	}
}

// Vectors that the systems publish, or that their own libraries test. Twilio's are from its helper libraries,
// https://github.com/twilio/twilio-python; Bitbucket's is on its page about webhooks.
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
			post("Hello World!", "X-Hub-Signature",
				"sha256=a4771c39fbe90f317c7824e83ddef3caae9cb3d976c214ace1f2937e133263c9")},
		{"twilio", twilio(twilioVector), "/?foo=1&bar=2",
			post(call, "Content-Type", form, "X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")},
		{"twilio, signed with its port", twilio(twilioVector), "/?foo=1&bar=2",
			post(call, "Content-Type", form, "X-Twilio-Signature", "kvajT1Ptam85bY51eRf/AJRuM3w=")},
		{"twilio, signed without its port", twilio("https://mycompany.com:1234/myapp.php"), "/?foo=1&bar=2",
			post(call, "Content-Type", form, "X-Twilio-Signature", "RSOYDt4T1cUTdK1PDd93/VVr8B8=")},
		{"twilio over http", twilio("http://mycompany.com/myapp.php"), "/?foo=1&bar=2",
			post(call, "Content-Type", form, "X-Twilio-Signature", "0ZXoZLH/DfblKGATFgpif+LLRf4=")},
		{"twilio over http with a port", twilio("http://mycompany.com:1234/myapp.php"), "/?foo=1&bar=2",
			post(call, "Content-Type", form, "X-Twilio-Signature", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU=")},
		{"twilio, values twice", twilio(twilioVector), "/?foo=1&bar=2",
			post(twice, "Content-Type", form, "X-Twilio-Signature", "IK+Dwps556ElfBT0I3Rgjkr1wJU=")},
		{"twilio, a quote signed escaped and sent plain", twilio(twilioVector), "/?foo=1&bar=2&Body=It's+amazing",
			post(call, "Content-Type", form, "X-Twilio-Signature", "TfZzewPq8wqrGlMfyAud8+/IvJ0=")},
		{"twilio, a quote signed and sent escaped", twilio(twilioVector), "/?foo=1&bar=2&Body=It%27s+amazing",
			post(call, "Content-Type", form, "X-Twilio-Signature", "TfZzewPq8wqrGlMfyAud8+/IvJ0=")},
		{"twilio, JSON", twilio(twilioVector), "/?foo=1&bar=2&" + jsonHash,
			post(json, "X-Twilio-Signature", "a9nBmqA0ju/hNViExpshrM61xv4=")},
		{"twilio, JSON, no other parameter", twilio(twilioVector), "/?" + jsonHash,
			post(json, "X-Twilio-Signature", "y77kIzt2vzLz71DgmJGsen2scGs=")},
	} {
		c.req.Target = c.target
		if _, err := receive(t, c.settings, c.req); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// Changed requests of Twilio, whose signature covers the form.
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
		{"parameters in another order", "twilio", func(req *provider.Request) { req.Body = reversed(req.Body) }, nil},
		{"a parameter more", "twilio", func(req *provider.Request) { req.Body = append(req.Body, "&Zebra=1"...) },
			signature.ErrMismatch},
		{"a parameter less", "twilio",
			func(req *provider.Request) {
				req.Body = req.Body[bytes.IndexByte(req.Body, '&')+1:]
			}, signature.ErrMismatch},
		{"another query", "twilio", func(req *provider.Request) { req.Target += "&x=1" }, signature.ErrMismatch},
		{"no query", "twilio", func(req *provider.Request) { req.Target = "/in/twilio" }, signature.ErrMismatch},
		{"another host in Host", "twilio", func(req *provider.Request) {
			req.Header.Set("Host", "evil.example")
		}, nil},
		{"content type that is not a form", "twilio",
			func(req *provider.Request) { req.Header.Set("Content-Type", "text/plain") }, signature.ErrMissing},
		{"no type", "twilio", func(req *provider.Request) { req.Header.Del("Content-Type") }, signature.ErrMissing},
		{"invalid escape", "twilio", func(req *provider.Request) { req.Body = append(req.Body, "&a=%zz"...) },
			signature.ErrMalformed},
		{"too many parameters", "twilio", func(req *provider.Request) {
			req.Body = []byte(strings.Repeat("a=1&", 1001))
		},
			signature.ErrMalformed},
		{"most parameters", "twilio", func(req *provider.Request) { req.Body = []byte(strings.Repeat("a=1&", 1000)) },
			signature.ErrMismatch},
		{"JSON, another body", "twilio-json", func(req *provider.Request) { req.Body = []byte("{}") },
			signature.ErrMismatch},
		{"JSON, no body", "twilio-json", func(req *provider.Request) { req.Body = nil }, signature.ErrMismatch},
		{"JSON, two hashes", "twilio-json",
			func(req *provider.Request) {
				req.Target += "&" + req.Target[strings.Index(req.Target,
					"?")+1:]
			}, signature.ErrMalformed},
		{"JSON, as a form", "twilio-json",
			func(req *provider.Request) {
				req.Header.Set("Content-Type",
					"application/x-www-form-urlencoded")
			}, signature.ErrMismatch},
		{"JSON, no hash", "twilio-json", func(req *provider.Request) {
			req.Target = "/in/twilio"
		}, signature.ErrMissing},
	} {
		req := clone(recorded[f.from])
		f.change(req)
		if _, err := receive(t, settings, req); !errors.Is(err, f.want) {
			t.Errorf("%s: got %v, want %v", f.name, err, f.want)
		}
	}
}

// reversed returns a form with its parameters in reverse order.
func reversed(form []byte) []byte {
	list := strings.Split(string(form), "&")
	slices.Reverse(list)
	return []byte(strings.Join(list, "&"))
}

func clone(req *provider.Request) *provider.Request {
	c := *req
	c.Header, c.Body = req.Header.Clone(), bytes.Clone(req.Body)
	return &c
}

// T05 and T08 to T11 of section 5 of the forgery list, which apply to any list of signatures.
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
		req := clone(recorded)
		req.Header.Set("X-Pagerduty-Signature", value)
		if _, err := receive(t, settings, req); !errors.Is(err, want) {
			t.Errorf("%.200q: got %v, want %v", value, err, want)
		}
	}
	twice := clone(recorded)
	twice.Header.Add("X-Pagerduty-Signature", good)
	if _, err := receive(t, settings, twice); !errors.Is(err, signature.ErrMalformed) {
		t.Errorf("two headers: %v", err)
	}
}

// The key that identifies repeats does not depend on the order of the signatures, nor on the key that made them.
func TestSignatureListRepeatKey(t *testing.T) {
	settings := values{"scheme": "hmac", "header": "X-Signature", "separator": " ",
		"secret": []string{secrets[0], secrets[1]}}
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

// TestRepeatWithTimeInBody: where the body holds the time of the attempt, two tries that differ in it alone are one
// event.
func TestRepeatWithTimeInBody(t *testing.T) {
	settings := presetSettings(presetNamed("linear"), secrets[0])
	identity := func(body string) [32]byte {
		t.Helper()
		req := signed(body, body)
		req.Header.Set("Linear-Signature", req.Header.Get("X-Signature"))
		receipt, err := receive(t, settings, req)
		if err != nil {
			t.Fatal(err)
		}
		return receipt.Events[0].Identity()
	}
	first := identity(`{"id":1,"webhookTimestamp":1795338000000}`)
	if identity(`{"id":1,"webhookTimestamp":1795338001000}`) != first {
		t.Error("a later try is taken for another event")
	}
	if identity(`{"id":2,"webhookTimestamp":1795338000000}`) == first {
		t.Error("another event is taken for a repeat")
	}
}

// Linear's timestamp is a member of the body; the whole body is signed.
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

// W36 for Twitch, which signs id, time and body without separators: bytes cannot move between them, whatever the
// body is.
func TestTwitchBoundaries(t *testing.T) {
	c := presetNamed("twitch")
	settings := presetSettings(c, secrets[0])
	const id, at, body = "e76c6bd4-2026-11-22T09", "2026-11-22T09:00:00.5Z",
		`2026-11-22T09:00:00Z{"a":"2026-11-22T09:00:00Z"}`
	whole := id + at + body
	h := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="}
	sig, err := h.Sign([]byte(secrets[0]), []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	accepted := 0
	for i := range len(whole) {
		for j := i; j <= len(whole); j++ {
			req := post(whole[j:], "Twitch-Eventsub-Message-Id", whole[:i], "Twitch-Eventsub-Message-Timestamp",
				whole[i:j], "Twitch-Eventsub-Message-Signature", sig)
			_, err := receive(t, settings, req)
			if err == nil || errors.Is(err, provider.ErrBody) {
				accepted++
				if whole[:i] != id || whole[i:j] != at {
					t.Errorf("id %q, time %q: %v", whole[:i], whole[i:j], err)
				}
			}
		}
	}
	if accepted != 1 {
		t.Errorf("%d ways to split the signed text are accepted, want 1", accepted)
	}
}

// A preset refuses requests signed for any other preset, even with the same secret.
func TestPresetRefusesOtherPresets(t *testing.T) {
	for _, c := range generic.PresetCases() {
		for _, other := range generic.PresetCases() {
			if c.Name == other.Name {
				continue
			}
			req := signPreset(other, secrets[0], providertest.Now, []byte(`{"a":1}`))
			if _, err := receive(t, presetSettings(c, secrets[0]), req); err == nil {
				t.Errorf("%s accepts a request of %s", c.Name, other.Name)
			}
		}
	}
}

// TestPresetMutants changes each recorded request in one to four places and checks that it is refused, unless its
// signed parts are those of a recorded request.
func TestPresetMutants(t *testing.T) {
	for _, c := range generic.PresetCases() {
		t.Run(c.Name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(17, 4))
			r := providertest.Open(t, generic.Provider{}, providertest.JSON(presetSettings(c, secrets[0])))
			var good []*provider.Request
			all := recordings(t, c.Name)
			for _, name := range slices.Sorted(maps.Keys(all)) {
				if req := all[name]; req.Method == http.MethodPost {
					good = append(good, req)
				}
			}
			tried := 0
			for tried < providertest.ManyMutants {
				from := good[random.IntN(len(good))]
				req := clone(from)
				for range 1 + random.IntN(4) {
					mutate(random, c, req, good[random.IntN(len(good))])
				}
				if slices.ContainsFunc(good, func(g *provider.Request) bool { return sameSigned(c, req, g) }) {
					continue
				}
				tried++
				receipt, err := r.Receive(t.Context(), req)
				if err == nil {
					t.Fatalf("accepted as %+v: %s %v %q, from %v %q", receipt, req.Target, req.Header, req.Body,
						from.Header, from.Body)
				}
			}
		})
	}
}

// sameSigned reports whether the signed parts of a and b are equal.
func sameSigned(c generic.PresetCase, a, b *provider.Request) bool {
	for i, name := range c.Signed {
		x, y := a.Header.Values(name), b.Header.Values(name)
		switch {
		case len(x) != 1:
			return false
		case i == 0 && c.List:
			if !slices.ContainsFunc(strings.Split(x[0], ","), func(s string) bool {
				return strings.Contains(strings.ToLower(y[0]), strings.ToLower(s)) && len(s) == 67
			}) {
				return false
			}
		case i == 0 && c.Scheme == "token":
			if x[0] != y[0] {
				return false
			}
		case i == 0 && c.HMAC().Encoding == signature.Hex:
			if prefix := c.HMAC().Prefix; !strings.HasPrefix(x[0], prefix) || !strings.EqualFold(x[0], y[0]) {
				return false
			}
		case x[0] != y[0]:
			return false
		}
	}
	switch {
	case c.Scheme == "token":
		return true
	case c.Params:
		return a.Target == b.Target && a.Header.Get("Content-Type") == b.Header.Get("Content-Type") &&
			generic.FormParams(a) == generic.FormParams(b)
	}
	return bytes.Equal(a.Body, b.Body)
}

// mutate changes req in one place. other is an authentic request, of which it may take parts.
func mutate(random *rand.Rand, c generic.PresetCase, req, other *provider.Request) {
	name := c.Signed[random.IntN(len(c.Signed))]
	value := []byte(req.Header.Get(name))
	body := req.Body
	at := func(b []byte) int { return random.IntN(len(b) + 1) }
	switch random.IntN(11) {
	case 0:
		if len(body) > 0 {
			body[random.IntN(len(body))] ^= 1 << random.IntN(8)
		}
	case 1:
		i := at(body)
		req.Body = slices.Insert(body, i, byte(random.IntN(256)))
	case 2:
		i := at(body)
		req.Body = body[:i]
	case 3:
		req.Body = append(body, other.Body...)
	case 4:
		req.Body = bytes.Clone(other.Body)
	case 5:
		if len(value) > 0 {
			value[random.IntN(len(value))] ^= 1 << random.IntN(8)
			req.Header.Set(name, string(value))
		}
	case 6:
		req.Header.Set(name, string(slices.Insert(value, at(value), byte(' '+random.IntN(95)))))
	case 7:
		req.Header.Set(name, string(value[:at(value)]))
	case 8:
		req.Header.Add(name, other.Header.Get(name))
	case 9:
		req.Header.Set(name, other.Header.Get(c.Signed[random.IntN(len(c.Signed))]))
	case 10: // bytes move between a header and the body
		i := min(len(body), 1+random.IntN(8))
		req.Header.Set(name, string(value)+string(body[:i]))
		req.Body = body[i:]
	}
}
