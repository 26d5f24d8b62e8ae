package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
)

// pageFlags adds the flags that say which page of a list is wanted.
func pageFlags(c *cobra.Command) *client.Page {
	page := new(client.Page)
	c.Flags().IntVar(&page.Limit, "limit", 50, "how many at most, up to 250")
	c.Flags().StringVar(&page.Cursor, "cursor", "", "where the page before ended")
	return page
}

// timeFlag adds a flag whose value is a moment.
func timeFlag(c *cobra.Command, t *time.Time, name, doc string) {
	c.Flags().TimeVar(t, name, time.Time{}, []string{time.RFC3339Nano}, doc+", such as 2026-11-22T10:00:00Z")
	c.Flags().Lookup(name).DefValue = ""
}

// sinceFlag adds a flag whose value is a moment, or how long ago that was.
func sinceFlag(c *cobra.Command, t *time.Time, name, doc string) {
	c.Flags().Var(&sinceValue{t}, name, doc+", such as 2026-11-22T10:00:00Z, or 2h for two hours ago")
}

type sinceValue struct{ t *time.Time }

func (v *sinceValue) Set(text string) (err error) {
	*v.t, err = parseSince(text, time.Now())
	return err
}

func (v *sinceValue) String() string { return "" }
func (v *sinceValue) Type() string   { return "time" }

// parseSince reads a moment in RFC 3339, or a length of time before now; a whole number of days may be written as 3d.
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
		return time.Time{}, errors.New("write a moment, 2026-11-22T10:00:00Z, or how long ago, 90m, 2h or 3d")
	}
	return now.Add(-d), nil
}

// changedFlags returns the values of the flags that were given, under their names in JSON.
func changedFlags(c *cobra.Command, values map[string]any) map[string]any {
	changed := make(map[string]any)
	for name, value := range values {
		if c.Flags().Changed(name) {
			changed[strings.ReplaceAll(name, "-", "_")] = value
		}
	}
	return changed
}

// settingFields are the settings of a noun, in order, their names behind prefix.
func settingFields(prefix string, settings map[string]any) []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fields = append(fields, field{prefix + name, settingText(settings[name])})
	}
	return fields
}

// settingText is a setting for people: of a secret, since when it is set.
func settingText(value any) string {
	switch value := value.(type) {
	case string:
		if strings.HasPrefix(value, "-----BEGIN ") {
			return fmt.Sprintf("PEM, %d bytes; --json shows it", len(value))
		}
		return value
	case map[string]any:
		if at, ok := value["set_at"].(string); ok && value["set"] == true {
			return "set at " + at
		}
		if len(value) > 0 {
			var texts []string
			for _, name := range slices.Sorted(maps.Keys(value)) {
				texts = append(texts, name+": "+settingText(value[name]))
			}
			return strings.Join(texts, ", ")
		}
	}
	text, _ := json.Marshal(value)
	return string(text)
}
