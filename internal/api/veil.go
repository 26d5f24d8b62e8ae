package api

import (
	"encoding/json"
	"slices"
	"strings"
)

// veil returns what puts an ellipsis in place of each of secrets, wherever it stands in a text as it is, or as JSON writes it.
func veil(secrets []string) func(text string) string {
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

// texts are the secrets of settings, as far as they are texts that are not empty.
func (x secrecy) texts(settings Settings) (secrets []string) {
	for name, value := range settings {
		if x.has(name) || name == x.each {
			var v any
			json.Unmarshal(value, &v)
			secrets = texts(secrets, v)
		}
	}
	return secrets
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
