package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
	"github.com/spf13/cobra"
)

// pageFlags adds the flags that select one page of a list.
func pageFlags(c *cobra.Command) *client.Page {
	page := new(client.Page)
	rangeFlag(c, &page.Limit, "limit", 50, 1, 250, "items to print at most, up to 250")
	c.Flags().StringVar(&page.Cursor, "cursor", "", "where to continue: the value printed after the previous page")
	return page
}

// containsHelp explains a filter that looks into bodies.
const containsHelp = "only those whose body contains these bytes; slow, because the bodies are looked through"

// tenantFlag adds the flag that narrows a list to a tenant.
func tenantFlag(c *cobra.Command, tenant *string, nouns string) {
	c.Flags().StringVar(tenant, "tenant", "", "only "+nouns+" of this tenant")
}

// ifMatchFlag adds the flag that names the version of a noun that a change is meant for.
func ifMatchFlag(c *cobra.Command) *string {
	return c.Flags().String("if-match", "",
		"do nothing if it has changed since: the etag that show has printed")
}

// etagField shows an ETag without its quotes, which a shell would take away.
func etagField(tag string) field { return field{"etag", strings.Trim(tag, `"`)} }

// ownerFlag adds the flag that says to which tenant a new noun is to belong.
func ownerFlag(c *cobra.Command, noun string) *string {
	return c.Flags().String("tenant", "",
		"the tenant that the "+noun+" is to belong to (default: that of the API key, or none)")
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
		settings := slices.Concat(p.Info().Settings, p.Info().SendSettings)
		if s, ok := p.(provider.Subscriber); ok {
			settings = append(settings, s.SubscribeInfo().Settings...)
		}
		for _, s := range settings {
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
		return nil, wrongUsage("begins like JSON but is not JSON; if it is meant as text, put it " +
			"into a file and use @FILE")
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
		value, err := readTextFile(within(e.dir, path))
		return value, true, err
	}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if value = e.getenv(name); value == "" {
			return "", true, fmt.Errorf("the environment variable %s is not set", name)
		}
		return strings.TrimRight(value, "\r\n"), true, nil
	}
	return "", false, nil
}

// checkUnset checks that each name of --unset is set: a setting, or access.NAME, or access if something of it is set.
func checkUnset(names []string, settings client.Settings, access client.Access) error {
	var known []string
	for name := range settings {
		known = append(known, name)
	}
	for name := range access {
		known = append(known, "access."+name)
	}
	slices.Sort(known)
	for _, name := range names {
		switch {
		case slices.Contains(known, name), name == "access" && len(access) > 0:
		case len(known) == 0:
			return wrongUsage("--unset %s: it is not set, and neither is any other setting", quoted(name))
		default:
			return wrongUsage("--unset %s: it is not set; these settings are: %s", quoted(name),
				strings.Join(known, ", "))
		}
	}
	return nil
}

// readTextFile returns the text of a file, in UTF-8 or UTF-16, without the line breaks at its end.
func readTextFile(path string) (string, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	text, err := bellhop.FileText(content)
	if err != nil {
		return "", fmt.Errorf("%s: %w", path, err)
	}
	return strings.TrimRight(text, "\r\n"), nil
}

// unset marks settings for removal: in a merge patch, null removes a member.
func unset(settings map[string]any, names []string) {
	for _, name := range names {
		settings[name] = nil
	}
}
