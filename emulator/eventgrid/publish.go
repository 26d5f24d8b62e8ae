package eventgrid

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// This file publishes the events of other stand-ins, whose systems publish by Event Grid.

// A Message is an event of a resource.
type Message struct {
	Resource string // its id: "/subscriptions/ID/resourceGroups/G/providers/…"
	Subject  string
	Type     string
	Data     any // is written as JSON
}

// The schemas of PublishTo.
const (
	SchemaEventGrid   = gridSchema
	SchemaCloudEvents = cloudSchema
)

// maxWaiting bounds the events that wait for the handshake of a URL.
const maxWaiting = 1000

// Publish sends an event to the event subscriptions of its resource, and returns how many requests follow.
func (s *System) Publish(m Message) (int, error) {
	ev, err := s.eventOf(m)
	if err != nil {
		return 0, err
	}
	return s.flow(m.Resource, []event{ev}), nil
}

// PublishTo sends an event to a URL for which there is no event subscription. Otherwise it is as with one: before the
// first event the URL is validated, events that come meanwhile wait, and if the validation fails, they are lost and
// the next event begins another one. base is the URL of this host, for a validation by hand. Its errors are about the
// URL and the schema.
func (s *System) PublishTo(to, schema, base string, m Message) error {
	ev, err := s.eventOf(m)
	if err != nil {
		return err
	}
	if schema == "" {
		schema = gridSchema
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := schema + " " + to
	sub := s.direct[key]
	if sub == nil {
		p := properties{Schema: schema, Destination: &destination{Type: webhook, Properties: destinated{URL: to}}}
		sub, err = s.newSubscription(target{kind: subscriptionKind, scope: m.Resource, name: "direct"}, p, base)
		var known *apiError
		if errors.As(err, &known) {
			return fmt.Errorf("the URL is not notified: %s", known.message)
		}
		if err != nil {
			return err
		}
		s.direct[key] = sub
	}
	s.settleManual(sub)
	switch {
	case sub.live != nil:
		s.send(sub, []event{ev}, "Notification")
		return nil
	case len(sub.waiting) >= maxWaiting:
		return errors.New("too many events wait for the validation of the URL")
	}
	sub.waiting = append(sub.waiting, ev)
	if sub.validation == nil {
		sub.base = base
		s.begin(sub)
	}
	return nil
}

// eventOf returns the event of a message, which happens now.
func (s *System) eventOf(m Message) (event, error) {
	data, err := json.Marshal(m.Data)
	if err != nil {
		return event{}, fmt.Errorf("the data of the event: %w", err)
	}
	return event{id: emulator.NewID(), topic: topicOf(m.Resource), subject: m.Subject, kind: m.Type,
		time: formatTime(s.now()), dataVersion: "1.0", data: data}, nil
}

// sendWaiting sends the events that have waited for the validation of a URL. The caller holds s.mu.
func (s *System) sendWaiting(sub *subscription) {
	for _, ev := range sub.waiting {
		s.send(sub, []event{ev}, "Notification")
	}
	sub.waiting = nil
}

// all returns the event subscriptions, and what stands for one in PublishTo. The caller holds s.mu.
func (s *System) all() []*subscription {
	list := slices.Clone(s.subscriptions)
	for _, sub := range s.direct {
		list = append(list, sub)
	}
	return list
}
