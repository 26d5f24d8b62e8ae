package action

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// This file makes the names of files by the setting path. What comes from outside is a value within a part of a name,
// and is escaped: it never chooses the path.

// A pathTemplate is a setting path.
type pathTemplate struct {
	pieces []piece // in turn
}

// A piece is a text, or a placeholder.
type piece struct {
	text string
	name string // of a placeholder; "" is a text
}

// Bounds of paths.
const (
	maxPath      = 500 // bytes of the setting
	maxValue     = 64  // bytes of a value, after escaping
	keptOfLong   = 40  // of a longer one, before its hash
	hashOfLong   = 16  // hex digits
	maxPathParts = 10  // between the slashes
)

// safeCharacters are those of a path beside letters and digits.
const safeCharacters = "-_."

// parsePath reads a setting path whose placeholders are those of names. Its error is bellhop.CodeInvalid at "path".
func parsePath(text string, names []string) (pathTemplate, error) {
	var t pathTemplate
	invalid := func(format string, args ...any) (pathTemplate, error) {
		return t, bellhop.Invalid("path", fmt.Sprintf(format, args...))
	}
	if len(text) > maxPath {
		return invalid("is longer than %d bytes", maxPath)
	}
	for rest := text; rest != ""; {
		before, after, found := strings.Cut(rest, "{{")
		if before != "" {
			t.pieces = append(t.pieces, piece{text: before})
		}
		if !found {
			break
		}
		name, behind, closed := strings.Cut(after, "}}")
		name = strings.TrimSpace(name)
		if !closed || !slices.Contains(names, name) {
			return invalid("has a placeholder that is not known; there are {{%s}}", strings.Join(names, "}}, {{"))
		}
		t.pieces = append(t.pieces, piece{name: name})
		rest = behind
	}
	for _, p := range t.pieces {
		if !provider.Alphanumeric(p.text, safeCharacters+"/") {
			return invalid("may have letters, digits, - _ . / and placeholders")
		}
	}
	for _, needed := range []string{"index", "document"} {
		if slices.ContainsFunc(t.pieces, func(p piece) bool { return p.name == needed }) {
			return t, t.check()
		}
	}
	return invalid("must have {{index}} or {{document}}, so that each file has a name of its own")
}

// check returns why a path cannot be one, whatever the values are.
func (t pathTemplate) check() error {
	parts := strings.Split(t.expand(func(string) string { return "x" }), "/")
	if len(parts) > maxPathParts {
		return bellhop.Invalid("path", fmt.Sprintf("has more than %d parts", maxPathParts))
	}
	for _, part := range parts {
		if part == "" || strings.HasPrefix(part, ".") || strings.HasSuffix(part, ".") {
			return bellhop.Invalid("path", "has an empty part, or one that begins or ends with a dot")
		}
	}
	return nil
}

// expand returns the path with values in place of the placeholders. value returns one by its name; it is escaped.
func (t pathTemplate) expand(value func(name string) string) string {
	var b strings.Builder
	for _, p := range t.pieces {
		b.WriteString(p.text)
		if p.name != "" {
			b.WriteString(pathValue(value(p.name)))
		}
	}
	parts := strings.Split(b.String(), "/")
	for i, part := range parts {
		parts[i] = unreserved(part)
	}
	return strings.Join(parts, "/")
}

// pathValue returns a value as it is written into a path: letters, digits and dashes stay, any other byte is _XX in
// hex. Different values stay different. A long one is cut, and ends in its hash. An empty one is "_".
func pathValue(text string) string {
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; provider.Alphanumeric(string(rune(c)), "-") && c < 0x80 {
			b.WriteByte(c)
		} else {
			fmt.Fprintf(&b, "_%02X", c)
		}
	}
	escaped := b.String()
	switch {
	case escaped == "":
		return "_"
	case len(escaped) <= maxValue:
		return escaped
	}
	sum := sha256.Sum256([]byte(text))
	return escaped[:keptOfLong] + "__" + hex.EncodeToString(sum[:])[:hashOfLong]
}

// reservedNames are the names of devices, which are no names of files on Windows, whatever follows a dot behind them.
// Source: https://learn.microsoft.com/windows/win32/fileio/naming-a-file
var reservedNames = []string{"con", "prn", "aux", "nul"}

// unreserved returns a part of a path that is no name of a device.
func unreserved(part string) string {
	stem, _, _ := strings.Cut(strings.ToLower(part), ".")
	numbered := len(stem) == 4 && (strings.HasPrefix(stem, "com") || strings.HasPrefix(stem, "lpt")) &&
		stem[3] >= '0' && stem[3] <= '9'
	if slices.Contains(reservedNames, stem) || numbered {
		return "_" + part
	}
	return part
}

// withSuffix returns a name with a suffix before the end that begins with its last dot.
func withSuffix(name, suffix string) string {
	slash, dot := strings.LastIndexByte(name, '/'), strings.LastIndexByte(name, '.')
	if dot <= slash {
		return name + suffix
	}
	return name[:dot] + suffix + name[dot:]
}
