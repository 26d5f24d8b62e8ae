package provider

import "bytes"

// Find returns the value of the member called name of object, as written; nil if there is none. It checks as [Object]
// does.
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

// FindText returns the text of the member called name of object; "" if there is none, if it is no text, and if object
// is none.
func FindText(object []byte, name string) string {
	text, _ := Text(findIfObject(object, name))
	return text
}

// FindKey is [FindText] for what tells one thing from another, as [Key] is.
func FindKey(object []byte, name string) string {
	text, _ := Key(findIfObject(object, name))
	return text
}

// findIfObject is [Find] for what may be absent, null or of another kind, and then has no members.
func findIfObject(object []byte, name string) []byte {
	if !bytes.HasPrefix(bytes.TrimLeft(object, " \t\r\n"), []byte("{")) {
		return nil
	}
	value, _ := Find(object, name)
	return value
}

// A Member is one that is wanted of an object by [FindFold].
type Member struct {
	Name  string
	Value []byte // as written; nil if it is not there
	exact bool   // seen in its own case
}

// Text is "" for anything but a text.
func (m *Member) Text() string {
	text, _ := Text(m.Value)
	return text
}

// FindFold fills in the values of those members of object that are wanted, whose names are ASCII. It is for systems
// that write one name in several ways: case is disregarded, and of two that differ in nothing else the one in the case
// of Name counts. It checks as [Object] does.
func FindFold(object []byte, wanted ...*Member) error {
	return Object(object, func(name, value []byte) {
		for _, m := range wanted {
			if !m.exact && EqualFold(string(name), m.Name) {
				m.Value, m.exact = value, string(name) == m.Name
			}
		}
	})
}
