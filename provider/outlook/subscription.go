package outlook

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.HandshakeTeller = Provider{}

// longestLife is the longest life of a subscription. A longer wish is shortened to it.
const longestLife = 3 * 24 * time.Hour

var changeTypes = []string{"created", "updated", "deleted"}

// collections are the last segments of resources, with the scope that each needs.
var collections = map[string]string{
	"events": "Calendars.Read", "messages": "Mail.Read", "contacts": "Contacts.Read", "tasks": "Tasks.Read",
}

// SubscribeInfo implements [provider.Subscriber].
func (Provider) SubscribeInfo() provider.SubscribeInfo {
	return provider.SubscribeInfo{
		Resource: "the path of a collection of a mailbox, such as `/me/events`, `/me/messages`, " +
			"`/me/mailfolders('Inbox')/messages`, or its whole URL",
		ChangeTypes:    changeTypes,
		MaxClientState: microsoft.MaxClientStateLength,
		Handshake:      parameter,
		AnswerWithin:   5 * time.Second,
	}
}

// IsHandshake implements [provider.HandshakeTeller].
func (Provider) IsHandshake(req *provider.Request) bool { return microsoft.IsEcho(req, parameter) }

// CheckRegistration implements [provider.Subscriber].
func (Provider) CheckRegistration(r provider.Registration, _ json.RawMessage) (provider.Terms, error) {
	var none struct{}
	_, known := collections[collectionOf(r.Resource)]
	var resource error
	switch {
	case r.Resource == "" || len(r.Resource) > 1024 || !provider.Printable(r.Resource):
		resource = bellhop.Invalid("resource", "required: the path of a collection, such as /me/events")
	case ownerOf(r.Resource) == "":
		resource = bellhop.Invalid("resource", "begin with /me/ or /users/NAME/, or give the "+
			"whole URL below /api/v2.0")
	case !known:
		resource = bellhop.Invalid("resource", "there are subscriptions for events, messages, contacts and tasks "+
			"alone, such as /me/events")
	}
	return provider.Terms{Longest: longestLife}, bellhop.Join("", resource,
		provider.CheckChangeTypes(r.ChangeTypes, changeTypes, nil),
		bellhop.Join("settings", provider.DecodeSettings(r.Settings, &none)))
}

// prefix is the path of the API, below the base URL of its host.
const prefix = "/api/v2.0/"

// relative returns the part of a resource below the prefix: "me/events".
func relative(resource string) string {
	if i := strings.Index(provider.LowerASCII(resource), prefix); i >= 0 {
		return resource[i+len(prefix):]
	}
	return strings.TrimPrefix(resource, "/")
}

// collectionOf returns the collection that a resource names, in lower case.
func collectionOf(resource string) string {
	path, _, _ := strings.Cut(relative(resource), "?")
	return strings.ToLower(path[strings.LastIndexByte(path, '/')+1:])
}

// ownerOf returns the path of the mailbox of a resource, "me" or "Users('…')"; "" if there is none.
func ownerOf(resource string) string {
	first, rest, _ := strings.Cut(relative(resource), "/")
	switch {
	case strings.Contains(first, ":"):
		return ""
	case strings.EqualFold(first, "me"):
		return "me"
	case strings.EqualFold(first, "users"):
		name, _, _ := strings.Cut(rest, "/")
		return "Users('" + url.PathEscape(name) + "')"
	case len(first) > len("users('')") && strings.EqualFold(first[:len("users('")], "users('"):
		return first
	}
	return ""
}

// OpenSubscriptions implements [provider.Subscriber].
func (Provider) OpenSubscriptions(env provider.Env, api provider.API) provider.Subscriptions {
	return &subscriptions{now: env.Now, api: api}
}

type subscriptions struct {
	now func() time.Time
	api provider.API
}

const odataType = "#Microsoft.OutlookServices.PushSubscription"

// An entity is a subscription in Outlook's JSON.
type entity struct {
	Type        string `json:"@odata.type"`
	ID          string `json:"Id,omitempty"`
	Resource    string `json:",omitempty"`
	URL         string `json:"NotificationURL,omitempty"`
	ChangeType  string `json:",omitempty"`
	ClientState string `json:",omitempty"`
	ExpiresAt   string `json:"SubscriptionExpirationDateTime,omitempty"`
}

// Create registers r. Outlook makes a handshake meanwhile.
func (s *subscriptions) Create(ctx context.Context, r provider.Registration) (provider.Remote, error) {
	var changes []string
	for _, change := range r.ChangeTypes {
		changes = append(changes, strings.ToUpper(change[:1])+strings.ToLower(change[1:]))
	}
	resource := r.Resource
	if !strings.Contains(resource, "://") {
		resource = "https://outlook.office.com" + prefix + relative(resource) // absolute, as the reference wants it
	}
	made, err := s.one(ctx, http.MethodPost, s.path(r, ""), &entity{Type: odataType, Resource: resource, URL: r.URL,
		ChangeType: strings.Join(changes, ","), ClientState: r.ClientState,
		ExpiresAt: microsoft.FormatTime(r.ExpiresAt)}, r)
	return made, microsoft.NothingThere(err, "there is no such mailbox, or the connection may not see it")
}

// Renew extends a subscription by three days at most.
func (s *subscriptions) Renew(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	return s.one(ctx, http.MethodPatch, s.path(r, id),
		&entity{Type: odataType, ExpiresAt: microsoft.FormatTime(r.ExpiresAt)}, r)
}

// Reauthorize renews: Outlook never asks for it.
func (s *subscriptions) Reauthorize(ctx context.Context, id string, r provider.Registration) error {
	_, err := s.Renew(ctx, id, r)
	return err
}

// Get returns one subscription. Outlook does not show its client state.
func (s *subscriptions) Get(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	return s.one(ctx, http.MethodGet, s.path(r, id), nil, r)
}

// Delete ends a subscription.
func (s *subscriptions) Delete(ctx context.Context, id string, r provider.Registration) error {
	answer, err := s.api.Do(ctx, provider.Call{Method: http.MethodDelete, Path: s.path(r, id)})
	if err == nil {
		err = microsoft.Check(answer, s.now())
	}
	return microsoft.GoneIsDone(refine(err, r))
}

// List is an error: the API has no such call.
func (s *subscriptions) List(context.Context, provider.Registration) ([]provider.Remote, error) {
	return nil, &provider.APIError{Kind: provider.APIInvalid,
		Message: "the Outlook API has no list of subscriptions: only those with a known id can be read"}
}

// ListScope returns "".
func (s *subscriptions) ListScope(provider.Registration) string { return "" }

// path returns the path of a mailbox's subscriptions, or of one. An id is Base64 text, whose signs are escaped.
func (s *subscriptions) path(r provider.Registration, id string) string {
	path := prefix + ownerOf(r.Resource) + "/subscriptions"
	if id == "" {
		return path
	}
	return path + "('" + strings.NewReplacer("+", "%2B", "=", "%3D").Replace(url.PathEscape(id)) + "')"
}

// one makes a call that is answered with one subscription.
func (s *subscriptions) one(ctx context.Context, method, path string, in any,
	r provider.Registration) (provider.Remote, error) {
	var out entity
	call := provider.Call{Method: method, Path: path,
		Header: http.Header{"Accept": {"application/json;odata.metadata=minimal"}}}
	answer, err := microsoft.Ask(ctx, s.api, s.now, call, in, &out)
	if err == nil && out.ID == "" {
		err = microsoft.Lacks(answer, method, "Id")
	}
	if err != nil {
		return provider.Remote{}, refine(err, r)
	}
	return out.remote(), nil
}

// remote returns e. Outlook adds Missed to the change types that were asked for.
func (e *entity) remote() provider.Remote {
	var changes []string
	for change := range strings.SplitSeq(e.ChangeType, ",") {
		change = strings.ToLower(strings.TrimSpace(change))
		if change != "missed" && change != "" {
			changes = append(changes, change)
		}
	}
	return provider.Remote{ID: e.ID, Resource: e.Resource, ChangeTypes: changes, URL: e.URL,
		ClientState: e.ClientState,
		ExpiresAt:   microsoft.ParseTime(e.ExpiresAt)}
}

// refine makes a failure of Outlook more precise. Outlook has no code for a handshake that failed, so its message
// decides, and only to say more.
func refine(err error, r provider.Registration) error {
	var e *provider.APIError
	if !errors.As(err, &e) {
		return err
	}
	text := strings.ToLower(e.Message)
	switch {
	case e.Status == http.StatusBadRequest &&
		(strings.Contains(text, "validat") || strings.Contains(text, "notification url")):
		e.Kind = provider.APIHandshake
	case e.Status == http.StatusForbidden:
		needs(e, collections[collectionOf(r.Resource)])
	}
	return e
}

// needs says that a scope is missing; "" is an unknown one.
func needs(e *provider.APIError, scope string) {
	e.Permission = scope
	e.Remedy = "sign the connection in with the scope that this resource needs"
	if scope != "" {
		e.Remedy = "sign the connection in with the scope https://outlook.office.com/" + scope
	}
}
