package outlook

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// parameter holds the token of a handshake. Outlook writes it so; others look for it in lower case.
const parameter = "validationToken"

type receiver struct {
	microsoft.BatchReader
	gaps   bool
	memory *memory // nil looks for gaps within a request only
}

var _ provider.SecretHeaders = (*receiver)(nil)

// Receive answers a handshake, or checks the client state and makes an event of each notification. If the number of a
// notification says that others before it are missing, an event that says so precedes it.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	watch := batch{memory: r.memory}
	return r.Read(req, func(receipt *provider.Receipt, item []byte, _ bool) error {
		n, err := parse(item)
		if err != nil {
			return err
		}
		if r.gaps {
			if missing, ok := watch.missing(n); ok {
				receipt.Events = append(receipt.Events, missing.event(n.subscription))
			}
		}
		receipt.Events = append(receipt.Events, bellhop.Event{Type: n.eventType, Subject: n.subject(), ProviderID: n.repeatKey(), Body: item})
		return nil
	})
}
