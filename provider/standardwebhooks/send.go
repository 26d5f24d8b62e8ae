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

type renderer struct{ keys []signature.StandardKey }

// Render sends the event's bytes as they are, signed for this attempt.
func (r *renderer) Render(ev *bellhop.Event, at provider.Sending) (provider.Rendered, error) {
	id := messageID(ev)
	sig, err := signature.SignStandard(r.keys, id, at.Time, ev.Body)
	if err != nil {
		return provider.Rendered{}, fmt.Errorf("standardwebhooks: %w", err)
	}
	return provider.Rendered{Body: ev.Body, Header: http.Header{
		"Content-Type":      {provider.SendContentType(ev)},
		"Webhook-Id":        {id},
		"Webhook-Timestamp": {strconv.FormatInt(at.Time.Unix(), 10)},
		"Webhook-Signature": {sig},
	}}, nil
}

// messageID returns the id under which every receiver knows ev: the one it came with if it came as a Standard
// Webhook, else its own.
func messageID(ev *bellhop.Event) string {
	id := ev.ProviderID
	came := id != "" && (ev.Header.Get("Webhook-Id") == id || ev.Header.Get("Svix-Id") == id)
	if came && len(id) <= signature.MaxStandardID && !strings.Contains(id, ".") {
		return id
	}
	return ev.ID
}
