package bellhop

import (
	"slices"
	"testing"
)

// TestCheckError: the words that choose attempts by their errors, and those that do not.
func TestCheckError(t *testing.T) {
	t.Parallel()
	for _, text := range slices.Concat(AttemptErrors, []string{"", "any", "200", "404", "599", "4xx", "5xx", "exit"}) {
		if err := CheckError(text, []string{"exit"}); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"Timeout", "timeou", "5XX", "600", "1xx", "42", "4x", "status:429",
		"status:5xx", "exit", "4xx ", "-1", "*"} {
		err := CheckError(text, nil)
		if err == nil || err.(*Error).Fields[0].Path != "error" {
			t.Errorf("%q: %v", text, err)
		}
	}
	if err := CheckError("status:429", nil); err.(*Error).Fields[0].Message != "write the status alone: 429" {
		t.Errorf("%v", err)
	}
}

// TestErrorStatuses: a status is one, a class is a hundred, and codes are none.
func TestErrorStatuses(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][2]int{"404": {404, 405}, "4xx": {400, 500}, "599": {599, 600}, "timeout": {},
		"any": {}, "": {}} {
		from, below, ok := ErrorStatuses(text)
		if from != want[0] || below != want[1] || ok != (want[0] > 0) {
			t.Errorf("%q: %d %d %v", text, from, below, ok)
		}
	}
}
