package main

import (
	"bytes"
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
		0: "now", 900 * time.Millisecond: "now", time.Second: "1s ago", 59 * time.Second: "59s ago", time.Minute: "1m ago",
		90 * time.Minute: "1h ago", 47 * time.Hour: "1d ago", 900 * time.Hour: "37d ago", -5 * time.Minute: "in 5m",
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
