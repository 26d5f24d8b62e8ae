package cloudevents

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop/provider"
)

// Emulation implements [provider.Emulator].
func (p Provider) Emulation() provider.Emulation {
	return provider.Emulation{
		Samples: []provider.Sample{{Type: "com.example.order.paid", Title: "An order was paid, in structured mode",
			Body: `{"specversion":"1.0","id":"sample-{{id}}","source":"/bellhop/sample",` +
				`"type":"com.example.order.paid","subject":"orders/17","time":"{{time}}","datacontenttype":"application/json",` +
				`"data":{"order":17,"amount":4900}}`}},
		ToSource: func(source json.RawMessage, to string) (json.RawMessage, string, error) {
			settings, to, err := provider.ToSource(p, source, to)
			origin := provider.FirstText(source, "allowed_origins")
			if origin == "*" {
				origin = "sender.example.com"
			}
			if err == nil && origin != "" {
				settings, err = provider.ChangedSettings(settings, map[string]any{"origin": origin})
			}
			return settings, to, err
		},
	}
}
