package sharepoint

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// A subscription is a webhook of a list.
type subscription struct {
	id, app, tenant, site string
	url                   string
	state                 any // the client state: a text or nil
	expiresAt             time.Time
}

// A place is a list at a site.
type place struct {
	site string
	list *list
}

const subscriptionType = "Microsoft.SharePoint.Webhooks.Subscription"

// Bounds of a subscription.
const (
	longest = 180 * 24 * time.Hour
	grace   = 90 * time.Minute // beyond longest, unless Options.ExactExpiry
)

// handshakeTimeout is how long a receiver may take to echo the token, or to accept a notification.
const handshakeTimeout = 5 * time.Second

// serveSubscriptions answers a call about the webhooks of a list.
func (s *System) serveSubscriptions(w http.ResponseWriter, r *http.Request, claims entra.Claims, at place,
	id string) error {
	if !claims.Permits(writers...) {
		return errDenied
	}
	switch {
	case id == "" && r.Method == http.MethodPost:
		return s.create(w, r, claims, at)
	case id == "" && r.Method == http.MethodGet:
		return s.listSubscriptions(w, r, claims, at.list)
	case id == "":
		return errNoPath
	}
	s.mu.Lock()
	s.dropExpired()
	i := slices.IndexFunc(at.list.subscriptions, func(sub *subscription) bool {
		return strings.EqualFold(sub.id, id) && (sub.app == claims.App || s.opts.AnyToken)
	})
	var sub *subscription
	if i >= 0 {
		sub = at.list.subscriptions[i]
	}
	s.mu.Unlock()
	if sub == nil {
		return errNoSubscription
	}
	switch r.Method {
	case http.MethodGet:
		shown := s.shown(at.list, sub)
		delete(shown, "clientState") // a single one is shown without
		return s.answer(w, r, http.StatusOK, subscriptionType, shown)
	case http.MethodPatch:
		return s.update(w, r, sub)
	case http.MethodDelete:
		s.mu.Lock()
		at.list.subscriptions = slices.DeleteFunc(at.list.subscriptions, func(o *subscription) bool {
			return o == sub
		})
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	return errNoPath
}

// A wish is the body of a call that creates or changes a webhook. The path decides about the list, not Resource.
type wish struct {
	Resource  string  `json:"resource"`
	URL       string  `json:"notificationUrl"`
	ExpiresAt string  `json:"expirationDateTime"`
	State     *string `json:"clientState"`
}

func readWish(r *http.Request) (wish, error) {
	var in wish
	if json.NewDecoder(r.Body).Decode(&in) != nil {
		return in, badRequest("-1, Microsoft.SharePoint.Client.InvalidClientQueryException",
			"The expression is not valid.")
	}
	return in, nil
}

// expiry returns the expiry that a wish asks for: the longest if it asks for none.
func (s *System) expiry(text string) (time.Time, error) {
	now := s.now()
	if text == "" {
		return now.Add(longest), nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, badRequest("-1, Microsoft.SharePoint.Client.InvalidClientQueryException",
			"Cannot convert a primitive value to the expected type 'Edm.DateTime'.")
	}
	end := now.Add(longest + grace)
	if s.opts.ExactExpiry {
		end = now.Add(longest)
	}
	if !at.After(now) || at.After(end) {
		return at, badRequest("-1, System.ArgumentException",
			"The specified expiration date is invalid. Should be greater than today and within 6 months")
	}
	return at, nil
}

// create registers a webhook. The handshake happens meanwhile.
func (s *System) create(w http.ResponseWriter, r *http.Request, claims entra.Claims, at place) error {
	in, err := readWish(r)
	if err != nil {
		return err
	}
	expiry, err := s.expiry(in.ExpiresAt)
	if err != nil {
		return err
	}
	sub := &subscription{id: emulator.NewID(), app: claims.App, tenant: claims.Tenant, site: at.site, url: in.URL,
		expiresAt: expiry}
	if in.State != nil && *in.State != "" {
		sub.state = *in.State
	}
	if err := s.shakeHands(r.Context(), in.URL, sub.state); err != nil {
		return err
	}
	s.mu.Lock()
	at.list.subscriptions = append(at.list.subscriptions, sub)
	s.mu.Unlock()
	return s.answer(w, r, http.StatusCreated, subscriptionType, s.shown(at.list, sub))
}

func (s *System) update(w http.ResponseWriter, r *http.Request, sub *subscription) error {
	in, err := readWish(r)
	if err != nil {
		return err
	}
	expiry := sub.expiresAt
	if in.ExpiresAt != "" {
		if expiry, err = s.expiry(in.ExpiresAt); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub.expiresAt = expiry
	if in.URL != "" {
		sub.url = in.URL
	}
	if in.State != nil {
		sub.state = *in.State
	}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// shakeHands asks a receiver to echo a token: an empty POST, answered with exactly 200.
func (s *System) shakeHands(ctx context.Context, to string, state any) error {
	token := emulator.NewID()
	separator := "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	header := http.Header{}
	if text, ok := state.(string); ok {
		header.Set("ClientState", text)
	}
	failed := badRequest("-1, System.InvalidOperationException", "Failed to validate the notification URL '"+to+"'.")
	if u, err := url.Parse(to); err != nil || u.Host == "" {
		return failed
	}
	status, body, err := s.host.Post(ctx, s.Name(), to+separator+"validationtoken="+token, header, nil,
		handshakeTimeout)
	if err != nil || status != http.StatusOK || string(body) != token {
		return failed
	}
	return nil
}

// shown is a webhook in JSON.
func (s *System) shown(l *list, sub *subscription) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]any{"id": sub.id, "resource": l.id, "notificationUrl": sub.url, "clientState": sub.state,
		"expirationDateTime": formatTime(sub.expiresAt)}
}

// listSubscriptions answers the webhooks of a list: also those of others, so it needs full control.
func (s *System) listSubscriptions(w http.ResponseWriter, r *http.Request, claims entra.Claims, l *list) error {
	if !claims.Permits(owners...) {
		return errDenied
	}
	s.mu.Lock()
	s.dropExpired()
	subs := slices.Clone(l.subscriptions)
	s.mu.Unlock()
	// Real lists have webhooks of other products, which a clean-up must leave alone.
	subs = append(subs, &subscription{id: "11c0a5e2-7d3b-4f61-a8e4-9b2d50c7f316",
		url: "https://northeurope1.pushnp.svc.ms/notifications?token=6f0a", expiresAt: s.now().Add(20 * time.Minute)})
	var all []map[string]any
	for _, sub := range subs {
		all = append(all, s.shown(l, sub))
	}
	return s.answerMany(w, r, subscriptionType, all)
}

// dropExpired forgets the webhooks whose time is over. The caller holds s.mu.
func (s *System) dropExpired() {
	now := s.now()
	for _, l := range s.lists {
		l.subscriptions = slices.DeleteFunc(l.subscriptions,
			func(sub *subscription) bool { return !now.Before(sub.expiresAt) })
	}
}

// pauses are those between the attempts of a notification.
var pauses = []time.Duration{5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute, 5 * time.Minute}

// notify tells the webhooks of a list that something has changed, and returns how many requests that takes: one for
// each URL and client state, since the state is also in a header. The caller holds s.mu.
func (s *System) notify(l *list) int {
	type key struct {
		url   string
		state any
	}
	items := map[key][]map[string]any{}
	var keys []key
	for _, sub := range l.subscriptions {
		k := key{sub.url, sub.state}
		if items[k] == nil {
			keys = append(keys, k)
		}
		items[k] = append(items[k], map[string]any{"subscriptionId": sub.id, "clientState": sub.state,
			"resource":           l.id,
			"expirationDateTime": sub.expiresAt.UTC().Format("2006-01-02T15:04:05.0000000Z"), "tenantId": sub.tenant,
			"siteUrl": sub.site, "webId": webID})
	}
	for _, k := range keys {
		body, err := json.Marshal(map[string]any{"value": items[k]})
		if err != nil {
			panic(err) // it is made of texts
		}
		header := http.Header{"Content-Type": {"application/json"}}
		if text, ok := k.state.(string); ok {
			header.Set("ClientState", text)
		}
		s.host.Notify(emulator.Notification{System: s.Name(), URL: k.url, Header: header, Body: body,
			Timeout: handshakeTimeout, Pauses: pauses})
	}
	return len(keys)
}
