package client

import (
	"context"
	"net/http"
	"net/url"
	"time"
)

// A NewSubscription holds the values of a new subscription.
type NewSubscription struct {
	Name        string   `json:"name" example:"calendar"`
	Provider    string   `json:"provider,omitempty" example:"graph"` // that of the source, if it is left out
	Source      string   `json:"source" example:"calendar"`          // name or id
	Connection  string   `json:"connection" example:"work"`          // name or id
	Resource    string   `json:"resource" example:"/me/events"`
	ChangeTypes []string `json:"change_types,omitempty" example:"[\"created\",\"updated\"]"`
	Settings    Settings `json:"settings,omitempty"`
	ExpectEvery string   `json:"expect_every,omitempty" example:"24h"`
}

// A Subscription is a registration of the gateway at a provider, which asks it to call a source.
type Subscription struct {
	ID           string   `json:"id" example:"sub_01h455vb4pex5vsknk08"`
	Name         string   `json:"name" example:"calendar"`
	Provider     string   `json:"provider" example:"graph"`
	Source       string   `json:"source" example:"calendar"` // name; "" if it was deleted
	SourceID     string   `json:"source_id" example:"src_01h455vb4pex5vsknk08"`
	Connection   string   `json:"connection" example:"work"` // name; "" if it was deleted
	ConnectionID string   `json:"connection_id" example:"con_01h455vb4pex5vsknk08"`
	Tenant       string   `json:"tenant"`
	Resource     string   `json:"resource" example:"/me/events"`
	ChangeTypes  []string `json:"change_types"`
	Settings     Settings `json:"settings"`
	ExpectEvery  string   `json:"expect_every"` // "" expects nothing
	State        string   `json:"state" enum:"pending,active,renewing,paused,expired,removed,failed"`
	Reason       string   `json:"reason"`
	RemoteID     string   `json:"remote_id"`
	URL          string   `json:"url" example:"https://hooks.example.com/in/calendar"`
	ExpiresAt    Time     `json:"expires_at"`
	RenewAt      Time     `json:"renew_at"` // of the next call
	LastEventAt  Time     `json:"last_event_at"`
	LostAt       Time     `json:"lost_at"` // since when notifications may be lost, while they may be
	Gaps         []Gap    `json:"gaps"`    // newest first
	CreatedAt    Time     `json:"created_at"`
	UpdatedAt    Time     `json:"updated_at"`

	// ETag names this version, for [Client.IfMatch]; "" in a list.
	ETag string `json:"-"`
}

func (s *Subscription) setETag(tag string) { s.ETag = tag }

// A Gap is a span of time in which a subscription may have missed notifications.
type Gap struct {
	ID     string `json:"id" example:"gap_01h455vb4pex5vsknk08"`
	From   Time   `json:"from"`
	To     Time   `json:"to"`
	Reason string `json:"reason"` // why notifications may have been missed

	State   string `json:"state" enum:"open,filling,filled,unknown"`
	Outcome string `json:"outcome"` // in words: what a fill waits for, or what is not known
	Since   Time   `json:"since"`   // what the provider was asked for
	Until   Time   `json:"until"`
	Found   int    `json:"found"`  // changes that the provider told
	Folded  int    `json:"folded"` // of them, those whose notifications had come
}

// A SubscriptionFill is how far the gaps of a subscription are filled.
type SubscriptionFill struct {
	Done bool  `json:"done"` // none of the gaps is being filled any more
	Gaps []Gap `json:"gaps"` // oldest first
}

// A NewFill chooses what is filled.
type NewFill struct {
	Since time.Time `json:"since,omitzero"` // fills a gap from then until now; else the gaps that are not filled
}

// A SubscriptionCall is one call of a provider's API for a subscription.
type SubscriptionCall struct {
	At        Time   `json:"at"`
	Call      string `json:"call" enum:"create,renew,reauthorize,get,delete"`
	Status    int    `json:"status"` // of the answer; 0 without one
	Done      bool   `json:"done"`
	Outcome   string `json:"outcome"`   // in words; "" while the call is under way
	Handshake string `json:"handshake"` // that came meanwhile, in words; "" if none came
	Duration  string `json:"duration" example:"1.2s"`
}

// A SubscriptionSync is what a comparison with the providers found.
type SubscriptionSync struct {
	Checked int      `json:"checked"`
	Found   int      `json:"found"`
	Doubted []string `json:"doubted"` // names
	Strays  int      `json:"strays"`
	Errors  []string `json:"errors"`
}

// A RemoteSubscription is a registration that a provider shows to a connection.
type RemoteSubscription struct {
	RemoteID     string   `json:"remote_id"`
	Resource     string   `json:"resource"`
	ChangeTypes  []string `json:"change_types"`
	Origin       string   `json:"origin" example:"https://hooks.example.com"`
	ExpiresAt    Time     `json:"expires_at"`
	Owner        string   `json:"owner" enum:"ours,lost,foreign"`
	Subscription string   `json:"subscription"` // name of ours
}

// A SubscriptionFilter narrows a list of subscriptions. Zero fields select all.
type SubscriptionFilter struct {
	Source     string // name or id
	Connection string // name or id
	State      string
	Provider   string
	Tenant     string
}

// Subscriptions lists the subscriptions.
func (c *Client) Subscriptions(ctx context.Context, f SubscriptionFilter, page Page) (List[Subscription], error) {
	return list[Subscription](ctx, c, path("subscriptions"), page,
		url.Values{"source": {f.Source}, "connection": {f.Connection}, "state": {f.State}, "provider": {f.Provider},
			"tenant": {f.Tenant}})
}

// Subscription returns the subscription of that id or name.
func (c *Client) Subscription(ctx context.Context, idOrName string) (Subscription, error) {
	return get[Subscription](ctx, c, path("subscriptions", idOrName))
}

// CreateSubscription creates a subscription and its registration at the provider. If the provider refuses it, or
// cannot be reached, the result is failed or pending with the reason, and it is tried again.
func (c *Client) CreateSubscription(ctx context.Context, s NewSubscription) (Subscription, error) {
	return post[Subscription](ctx, c, path("subscriptions"), s)
}

// UpdateSubscription changes the members named in changes, a JSON merge patch of a NewSubscription. A nil value
// removes a member. Name and expect_every are changed here alone; for anything else there is a new registration.
func (c *Client) UpdateSubscription(ctx context.Context, idOrName string, changes map[string]any) (Subscription,
	error) {
	return patch[Subscription](ctx, c, path("subscriptions", idOrName), changes)
}

// DeleteSubscription deletes a subscription and its registration at the provider. keepRemote leaves the registration
// there until it expires.
func (c *Client) DeleteSubscription(ctx context.Context, idOrName string, keepRemote bool) error {
	at := path("subscriptions", idOrName)
	if keepRemote {
		at += "?keep_remote=true"
	}
	return c.call(ctx, http.MethodDelete, at, nil, nil)
}

// RenewSubscription renews a registration now, or makes one if there is none.
func (c *Client) RenewSubscription(ctx context.Context, idOrName string) (Subscription, error) {
	return post[Subscription](ctx, c, path("subscriptions", idOrName, "renew"), nil)
}

// PauseSubscription ends a registration at the provider until ResumeSubscription.
func (c *Client) PauseSubscription(ctx context.Context, idOrName string) (Subscription, error) {
	return post[Subscription](ctx, c, path("subscriptions", idOrName, "pause"), nil)
}

// ResumeSubscription makes the registration of a paused subscription again.
func (c *Client) ResumeSubscription(ctx context.Context, idOrName string) (Subscription, error) {
	return post[Subscription](ctx, c, path("subscriptions", idOrName, "resume"), nil)
}

// FillSubscription asks the provider for what was missed: in the gaps that are not filled or, with since, from then
// on. It waits for half a minute at most; a fill that takes longer goes on, and the gaps of the subscription show how
// far it is.
func (c *Client) FillSubscription(ctx context.Context, idOrName string, since time.Time) (SubscriptionFill, error) {
	return post[SubscriptionFill](ctx, c, path("subscriptions", idOrName, "fill"), NewFill{Since: since})
}

// SubscriptionHistory lists the latest calls for a subscription, newest first.
func (c *Client) SubscriptionHistory(ctx context.Context, idOrName string) (List[SubscriptionCall], error) {
	return list[SubscriptionCall](ctx, c, path("subscriptions", idOrName, "history"), Page{}, nil)
}

// SyncSubscriptions compares all subscriptions with their providers.
func (c *Client) SyncSubscriptions(ctx context.Context) (SubscriptionSync, error) {
	return post[SubscriptionSync](ctx, c, path("subscriptions", "sync"), nil)
}

// RemoteSubscriptions lists the registrations that a connection sees at its provider. resource chooses the list where
// the provider has several; "" is those of the subscriptions of the connection.
func (c *Client) RemoteSubscriptions(ctx context.Context, connection, resource string) (List[RemoteSubscription],
	error) {
	return list[RemoteSubscription](ctx, c, path("connections", connection, "remote"), Page{},
		url.Values{"resource": {resource}})
}
