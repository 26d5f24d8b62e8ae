package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file finds the word that was meant by one that does not exist: a command, a flag, or one of the values that a
// flag takes.

// nearest returns the word of words that text was probably meant to be, or "" if none is near. It is one that begins
// with text, or else the first of those that differ from it by the fewest letters, at most one for each three.
func nearest(text string, words []string) string {
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

// didYouMean returns the end of an error about text, with the nearest of words after prefix; "" if none is near.
func didYouMean(text, prefix string, words []string) string {
	meant := nearest(text, words)
	if meant == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean '%s%s'?", prefix, meant)
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

// oneOf returns the error for a value that is not one of words.
func oneOf(value string, words []string) error {
	return fmt.Errorf("use one of %s%s", strings.Join(words, ", "), didYouMean(value, "", words))
}

// enumFlag adds a flag whose value is one of words. doc is followed by the list of them.
func enumFlag(c *cobra.Command, to *string, name, standard string, words []string, doc string) {
	*to = standard
	parse := func(text string) (string, error) {
		if !slices.Contains(words, text) {
			return "", oneOf(text, words)
		}
		return text, nil
	}
	last := len(words) - 1
	doc += ": " + strings.Join(words[:last], ", ") + " or " + words[last]
	c.Flags().Var(&value[string]{to, parse, func(text string) string { return text }, "string"}, name, doc)
	annotate(c.Flags().Lookup(name), words)
}

// valuesOf annotates a flag with the values that it takes, for completion.
const valuesOf = "values of"

func annotate(f *pflag.Flag, words []string) {
	if f.Annotations == nil {
		f.Annotations = map[string][]string{}
	}
	f.Annotations[valuesOf] = words
}

// unknownCommand returns the error for a sub-command that c does not have, with the nearest name that it has.
func unknownCommand(c *cobra.Command, name string) error {
	var names []string
	for _, sub := range c.Commands() {
		if sub.IsAvailableCommand() {
			names = append(names, sub.Name())
		}
	}
	return wrongUsage("no command '%s %s'%s", c.CommandPath(), name, didYouMean(name, "", names))
}

// unknownFlag returns the error for a flag that c does not have, with the nearest one that it has. -source was meant
// as --source.
func unknownFlag(c *cobra.Command, err *pflag.NotExistError) error {
	var names []string
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if !f.Hidden {
			names = append(names, f.Name)
		}
	})
	given := err.GetSpecifiedName()
	if letters := err.GetSpecifiedShortnames(); letters != "" {
		word, _, _ := strings.Cut(letters, "=")
		if !slices.Contains(names, word) {
			return wrongUsage("unknown flag: -%s", given)
		}
		return wrongUsage("unknown flag: -%s; did you mean '--%[1]s'?", word)
	}
	return wrongUsage("unknown flag: --%s%s", given, didYouMean(given, "--", names))
}

// flagError returns the usageError for an error of the library that parses the command line.
func flagError(c *cobra.Command, err error) error {
	var invalid *pflag.InvalidValueError
	var missing *pflag.ValueRequiredError
	var unknown *pflag.NotExistError
	switch {
	case errors.As(err, &invalid):
		return wrongUsage("--%s %s: %s", invalid.GetFlag().Name, quoted(invalid.GetValue()), advice(invalid))
	case errors.As(err, &missing):
		return wrongUsage("--%s needs a value", missing.GetSpecifiedName())
	case errors.As(err, &unknown):
		return unknownFlag(c, unknown)
	}
	return &usageError{err}
}
