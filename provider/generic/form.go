package generic

import (
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The places of the setting header_form.
const (
	formTime      = "{timestamp}"
	formSignature = "{signature}"
)

// A headerForm describes a header that holds both the time and the signatures, as named parts: "ts=1;h1=ab;h1=cd". The
// zero headerForm describes a header that holds signatures alone.
type headerForm struct {
	separator     string // between the parts
	timeName      string // "ts"
	signatureName string // "h1"
	timeFirst     bool   // in the headers that are sent
}

func (f headerForm) isSet() bool { return f.timeName != "" }

// formSeparators are the separators of parts, longer ones first.
var formSeparators = []string{", ", "; ", ",", ";", " "}

// parseForm reads the setting header_form: two parts NAME={timestamp} and NAME={signature}, in either order, and the
// separator between them. "" is the zero headerForm.
func parseHeaderForm(text string) (headerForm, error) {
	if text == "" {
		return headerForm{}, nil
	}
	for _, separator := range formSeparators {
		first, second, ok := strings.Cut(text, separator)
		if !ok {
			continue
		}
		f := headerForm{separator: separator, timeFirst: strings.HasSuffix(first, "="+formTime)}
		if !f.timeFirst {
			first, second = second, first
		}
		f.timeName = strings.TrimSuffix(first, "="+formTime)
		f.signatureName = strings.TrimSuffix(second, "="+formSignature)
		if partName(f.timeName) && partName(f.signatureName) && f.timeName != f.signatureName {
			return f, nil
		}
	}
	return headerForm{}, bellhop.Invalid("header_form", "use two parts, {timestamp} and {signature} after their "+
		"names, with a comma, a semicolon or a blank between them, such as t={timestamp},v1={signature}")
}

func partName(text string) bool { return text != "" && provider.Alphanumeric(text, "-_") }

// read returns the time and the signatures in a header. It ignores parts with other names, such as signatures of
// another version. The error is signature.ErrMissing without a time or without a signature, and ErrMalformed if there
// are two times, too many signatures, or a part that is not NAME=VALUE.
func (f headerForm) read(value string) (timestamp string, signatures []string, err error) {
	times := 0
	for part := range strings.SplitSeq(value, f.separator) {
		name, text, ok := strings.Cut(part, "=")
		if !ok || strings.Contains(strings.TrimRight(text, "="), "=") {
			return "", nil, fmt.Errorf("%w: not parts of the form name=value", signature.ErrMalformed)
		}
		switch name {
		case f.timeName:
			timestamp = text
			times++
		case f.signatureName:
			signatures = append(signatures, text)
		}
		if times > 1 || len(signatures) > maxSignatures {
			return "", nil, fmt.Errorf("%w: two times, or more than %d signatures", signature.ErrMalformed,
				maxSignatures)
		}
	}
	if timestamp == "" || len(signatures) == 0 || slices.Contains(signatures, "") {
		return "", nil, fmt.Errorf("%w: no %s, or no %s", signature.ErrMissing, f.timeName, f.signatureName)
	}
	return timestamp, signatures, nil
}

// write returns the header that read reads.
func (f headerForm) write(timestamp, signature string) string {
	first, second := f.timeName+"="+timestamp, f.signatureName+"="+signature
	if !f.timeFirst {
		first, second = second, first
	}
	return first + f.separator + second
}
