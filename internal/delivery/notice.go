package delivery

import (
	"context"
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A notice is the body of an event of the gateway's own about a destination. It has no URL, because a URL may
// be a secret.
type notice struct {
	Destination noticeDestination `json:"destination"`
	Reason      string            `json:"reason,omitempty"`
	Since       time.Time         `json:"since,omitzero"`      // of failing
	ExpiresAt   time.Time         `json:"expires_at,omitzero"` // of expiring and expired
	Deliveries  int               `json:"deliveries,omitempty"`
	Last        *deadDelivery     `json:"last,omitempty"`
}

type noticeDestination struct {
	ID   string `json:"id"`
	Name string `json:"name"`
	Type string `json:"type"`
}

// A deadDelivery describes a delivery that died.
type deadDelivery struct {
	DeliveryID string `json:"delivery_id"`
	EventID    string `json:"event_id"`
	EventType  string `json:"event_type"`
	Error      string `json:"error"`
	Detail     string `json:"detail"`
}

// announce publishes an event of the gateway's own about dst.
func (e *Engine) announce(dst *destination, kind string, n notice) error {
	return e.announceOnce(dst, kind, "", n)
}

// announceOnce is announce for an event that may have been announced before, under the same id.
func (e *Engine) announceOnce(dst *destination, kind, id string, n notice) error {
	if e.opts.Announce == nil {
		return nil
	}
	n.Destination = noticeDestination{dst.ID, dst.Name, dst.Type}
	body, err := json.Marshal(n)
	if err == nil {
		err = e.opts.Announce(context.Background(), bellhop.Event{Type: kind, Subject: dst.Name, ProviderID: id,
			Tenant: dst.Tenant, Time: e.now(), ContentType: "application/json", Body: body})
	}
	if err != nil {
		e.opts.Logger.Error("announcement.failed", "component", "delivery", "type", kind,
			"destination_id", dst.ID, "destination", dst.Name, "error", err,
			"meaning", "destinations that match events of "+bellhop.SourceSelf+" do not hear of it")
	}
	return err
}

// announceEvery is how often the deaths of a destination's deliveries, or its failing, are announced at most.
// Deaths in between are counted.
const announceEvery = time.Minute

// deaths gathers the deliveries of a lane that died until they are announced. The lane's mu guards it.
type deaths struct {
	count      int
	last       deadDelivery
	announceAt time.Time // no earlier than
}

// noteDead counts a delivery that died. Deliveries of the gateway's own events do not count, or announcements
// would never end.
func (l *lane) noteDead(d *bellhop.Delivery, a *bellhop.Attempt) {
	if d.Event.SourceID == bellhop.SourceSelfID {
		return
	}
	l.mu.Lock()
	l.deaths.count++
	l.deaths.last = deadDelivery{d.ID, d.EventID, d.Event.Type, a.Error, a.Detail}
	first := l.deaths.count == 1
	l.mu.Unlock()
	if first {
		l.engine.checkSoon()
	}
}

// announceDeaths announces the deliveries that died, if it is time for that. It returns when to call it again;
// zero if there is no need.
func (l *lane) announceDeaths(now time.Time) time.Time {
	l.mu.Lock()
	count, last, at := l.deaths.count, l.deaths.last, l.deaths.announceAt
	if count == 0 || at.After(now) {
		l.mu.Unlock()
		if count == 0 {
			return time.Time{}
		}
		return at
	}
	l.deaths.announceAt = now.Add(announceEvery)
	l.mu.Unlock()
	err := l.engine.announce(l.destination.Load(), bellhop.TypeDeliveriesDead, notice{Deliveries: count, Last: &last})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.deaths.count -= count
	}
	if l.deaths.count == 0 {
		return time.Time{}
	}
	return l.deaths.announceAt
}
