package prove

import (
	"context"

	"github.com/bellhop-gateway/bellhop/client"
)

// Stored is what the API of a gateway lists.
type Stored struct {
	Events     map[string]client.Event // by id, those that were sent: not those of the gateway about itself
	Deliveries map[Owed]client.Delivery
	States     map[string]int // deliveries by state
	Listed     int            // number of listed deliveries, with any that are listed twice
}

// Owed identifies a delivery by the ids of its event and destination.
type Owed struct{ Event, Destination string }

// ownSource is the name of the source of the events that a gateway publishes about itself.
const ownSource = "bellhop"

// ReadStored reads all events and all deliveries.
func ReadStored(ctx context.Context, c *client.Client) (Stored, error) {
	s := Stored{Events: map[string]client.Event{}, Deliveries: map[Owed]client.Delivery{}, States: map[string]int{}}
	events, err := Everything(func(page client.Page) (client.List[client.Event], error) {
		return c.Events(ctx, client.EventFilter{}, page)
	})
	if err != nil {
		return s, err
	}
	for _, ev := range events {
		if ev.Source != ownSource {
			s.Events[ev.ID] = ev
		}
	}
	deliveries, err := Everything(func(page client.Page) (client.List[client.Delivery], error) {
		return c.Deliveries(ctx, client.DeliveryFilter{}, page)
	})
	for _, d := range deliveries {
		s.Deliveries[Owed{d.EventID, d.DestinationID}] = d
		s.States[d.State]++
		s.Listed++
	}
	return s, err
}

// Everything returns the elements of all pages of a list.
func Everything[T any](list func(page client.Page) (client.List[T], error)) (all []T, err error) {
	page := client.Page{Limit: 250}
	for {
		l, err := list(page)
		if err != nil {
			return nil, err
		}
		all = append(all, l.Data...)
		if page.Cursor = l.Next; page.Cursor == "" {
			return all, nil
		}
	}
}
