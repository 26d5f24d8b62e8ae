package strictjson

import (
	"fmt"
	"strings"
)

// A Member is a member of an object that [FindAll] or [FindFold] looks for.
type Member struct {
	Name  string // ASCII, unless it is for FindAll
	Value []byte // as written; nil if the object has no such member

	found string // the name under which Value was found, if it is not Name
	twice bool   // the object has this name twice
}

// Text returns the member's text, or "" if it is not a string. See [Text].
func (m *Member) Text() string {
	text, _ := Text(m.Value)
	return text
}

// Key returns the member's text as [Key] does, or "" if it is not a string.
func (m *Member) Key() string {
	text, _ := Key(m.Value)
	return text
}

// Is reports whether the member's value is written as value is: null, true, or a number.
func (m *Member) Is(value string) bool { return string(m.Value) == value }

// set takes value, which the object has under the exact name of the member.
func (m *Member) set(value []byte) {
	m.twice = m.Value != nil && m.found == ""
	m.Value, m.found = value, ""
}

// setFold takes value, which the object has under name, the member's name in another letter case. A value that was
// found under the exact name counts more.
func (m *Member) setFold(name, value []byte) {
	switch {
	case m.Value == nil || m.found != "" && m.found != string(name):
		m.Value, m.found = value, string(name)
	case m.found != "":
		m.twice = true
	}
}

// once is [ErrMalformed] if one of members occurs twice.
func once(members []*Member) error {
	for _, m := range members {
		if m.twice {
			return fmt.Errorf("%w: member %s occurs twice", ErrMalformed, m.Name)
		}
	}
	return nil
}

// FindAll sets the Value of each wanted member that object has. It checks as [Object] does. It is also [ErrMalformed]
// if a wanted member occurs twice: two readers could then take different ones. Other members may.
func FindAll(object []byte, wanted ...*Member) error {
	err := Object(object, func(name, value []byte) {
		for _, m := range wanted {
			if string(name) == m.Name {
				m.set(value)
			}
		}
	})
	if err != nil {
		return err
	}
	return once(wanted)
}

// FindFold is [FindAll] for systems that write one name in several letter cases. If several spellings of a name occur,
// the one in the case of Member.Name counts; without it the last one. One spelling must not occur twice, if it counts.
func FindFold(object []byte, wanted ...*Member) error {
	err := Object(object, func(name, value []byte) {
		for _, m := range wanted {
			switch {
			case string(name) == m.Name:
				m.set(value)
			case EqualFold(string(name), m.Name):
				m.setFold(name, value)
			}
		}
	})
	if err != nil {
		return err
	}
	return once(wanted)
}

// Find returns the value of the member called name of object, as written; nil if object has no such member.
// It checks as [FindAll] does.
func Find(object []byte, name string) ([]byte, error) {
	m := Member{Name: name}
	if err := FindAll(object, &m); err != nil {
		return nil, err
	}
	return m.Value, nil
}

// FindText returns the text of the member called name of object. It returns "" if the member is missing, is not a
// string, or occurs twice, and if object is not an object.
func FindText(object []byte, name string) string {
	text, _ := Text(findLenient(object, name))
	return text
}

// FindKey is [FindText] for identifiers, as [Key] is Text for them.
func FindKey(object []byte, name string) string {
	text, _ := Key(findLenient(object, name))
	return text
}

// findLenient is [Find] for a value that may be absent, null or of another kind. Such a value has no members.
func findLenient(object []byte, name string) []byte {
	if !IsObject(object) {
		return nil
	}
	value, _ := Find(object, name)
	return value
}

// EqualFold compares a with b without regard to case; at least one of them must be ASCII. Unlike strings.EqualFold it
// does not match letters beyond ASCII that Unicode folds to ASCII letters, such as the Kelvin sign and k, because
// they take more bytes.
func EqualFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// Unambiguous checks body, a JSON object, as strictly as the readers of configurations do: in no object within it does
// a name occur twice, and nothing is nested deeper than [MaxDepth].
func Unambiguous(body []byte) error {
	names := map[string]bool{}
	twice := false
	err := Object(body, func(name, _ []byte) {
		twice = twice || names[string(name)]
		names[string(name)] = true
	})
	switch {
	case err != nil:
		return err
	case twice:
		return fmt.Errorf("%w: a name occurs twice", ErrMalformed)
	case deeperThan(TrimBOM(body), MaxDepth):
		return fmt.Errorf("%w: JSON nested deeper than %d", ErrMalformed, MaxDepth)
	}
	return unambiguousWithin(body)
}

// unambiguousWithin calls Unambiguous for the objects within value, which is valid JSON of bounded depth.
func unambiguousWithin(value []byte) (err error) {
	each := func(inner []byte) {
		switch {
		case err != nil:
		case inner[0] == '{':
			err = Unambiguous(inner)
		case inner[0] == '[':
			err = unambiguousWithin(inner)
		}
	}
	if IsObject(value) {
		_ = Object(value, func(_, inner []byte) { each(inner) }) // valid
	} else {
		_ = Array(value, func(_ int, inner []byte) { each(inner) }) // valid
	}
	return err
}
