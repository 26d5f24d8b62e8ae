package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/all"
)

const setHelp = "a setting, name=value; value is text, @FILE, env:NAME, true or false, or JSON in [ ] or { } (repeatable)"

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
		if number := json.Number(text); err == nil && numeric(name) && json.Valid([]byte(text)) {
			value = number
		}
		if err != nil {
			return nil, fmt.Errorf("--set %s: %w", clean(name), err)
		}
		settings[name] = value
	}
	return settings, nil
}

// numeric reports whether a setting of this name is a number, wherever there is one.
func numeric(name string) bool {
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

// readValue reads one value: @FILE is what the file holds, env:NAME what the environment does, true, false and what
// begins with [ or { is JSON, and anything else is text.
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
		return nil, &usageError{fmt.Errorf("begins like JSON and is not; put text like it into a file and use @FILE")}
	}
	return v, nil
}

// readText reads a value that is text in any case, such as a secret.
func (e *env) readText(text string) (string, error) {
	if value, isReference, err := e.readReference(text); isReference {
		return value, err
	}
	return text, nil
}

func (e *env) readReference(text string) (value string, isReference bool, err error) {
	if path, ok := strings.CutPrefix(text, "@"); ok {
		content, err := os.ReadFile(path)
		return string(bytes.TrimRight(content, "\r\n")), true, err
	}
	if name, ok := strings.CutPrefix(text, "env:"); ok {
		if value = e.getenv(name); value == "" {
			return "", true, fmt.Errorf("the environment has no %s", name)
		}
		return value, true, nil
	}
	return "", false, nil
}

// unset adds to settings, those of a merge patch, what is to be removed.
func unset(settings map[string]any, names []string) {
	for _, name := range names {
		settings[name] = nil
	}
}
