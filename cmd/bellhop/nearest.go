package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/internal/nearest"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file writes the errors about a command, a flag or a value of a flag that does not exist. Each names the one
// that was probably meant.

// didYouMean returns the end of an error about text, with the nearest of words after prefix; "" if none is near.
func didYouMean(text, prefix string, words []string) string {
	meant := nearest.Word(text, words)
	if meant == "" {
		return ""
	}
	return fmt.Sprintf("; did you mean '%s%s'?", prefix, meant)
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
