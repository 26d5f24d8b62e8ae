package ui

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop/client"
)

func TestShowBody(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100) + strings.Repeat("]", 100)
	long := strings.Repeat("ü", maxShownBytes)
	for _, c := range []struct {
		name, body, asked string
		whole             bool
		view, text        string
		note, cut         bool
	}{
		{"JSON", `{"a":1.50,"b":"<&\u003c"}`, "", false, "pretty", "{\n  \"a\": 1.50,\n  \"b\": \"<&\\u003c\"\n}",
			false, false},
		{"deep JSON", deep, "pretty", false, "pretty", deep, false, false},
		{"a form", "a=1&b=x%20y%26", "", false, "pretty", "a = 1\nb = x y&\n", false, false},
		{"a broken form", "a=%zz", "", false, "pretty", "a=%zz", true, false},
		{"text", "hello\nyou", "", false, "pretty", "hello\nyou", true, false},
		{"raw JSON", `{"a":1}`, "raw", false, "raw", `{"a":1}`, false, false},
		{"bytes", "\x00\xff", "", false, "hex",
			"00000000  00 ff                                             |..|\n", false, false},
		{"raw bytes", "\xff", "raw", false, "raw", "\xff", true, false},
		{"an unknown view", "{}", "x", false, "pretty", "{}", false, false},
		{"nothing", "", "", false, "pretty", "", true, false},
		{"long", long, "raw", false, "raw", long[:maxShownBytes], false, true},
		{"long and whole", long, "raw", true, "raw", long, false, false},
		{"cut within a character", "a" + long, "raw", false, "raw", ("a" + long)[:maxShownBytes-1], false, true},
	} {
		got := showBody([]byte(c.body), "/ui/x", c.asked, c.whole)
		if got.View != c.view || string(got.Text) != c.text || (got.Note != "") != c.note || (got.Cut != "") != c.cut {
			t.Errorf("%s: %s %.80q note %q cut %q", c.name, got.View, got.Text, got.Note, got.Cut)
		}
	}
	got := showBody(bytes.Repeat([]byte{0}, maxHexBytes+1), "/ui/x", "hex", false)
	if got.Cut != "the first 8.0 KiB of 8.0 KiB" || strings.Count(string(got.Text), "\n") != maxHexBytes/16 {
		t.Errorf("hex: %q %d", got.Cut, strings.Count(string(got.Text), "\n"))
	}
}

// FuzzBody: whatever a body is, each view of it is bounded text with a shape for every character, and the indented
// JSON has the same value.
func FuzzBody(f *testing.F) {
	for _, text := range hostile {
		f.Add([]byte(text), "pretty")
		f.Add([]byte(text), "hex")
	}
	f.Add([]byte(`{"a":[1,{"b":"\u202e\\"}]}`), "")
	f.Add([]byte(`a=1&b=%00`), "raw")
	f.Fuzz(func(t *testing.T, body []byte, asked string) {
		b := showBody(body, "/ui/x", asked, false)
		if len(b.Text) > max(maxShownBytes, 5*maxHexBytes) {
			t.Fatalf("%d bytes", len(b.Text))
		}
		text := visible(string(b.Text), true)
		if !utf8.ValidString(text) {
			t.Fatalf("%q is not UTF-8", text)
		}
		for _, r := range text {
			if r != '\n' && r != '\t' && !isVisible(r) {
				t.Fatalf("%U is on the page", r)
			}
		}
		if b.View == "pretty" && json.Valid(body) && b.Cut == "" {
			var compact, again bytes.Buffer
			if json.Compact(&compact, body) != nil || json.Compact(&again, []byte(b.Text)) != nil ||
				!bytes.Equal(compact.Bytes(), again.Bytes()) {
				t.Fatalf("%q became %q", body, b.Text)
			}
		}
	})
}

func TestParseWhen(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "0001-01-01T00:00:00Z", "2h": "2026-11-30T13:30:00Z", "90m": "2026-11-30T14:00:00Z",
		"3d":    "2026-11-27T15:30:00Z",
		"14:00": "2026-11-30T14:00:00Z", "16:00": "2026-11-29T16:00:00Z", " 2026-11-29 ": "2026-11-29T00:00:00Z",
		"2026-11-29 10:20": "2026-11-29T10:20:00Z", "2026-11-29 10:20:30 UTC": "2026-11-29T10:20:30Z",
		"2026-11-29T10:20:30+01:00": "2026-11-29T09:20:30Z", "yesterday": "", "-2h": "", "25:00": "", "2026-13-01": "",
		"99999d": "",
	} {
		got, err := parseWhen(text, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v %v, want %s", text, got, err, want)
		}
	}
}

func TestFigures(t *testing.T) {
	t.Parallel()
	for want, got := range map[string]string{
		"812 B": size(812), "1.5 KiB": size(1536), "1.0 MiB": size(1 << 20), "2.0 TiB": size(2 << 40),
		"1,204": count(1204), "0": count(0), "-1,000": count(-1000), "999": count(999), "12,345,678": count(12345678),
		"< 1 ms": took(0.4), "31 ms": took(31.4), "1.2 s": took(1234), "": utc(client.Time{}),
		"2026-11-30 15:30:00 UTC": utc(client.Time{Time: now.In(time.FixedZone("x", 3600))}),
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

// TestQuote: a value becomes one word of a shell, in characters that can be seen.
func TestQuote(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"media": "media", "": "''", "a b": "'a b'", "it's": `'it'\''s'`, "ams.*": "'ams.*'", "$(id)": "'$(id)'",
		"a\u202eb": `$'a\xe2\x80\xaeb'`, "a\n'": `$'a\x0a\''`,
	} {
		if got := quote(text); got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
	r := newRig(t)
	r.fill()
	page := r.get("/ui/events?type=a*&source=media", "viewer", 200)
	for _, want := range []string{`bellhop events --source media --type &#39;a*&#39;`,
		`curl -H &#34;Authorization: Bearer $BELLHOP_API_KEY&#34; &#39;https://hooks.example.com/api/v1/events?source=media&amp;type=a%2A&#39;`} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not have %s\n%s", want, page)
		}
	}
}

// TestActions: each action makes its one call of the API, and leads back to its page.
func TestActions(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	r.api.set("POST /events/evt_1/replay", client.Replayed{Deliveries: []client.NewDelivery{{ID: "dlv_9"}}})
	r.api.set("POST /deliveries/dlv_1/retry", testDelivery)
	r.api.set("POST /deliveries/dlv_2/cancel", testPending)
	r.api.set("POST /events", client.Event{ID: "evt_7"})
	for _, c := range []struct{ path, form, call, to string }{
		{"/ui/events/evt_1/replay", "to=billing", `POST /events/evt_1/replay {"destination":"billing"}`,
			"/ui/events/evt_1?did=replayed"},
		{"/ui/events/evt_1/replay", "to=", `POST /events/evt_1/replay {}`, "/ui/events/evt_1?did=replayed"},
		{"/ui/deliveries/dlv_1/retry", "", "POST /deliveries/dlv_1/retry", "/ui/deliveries/dlv_1?did=retried"},
		{"/ui/deliveries/dlv_2/cancel", "", "POST /deliveries/dlv_2/cancel", "/ui/deliveries/dlv_2?did=cancelled"},
		{"/ui/events/evt_1/copy", `type=t&subject=s&data={"a":1.50}`,
			`POST /events {"data":{"a":1.50},"type":"t","subject":"s","tenant":"acme"}`,
			"/ui/events/evt_7?did=published"},
	} {
		form, err := url.ParseQuery(c.form)
		if err != nil {
			t.Fatal(err)
		}
		w := r.do("POST", c.path, "operator", form)
		if w.Code != 303 || w.Header().Get("Location") != c.to || !strings.Contains(r.api.called()+"\n", c.call+"\n") {
			t.Errorf("%s: %d %s, calls:\n%s", c.path, w.Code, w.Header().Get("Location"), r.api.called())
		}
	}
	r.api.set("POST /events/evt_1/replay", client.Replayed{})
	form, _ := url.ParseQuery("to=")
	if w := r.do("POST", "/ui/events/evt_1/replay", "operator", form); w.Code != 409 ||
		!strings.Contains(w.Body.String(), "No destination wants this event now") {
		t.Errorf("%d", w.Code)
	}
}
