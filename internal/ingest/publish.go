package ingest

import (
	"context"
	"crypto/sha256"
	"net/http"
	"strconv"

	"github.com/bellhop-gateway/bellhop"
)

// Publish accepts an event that did not come through a source's URL: the API's POST /events. It reports
// whether the event was there already, under the same ProviderID.
func (d *Door) Publish(ctx context.Context, ev bellhop.Event) (bellhop.Event, bool, error) {
	ev.SourceID, ev.Source = bellhop.SourceAPIID, bellhop.SourceAPI
	return d.publish(ctx, ev)
}

// Announce accepts an event of the gateway's own. One that was announced before, under the same ProviderID, is left alone.
func (d *Door) Announce(ctx context.Context, ev bellhop.Event) error {
	ev.SourceID, ev.Source = bellhop.SourceSelfID, bellhop.SourceSelf
	_, _, err := d.publish(ctx, ev)
	return err
}

// PublishCaused accepts an event that an action published while it worked for cause. The event belongs to the source of cause, and its
// header links it to cause. It counts one hop more than cause, so that actions which cause each other end. PublishCaused returns the id
// of the stored event; of a repeat, under the same ProviderID, the id of the first.
func (d *Door) PublishCaused(ctx context.Context, cause *bellhop.Event, ev bellhop.Event) (id string, err error) {
	hops := bellhop.Hops(cause.Header) + 1
	if hops >= bellhop.MaxHops {
		return "", errLoop
	}
	ev.SourceID, ev.Source = cause.SourceID, cause.Source
	ev.Header = bellhop.NewHeader(http.Header{bellhop.CauseHeader: {cause.ID}, bellhop.HopsHeader: {strconv.Itoa(hops)}}, nil)
	stored, _, err := d.publish(ctx, ev)
	return stored.ID, err
}

func (d *Door) publish(ctx context.Context, ev bellhop.Event) (bellhop.Event, bool, error) {
	events := []bellhop.Event{d.published(ev)}
	got, err := d.keep(ctx, nil, events, d.opts.Lanes.Match(events))
	return events[0], got.Duplicates > 0, err
}

// PublishTo is Publish for one destination alone, whatever it wants. It returns the id of the delivery; CodeNotFound if
// there is no such destination.
func (d *Door) PublishTo(ctx context.Context, ev bellhop.Event, destinationID string) (stored bellhop.Event, deliveryID string, err error) {
	ev.SourceID, ev.Source = bellhop.SourceAPIID, bellhop.SourceAPI
	events := []bellhop.Event{d.published(ev)}
	deliveries := d.opts.Lanes.Reserve(events, destinationID)
	if len(deliveries) == 0 {
		return stored, "", bellhop.NotFound("destination", destinationID)
	}
	if _, err := d.keep(ctx, nil, events, deliveries); err != nil {
		return stored, "", err
	}
	if deliveries[0].DeliveryID == "" { // deleted meanwhile
		return stored, "", bellhop.NotFound("destination", destinationID)
	}
	return events[0], deliveries[0].DeliveryID, nil
}

// published is ev as it is kept.
func (d *Door) published(ev bellhop.Event) bellhop.Event {
	ev.ReceivedAt = d.opts.Env.Now()
	ev.SHA256 = sha256.Sum256(ev.Body)
	return ev
}
