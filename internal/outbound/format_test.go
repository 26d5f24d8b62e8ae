package outbound

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

var update = flag.Bool("update", false, "rewrite the golden files")

const (
	oldSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	newSecret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD"
	amsKey    = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

// stored is the event of the golden files, unless they say otherwise.
func stored() bellhop.Event {
	return bellhop.Event{ID: "evt_0am0r6h000ep7b2j", SourceID: "src_1", Source: "media", Type: "invoice.paid",
		Subject: "invoice/7", ProviderID: "msg_1",
		Time: began.Add(-time.Minute), ReceivedAt: began, ContentType: "application/json; charset=utf-8",
		Header: bellhop.Header("X-Event: paid\n"),
		Body:   []byte(`{ "amount": 9007199254740993, "note": "<ünïcödé>" }`)}
}

// TestFormats renders events as each kind of destination would get them, and compares the requests with
// testdata.
func TestFormats(t *testing.T) {
	for name, c := range map[string]struct {
		kind, settings string
		change         func(*bellhop.Event)
	}{
		"raw":        {"http", `{"format":"raw"}`, nil},
		"raw-signed": {"http", `{"format":"raw","secret":"` + oldSecret + `"}`, nil},
		"raw-empty":  {"http", `{"format":"raw"}`, func(ev *bellhop.Event) { ev.Body, ev.ContentType = nil, "" }},
		"raw-binary": {"http", `{"format":"raw"}`, func(ev *bellhop.Event) {
			ev.Body, ev.ContentType = []byte("\x00\xff\r\n\x1b"), "application/octet-stream"
		}},
		"standard":          {"http", `{"secret":"` + oldSecret + `"}`, nil},
		"standard-rotating": {"http", `{"format":"standard","secret":["` + newSecret + `","` + oldSecret + `"]}`, nil},
		"standard-headers": {"http", `{"secret":"` + oldSecret +
			`","headers":{"x-team":"a","authorization":"Bearer t0ken","user-agent":"Custom/1"}}`, nil},
		"content-type-set": {"http", `{"format":"raw","headers":{"content-type":"text/x-custom"}}`, nil},
		"hops": {"http", `{"format":"raw"}`,
			func(ev *bellhop.Event) { ev.Header = bellhop.Header("Bellhop-Hops: 3\n") }},
		"envelope":        {"http", `{"format":"envelope"}`, nil},
		"envelope-signed": {"http", `{"format":"envelope","secret":"` + oldSecret + `"}`, nil},
		"envelope-bare": {"http", `{"format":"envelope"}`, func(ev *bellhop.Event) {
			ev.Subject, ev.Time,
				ev.Tenant = "", time.Time{}, "acme"
		}},
		"envelope-text": {"http", `{"format":"envelope"}`, func(ev *bellhop.Event) {
			ev.Body,
				ev.ContentType = []byte("plain words"), "text/plain"
		}},
		"envelope-not-utf8": {"http", `{"format":"envelope"}`, func(ev *bellhop.Event) {
			ev.Body = []byte("\"\xff\"")
		}},
		"envelope-empty": {"http", `{"format":"envelope"}`, func(ev *bellhop.Event) { ev.Body = nil }},
		"envelope-bom": {"http", `{"format":"envelope"}`,
			func(ev *bellhop.Event) { ev.Body = []byte("\ufeff{\"a\":1}") }},
		"raw-bom": {"http", `{"format":"raw"}`, func(ev *bellhop.Event) { ev.Body = []byte("\ufeff{\"a\":1}") }},
		"envelope-digits": {"http", `{"format":"envelope"}`, func(ev *bellhop.Event) {
			ev.Body = []byte(
				`{"n":[18446744073709551616,123456789012345678901234567890,0.1000000000000000000000001,1e400,10.00]}`)
		}},
		"template-digits": {"http",
			`{"format":"template","template":{"body":"{\"n\": data.n, \"all\": data}","headers":{"x-n":"data.n[1]","x-half":"data.half"}}}`,
			func(ev *bellhop.Event) {
				ev.Body = []byte(
					`{"n":[18446744073709551616,123456789012345678901234567890,0.1000000000000000000000001,1e400,10.00],"half":1234567.5}`)
			}},
		"template-bom": {"http", `{"format":"template","template":"{\"got\": data.a}"}`,
			func(ev *bellhop.Event) { ev.Body = []byte("\ufeff{\"a\":1}") }},
		"standard-in-grace": {"http", `{"secret":["` + newSecret + `","` + oldSecret +
			`"],"secret_until":"2026-11-22T10:00:01Z"}`, nil},
		"standard-after-grace": {"http", `{"secret":["` + newSecret + `","` + oldSecret +
			`"],"secret_until":"2026-11-22T10:00:00Z"}`, nil},
		"thin": {"http", `{"format":"thin"}`, func(ev *bellhop.Event) { ev.Tenant = "acme" }},
		"thin-signed": {"http", `{"format":"thin","secret":"` + oldSecret + `"}`,
			func(ev *bellhop.Event) { ev.Subject, ev.Time = "", time.Time{} }},
		"template": {"http", `{"format":"template","template":{"body":"{\"text\": data.note, \"for\": subject}"}}`,
			nil},
		"template-text": {"http", `{"format":"template","template":"join([type, id, data.note], \" \")"}`, nil},
		"template-headers": {"http", `{"format":"template","secret":"` + oldSecret +
			`","headers":{"x-team":"a"},"template":{"body":"data","content_type":"application/x-custom",
			"headers":{"x-amount":"data.amount","X-Paid":"type endsWith \"paid\"","X-Half":"0.5","X-At":"time","X-Text":"subject"}}}`, nil},
		"template-content-type": {"http",
			`{"format":"template","template":{"body":"\"<p>\"","headers":{"content-type":"\"text/html\""}}}`, nil},
		"ams-of-another": {"ams", `{"signing_key":"` + amsKey + `","account_id":"acct"}`, nil},
		"content-type-forge": {"http", `{"format":"raw"}`,
			func(ev *bellhop.Event) { ev.ContentType = "text/plain\r\nX-Forged: 1" }},
	} {
		t.Run(name, func(t *testing.T) {
			target, err := opener(t).open(bellhop.Destination{Type: c.kind, URL: "https://example.com/hooks",
				Settings: []byte(c.settings)})
			if err != nil {
				t.Fatal(err)
			}
			ev := stored()
			if c.change != nil {
				c.change(&ev)
			}
			m, err := target.render(&ev, provider.AttemptInfo{DeliveryID: "dlv_0am0r6h000000ep7b2j", Attempt: 2,
				Time: began,
				URL:  "https://example.com/hooks"})
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.SplitAfter(string(m.header), "\r\n")
			slices.Sort(lines) // their order is not promised
			golden(t, name,
				fmt.Sprintf("%s\n%s\n%s", m.method, strings.ReplaceAll(strings.Join(lines, ""), "\r\n", "\n"),
					m.body))
		})
	}
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".golden")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("got\n%q\nwant\n%q", got, want)
	}
}
