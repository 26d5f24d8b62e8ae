package api

import (
	"encoding/json"
	"slices"
	"strings"
)

// veil returns what puts an ellipsis in place of each secret of settings, wherever it stands in a text as it is, or as
// JSON writes it.
func (x secrecy) veil(settings Settings) func(text string) string {
	var secrets []string
	for name, value := range settings {
		if x.has(name) || name == x.each {
			var v any
			json.Unmarshal(value, &v)
			secrets = texts(secrets, v)
		}
	}
	slices.SortFunc(secrets, func(a, b string) int { return len(b) - len(a) }) // so that no part of one is left
	var pairs []string
	for _, secret := range secrets {
		pairs = append(pairs, secret, "…")
		if written, _ := json.Marshal(secret); string(written[1:len(written)-1]) != secret {
			pairs = append(pairs, string(written[1:len(written)-1]), "…")
		}
	}
	return strings.NewReplacer(pairs...).Replace
}

// texts appends to found every text in v that is not empty.
func texts(found []string, v any) []string {
	switch v := v.(type) {
	case string:
		if v != "" {
			found = append(found, v)
		}
	case []any:
		for _, item := range v {
			found = texts(found, item)
		}
	case map[string]any:
		for _, item := range v {
			found = texts(found, item)
		}
	}
	return found
}
