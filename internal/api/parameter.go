package api

import (
	"errors"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/nearest"
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
		near := nearest.Word(strings.TrimPrefix(detail.Location, "query."), known)
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
