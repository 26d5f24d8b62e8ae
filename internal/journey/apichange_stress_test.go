//go:build stress && linux

package journey

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// This file changes one thing of a request that is as the document wants it, for TestStressAPIFuzz.

// change changes one thing of r.
func (m *apiMaker) change(r *apiRequest) {
	ways := []func(*apiRequest) bool{m.changeMember, m.changeMember, m.changeMember, m.changeMember, m.changeText,
		m.changeText, m.changeQuery, m.changeQuery, m.changePath, m.changeMethod, m.changeType, m.changeKey,
		m.changeHeader}
	for !pick(m, ways...)(r) {
	}
}

// A place is where a value stands in a body.
type place struct {
	path   string
	set    func(v any)
	remove func()         // nil in a list
	object map[string]any // the value, if it is an object
}

// places returns all places of a body.
func places(v any, path string, set func(any), remove func()) []place {
	at := place{path: path, set: set, remove: remove}
	list := []place{at}
	switch v := v.(type) {
	case map[string]any:
		list[0].object = v
		for _, name := range slices.Sorted(maps.Keys(v)) {
			list = append(list, places(v[name], strings.TrimPrefix(path+"."+name, "."), func(x any) { v[name] = x },
				func() { delete(v, name) })...)
		}
	case []any:
		for i := range v {
			list = append(list, places(v[i], fmt.Sprintf("%s[%d]", path, i), func(x any) { v[i] = x }, nil)...)
		}
	}
	return list
}

// oddValues take the place of a value.
var oddValues = []any{nil, true, "", -1, 0, 7.5, []any{}, map[string]any{}, []any{"a", nil}, map[string]any{"a": 1},
	int64(1) << 62, -1 << 62, rawText("1e400"), rawText("1.0"), rawText("1e2"), rawText("-0"), rawText("1E-400"),
	rawText("123456789012345678901234567890"), rawText("0.1e-7"), "a\x00b", "\x01\x1b[31m\x7f", "\u202e\ufeff", " ",
	rawText(`"\ud800"`), rawText("\"\xff\xfe\""), rawText("\"a\tb\""), rawText(`"\u0000"`), strings.Repeat("a", 300),
	strings.Repeat("ä", 5000), strings.Repeat("x", 70_000), "../../etc/passwd", "{{.}}", "<script>", "*", "null",
	"2026-02-30T25:61:61Z", "-1s", "1000000h", "NaN", "http://[::1", "https://user:pw@127.0.0.1/",
	"file:///etc/passwd", rawText("NaN"), rawText("tru"), rawText("'a'"),
	rawText(strings.Repeat("[", 50) + strings.Repeat("]", 50)),
	rawText(strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000)),
	rawText(strings.Repeat(`{"a":`, 20_000) + "1" + strings.Repeat("}", 20_000)),
}

// changeMember changes a value of the body, removes it, or adds one.
func (m *apiMaker) changeMember(r *apiRequest) bool {
	if r.tree == nil {
		return false
	}
	all := places(r.tree, "", func(v any) { r.tree = v }, nil)
	at := pick(m, all...)
	if isAddress(at.path[strings.LastIndexByte(at.path, '.')+1:]) {
		return false // without it some have one of their own
	}
	switch n := m.IntN(10); {
	case n == 0 && at.remove != nil:
		at.remove()
		r.changed = at.path + " is not there"
	case n <= 2 && at.object != nil:
		name := pick(m, "nonsense", "Name", "", "__proto__", "name ", "settings", strings.Repeat("n", 2000), "\x00")
		at.object[name] = pick(m, oddValues...)
		r.changed = fmt.Sprintf("%s has a member %.20q", at.path, name)
	default:
		v := pick(m, oddValues...)
		at.set(v)
		r.changed = fmt.Sprintf("%s is %.40q", at.path, fmt.Sprint(v))
	}
	r.body = appendTree(nil, r.tree)
	return true
}

// changeText changes the body as a whole.
func (m *apiMaker) changeText(r *apiRequest) bool {
	if r.body == nil {
		return false
	}
	old := r.body
	switch m.IntN(12) {
	case 0:
		r.body, r.changed = old[:m.IntN(len(old))], "the body is cut"
		if len(r.body) == 0 {
			r.body = nil
		}
	case 1:
		r.body, r.changed = slices.Concat(old, []byte(pick(m, "x", "{}", "]", "\x00"))), "more follows the body"
	case 2:
		r.body, r.changed = nil, "there is no body"
	case 3:
		r.body, r.changed = []byte(pick(m, "null", "[]", `"text"`, "7", "true", "{}", " ", "\n")), "another body"
	case 4:
		r.body, r.changed = slices.Concat([]byte("\xef\xbb\xbf"), old), "a byte order mark comes first"
	case 5:
		r.body, r.changed = append([]byte("//\n"), old...), "a comment comes first"
	case 6:
		r.body, r.changed = bytes.ReplaceAll(old, []byte{':'}, []byte(" :\r\n\t")), "with blanks"
		r.broken = !json.Valid(r.body)
	case 7, 8:
		object, _ := r.tree.(map[string]any)
		name := pick(m, slices.Sorted(maps.Keys(object))...)
		if object == nil || name == "" {
			return false
		}
		first := appendTree(nil, map[string]any{name: pick(m, object[name], nil, any("x"))})
		r.body = slices.Concat(first[:len(first)-1], []byte{','}, old[1:])
		r.changed, r.broken = name+" occurs twice", true
	case 9:
		if r.op.noun() == "config" || !m.chance(10) { // a configuration may be larger, and this takes long
			return false
		}
		r.body = slices.Concat([]byte(`{"name":"`), bytes.Repeat([]byte{'a'}, 2<<20), []byte(`"}`))
		r.changed, r.want = "the body is large", []int{http.StatusRequestEntityTooLarge}
	case 10:
		i := m.IntN(len(old))
		r.body = slices.Concat(old[:i], []byte{byte(m.IntN(256))}, old[i:])
		r.changed = fmt.Sprintf("a byte is in the way at %d", i)
	default:
		r.body = slices.Clone(old)
		i := m.IntN(len(old))
		r.body[i] ^= 1 << m.IntN(8)
		r.changed = fmt.Sprintf("a bit of byte %d differs", i)
	}
	return true
}

// changeQuery changes a parameter of the query, or adds one.
func (m *apiMaker) changeQuery(r *apiRequest) bool {
	var names []string
	for _, p := range r.op.parameters {
		if p.in == "query" {
			names = append(names, p.name)
		}
	}
	if len(names) == 0 || m.chance(20) {
		r.query = append(r.query, pick(m, "nonsense=1", "Limit=1", "limit%00=1", "=1", "order[]=a"))
		r.changed, r.want = "a parameter that there is not", []int{http.StatusUnprocessableEntity}
		return true
	}
	name := pick(m, names...)
	r.query = slices.DeleteFunc(r.query, func(part string) bool { return strings.HasPrefix(part, name+"=") })
	if name == "cursor" {
		return m.changeCursor(r)
	}
	text := pick(m, "", "x", "-1", "0", "250", "251", "99999999999999999999", "1.5", "1e2", "+1", "%201", "true%20",
		"1", "t", "%00", "%ff", "%zz", "%", strings.Repeat("a", 5000), "*", "**", "a*b", "'%20OR%201=1--",
		"%F0%9F%98%80", "2026-13-40T99:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "2026-01-01",
		"dead,dead", ",", "null", "[]")
	r.query = append(r.query, name+"="+text)
	if m.chance(10) {
		r.query = append(r.query, name+"="+pick(m, "1", "x", ""))
	}
	r.changed = fmt.Sprintf("%s is %.40s", name, text)
	if text == "%zz" || text == "%" { // which is no query
		r.want = []int{http.StatusUnprocessableEntity, http.StatusBadRequest, http.StatusNotFound}
	}
	return true
}

// changeCursor gives a list a cursor that is none of its own.
func (m *apiMaker) changeCursor(r *apiRequest) bool {
	var others []string
	for _, path := range slices.Sorted(maps.Keys(m.cursors)) {
		if path != r.op.path {
			others = append(others, m.cursors[path]...)
		}
	}
	own := pick(m, m.cursors[r.op.path]...)
	text := pick(m, "x", "AAAA", strings.Repeat("A", 3000), "null", "\x00")
	switch n := m.IntN(3); {
	case n == 0 && len(others) > 0:
		text = pick(m, others...)
		r.changed = "the cursor is of another list"
	case n == 1 && len(own) > 4:
		i := m.IntN(len(own) - 3)
		text = own[:i] + string(rune('A'+m.IntN(26))) + own[i+1:]
		if text == own {
			return false
		}
		r.changed = "a letter of the cursor differs"
	default:
		r.changed = "the cursor is none"
	}
	r.query = []string{"cursor=" + url.QueryEscape(text)} // nothing else may be wrong
	r.want = []int{http.StatusUnprocessableEntity}
	return true
}

// changePath changes the id in the path, or the path.
func (m *apiMaker) changePath(r *apiRequest) bool {
	before, after, ok := strings.Cut(r.op.path, "{id}")
	if !ok {
		before, after = r.op.path+"/", ""
	}
	other := pick(m, slices.Sorted(maps.Keys(m.pool))...)
	id := pick(m, "%00", "%FF", "%20", "a%2Fb", strings.Repeat("a", 3000), "%2e%2e", "*", "%E2%80%AE", "A", "null",
		"-1", url.PathEscape(m.some(other)), "src_", "evt_00000000000000000000", "%25", ";", "a;b", "%0d%0aX:1", "'--")
	if id == "" {
		return false
	}
	r.path = before + id + after
	r.changed = fmt.Sprintf("the path has %.40q", id)
	if item := m.doc.operation(r.method, before+"{id}"); !ok && item != nil {
		r.op = item
	} else if !ok {
		r.want = []int{http.StatusNotFound, http.StatusMethodNotAllowed}
	}
	return true
}

// changeMethod uses a method that the path does not have.
func (m *apiMaker) changeMethod(r *apiRequest) bool {
	method := pick(m, "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS", "TRACE", "GET", "FROB", "get")
	for _, o := range m.doc.operations {
		same := o.method == method || o.method == "GET" && method == "HEAD"
		if same && strings.Count(o.path, "/") == strings.Count(r.op.path, "/") {
			return false // the path may be one of that operation
		}
	}
	r.method, r.changed, r.want = method, "the method is "+method, []int{http.StatusMethodNotAllowed}
	return true
}

// changeType sends the body as something else.
func (m *apiMaker) changeType(r *apiRequest) bool {
	if r.body == nil {
		return false
	}
	media := pick(m, "text/plain", "application/xml", "application/x-www-form-urlencoded", "json", "application/jsonx",
		"multipart/form-data; boundary=x", "application/json, text/plain", ";", "application/*")
	r.header.Set("Content-Type", media)
	r.changed, r.want = "the content type is "+media, []int{http.StatusUnsupportedMediaType}
	return true
}

// changeKey sends another key, or none.
func (m *apiMaker) changeKey(r *apiRequest) bool {
	if m.chance(10) {
		r.changed, r.want = "there is no key", []int{http.StatusUnauthorized}
		r.key = apiKey{name: "none"}
		return true
	}
	if m.chance(2) {
		r.changed = "the key is wrong"
		r.key = apiKey{name: "wrong", text: pick(m, "x", m.keys[0].text+"0", "bhk_00000000000000000000_x", "\xff")}
		r.want = []int{http.StatusUnauthorized, http.StatusTooManyRequests}
		return true
	}
	r.key = pick(m, m.keys[1:]...)
	r.changed = "the key is of " + r.key.name
	if !includes(r.key.scope, r.op.scope) {
		r.want = []int{http.StatusForbidden}
	}
	return true
}

// includes reports whether a key of one scope may do what needs the other.
func includes(has, needs string) bool {
	return has == needs || has == "admin" || has == "operate" && needs != "admin"
}

// changeHeader sets a header.
func (m *apiMaker) changeHeader(r *apiRequest) bool {
	name := pick(m, "If-Match", "If-None-Match", "Idempotency-Key", "Range", "If-Range", "Last-Event-ID", "Accept",
		"Accept-Encoding", "Content-Encoding", "X-HTTP-Method-Override", "X-Forwarded-For", "Origin", "Cookie")
	text := pick(m, "", "*", `"x"`, "x", `W/"x"`, `"a", "b"`, `"a`, strings.Repeat("x", 300),
		strings.Repeat("x", 2000), "\xff\xfe", "bytes=0-1", "bytes=5-1", "bytes=0-0,1-1", "DELETE", "application/xml",
		"gzip", "br;q=x", "127.0.0.1", "https://evil.example", "ä", m.tags[r.path])
	r.header.Set(name, text)
	r.changed = fmt.Sprintf("%s is %.40q", name, text)
	return true
}
