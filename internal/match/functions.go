package match

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"unicode/utf8"
)

// textFunctions holds the functions with which a template reads and makes texts. The first two stand in for the
// builtin functions of the same names, which count no steps.
type textFunctions struct {
	Join    func(list any, glue ...any) (string, error) `expr:"join"`
	Replace func(text, old, with any) (string, error)   `expr:"replace"`
	Form    func(text any) (map[string]any, error)      `expr:"form"`
	XML     func(text any) (string, error)              `expr:"xml"`
}

func (m *meter) textFunctions() textFunctions { return textFunctions{m.join, m.replace, m.form, m.xml} }

// join concatenates the items of a list, with glue between them.
func (m *meter) join(list any, glue ...any) (string, error) {
	between := ""
	if len(glue) > 0 {
		var ok bool
		if between, ok = glue[0].(string); !ok || len(glue) > 1 {
			return "", errors.New(`join: write join(list, ", ")`)
		}
	}
	items, ok := list.([]any)
	if texts, isTexts := list.([]string); isTexts {
		for _, text := range texts {
			items = append(items, text)
		}
		ok = true
	}
	if !ok {
		return "", fmt.Errorf("join: needs a list, not %s", kindOf(list))
	}
	var b strings.Builder
	for i, item := range items {
		text, ok := Text(item)
		if !ok {
			return "", fmt.Errorf("join: item %d is %s; a list of texts, numbers, true and false can be joined", i,
				kindOf(item))
		}
		m.take(1 + (len(text)+len(between))/16)
		if i > 0 {
			b.WriteString(between)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// replace returns text with each occurrence of old replaced.
func (m *meter) replace(text, old, with any) (string, error) {
	in, ok1 := text.(string)
	what, ok2 := old.(string)
	by, ok3 := with.(string)
	if !ok1 || !ok2 || !ok3 || what == "" {
		return "", fmt.Errorf("replace: needs three texts, the second not empty, not %s, %s and %s", kindOf(text),
			kindOf(old), kindOf(with))
	}
	m.take(1 + len(in)/16)
	m.take(strings.Count(in, what) * (1 + len(by)/16))
	return strings.ReplaceAll(in, what, by), nil
}

// form reads a text in application/x-www-form-urlencoded: the first value of each of its fields.
func (m *meter) form(text any) (map[string]any, error) {
	in, ok := text.(string)
	if !ok {
		return nil, fmt.Errorf("form: needs a text, such as body, not %s", kindOf(text))
	}
	m.take(1 + len(in)/16 + strings.Count(in, "&"))
	values, err := url.ParseQuery(in)
	if err != nil {
		return nil, errors.New("form: the text is not fields in application/x-www-form-urlencoded")
	}
	fields := make(map[string]any, len(values))
	for name, list := range values {
		fields[name] = list[0]
	}
	return fields, nil
}

// xmlEscaper escapes what has a meaning in XML, for text and for attributes in either kind of quotes.
var xmlEscaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")

// xml returns a text, a number, true or false as it is written within XML or HTML. Characters that XML cannot have at
// all become U+FFFD.
func (m *meter) xml(v any) (string, error) {
	in, ok := Text(v)
	if !ok {
		return "", fmt.Errorf("xml: needs a text, a number, true or false, not %s", kindOf(v))
	}
	m.take(1 + len(in)/16)
	escaped := xmlEscaper.Replace(in)
	m.take((len(escaped) - len(in)) / 16)
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0xFFFE || r == 0xFFFF {
			return utf8.RuneError
		}
		return r
	}, escaped), nil
}

// Text formats v, a value of an expression that is a text, a number, true or false; ok is false for anything else.
// Numbers are written as JSON has them.
func Text(v any) (text string, ok bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int:
		return strconv.Itoa(v), true
	case float64:
		return string(appendFloat(nil, v)), true
	case number:
		return v.text, true
	}
	return "", false
}

// text is the builtin function string. It writes a number as JSON has it.
func text(v any) string {
	if text, ok := Text(v); ok {
		return text
	}
	return fmt.Sprint(v)
}

// kindOf names the kind of v for a message.
func kindOf(v any) string {
	switch v.(type) {
	case nil:
		return "nil"
	case string:
		return "a text"
	case bool, int, float64, number:
		return "true, false or a number"
	case []any, []string:
		return "a list"
	case map[string]any:
		return "an object"
	}
	return fmt.Sprintf("a %T", v)
}
