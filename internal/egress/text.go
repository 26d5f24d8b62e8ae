package egress

import "bytes"

// cutEnd removes "\n" or "\r\n" from the end of line.
func cutEnd(line []byte) []byte {
	line = line[:len(line)-1]
	if n := len(line); n > 0 && line[n-1] == '\r' {
		line = line[:n-1]
	}
	return line
}

// trim removes spaces and tabs from both ends of b.
func trim(b []byte) []byte {
	for len(b) > 0 && (b[0] == ' ' || b[0] == '\t') {
		b = b[1:]
	}
	for n := len(b); n > 0 && (b[n-1] == ' ' || b[n-1] == '\t'); n-- {
		b = b[:n-1]
	}
	return b
}

// foldEqual reports whether b is lower, which is in lower case, in whatever case.
func foldEqual(b []byte, lower string) bool {
	if len(b) != len(lower) {
		return false
	}
	for i := range len(b) {
		c := b[i]
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		if c != lower[i] {
			return false
		}
	}
	return true
}

// hasToken reports whether token, in lower case, is in list, which is separated by commas.
func hasToken(list []byte, token string) bool {
	for len(list) > 0 {
		first, rest, _ := bytes.Cut(list, []byte(","))
		if foldEqual(trim(first), token) {
			return true
		}
		list = rest
	}
	return false
}

func digit(b byte) bool { return '0' <= b && b <= '9' }

// contentType is string(value) without an allocation for the most common ones.
func contentType(value []byte) string {
	for _, common := range [...]string{"application/json", "text/plain; charset=utf-8", "text/plain",
		"application/json; charset=utf-8", "text/html; charset=utf-8", "text/html"} {
		if string(value) == common {
			return common
		}
	}
	return string(value)
}
