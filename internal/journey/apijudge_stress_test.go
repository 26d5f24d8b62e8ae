//go:build stress && linux

package journey

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// This file sends the requests of TestStressAPIFuzz and judges their answers.

const (
	answerWithin = 40 * time.Second       // a try may take 25 seconds, and a pull 30
	streamFor    = 300 * time.Millisecond // how long the first message of a stream is waited for
)

// An apiAnswer is the answer to a request.
type apiAnswer struct {
	status int
	header http.Header
	body   []byte
	value  any // the body, if it is JSON
}

// An apiFuzz is a run of TestStressAPIFuzz.
type apiFuzz struct {
	*apiMaker
	t        *testing.T
	url      string
	codes    map[string]int // of docs/ERRORS.md: the status of each
	findings map[string]*finding

	answered map[string]map[int]int // how often an operation was answered with a status
	slowest  map[string]time.Duration
	owners   map[string]string // the tenants of ids
	open     map[string]bool   // the ids and names of destinations that take events of other tenants
	kept     map[string]bool   // ids and names that the run needs: they are not in the pool
	shown    [][]byte          // secrets that the server made and showed: not a second time
}

// A finding is a property that does not hold, with the shortest request that shows it.
type finding struct {
	text    string
	shown   *apiRequest
	request int
	length  int
	times   int
}

// report notes that a property does not hold for the answer to r.
func (f *apiFuzz) report(r *apiRequest, a *apiAnswer, property, format string, args ...any) {
	key := r.op.id + ": " + property
	found := f.findings[key]
	if found == nil {
		found = &finding{length: 1 << 30}
		f.findings[key] = found
	}
	found.times++
	if length := len(r.body) + len(strings.Join(r.query, "&")); length < found.length {
		found.length, found.request, found.shown = length, f.requests, r
		found.text = fmt.Sprintf("%s\n  changed: %s\n  %s\n  answer: %s", fmt.Sprintf(format, args...), r.changed,
			f.curl(r), a)
	}
}

// shrink sends the request of a finding without one member of its body after the other. report keeps the shorter ones
// that show the same.
func (f *apiFuzz) shrink(found *finding) {
	whole, _ := found.shown.tree.(map[string]any)
	if !bytes.Equal(appendTree(nil, found.shown.tree), found.shown.body) {
		return // the body is not the tree
	}
	for _, name := range slices.Sorted(maps.Keys(whole)) {
		r, before := *found.shown, found.times
		smaller := maps.Clone(whole)
		delete(smaller, name)
		if smaller["name"] != nil {
			f.names++
			smaller["name"] = fmt.Sprintf("shrunk-%d", f.names)
		}
		r.tree, r.body = smaller, appendTree(nil, smaller)
		f.send(&r)
		if found.times > before {
			whole = smaller
		}
	}
}

// reportAll fails the test with each finding.
func (f *apiFuzz) reportAll() {
	for _, key := range slices.Sorted(maps.Keys(f.findings)) {
		found := f.findings[key]
		times := found.times
		f.shrink(found)
		found.times = times
		f.t.Errorf("%s (%d times, first in request %d): %s", key, found.times, found.request, found.text)
	}
}

// String writes the answer in a few lines.
func (a *apiAnswer) String() string {
	if a == nil {
		return "none"
	}
	return fmt.Sprintf("%d %s %.600q", a.status, a.header.Get("Content-Type"), a.body)
}

// curl writes r as a command for a shell. Its key is the variable KEY, of the kind that the comment names.
func (f *apiFuzz) curl(r *apiRequest) string {
	var b strings.Builder
	fmt.Fprintf(&b, "curl -sSi --path-as-is -X %s", r.method)
	for _, name := range slices.Sorted(maps.Keys(r.header)) {
		for _, text := range r.header[name] {
			fmt.Fprintf(&b, " -H %s", quoted([]byte(name+": "+text)))
		}
	}
	if r.key.text != "" {
		b.WriteString(` -H "Authorization: Bearer $KEY"`)
	}
	if r.body != nil {
		fmt.Fprintf(&b, " --data-binary %s", quoted(r.body))
	}
	fmt.Fprintf(&b, " %s  # KEY is of %s", quoted([]byte(f.url+r.target())), r.key.name)
	return b.String()
}

// quoted quotes text for bash. It shortens a long one, and says so.
func quoted(text []byte) string {
	const most = 1500
	if len(text) > most {
		return fmt.Sprintf("%s…%d-more-bytes", quoted(text[:most]), len(text)-most)
	}
	if !bytes.ContainsFunc(text, func(c rune) bool { return c < ' ' || c > '~' || c == '\'' }) {
		return "'" + string(text) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for _, c := range text {
		if c < ' ' || c > '~' || c == '\'' || c == '\\' {
			fmt.Fprintf(&b, `\x%02x`, c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String() + "'"
}

// target returns the path and the query of r.
func (r *apiRequest) target() string {
	if len(r.query) == 0 {
		return r.path
	}
	return r.path + "?" + strings.Join(r.query, "&")
}

// send sends r and reads the answer; nil is none.
func (f *apiFuzz) send(r *apiRequest) *apiAnswer {
	ctx, cancel := context.WithTimeout(f.t.Context(), answerWithin)
	defer cancel()
	base, err := url.Parse(f.url)
	if err != nil {
		f.t.Fatal(err)
	}
	var body io.Reader
	if r.body != nil {
		body = bytes.NewReader(r.body)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, f.url, body)
	if err != nil {
		f.t.Fatal(err)
	}
	req.URL = &url.URL{Scheme: base.Scheme, Host: base.Host, Opaque: r.path, RawQuery: strings.Join(r.query, "&")}
	req.Header = r.header.Clone()
	if r.key.text != "" {
		req.Header.Set("Authorization", "Bearer "+r.key.text)
	}
	began := time.Now()
	res, err := f.client().Do(req)
	if err != nil {
		f.report(r, nil, "no answer", "%v", err)
		return nil
	}
	defer res.Body.Close()
	a := &apiAnswer{status: res.StatusCode, header: res.Header}
	if res.Header.Get("Content-Type") == "text/event-stream" {
		end := time.AfterFunc(streamFor, cancel)
		defer end.Stop()
		lines := bufio.NewReader(res.Body)
		for line := ""; err == nil && !strings.HasPrefix(line, "data:"); a.body = append(a.body, line...) {
			line, err = lines.ReadString('\n')
		}
	} else {
		a.body, err = io.ReadAll(res.Body)
		if err != nil {
			f.report(r, a, "half an answer", "%v", err)
		}
	}
	f.slowest[r.op.id] = max(f.slowest[r.op.id], time.Since(began))
	if json.Unmarshal(a.body, &a.value) != nil {
		a.value = nil
	}
	f.judge(r, a)
	f.learn(r, a)
	return a
}

// client returns the client of the run. It follows no redirect.
func (f *apiFuzz) client() *http.Client {
	return &http.Client{Transport: http.DefaultTransport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// judge checks the properties of every answer.
func (f *apiFuzz) judge(r *apiRequest, a *apiAnswer) {
	if f.answered[r.op.id] == nil {
		f.answered[r.op.id] = map[int]int{}
	}
	f.answered[r.op.id][a.status]++
	form, declared := r.op.answers[strconv.Itoa(a.status)]
	problem := r.op.answers["default"]
	switch {
	case a.status >= 500 && !declared:
		f.report(r, a, fmt.Sprintf("status %d", a.status), "the server failed")
		return
	case declared && (r.want == nil || slices.Contains(r.want, a.status)):
	case r.want != nil && !slices.Contains(r.want, a.status):
		f.report(r, a, fmt.Sprintf("status %d, not one of %v", a.status, r.want), "want another status")
	case r.want == nil: // 404 and 405 of a path that is none are wanted
		f.report(r, a, fmt.Sprintf("status %d", a.status), "the document does not declare it")
	}
	if !declared {
		form = problem
	}
	f.judgeBody(r, a, form)
	f.judgeSecrets(r, a)
	f.judgeTenant(r, a)
	switch v, why := f.doc.judged(r); {
	case v == invalid && a.status < 300:
		f.report(r, a, "accepted", "the document does not allow it: %s", why)
	case v == valid && a.status == http.StatusBadRequest:
		f.report(r, a, "status 400", "the document allows it")
	case v == valid && a.status == http.StatusUnprocessableEntity:
		for _, e := range problemOf(a).Errors {
			// A merge patch lacks what the stored noun has.
			patch := r.method == http.MethodPatch ||
				r.op.id == "try-destination" && strings.HasPrefix(e.Path, "changes.")
			merged := patch && e.Message == "required"
			ofProvider := strings.Contains(e.Path, "settings") && // one setting asks for another
				(e.Message == "required" || e.Message == "must not be empty")
			if schemaWords.MatchString(e.Message) && !merged && !ofProvider {
				f.report(r, a, "refused: "+e.Message, "the document allows it")
			}
		}
	}
}

// schemaWords match the messages about values that a schema can exclude.
var schemaWords = regexp.MustCompile("^(use (a text|a list|an object|a number|a whole number|true or false)$|" +
	"use one of|use (a number of )?at (least|most) [0-9.e+-]+( characters| entries)?$|unknown here|" +
	"must not be empty|required$|expected)")

// judgeBody checks the content type and the body of an answer.
func (f *apiFuzz) judgeBody(r *apiRequest, a *apiAnswer, form apiAnswerForm) {
	if len(form) == 0 || r.method == http.MethodHead {
		if len(a.body) > 0 {
			f.report(r, a, "a body", "the document declares none for status %d", a.status)
		}
		return
	}
	media, _, _ := mime.ParseMediaType(a.header.Get("Content-Type"))
	name, ok := form[media]
	if _, bytes := form["application/octet-stream"]; !ok && bytes {
		return // the content type of the event or the file
	}
	switch {
	case !ok:
		f.report(r, a, "content type "+media, "the document declares %v for status %d",
			slices.Sorted(maps.Keys(form)), a.status)
		return
	case name == "":
		return
	case media == "text/event-stream":
		f.judgeMessage(r, a, name)
		return
	case a.value == nil:
		f.report(r, a, "no JSON", "the body cannot be read")
		return
	}
	if err := f.doc.check(name, a.value); err != nil {
		f.report(r, a, fmt.Sprintf("body of %d", a.status), "it is none of schema %s: %v", name, err)
	}
	if media == "application/problem+json" {
		f.judgeProblem(r, a)
	}
}

// judgeMessage checks the last line of a stream that was read.
func (f *apiFuzz) judgeMessage(r *apiRequest, a *apiAnswer, name string) {
	_, data, ok := bytes.Cut(a.body, []byte("\ndata:"))
	if !ok {
		return
	}
	var v any
	err := json.Unmarshal(data, &v)
	if err == nil {
		err = f.doc.check(name, v)
	}
	if err != nil {
		f.report(r, a, "message", "it is none of schema %s: %v", name, err)
	}
}

// insideWords are words of Go and of the database, which mean nothing to a client.
var insideWords = regexp.MustCompile(`json: |\bGo (value|struct)|strconv|runtime error|goroutine|SQL|constraint|` +
	`%!|<nil>`)

// An apiProblem is an answer to a request that failed.
type apiProblem struct {
	Status int
	Code   string
	Detail string
	Errors []struct{ Path, Message string }
}

func problemOf(a *apiAnswer) (p apiProblem) {
	json.Unmarshal(a.body, &p)
	return p
}

// judgeProblem checks the code of a problem, and that it names values that the request has or lacks.
func (f *apiFuzz) judgeProblem(r *apiRequest, a *apiAnswer) {
	p := problemOf(a)
	status, listed := f.codes[p.Code]
	plain := p.Code == "malformed" && slices.Contains([]int{http.StatusMethodNotAllowed,
		http.StatusUnsupportedMediaType}, a.status)
	if !listed || p.Status != a.status || status != a.status && !plain {
		f.report(r, a, "code "+p.Code, "docs/ERRORS.md has the status %d for it", status)
	}
	if p.Detail == "" || insideWords.Match(a.body) {
		f.report(r, a, "detail", "a problem says what is wrong, in words that are not about this program")
	}
	if a.status == http.StatusMethodNotAllowed && a.header.Get("Allow") == "" {
		f.report(r, a, "no Allow", "405 says which methods there are")
	}
	later := a.status == http.StatusTooManyRequests || a.status == http.StatusServiceUnavailable
	if later && a.header.Get("Retry-After") == "" {
		f.report(r, a, "no Retry-After", "the answer does not say when to try again")
	}
	var sent any
	json.Unmarshal(r.body, &sent)
	for _, e := range p.Errors {
		first, _, _ := strings.Cut(strings.ReplaceAll(e.Path, "[", "."), ".")
		object, _ := sent.(map[string]any)
		_, inBody := object[first]
		_, whole := object[e.Path] // a name with a dot
		inQuery := slices.ContainsFunc(r.query, func(part string) bool {
			name, _, _ := strings.Cut(part, "=")
			name, _ = url.QueryUnescape(name)
			return name == e.Path || name == first
		})
		known := inBody || whole || inQuery || r.op.parameter(e.Path) != nil || r.header.Values(e.Path) != nil
		if r.op.body != nil && !known {
			_, known = f.doc.members(r.op.body)[first]
			known = known || e.Path == "body" // the body as a whole
		}
		if !known {
			f.report(r, a, "error path "+e.Path, "the request has no such part")
		}
	}
}

// canaryForms are the forms in which a canary may come out.
var canaryForms = func() [][]byte {
	forms := [][]byte{[]byte(canaryMark), []byte(hex.EncodeToString([]byte(canaryMark))),
		[]byte(strings.ToUpper(hex.EncodeToString([]byte(canaryMark))))}
	for shift := range 3 {
		encoded := base64.RawStdEncoding.EncodeToString([]byte("aaa"[:shift] + canaryMark))
		forms = append(forms, []byte(encoded[4:len(encoded)-2]))
	}
	return forms
}()

// escapedCanary returns the part of text in which a canary is; nil if there is none.
func escapedCanary(text []byte, more ...[]byte) []byte {
	for _, form := range slices.Concat(canaryForms, more) {
		if i := bytes.Index(text, form); i >= 0 {
			return text[max(0, i-80):min(len(text), i+len(form)+40)]
		}
	}
	return nil
}

// inNotification matches the secret that a notification of Microsoft has in its body, which is stored as it came.
var inNotification = regexp.MustCompile(`\\?"clientState\\?":\s?\\?"[^"\\]+`)

// judgeSecrets checks that no secret comes out, in a header or in a body. A backup with keys has the admin key in it,
// and no secret of another kind.
func (f *apiFuzz) judgeSecrets(r *apiRequest, a *apiAnswer) {
	body, shown := a.body, f.shown
	if r.op.id == "get-backup-archive" && a.status == http.StatusOK {
		if !slices.Contains(r.query, "keys=false") {
			shown = nil
		}
		if plain, err := zstd.NewReader(nil); err == nil {
			body, err = plain.DecodeAll(body, nil)
			plain.Close()
			if err != nil && r.method != http.MethodHead {
				f.report(r, a, "archive", "it cannot be decompressed: %v", err)
			}
		}
	}
	text := slices.Concat([]byte(fmt.Sprint(a.header)), inNotification.ReplaceAll(body, nil))
	if part := escapedCanary(text, shown...); part != nil {
		f.report(r, a, "secret", "it comes out: %q", part)
	}
}

// anyNounID matches the ids of nouns.
var anyNounID = regexp.MustCompile(`\b(?:src|dst|evt|dlv|req|rpr|con|sub|fil|key|gap|ten)_[0-9a-z]{12,26}\b`)

// judgeTenant checks that a key of a tenant sees nothing that another tenant or nobody owns, but what it sent itself.
func (f *apiFuzz) judgeTenant(r *apiRequest, a *apiAnswer) {
	if r.key.tenant == "" {
		f.noteOwners(a.value)
		return
	}
	sent := r.target() + string(r.body)
	sent += f.invited(r, a)
	for _, id := range anyNounID.FindAllString(string(a.body), -1) {
		if owner, ok := f.owners[id]; ok && owner != r.key.tenant && !strings.Contains(sent, id) {
			f.report(r, a, "tenant", "%s belongs to %q, and the key to %q", id, owner, r.key.tenant)
		}
	}
	if id, _ := f.subject(r); id != "" && a.status < 300 {
		if owner, ok := f.owners[id]; ok && owner != r.key.tenant {
			f.report(r, a, "tenant", "%s belongs to %q, and the key to %q", id, owner, r.key.tenant)
		}
	}
}

// invited returns the ids of events that an answer shows to a tenant because a destination of it takes those of
// others: its tenants say so.
func (f *apiFuzz) invited(r *apiRequest, a *apiAnswer) string {
	if id, ok := f.subject(r); ok && f.open[id] {
		return string(a.body)
	}
	var ids []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case []any:
			for _, x := range v {
				walk(x)
			}
		case map[string]any:
			destination, _ := v["destination_id"].(string)
			if event, ok := v["event_id"].(string); ok && f.open[destination] {
				ids = append(ids, event)
			}
			for _, x := range v {
				walk(x)
			}
		}
	}
	walk(a.value)
	return strings.Join(ids, " ")
}

// subject returns the id or name in the path of r.
func (f *apiFuzz) subject(r *apiRequest) (id string, ok bool) {
	before, _, ok := strings.Cut(r.op.path, "{id}")
	rest, ok2 := strings.CutPrefix(r.path, before)
	if !ok || !ok2 {
		return "", false
	}
	id, _, _ = strings.Cut(rest, "/")
	id, _ = url.PathUnescape(id)
	return id, true
}

// noteOwners notes the tenants of all objects that have an id and a tenant, and the destinations that take events of
// other tenants.
func (f *apiFuzz) noteOwners(v any) {
	switch v := v.(type) {
	case []any:
		for _, x := range v {
			f.noteOwners(x)
		}
	case map[string]any:
		id, _ := v["id"].(string)
		if tenant, ok := v["tenant"].(string); ok && anyNounID.MatchString(id) {
			f.owners[id] = tenant
		}
		if others, _ := v["tenants"].([]any); len(others) > 0 && id != "" {
			name, _ := v["name"].(string)
			f.open[id], f.open[name] = true, true
		}
		for _, x := range v {
			f.noteOwners(x)
		}
	}
}

// learn takes from an answer what later requests need: ids, cursors, tags, leases.
func (f *apiFuzz) learn(r *apiRequest, a *apiAnswer) {
	noun := r.op.noun()
	if id, ok := f.subject(r); ok {
		missing := a.status == http.StatusNotFound && r.key.tenant == ""
		if missing || a.status == http.StatusNoContent && r.method == "DELETE" {
			f.pool[noun] = slices.DeleteFunc(f.pool[noun], func(x named) bool { return x.id == id || x.name == id })
		}
		if tag := a.header.Get("ETag"); tag != "" && a.status == http.StatusOK {
			f.tags[r.path] = tag
		}
	}
	body, _ := a.value.(map[string]any)
	if a.status >= 300 || body == nil {
		return
	}
	makes := slices.Contains([]string{"create-key", "rotate-admin-key", "rotate-destination-secret",
		"rotate-source-secret"}, r.op.id)
	for _, name := range []string{"key", "secret", "url"} {
		text, _ := body[name].(string)
		secret := makes && name != "url" || name == "url" && r.op.id == "create-portal-link" // which ends in a token
		if secret && len(text) > 20 {
			f.shown = append(f.shown, []byte(text[len(text)-20:]))
		}
	}
	list, isList := body["data"].([]any)
	if next, _ := body["next"].(string); next != "" && r.changed == "" {
		f.cursors[r.op.path] = last(append(f.cursors[r.op.path], next), 10)
	}
	if isList && r.method == http.MethodPost {
		for _, x := range list {
			lease, _ := x.(map[string]any)
			id, _ := lease["delivery_id"].(string)
			token, _ := lease["token"].(string)
			f.leases = last(append(f.leases, [2]string{id, token}), 10)
		}
		return
	}
	if r.op.path == "/api/v1/"+noun {
		for _, x := range append(list, any(body)) {
			f.addToPool(noun, x)
		}
	}
}

// addToPool adds the id of a noun, and its name, to those that requests are made of.
func (f *apiFuzz) addToPool(noun string, v any) {
	object, _ := v.(map[string]any)
	id, _ := object["id"].(string)
	name, _ := object["name"].(string)
	if id != "" && !f.kept[id] {
		others := slices.DeleteFunc(f.pool[noun], func(x named) bool { return x.id == id })
		f.pool[noun] = last(append(others, named{id, name}), 20)
	}
}

// last returns the last n of list.
func last[T any](list []T, n int) []T { return list[max(0, len(list)-n):] }

// errorCodes reads the codes of the answers of the API and their statuses from docs/ERRORS.md.
func errorCodes(t *testing.T) map[string]int {
	t.Helper()
	page, err := os.ReadFile("../../docs/ERRORS.md")
	if err != nil {
		t.Fatal(err)
	}
	ours, _, _ := bytes.Cut(page, []byte("## Refused requests"))
	codes := map[string]int{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| (\\d{3}) \\|").FindAllSubmatch(ours, -1) {
		codes[string(row[1])], _ = strconv.Atoi(string(row[2]))
	}
	return codes
}
