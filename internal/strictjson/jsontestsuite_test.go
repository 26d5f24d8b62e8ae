package strictjson

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestJSONTestSuite reads the cases of JSONTestSuite as the value of a member and, if they are an object or an array,
// as a body. It refuses what the suite refuses and accepts what it accepts. Of the cases that are left to the reader,
// numbers of any size, lone surrogates and bytes that are not UTF-8 are accepted, since nothing is decoded; a byte
// order mark is skipped, and UTF-16 is refused.
func TestJSONTestSuite(t *testing.T) {
	file, err := os.ReadFile("testdata/jsontestsuite.txt")
	if err != nil {
		t.Fatal(err)
	}
	cases := 0
	for line := range strings.Lines(string(file)) {
		words := strings.SplitN(strings.TrimSuffix(line, "\n"), " ", 3)
		if strings.HasPrefix(line, "#") {
			continue
		}
		text, err := strconv.Unquote(words[2])
		if err != nil {
			t.Fatalf("%s: %v", words[0], err)
		}
		cases++
		name, want := words[0], words[1] == "accept"
		if got := isValue(text); got != want && !strings.HasPrefix(text, byteOrderMark) {
			t.Errorf("%s: as a value, accepted is %v", name, got)
		}
		if first := strings.TrimLeft(strings.TrimPrefix(text, byteOrderMark), " "); want && strings.Trim(first[:1],
			"{[") != "" {
			continue // neither an object nor an array
		}
		if got := isBody(text); got != want {
			t.Errorf("%s: as a body, accepted is %v", name, got)
		}
	}
	if cases < 250 {
		t.Errorf("%d cases", cases)
	}
	for name, text := range map[string]string{
		"n_structure_100000_opening_arrays":   strings.Repeat("[", 100_000),
		"n_structure_open_array_object":       strings.Repeat(`[{"":`, 50_000),
		"i_structure_500_nested_arrays":       strings.Repeat("[", 500) + strings.Repeat("]", 500),
		"nesting of our own, 100,000 objects": strings.Repeat(`{"":`, 100_000) + "1" + strings.Repeat("}", 100_000),
	} {
		want := !strings.HasPrefix(name, "n_")
		if isValue(text) != want || isBody(text) != want {
			t.Errorf("%s: accepted is %v", name, !want)
		}
	}
}

func isValue(text string) bool {
	_, err := Find([]byte(`{"value":`+text+`}`), "value")
	return err == nil
}

func isBody(text string) bool {
	return Object([]byte(text), func(_, _ []byte) {}) == nil || Array([]byte(text), func(int, []byte) {}) == nil
}
