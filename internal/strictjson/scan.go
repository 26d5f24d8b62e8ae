package strictjson

// The functions of this file find the ends of JSON values (RFC 8259). None of them recurses, so that no depth of
// nesting can exhaust a stack. Each takes the index where something begins, and returns the index behind it, or -1 if
// it is not there; they pass on an index of -1, so that only the last of several calls has to be checked.

// begin returns the index of the first member or item of body, which must be an object or an array, as its first
// byte start says.
func begin(body []byte, start byte) (int, error) {
	i := skipBlanks(body, len(body)-len(TrimBOM(body)))
	switch {
	case at(body, i) == start:
		return skipBlanks(body, i+1), nil
	case isWide(body):
		return -1, errEncoding
	case start == '[':
		return -1, errArray
	}
	return -1, errObject
}

// isWide reports whether body, which is not JSON in UTF-8, looks like UTF-16 or UTF-32: it begins with the byte order
// mark of UTF-16, or has a zero byte beside its first character.
func isWide(body []byte) bool {
	if len(body) < 2 {
		return false
	}
	marked := body[0] == 0xfe && body[1] == 0xff || body[0] == 0xff && body[1] == 0xfe
	return marked || body[0] == 0 || body[1] == 0
}

// end checks that only white space follows the index i.
func end(body []byte, i int) error {
	if skipBlanks(body, i) != len(body) {
		return errSyntax
	}
	return nil
}

// at returns the byte at i, or 0, which JSON does not have between its tokens.
func at(b []byte, i int) byte {
	if i < 0 || i >= len(b) {
		return 0
	}
	return b[i]
}

// skipBlanks skips white space, of which there may be none.
func skipBlanks(b []byte, i int) int {
	for i >= 0 && i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// skipValue skips a value of any kind.
func skipValue(b []byte, i int) int {
	if c := at(b, i); c != '{' && c != '[' {
		return skipScalar(b, c, i)
	}
	return skipComposite(b, i)
}

// skipComposite skips an object or an array.
func skipComposite(b []byte, i int) int {
	var open nesting
	for {
		switch c := at(b, i); c {
		case '{', '[':
			i = skipBlanks(b, i+1)
			if at(b, i) != c+2 { // "}" or "]"
				open.push(c == '{')
				if c == '{' {
					i = skipName(b, i)
				}
				continue
			}
			i++
		default:
			i = skipScalar(b, c, i)
		}
		if i = skipEnds(b, i, &open); i < 0 || open.depth == 0 {
			return i
		}
	}
}

// skipEnds skips what may follow a value within the open objects and arrays: the ends of these, and then a comma, with
// the name that follows it in an object. If no object or array remains open, the index is that behind the last one.
func skipEnds(b []byte, i int, open *nesting) int {
	for open.depth > 0 {
		i = skipBlanks(b, i)
		object := open.inObject()
		switch at(b, i) {
		case ',':
			i = skipBlanks(b, i+1)
			if object {
				i = skipName(b, i)
			}
			return i
		case '}':
			if !object {
				return -1
			}
		case ']':
			if object {
				return -1
			}
		default:
			return -1
		}
		open.depth--
		i++
	}
	return i
}

// A nesting is a stack of open objects and arrays, with a bit for each of them.
type nesting struct {
	first [2]uint64 // so that the usual depths need no memory of their own
	more  []uint64
	depth int
}

// word returns the bits of the object or array at that depth, and the bit that is its own.
func (n *nesting) word(depth int) (word *uint64, bit uint64) {
	i := depth / 64
	if i < len(n.first) {
		return &n.first[i], 1 << (depth % 64)
	}
	return &n.more[i-len(n.first)], 1 << (depth % 64)
}

func (n *nesting) push(object bool) {
	if n.depth/64 == len(n.first)+len(n.more) {
		n.more = append(n.more, 0)
	}
	word, bit := n.word(n.depth)
	*word &^= bit
	if object {
		*word |= bit
	}
	n.depth++
}

func (n *nesting) inObject() bool {
	word, bit := n.word(n.depth - 1)
	return *word&bit != 0
}

// skipName skips the name of a member, the colon, and the white space around it.
func skipName(b []byte, i int) int {
	i = skipBlanks(b, skipString(b, i))
	if at(b, i) != ':' {
		return -1
	}
	return skipBlanks(b, i+1)
}

// skipScalar skips a value that is neither an object nor an array. c is its first byte.
func skipScalar(b []byte, c byte, i int) int {
	switch c {
	case '"':
		return skipString(b, i)
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	}
	return skipNumber(b, i)
}

func skipWord(b []byte, i int, word string) int {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

func skipString(b []byte, i int) int {
	if at(b, i) != '"' {
		return -1
	}
	i++
	for {
		for i < len(b) && b[i] >= ' ' && b[i] != '"' && b[i] != '\\' {
			i++
		}
		switch at(b, i) {
		case '"':
			return i + 1
		case '\\':
			if i = skipEscape(b, i+1); i < 0 {
				return -1
			}
			i++
		default:
			return -1
		}
	}
}

// skipEscape returns the index of the last byte of an escape, whose first byte after the backslash is at i.
func skipEscape(b []byte, i int) int {
	switch at(b, i) {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return i
	case 'u':
		for range 4 {
			i++
			c := at(b, i) | 0x20
			if (c < '0' || c > '9') && (c < 'a' || c > 'f') || at(b, i) < '0' {
				return -1
			}
		}
		return i
	}
	return -1
}

func skipNumber(b []byte, i int) int {
	if at(b, i) == '-' {
		i++
	}
	if at(b, i) == '0' {
		i++
	} else {
		i = skipDigits(b, i)
	}
	if at(b, i) == '.' {
		i = skipDigits(b, i+1)
	}
	if at(b, i)|0x20 == 'e' {
		i++
		if at(b, i) == '+' || at(b, i) == '-' {
			i++
		}
		i = skipDigits(b, i)
	}
	return i
}

// skipDigits skips at least one digit.
func skipDigits(b []byte, i int) int {
	start := i
	for i >= 0 && i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	if i == start {
		return -1
	}
	return i
}

// deeperThan reports whether body, which is valid JSON, has more than limit objects and arrays within one another.
func deeperThan(body []byte, limit int) bool {
	depth := 0
	for i := 0; i < len(body); i++ {
		switch body[i] {
		case '{', '[':
			depth++
			if depth > limit {
				return true
			}
		case '}', ']':
			depth--
		case '"':
			i = skipString(body, i) - 1
		}
	}
	return false
}
