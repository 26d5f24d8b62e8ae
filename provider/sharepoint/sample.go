package sharepoint

import "github.com/bellhop-gateway/bellhop/provider"

// Emulation implements [provider.Emulator]. SharePoint has one kind of notification.
func (Provider) Emulation() provider.Emulation {
	return provider.Emulation{Samples: []provider.Sample{{Type: TypeChanged, Title: "Something in a list has changed",
		Body: `{"value":[{"subscriptionId":"` + noGUID + `","clientState":null,"expirationDateTime":"{{time}}",` +
			`"resource":"5c77031a-9621-4dfc-bb5d-57803a94e91d","tenantId":"` + noGUID +
			`","siteUrl":"/sites/sample","webId":"` + noGUID + `"}]}`}}}
}
