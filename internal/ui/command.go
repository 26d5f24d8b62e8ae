package ui

import (
	"fmt"
	"net/url"
	"strings"
)

// A command is what a page shows or does as a command of bellhop and as a call of the API. Neither has a secret in it:
// the key comes from the environment.
type command struct {
	CLI  string
	Curl lines
}

// A flagValue is a flag of a command and a parameter of a call, with the value of both.
type flagValue struct{ Flag, Parameter, Value string }

// get returns the command that shows path, narrowed by flags. Those without a value are left out.
func (s *server) get(words, path string, flags ...flagValue) command {
	query := url.Values{}
	var given []string
	for _, f := range flags {
		if f.Value == "" {
			continue
		}
		if f.Flag != "" {
			given = append(given, "--"+f.Flag, quote(f.Value))
		}
		query.Set(f.Parameter, f.Value)
	}
	cli := strings.Join(append([]string{"bellhop", words}, given...), " ")
	return command{cli, s.curl("", string(withQuery(path, query)), "")}
}

// post returns the command that posts body, which is JSON, to path. "" is no body.
func (s *server) post(cli, path, body string) command {
	return s.command("POST", cli, path, body)
}

// patch returns the command that changes the noun at path by a merge patch.
func (s *server) patch(cli, path, body string) command { return s.command("PATCH", cli, path, body) }

// command returns a command with the call of that method. "" is no body.
func (s *server) command(method, cli, path, body string) command {
	return command{"bellhop " + cli, s.curl("-X "+method+" ", path, body)}
}

// curl returns a call of the API.
func (s *server) curl(method, path, body string) lines {
	call := fmt.Sprintf(`curl %s-H "Authorization: Bearer $BELLHOP_API_KEY" %s`, method,
		quote(strings.TrimSuffix(s.APIURL, "/")+"/api/v1"+path))
	if body != "" {
		call += " \\\n  -H 'Content-Type: application/json' -d " + quote(body)
	}
	return lines(call)
}

// quote returns text as one word of a shell. A text with characters that cannot be seen is written as bash reads it,
// in ASCII.
func quote(text string) string {
	safe := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' ||
			strings.ContainsRune("/._-+,=:@%", r)
	}
	switch {
	case text != "" && !strings.ContainsFunc(text, func(r rune) bool { return !safe(r) }):
		return text
	case visible(text, false) == text:
		return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
	}
	var b strings.Builder
	b.WriteString("$'")
	for i := range len(text) {
		switch c := text[i]; {
		case c == '\'' || c == '\\':
			b.WriteString(`\` + string(rune(c)))
		case c >= ' ' && c < 0x7f:
			b.WriteByte(c)
		default:
			fmt.Fprintf(&b, `\x%02x`, c)
		}
	}
	return b.String() + "'"
}
