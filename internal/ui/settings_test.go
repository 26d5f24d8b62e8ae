package ui

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// settingsOf returns the JSON of the settings that a form makes of what was typed, and the fields.
func settingsOf(t *testing.T, stored client.Settings, typed url.Values) (string, groups) {
	t.Helper()
	r := newRig(t)
	fields := settingFields("settings.", testProvider.Settings, stored)
	e := entry{Groups: groups{{Fields: fields}}}
	request := httpForm(typed)
	_, err := (&visit{server: r.server, r: request, ctx: t.Context()}).read(&e, "test")
	if err != nil {
		t.Fatal(err)
	}
	encoded, err := json.Marshal(e.Groups.settings("settings.", stored))
	if err != nil {
		t.Fatal(err)
	}
	return string(encoded), e.Groups
}

// TestSettings: what is typed becomes the JSON that the description of each setting asks for. A change has only what
// was changed in it.
func TestSettings(t *testing.T) {
	t.Parallel()
	none := client.Settings(nil)
	stored := testSource.Settings
	unchanged := url.Values{"settings.account_id": {"acc-1"}, "settings.levels": {"critical\r\nmajor"},
		"settings.headers": {"X-Site: north"}}
	with := func(more url.Values) url.Values {
		all := url.Values{}
		for _, values := range []url.Values{unchanged, more} {
			for name := range values {
				all[name] = values[name]
			}
		}
		return all
	}
	for what, c := range map[string]struct {
		stored client.Settings
		typed  url.Values
		want   string
	}{
		"nothing":        {none, url.Values{}, `{}`},
		"a text":         {none, url.Values{"settings.account_id": {" a "}}, `{"account_id":"a"}`},
		"yes":            {none, url.Values{"settings.lenient": {"true"}}, `{"lenient":true}`},
		"no":             {none, url.Values{"settings.lenient": {"false"}}, `{"lenient":false}`},
		"a number":       {none, url.Values{"settings.limit": {"1.50"}}, `{"limit":1.50}`},
		"a list":         {none, url.Values{"settings.levels": {"a\r\n\r\n b \r\n"}}, `{"levels":["a","b"]}`},
		"a list in JSON": {none, url.Values{"settings.levels": {`["a\nb"]`}}, `{"levels":["a\nb"]}`},
		"an object": {none, url.Values{"settings.headers": {"A: b: c\r\nD:e"}},
			`{"headers":{"A":"b: c","D":"e"}}`},
		"a list of objects": {none, url.Values{"settings.rules": {`[{"a":1}]`}}, `{"rules":[{"a":1}]}`},
		"a document":        {none, url.Values{"settings.template": {`{"body":"x"}`}}, `{"template":{"body":"x"}}`},
		"a text in its place": {none, url.Values{"settings.template": {`{"a": data.id`}},
			`{"template":"{\"a\": data.id"}`},
		"two secrets": {none, url.Values{"settings.signing_key": {`["new","old"]`}}, `{"signing_key":["new","old"]}`},

		"the same":     {stored, unchanged, `{}`},
		"emptied":      {stored, url.Values{}, `{"account_id":null,"headers":null,"levels":null}`},
		"a new secret": {stored, with(url.Values{"settings.signing_key": {"s"}}), `{"signing_key":"s"}`},
		"a secret removed": {stored, with(url.Values{"clear:settings.signing_key": {"1"}}),
			`{"signing_key":null}`},
		"a member in place": {stored, with(url.Values{"settings.headers": {"X: y"}}),
			`{"headers":{"X":"y","X-Site":null}}`},
		"a secret member more": {stored, with(url.Values{"settings.certificates": {"new: x"}}),
			`{"certificates":{"new":"x"}}`},
		"a secret member less": {stored, with(url.Values{"settings.certificates": {"old:"}}),
			`{"certificates":{"old":null}}`},
	} {
		got, fields := settingsOf(t, c.stored, c.typed)
		if got != c.want || fields.Invalid() {
			t.Errorf("%s: %s, want %s; wrong: %t", what, got, c.want, fields.Invalid())
		}
	}
	for what, typed := range map[string]url.Values{"no number": {"settings.limit": {"ten"}},
		"no JSON": {"settings.rules": {"a: b"}}, "no member": {"settings.headers": {"X-Site"}},
		"no name": {"settings.headers": {": north"}}} {
		if _, fields := settingsOf(t, none, typed); !fields.Invalid() {
			t.Errorf("%s is accepted", what)
		}
	}
}

// FuzzSettings: whatever is typed becomes JSON, or an error at its field.
func FuzzSettings(f *testing.F) {
	for _, seed := range []string{"a", "a: b\nc:", `["a",1,null]`, `{"a":{"b":[1]}}`, "1e999", "-", ":", "\x00\xff",
		"[", "{"} {
		f.Add(seed, true)
		f.Add(seed, false)
	}
	f.Fuzz(func(t *testing.T, text string, change bool) {
		typed := url.Values{}
		for _, s := range testProvider.Settings {
			typed.Set("settings."+s.Name, text)
		}
		stored := client.Settings(nil)
		if change {
			stored = testSource.Settings
		}
		fields := settingFields("settings.", testProvider.Settings, stored)
		e := entry{Groups: groups{{Fields: fields}}}
		_, err := (&visit{server: newRig(&testing.T{}).server, r: httpForm(typed), ctx: t.Context()}).read(&e, "test")
		if err != nil {
			t.Fatal(err)
		}
		settings := e.Groups.settings("settings.", stored)
		if _, err := json.Marshal(settings); err != nil && !e.Groups.Invalid() {
			t.Fatalf("%q: %v", text, err)
		}
	})
}

// TestProse: the marks of Markdown within a line become styles, and everything else stays.
func TestProse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain": "plain", "a `b` c": "a |code b| c", "**B** *e*": "|strong B| |em e|",
		"<https://x.example/>": "|code https://x.example/|",
		"2 * 3 * 4":            "2 * 3 * 4", "`open": "`open", "": "", "ü`ö`": "ü|code ö|", "<b>": "<b>", "``": "``",
	} {
		got := ""
		for _, r := range prose(text) {
			if r.Style == "" {
				got += r.Text
				continue
			}
			got += "|" + r.Style + " " + r.Text + "|"
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
