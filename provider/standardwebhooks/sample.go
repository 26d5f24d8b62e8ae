package standardwebhooks

import "github.com/bellhop-gateway/bellhop/provider"

// Emulation implements [provider.Emulator].
func (Provider) Emulation() provider.Emulation {
	return provider.Emulation{Samples: []provider.Sample{
		{Type: "invoice.paid", Title: "An event in the form that the specification recommends",
			Body: `{"type":"invoice.paid","timestamp":"{{time}}","data":{"id":"sample-{{id}}","amount":4900}}`},
	}}
}
