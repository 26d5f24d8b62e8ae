package boro

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Bounds of custom headers.
const (
	maxHeaders     = 32
	maxHeaderValue = 4 << 10 // bytes
)

// ownHeaders are those that sign or date a notification, in lower case.
var ownHeaders = []string{"authorization", "date", "x-authorization-content-sha256", "content-sha256"}

// readHeaders checks a profile's custom headers and returns all that do not depend on the notification.
func readHeaders(custom map[string]string) (http.Header, error) {
	h := http.Header{"Content-Type": {"application/json"}}
	if len(custom) > maxHeaders {
		return nil, bellhop.Invalid("headers", fmt.Sprintf("has %d headers; at most %d", len(custom), maxHeaders))
	}
	var errs []error
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(custom)) {
		value := strings.Trim(custom[name], " \t")
		canonical := http.CanonicalHeaderKey(name)
		if reason := unfit(canonical, value); reason != "" {
			errs = append(errs, bellhop.Invalid("headers", reason))
			continue
		}
		if seen[canonical] {
			errs = append(errs, bellhop.Invalid("headers."+canonical, "is there twice, in different cases"))
		}
		seen[canonical] = true
		h.Set(canonical, value)
	}
	return h, bellhop.Join("", errs...)
}

// unfit returns why a custom header cannot be sent; "" if it can.
func unfit(name, value string) string {
	switch {
	case len(name) > 100 || !provider.HeaderName(name):
		return "a header name consists of up to 100 letters, digits and !#$%&'*+-.^_`|~"
	case bellhop.ReservedHeader(name) || slices.Contains(ownHeaders, strings.ToLower(name)):
		return name + " is reserved: Bellhop sets it, or it must not be sent; choose another name"
	case value == "" || len(value) > maxHeaderValue || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' && r != '\t' || r > '~' }):
		return "the value of " + name + " is to be 1 to 4096 printable ASCII characters"
	case name == "Content-Type" && strings.Contains(value, ","):
		return "a Content-Type with a comma cannot be signed"
	}
	return ""
}
