package stream

import (
	"strings"
	"testing"
	"time"
)

// TestPosition: a position reads as it was written, and no other text is one.
func TestPosition(t *testing.T) {
	at := time.Date(2026, 11, 30, 9, 0, 0, 123_000_000, time.UTC)
	for _, p := range []Position{
		{Mark: "01h455vb4pex5vsk", At: at, Session: 1<<64 - 1, Seq: 1<<64 - 1},
		{Mark: "0", At: time.UnixMilli(0).UTC()},
		{Mark: "m", At: time.UnixMilli(-5).UTC(), Seq: 7},
	} {
		got, err := ParsePosition(p.String())
		if p.At.UnixMilli() < 0 { // has one "-" too many
			if err == nil {
				t.Errorf("%s was read", p)
			}
			continue
		}
		if err != nil || got != p {
			t.Errorf("%s: %+v, %v", p, got, err)
		}
	}
	for _, text := range []string{"", "-", "a-1-1", "a-1-1-1-1", "-1-1-1", "a-01-1-1", "a-1-1-1 ", "a-1-1-+1",
		"a-1-1-Z", "a-1-1-" + strings.Repeat("1", 200), "a-!-1-1", "a-1--1"} {
		if p, err := ParsePosition(text); err == nil {
			t.Errorf("%q is read as %+v", text, p)
		}
	}
}

// FuzzParsePosition: no text makes it panic, and one that it reads is that of the position.
func FuzzParsePosition(f *testing.F) {
	f.Add("01h455vb4pex5vsk-mi8xg1sz-1-2")
	f.Add("a-1-1-1")
	f.Fuzz(func(t *testing.T, text string) {
		p, err := ParsePosition(text)
		if err == nil && p.String() != text {
			t.Errorf("%q is read as %s", text, p)
		}
		if err == nil && strings.ContainsAny(text[strings.LastIndex(text, "-"):], "\r\n\x00") {
			t.Errorf("%q may end a line", text)
		}
	})
}

// TestKinds: each kind that one can ask for has its name.
func TestKinds(t *testing.T) {
	for k := EventAccepted; k < Live; k++ {
		if got, ok := ParseKind(k.String()); !ok || got != k {
			t.Errorf("%s: %v", k, got)
		}
	}
	for _, name := range []string{"live", "gap", "end", "", "event"} {
		if _, ok := ParseKind(name); ok {
			t.Errorf("%q is a kind", name)
		}
	}
}
