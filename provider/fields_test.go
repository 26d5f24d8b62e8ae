package provider

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func TestWord(t *testing.T) {
	for text, want := range map[string]bool{
		"invoice.paid": true, "a": true, "Microsoft.Storage/Blob_Created-2": true, strings.Repeat("a", 255): true,
		"": false, strings.Repeat("a", 256): false, "two words": false, "é": false, "a:b": false, "a\n": false,
		"a*":   false,
		"\x00": false,
	} {
		if Word(text) != want {
			t.Errorf("Word(%.20q) = %t", text, !want)
		}
	}
}

func TestSubject(t *testing.T) {
	long := strings.Repeat("x", bellhop.MaxSubjectLength)
	for text, want := range map[string]string{
		"":                       "",
		"nb:jid:UUID:1":          "nb:jid:UUID:1",
		"Überblick – 🎉":          "Überblick – 🎉",
		"a\x00b\x1b[31mc\u0085d": "a\uFFFDb\uFFFD[31mc\uFFFDd",
		"bad \xff byte":          "bad \uFFFD byte",
		long + "y":               long,
		long[1:] + "é":           long[1:],
		long[2:] + "é":           long[2:] + "é",
	} {
		if got := Subject(text); got != want {
			t.Errorf("Subject(%.40q) = %.40q, want %.40q", text, got, want)
		}
	}
}

func TestRepeatKey(t *testing.T) {
	long := strings.Repeat("x", bellhop.MaxProviderIDLength)
	for _, keep := range []string{"", "7d1c", "é", long} {
		if got := RepeatKey(keep); got != keep {
			t.Errorf("RepeatKey(%.20q) = %.20q", keep, got)
		}
	}
	seen := map[string]bool{}
	for _, id := range []string{long + "x", long + "y", "a\x00", "a\x01", "\xff", "\xfe"} {
		got := RepeatKey(id)
		if len(got) != 64 || seen[got] {
			t.Errorf("RepeatKey(%.20q) = %q", id, got)
		}
		seen[got] = true
	}
}

func TestContentType(t *testing.T) {
	for _, keep := range []string{"", "application/json; charset=utf-8"} {
		if got := ContentType(http.Header{"Content-Type": {keep}}); got != keep {
			t.Errorf("got %q, want %q", got, keep)
		}
	}
	for _, drop := range []string{"text/\x00plain", "text/plain\n", "\xff", strings.Repeat("a", 256)} {
		if got := ContentType(http.Header{"Content-Type": {drop}}); got != "" {
			t.Errorf("got %q", got)
		}
	}
}

func TestSendContentType(t *testing.T) {
	for want, ev := range map[string]bellhop.Event{
		"text/plain":               {ContentType: "text/plain", Body: []byte("{}")},
		"application/json":         {Body: []byte(" [1] ")},
		"application/octet-stream": {Body: []byte("words")},
	} {
		if got := SendContentType(&ev); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestTime(t *testing.T) {
	for text, want := range map[string]time.Time{
		"2026-11-22T08:15:30Z":           time.Date(2026, 11, 22, 8, 15, 30, 0, time.UTC),
		"2026-11-22T08:15:30.1234567Z":   time.Date(2026, 11, 22, 8, 15, 30, 123456700, time.UTC),
		"2026-11-22T08:15:30.5+02:00":    time.Date(2026, 11, 22, 6, 15, 30, 500000000, time.UTC),
		"":                               {},
		"yesterday":                      {},
		"2026-11-22T08:15:30":            {},
		"0000-01-01T00:00:00Z":           {},
		"1969-12-31T23:59:59Z":           {},
		"9999-12-31T23:59:59Z":           {},
		"2200-01-01T00:00:00Z":           {},
		"2026-13-22T08:15:30Z":           {},
		strings.Repeat("2026-", 1000):    {},
		"2026-11-22T08:15:30.1234567Z\n": {},
	} {
		if got := Time(text); !got.Equal(want) || got.Location() != time.UTC {
			t.Errorf("Time(%.40q) = %v, want %v", text, got, want)
		}
	}
}
