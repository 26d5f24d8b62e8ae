package match

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

func wheres(t testing.TB, texts ...string) (all []*Matcher, needs Needs) {
	t.Helper()
	for _, text := range texts {
		m, err := Compile(bellhop.Match{Where: text})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
		needs.Add(m)
	}
	return all, needs
}

// TestViewDecodesOnce: whatever the expressions of several destinations read, the body is decoded once for all.
func TestViewDecodesOnce(t *testing.T) {
	ev := &bellhop.Event{Type: "x", Header: bellhop.Header("X-A: 1\n"),
		Body: []byte(`{"a":{"b":1,"c":2},"list":[1,2],"d":"x"}`)}
	all, needs := wheres(t, `data.a.b == 1`, `data.a.c == 2 && len(data.a) == 2`, `2 in data.list`, `data.d == "y"`,
		`headers["X-A"] == "1"`, `type == "x"`, `data.a.b == 1`)
	budget := NewBudget(len(ev.Body), needs.Wheres())
	v := Open(ev, needs, budget, nil)
	defer v.Close()
	for i, want := range []bool{true, true, true, false, true, true, true} {
		if got, err := all[i].WantsView(v); got != want || err != nil {
			t.Errorf("%d: %v %v", i, got, err)
		}
	}
	if v.decodes != 1 {
		t.Errorf("decoded %d times", v.decodes)
	}
	// An expression that the needs do not have, as that of a destination that has just changed, is right all the same.
	late, _ := wheres(t, `data.e == nil && len(data) == 3`, `data.a.b == 1`)
	for i, m := range late {
		if got, err := m.WantsView(v); !got || err != nil || v.decodes != 2 {
			t.Errorf("late %d: %v %v, decoded %d times", i, got, err, v.decodes)
		}
	}
	released := 0
	for range 2 { // nothing of one event is left for the next
		other := Open(&bellhop.Event{Body: []byte(`{"a":{"b":7}}`)}, needs, Budget{}, func() { released++ })
		if got, err := all[0].WantsView(other); got || err != nil || other.decodes != 1 {
			t.Errorf("another event: %v %v", got, err)
		}
		other.Close()
	}
	if released != 2 {
		t.Errorf("released %d times", released)
	}
}

// TestViewRemembersFailure: a body whose coding cannot be undone is not tried again for each expression.
func TestViewRemembersFailure(t *testing.T) {
	header := bellhop.NewHeader(http.Header{"Content-Encoding": {"gzip"}}, nil)
	all, needs := wheres(t, `data.a == 1`, `data.b == 1`)
	v := Open(&bellhop.Event{Header: header, Body: []byte("no gzip")}, needs, Budget{}, nil)
	defer v.Close()
	var first error
	for i := range all {
		got, err := all[i].WantsView(v)
		if got || err == nil {
			t.Errorf("%d: %v %v", i, got, err)
		}
		if i > 0 && errors.Unwrap(err) != first {
			t.Errorf("%d: tried again: %v", i, err)
		}
		first = errors.Unwrap(err)
	}
}

// TestViewEvaluatesOnce: the same text at several destinations takes the steps of one evaluation, failures included.
func TestViewEvaluatesOnce(t *testing.T) {
	ev := &bellhop.Event{Body: []byte(`{"list":[1,2,3,4,5]}`)}
	for _, text := range []string{`any(data.list, # == 7)`, `any(data.list, # > data.list)`} {
		all, needs := wheres(t, text, text, text)
		budget := NewBudget(len(ev.Body), needs.Wheres())
		v := Open(ev, needs, budget, nil)
		_, first := all[0].WantsView(v)
		rest := v.budget
		for _, m := range all[1:] {
			if got, err := m.WantsView(v); got || fmt.Sprint(err) != fmt.Sprint(first) {
				t.Errorf("%s: %v %v, want %v", text, got, err, first)
			}
		}
		if v.budget != rest {
			t.Errorf("%s: evaluated again", text)
		}
		v.Close()
	}
}

// TestSharedBudget: all expressions of a request together take at most the steps that it has, and none takes the share
// of another one.
func TestSharedBudget(t *testing.T) {
	const n, steps = 60, MaxSharedSteps / 8
	ev := &bellhop.Event{Body: []byte(`{"list":[` + strings.Repeat("0,", 10_000) + `0],"a":1}`)}
	var texts []string
	for i := range n {
		texts = append(texts, fmt.Sprintf(`any(data.list, any(data.list, # == -%d))`, i+1))
	}
	texts = append(texts, `data.a == 1 && any(1..50, # == 50)`)
	all, needs := wheres(t, texts...)
	budget := newBudget(steps, len(ev.Body), needs.Wheres())
	total := steps + len(ev.Body)
	v := Open(ev, needs, budget, nil)
	defer v.Close()
	shared := 0
	for i, m := range all[:n] {
		ok, err := m.WantsView(v)
		if ok || err == nil {
			t.Fatalf("%d: %v %v", i, ok, err)
		}
		if strings.Contains(err.Error(), errSharedTooMuch.Error()) {
			shared++
		}
	}
	if whole := n - shared; whole < steps/2/(MaxWhereSteps+len(ev.Body)) {
		t.Errorf("%d evaluations got all that one may use", whole)
	}
	if spent := total - (v.budget.rest + v.budget.share); spent > total || spent < total-MaxWhereSteps {
		t.Errorf("%d steps of %d are spent", spent, total)
	}
	if ok, err := all[n].WantsView(v); !ok || err != nil {
		t.Errorf("a cheap expression after costly ones: %v %v", ok, err)
	}
}

// TestSixtyDestinations: an expression that looks at each item of a body is decided for 60 destinations, also if each
// has another text. TestStressSixtyDestinations does the same with a body of 829 KB.
func TestSixtyDestinations(t *testing.T) { sixtyDestinations(t, 6_000) }

// sixtyDestinations is the body of TestSixtyDestinations for this number of items.
func sixtyDestinations(t *testing.T, items int) {
	ev := &bellhop.Event{Body: []byte(`{"l":[` + strings.Repeat(`{"a":"12345"},`, items-1) + `{"a":1}]}`)}
	var texts []string
	for i := range 60 {
		texts = append(texts, fmt.Sprintf(`any(data.l, #.a == -%d)`, i+1))
	}
	all, needs := wheres(t, texts...)
	budget := NewBudget(len(ev.Body), needs.Wheres())
	v := Open(ev, needs, budget, nil)
	defer v.Close()
	for i, m := range all {
		if ok, err := m.WantsView(v); ok || err != nil {
			t.Fatalf("%d: %v %v", i, ok, err)
		}
	}
	if v.decodes != 1 {
		t.Errorf("decoded %d times", v.decodes)
	}
}

// TestDecodedSize: a body whose values take too much memory fails the expression, unless it reads only some members.
func TestDecodedSize(t *testing.T) {
	body := []byte(`{"l":[` + strings.Repeat(`{"a":0},`, 999) + `{}],"b":1}`)
	if v, _, err := decodeWithin(300_000, body, nil); v != nil || err != errTooLarge {
		t.Errorf("whole: %v", err)
	}
	if v, _, err := decodeWithin(400_000, body, nil); v == nil || err != nil {
		t.Errorf("whole, in more room: %v", err)
	}
	v, _, err := decodeWithin(1000, body, members{"b": nil})
	if !reflect.DeepEqual(v, map[string]any{"b": 1}) || err != nil {
		t.Errorf("one member: %v %v", v, err)
	}
}

// TestMembers: members together cover each of them, and nothing changes the members they were made of.
func TestMembers(t *testing.T) {
	sets := []members{nil, {}, {"a": nil}, {"a": {"b": nil}}, {"a": {"c": {"d": nil}}}, {"b": nil},
		{"a": {}, "b": {"x": nil}}}
	for i, m := range sets {
		for j, other := range sets {
			before, otherBefore := maps.Clone(m), maps.Clone(other)
			both := m.with(other)
			if !both.cover(m) || !both.cover(other) {
				t.Errorf("%v and %v: %v", m, other, both)
			}
			if m.cover(other) != reflect.DeepEqual(both, m) && len(m) > 0 {
				t.Errorf("%v covers %v: %v, together %v", m, other, m.cover(other), both)
			}
			if !reflect.DeepEqual(m, before) || !reflect.DeepEqual(other, otherBefore) {
				t.Errorf("%d or %d changed", i, j)
			}
		}
	}
}

// TestContentEncoding: expressions read the body with its content encoding undone.
func TestContentEncoding(t *testing.T) {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(`{"foo":"bar"}`)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	ev := &bellhop.Event{Type: "a", Body: b.Bytes(), Header: bellhop.Header("Content-Encoding: gzip\n")}
	m, err := Compile(bellhop.Match{Where: `data.foo == "bar"`})
	if err != nil {
		t.Fatal(err)
	}
	if wants, err := m.Wants(ev); err != nil || !wants {
		t.Errorf("data: %t, %v", wants, err)
	}
	template, err := CompileTemplate("body")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := template.Render(ev); err != nil || got != `{"foo":"bar"}` {
		t.Errorf("body: %v, %v", got, err)
	}
	if Size(ev) != LargeBody || Size(&bellhop.Event{Body: []byte("{}")}) != 2 {
		t.Errorf("sizes %d and %d", Size(ev), Size(&bellhop.Event{Body: []byte("{}")}))
	}
	ev.Body = []byte(`{"foo":"bar"}`) // which no gzip made
	if wants, err := m.Wants(ev); err == nil || wants {
		t.Errorf("broken: %t, %v", wants, err)
	}
}
