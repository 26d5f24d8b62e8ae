package strictjson

import (
	"bytes"
	"strings"
)

// Find returns the value of the member called name of object, as written; nil if object has no such member.
// It checks as [Object] does.
func Find(object []byte, name string) ([]byte, error) {
	var found []byte
	err := Object(object, func(member, value []byte) {
		if string(member) == name {
			found = value
		}
	})
	if err != nil {
		return nil, err
	}
	return found, nil
}

// FindText returns the text of the member called name of object. It returns "" if the member is missing or is not a
// string, and if object is not an object.
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
	if !bytes.HasPrefix(bytes.TrimLeft(object, " \t\r\n"), []byte("{")) {
		return nil
	}
	value, _ := Find(object, name)
	return value
}

// A Member is a member of an object that [FindFold] looks for.
type Member struct {
	Name  string // ASCII
	Value []byte // as written; nil if the object has no such member
	exact bool   // found under Name in the same case
}

// Text returns the member's text, or "" if it is not a string.
func (m *Member) Text() string {
	text, _ := Text(m.Value)
	return text
}

// FindFold sets the Value of each wanted member that object has. Names are compared without regard to case, for
// systems that write one name in several ways; if several names match, the one in the case of Member.Name counts.
// It checks as [Object] does.
func FindFold(object []byte, wanted ...*Member) error {
	return Object(object, func(name, value []byte) {
		for _, m := range wanted {
			if !m.exact && EqualFold(string(name), m.Name) {
				m.Value, m.exact = value, string(name) == m.Name
			}
		}
	})
}

// EqualFold compares a with b without regard to case; at least one of them must be ASCII. Unlike strings.EqualFold it
// does not match letters beyond ASCII that Unicode folds to ASCII letters, such as the Kelvin sign and k, because
// they take more bytes.
func EqualFold(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }
