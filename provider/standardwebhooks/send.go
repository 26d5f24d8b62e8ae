package standardwebhooks

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

type renderer struct {
	keys   []signature.StandardKey
	family family
}

// Render renders the event's own bytes, signed for this attempt.
func (r *renderer) Render(ev *bellhop.Event, at provider.AttemptInfo) (provider.OutboundRequest, error) {
	id := messageID(ev)
	sig, err := signature.SignStandard(r.keys, id, at.Time, ev.Body)
	if err != nil {
		return provider.OutboundRequest{}, fmt.Errorf("standardwebhooks: %w", err)
	}
	return provider.OutboundRequest{Body: ev.Body, Header: http.Header{
		"Content-Type":       {provider.SendContentType(ev)},
		r.family.id():        {id},
		r.family.timestamp(): {strconv.FormatInt(at.Time.Unix(), 10)},
		r.family.signature(): {sig},
	}}, nil
}

// messageID returns the webhook-id of ev, which is the same for all receivers: the id that ev came with, if it
// came as a Standard Webhook, otherwise its own.
func messageID(ev *bellhop.Event) string {
	id := ev.ProviderID
	came := id != "" && (ev.Header.Get(familyWebhook.id()) == id || ev.Header.Get(familySvix.id()) == id)
	if came && len(id) <= signature.MaxStandardID && !strings.Contains(id, ".") {
		return id
	}
	return ev.ID
}
