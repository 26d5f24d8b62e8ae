package stripe

import "github.com/bellhop-gateway/bellhop/provider"

// Emulation implements [provider.Emulator]. The samples are the changed objects, which are put into events of the
// mode, live or test, that the source accepts.
func (Provider) Emulation() provider.Emulation {
	return provider.Emulation{Samples: []provider.Sample{
		{Type: typePrefix + "invoice.paid", Title: "An invoice was paid",
			Body: `{"object":"invoice","id":"in_sample","amount_paid":4900,"currency":"eur","status":"paid"}`},
		{Type: typePrefix + "customer.subscription.deleted", Title: "A subscription has ended",
			Body: `{"object":"subscription","id":"sub_sample","status":"canceled"}`},
	}}
}
