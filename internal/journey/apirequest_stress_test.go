//go:build stress && linux

package journey

import (
	"cmp"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// This file makes requests from the OpenAPI document, for TestStressAPIFuzz: first as the document wants them, and
// then with one thing changed.

// An apiKey is a key of the API.
type apiKey struct{ name, text, scope, tenant string }

// An apiRequest is a request to an operation.
type apiRequest struct {
	op     *apiOperation
	method string
	path   string // escaped
	query  []string
	header http.Header
	tree   any    // its body, as long as that is JSON
	body   []byte // nil without one
	key    apiKey

	changed string // in words; empty if it is as the document wants it
	want    []int  // the only statuses that are right for what was changed; nil is any that is declared
	broken  bool   // the change made it one that must not succeed, whatever the schemas say
}

// An apiMaker makes requests. Random choices of one request depend on nothing but its number and the seed, so that a
// run with the same seed makes the same requests, apart from the ids that the server chose.
type apiMaker struct {
	*rand.Rand
	seed     uint64
	requests int // made so far: the number of the next one
	names    int // made so far
	doc      *apiDocument
	receiver string // where destinations and connections lead

	pool    map[string][]named  // by noun
	cursors map[string][]string // by the path of their lists
	tags    map[string]string   // the latest ETag by path
	leases  [][2]string         // deliveries and their tokens
	tenants []string
	keys    []apiKey // the first one may do everything
}

// A named is a noun of the server. Some have no name.
type named struct{ id, name string }

// some returns the id or the name of one of those nouns; "" if there is none.
func (m *apiMaker) some(noun string) string {
	n := pick(m, m.pool[noun]...)
	return pick(m, n.id, cmp.Or(n.name, n.id))
}

// begin starts the choices of the next request.
func (m *apiMaker) begin() {
	m.requests++
	m.Rand = rand.New(rand.NewPCG(m.seed, uint64(m.requests)))
}

// chance reports true in p of 100 cases.
func (m *apiMaker) chance(p int) bool { return m.IntN(100) < p }

// pick returns one of list, or the zero value of none.
func pick[T any](m *apiMaker, list ...T) (v T) {
	if len(list) == 0 {
		return v
	}
	return list[m.IntN(len(list))]
}

// canaryMark is in each secret that is made: it must never come out.
const canaryMark = "bellhopcanary"

// hexText and longBase64 find the form of a secret from its example.
var (
	hexText    = regexp.MustCompile(`^[0-9a-f]{32,}$`)
	longBase64 = regexp.MustCompile(`^[A-Za-z0-9+/]{40,}=*$`)
)

// secret returns a new secret in the form of example.
func (m *apiMaker) secret(example string) string {
	text := fmt.Sprintf("%s%016x%016x", canaryMark, m.Uint64(), m.Uint64())
	switch {
	case strings.HasPrefix(example, "whsec_"):
		return "whsec_" + base64.StdEncoding.EncodeToString([]byte(text[:32]))
	case hexText.MatchString(example):
		return hex.EncodeToString([]byte(text[:len(example)/2]))
	case longBase64.MatchString(example):
		return base64.StdEncoding.EncodeToString([]byte(text[:32]))
	}
	return text
}

// isSecret reports whether a member holds a secret.
func isSecret(s schema, name string) bool {
	switch name {
	case "secret", "password", "client_secret", "private_key", "proxy_password", "access_key":
		return true
	}
	return s["writeOnly"] == true
}

// request makes a request of o as the document wants it.
func (m *apiMaker) request(o *apiOperation) *apiRequest {
	m.begin()
	r := &apiRequest{op: o, method: o.method, path: o.path, header: http.Header{}, key: m.keys[0]}
	for i := range o.parameters {
		m.parameter(r, &o.parameters[i])
	}
	if o.body != nil && (o.required || m.chance(70)) {
		r.tree = m.value(o.body, "", 0)
		r.header.Set("Content-Type", pick(m, o.bodyTypes...))
		m.lease(r)
		r.body = appendTree(nil, r.tree)
	}
	return r
}

// parameter adds a parameter to r, mostly if it is required.
func (m *apiMaker) parameter(r *apiRequest, p *apiParameter) {
	switch {
	case p.in == "path":
		id := m.some(r.op.noun())
		if id == "" || m.chance(5) {
			id = "nothing-has-this-name"
		}
		r.path = strings.Replace(r.path, "{"+p.name+"}", url.PathEscape(id), 1)
		return
	case !p.required && !m.chance(25):
		return
	}
	text := ""
	switch p.name {
	case "cursor":
		text = pick(m, m.cursors[r.op.path]...)
	case "If-Match", "If-None-Match":
		text = m.tags[r.path]
	case "Idempotency-Key":
		text = fmt.Sprintf("once-%x", m.Uint64())
	case "Last-Event-ID", "after", "Range", "If-Range":
	default:
		text = strings.TrimSuffix(strings.TrimSuffix(parameterText(m.value(p.schema, p.name, 1)), ".0"), "e0")
	}
	switch {
	case text == "":
	case p.in == "query":
		r.query = append(r.query, p.name+"="+url.QueryEscape(text))
	default:
		r.header.Set(p.name, text)
	}
}

// parameterText writes a value as the text of a parameter.
func parameterText(v any) string {
	if list, ok := v.([]any); ok {
		texts := make([]string, len(list))
		for i, x := range list {
			texts[i] = fmt.Sprint(x)
		}
		return strings.Join(texts, ",")
	}
	return fmt.Sprint(v)
}

// lease gives a body with a token the token of the delivery of its path.
func (m *apiMaker) lease(r *apiRequest) {
	body, _ := r.tree.(map[string]any)
	if body == nil || body["token"] == nil || r.op.noun() != "deliveries" || len(m.leases) == 0 {
		return
	}
	l := pick(m, m.leases...)
	body["token"] = l[1]
	r.path = strings.Replace(r.op.path, "{id}", l[0], 1)
}

// value makes a value of a schema for the member of that name.
func (m *apiMaker) value(s schema, name string, depth int) any {
	s = m.doc.resolve(s)
	if v, ok := m.known(s, name); ok && (isAddress(name) || m.chance(90)) && m.fits(s, v) {
		return v
	}
	if list := choices(s); len(list) > 0 {
		return m.value(pick(m, list...), name, depth)
	}
	if v, ok := s["const"]; ok {
		return v
	}
	if values, ok := s["enum"].([]any); ok {
		return pick(m, values...)
	}
	if examples, ok := s["examples"].([]any); ok && depth > 0 && m.chance(60) {
		return pick(m, examples...)
	}
	kind, _ := s["type"].(string)
	if kinds, ok := s["type"].([]any); ok {
		kind, _ = pick(m, kinds...).(string)
	}
	switch kind {
	case "string":
		return m.text(s)
	case "integer", "number":
		return m.numberOf(s, kind)
	case "boolean":
		return m.chance(50)
	case "null":
		return nil
	case "array":
		items, _ := s["items"].(map[string]any)
		list := []any{}
		for range m.IntN(3) {
			list = append(list, m.value(items, name, depth+1))
		}
		return list
	case "object":
		return m.object(s, depth)
	}
	return m.anything(3)
}

// fits reports whether v has the type and the values of s, as far as a known value can miss them.
func (m *apiMaker) fits(s schema, v any) bool {
	kind, _ := s["type"].(string)
	_, isText := v.(string)
	return s["enum"] == nil && (kind == "" || (kind == "string") == isText)
}

// text makes a string of s.
func (m *apiMaker) text(s schema) string {
	if s["format"] == "date-time" {
		return time.Now().Add(time.Duration(m.IntN(200)-100) * time.Hour).UTC().Format(time.RFC3339)
	}
	least, most := 0, 24
	if n, ok := s["minLength"].(float64); ok {
		least = int(n)
	}
	if n, ok := s["maxLength"].(float64); ok && (int(n) < most || m.chance(5)) {
		most = min(int(n), 2000)
	}
	letters := []rune("abcdefghijklmnopqrstuvwxyz0123456789-._ /*äß€😀\"'\\<>&")
	text := make([]rune, least+m.IntN(most-least+1))
	for i := range text {
		text[i] = pick(m, letters...)
	}
	return string(text)
}

// numberOf makes a number of s, often at one of its bounds.
func (m *apiMaker) numberOf(s schema, kind string) any {
	least, hasLeast := s["minimum"].(float64)
	most, hasMost := s["maximum"].(float64)
	if !hasLeast {
		least = min(0, most)
	}
	if !hasMost {
		most = least + 1000
	}
	v := pick(m, least, most, least+m.Float64()*(most-least))
	if kind != "integer" {
		return v
	}
	if m.chance(15) { // the same whole number to JSON
		return rawText(fmt.Sprintf(pick(m, "%d.0", "%de0"), int64(v)))
	}
	return int64(v)
}

// anything makes any JSON value, with at most that many levels.
func (m *apiMaker) anything(levels int) any {
	switch n := m.IntN(8); {
	case n == 0:
		return nil
	case n == 1:
		return m.chance(50)
	case n == 2:
		return m.Int64() >> m.IntN(60)
	case n == 3 && levels > 0:
		return []any{m.anything(levels - 1), m.anything(levels - 1)}
	case n < 6 && levels > 0:
		return map[string]any{"a": m.anything(levels - 1), "b c": m.anything(levels - 1)}
	}
	return m.text(schema{})
}

// object makes an object of s: the required members, and some others.
func (m *apiMaker) object(s schema, depth int) any {
	out := map[string]any{}
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]any)
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		of, _ := properties[name].(map[string]any)
		if slices.Contains(required, any(name)) || of["readOnly"] != true && (m.chance(25) || isAddress(name)) {
			out[name] = m.value(of, name, depth+1)
		}
	}
	if more, ok := s["additionalProperties"].(map[string]any); ok && properties == nil {
		for range m.IntN(3) {
			out[pick(m, "a", "b-c", "429", "5xx", "timeout", "X-Key")] = m.value(more, "", depth+1)
		}
	}
	if properties["settings"] != nil {
		m.combine(s, out)
	}
	return out
}

// variant is the settings of the nouns whose provider or type has a value.
type variant struct {
	member, value string
	settings      schema
}

// variants returns the settings that a noun may have, which its schema says by if and then.
func variants(s schema) (all []variant) {
	forms, _ := s["allOf"].([]any)
	for _, f := range forms {
		var form struct {
			If struct {
				Properties map[string]struct{ Const string }
			}
			Then struct{ Properties struct{ Settings schema } }
		}
		if json.Unmarshal(appendTree(nil, f), &form) != nil || form.Then.Properties.Settings == nil {
			continue
		}
		for member, is := range form.If.Properties {
			all = append(all, variant{member, is.Const, form.Then.Properties.Settings})
		}
	}
	return all
}

// combine gives a noun the settings of its provider or type. Of a destination it leaves out what most types do not
// have.
func (m *apiMaker) combine(s schema, out map[string]any) {
	all := variants(s)
	if len(all) == 0 { // a patch: its noun is known to the server alone
		delete(out, "settings")
		return
	}
	v := pick(m, all...)
	if v.member == "type" {
		plain := pick(m, v.value, "http", "http", "http", "listen", "pull")
		if i := slices.IndexFunc(all, func(v variant) bool { return v.value == plain }); i >= 0 {
			v = all[i]
		}
		delete(out, "access")
		delete(out, "url")
		if plain != "pull" && plain != "listen" && !strings.Contains(plain, ".") {
			out["url"] = m.address()
		}
	}
	out[v.member] = v.value
	settings, _ := m.value(v.settings, "", 1).(map[string]any)
	out["settings"] = settings
	properties, _ := s["properties"].(map[string]any)
	switch {
	case v.value == "listen" || v.value == "pull":
		delete(out, "settings")
	case v.value == "http" && m.chance(80):
		out["settings"] = map[string]any{"format": pick(m, "raw", "standard", "envelope"),
			"secret": m.secret("whsec_")}
		if m.chance(40) {
			out["access"] = pick(m, map[string]any{"token": m.secret("")},
				map[string]any{"username": "ada", "password": m.secret("")})
		}
	case properties["max_body_bytes"] != nil && m.chance(70):
		m.provable(v.value, settings)
	}
}

// provable leaves the one proof in the settings of a source that is the simplest of its provider.
func (m *apiMaker) provable(provider string, settings map[string]any) {
	clear(settings)
	switch provider {
	case "generic":
		settings["scheme"] = "none"
	case "boro":
		settings["secret_key"] = m.secret(strings.Repeat("0", 64))
	case "eventgrid", "acs":
		settings["query_secret"] = m.secret("")
	case "cloudevents":
		settings["bearer_token"] = m.secret("")
	case "ams":
		settings["signing_key"] = m.secret(strings.Repeat("A", 44))
	case "standardwebhooks", "stripe":
		settings["secret"] = m.secret("whsec_")
	case "github":
		settings["secret"] = m.secret("")
	case "slack":
		settings["signing_secret"] = m.secret(strings.Repeat("0", 32))
	case "sns":
		settings["topics"] = []any{"arn:aws:sns:eu-central-1:111122223333:orders"}
	default:
		settings["client_state"] = m.secret("")
	}
}

// address returns a URL of the receiver, which answers with the status that its path names, or one where nothing
// listens.
func (m *apiMaker) address() string {
	if m.chance(5) {
		return "http://127.0.0.1:1"
	}
	return m.receiver + pick(m, "/200", "/200", "/200", "/500", "/404", "/429", "/302")
}

// known returns a value for a member whose schema cannot say all that makes it useful: what refers to another noun
// exists, names are unique, secrets are canaries, waits are short, and URLs lead to the receiver alone.
func (m *apiMaker) known(s schema, name string) (any, bool) {
	if isSecret(s, name) {
		return m.secret(pick(m, "", "whsec_")), true
	}
	switch name {
	case "name":
		m.names++
		return fmt.Sprintf("fuzz-%d-%04x", m.names, m.IntN(1<<16)), true
	case "wait", "start_in": // of the few repairs that may run, none waits for long
		return pick(m, "0s", "20ms"), true
	case "source", "sources":
		return m.some("sources"), true
	case "destination":
		return m.some("destinations"), true
	case "connection":
		return m.some("connections"), true
	case "event", "caused_by":
		return m.some("events"), true
	case "tenant", "tenants":
		return pick(m, append([]string{"", "", ""}, m.tenants...)...), true
	case "where":
		return pick(m, "data.a == 1", "type startsWith 'fuzz'", "source == 'api'", "len(subject) > 3", ""), true
	case "types":
		return pick(m, "*", "fuzz.*", "fuzz.made"), true
	case "timeout", "max_wait", "disable_after", "for", "grace", "delay", "expect_every", "max_age":
		return pick(m, "1s", "250ms", "1m", "24h", "90s"), true
	case "outcomes":
		return map[string]any{"404": pick(m, "dead", "retry"), "5xx": "retry"}, true
	case "handshake":
		return "none", true
	case "resource":
		return "/me/events", true
	case "state", "outcome", "kinds", "prune":
		return nil, false
	}
	if isAddress(name) {
		return m.address(), true
	}
	return nil, false
}

// isAddress reports whether a member says where the gateway sends requests. None of a run leave this machine.
func isAddress(name string) bool {
	others := []string{"authority", "issuer", "endpoint", "proxy"}
	return strings.HasSuffix(name, "url") || slices.Contains(others, name)
}

// rawText is a part of a body as it is, which need not be JSON.
type rawText string

// appendTree writes a body as JSON, with the names of objects sorted.
func appendTree(b []byte, v any) []byte {
	switch v := v.(type) {
	case rawText:
		return append(b, v...)
	case []any:
		b = append(b, '[')
		for i, x := range v {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendTree(b, x)
		}
		return append(b, ']')
	case map[string]any:
		b = append(b, '{')
		for i, name := range slices.Sorted(maps.Keys(v)) {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendTree(b, name)
			b = append(b, ':')
			b = appendTree(b, v[name])
		}
		return append(b, '}')
	}
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return append(b, text...)
}
