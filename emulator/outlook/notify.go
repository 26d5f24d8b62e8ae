package outlook

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// A notice is one item of a notification.
type notice struct {
	ODataType      string `json:"@odata.type"`
	ID             any    `json:"Id"` // always null
	SubscriptionID string `json:"SubscriptionId"`
	ExpiresAt      string `json:"SubscriptionExpirationDateTime"`
	Sequence       int    `json:"SequenceNumber"`
	ChangeType     string
	Resource       string         `json:",omitempty"`
	ResourceData   map[string]any `json:",omitempty"`
}

// Happen lets an item be created, updated or deleted. Resource is the collection, such as "/me/events", and Data the
// item, whose "Id" chooses it; without one a created item is new, and another is the latest one.
func (s *System) Happen(e emulator.Event) (int, error) {
	parts := strings.Split(strings.Trim(strings.ToLower(e.Resource), "/"), "/")
	collection := parts[len(parts)-1]
	if _, known := permissions[collection]; !known || !slices.Contains(changeTypes[:3], e.ChangeType) ||
		len(parts) > 3 {
		return 0, fmt.Errorf("resource %q with change type %q %w", e.Resource, e.ChangeType, emulator.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.change(collection, e)
	s.dropExpired()
	notified := 0
	for _, sub := range s.subscriptions {
		if sub.collection == collection && strings.Contains(strings.ToLower(sub.changeType), e.ChangeType) {
			notified++
			s.notify(sub, titled(e.ChangeType), it)
		}
	}
	return notified, nil
}

// change stores what happened to an item, and returns it. The caller holds s.mu.
func (s *System) change(collection string, e emulator.Event) *item {
	id, _ := e.Data["Id"].(string)
	if id == "" && e.ChangeType != "created" {
		for _, it := range s.items {
			if latest := s.items[id]; it.collection == collection && (latest == nil || it.number > latest.number) {
				id = it.id
			}
		}
	}
	s.number++
	if id == "" {
		id = fmt.Sprintf("AAMkADkz-%06d=", s.number)
	}
	now := formatTime(s.now())
	it := s.items[id]
	if it == nil || it.deleted {
		it = &item{id: id, collection: collection, data: newData(collection, s.now())}
		s.items[id] = it
	}
	it.data = maps.Clone(it.data)
	maps.Copy(it.data, e.Data)
	key := fmt.Sprintf("mODEKWhc%06d==", s.number)
	it.data["Id"], it.data["ChangeKey"], it.data["@odata.etag"] = id, key, `W/"`+key+`"`
	it.data["LastModifiedDateTime"] = now
	it.number, it.deleted = s.number, e.ChangeType == "deleted"
	return it
}

// newData returns a new item with the members that every item of its collection has.
func newData(collection string, at time.Time) map[string]any {
	now, tomorrow := formatTime(at), at.UTC().Truncate(time.Hour).Add(24*time.Hour)
	data := map[string]any{"CreatedDateTime": now, "Categories": []string{}}
	switch collection {
	case "events":
		maps.Copy(data, map[string]any{"Subject": "Harbour walk", "BodyPreview": "Meet at the crane.",
			"Body":  map[string]any{"ContentType": "HTML", "Content": "<html><body>Meet at the crane.</body></html>"},
			"Start": map[string]any{"DateTime": tomorrow.Format(emulator.CalendarTime), "TimeZone": "UTC"},
			"End": map[string]any{"DateTime": tomorrow.Add(time.Hour).Format(emulator.CalendarTime),
				"TimeZone": "UTC"},
			"Type": "SingleInstance", "ShowAs": "Busy", "IsAllDay": false, "IsCancelled": false,
			"Location": map[string]any{"DisplayName": "Quay 2"}, "Attendees": []any{}, "Importance": "Normal"})
	case "messages":
		maps.Copy(data, map[string]any{"Subject": "Quarry photos", "BodyPreview": "See below.", "IsRead": false,
			"ReceivedDateTime": now, "From": map[string]any{"EmailAddress": map[string]any{"Name": "Bo Lind",
				"Address": "bo@example.com"}}})
	default:
		data["Subject"] = "Call Bo"
	}
	return data
}

// pauses are those between the attempts of a notification. The service published none; these grow for a quarter of an
// hour.
var pauses = []time.Duration{15 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute,
	8 * time.Minute}

// notify sends a notification of one subscription, whose client state is in a header. it is nil for Missed. The caller
// holds s.mu.
func (s *System) notify(sub *subscription, changeType string, it *item) {
	sub.sequence++
	n := notice{ODataType: "#Microsoft.OutlookServices.Notification", SubscriptionID: sub.id,
		ExpiresAt: formatTime(sub.expiresAt), Sequence: sub.sequence, ChangeType: changeType}
	if it != nil {
		n.Resource = itemURL(sub.base, sub.user, sub.tenant, it)
		n.ResourceData = map[string]any{"@odata.type": "#Microsoft.OutlookServices." +
			strings.TrimSuffix(titled(it.collection), "s"),
			"@odata.id": n.Resource, "@odata.etag": it.data["@odata.etag"], "Id": it.id}
	}
	body, err := json.Marshal(map[string]any{"value": []notice{n}})
	if err != nil {
		panic(err) // it is made of texts
	}
	s.host.Notify(emulator.Notification{System: s.Name(), URL: sub.url, Header: header(sub.state, "application/json"),
		Body: body, Timeout: timeout, Pauses: pauses})
}

// Fault takes missed (a number of the sequence is left out, and a notification Missed follows), expire and revoke
// (subscriptions end silently). The value is the id of one; "" is all.
func (s *System) Fault(f emulator.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	found := f.Value == ""
	for _, sub := range s.subscriptions {
		if f.Value != "" && f.Value != sub.id {
			continue
		}
		found = true
		if f.Kind == emulator.FaultMissed {
			sub.sequence++
			s.notify(sub, "Missed", nil)
		} else {
			sub.expiresAt = s.now()
		}
	}
	if !found {
		return fmt.Errorf("subscription %q %w", f.Value, emulator.ErrUnknown)
	}
	s.dropExpired()
	return nil
}
