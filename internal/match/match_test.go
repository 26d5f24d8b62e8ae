package match_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/match"
)

// finishedEvent returns the event that most of these tests match.
func finishedEvent() bellhop.Event {
	return bellhop.Event{
		ID: "evt_1", SourceID: "src_media1", Source: "media", Type: "ams.JobStateChange", Subject: "job/42",
		Time:   time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC),
		Header: bellhop.Header("Content-Type: application/json\nX-Region: north\nX-Region: south\n"),
		Body: []byte(`{"Properties":{"NewState":"Finished","JobId":9007199254740993},"tags":["a","b"],"nothing":null,
			"tasks":[{"name":"encode","outputs":[{"id":1},{"id":2}]},{"name":"thumbs","outputs":[]}]}`),
	}
}

func compile(t testing.TB, m bellhop.Match) *match.Matcher {
	t.Helper()
	c, err := match.Compile(m)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestMatchSourcesAndTypes(t *testing.T) {
	for _, c := range []struct {
		name  string
		match bellhop.Match
		want  bool
	}{
		{"zero match", bellhop.Match{}, true},
		{"source by name", bellhop.Match{Sources: []string{"other", "media"}}, true},
		{"source by id", bellhop.Match{Sources: []string{"src_media1"}}, true},
		{"another source", bellhop.Match{Sources: []string{"medi", "media2", "src_media"}}, false},
		{"no wildcard in sources", bellhop.Match{Sources: []string{"*"}}, false},
		{"whole type", bellhop.Match{Types: []string{"ams.JobStateChange"}}, true},
		{"type in another case", bellhop.Match{Types: []string{"ams.jobstatechange"}}, false},
		{"part of the type", bellhop.Match{Types: []string{"ams.Job"}}, false},
		{"prefix of types", bellhop.Match{Types: []string{"graph.*", "ams.*"}}, true},
		{"prefix that is the whole type", bellhop.Match{Types: []string{"ams.JobStateChange*"}}, true},
		{"prefix ends within a word", bellhop.Match{Types: []string{"ams.Job*"}}, true},
		{"another prefix", bellhop.Match{Types: []string{"amsx.*"}}, false},
		{"every type", bellhop.Match{Types: []string{"*"}}, true},
		{"one entry of each list holds", bellhop.Match{Types: []string{"x", "ams.*"}, Sources: []string{"x", "media"}},
			true},
		{"sources do not hold", bellhop.Match{Types: []string{"ams.*"}, Sources: []string{"other"}}, false},
		{"where does not hold", bellhop.Match{Types: []string{"ams.*"}, Where: "subject == 'job/43'"}, false},
		{"blank where", bellhop.Match{Where: " \n"}, true},
	} {
		ev := finishedEvent()
		if got, err := compile(t, c.match).Wants(&ev); got != c.want || err != nil {
			t.Errorf("%s: %v %v", c.name, got, err)
		}
	}
}

func TestMatchWhere(t *testing.T) {
	for where, want := range map[string]bool{
		`data.Properties.NewState == 'Finished'`:             true,
		`data.Properties.NewState in ['Error', 'Cancelled']`: false,
		`data.nothing`:                                                    false,
		`data.nothing == nil`:                                             true,
		`data.absent == nil`:                                              true,
		`data.absent?.deeper == nil`:                                      true,
		`data.tags == ['a', 'b'] && len(data.tags) == 2`:                  true,
		`"b" in data.tags and not ("c" in data.tags)`:                     true,
		`any(data.tasks, .name == 'thumbs' && len(.outputs) == 0)`:        true,
		`any(data.tasks, any(.outputs, .id == 2))`:                        true,
		`all(data.tasks, len(.name) > 10)`:                                false,
		`count(data.tasks, .name contains 'e') == 1`:                      true,
		`type == 'ams.JobStateChange'`:                                    true,
		`type startsWith 'ams.' && subject matches '^job/[0-9]+$'`:        true,
		`upper(subject) + '!' == 'JOB/42!'`:                               true,
		`source == 'media' && source != 'src_media1'`:                     true,
		`headers['Content-Type'] == 'application/json'`:                   true,
		`headers['X-Region'] == 'north'`:                                  true,  // the first value
		`headers['x-region'] == 'north'`:                                  false, // canonical names only
		`headers['X-Absent'] == ''`:                                       true,
		`time == date('2026-11-22T10:00:00Z')`:                            true,
		`time.Hour() >= 8 && time.Hour() < 18`:                            true,
		`let p = data.Properties; p.NewState == 'Finished'`:               true,
		`data.Properties.NewState == 'Finished' ? true : false`:           true,
		`map(data.tags, # + #) == ['aa', 'bb'] && 1 + 1 == 2`:             true,
		`reduce(data.tags, #acc + #, "") == "ab" && toJSON(1.5) == "1.5"`: true,
	} {
		ev := finishedEvent()
		if got, err := compile(t, bellhop.Match{Where: where}).Wants(&ev); got != want || err != nil {
			t.Errorf("%s: %v %v", where, got, err)
		}
	}
}

// TestMatchWithoutTime: for an event without a time of the provider, time is the time at which it was received.
func TestMatchWithoutTime(t *testing.T) {
	ev := finishedEvent()
	ev.Time, ev.ReceivedAt = time.Time{}, time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	if ok, err := compile(t, bellhop.Match{Where: "time.Year() == 2026 && time.Day() == 2"}).Wants(&ev); !ok ||
		err != nil {
		t.Errorf("%v %v", ok, err)
	}
}

// TestMatchBodies: data is nil for a body that is not JSON; whole numbers of a JSON body stay exact.
func TestMatchBodies(t *testing.T) {
	for _, c := range []struct {
		body, where string
		want        bool
	}{
		{"", `data == nil`, true},
		{"hello", `data == nil`, true},
		{"hello", `subject == 'job/42'`, true},
		{"\x00\xff\xfe", `data == nil`, true},
		{`null`, `data == nil`, true},
		{`"text"`, `data == 'text'`, true},
		{`7`, `data == 7`, true},
		{` true `, `data`, true},
		{`[1,2]`, `data[1] == 2`, true},
		{`{"a":1} `, `data.a == 1`, true},
		{`{"a":1}{"a":1}`, `data == nil`, true},
		{`{"a":1}}`, `data == nil`, true},
		{`[1]]`, `data == nil`, true},
		{`{"a":1`, `data == nil`, true},
		{`{'a':1}`, `data == nil`, true},
		{"\ufeff{\"a\":1}", `data.a == 1`, true},
		{"\ufeff\ufeff{}", `data == nil`, true},
		{" \ufeff{}", `data == nil`, true},
		{"\ufeff", `data == nil`, true},
		{"\xff\xfe{\x00}\x00", `data == nil`, true}, // UTF-16 is not JSON
		{`NaN`, `data == nil`, true},
		{`{"n":9007199254740993}`, `data.n == 9007199254740993`, true},
		{`{"n":9007199254740993}`, `data.n == 9007199254740992`, false},
		{`{"n":9007199254740993}`, `data.n in [9007199254740992]`, false},
		{`{"n":9223372036854775807}`, `data.n > 9223372036854775806`, true},
		{`{"n":-9223372036854775808}`, `data.n < 0`, true},
		{`{"n":18446744073709551616}`, `data.n > 9223372036854775807`, true}, // larger numbers are approximate
		{`{"n":1.5e3}`, `data.n == 1500`, true},
		{`{"n":1.0}`, `data.n == 1`, true},
		{`{"n":1e400}`, `data.n > 1`, true},
		{`{"n":-0}`, `data.n == 0`, true},
		{`{"a":1,"a":2}`, `data.a == 2`, true},
		{`{"A":1}`, `data.a == nil`, true},
		{`{"a b":1,"":2}`, `data["a b"] == 1 && data[""] == 2`, true},
		{`"\ud800"`, `len(data) == 1`, true},
		{strings.Repeat("[", 9999) + strings.Repeat("]", 9999), `len(data) == 1`, true},
		{strings.Repeat("[", 10001) + strings.Repeat("]", 10001), `data == nil`, true},
		{strings.Repeat(`{"a":`, 5000) + "1" + strings.Repeat("}", 5000), `data.a.a.a != nil`, true},
		{"[" + strings.Repeat("0,", 1<<19-1) + "1]", `any(data, # == 1)`, true}, // as many items as fit into 1 MiB
	} {
		ev := finishedEvent()
		ev.Body = []byte(c.body)
		if got, err := compile(t, bellhop.Match{Where: c.where}).Wants(&ev); got != c.want || err != nil {
			t.Errorf("%.60s: %s: %v %v", c.body, c.where, got, err)
		}
	}
}

// TestMatchFails: an event for which where fails does not match, and the error is one line with the reason.
func TestMatchFails(t *testing.T) {
	for where, why := range map[string]string{
		`data.absent.deeper == 1`:          "cannot fetch deeper from <nil>",
		`data.tags.first == 'a'`:           "invalid operation: int(string)",
		`data.Properties.NewState > 5`:     "invalid operation: string > int",
		`data.Properties`:                  "map[string]interface {}",
		`data.tags[7] == 'a'`:              "out of range",
		`all(data.tags, #)`:                "not bool",
		`subject matches data.tags[0]+'('`: "missing closing )",
		`int(subject) > 1`:                 "invalid operation: int(",
		`date(subject) > time`:             "invalid date",
	} {
		ev := finishedEvent()
		ok, err := compile(t, bellhop.Match{Where: where}).Wants(&ev)
		switch {
		case ok:
			t.Errorf("%s: matches", where)
		case err == nil:
			t.Errorf("%s: no error", where)
		case !strings.HasPrefix(err.Error(), "where: ") || !strings.Contains(err.Error(), why) ||
			strings.Contains(err.Error(), "\n"):
			t.Errorf("%s: %v", where, err)
		}
	}
}

// TestMatchIsBounded: an expression that loops too often, or makes values that are too large, fails soon.
func TestMatchIsBounded(t *testing.T) {
	ev := finishedEvent()
	text := strings.Repeat("x", 50_000)
	ev.Body = fmt.Appendf(nil, `{"list":[%s0],"text":%q}`, strings.Repeat("0,", 20_000), text)
	doubling := "let a0 = data.text; "
	for i := range 60 {
		doubling += fmt.Sprintf("let a%d = a%d + a%d; ", i+1, i, i)
	}
	lists := "let a0 = [1]; let b0 = [1]; "
	for i := range 60 {
		lists += fmt.Sprintf("let a%d = [a%d, a%d]; let b%d = [b%d, b%d]; ", i+1, i, i, i+1, i, i)
	}
	for _, where := range []string{
		`any(1..1000000000, # == -1)`,
		`any(1..1000, any(1..1000, any(1..1000, # == -1)))`,
		`any(data.list, any(data.list, any(data.list, # == 1)))`,
		`len(filter(data.list, any(data.list, # == 1))) > 0`,
		`any(data.list, 7 in data.list)`,
		`any(data.list, data.text contains "y")`,
		`any(data.list, data.text matches "(x+x+)+y")`,
		`any(data.list, indexOf(data.text, "y") > 0)`,
		`any(data.list, len(split(data.text, "")) == 1)`,
		`len(map(data.list, data.text + "x")) == 1`,
		`len(map(data.list, upper(data.text))) == 1`,
		`len(map(data.list, toJSON(data.text))) == 1`,
		`reduce(data.list, #acc + "xxxxxxxxxxxxxxxx", "") == ""`,
		`any(data.list, data.text matches data.text + "y")`,
		`any(data.list, data.text matches "((xx?){500})y")`,
		`any(data.list, time.Format(data.text) == "")`,
		doubling + `len(a60) == 1`,
		lists + `len(toJSON(a60)) == 1`,
		lists + `len(string(a60)) == 1`,
		lists + `len(flatten(a60)) == 1`,
		lists + `max(a60) == 7`,
		lists + `a60 == b60`,
		lists + `a60 in [b60]`,
	} {
		m := compile(t, bellhop.Match{Where: where})
		start := time.Now()
		ok, err := m.Wants(&ev)
		if ok || err == nil {
			t.Errorf("%.60s: %v %v", where, ok, err)
		}
		// Without a bound it takes hours. Even a busy machine needs only a few seconds with it.
		if took := time.Since(start); took > time.Minute {
			t.Errorf("%.60s: took %v", where, took)
		}
	}
}

// TestMatcherIsConcurrent: concurrent evaluations of one matcher do not affect one another.
func TestMatcherIsConcurrent(t *testing.T) {
	m := compile(t, bellhop.Match{Where: `any(data, # == 1) && upper(subject) + "" == "A"`})
	for i := range 4 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			ev := bellhop.Event{Subject: "a", Body: fmt.Appendf(nil, "[0,%d]", i%2)}
			for range 1000 {
				if ok, err := m.Wants(&ev); ok != (i%2 == 1) || err != nil {
					t.Fatal(ok, err)
				}
			}
		})
	}
}

// TestOnlyTheGatewayIsTheGateway: types that begin with bellhop. select the gateway's own events, and no event of
// another source that has such a type. That event is selected like any other by the other matches.
func TestOnlyTheGatewayIsTheGateway(t *testing.T) {
	own := bellhop.Event{SourceID: bellhop.SourceSelfID, Source: bellhop.SourceSelf,
		Type: bellhop.TypeDestinationDisabled}
	forged := bellhop.Event{SourceID: "src_1", Source: "open", Type: bellhop.TypeDestinationDisabled}
	for _, c := range []struct {
		match       bellhop.Match
		own, forged bool
	}{
		{bellhop.Match{Types: []string{"bellhop.*"}}, true, false},
		{bellhop.Match{Types: []string{bellhop.TypeDestinationDisabled}}, true, false},
		{bellhop.Match{Types: []string{"bellhop.destination.*", "media.*"}}, true, false},
		{bellhop.Match{Types: []string{"bellhop.*"}, Sources: []string{"open"}}, false, false},
		{bellhop.Match{Types: []string{"bellhop.*", "*"}}, true, true},
		{bellhop.Match{Sources: []string{"bellhop"}}, true, false},
		{bellhop.Match{Types: []string{"*"}}, false, true},
		{bellhop.Match{}, false, true},
	} {
		m, err := match.Compile(c.match)
		if err != nil {
			t.Fatal(err)
		}
		for ev, want := range map[*bellhop.Event]bool{&own: c.own, &forged: c.forged} {
			got, err := m.Wants(ev)
			if got != want || err != nil {
				t.Errorf("%+v of %s: %v %v, want %v", c.match, ev.Source, got, err, want)
			}
			if why, _ := m.Explain(ev); (why == "") != want {
				t.Errorf("%+v of %s: explained as %q", c.match, ev.Source, why)
			}
		}
	}
}
