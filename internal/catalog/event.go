package catalog

import (
	"bytes"
	"context"
	"encoding/json"
	"strings"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Publish checks and stores an event that does not come from a source, together with its deliveries. Its
// ProviderID is the idempotency key, or "". If the key was used before, Publish stores nothing and returns the
// first event as a duplicate; CodeConflict if that is another event.
func (c *Catalog) Publish(ctx context.Context, ev bellhop.Event) (stored bellhop.Event, duplicate bool, err error) {
	if err := bellhop.Join("", checkEvent(ev), checkNotSelf(ev.Type),
		checkText("Idempotency-Key", ev.ProviderID)); err != nil {
		return stored, false, err
	}
	if own := bellhop.TenantOf(ctx); own != "" {
		if ev.Tenant != "" && ev.Tenant != own {
			return stored, false, bellhop.Invalid("tenant", "this key is bound to tenant "+own+"; leave it out")
		}
		ev.Tenant = own
	}
	ev.SourceID = bellhop.SourceAPIID
	if owner := c.opts.Engine.OwnerOf(&ev); owner != "" && ev.ProviderID != "" {
		ev.ProviderID = owner + "/" + ev.ProviderID // the keys of one tenant do not meet those of another
	}
	stored, duplicate, err = c.opts.Publisher.Publish(ctx, ev)
	if err != nil || !duplicate {
		return stored, false, err
	}
	first, err := c.opts.Store.Event(ctx, stored.ID)
	if isNotFound(err) { // the key of somebody without a tenant may begin like those of a tenant
		return first, false, bellhop.Conflict("the Idempotency-Key was used before; a new event needs a new key")
	}
	if err != nil {
		return first, false, err
	}
	// The time may differ: it may be that of the second try.
	same := first.Type == ev.Type && first.Subject == ev.Subject && first.Tenant == ev.Tenant &&
		bytes.Equal(first.Body, ev.Body)
	if !same {
		return first, false, bellhop.Conflict("the Idempotency-Key was used before for another event, " + first.ID +
			"; a new event needs a new key")
	}
	return first, true, nil
}

// checkEvent checks the texts of an event that a person wrote.
func checkEvent(ev bellhop.Event) error {
	return bellhop.Join("", checkType(ev.Type), checkText("subject", ev.Subject), checkText("tenant", ev.Tenant))
}

// checkType refuses a type that --type and match.types could not name, or that is hard to tell from another one.
func checkType(text string) error {
	if strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsGraphic(r) || unicode.IsSpace(r) }) {
		return bellhop.Invalid("type", "must not contain blanks or control characters; write it as invoice.paid")
	}
	if strings.Contains(text, "*") {
		return bellhop.Invalid("type", `must not contain "*", which stands for the rest of a type in a match`)
	}
	return nil
}

// checkNotSelf refuses the type of an event that only the gateway itself publishes.
func checkNotSelf(eventType string) error {
	if strings.HasPrefix(eventType, bellhop.TypeSelfPrefix) {
		return bellhop.Invalid("type", "types that begin with "+bellhop.TypeSelfPrefix+
			" are those of the gateway's own events; use another")
	}
	return nil
}

// checkText refuses control characters in a text that is listed and logged.
func checkText(path, text string) error {
	if strings.ContainsFunc(text, unicode.IsControl) {
		return bellhop.Invalid(path, "must not contain control characters")
	}
	return nil
}

// TestDestination sends a test event to an active destination, whether its match wants the event or not.
func (c *Catalog) TestDestination(
	ctx context.Context, idOrName string,
) (ev bellhop.Event, deliveryID string, err error) {
	d, err := c.opts.Store.Destination(ctx, idOrName)
	if err != nil {
		return ev, "", err
	}
	switch d.State {
	case bellhop.DestinationActive:
	case bellhop.DestinationExpired:
		return ev, "", bellhop.Conflict("the destination has expired; give it a later expires_at first")
	default:
		return ev, "", bellhop.Conflict("the destination is " + string(d.State) + " (" + d.StateReason +
			"); resume it first")
	}
	ev, deliveryID, err = c.opts.Publisher.PublishTo(ctx, c.testEvent(d), d.ID)
	if err != nil {
		return ev, "", err
	}
	c.log.Info("destination.tested", "destination_id", d.ID, "destination", d.Name,
		"event_id", ev.ID, "delivery_id", deliveryID)
	return ev, deliveryID, nil
}

// testEvent returns the event that tests d: the test message of the type's system, if that has one.
func (c *Catalog) testEvent(d bellhop.Destination) bellhop.Event {
	now := c.now()
	ev := bellhop.Event{Type: "bellhop.test", Subject: d.Name, Tenant: d.Tenant, Time: now,
		ContentType: "application/json"}
	if p, ok := c.provider(d.Type); ok {
		if test := provider.EmulationOf(p).TestBody; test != nil {
			ev.Body = test(now)
			return ev
		}
	}
	ev.Body, _ = json.Marshal(map[string]any{
		"message": "a test event, sent by Bellhop", "destination": d.Name, "sent_at": maskTime(now),
	})
	return ev
}
