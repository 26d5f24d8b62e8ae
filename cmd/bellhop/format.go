package main

import (
	"slices"
	"strconv"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file holds the forms in which commands print what they return.

// A format is one of these forms. "" is formatTable.
type format string

const (
	formatTable format = "table" // fits the terminal
	formatWide  format = "wide"  // a table with all columns, whatever the width of the terminal
	formatJSON  format = "json"  // a line for each item
	formatYAML  format = "yaml"  // a document for each item
)

var formats = []string{string(formatTable), string(formatWide), string(formatJSON), string(formatYAML)}

const formatHelp = "how to print: table, wide (all columns, a line for each item), json (a line for each item) or " +
	"yaml (a document for each item)"

// formatFlags adds --output, which chooses the format, and --json, which stands for --output json. *asData becomes
// true for JSON and YAML.
func formatFlags(e *env, flags *pflag.FlagSet, asData *bool) {
	flags.VarP(&formatValue{e: e, asData: asData}, "output", "o", formatHelp)
	annotate(flags.Lookup("output"), formats)
	flags.Var(&formatValue{e: e, asData: asData, isJSON: true}, "json", "the same as --output json")
	flags.Lookup("json").NoOptDefVal = "true"
}

// A formatValue is the value of --output or --json.
type formatValue struct {
	e      *env
	asData *bool
	isJSON bool // the value of --json, which is true or false
}

func (v *formatValue) Set(text string) error {
	chosen := format(text)
	if v.isJSON {
		yes, err := strconv.ParseBool(text)
		if err != nil {
			return err
		}
		chosen = formatTable
		if yes {
			chosen = formatJSON
		}
	} else if !slices.Contains(formats, text) {
		return oneOf(text, formats)
	}
	v.e.format, *v.asData = chosen, chosen == formatJSON || chosen == formatYAML
	return nil
}

// String returns the value, from which Set makes the same value. pflag also calls it for a zero formatValue.
func (v *formatValue) String() string {
	switch {
	case v.asData == nil:
		return ""
	case v.isJSON:
		return strconv.FormatBool(v.e.format == formatJSON)
	case v.e.format == "":
		return string(formatTable)
	}
	return string(v.e.format)
}

func (v *formatValue) Type() string {
	if v.isJSON {
		return "bool"
	}
	return "format"
}

// checkFormat returns an error if c prints nothing that has a format, or if two formats were given. The flags of the
// root are hidden: they are for the commands that have their own.
func checkFormat(c *cobra.Command) error {
	output, asJSON := c.Flags().Lookup("output"), c.Flags().Lookup("json")
	for _, f := range []*pflag.Flag{output, asJSON} {
		if f != nil && f.Hidden && f.Changed {
			return wrongUsage("'%s' has no --%s", c.CommandPath(), f.Name)
		}
	}
	if isFormat(output) && output.Changed && asJSON.Changed {
		return wrongUsage("give --output or --json, not both: --json is --output json")
	}
	return nil
}

// isFormat reports whether f chooses a format, and is no flag of the same name, such as of the file to write.
func isFormat(f *pflag.Flag) bool {
	if f == nil {
		return false
	}
	_, ok := f.Value.(*formatValue)
	return ok
}

// hasOtherFormat reports whether f chooses a format and the other flag that does so was given.
func hasOtherFormat(c *cobra.Command, f *pflag.Flag) bool {
	other := map[string]string{"output": "json", "json": "output"}[f.Name]
	return isFormat(f) && other != "" && c.Flags().Changed(other)
}

// printData prints v as JSON, or as YAML if that was chosen.
func printData(e *env, v any) error {
	if e.format == formatYAML {
		return printYAML(e.stdout, v)
	}
	return printJSON(e.stdout, v)
}
