package generic

import (
	"encoding/json"
	"errors"
	"slices"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Emulation implements [provider.Emulator].
func (p Provider) Emulation() provider.Emulation {
	return provider.Emulation{
		Samples: []provider.Sample{{Type: "order.paid", Title: "A JSON object with a type and an id",
			Body: `{"type":"order.paid","id":"sample-{{id}}","sent_by":"bellhop"}`}},
		ToSource: p.toSource,
	}
}

// toSource is provider.ToSource, with the settings of the source's preset and its method. The URL is the one that a
// signature covers.
func (p Provider) toSource(raw json.RawMessage, to string) (json.RawMessage, string, error) {
	s, preset, err := read(raw, source)
	if err != nil {
		return nil, "", err
	}
	if s.TimestampField != "" {
		return nil, "", errors.New("the signed time is within the body, where only the system knows how to write it")
	}
	changes := map[string]any{}
	if preset != nil {
		if changes, err = s.toSend(); err != nil {
			return nil, "", err
		}
	}
	if len(s.Methods) > 0 {
		i := slices.IndexFunc(sendMethods, func(m string) bool { return slices.Contains(s.Methods, m) })
		if i < 0 {
			return nil, "", errors.New("it takes no POST, PUT or PATCH")
		}
		changes["method"] = sendMethods[i]
	}
	if s.URL != "" {
		to = s.URL
	}
	changed, err := provider.ChangedSettings(raw, changes)
	if err != nil {
		return nil, "", err
	}
	settings, _, err := provider.ToSource(p, changed, to)
	return settings, provider.WithProof(p, raw, to), err
}

// toSend returns the settings of a preset that a destination has, too.
func (s settings) toSend() (map[string]any, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	all := map[string]any{}
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	for name, value := range all {
		if value == "" || settingSide[name] == source || name == "preset" || name == "verify_token" {
			all[name] = nil
		}
	}
	return all, nil
}
