package graph

import (
	"bytes"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/go-json-experiment/json/jsontext"
)

// A member is where a member of an object stands in its bytes.
type member struct{ name, value span }

type span struct{ start, end int }

// findMember looks name up in object, which strictjson.Object has taken.
func findMember(object []byte, name string) (m member, ok bool) {
	d := jsontext.NewDecoder(bytes.NewBuffer(object), jsontext.AllowInvalidUTF8(true))
	if token, err := d.ReadToken(); err != nil || token.Kind() != '{' {
		return member{}, false
	}
	for d.PeekKind() == '"' {
		if m.name, ok = nextValue(d); !ok {
			return member{}, false
		}
		if m.value, ok = nextValue(d); !ok {
			return member{}, false
		}
		if text, _ := strictjson.Text(m.name.of(object)); text == name {
			return m, true
		}
	}
	return member{}, false
}

func nextValue(d *jsontext.Decoder) (span, bool) {
	v, err := d.ReadValue()
	end := int(d.InputOffset())
	return span{end - len(v), end}, err == nil
}

func (s span) of(b []byte) []byte { return b[s.start:s.end] }

// replaceMember returns object with name and value of m replaced, and every other byte as it was.
func replaceMember(object []byte, m member, name string, value []byte) []byte {
	return bytes.Join([][]byte{
		object[:m.name.start], []byte(`"` + name + `"`), object[m.name.end:m.value.start], value, object[m.value.end:],
	}, nil)
}

// addMember returns object with a member in front of its others, of which there is at least one.
func addMember(object []byte, name string, value []byte) []byte {
	head, rest, _ := bytes.Cut(object, []byte("{"))
	return bytes.Join([][]byte{head, []byte(`{"` + name + `":`), value, []byte(","), rest}, nil)
}
