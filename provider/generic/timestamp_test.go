package generic_test

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider/generic"
)

// timestamps are what each format takes and does not.
var timestamps = []struct {
	format, text string
	good         bool
}{
	{"seconds", "0", true}, {"seconds", "1795338000", true}, {"seconds", "99999999999", true},
	{"seconds", "", false}, {"seconds", "01", false}, {"seconds", "-1", false}, {"seconds", "+1", false}, {"seconds", "1.5", false}, {"seconds", "1e3", false},
	{"seconds", "100000000000", false}, {"seconds", "1_000", false}, {"seconds", "0x10", false}, {"seconds", " 1", false}, {"seconds", "１", false},
	{"milliseconds", "1795338000123", true}, {"milliseconds", "99999999999999", true}, {"milliseconds", "100000000000000", false}, {"milliseconds", "01795338000123", false},
	{"rfc3339", "2026-11-22T09:00:00Z", true}, {"rfc3339", "2026-11-22T09:00:00.5Z", true}, {"rfc3339", "2026-11-22T09:00:00.123456789Z", true},
	{"rfc3339", "2026-11-22T09:00:00.1234567891Z", false}, {"rfc3339", "2026-11-22T09:00:00.Z", false}, {"rfc3339", "2026-11-22T09:00:00,5Z", false},
	{"rfc3339", "2026-11-22T9:00:00Z", false}, {"rfc3339", "2026-11-22t09:00:00Z", false}, {"rfc3339", "2026-11-22T09:00:00z", false}, {"rfc3339", "2026-11-22 09:00:00Z", false},
	{"rfc3339", "2026-11-22T09:00:00+00:00", false}, {"rfc3339", "2026-11-22T10:00:00+01:00", false}, {"rfc3339", "2026-11-22T09:00:00", false}, {"rfc3339", "2026-13-22T09:00:00Z", false},
	{"rfc3339", "2026-02-30T09:00:00Z", false}, {"rfc3339", "1795338000", false}, {"rfc3339", "", false}, {"rfc3339", "2026-11-22T09:00:00Z\n", false}, {"rfc3339", "0001-01-01T00:00:00Z", false},
}

func TestTimestampFormats(t *testing.T) {
	for _, c := range timestamps {
		if _, err := generic.ParseTimestamp(c.format, c.text); (err == nil) != c.good {
			t.Errorf("%s %q: %v", c.format, c.text, err)
		}
	}
}

// What is read is written the same again, but for zeros behind the point: each time has one text, so that nothing can
// be moved into it or out of it.
func FuzzTimestamp(f *testing.F) {
	for _, c := range timestamps {
		f.Add(c.format, c.text)
	}
	f.Add("rfc3339", "2000-01-01T00:00:00.0Z")
	f.Fuzz(func(t *testing.T, format, text string) {
		again, err := generic.ParseTimestamp(format, text)
		if err != nil {
			return
		}
		if format == "rfc3339" && strings.Contains(text, ".") {
			text = strings.TrimSuffix(strings.TrimRight(strings.TrimSuffix(text, "Z"), "0"), ".") + "Z"
		}
		if text != again {
			t.Errorf("%s %q is written as %q", format, text, again)
		}
	})
}

// FuzzForm: whatever the body is, what is signed of a form says the same of each order of its parameters.
func FuzzForm(f *testing.F) {
	for _, form := range []string{"", "a=1&b=2", "b=2&a=1", "a=1&a=1&a=0", "a=%zz", "a=%2B+b", "&&=&", strings.Repeat("a&", 1001)} {
		f.Add(form)
	}
	f.Fuzz(func(t *testing.T, form string) {
		req := post(form, "Content-Type", "application/x-www-form-urlencoded")
		text := generic.FormParams(req)
		req.Body = turned(req.Body)
		if again := generic.FormParams(req); text != again {
			t.Errorf("%q is signed as %q, and as %q in another order", form, text, again)
		}
	})
}
