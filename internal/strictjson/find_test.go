package strictjson

import (
	"errors"
	"testing"
)

func TestFind(t *testing.T) {
	for object, want := range map[string]string{
		`{"a":1,"b":[2]}`: "1", `{"\u0061": "x" }`: `"x"`, `{"A":1}`: "", "{}": "", `{"b":{"a":1}}`: "",
		`{"a":null}`: "null",
	} {
		if got, err := Find([]byte(object), "a"); string(got) != want || err != nil {
			t.Errorf("%s: got %s, %v", object, got, err)
		}
	}
	for _, object := range []string{"", "null", "[]", `{"a":1,"a":2}`, `{"a":1}x`, `{"a":1`} {
		if got, err := Find([]byte(object), "a"); got != nil || !errors.Is(err, ErrMalformed) {
			t.Errorf("%s: got %s, %v", object, got, err)
		}
	}
}

func TestFindText(t *testing.T) {
	for object, want := range map[string]string{
		`{"a":"x"}`: "x", " {\"a\":\"x\"}": "x", `{"a":"\u00e9"}`: "é", `{"a":1}`: "", `{"b":"x"}`: "", "": "", "null": "",
		`"a"`: "", "[1]": "", `{"a":"x","a":"y"}`: "",
	} {
		if got := FindText([]byte(object), "a"); got != want {
			t.Errorf("%s: got %q", object, got)
		}
	}
}

// TestFindFold: of two names that match, the one in the same case counts, in any position (N02, N03).
func TestFindFold(t *testing.T) {
	for object, want := range map[string]string{
		`{"TaskId":"a"}`: "a", `{"taskid":"a"}`: "a", `{"taskId":"a","TaskId":"b"}`: "b", `{"TaskId":"b","taskId":"a"}`: "b",
		`{"taskId":"a","TASKID":"b"}`: "b",
		`{"Tas\u212AId":"a"}`:         "", `{"TaskId":1}`: "", "{}": "",
	} {
		task, other := Member{Name: "TaskId"}, Member{Name: "JobId"}
		if err := FindFold([]byte(object), &other, &task); task.Text() != want || other.Value != nil || err != nil {
			t.Errorf("%s: got %q, %v", object, task.Text(), err)
		}
	}
	if err := FindFold([]byte(`{"a":1,"a":2}`)); !errors.Is(err, ErrMalformed) {
		t.Error(err)
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
