package forwarded

import "strings"

// This file reads the two headers. Both are lists, in one line or several, to which each proxy adds at the right end.
// What is left of a proxy's own element may be anything that a client sent. So a list is read from the right: a quote
// that a client opened and did not close cannot swallow what the proxy added.

// plainHops returns a function that returns the elements of X-Forwarded-For, the rightmost first. more is false at the
// end.
func plainHops(lines []string) func() (hop string, ok, more bool) {
	next := elements(lines, func(line string) int { return strings.LastIndexByte(line, ',') })
	return func() (hop string, ok, more bool) {
		hop, more = next()
		return hop, true, more
	}
}

// taggedHops returns a function that returns the parameter for of the elements of Forwarded, the rightmost first. ok
// is false if an element cannot be read, or has no such parameter.
func taggedHops(lines []string) func() (hop string, ok, more bool) {
	next := elements(lines, func(line string) int { return lastUnquoted(line, ',') })
	return func() (hop string, ok, more bool) {
		element, more := next()
		if !more {
			return "", true, false
		}
		hop, ok = forOf(element)
		return hop, ok, true
	}
}

// elements returns a function that returns the elements of a list, the rightmost first, without blanks around them and
// without empty ones. last returns the index of the last separator in a line, or -1.
func elements(lines []string, last func(line string) int) func() (element string, more bool) {
	rest, n := "", len(lines)
	return func() (element string, more bool) {
		for {
			for rest == "" {
				if n == 0 {
					return "", false
				}
				n--
				rest = lines[n]
			}
			i := last(rest)
			element, rest = strings.Trim(rest[i+1:], " \t"), rest[:max(i, 0)]
			if element != "" {
				return element, true
			}
		}
	}
}

// lastUnquoted returns the index of the last c in text that is not in a quoted string, or -1. A quoted string is read
// from its right end.
func lastUnquoted(text string, c byte) int {
	quoted := false
	for i := len(text) - 1; i >= 0; i-- {
		switch {
		case text[i] == '"' && !escaped(text, i):
			quoted = !quoted
		case text[i] == c && !quoted:
			return i
		}
	}
	return -1
}

// escaped reports whether an odd number of backslashes stands before text[i].
func escaped(text string, i int) bool {
	n := 0
	for i > n && text[i-n-1] == '\\' {
		n++
	}
	return n%2 == 1
}

// forOf returns the value of the parameter for of an element of Forwarded: `for="[2001:db8::17]:4711";proto=https`. ok
// is false if there is none, or several, or if the element has not the form of RFC 7239.
func forOf(element string) (value string, ok bool) {
	found := false
	for rest := element; rest != ""; {
		i := lastUnquoted(rest, ';')
		pair := strings.Trim(rest[i+1:], " \t")
		rest = rest[:max(i, 0)]
		name, text, hasValue := strings.Cut(pair, "=")
		if pair == "" {
			continue
		}
		if !hasValue || !isToken(name) {
			return "", false
		}
		if unquoted, isQuoted := unquote(text); isQuoted {
			text = unquoted
		} else if !isToken(text) {
			return "", false
		}
		if strings.EqualFold(name, "for") {
			if found {
				return "", false
			}
			value, found = text, true
		}
	}
	return value, found
}

// unquote returns what a quoted string holds.
func unquote(text string) (inside string, ok bool) {
	if len(text) < 2 || text[0] != '"' || text[len(text)-1] != '"' {
		return "", false
	}
	text = text[1 : len(text)-1]
	if !strings.ContainsAny(text, `"\`) {
		return text, true
	}
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch {
		case text[i] == '"', text[i] == '\\' && i+1 == len(text):
			return "", false
		case text[i] == '\\':
			i++
		}
		b.WriteByte(text[i])
	}
	return b.String(), true
}

// isToken reports whether text is a token of HTTP. Proxies write addresses with a port without quotes too, so a colon
// is taken as well.
func isToken(text string) bool {
	for i := range len(text) {
		c := text[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/;<=>?@\{}`, c) >= 0 {
			return false
		}
	}
	return text != ""
}
