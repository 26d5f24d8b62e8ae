// Package nearest finds the word that was probably meant by one that does not exist: the name of a command, of a flag
// or of a parameter, or one of the values that it takes.
package nearest

import "strings"

// longest is the length in bytes of the longest text that may stand for a word. A comparison takes time in proportion
// to it, and the text may come from a stranger.
const longest = 64

// Word returns the word of words that text was probably meant to be, or "" if none is near. It is the first one that
// begins with text, which has at least two bytes then, or else the first of those that differ from it by the fewest
// letters: at most one for each three, and one in a short word. Upper and lower case are the same.
func Word(text string, words []string) string {
	if len(text) > longest {
		return ""
	}
	text = strings.ToLower(text)
	best, least := "", 0
	for _, word := range words {
		lower := strings.ToLower(word)
		if len(text) >= 2 && strings.HasPrefix(lower, text) {
			return word
		}
		d := distance(text, lower)
		if d <= max(1, max(len(text), len(lower))/3) && d < len(lower) && (best == "" || d < least) {
			best, least = word, d
		}
	}
	return best
}

// distance returns how many letters are inserted, deleted, replaced or exchanged with their neighbour to make b of a.
func distance(a, b string) int {
	s, t := []rune(a), []rune(b)
	var before, last []int
	row := make([]int, len(t)+1)
	for j := range row {
		row[j] = j
	}
	for i := range s {
		before, last, row = last, row, make([]int, len(t)+1)
		row[0] = i + 1
		for j := range t {
			cost := 1
			if s[i] == t[j] {
				cost = 0
			}
			row[j+1] = min(last[j]+cost, last[j+1]+1, row[j]+1)
			if i > 0 && j > 0 && s[i] == t[j-1] && s[i-1] == t[j] {
				row[j+1] = min(row[j+1], before[j-1]+1)
			}
		}
	}
	return row[len(t)]
}
