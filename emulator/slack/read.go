package slack

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// This file reads JSON strictly: each member of an object is taken by its name, with its bounds, and what is left over
// is unknown. The first problem is kept, with its place.

// payload returns the JSON of a request: its body, or the field payload of a form.
func payload(r *http.Request) ([]byte, *refusal) {
	if r.Method != http.MethodPost {
		return nil, refused("invalid_payload", "the method is %s; use POST", r.Method)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, refused("invalid_payload", "the body cannot be read")
	}
	media, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if media != "application/x-www-form-urlencoded" {
		return body, nil
	}
	form, err := url.ParseQuery(string(body))
	if err != nil || !form.Has("payload") {
		return nil, refused("invalid_payload", "the form has no field payload")
	}
	return []byte(form.Get("payload")), nil
}

// A reader reads one message. Its methods do nothing after the first problem.
type reader struct {
	code    string // of the first problem
	problem *refusal
}

// fail notes a problem at a place.
func (r *reader) fail(path, format string, args ...any) {
	if r.problem == nil {
		r.problem = refused(r.code, "%s: %s", path, fmt.Sprintf(format, args...))
	}
}

// An object is a JSON object whose members are being taken.
type object struct {
	*reader
	path string
	left map[string]json.RawMessage // members that were not taken
}

// object returns the JSON object at a place.
func (r *reader) object(path string, text json.RawMessage) *object {
	o := &object{reader: r, path: path}
	if json.Unmarshal(text, &o.left) != nil || o.left == nil {
		r.fail(path, "%v", errNoObject)
	}
	return o
}

// at returns the path of a member.
func (o *object) at(name string) string {
	if o.path == "" {
		return name
	}
	return o.path + "." + name
}

// take removes a member and returns it; nil if it is not there, or null.
func (o *object) take(name string) json.RawMessage {
	text := o.left[name]
	delete(o.left, name)
	if bytes.Equal(text, []byte("null")) {
		return nil
	}
	return text
}

// text takes a text of at most most characters; "" if it is not there.
func (o *object) text(name string, most int) string {
	text := o.take(name)
	if text == nil {
		return ""
	}
	var s string
	if json.Unmarshal(text, &s) != nil {
		o.fail(o.at(name), "it is no text")
	}
	if n := utf8.RuneCountInString(s); n > most {
		o.fail(o.at(name), "%d characters; at most %d", n, most)
	}
	return s
}

// needed is text for one that must be there and not be empty.
func (o *object) needed(name string, most int) string {
	s := o.text(name, most)
	if s == "" {
		o.fail(o.at(name), "it is missing or empty")
	}
	return s
}

// flag takes true or false; otherwise if it is not there.
func (o *object) flag(name string, otherwise bool) bool {
	text := o.take(name)
	if text == nil {
		return otherwise
	}
	if json.Unmarshal(text, &otherwise) != nil {
		o.fail(o.at(name), "it is neither true nor false")
	}
	return otherwise
}

// list takes an array of at most most elements; nil if it is not there.
func (o *object) list(name string, most int) []json.RawMessage {
	text := o.take(name)
	if text == nil {
		return nil
	}
	list := []json.RawMessage{}
	if json.Unmarshal(text, &list) != nil {
		o.fail(o.at(name), "it is no array")
	}
	if len(list) > most {
		o.fail(o.at(name), "%d elements; at most %d", len(list), most)
		return nil
	}
	return list
}

// oneOf takes a text that is one of several; "" if it is not there.
func (o *object) oneOf(name string, choices ...string) string {
	s := o.text(name, 100)
	if s != "" && !slices.Contains(choices, s) {
		o.fail(o.at(name), "%q is none of %s", s, strings.Join(choices, ", "))
	}
	return s
}

// drop takes members whose values are not looked at.
func (o *object) drop(names ...string) {
	for _, name := range names {
		delete(o.left, name)
	}
}

// end fails if members are left.
func (o *object) end() {
	if len(o.left) > 0 {
		o.fail(o.at(slices.Sorted(maps.Keys(o.left))[0]), "there is no such member here")
	}
}
