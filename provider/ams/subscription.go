package ams

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Subscriber = Provider{}

// SubscribeInfo implements [provider.Subscriber]. A subscription is a notification endpoint of the account, which does
// not expire. Microsoft has not published whether, and for how long, notifications are repeated.
func (Provider) SubscribeInfo() provider.SubscribeInfo {
	return provider.SubscribeInfo{
		Settings: []provider.Setting{{Name: "replace", Title: "Replace", Example: "true", Kind: provider.KindFlag,
			Doc: "Deletes an endpoint of this name that the subscription did not make, and makes it anew: its key " +
				"cannot be read, and its address cannot be changed. Default: such an endpoint is left alone, " +
				"and the subscription fails."}},
		Resource: "the name of the notification endpoint, such as `Bellhop`. Jobs and tasks are submitted with its " +
			"id, the subscription's *remote id*",
		Lists: true,
	}
}

type registrationSettings struct {
	Replace bool `json:"replace"`
}

// Bounds of a registration.
const (
	maxName = 255 // bytes of an endpoint's name
	maxKey  = 214 // bytes of a signing key: RSA-OAEP with SHA-1 and 2048 bits encrypts no more
)

// CheckRegistration implements [provider.Subscriber]. The terms depend on the source's key.
func (Provider) CheckRegistration(r provider.Registration, source json.RawMessage) (provider.Terms, error) {
	var own registrationSettings
	var resource, changes error
	switch {
	case r.Resource == "" || len(r.Resource) > maxName || !provider.Printable(r.Resource):
		resource = bellhop.Invalid("resource", "required: a name for the notification endpoint, such as Bellhop")
	case strings.Contains(r.Resource, "://"):
		resource = bellhop.Invalid("resource", "use a name for the notification endpoint; its address is that of "+
			"the source")
	}
	if len(r.ChangeTypes) > 0 {
		changes = bellhop.Invalid("change_types", "leave it out: which states are told is chosen with each job")
	}
	key, keyErr := sourceKey(source)
	var terms provider.Terms
	if len(key) > 0 {
		sum := sha256.Sum256(key)
		terms.Depends = hex.EncodeToString(sum[:16])
	}
	return terms, bellhop.Join("", resource, changes,
		bellhop.Join("settings", provider.DecodeSettings(r.Settings, &own)), keyErr)
}

// sourceKey returns the signing key of a source: the first of several, which is the newest. Without a source it
// returns nil. Its error has the path "source".
func sourceKey(source json.RawMessage) ([]byte, error) {
	if len(source) == 0 {
		return nil, nil
	}
	var s settings
	err := provider.DecodeSettings(source, &s)
	var keys [][]byte
	if err == nil {
		keys, err = decodeKeys(s.SigningKey)
	}
	switch {
	case err != nil || len(keys) == 0:
		return nil, bellhop.Invalid("source", "has no signing_key by which Media Services could sign")
	case len(keys[0]) > maxKey:
		return nil, bellhop.Invalid("source", fmt.Sprintf("has a signing_key of more than %d bytes, which Media "+
			"Services "+
			"does not take; use one of 64", maxKey))
	}
	return keys[0], nil
}

// OpenSubscriptions implements [provider.Subscriber].
func (Provider) OpenSubscriptions(env provider.Env, api provider.API) provider.Subscriptions {
	return &subscriptions{account{now: env.Now, random: env.Rand, api: api}}
}

type subscriptions struct{ account }

// Create registers r, unless the account has an endpoint of that name: its address and its key cannot be changed, and
// the key cannot be read back.
func (s *subscriptions) Create(ctx context.Context, r provider.Registration) (provider.Remote, error) {
	var own registrationSettings
	json.Unmarshal(r.Settings, &own) // checked before
	key, err := sourceKey(r.Source)
	if err != nil || key == nil {
		return provider.Remote{}, &provider.APIError{Kind: provider.APIInvalid,
			Message: "the source has no signing_key"}
	}
	named, err := listOf[endpoint](ctx, &s.account, endpoints+named(r.Resource))
	if err != nil {
		return provider.Remote{}, err
	}
	for _, e := range named {
		if !own.Replace {
			return provider.Remote{}, exists(e, r)
		}
		if err := s.Delete(ctx, e.ID, r); err != nil {
			return provider.Remote{}, err
		}
	}
	made, err := s.register(ctx, r.Resource, r.URL, key)
	return made.remote(), err
}

// exists is the error of a creation that finds an endpoint of its name.
func exists(e endpoint, r provider.Registration) error {
	where := "with another address"
	if e.EndPointAddress == r.URL {
		where = "with the address of this source, and with a key that cannot be read"
	}
	return &provider.APIError{Kind: provider.APIExists, ExistingID: e.ID,
		Message: fmt.Sprintf("the account has a notification endpoint %q already, %s", e.Name, where),
		Remedy: "give the subscription another name as its resource, or have the endpoint replaced: bellhop " +
			"subscriptions update NAME --set replace=true"}
}

// Renew looks at the endpoint, which does not expire. It is one of APIExists if it has another address.
func (s *subscriptions) Renew(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	e, err := s.one(ctx, id)
	if err == nil && e.EndPointAddress != r.URL {
		err = exists(e, r)
	}
	return e.remote(), err
}

// Reauthorize does nothing: Media Services never asks for it.
func (s *subscriptions) Reauthorize(context.Context, string, provider.Registration) error { return nil }

// Get returns one endpoint.
func (s *subscriptions) Get(ctx context.Context, id string, _ provider.Registration) (provider.Remote, error) {
	e, err := s.one(ctx, id)
	return e.remote(), err
}

func (s *subscriptions) one(ctx context.Context, id string) (e endpoint, err error) {
	err = s.do(ctx, http.MethodGet, pathOf(endpoints, id), nil, &e)
	if err == nil && e.ID == "" {
		err = noID(false)
	}
	return e, err
}

// Delete deletes an endpoint. Media Services then tells its address that it was unregistered.
func (s *subscriptions) Delete(ctx context.Context, id string, _ provider.Registration) error {
	return microsoft.GoneIsDone(s.do(ctx, http.MethodDelete, pathOf(endpoints, id), nil, nil))
}

// ListScope returns "": an account has one list.
func (s *subscriptions) ListScope(provider.Registration) string { return "" }

// List returns all endpoints of the account, those of queues too.
func (s *subscriptions) List(ctx context.Context, _ provider.Registration) ([]provider.Remote, error) {
	found, err := listOf[endpoint](ctx, &s.account, endpoints)
	var all []provider.Remote
	for i := range found {
		all = append(all, found[i].remote())
	}
	return all, err
}
