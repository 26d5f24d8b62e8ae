package ui

import (
	"encoding/json"
	"fmt"
	"html"
	"os"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
	nethtml "golang.org/x/net/html"
)

// hostile are the texts of testdata/hostile.txt, a quoted one on each line, which strangers may send in every field:
// markup, ends of attributes and comments, templates, control and bidi characters, and characters without a shape.
// The tests in a browser have the same.
var hostile = readHostile()

func readHostile() (texts []string) {
	content, err := os.ReadFile("testdata/hostile.txt")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(content)) {
		text, err := strconv.Unquote(strings.TrimSuffix(line, "\n"))
		if err != nil {
			panic(fmt.Sprintf("%s: %v", line, err))
		}
		texts = append(texts, text)
	}
	return texts
}

// fillTexts puts text into every string that v has, but into those that decide what is shown.
func fillTexts(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
	case reflect.Pointer:
		if !v.IsNil() {
			fresh := reflect.New(v.Type().Elem())
			fresh.Elem().Set(v.Elem())
			v.Set(fresh)
			fillTexts(v.Elem(), text)
		}
	case reflect.Struct:
		for i := range v.NumField() {
			field := v.Type().Field(i)
			if !field.IsExported() || strings.HasSuffix(field.Name, "Base64") || field.Name == "ID" ||
				strings.HasSuffix(field.Name, "ID") && field.Name != "ProviderID" || field.Name == "State" ||
				field.Name == "Outcome" || field.Name == "CausedBy" || field.Name == "ConflictsWith" {
				continue
			}
			fillTexts(v.Field(i), text)
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			return
		}
		fresh := reflect.MakeSlice(v.Type(), v.Len(), v.Len())
		reflect.Copy(fresh, v)
		v.Set(fresh)
		for i := range v.Len() {
			fillTexts(v.Index(i), text)
		}
	case reflect.Map:
		if v.Type() == reflect.TypeFor[map[string][]string]() && v.Len() > 0 {
			v.Set(reflect.ValueOf(map[string][]string{text: {text}}))
		}
	}
}

// filled returns a copy of noun with text in every field.
func filled[T any](noun T, text string) T {
	fillTexts(reflect.ValueOf(&noun).Elem(), text)
	return noun
}

// raw returns v as JSON, in which a text that is not UTF-8 stays as it is: the API of a mistaken server.
func raw(v any) []byte {
	encoded, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return encoded
}

// plainText stands for a harmless text.
const plainText = "plain"

// hostileRig returns a rig in which every stored text is text.
func hostileRig(t *testing.T, text string) *rig {
	t.Helper()
	r := newRig(t)
	r.people.people["operator"] = Person{Name: text, Role: admin, Tenant: text}
	var stored string // JSON has no bytes that are not UTF-8
	if err := json.Unmarshal(raw(text), &stored); err != nil {
		t.Fatal(err)
	}
	r.visits.visits["operator"] = Portal{Tenant: stored, Role: admin}
	r.visits.links["operator"] = "operator"
	delivery, pending := filled(testDelivery, text), filled(testPending, text)
	list := func(data ...any) []byte { return raw(listOf{Data: data}) }
	body := []byte(text)
	for call, value := range map[string]any{
		"GET /stats":             raw(testStats),
		"GET /series":            raw(filled(testSeries, text)),
		"GET /sources":           list(filled(client.Source{Name: "x"}, text)),
		"GET /destinations":      list(filled(testDestination, text), filled(testPaused, text)),
		"GET /events":            list(filled(testEvent, text)),
		"GET /events/evt_1":      raw(filled(testDetail, text)),
		"GET /events/evt_1/body": body,
		"GET /events/evt_2":      raw(filled(testDetail, text)),
		"GET /events/evt_2/body": testBody,
		"GET /deliveries":        list(delivery, pending),
		"GET /deliveries/dlv_1":  raw(client.DeliveryDetail{Delivery: delivery, History: filled(testAttempts, text)}),
		"GET /deliveries/dlv_2":  raw(client.DeliveryDetail{Delivery: pending, History: filled(testAttempts, text)}),
		"GET /requests":          list(filled(testRequest, text), filled(testUnknown, text)),
		"GET /requests/req_1": raw(
			filled(client.RequestDetail{Request: testRequest, Headers: map[string][]string{"a": {"b"}},
				Body: "x"}, text)),
	} {
		r.api.set(call, value)
	}
	r.fillHostile(text)
	return r
}

func parsePage(t *testing.T, page string) *nethtml.Node {
	t.Helper()
	root, err := nethtml.Parse(strings.NewReader(page))
	if err != nil {
		t.Fatal(err)
	}
	return root
}

// shape returns the elements of a page with the names of their attributes, and its text.
func shape(t *testing.T, root *nethtml.Node) (elements, text string) {
	t.Helper()
	var shape, words strings.Builder
	for n := range root.Descendants() {
		switch n.Type {
		case nethtml.ElementNode:
			if n.Data == "wbr" { // where a line may break; it has neither text nor attributes
				if n.FirstChild != nil || len(n.Attr) > 0 {
					t.Errorf("a <wbr> has something in it: %v", n)
				}
				continue
			}
			shape.WriteString("<" + n.Data)
			for _, a := range n.Attr {
				shape.WriteString(" " + a.Key)
				lower := strings.ToLower(strings.TrimSpace(a.Val))
				if (a.Key == "href" || a.Key == "src" || a.Key == "action") && !strings.HasPrefix(lower, "/ui/") &&
					!strings.HasPrefix(lower, "#") {
					t.Errorf("<%s %s=%q>", n.Data, a.Key, a.Val)
				}
			}
			shape.WriteString(">")
		case nethtml.TextNode:
			words.WriteString(n.Data)
		case nethtml.CommentNode:
			t.Errorf("a comment: %q", n.Data)
		}
	}
	return shape.String(), words.String()
}

// TestHostileTexts: whatever strangers put into any field, each page has the same elements as with harmless texts, and
// shows all of it, with a shape for every character.
func TestHostileTexts(t *testing.T) {
	t.Parallel()
	if len(hostile) < 40 {
		t.Fatalf("%d texts", len(hostile))
	}
	paths := append([]string{"/ui/", "/ui/events", "/ui/events/evt_1?body=pretty", "/ui/events/evt_1?body=raw",
		"/ui/series", "/ui/live", "/ui/deliveries", "/ui/deliveries/dlv_1", "/ui/deliveries/dlv_2", "/ui/requests",
		"/ui/requests/req_1?body=raw", "/ui/events?type=nothing&subject=x", "/ui/events/evt_1/copy",
		"/ui/events/evt_1/compare?with=evt_2"},
		nounPaths...)
	wants := map[string]string{}
	for r := hostileRig(t, plainText); len(paths) > len(wants); {
		path := paths[len(wants)]
		wants[path], _ = shape(t, parsePage(t, strings.ReplaceAll(r.get(path, "operator", 200), plainText, "x")))
	}
	for _, text := range hostile {
		t.Run(strconv.QuoteToASCII(text), func(t *testing.T) {
			t.Parallel()
			r := hostileRig(t, text)
			var stored string // JSON has no bytes that are not UTF-8
			if err := json.Unmarshal(raw(text), &stored); err != nil {
				t.Fatal(err)
			}
			shown := visible(stored, false)
			for _, path := range paths {
				page := r.get(path, "operator", 200)
				root := parsePage(t, page)
				elements, words := shape(t, root)
				if stripNotes(elements) != stripNotes(wants[path]) {
					t.Errorf("%s: %q changes the elements of the page:\n%s\n%s", path, text, elements, wants[path])
				}
				if !strings.Contains(words, shown) && !strings.Contains(words, clip(shown, 60)) &&
					!strings.Contains(page, html.EscapeString(shown)) {
					t.Errorf("%s: %q is not on the page as %q", path, text, shown)
				}
				checkVisible(t, path, root)
			}
		})
	}
}

// checkVisible checks that every character of a page has a shape, but for those in inputs, which hold what is sent.
func checkVisible(t *testing.T, path string, root *nethtml.Node) {
	t.Helper()
	check := func(where, words string) {
		for _, r := range words {
			if r != '\n' && r != '\t' && !isVisible(r) {
				t.Errorf("%s: %s has the character %U", path, where, r)
				return
			}
		}
	}
	for n := range root.Descendants() {
		if n.Type == nethtml.TextNode && n.Parent.Data != "textarea" {
			check("<"+n.Parent.Data+">", n.Data)
		}
		for _, a := range n.Attr {
			if n.Data != "input" || a.Key != "value" {
				check("<"+n.Data+" "+a.Key+">", a.Val)
			}
		}
	}
}

// stripNotes removes what depends on a text: the note that a body is shown as it is, and the box of a type, which is
// not offered if it has characters without a shape.
func stripNotes(elements string) string {
	return strings.NewReplacer("<p class>", "", "<fieldset class><legend><label class><input type name value>", "").
		Replace(elements)
}

// TestHostileFilter: what was typed into a filter is text, and stays as it was typed.
func TestHostileFilter(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	r.fill()
	want, _ := shape(t, parsePage(t, r.get("/ui/events?type=plain", "viewer", 200)))
	for _, text := range hostile {
		typed := strings.TrimSpace(strings.ToValidUTF8(text, ""))
		root := parsePage(t, r.get("/ui/events?type="+escape(typed), "viewer", 200))
		elements, _ := shape(t, root)
		if elements != want {
			t.Errorf("%q changes the page:\n%s\n%s", text, elements, want)
		}
		for n := range root.Descendants() {
			a := attributes(n)
			if a["id"] == "f-type" && a["value"] != strings.NewReplacer("\x00", "\ufffd", "\r\n", "\n").Replace(
				typed) {
				t.Errorf("%q: the field has %q", typed, a["value"])
			}
		}
	}
}

// escape writes every byte as %XX.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

// TestVisible: characters without a shape get one.
func TestVisible(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"plain ü 日本 😀": "plain ü 日本 😀", "a\u202eb": `a\u202eb`, "\x00\x07\x1b": `\x00\a\x1b`, "\xff": `\xff`,
		"a\nb\tc": `a\nb\tc`, "\u00a0": `\u00a0`, "\U000e0041": `\U000e0041`, "\u3164": `\u3164`, "\ufffd": "\ufffd",
	} {
		if got := visible(text, false); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if got := visible("a\r\nb\tc\rd\u202e", true); got != "a\nb\tc"+`\rd\u202e` {
		t.Errorf("%q", got)
	}
}
