package bellhop_test

import (
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/bellhop-gateway/bellhop"
)

func TestJoin(t *testing.T) {
	a, b, list, whole := bellhop.Invalid("a", "bad"), bellhop.Invalid("b.c", "worse"), bellhop.Invalid("[2]",
		"third"), bellhop.Invalid("", "not at all")
	for _, c := range []struct {
		name, prefix string
		errs         []error
		want         []string // of fields, "path message"
	}{
		{"no errors", "x", nil, nil},
		{"only nil errors", "x", []error{nil, nil}, nil},
		{"no prefix", "", []error{a, nil, b}, []string{"a bad", "b.c worse"}},
		{"prefix", "settings", []error{a, b}, []string{"settings.a bad", "settings.b.c worse"}},
		{"path of an element", "types", []error{list}, []string{"types[2] third"}},
		{"path of an element, no prefix", "", []error{list}, []string{"[2] third"}},
		{"no path", "retry", []error{whole}, []string{"retry not at all"}},
		{"no prefix and no path", "", []error{whole}, []string{" not at all"}},
		{"wrapped error", "x", []error{fmt.Errorf("while reading: %w", a)}, []string{"x.a bad"}},
		{"joined twice", "destination", []error{bellhop.Join("match", bellhop.Join("types", list), a)},
			[]string{"destination.match.types[2] third", "destination.match.a bad"}},
	} {
		err := bellhop.Join(c.prefix, c.errs...)
		var got []string
		if e, ok := err.(*bellhop.Error); ok {
			if e.Code != bellhop.CodeInvalid {
				t.Errorf("%s: code %s", c.name, e.Code)
			}
			for _, f := range e.Fields {
				got = append(got, f.Path+" "+f.Message)
			}
		} else if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

// TestJoinOther: Join returns an error of another code unchanged.
func TestJoinOther(t *testing.T) {
	for _, other := range []error{io.ErrUnexpectedEOF, bellhop.NotFound("source", "x"),
		fmt.Errorf("wrapped: %w", bellhop.Conflict("taken"))} {
		if got := bellhop.Join("x", bellhop.Invalid("a", "bad"), other, bellhop.Invalid("b", "bad")); got != other {
			t.Errorf("%v became %v", other, got)
		}
	}
}

// TestJoinDoesNotModify: Join does not change its arguments.
func TestJoinDoesNotModify(t *testing.T) {
	a := bellhop.Invalid("a", "bad")
	bellhop.Join("x", a)
	bellhop.Join("y", bellhop.Join("x", a))
	if a.Fields[0].Path != "a" {
		t.Errorf("path is now %s", a.Fields[0].Path)
	}
}

func TestErrorText(t *testing.T) {
	for _, c := range []struct {
		err  *bellhop.Error
		want string
	}{
		{bellhop.Invalid("url", "use https"), "url: use https"},
		{&bellhop.Error{Message: "no"}, "no"},
		{&bellhop.Error{Message: "no", Fields: []bellhop.FieldError{{Path: "a", Message: "b"},
			{Path: "c", Message: "d"}}},
			"no: a: b; c: d"},
		{&bellhop.Error{Fields: []bellhop.FieldError{{Path: "a", Message: "b"}, {Path: "c", Message: "d"}}},
			"a: b; c: d"},
		{&bellhop.Error{Message: "no", Err: errors.New("s3cret cause")}, "no"},
		{bellhop.NotFound("source", "media"), `no source "media"`},
		{bellhop.NotFound("source", "a\"b\nc\x1b[31m\u2028\u0085é"), `no source "a?b?c?[31m??é"`},
		{bellhop.NotFound("source", strings.Repeat("x", 65)), `no source "` + strings.Repeat("x", 64) + `…"`},
		{bellhop.Conflict("taken"), "taken"},
	} {
		if got := c.err.Error(); got != c.want {
			t.Errorf("%q, want %q", got, c.want)
		}
	}
	if long := bellhop.NotFound("source", "x"+strings.Repeat("é", 100)).Error(); !utf8.ValidString(long) {
		t.Errorf("cut within a character: %q", long)
	}
	if cause := io.EOF; !errors.Is(&bellhop.Error{Err: cause}, cause) {
		t.Error("errors.Is does not find the cause")
	}
}

func TestCount(t *testing.T) {
	for n, want := range map[int]string{0: "0 events", 1: "1 event", 2: "2 events"} {
		if got := bellhop.Count(n, "event"); got != want {
			t.Errorf("%d: %s, want %s", n, got, want)
		}
	}
}
