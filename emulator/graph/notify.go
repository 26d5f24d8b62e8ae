package graph

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/graph"
)

// A notice is one item of a notification.
type notice struct {
	ID             string                  `json:"id,omitempty"`
	SubscriptionID string                  `json:"subscriptionId"`
	ExpiresAt      string                  `json:"subscriptionExpirationDateTime"`
	ClientState    any                     `json:"clientState,omitempty"`
	ChangeType     string                  `json:"changeType,omitempty"`
	Resource       string                  `json:"resource,omitempty"`
	TenantID       string                  `json:"tenantId,omitempty"`
	ResourceData   map[string]any          `json:"resourceData,omitempty"`
	Encrypted      *graph.EncryptedContent `json:"encryptedContent,omitempty"`

	// Of a lifecycle notification. The service names the tenant organizationId there.
	LifecycleEvent string `json:"lifecycleEvent,omitempty"`
	OrganizationID string `json:"organizationId,omitempty"`
}

// The lifecycle events.
const (
	reauthorizationRequired = "reauthorizationRequired"
	subscriptionRemoved     = "subscriptionRemoved"
	missed                  = "missed"
)

// Happen lets an item be created, updated or deleted: Resource is the collection, such as "/me/events", and Data the
// item, whose "id" chooses it; without one a created item is new, and another is the latest one. The resource
// "subscriptions/ID" with the change type "reauthorizationRequired" pauses a subscription until it is authorized
// again.
func (s *System) Happen(e emulator.Event) (int, error) {
	if id, ok := strings.CutPrefix(strings.Trim(e.Resource, "/"), "subscriptions/"); ok {
		return s.lifecycle(id, e.ChangeType)
	}
	s.mu.Lock()
	resource := canonical(e.Resource, s.user())
	k, known := s.kindOf(resource)
	if !known || !slices.Contains([]string{"created", "updated", "deleted"}, e.ChangeType) {
		s.mu.Unlock()
		return 0, fmt.Errorf("resource %q with change type %q %w", e.Resource, e.ChangeType, emulator.ErrUnknown)
	}
	it := s.change(resource, k, e)
	s.dropExpired()
	var wanted []*subscription
	for _, sub := range s.subscriptions {
		if !sub.paused && (covers(sub.canonical, resource, it.id) || covers(sub.canonical, home(resource), it.id)) &&
			wantsChange(sub.ChangeType, e.ChangeType, k) {
			as := *sub // it may be renewed meanwhile
			wanted = append(wanted, &as)
		}
	}
	s.mu.Unlock()
	return s.notifyChange(wanted, resource, it, e.ChangeType)
}

// user returns the user that "me" means when something happens: that of the first subscription, and after the last one
// was deleted the same as before. The caller holds s.mu.
func (s *System) user() string {
	for _, sub := range s.subscriptions {
		if user := sub.owner(); user != "" {
			return user
		}
	}
	return s.lastUser
}

// owner returns the user whose resource it is, or "".
func (sub *subscription) owner() string {
	if parts := strings.Split(sub.canonical, "/"); parts[0] == "users" && len(parts) > 2 {
		return parts[1]
	}
	return ""
}

// covers reports whether a subscription to a resource is told of an item of a collection: of the collection itself, of
// messages in each folder, or of the item alone.
func covers(subscribed, collection, item string) bool {
	if subscribed == collection || subscribed == collection+"/"+strings.ToLower(item) {
		return true
	}
	user, rest, ok := strings.Cut(collection, "/mailfolders/")
	if !ok {
		return false
	}
	_, name, _ := strings.Cut(rest, "/")
	return subscribed == user+"/"+name
}

// wantsChange reports whether a list of change types has one of them. Of drives and lists every change is an update.
func wantsChange(list, change string, k kind) bool {
	for wanted := range strings.SplitSeq(list, ",") {
		if wanted = strings.ToLower(strings.TrimSpace(wanted)); wanted == change || k.rootOnly && wanted == "updated" {
			return true
		}
	}
	return false
}

// notifyChange sends notifications to subscriptions: one for each URL, with an item for each subscription.
func (s *System) notifyChange(subs []*subscription, collection string, it item, change string) (int, error) {
	byURL := map[string][]notice{}
	tenants := map[string][]string{} // of rich items, by URL
	var urls []string
	for _, sub := range subs {
		n := sub.notice()
		n.ID, n.ChangeType, n.TenantID = emulator.NewID(), change, sub.tenant
		path := titled(collection)
		if sub.kind.rootOnly {
			n.ChangeType, n.Resource = "updated", sub.Resource
			n.ResourceData = map[string]any{"@odata.type": sub.kind.odataType}
		} else {
			id := it.id
			if sub.immutable && sub.kind.outlook {
				id = immutablePrefix + id
			}
			n.Resource = path + "/" + id
			n.ResourceData = map[string]any{"@odata.type": sub.kind.odataType, "@odata.id": n.Resource,
				"@odata.etag": it.data["@odata.etag"], "id": id}
		}
		if sub.certificate != nil && change != "deleted" {
			plain, err := json.Marshal(it.data)
			if err != nil {
				return 0, err
			}
			sealed, err := graph.Seal(rand.Reader, plain, sub.certificate, sub.CertificateID.(string))
			if err != nil {
				return 0, err
			}
			n.Encrypted = &sealed
			if token := sub.tenant + " " + sub.app; !slices.Contains(tenants[sub.NotificationURL], token) {
				tenants[sub.NotificationURL] = append(tenants[sub.NotificationURL], token)
			}
		}
		if byURL[sub.NotificationURL] == nil {
			urls = append(urls, sub.NotificationURL)
		}
		byURL[sub.NotificationURL] = append(byURL[sub.NotificationURL], n)
	}
	for _, to := range urls {
		body := map[string]any{"value": byURL[to]}
		var tokens []string
		for _, pair := range tenants[to] {
			tenant, app, _ := strings.Cut(pair, " ")
			tokens = append(tokens, s.tokens.ValidationToken(tenant, app, graph.PublisherAppID))
		}
		if tokens != nil {
			body["validationTokens"] = tokens
		}
		s.send(to, body)
	}
	return len(urls), nil
}

// notice returns what each item of a subscription has.
func (sub *subscription) notice() notice {
	return notice{SubscriptionID: sub.ID, ExpiresAt: sub.entity.ExpiresAt, ClientState: sub.ClientState}
}

// pauses are those between the attempts of a notification: they double until it is four hours old.
var pauses = func() (list []time.Duration) {
	for pause, age := 10*time.Second, time.Duration(0); age+pause <= 4*time.Hour; pause *= 2 {
		list, age = append(list, pause), age+pause
	}
	return list
}()

// send sends a notification until its receiver accepts it.
func (s *System) send(to string, body any) {
	text, err := json.Marshal(body)
	if err != nil {
		panic(err) // it is made of texts
	}
	s.host.Notify(emulator.Notification{System: s.Name(), URL: to, Body: text, Timeout: 10 * time.Second,
		Pauses: pauses,
		Header: http.Header{"Content-Type": {"application/json; charset=utf-8"},
			"Client-Request-Id": {emulator.NewID()}}})
}

// lifecycle tells the owner of a subscription what happens to it.
func (s *System) lifecycle(id, event string) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired()
	i := slices.IndexFunc(s.subscriptions, func(sub *subscription) bool { return sub.ID == id })
	if i < 0 || !slices.Contains([]string{reauthorizationRequired, subscriptionRemoved, missed}, event) {
		return 0, fmt.Errorf("subscription %q with lifecycle event %q %w", id, event, emulator.ErrUnknown)
	}
	return s.tell(s.subscriptions[i], event), nil
}

// tell sends a lifecycle notification, if the subscription has a URL for it, and returns how many it sent. The caller
// holds s.mu.
func (s *System) tell(sub *subscription, event string) int {
	switch event {
	case reauthorizationRequired:
		sub.paused = true
	case subscriptionRemoved:
		s.subscriptions = slices.DeleteFunc(s.subscriptions, func(other *subscription) bool { return other == sub })
	}
	to, ok := sub.LifecycleURL.(string)
	if !ok {
		return 0
	}
	n := sub.notice()
	n.LifecycleEvent, n.OrganizationID = event, sub.tenant
	s.send(to, map[string]any{"value": []notice{n}})
	return 1
}

// Fault takes missed (a lifecycle notification says that some were lost), revoke (the service removes subscriptions
// and says so) and expire (subscriptions end silently). The value is the id of one subscription; "" is all. The value
// "delta" of expire makes every delta link too old.
func (s *System) Fault(f emulator.Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if f.Kind == emulator.FaultExpire && f.Value == "delta" {
		s.version++
		s.oldest = s.version
		return nil
	}
	found := f.Value == ""
	for _, sub := range slices.Clone(s.subscriptions) {
		if f.Value != "" && sub.ID != f.Value {
			continue
		}
		found = true
		switch f.Kind {
		case emulator.FaultMissed:
			s.tell(sub, missed)
		case emulator.FaultRevoke:
			s.tell(sub, subscriptionRemoved)
		case emulator.FaultExpire:
			sub.expiresAt = s.now()
		}
	}
	if !found {
		return fmt.Errorf("subscription %q %w", f.Value, emulator.ErrUnknown)
	}
	s.dropExpired()
	return nil
}

var _ emulator.System = (*System)(nil)
