package main

import "strings"

// This file folds commands of a shell, so that they fit a terminal and can still be copied from it.

// foldShell breaks the lines of commands that are wider than width, at blanks outside quotation marks and with a
// backslash, so that a shell reads the same words. A line without such a blank, a comment, and a here-document stay as
// they are.
func foldShell(commands string, width int) string {
	if strings.Contains(commands, "<<") {
		return commands
	}
	var out []string
	quote := byte(0) // the quotation mark that is open; 0 is none
	for line := range strings.SplitSeq(commands, "\n") {
		breaks, open := breaksOf(line, quote)
		if quote == 0 && strings.HasPrefix(strings.TrimSpace(line), "#") {
			breaks, open = nil, 0
		}
		quote = open
		out = append(out, foldLine(line, breaks, width)...)
	}
	return strings.Join(out, "\n")
}

// breaksOf returns where line has a blank outside quotation marks and after a word, and the quotation mark that is
// open at its end. quote is the one that is open at its beginning.
func breaksOf(line string, quote byte) (breaks []int, open byte) {
	indent := len(line) - len(strings.TrimLeft(line, " "))
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '\\' && quote != '\'':
			i++ // the next character means itself
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '\'' || c == '"':
			quote = c
		case c == ' ' && i > indent && line[i-1] != ' ' && !strings.HasPrefix(line[i+1:], `\`):
			breaks = append(breaks, i)
		}
	}
	return breaks, quote
}

// foldLine breaks line at some of breaks, each time as late as it can. What follows is indented by four blanks more
// than the line.
func foldLine(line string, breaks []int, width int) (lines []string) {
	indent := strings.Repeat(" ", len(line)-len(strings.TrimLeft(line, " "))+4)
	begin, lead := 0, ""
	for displayWidth(lead+line[begin:]) > width {
		at := -1
		for _, b := range breaks {
			if b <= begin {
				continue
			}
			if at < 0 || displayWidth(lead+line[begin:b])+2 <= width {
				at = b
			}
		}
		if at < 0 {
			break
		}
		lines = append(lines, lead+line[begin:at]+` \`)
		begin, lead = at+1, indent
	}
	return append(lines, lead+line[begin:])
}
