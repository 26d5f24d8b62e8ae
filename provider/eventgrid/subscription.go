package eventgrid

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var (
	_ provider.HandshakeTeller = Provider{}
	_ provider.Namer           = Provider{}
)

// SubscribeInfo implements [provider.Subscriber].
func (Provider) SubscribeInfo() provider.SubscribeInfo {
	return provider.SubscribeInfo{
		Settings: subscribeSettings,
		Resource: "the id of the resource whose events are wanted, such as " +
			"`/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Communication/communicationServices/NAME`, or that " +
			"of a topic",
		MaxClientState: 128,
		Expected: "the handshake of Event Grid, a POST of a validation event, or OPTIONS with " +
			"the schema cloudevents,",
		Try: "curl -i -X OPTIONS 'URL' -H 'WebHook-Request-Origin: eventgrid.azure.net' must print the header " +
			"WebHook-Allowed-Origin",
		AnswerWithin: 30 * time.Second,
		Repeats:      24 * time.Hour,
		Lists:        true,
		Connector:    "eventgrid",
		FromSource:   true,
	}
}

// CheckRegistration implements [provider.Subscriber].
func (Provider) CheckRegistration(r provider.Registration, source json.RawMessage) (provider.Terms, error) {
	var s registrationSettings
	settingsErr := s.read(r.Settings)
	_, resource := scopeOf(r.Resource)
	errs := []error{resource, bellhop.Join("settings", settingsErr)}
	if len(r.ChangeTypes) > 0 {
		errs = append(errs, bellhop.Invalid("change_types", "leave it out: the setting event_types chooses the "+
			"events"))
	}
	var src settings
	if len(source) > 0 && provider.DecodeSettings(source, &src) == nil && len(src.Subscriptions) > 0 {
		errs = append(errs, bellhop.Invalid("source", "its setting subscriptions admits other event subscriptions "+
			"alone; remove it: bellhop sources update NAME --unset subscriptions"))
	}
	life, _ := length("", s.Expires, 0, 366*24*time.Hour)
	return provider.Terms{Longest: life}, bellhop.Join("", errs...)
}

// OpenSubscriptions implements [provider.Subscriber].
func (Provider) OpenSubscriptions(env provider.Env, api provider.API) provider.Subscriptions {
	return OpenSubscriptionsAs(nil, env, api)
}

// OpenSubscriptionsAs is OpenSubscriptions for a provider whose events come by Event Grid. types are the event types
// of a registration whose settings name none; nil is all that the resource has by default.
func OpenSubscriptionsAs(types []string, env provider.Env, api provider.API) provider.Subscriptions {
	return &subscriptions{now: env.Now, api: api, types: types}
}

type subscriptions struct {
	now   func() time.Time
	api   provider.API
	types []string
}

// apiVersion is the version of the management API.
const apiVersion = "?api-version=2022-06-15"

// The provisioning states that count here.
const (
	stateSucceeded = "Succeeded"
	stateFailed    = "Failed"
	stateCanceled  = "Canceled"
	stateManual    = "AwaitingManualAction"
)

// pathOf returns the path of an event subscription; of all for the name "".
func pathOf(r provider.Registration, name string) string {
	scope, _ := scopeOf(r.Resource) // checked before
	parts := strings.Split(scope, "/")
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	at := strings.Join(parts, "/") + "/providers/Microsoft.EventGrid/eventSubscriptions"
	if name != "" {
		at += "/" + url.PathEscape(name)
	}
	return at
}

// Create makes r's event subscription, or replaces it: the name is ours, so the call may be repeated. Event Grid makes
// its handshake afterwards; Create waits for its outcome as long as ctx allows. One that failed is deleted again.
func (s *subscriptions) Create(ctx context.Context, r provider.Registration) (provider.Remote, error) {
	name := Provider{}.RegistrationName(r)
	made, err := s.put(ctx, name, r)
	var failed *provider.APIError
	if errors.As(err, &failed) && failed.Kind == provider.APIHandshake {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanTimeout)
		defer cancel()
		s.Delete(clean, name, r) // what stays in the state Failed is replaced by the next try
	}
	return made, err
}

// cleanTimeout bounds the deletion of what failed.
const cleanTimeout = 10 * time.Second

// put makes or replaces an event subscription, and waits for the outcome.
func (s *subscriptions) put(ctx context.Context, name string, r provider.Registration) (provider.Remote, error) {
	answer, err := s.do(ctx, http.MethodPut, pathOf(r, name)+apiVersion,
		eventSubscription{Properties: wished(r, s.types)})
	if err != nil {
		return provider.Remote{}, microsoft.NothingThere(err, "there is no such resource, or the application may "+
			"not see it: check the resource id")
	}
	if len(answer.Body) > 0 { // an answer of something in between, and not of the API, would be looked for in vain
		var made eventSubscription
		if err := microsoft.Decode(answer, s.now(), &made); err != nil {
			return provider.Remote{}, err
		}
	}
	return s.await(ctx, name, r, answer)
}

// Renew makes the event subscription what r asks for: its expiry, if it has one, and all in which it differs.
func (s *subscriptions) Renew(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	got, err := s.read(ctx, id, r)
	if err != nil {
		return provider.Remote{}, err
	}
	switch got.Properties.State {
	case stateSucceeded, stateFailed, stateCanceled, "":
	default:
		return provider.Remote{}, &provider.APIError{Kind: provider.APITemporary,
			Message: "Event Grid still changes the event subscription: its state is " +
				microsoft.Plain(got.Properties.State)}
	}
	want := wished(r, s.types)
	differs, err := s.compare(ctx, id, r, got)
	switch {
	case err != nil:
		return provider.Remote{}, err
	case got.Properties.Schema != want.Schema && got.Properties.Schema != "": // which cannot be changed
		if err := s.Delete(ctx, id, r); err != nil {
			return provider.Remote{}, err
		}
	case got.Properties.State == stateSucceeded && differs == "":
		if r.ExpiresAt.IsZero() {
			return s.remote(got), nil
		}
		answer, err := s.do(ctx, http.MethodPatch, pathOf(r, id)+apiVersion, subscriptionProperties{
			ExpiresAt: want.ExpiresAt, Labels: want.Labels})
		if err != nil {
			return provider.Remote{}, err
		}
		return s.settled(s.await(ctx, id, r, answer))
	}
	return s.settled(s.put(ctx, id, r))
}

// settled returns an error for a change whose outcome is still open: it is looked at again.
func (s *subscriptions) settled(got provider.Remote, err error) (provider.Remote, error) {
	if err == nil && got.Pending {
		err = &provider.APIError{Kind: provider.APITemporary, Message: got.Waiting, MaybeDone: true}
	}
	return got, err
}

// Reauthorize renews: Event Grid never asks for it.
func (s *subscriptions) Reauthorize(ctx context.Context, id string, r provider.Registration) error {
	_, err := s.Renew(ctx, id, r)
	return err
}

// Get returns an event subscription, and says in what it is not what r asks for.
func (s *subscriptions) Get(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	got, err := s.read(ctx, id, r)
	if err != nil {
		return provider.Remote{}, err
	}
	remote := s.remote(got)
	switch got.Properties.State {
	case stateSucceeded:
		remote.Differs, err = s.compare(ctx, id, r, got)
	case stateFailed, stateCanceled:
		err = &provider.APIError{Kind: provider.APIHandshake,
			Message: "the event subscription is in the state " + got.Properties.State +
				": Event Grid could not validate the URL"}
	}
	return remote, err
}

// Delete ends an event subscription.
func (s *subscriptions) Delete(ctx context.Context, id string, r provider.Registration) error {
	answer, err := s.do(ctx, http.MethodDelete, pathOf(r, id)+apiVersion, nil)
	for err == nil && answer.Status == http.StatusAccepted {
		at := answer.Header.Get("Location")
		if at == "" || !s.pause(ctx, answer) {
			return nil // accepted, and under way
		}
		answer, err = s.do(ctx, http.MethodGet, at, nil)
	}
	return microsoft.GoneIsDone(err)
}

// ListScope returns the scope of r: each has a list.
func (s *subscriptions) ListScope(r provider.Registration) string {
	scope, _ := scopeOf(r.Resource)
	return "/" + strings.ToLower(scope)
}

// List returns all event subscriptions of r's resource.
func (s *subscriptions) List(ctx context.Context, r provider.Registration) ([]provider.Remote, error) {
	if _, err := scopeOf(r.Resource); err != nil {
		return nil, &provider.APIError{Kind: provider.APIInvalid, Message: err.Error()}
	}
	var all []provider.Remote
	err := microsoft.ListAll(pathOf(r, "")+apiVersion, func(at string) (string, error) {
		var page struct {
			Value []eventSubscription `json:"value"`
			Next  string              `json:"nextLink"`
		}
		answer, err := s.do(ctx, http.MethodGet, at, nil)
		if err == nil {
			err = microsoft.Decode(answer, s.now(), &page)
		}
		if err == nil && page.Value == nil {
			err = &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
				Message: "the answer has no member value"}
		}
		for _, e := range page.Value {
			all = append(all, s.remote(e))
		}
		return page.Next, err
	})
	return all, err
}

// remote returns an event subscription as the server knows it: by its name, in the resource that has it.
func (s *subscriptions) remote(e eventSubscription) provider.Remote {
	remote := provider.Remote{ID: e.Name, Resource: e.ID, ExpiresAt: microsoft.ParseTime(e.Properties.ExpiresAt)}
	for _, part := range []string{"/providers/microsoft.eventgrid/eventsubscriptions/", "/eventsubscriptions/"} {
		if i := strings.LastIndex(provider.LowerASCII(e.ID), part); i >= 0 {
			remote.Resource = e.ID[:i]
			break
		}
	}
	if to := e.Properties.destination(); to != nil {
		remote.URL = to.Properties.BaseURL
	}
	switch state := e.Properties.State; state {
	case stateSucceeded, stateFailed, stateCanceled, "":
	case stateManual:
		remote.Pending = true
		remote.Waiting = "Event Grid waits for a manual action: the answer to its handshake had no validation " +
			"code. Open the validation URL of that request within 10 minutes; 'bellhop requests list' shows the " +
			"request if it came here"
	default:
		remote.Pending = true
		remote.Waiting = "Event Grid validates the URL; the state is " + microsoft.Plain(state)
	}
	return remote
}

// read returns one event subscription.
func (s *subscriptions) read(ctx context.Context, id string,
	r provider.Registration) (e eventSubscription, err error) {
	answer, err := s.do(ctx, http.MethodGet, pathOf(r, id)+apiVersion, nil)
	if err == nil {
		err = microsoft.Decode(answer, s.now(), &e)
	}
	if err == nil && (e.Name == "" || e.ID == "") {
		err = &provider.APIError{Kind: provider.APIForeign, Status: answer.Status, Message: "the answer has no " +
			"member name"}
	}
	return e, err
}

// compare says in what an event subscription is not what r asks for, the secrets of URL and headers included.
func (s *subscriptions) compare(ctx context.Context, id string, r provider.Registration, got eventSubscription) (
	string, error) {
	want := wished(r, s.types)
	differs := want.differs(&got.Properties, r.URL)
	if got.Properties.Schema != "" && got.Properties.Schema != want.Schema {
		differs = strings.TrimPrefix(differs+", schema", ", ")
	}
	if differs != "" {
		return differs, nil
	}
	var full struct {
		URL string `json:"endpointUrl"`
	}
	switch known, err := s.secret(ctx, id, r, "getFullUrl", &full); {
	case err != nil:
		return "", err
	case known && full.URL != want.Destination.Properties.URL:
		return "the secret in the URL", nil
	}
	headers := want.Destination.Properties.Headers
	if len(headers) == 0 {
		return "", nil
	}
	var shown struct {
		Value []deliveryHeader `json:"value"`
	}
	known, err := s.secret(ctx, id, r, "getDeliveryAttributes", &shown)
	if known && !slices.EqualFunc(shown.Value, headers, func(a, b deliveryHeader) bool {
		return strings.EqualFold(a.Name, b.Name) && a.Properties.Value == b.Properties.Value
	}) {
		return "the secret in the header", err
	}
	return "", err
}

// secret makes a call that shows secrets. An application that may not make it does not know them, and what cannot be
// compared is the same.
func (s *subscriptions) secret(ctx context.Context, id string, r provider.Registration, action string, out any) (
	known bool, err error) {
	answer, err := s.do(ctx, http.MethodPost, pathOf(r, id)+"/"+action+apiVersion, nil)
	if err == nil {
		err = microsoft.Decode(answer, s.now(), out)
	}
	var refused *provider.APIError
	if errors.As(err, &refused) && refused.Kind == provider.APIForbidden {
		return false, nil
	}
	return err == nil, err
}

// do makes one call.
func (s *subscriptions) do(ctx context.Context, method, at string, in any) (provider.Answer, error) {
	call := provider.Call{Method: method, Path: at}
	if in != nil {
		call = microsoft.WithJSON(call, in)
	}
	answer, err := s.api.Do(ctx, call)
	if err == nil {
		err = microsoft.Check(answer, s.now())
	}
	return answer, refine(err)
}

// An operation is the state of a change that goes on at Event Grid.
type operation struct {
	Status string          `json:"status"`
	Error  *operationError `json:"error"`
}

type operationError struct {
	Code    string           `json:"code"`
	Message string           `json:"message"`
	Details []operationError `json:"details"`
}

// await waits for the outcome of a change, as long as ctx allows; then it is Pending. The URL of the operation tells
// it, always with status 200, or the event subscription itself if there is no such URL.
func (s *subscriptions) await(ctx context.Context, name string, r provider.Registration, answer provider.Answer) (
	provider.Remote, error) {
	at := answer.Header.Get("Azure-Asyncoperation")
	pending := provider.Remote{ID: name, Resource: r.Resource, URL: r.URL, ExpiresAt: r.ExpiresAt, Pending: true,
		Waiting: "Event Grid validates the URL"}
	for s.pause(ctx, answer) {
		if at != "" {
			var op operation
			looked, err := s.do(ctx, http.MethodGet, at, nil)
			if err == nil {
				err = microsoft.Decode(looked, s.now(), &op)
			}
			if err != nil {
				return pending, s.undecided(ctx, err)
			}
			answer = looked
			if op.Status == stateFailed || op.Status == stateCanceled {
				return provider.Remote{}, op.failure()
			}
		}
		got, err := s.read(ctx, name, r)
		if err != nil {
			return pending, s.undecided(ctx, err)
		}
		remote := s.remote(got)
		switch {
		case got.Properties.State == stateFailed || got.Properties.State == stateCanceled:
			if at == "" { // else the URL of the operation says why, at the next look
				return provider.Remote{}, (&operation{Status: got.Properties.State}).failure()
			}
		case !remote.Pending || got.Properties.State == stateManual:
			return remote, nil
		}
	}
	return pending, nil
}

// undecided returns the error of a look at a change, which may have its effect all the same. A passing failure is no
// error: the change is looked at again later.
func (s *subscriptions) undecided(ctx context.Context, err error) error {
	var e *provider.APIError
	switch {
	case ctx.Err() != nil, errors.As(err, &e) && e.Kind == provider.APITemporary:
		return nil
	case e != nil:
		e.MaybeDone = true
	}
	return err
}

// Bounds of the pause between looks at a change.
const (
	defaultPause = 2 * time.Second
	longestPause = 15 * time.Second
	lookTime     = 5 * time.Second // that is left for a look
)

// pause waits as long as an answer asks for. It reports whether there is time for a look then.
func (s *subscriptions) pause(ctx context.Context, answer provider.Answer) bool {
	wait := min(cmp.Or(provider.RetryAfter(answer.Header, s.now()), defaultPause), longestPause)
	end, bounded := ctx.Deadline()
	if bounded && time.Until(end) < wait+lookTime {
		return false
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// failure returns the error of a change that has failed.
func (op *operation) failure() *provider.APIError {
	e := &provider.APIError{Kind: provider.APIHandshake, Message: "the state is " + microsoft.Plain(op.Status)}
	if op.Error == nil {
		return e
	}
	e.Code, e.Message = microsoft.Plain(op.Error.Code), microsoft.Plain(op.Error.Message)
	if len(op.Error.Details) > 0 { // which say more
		first := op.Error.Details[0]
		e.Message = microsoft.Plain(first.Message)
		if !strings.Contains(strings.ToLower(first.Code+first.Message), "validation") {
			e.Kind = provider.APIInvalid
		}
	}
	return e
}

var notAuthorized = regexp.MustCompile(`perform action '([^']+)' over scope '([^']+)'`)

// refine makes a failure of Azure Resource Manager more precise.
func refine(err error) error {
	var e *provider.APIError
	if !errors.As(err, &e) {
		return err
	}
	text := strings.ToLower(e.Code + " " + e.Message)
	switch {
	case e.Kind == provider.APIForbidden:
		e.Permission = "Microsoft.EventGrid/eventSubscriptions/write"
		scope := "the resource"
		if m := notAuthorized.FindStringSubmatch(e.Message); m != nil {
			e.Permission, scope = m[1], m[2]
		}
		e.Remedy = fmt.Sprintf("the application lacks %s at %s: give it the role EventGrid EventSubscription "+
			"Contributor there, under Access control (IAM)", e.Permission, scope)
	case e.Status == http.StatusConflict && strings.Contains(text, "missingsubscriptionregistration"):
		e.Kind = provider.APIInvalid
		e.Remedy = "register the resource provider in the Azure subscription: az provider register --namespace " +
			"Microsoft.EventGrid"
	case e.Status == http.StatusConflict && strings.Contains(text, "quota"):
		e.Kind = provider.APIInvalid
		e.Remedy = "Event Grid allows no more event subscriptions there: delete one of them"
	case e.Status == http.StatusConflict:
		e.Kind = provider.APITemporary
		e.Remedy = "another change of the event subscription is under way; it is tried again"
	case e.Kind == provider.APIGone && strings.Contains(text, "subscriptionnotfound"):
		e.Remedy = "there is no such Azure subscription, or the application may not see it"
	}
	return e
}

// heard returns what a request says about the registration that it came from: nil if the source has none of ours.
func (r *receiver) heard(h http.Header, events []bellhop.Event) []provider.Heard {
	if r.env.Subscribed == nil || !r.env.Subscribed.Any() {
		return nil
	}
	heard := provider.Heard{RemoteID: strings.ToLower(h.Get(SubscriptionNameHeader))}
	for i := range events {
		if ended := strings.ToLower(events[i].Subject); events[i].Type == DeletedType &&
			strings.HasSuffix(ended, "/"+heard.RemoteID) {
			heard.Kind = provider.HeardRemoved
		}
	}
	return []provider.Heard{heard}
}
