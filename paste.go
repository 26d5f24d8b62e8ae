package bellhop

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Secrets, keys and certificates are pasted from web pages and read from files of every system. These functions
// remove what such a way adds to a text, and describe a text that came out of it damaged.

// MaxSecretBytes bounds the text of a secret. Certificates and private keys in PEM may be longer.
const MaxSecretBytes = 4 << 10

// byteOrderMark precedes the text in files that some editors write.
const byteOrderMark = '\ufeff'

// Pasted returns text without the white space, byte order marks and other invisible characters around it. A secret
// that is sent in a header, or shown by a product, never begins or ends with one of them.
func Pasted(text string) string { return strings.TrimFunc(text, isInvisible) }

func isInvisible(r rune) bool {
	return unicode.IsSpace(r) || r == byteOrderMark || r >= '\u200b' && r <= '\u200f' || r == '\u2060'
}

// SecretFault says in words why text, which [Pasted] returned, cannot be a secret. It returns "" if it can be one. It
// repeats nothing of the text.
func SecretFault(text string) string {
	switch {
	case text == "":
		return "must not be empty"
	case len(text) > MaxSecretBytes:
		return fmt.Sprintf("has %d bytes; a secret has at most %d", len(text), MaxSecretBytes)
	case textFault(text) != "":
		return textFault(text)
	case strings.ContainsFunc(text, func(r rune) bool { return unicode.IsControl(r) || r == byteOrderMark }):
		return "has a line break or another control character inside; give the secret alone, on one line"
	}
	return ""
}

// textFault says in words why text came out of a file that is not a text file in UTF-8. It returns "" for other texts.
func textFault(text string) string {
	switch {
	case strings.ContainsRune(text, 0):
		return "has NUL characters, as a file in UTF-16 or a binary file has; save it as a text file in UTF-8"
	case !utf8.ValidString(text) || strings.ContainsRune(text, utf8.RuneError):
		return "is not text in UTF-8; save it as a text file in UTF-8"
	}
	return ""
}

// escapedBreaks replaces line breaks that are written as in a string of a program, as variables of the environment and
// JSON files of keys have them.
var escapedBreaks = strings.NewReplacer(`\r`, "", `\n`, "\n")

// PastedPEM returns text, which should be PEM, in the form that package encoding/pem reads: each line [Pasted] and
// ended by a line feed, without empty lines. Line breaks may be written as \n.
func PastedPEM(text string) string {
	if !strings.ContainsAny(text, "\r\n") {
		text = escapedBreaks.Replace(text)
	}
	var lines strings.Builder
	for line := range strings.FieldsFuncSeq(text, func(r rune) bool { return r == '\n' || r == '\r' }) {
		if line = Pasted(line); line != "" {
			lines.WriteString(line + "\n")
		}
	}
	return lines.String()
}

// PEMFault says in words why text, which [PastedPEM] returned, cannot be PEM. It returns "" if it may be PEM. It
// repeats nothing of the text.
func PEMFault(text string) string {
	switch {
	case textFault(text) != "":
		return textFault(text)
	case strings.Contains(text, "-----BEGIN") && strings.Count(text, "\n") < 2:
		return "has lost its line breaks; give the content of the PEM file as it is, for example as @FILE"
	}
	return ""
}

// FileText returns the content of a text file: UTF-8, with or without a byte order mark, or UTF-16 with one. The mark
// is removed, and nothing else. The error says in words that the file is neither.
func FileText(content []byte) (string, error) {
	if rest, ok := bytes.CutPrefix(content, []byte("\xef\xbb\xbf")); ok {
		content = rest
	} else if rest, ok := bytes.CutPrefix(content, []byte("\xff\xfe")); ok {
		return utf16Text(rest, false)
	} else if rest, ok := bytes.CutPrefix(content, []byte("\xfe\xff")); ok {
		return utf16Text(rest, true)
	}
	switch {
	case bytes.IndexByte(content, 0) >= 0:
		return "", errors.New("not a text file in UTF-8: it has NUL bytes, as UTF-16 has; save it as UTF-8")
	case !utf8.Valid(content):
		return "", errors.New("not a text file in UTF-8; save it as UTF-8")
	}
	return string(content), nil
}

// utf16Text decodes UTF-16 behind its byte order mark.
func utf16Text(content []byte, bigEndian bool) (string, error) {
	if len(content)%2 != 0 {
		return "", errors.New("not a text file: its byte order mark says UTF-16, but it has an odd number of bytes")
	}
	units := make([]uint16, len(content)/2)
	for i := range units {
		first, second := uint16(content[2*i]), uint16(content[2*i+1])
		if bigEndian {
			first, second = second, first
		}
		units[i] = second<<8 | first
	}
	text := string(utf16.Decode(units))
	if strings.ContainsRune(text, 0) || strings.ContainsRune(text, utf8.RuneError) {
		return "", errors.New("not a text file: its byte order mark says UTF-16, but it is not; save it as UTF-8")
	}
	return text, nil
}
