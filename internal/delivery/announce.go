package delivery

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// news is what an event of the gateway's own carries. Its URL is not among it, which may be a secret.
type news struct {
	Destination destinationNews `json:"destination"`
	Reason      string          `json:"reason,omitempty"`
	Since       time.Time       `json:"since,omitzero"`      // of failing
	ExpiresAt   time.Time       `json:"expires_at,omitzero"` // of expiring and expired
	Deliveries  int             `json:"deliveries,omitempty"`
	Last        *lastDead       `json:"last,omitempty"`
}

type destinationNews struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// lastDead is the latest of the deliveries that were given up.
type lastDead struct {
	DeliveryID string `json:"delivery_id"`
	EventID    string `json:"event_id"`
	EventType  string `json:"event_type"`
	Error      string `json:"error"`
	Detail     string `json:"detail"`
}

// announce publishes an event of the gateway's own about dst.
func (e *Engine) announce(dst *destination, kind string, n news) error {
	return e.announceOnce(dst, kind, "", n)
}

// announceOnce is announce of what was perhaps announced before, under the same id.
func (e *Engine) announceOnce(dst *destination, kind, id string, n news) error {
	if e.opts.Announce == nil {
		return nil
	}
	n.Destination = destinationNews{dst.ID, dst.Name, dst.Type}
	body, err := json.Marshal(n)
	if err == nil {
		err = e.opts.Announce(context.Background(), bellhop.Event{Type: kind, Subject: dst.Name, ProviderID: id, Time: e.now(), ContentType: "application/json", Body: body})
	}
	if err != nil {
		e.opts.Logger.Error("announcement.failed", "component", "delivery", "type", kind, "destination_id", dst.ID, "error", err,
			"meaning", "destinations that match events of "+bellhop.SourceSelf+" do not hear of it")
	}
	return err
}
