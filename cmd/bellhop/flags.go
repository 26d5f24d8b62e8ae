package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

// pageFlags adds the flags that select one page of a list.
func pageFlags(c *cobra.Command) *client.Page {
	page := new(client.Page)
	c.Flags().IntVar(&page.Limit, "limit", 50, "items to print at most, up to 250")
	c.Flags().StringVar(&page.Cursor, "cursor", "", "where to continue: the value printed after the previous page")
	return page
}

// timeFlag adds a flag whose value is a time.
func timeFlag(c *cobra.Command, t *time.Time, name, doc string) {
	c.Flags().TimeVar(t, name, time.Time{}, []string{time.RFC3339Nano}, doc+", such as 2026-11-22T10:00:00Z")
	c.Flags().Lookup(name).DefValue = ""
}

// sinceFlag adds a flag whose value is a time, or a duration before now.
func sinceFlag(c *cobra.Command, t *time.Time, name, doc string) {
	c.Flags().Var(&sinceValue{t}, name, doc+", such as 2026-11-22T10:00:00Z, or 2h for two hours ago")
}

// A sinceValue is the pflag.Value of sinceFlag.
type sinceValue struct{ t *time.Time }

func (v *sinceValue) Set(text string) (err error) {
	*v.t, err = parseSince(text, time.Now())
	return err
}

func (v *sinceValue) String() string { return "" }
func (v *sinceValue) Type() string   { return "time" }

// parseSince reads a time in RFC 3339, or a duration before now. A whole number of days may be written as 3d.
func parseSince(text string, now time.Time) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return t, nil
	}
	if days, ok := strings.CutSuffix(text, "d"); ok {
		if n, err := strconv.ParseUint(days, 10, 16); err == nil {
			return now.Add(-time.Duration(n) * 24 * time.Hour), nil
		}
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return time.Time{}, errors.New("write a time, such as 2026-11-22T10:00:00Z, or how long ago, such as 90m, 2h or 3d")
	}
	return now.Add(-d), nil
}

// changedFlags returns the values of those flags that were given. A key of the result is the flag's name in
// JSON form: max_body_bytes for --max-body-bytes.
func changedFlags(c *cobra.Command, values map[string]any) map[string]any {
	changed := make(map[string]any)
	for name, value := range values {
		if c.Flags().Changed(name) {
			changed[strings.ReplaceAll(name, "-", "_")] = value
		}
	}
	return changed
}

// firstChanged returns the first of the named flags that was given, or "" if none was.
func firstChanged(c *cobra.Command, names ...string) string {
	for _, name := range names {
		if c.Flags().Changed(name) {
			return name
		}
	}
	return ""
}

const setHelp = "a setting, as name=value; " +
	"the value is text, @FILE, env:NAME, true or false, or JSON in [ ] or { } (repeatable)"

// readSettings reads the values of --set.
func (e *env) readSettings(pairs []string) (map[string]any, error) {
	settings := make(map[string]any)
	for _, pair := range pairs {
		name, text, ok := strings.Cut(pair, "=")
		if !ok || name == "" {
			return nil, wrongUsage("--set %s: write it as name=value", clean(name))
		}
		if _, repeated := settings[name]; repeated {
			return nil, wrongUsage("--set %s: given twice; write a list as %[1]s='[\"a\",\"b\"]'", clean(name))
		}
		value, err := e.readValue(text)
		if err != nil {
			return nil, fmt.Errorf("--set %s: %w", clean(name), err)
		}
		if isNumber(name) && json.Valid([]byte(text)) {
			value = json.Number(text)
		}
		settings[name] = value
	}
	return settings, nil
}

// isNumber reports whether the setting of this name is a number in every provider that has it.
func isNumber(name string) bool {
	found := false
	for _, p := range all.Providers() {
		for _, s := range slices.Concat(p.Info().Settings, p.Info().SendSettings) {
			if s.Name == name && s.Kind != provider.KindNumber {
				return false
			}
			found = found || s.Name == name
		}
	}
	return found
}

// readValue reads one value. @FILE is the content of the file and env:NAME that of the variable; true, false
// and text that begins with [ or { are JSON; anything else is text.
func (e *env) readValue(text string) (any, error) {
	if secret, isReference, err := e.readReference(text); isReference {
		return secret, err
	}
	if text != "true" && text != "false" && !strings.HasPrefix(text, "[") && !strings.HasPrefix(text, "{") {
		return text, nil
	}
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	var v any
	if err := decoder.Decode(&v); err != nil || decoder.More() {
		return nil, wrongUsage("begins like JSON but is not JSON; if it is meant as text, put it into a file and use @FILE")
	}
	return v, nil
}

// readText reads a value that is always text, such as a secret: @FILE, env:NAME, or the text itself.
func (e *env) readText(text string) (string, error) {
	if value, isReference, err := e.readReference(text); isReference {
		return value, err
	}
	return text, nil
}

func (e *env) readReference(text string) (value string, isReference bool, err error) {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		content, err := os.ReadFile(within(e.dir, path))
		return string(bytes.TrimRight(content, "\r\n")), true, err
	}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if value = e.getenv(name); value == "" {
			return "", true, fmt.Errorf("the environment variable %s is not set", name)
		}
		return value, true, nil
	}
	return "", false, nil
}

// unset marks settings for removal: in a merge patch, null removes a member.
func unset(settings map[string]any, names []string) {
	for _, name := range names {
		settings[name] = nil
	}
}
