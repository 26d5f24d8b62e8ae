package api

import (
	"errors"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// unknownParameter is the library's message about a query parameter that an operation does not have.
const unknownParameter = "unknown query parameter"

// nameParameters puts into each error about an unknown query parameter which one of the operation was meant, or which
// ones it has.
func nameParameters(o *huma.Operation, errs []error) {
	if o == nil {
		return
	}
	var known []string
	for _, p := range o.Parameters {
		if p.In == "query" {
			known = append(known, p.Name)
		}
	}
	slices.Sort(known)
	for _, err := range errs {
		var d huma.ErrorDetailer
		if !errors.As(err, &d) || d.ErrorDetail().Message != unknownParameter {
			continue
		}
		detail := d.ErrorDetail()
		near := nearest(strings.TrimPrefix(detail.Location, "query."), known)
		switch {
		case len(known) == 0:
			detail.Message = "no such parameter: this operation has none"
		case near != "":
			detail.Message = "no such parameter; did you mean " + near + "?"
		default:
			detail.Message = "no such parameter; there are " + strings.Join(known, ", ")
		}
	}
}

// nearest returns the one of names that needs the fewest changes of a letter to become word; "" if each needs more than
// a third of its letters changed, and more than one.
func nearest(word string, names []string) string {
	best, fewest := "", 1<<30
	for _, name := range names {
		changes := distance(word, name)
		if changes < fewest && (changes <= 1 || 3*changes <= len(name)) {
			best, fewest = name, changes
		}
	}
	return best
}

// distance returns how many letters have to be inserted, deleted or replaced to make b of a. It looks at the first 64
// bytes of each.
func distance(a, b string) int {
	a, b = a[:min(len(a), 64)], b[:min(len(b), 64)]
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			replaced := diagonal
			if a[i] != b[j] {
				replaced++
			}
			diagonal = row[j+1]
			row[j+1] = min(replaced, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
