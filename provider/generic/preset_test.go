package generic_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
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
)

// twilioURL is where the recordings were sent to, as far as it is signed.
const twilioURL = "https://hooks.example.com/in/twilio"

// presetSettings are those of a source with that preset.
func presetSettings(c generic.PresetCase, secrets ...string) values {
	s := values{"preset": c.Name, "secret": secrets}
	if slices.Contains(c.Needs, "verify_token") {
		s["verify_token"] = "meatyhamhock"
	}
	if slices.Contains(c.Needs, "url") {
		s["url"] = twilioURL
	}
	return s
}

// presetCase describes a preset to the suite, from the table and from testdata/recordings.
func presetCase(t testing.TB, c generic.PresetCase) providertest.Case {
	described := providertest.Case{
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
		// Nothing is sent by a preset; what is sent without one, the cases of the schemes look at.
		SendSettings: func(string) string { return `{"scheme":"none"}` },
		Sent:         func(*testing.T, *bellhop.Event, *provider.Request) {},
	}
	if c.Scheme == "token" || c.Params {
		described.Proves = providertest.ProvesSender
	}
	if c.List {
		described.Headers = nil // one of a list does, whatever the others are: see TestSignatureList
	}
	if c.Plain {
		described.MAC = &providertest.MAC{Header: c.Signed[0], Scheme: c.HMAC(), Key: func(secret string) []byte { return []byte(secret) }}
	}
	for name, req := range recordings(t, c.Name) {
		described.Recordings = append(described.Recordings, providertest.Recording{Name: "recorded-" + name, Request: req})
	}
	slices.SortFunc(described.Recordings, func(a, b providertest.Recording) int { return strings.Compare(a.Name, b.Name) })
	return described
}

// signPreset returns a request with body, or with what a system that writes the time into it makes of body.
func signPreset(c generic.PresetCase, secret string, at time.Time, body []byte) *provider.Request {
	req := &provider.Request{Method: "POST", Target: "/in/" + c.Name, Header: http.Header{"Content-Type": {"application/json"}}, Body: body, ReceivedAt: at}
	if c.Member != "" && bytes.HasPrefix(body, []byte("{")) {
		req.Body = fmt.Appendf(nil, `{"%s":%d,%s`, c.Member, at.UnixMilli(), body[1:])
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

// recordings reads the requests of one system, by the names of their files in testdata/recordings. Their signatures were
// made by other means than this package, with the first of secrets.
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
	req := &provider.Request{Method: method, Target: target, Header: http.Header{}, Body: body, ReceivedAt: providertest.Now}
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

// The answers were made by other means than this package.
func TestHandshakesAreAnswered(t *testing.T) {
	for name, want := range map[string]string{
		"dropbox": "W3eZ0qk7Yb-_1xA+",
		"meta":    "1158201444",
		"twitch":  "pogchamp-kappa-360noscope-vohiyo",
		"x":       `{"response_token":"sha256=aXd9ghRrjmkCfTk0XG7PA/Wy4hemkxonySm5TzBl9XE="}`,
		"zoom":    `{"encryptedToken":"7d2c08c7fae9c1c8613a22d702d023e8378c18e68045f330003e109352b6b9c8","plainToken":"qgg8vlvZRS6UYooatFL8Aw"}`,
	} {
		req := recordings(t, name)[name+"-challenge"]
		receipt, err := receive(t, presetSettings(presetNamed(name), secrets[0]), req)
		if err != nil || receipt.Reply == nil || string(receipt.Reply.Body) != want || receipt.Reply.Status != 200 || len(receipt.Events) > 0 {
			t.Errorf("%s: got %+v, %v, want %s", name, receipt, err, want)
			continue
		}
		if isJSON := receipt.Reply.ContentType == "application/json"; isJSON != (want[0] == '{') {
			t.Errorf("%s: content type %q", name, receipt.Reply.ContentType)
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
