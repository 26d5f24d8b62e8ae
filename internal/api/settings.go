package api

import (
	"encoding/json"
	"fmt"
)

// Settings are a source's or destination's own: what they mean is its provider's or type's to say.
type Settings map[string]json.RawMessage

// settingsJSON writes settings as they are stored: those that are null are not there.
func settingsJSON(settings Settings) (json.RawMessage, error) {
	given := Settings{}
	for name, value := range settings {
		if string(value) != "null" {
			given[name] = value
		}
	}
	raw, err := json.Marshal(given)
	if err != nil {
		return nil, fmt.Errorf("write settings: %w", err)
	}
	return raw, nil
}

// readSettings reads settings that were stored.
func readSettings(raw json.RawMessage) Settings {
	settings := Settings{}
	json.Unmarshal(raw, &settings) // only objects are ever stored
	return settings
}
