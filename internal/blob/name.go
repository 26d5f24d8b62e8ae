package blob

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Bounds of a name, in bytes. Keys of a bucket have at most 1024, so 124 are left for a prefix and its slash.
const (
	maxName = 900
	maxPart = 255 // what common file systems take
)

// reservedNames cannot be names of files on Windows, with whatever extension.
var reservedNames = []string{"con", "prn", "aux", "nul", "conin$", "conout$", "clock$", "com0", "com1", "com2", "com3",
	"com4", "com5", "com6", "com7", "com8", "com9", "com¹", "com²", "com³", "lpt0", "lpt1", "lpt2", "lpt3", "lpt4",
	"lpt5", "lpt6", "lpt7", "lpt8", "lpt9", "lpt¹", "lpt²", "lpt³"}

// CheckName returns nil if a file may have that name: parts with "/" between them, of which none is empty, begins with
// a dot, ends with a dot or a blank, is a reserved name of Windows, or has a character that Windows refuses or that
// nobody can see. The same names are refused everywhere, so that files can move to another storage. The error does not
// repeat the name.
func CheckName(name string) error {
	switch {
	case name == "":
		return errors.New("the name of the file is empty")
	case len(name) > maxName:
		return fmt.Errorf("the name of the file has %d bytes; at most %d are possible", len(name), maxName)
	case !utf8.ValidString(name):
		return errors.New("the name of the file is not UTF-8")
	}
	n := 0
	for part := range strings.SplitSeq(name, "/") {
		n++
		if fault := partFault(part); fault != "" {
			return fmt.Errorf("part %d of the name of the file %s; use letters, digits, \"-\" and \"_\"", n, fault)
		}
	}
	return nil
}

// partFault says what is wrong with a part of a name, or "".
func partFault(part string) string {
	if part == "" {
		return "is empty"
	}
	if len(part) > maxPart {
		return fmt.Sprintf("has %d bytes, more than %d", len(part), maxPart)
	}
	if part[0] == '.' {
		return "begins with a dot"
	}
	if last := part[len(part)-1]; last == '.' || last == ' ' {
		return "ends with a dot or a blank"
	}
	for _, r := range part {
		switch {
		case strings.ContainsRune(`<>:"|?*\`, r):
			return "has the character " + string(r)
		case unicode.In(r, unicode.Cc, unicode.Zl, unicode.Zp, unicode.Cs), isInvisible(r):
			return fmt.Sprintf("has the character U+%04X, which cannot be seen", r)
		}
	}
	stem, _, _ := strings.Cut(strings.ToLower(part), ".")
	if slices.Contains(reservedNames, strings.TrimRight(stem, " ")) {
		return "is a reserved name of Windows"
	}
	return ""
}

// isInvisible reports whether r changes how the text around it looks, and does not show by itself: marks of direction,
// by which an extension can be hidden, and the byte order mark. Joiners are letters of some languages.
func isInvisible(r rune) bool {
	return r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069 || r == 0x200e || r == 0x200f || r == 0x061c ||
		r == 0xfeff || r == 0x200b || r == 0x2060 || r == 0xfffe || r == 0xffff
}

// checkID returns nil if the bytes of a partial file may be under that id.
func checkID(id string) error {
	if !isID(id) {
		return errors.New("the id of the file is not one")
	}
	return nil
}

func isID(id string) bool {
	return id != "" && len(id) <= 64 && !strings.ContainsFunc(id, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_')
	})
}

// check returns nil if the id and the name of f can be used.
func (f File) check() error {
	if err := checkID(f.ID); err != nil {
		return err
	}
	return CheckName(f.Name)
}
