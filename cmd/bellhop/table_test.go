package main

import (
	"bytes"
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

// A thing is the item of the tables below.
type thing struct {
	id, words string
	at        time.Time
}

var thingColumns = []column[thing]{
	{title: "ID", cell: func(x thing) string { return x.id }},
	{title: "AT", at: func(x thing) time.Time { return x.at }},
	{title: "WORDS", cell: func(x thing) string { return x.words }},
}

// printThings returns the table of two things on a terminal of that width; 0 is none.
func printThings(t *testing.T, width int) string {
	t.Helper()
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	things := []thing{
		{"evt_01h455vb4pex5vsknk08", "one two three four five six seven eight nine ten", now.Add(-150 * time.Second)},
		{"evt_01h455vb4pex5vsknk09", "", now.Add(3 * time.Hour)},
	}
	var out bytes.Buffer
	e := &env{stdout: &out, width: func() int { return width }, now: func() time.Time { return now }}
	err := printTable(e, things, thingColumns)
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestTable: a table is whole without a terminal; on one it fits its width, and no word is lost.
func TestTable(t *testing.T) {
	for width, want := range map[int]string{
		0: `ID                        AT                        WORDS
evt_01h455vb4pex5vsknk08  2026-11-22T09:57:30.000Z  one two three four five six seven eight nine ten
evt_01h455vb4pex5vsknk09  2026-11-22T13:00:00.000Z
`,
		60: `ID                        AT      WORDS
evt_01h455vb4pex5vsknk08  2m ago  one two three four five
                                  six seven eight nine ten
evt_01h455vb4pex5vsknk09  in 3h
`,
		32: `ID     evt_01h455vb4pex5vsknk08
AT     2m ago
WORDS  one two three four five
       six seven eight nine ten

ID  evt_01h455vb4pex5vsknk09
AT  in 3h
`,
	} {
		if got := printThings(t, width); got != want {
			t.Errorf("width %d: got\n%swant\n%s", width, got, want)
		}
	}
	for width := 34; width < 120; width++ {
		for line := range strings.Lines(printThings(t, width)) {
			if utf8.RuneCountInString(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("width %d: %q", width, line)
			}
		}
	}
}

func TestAge(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for d, want := range map[time.Duration]string{
		0: "now", 900 * time.Millisecond: "now", time.Second: "1s ago", 59 * time.Second: "59s ago",
		time.Minute: "1m ago", 90 * time.Minute: "1h ago", 47 * time.Hour: "1d ago", 900 * time.Hour: "37d ago",
		-5 * time.Minute: "in 5m",
	} {
		if got := age(now.Add(-d), now); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
	}
	if got := age(time.Time{}, now); got != "" {
		t.Error(got)
	}
}

// TestFieldsOnATerminal: a time has its age beside it.
func TestFieldsOnATerminal(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	var out bytes.Buffer
	e := &env{stdout: &out, width: func() int { return 80 }, now: func() time.Time { return now }}
	err := printFields(e, []field{{"id", "src_1"}, {"none", ""}, {"created at", moment(now.Add(-time.Hour))}})
	want := "id          src_1\ncreated at  2026-11-22T09:00:00.000Z (1h ago)\n"
	if err != nil || out.String() != want {
		t.Errorf("%v\n%s", err, out.String())
	}
}

// A call is the item of the list below.
type call struct{ id, name, state, url, reason string }

var callList = []column[call]{
	{title: "ID", cell: func(c call) string { return c.id }},
	{title: "NAME", cell: func(c call) string { return c.name }},
	{title: "STATE", cell: func(c call) string { return c.state }},
	{title: "URL", cell: func(c call) string { return c.url }},
	{title: "REASON", cell: func(c call) string { return c.reason }},
	{title: "FROM", cell: func(c call) string { return "127.0.0.1" }, wide: true},
}

// printCalls returns the list of two calls on a terminal of that width; 0 is none.
func printCalls(t *testing.T, width int, f format, variables map[string]string) string {
	t.Helper()
	calls := []call{
		{"dst_1", "billing", "active", "https://billing.example.com/hooks/of/a/customer", ""},
		{"dst_2", "archive-日本", "disabled, held back", "http://x", "one two three four five six seven eight " +
			"nine ten eleven twelve thirteen \x1b[31mfourteen fifteen sixteen seventeen"},
	}
	var out bytes.Buffer
	getenv := func(name string) string { return variables[name] }
	e := &env{stdout: &out, width: func() int { return width }, format: f, getenv: getenv}
	err := printList(e, calls, callList)
	if err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// TestList: a list is whole without a terminal. On one it is a table as long as it can be, and what does not fit ends
// in an ellipsis.
func TestList(t *testing.T) {
	for _, c := range []struct {
		name   string
		width  int
		format format
	}{
		{"pipe", 0, ""}, {"200", 200, ""}, {"80", 80, ""}, {"56", 56, ""}, {"30", 30, ""}, {"80_wide", 80, formatWide},
	} {
		got := printCalls(t, c.width, c.format, map[string]string{"NO_COLOR": "1"})
		golden(t, "testdata/list/"+c.name+".txt", got)
	}
	for width := 30; width < 300; width++ {
		for line := range strings.Lines(printCalls(t, width, "", map[string]string{"TERM": "dumb"})) {
			if displayWidth(strings.TrimSuffix(line, "\n")) > max(width, 55) { // a list of fields does not cut a URL
				t.Errorf("width %d: %q", width, line)
			}
		}
	}
}

// golden compares got with a file, which -update rewrites.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		err := os.WriteFile(path, []byte(got), 0o600)
		if err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", path, got, want)
	}
}

// TestColours: states have colours on a terminal only, and never with NO_COLOR or on a dumb terminal. A control
// sequence in a text stays escaped.
func TestColours(t *testing.T) {
	got := printCalls(t, 200, "", map[string]string{"TERM": "xterm"})
	if !strings.Contains(got, "  \x1b[32mactive\x1b[0m  ") ||
		!strings.Contains(got, "\x1b[33mdisabled, held back\x1b[0m ") ||
		strings.Count(got, "\x1b") != 4 || !strings.Contains(got, `\x1b[31mfourteen`) {
		t.Errorf("%q", got)
	}
	plain := printCalls(t, 200, "", map[string]string{"NO_COLOR": "1"})
	uncoloured := strings.NewReplacer("\x1b[32m", "", "\x1b[33m", "", "\x1b[0m", "").Replace(got)
	if plain != uncoloured {
		t.Errorf("colours change the layout:\n%s\n%s", plain, uncoloured)
	}
	for _, none := range []string{
		printCalls(t, 0, "", nil), printCalls(t, 200, "", map[string]string{"TERM": "dumb"}), plain,
	} {
		if strings.Contains(none, "\x1b") {
			t.Errorf("%q", none)
		}
	}
}
