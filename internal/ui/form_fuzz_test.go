package ui

import (
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
)

// FuzzProfileHeaders: rows of headers are kept as they were typed, without the blanks around them; each that is no
// header has an error, and what is sent to the API has each name once, with its value.
func FuzzProfileHeaders(f *testing.F) {
	f.Add("X-Site", "north", "x-site", "south")
	f.Add("", "north", "X-A", "")
	f.Add(" X-A ", "a: b\r\nc", "\x00", "\u202e")
	f.Fuzz(func(t *testing.T, name1, value1, name2, value2 string) {
		posted := url.Values{}
		typed := [][2]string{{strings.TrimSpace(name1), strings.TrimSpace(value1)}, {strings.TrimSpace(name2),
			strings.TrimSpace(value2)}}
		for i, row := range typed {
			posted.Set("header-name-"+strconv.Itoa(2*i+1), row[0])
			posted.Set("header-value-"+strconv.Itoa(2*i+1), row[1])
		}
		p := profileForm{Signing: true}
		p.readHeaders(posted)
		kept := 0
		for _, row := range typed {
			if row != [2]string{} {
				if string(p.Headers[kept].Name) != row[0] || string(p.Headers[kept].Value) != row[1] {
					t.Errorf("row %d is %+v, and %q was typed", kept, p.Headers[kept], row)
				}
				kept++
			}
		}
		if len(p.Headers) != kept+freeRows {
			t.Errorf("%d rows of %d", len(p.Headers), kept)
		}
		settings := map[string]any{}
		p.readHeaderChanges(settings)
		headers, _ := settings["headers"].(map[string]any)
		if p.Invalid() {
			return
		}
		if len(headers) != kept {
			t.Errorf("%q makes %v", typed, headers)
		}
		for _, row := range p.Headers {
			if row.Name != "" && headers[string(row.Name)] != string(row.Value) {
				t.Errorf("%+v became %v", row, headers)
			}
		}
	})
}

// FuzzOutcomes: what an answer means is read as it was typed, or the field has an error; an entry that is stored and
// was not typed is removed.
func FuzzOutcomes(f *testing.F) {
	f.Add("404: dead\n4xx: retry")
	f.Add("timeout:dead\r\n\r\n 500 : disable ")
	f.Add("::\n:")
	f.Fuzz(func(t *testing.T, text string) {
		g := groups{{Fields: form{{Name: "retry.outcomes", Value: typed(text)}}}}
		read, _ := g.outcomes("retry.outcomes", client.Retry{Outcomes: testOutcomes}).(map[string]any)
		if g.Invalid() != (read == nil) {
			t.Fatalf("%q: %v, invalid: %t", text, read, g.Invalid())
		}
		for key, value := range read {
			outcome, isText := value.(string)
			_, isStored := testOutcomes[key]
			if !isText && !isStored || isText && (key == "" || outcome == "" || !strings.Contains(text, key)) {
				t.Errorf("%q: %q is %v", text, key, value)
			}
		}
	})
}
