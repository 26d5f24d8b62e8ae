package strictjson

import (
	"errors"
	"strings"
	"testing"
)

func TestFind(t *testing.T) {
	for object, want := range map[string]string{
		`{"a":1,"b":[2]}`: "1", `{"\u0061": "x" }`: `"x"`, `{"A":1}`: "", "{}": "", `{"b":{"a":1}}`: "",
		`{"a":null}`: "null", `{"b":1,"b":2,"a":3}`: "3", "\uFEFF{\"a\":1}": "1", `{"b":{"c":1,"c":2},"a":[4]}`: "[4]",
		`{"b":` + deep + `,"a":5}`: "5",
	} {
		if got, err := Find([]byte(object), "a"); string(got) != want || err != nil {
			t.Errorf("%s: got %s, %v", object, got, err)
		}
	}
	for _, object := range []string{"", "null", "[]", `{"a":1,"a":2}`, `{"a":1,"\u0061":1}`, `{"a":null,"a":1}`,
		`{"a":1}x`, `{"a":1`} {
		if got, err := Find([]byte(object), "a"); got != nil || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %s, %v", object, got, err)
		}
	}
}

func TestFindText(t *testing.T) {
	for object, want := range map[string]string{
		`{"a":"x"}`: "x", " {\"a\":\"x\"}": "x", `{"a":"\u00e9"}`: "é", `{"a":1}`: "", `{"b":"x"}`: "", "": "",
		"null": "",
		`"a"`:  "", "[1]": "", `{"a":"x","a":"y"}`: "",
	} {
		if got := FindText([]byte(object), "a"); got != want {
			t.Errorf("%s: got %q", object, got)
		}
	}
}

// TestFindFold: of two names that match, the one in the same case counts, in any position (N02, N03).
func TestFindFold(t *testing.T) {
	for object, want := range map[string]string{
		`{"TaskId":"a"}`: "a", `{"taskid":"a"}`: "a", `{"taskId":"a","TaskId":"b"}`: "b",
		`{"TaskId":"b","taskId":"a"}`: "b",
		`{"taskId":"a","TASKID":"b"}`: "b",
		`{"Tas\u212AId":"a"}`:         "", `{"TaskId":1}`: "", "{}": "",
	} {
		task, other := Member{Name: "TaskId"}, Member{Name: "JobId"}
		if err := FindFold([]byte(object), &other, &task); task.Text() != want || other.Value != nil || err != nil {
			t.Errorf("%s: got %q, %v", object, task.Text(), err)
		}
	}
	for object, want := range map[string]bool{
		`{"a":1,"a":2}`: true, `{"TaskId":1,"TaskId":2}`: false, `{"taskId":1,"taskId":2}`: false,
		`{"taskId":1,"taskId":2,"TaskId":3}`: true, `{"TaskId":3,"taskId":1,"taskId":2}`: true,
		`{"TaskId":3,"taskId":1,"TaskId":2}`: false,
	} {
		task := Member{Name: "TaskId"}
		if err := FindFold([]byte(object), &task); (err == nil) != want || err != nil &&
			!errors.Is(err, ErrMalformed) {
			t.Errorf("%s: %v", object, err)
		}
	}
}

// TestEqualFold: letters that Unicode folds to ASCII letters do not match these (N03).
func TestEqualFold(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"", "", true}, {"Bearer", "bEARER", true}, {"kilo", "\u212Ailo", false}, {"\u017Ftate", "state", false},
		{"a", "ab", false}, {"[", "{", false},
	} {
		if EqualFold(c.a, c.b) != c.want || EqualFold(c.b, c.a) != c.want {
			t.Errorf("%q and %q", c.a, c.b)
		}
	}
}

// TestFindAll: only a member that is looked for must not occur twice (N01).
func TestFindAll(t *testing.T) {
	a, b := Member{Name: "a"}, Member{Name: "b"}
	err := FindAll([]byte(`{"c":1,"b":"x","c":{"a":9,"a":9},"a":true}`), &a, &b)
	if err != nil || !a.Is("true") || b.Text() != "x" || b.Key() != "x" || a.Text() != "" || b.Is("x") {
		t.Errorf("got %s, %s, %v", a.Value, b.Value, err)
	}
	first, second := Member{Name: "a"}, Member{Name: "a"}
	if err := FindAll([]byte(`{"a":1}`), &first, &second); err != nil || !first.Is("1") || !second.Is("1") {
		t.Errorf("one member for two readers: %s, %s, %v", first.Value, second.Value, err)
	}
	if err := FindAll([]byte(`{"c":1,"b":"canary","b":"canary"}`), &Member{Name: "b"}); !errors.Is(
		err, ErrMalformed) ||
		err.Error() != "malformed body: member b occurs twice" {
		t.Errorf("got %v", err)
	}
}

func TestUnambiguous(t *testing.T) {
	for body, want := range map[string]bool{
		`{}`: true, "\uFEFF{\"a\":[{\"b\":1},{\"b\":2}]}": true, `{"a":{"a":1},"b":["[",[]]}`: true,
		`{"a":` + strings.Repeat("[", MaxDepth-1) + strings.Repeat("]", MaxDepth-1) + "}": true,
		`{"a":` + strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth) + "}":     false,
		`{"a":1,"a":1}`: false, `{"b":{"a":1,"\u0061":1}}`: false, `{"b":[[{"a":1,"a":1}]]}`: false, "[]": false,
		"":                   false,
		`{"a":` + deep + "}": false, "{}x": false,
	} {
		if err := Unambiguous([]byte(body)); (err == nil) != want || err != nil && !errors.Is(err, ErrMalformed) {
			t.Errorf("%.100s: %v", body, err)
		}
	}
}

func TestUnwrap(t *testing.T) {
	for value, want := range map[string]string{
		`"{\"a\":1}"`: `{"a":1}`, `" [1]"`: "[1]", `"text"`: `"text"`, `{"a":1}`: `{"a":1}`, "1": "1", "": "",
		`""`:       `""`,
		`"\"{}\""`: `"\"{}\""`,
	} {
		if got := Unwrap([]byte(value)); string(got) != want {
			t.Errorf("%s: %s", value, got)
		}
	}
}
