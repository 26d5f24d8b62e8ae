package ui

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/client"
)

// This file makes a form of the description of settings, and settings of what was typed into it. The name of each
// input is the path that errors of the API have: "settings.signing_key".

// kinds of a setting's value, as the API names them.
const (
	kindFlag     = "true or false"
	kindNumber   = "number"
	kindList     = "list"
	kindObjects  = "list of objects"
	kindObject   = "object"
	kindDocument = "text or object"
)

// settingFields returns a field for each setting, with the values that are stored. Secrets are not among them.
func settingFields(prefix string, settings []client.Setting, stored map[string]any) (fields []field) {
	for _, s := range settings {
		f := field{Name: prefix + s.Name, Label: s.Title, Hint: s.Doc, Secret: s.Secret, Kind: kindOfField(s), Rows: 4,
			Setting: s, IsRequired: s.Required}
		if f.Label == "" {
			f.Label = s.Name
		}
		f.Choices = choicesOf(s)
		value, ok := stored[s.Name]
		switch {
		case !ok:
		case s.Secret:
			f.IsSet = true
			f.Stored = storedNames(value)
		default:
			f.Value = typed(valueText(value))
		}
		fields = append(fields, f)
	}
	return fields
}

// choicesOf returns what can be chosen for a setting; nil if it is typed.
func choicesOf(s client.Setting) []option {
	if s.Kind == kindFlag {
		return []option{{"", "as by default"}, {"true", "yes"}, {"false", "no"}}
	}
	if s.Kind != "text" || s.Many || len(s.Choices) == 0 {
		return nil
	}
	choices := []option{{"", "as by default"}}
	for _, value := range s.Choices {
		if value != "" {
			choices = append(choices, option{value, value})
		}
	}
	return choices
}

// kindOfField returns the kind of the field for a setting.
func kindOfField(s client.Setting) string {
	isLong := strings.Contains(s.Example, "\n") || strings.Contains(s.Doc, "PEM")
	isText := s.Kind == "text" || s.Kind == kindNumber || s.Kind == kindFlag || s.Kind == "length of time"
	switch {
	case choicesOf(s) != nil:
		return "choice"
	case isLong || !isText:
		return "lines"
	case s.Secret:
		return "secret"
	}
	return "text"
}

// storedNames returns the names in an object of secrets, each of which is masked.
func storedNames(value any) (names []string) {
	object, ok := value.(map[string]any)
	if !ok || object["set"] == true {
		return nil
	}
	return slices.Sorted(maps.Keys(object))
}

// valueText returns a value as it is typed: a text as it is, a list one entry a line, an object one member a line.
func valueText(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case json.Number:
		return v.String()
	case []any:
		var lines []string
		for _, each := range v {
			text, ok := each.(string)
			if !ok || strings.ContainsAny(text, "\n") {
				return asJSON(v)
			}
			lines = append(lines, text)
		}
		return strings.Join(lines, "\n")
	case map[string]any:
		var lines []string
		for _, name := range slices.Sorted(maps.Keys(v)) {
			text, ok := v[name].(string)
			if !ok || strings.Contains(text, "\n") || strings.ContainsAny(name, ":\n") {
				return asJSON(v)
			}
			lines = append(lines, name+": "+text)
		}
		return strings.Join(lines, "\n")
	}
	return asJSON(value)
}

// asJSON returns v as JSON of several lines.
func asJSON(v any) string {
	var b bytes.Buffer
	encoder := json.NewEncoder(&b)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err := encoder.Encode(v)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(b.String())
}

// settings returns the settings that were typed into the fields with that prefix. stored are those of a noun that is
// changed: then the result is a merge patch, in which a setting that stays is left out and one that was emptied is
// nil.
func (f form) settings(prefix string, stored map[string]any) map[string]any {
	given := map[string]any{}
	for i := range f {
		name, ok := strings.CutPrefix(f[i].Name, prefix)
		if !ok || f[i].Setting.Name == "" {
			continue
		}
		value, text := f[i].value(), string(f[i].Value)
		old, isStored := stored[name]
		switch {
		case f[i].Clears:
			given[name] = nil
		case text == "" && (f[i].Secret || !isStored):
		case text == "":
			given[name] = nil
		case !f[i].Secret && isStored && text == valueText(old):
		default:
			given[name] = without(value, old, f[i].Secret)
		}
	}
	return given
}

// without returns a value for a merge patch: members of a stored object that it no longer has are nil. Those of a
// secret object stay, because a form does not have them.
func without(value, stored any, secret bool) any {
	object, ok := value.(map[string]any)
	old, isObject := stored.(map[string]any)
	if !ok || !isObject || secret {
		return value
	}
	for name := range old {
		if _, stays := object[name]; !stays {
			object[name] = nil
		}
	}
	return object
}

// value returns the JSON value of what was typed into the field of a setting, and puts an error at it if it is none.
func (f *field) value() any {
	text := string(f.Value)
	switch {
	case text == "":
		return nil
	case f.Setting.Kind == kindFlag:
		return text == "true"
	case f.Setting.Kind == kindNumber:
		_, err := strconv.ParseFloat(text, 64)
		if err != nil || !json.Valid([]byte(text)) {
			f.Error = "This is no number."
			return text
		}
		return json.Number(text)
	case f.Setting.Kind == kindList:
		if list, ok := readJSON[[]any](text, "["); ok {
			return list
		}
		return wholeLines(text)
	case f.Setting.Kind == kindObjects:
		list, ok := readJSON[[]any](text, "[")
		if !ok {
			f.Error = "Write a list of objects in JSON."
		}
		return list
	case f.Setting.Kind == kindDocument:
		if object, ok := readJSON[map[string]any](text, "{"); ok {
			return object
		}
		return text
	case f.Setting.Kind == kindObject:
		if object, ok := readJSON[map[string]any](text, "{"); ok {
			return object
		}
		return f.object()
	}
	if list, ok := readJSON[[]any](text, "["); ok { // of a secret that is being replaced
		return list
	}
	return text
}

// object reads one member a line: "name: value". A name without a value removes a member of a secret object.
func (f *field) object() map[string]any {
	object := map[string]any{}
	for _, line := range wholeLines(string(f.Value)) {
		name, value, ok := strings.Cut(line, ":")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		switch {
		case !ok || name == "":
			f.Error = "Write one member a line: name: value."
		case value == "" && slices.Contains(f.Stored, name):
			object[name] = nil
		default:
			object[name] = value
		}
	}
	return object
}

// readJSON reads a text that begins as JSON of that form does.
func readJSON[T any](text, begins string) (v T, ok bool) {
	if !strings.HasPrefix(text, begins) {
		return v, false
	}
	return v, json.Unmarshal([]byte(text), &v) == nil
}

// wholeLines returns the lines of a text that are not empty, without the blanks around them.
func wholeLines(text string) []string {
	all := []string{}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			all = append(all, line)
		}
	}
	return all
}

// A shownSetting is a setting of a noun as its page shows it.
type shownSetting struct {
	Name, Title string
	Value       lines
	Secret      bool
	SetAt       client.Time // since when a secret is set; zero if that is not known
}

// shownSettings returns settings that are set, in the order of their description. Those that it does not have follow.
func shownSettings(settings []client.Setting, stored map[string]any) (all []shownSetting) {
	known := map[string]bool{}
	add := func(s client.Setting, value any) {
		shown := shownSetting{Name: s.Name, Title: s.Title}
		if shown.Title == "" {
			shown.Title = s.Name
		}
		mask, isObject := value.(map[string]any)
		switch {
		case isObject && mask["set"] == true:
			shown.Secret, shown.SetAt = true, maskTime(mask)
		case isObject && s.Secret:
			shown.Secret, shown.Value = true, lines(strings.Join(slices.Sorted(maps.Keys(mask)), "\n"))
		default:
			shown.Value = lines(valueText(value))
		}
		all = append(all, shown)
	}
	for _, s := range settings {
		known[s.Name] = true
		if value, ok := stored[s.Name]; ok {
			add(s, value)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(stored)) {
		if !known[name] {
			add(client.Setting{Name: name}, stored[name])
		}
	}
	return all
}

// maskTime returns since when the secret of a mask is set.
func maskTime(mask map[string]any) (at client.Time) {
	text, ok := mask["set_at"].(string)
	if ok && at.UnmarshalJSON([]byte(`"`+text+`"`)) != nil {
		return client.Time{}
	}
	return at
}
