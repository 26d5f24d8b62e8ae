package generic

import (
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
)

// A path leads to a member of a JSON object: names, from the outside to the inside. None leads nowhere.
type path []string

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// parsePath reads the name of a member or, if it begins with a slash, a JSON Pointer (RFC 6901), such as
// "/event/id". Pointers lead through objects only.
func parsePath(text string) path {
	pointer, ok := strings.CutPrefix(text, "/")
	switch {
	case text == "":
		return nil
	case !ok:
		return path{text}
	}
	names := strings.Split(pointer, "/")
	for i, name := range names {
		names[i] = unescapePointer.Replace(name)
	}
	return names
}

// find returns the values of the members of body that paths lead to, nil for each that is not there. The whole body
// is checked as [strictjson.Object] does, in one go for all paths.
func find(body []byte, paths ...path) ([][]byte, error) {
	values := make([][]byte, len(paths))
	err := strictjson.Object(body, func(name, value []byte) {
		for i, p := range paths {
			if len(p) > 0 && p[0] == string(name) {
				values[i] = value
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for i, p := range paths {
		if len(p) > 1 {
			values[i] = descend(values[i], p[1:])
		}
	}
	return values, nil
}

// descend is find for one path within value, which was checked before.
func descend(value []byte, p path) []byte {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	found, err := find(value, p)
	if err != nil {
		return nil
	}
	return found[0]
}

// textOrNumber returns a JSON text, a JSON number as it is written, and "" for anything else.
func textOrNumber(value []byte) string {
	if text, ok := strictjson.Key(value); ok {
		return text
	}
	if len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		return string(value)
	}
	return ""
}
