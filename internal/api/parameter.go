package api

import (
	"errors"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/nearest"
	"github.com/danielgtaylor/huma/v2"
)

// checkQuery returns an error about a query of which the library would leave a part out: a parameter that cannot be
// read, or all values but the first one of a parameter. Without it a filter would be lost, and nobody told.
func checkQuery(query string) error {
	values, err := url.ParseQuery(query)
	if err != nil {
		return &bellhop.Error{Code: bellhop.CodeInvalid,
			Message: "the query cannot be read: write % as %25, and ; as %3B"}
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if len(values[name]) > 1 {
			errs = append(errs, bellhop.Invalid(name, "is there more than once; give it once, and several values of "+
				"a list separated by commas"))
		}
	}
	return bellhop.Join("", errs...)
}

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
