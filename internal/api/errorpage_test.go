package api

import (
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// rowsOf returns the cells of the rows of the table below a heading of docs/ERRORS.md, by the code in the first one.
func rowsOf(t *testing.T, heading string) map[string][]string {
	t.Helper()
	page, err := os.ReadFile("../../docs/ERRORS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(page), "\n## "+heading+"\n")
	if !ok {
		t.Fatalf("docs/ERRORS.md has no section %s", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	rows := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		code := strings.Trim(cells[0], "`")
		if len(cells) < 2 || code == cells[0] {
			continue // a line of text, or the head of the table
		}
		if rows[code] != nil {
			t.Errorf("%s: %s is there twice", heading, code)
		}
		rows[code] = cells[1:]
	}
	return rows
}

// wordsIn returns what the group of pattern matches in source files of the repository.
func wordsIn(t *testing.T, pattern string, files ...string) (words []string) {
	t.Helper()
	for _, file := range files {
		source, err := os.ReadFile("../../" + file)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(string(source), -1) {
			words = append(words, match[1])
		}
	}
	return words
}

// TestErrorPage: docs/ERRORS.md has each code of the API, with its status, and each reason and error that the gateway
// stores; and no other.
func TestErrorPage(t *testing.T) {
	for _, c := range []struct {
		heading string
		codes   []string
		fewest  int // so that a pattern that finds nothing does not pass
	}{
		{"Answers of the API", wordsIn(t, `(?m)^\tCode\w+ +Code = "(\w+)"`, "error.go"), 11},
		{"Refused requests at a source", slices.Concat(
			wordsIn(t, `(?m)^\t"(\w+)": +http\.Status`, "internal/ingest/refuse.go"),
			wordsIn(t, `&doorError\{"(\w+)"`, "internal/ingest/refuse.go"),
			wordsIn(t, `(?m)^\treason\w+ += "(\w+)"`, "internal/ingest/unknown.go"),
			wordsIn(t, `code, detail := "(\w+)"`, "internal/ingest/refuse.go")), 20},
		{"Attempts of deliveries", slices.Concat([]string{"status"},
			wordsIn(t, `(?m)^\tClass\w+ +Class = "(\w+)"`, "internal/egress/error.go"),
			wordsIn(t, `(?m)^\tError\w+ += "(\w+)"`, "internal/outbound/reply.go"),
			[]string{"action", "reply", "unfinished", "damaged"}), 23},
		{"Attempts of deliveries", bellhop.AttemptErrors, 23}, // by which lists are filtered
	} {
		want := slices.Compact(slices.Sorted(slices.Values(c.codes)))
		got := slices.Sorted(maps.Keys(rowsOf(t, c.heading)))
		if !slices.Equal(got, want) || len(want) < c.fewest {
			t.Errorf("%s:\n got %q\nwant %q", c.heading, got, want)
		}
	}
	for code, cells := range rowsOf(t, "Answers of the API") {
		if want := strconv.Itoa(StatusOf(bellhop.Code(code))); cells[0] != want || cells[1] == "" || cells[2] == "" {
			t.Errorf("%s: %q, want status %s, a meaning and a remedy", code, cells, want)
		}
		if status, _ := strconv.Atoi(cells[0]); codeOf(status) != bellhop.Code(code) {
			t.Errorf("status %s has the code %s, want %s", cells[0], codeOf(status), code)
		}
	}
	// The statuses of the door are in one map; those that it does not have are 503 or 404.
	statuses := map[string]string{"unknown_source": "404", "disabled": "404"}
	source := wordsIn(t, `(?m)^\t("\w+": +http\.Status\w+),`, "internal/ingest/refuse.go")
	for _, line := range source {
		code, name, _ := strings.Cut(line, ":")
		statuses[strings.Trim(code, `"`)] = doorStatuses[strings.TrimPrefix(strings.TrimSpace(name), "http.Status")]
	}
	for code, cells := range rowsOf(t, "Refused requests at a source") {
		want, ok := statuses[code]
		if !ok {
			want = "503"
		}
		if cells[0] != want {
			t.Errorf("%s: status %s, want %s", code, cells[0], want)
		}
	}
}

// doorStatuses are the statuses that the door answers by their names in package net/http.
var doorStatuses = map[string]string{"BadRequest": "400", "Unauthorized": "401", "Forbidden": "403",
	"MethodNotAllowed": "405", "RequestTimeout": "408", "RequestEntityTooLarge": "413", "UnsupportedMediaType": "415",
	"TooManyRequests": "429", "LoopDetected": "508"}
