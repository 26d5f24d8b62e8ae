package ams

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// This file reads the bodies of calls: JSON objects whose members are the properties of an entity.

// An input is the body of a call that makes or changes an entity. The methods read one property each, and note the
// first that is wrong; end then returns it, or says that a property is not one of the entity.
type input struct {
	kind    string // of the entity: "Job"
	members map[string]json.RawMessage
	verbose bool
	err     error
}

// readInput reads a JSON object. What verbose JSON has beside the properties is left out, if header announces it:
// otherwise __metadata is a property that does not exist.
func readInput(body []byte, header http.Header, kind string) (*input, error) {
	in := &input{kind: kind, verbose: isVerbose(header, "Content-Type") && isVerbose(header, "Accept")}
	err := in.open(body)
	return in, err
}

func (in *input) open(body []byte) error {
	if json.Unmarshal(body, &in.members) != nil || in.members == nil {
		return failed(http.StatusBadRequest, "The body is not a JSON object.")
	}
	if in.members["__metadata"] == nil {
		return nil
	}
	if !in.verbose {
		return noProperty("__metadata", in.kind)
	}
	delete(in.members, "__metadata")
	return nil
}

func noProperty(name, kind string) *apiError {
	return failed(http.StatusBadRequest, "The property '%s' does not exist on type '%s%s'. Make sure to only use "+
		"property "+
		"names that are defined by the type.", name, typePrefix, kind)
}

// take returns the value of a property and counts it as read; ok is false if it is absent or null.
func (in *input) take(name string) (raw json.RawMessage, ok bool) {
	raw, ok = in.members[name]
	delete(in.members, name)
	return raw, ok && string(raw) != "null"
}

func (in *input) fail(err error) {
	if in.err == nil {
		in.err = err
	}
}

func (in *input) invalid(name string) {
	in.fail(failed(http.StatusBadRequest, "The value of the property '%s' is not valid.", name))
}

// text reads a text. given is false if the property is absent.
func (in *input) text(name string, to *string) (given bool) {
	raw, ok := in.take(name)
	if ok && json.Unmarshal(raw, to) != nil {
		in.invalid(name)
	}
	return ok
}

// number reads a whole number, which may be in quotes.
func (in *input) number(name string, to *int) (given bool) {
	var real float64
	if given = in.real(name, &real); given {
		if *to = int(real); float64(*to) != real {
			in.invalid(name)
		}
	}
	return given
}

// real reads a number, which may be in quotes.
func (in *input) real(name string, to *float64) (given bool) {
	raw, ok := in.take(name)
	if !ok {
		return false
	}
	n, err := strconv.ParseFloat(strings.Trim(string(raw), `"`), 64)
	if err != nil || n != n || n > 1e15 || n < -1e15 {
		in.invalid(name)
		return true
	}
	*to = n
	return true
}

// flag reads true or false.
func (in *input) flag(name string, to *bool) {
	raw, ok := in.take(name)
	if ok && json.Unmarshal(raw, to) != nil {
		in.invalid(name)
	}
}

// time reads a time in one of the two forms. Without a zone it is UTC.
func (in *input) time(name string, to *time.Time) (given bool) {
	var text string
	if !in.text(name, &text) {
		return false
	}
	if millis, ok := strings.CutPrefix(text, "/Date("); ok {
		n, err := strconv.ParseInt(strings.TrimSuffix(millis, ")/"), 10, 64)
		if err != nil {
			in.invalid(name)
		}
		*to = time.UnixMilli(n).UTC()
		return true
	}
	var err error
	for _, form := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999"} {
		if *to, err = time.Parse(form, text); err == nil {
			return true
		}
	}
	in.invalid(name)
	return true
}

// list reads a list of objects, as inputs of a type: a list, or {"results": […]} in strict verbose form.
func (in *input) list(name, kind string) (list []*input) {
	raw, ok := in.take(name)
	if !ok {
		return nil
	}
	var bodies []json.RawMessage
	var strict struct {
		Results *[]json.RawMessage `json:"results"`
	}
	if json.Unmarshal(raw, &bodies) != nil {
		if json.Unmarshal(raw, &strict) != nil || strict.Results == nil {
			in.invalid(name)
			return nil
		}
		bodies = *strict.Results
	}
	for _, body := range bodies {
		one := &input{kind: kind, verbose: in.verbose}
		if err := one.open(body); err != nil {
			in.fail(err)
			return nil
		}
		list = append(list, one)
	}
	return list
}

// references reads the ids of linked entities of a set: NAME@odata.bind with their addresses in JSON light, or
// objects with __metadata.uri in verbose JSON.
func (in *input) references(name, set string) (ids []string) {
	var uris []string
	if raw, ok := in.take(name + "@odata.bind"); ok && json.Unmarshal(raw, &uris) != nil {
		in.invalid(name)
	}
	raw, ok := in.take(name)
	if ok && !in.verbose {
		in.fail(noProperty("__metadata", in.kind))
		return nil
	}
	var linked []struct {
		Metadata struct {
			URI string `json:"uri"`
		} `json:"__metadata"`
	}
	var strict struct{ Results json.RawMessage }
	if ok && json.Unmarshal(raw, &strict) == nil && strict.Results != nil {
		raw = strict.Results
	}
	if ok && json.Unmarshal(raw, &linked) != nil {
		in.invalid(name)
	}
	for _, l := range linked {
		uris = append(uris, l.Metadata.URI)
	}
	for _, uri := range uris {
		m := placeOf(uri)
		if m.set != set || m.id == "" {
			in.fail(failed(http.StatusBadRequest, "The URI '%s' is not valid for '%s'.", uri, name))
			return nil
		}
		ids = append(ids, m.id)
	}
	return ids
}

// once refuses properties that are set when the entity is created only.
func (in *input) once(names ...string) {
	for _, name := range names {
		if _, there := in.members[name]; there {
			in.fail(failed(http.StatusBadRequest, "The property '%s' can be set when the entity is created only.",
				name))
		}
	}
}

// given refuses values for properties that the service gives; null is taken.
func (in *input) given(names ...string) {
	for _, name := range names {
		if _, ok := in.take(name); ok {
			in.invalid(name)
		}
	}
}

// ignore leaves out properties that play no part here.
func (in *input) ignore(names ...string) {
	for _, name := range names {
		delete(in.members, name)
	}
}

// end returns what was wrong with the input. A property that was not read is none of the entity.
func (in *input) end() error {
	for name := range in.members {
		in.fail(noProperty(name, in.kind))
	}
	return in.err
}

// missing is the error of an entity without a property that it needs.
func missing(kind, name string) *apiError {
	return failed(http.StatusBadRequest, "The property '%s' of %s must not be empty.", name, kind)
}
