package main

import (
	"encoding/json"
	"maps"
	"slices"
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

// settingFields are the settings of a noun, in order.
func settingFields(settings map[string]any) []field {
	var fields []field
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		fields = append(fields, field{"settings." + name, settingText(settings[name])})
	}
	return fields
}

// settingText is a setting for people: of a secret, since when it is set.
func settingText(value any) string {
	switch value := value.(type) {
	case string:
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
