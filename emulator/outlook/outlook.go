// Package outlook is a stand-in for the Outlook REST API v2.0: push subscriptions with their handshake, notifications
// with sequence numbers, and the items of a mailbox.
//
// Microsoft switched the API off in March 2024; compatible servers and clients still speak it. Its paths are those
// below /api/v2.0, without regard to case. Tokens come from the stand-in of package entra. Something happens in the
// mailbox by [System.Happen]. Source:
// https://learn.microsoft.com/previous-versions/office/office-365-api/api/version-2.0/notify-rest-operations
package outlook

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// Options change the stand-in.
type Options struct {
	AnyToken bool // every bearer token is taken, and none is needed
	PageSize int  // of lists; 0 is 10, as the service has it
}

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host   *emulator.Host
	tokens *entra.System
	opts   Options

	mu            sync.Mutex
	subscriptions []*subscription
	items         map[string]*item // by id
	number        int              // of the latest change
	refusals      int              // answers 401 by Fail, which go through the variants in turn
}

// A subscription is a push subscription.
type subscription struct {
	id, app, user, tenant string
	base                  string // of the stand-in, as the creator sees it
	resource              string // as given, absolute
	collection            string // "events"
	url, changeType       string
	state                 string
	expiresAt             time.Time
	sequence              int
}

// An item is a message, an event, a contact or a task.
type item struct {
	id, collection string
	data           map[string]any
	number         int // of its latest change
	deleted        bool
}

// New returns a stand-in on host, with tokens of tokens.
func New(host *emulator.Host, tokens *entra.System, opts Options) *System {
	if opts.PageSize == 0 {
		opts.PageSize = 10
	}
	s := &System{host: host, tokens: tokens, opts: opts}
	s.Reset()
	return s
}

// Name returns "outlook".
func (s *System) Name() string { return "outlook" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Reset forgets all subscriptions and items.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions, s.items, s.number, s.refusals = nil, map[string]*item{}, 0, 0
}

const prefix = "/api/v2.0/"

// Owns reports whether path is below /api/v2.0.
func (s *System) Owns(path string) bool {
	return len(path) > len(prefix) && strings.EqualFold(path[:len(prefix)], prefix)
}

// An apiError is an error in Outlook's form.
type apiError struct {
	status        int
	code, message string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func (s *System) writeError(w http.ResponseWriter, e *apiError) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Bearer client_id="00000002-0000-0ff1-ce00-000000000000", `+
			`token_types="app_asserted_user_v1 service_asserted_app_v1", `+
			`authorization_uri="https://login.windows.net/common/oauth2/authorize"`)
		w.Header().Set("X-Ms-Diagnostics", `2000003;reason="`+e.message+`";error_category="`+e.code+`"`)
		w.WriteHeader(e.status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	emulator.WriteJSON(w, e.status, map[string]any{"error": map[string]any{"code": e.code, "message": e.message}})
}

// How a token is refused.
var (
	errExpired  = &apiError{http.StatusUnauthorized, "invalid_lifetime", "The token has expired."}
	errEarly    = &apiError{http.StatusUnauthorized, "invalid_lifetime", "The token is not yet valid."}
	errAudience = &apiError{http.StatusUnauthorized, "invalid_resource", "The audience claim value is invalid."}
	errToken    = &apiError{http.StatusUnauthorized, "invalid_token", "The token is missing or invalid."}
)

// Fail answers with an error in Outlook's form. Of status 401 there are several, which come in turn.
func (s *System) Fail(w http.ResponseWriter, _ *http.Request, status int) {
	e := &apiError{status, "ErrorInternalServerError", "An internal server error occurred. Try again later."}
	switch status {
	case http.StatusTooManyRequests:
		e.code, e.message = "ErrorTooManyRequests", "Too many requests."
	case http.StatusUnauthorized:
		variants := []*apiError{errToken, errExpired, errAudience}
		s.mu.Lock()
		e = variants[s.refusals%len(variants)]
		s.refusals++
		s.mu.Unlock()
	case http.StatusForbidden:
		e = errDenied
	case http.StatusNotFound:
		e = errNotFound
	}
	s.writeError(w, e)
}

var (
	errNotFound = &apiError{http.StatusNotFound, "ErrorItemNotFound", "The specified object was not found in the " +
		"store."}
	errDenied = &apiError{http.StatusForbidden, "ErrorAccessDenied",
		"Access is denied. Check credentials and try again."}
	errPath = &apiError{http.StatusBadRequest, "RequestBroker-ParseUri", "Resource not found for the segment."}
)

func invalid(message string) *apiError {
	return &apiError{http.StatusBadRequest, "ErrorInvalidRequest", message}
}

// permissions are those of which one is needed for each collection.
var permissions = map[string][]string{
	"messages": {"Mail.Read", "Mail.ReadWrite"}, "events": {"Calendars.Read", "Calendars.ReadWrite"},
	"contacts": {"Contacts.Read", "Contacts.ReadWrite"}, "tasks": {"Tasks.Read", "Tasks.ReadWrite"},
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Request-Id", emulator.NewID())
	if strings.EqualFold(r.Header.Get("Return-Client-Request-Id"), "true") {
		w.Header().Set("Client-Request-Id", r.Header.Get("Client-Request-Id"))
	}
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	claims, err := s.authenticate(r)
	if err == nil {
		err = s.serve(w, r, claims)
	}
	var known *apiError
	switch {
	case errors.As(err, &known):
		s.writeError(w, known)
	case err != nil:
		s.writeError(w, &apiError{http.StatusInternalServerError, "ErrorInternalServerError", err.Error()})
	}
}

func (s *System) authenticate(r *http.Request) (entra.Claims, error) {
	claims, err := s.tokens.Authenticate(r, "https://outlook.office.com", "https://outlook.office365.com",
		"00000002-0000-0ff1-ce00-000000000000", emulator.BaseURL(r))
	switch {
	case err == nil:
		return claims, nil
	case s.opts.AnyToken:
		return entra.Claims{App: entra.DefaultClient, Tenant: entra.DefaultTenant, Kind: "user", Scope: ".default",
			Object: entra.UserID(entra.DefaultTenant)}, nil
	case errors.Is(err, entra.ErrExpired):
		return claims, errExpired
	case errors.Is(err, entra.ErrEarly):
		return claims, errEarly
	case errors.Is(err, entra.ErrAudience):
		return claims, errAudience
	}
	return claims, errToken
}

// splitPath returns the segments of an escaped path below the mailbox, with keys in quotes as segments of their own:
// me/subscriptions('x') and Users('u@t')/subscriptions/x are both ["subscriptions" "x"]. Names are in lower case.
func splitPath(escaped string) ([]string, bool) {
	path := strings.ReplaceAll(strings.ReplaceAll(escaped, "('", "/"), "')", "")
	path = strings.NewReplacer("(%27", "/", "%27)", "").Replace(path)
	parts := strings.Split(strings.Trim(path, "/"), "/")
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return nil, false
		}
	}
	switch strings.ToLower(parts[0]) {
	case "me":
		parts = parts[1:]
	case "users":
		parts = parts[min(2, len(parts)):]
	default:
		return nil, false
	}
	if len(parts) > 0 {
		parts[0] = strings.ToLower(parts[0])
	}
	return parts, true
}

// serve answers an authenticated call.
func (s *System) serve(w http.ResponseWriter, r *http.Request, claims entra.Claims) error {
	parts, ok := splitPath(r.URL.EscapedPath()[len(prefix):])
	switch {
	case !ok || len(parts) > 2:
		return errPath
	case len(parts) == 0 && r.Method == http.MethodGet:
		emulator.WriteJSON(w, http.StatusOK, map[string]any{"Id": claims.Object + "@" + claims.Tenant,
			"DisplayName": "Ada Example", "EmailAddress": entra.UserName})
		return nil
	case len(parts) == 0:
		return errPath
	case parts[0] == "subscriptions":
		return s.serveSubscriptions(w, r, claims, parts[1:])
	}
	isView := parts[0] == "calendarview"
	if isView {
		parts[0] = "events"
	}
	if needed, known := permissions[parts[0]]; !known || r.Method != http.MethodGet {
		return errPath
	} else if !claims.Permits(needed...) {
		return errDenied
	}
	switch {
	case len(parts) == 1 && isView:
		return s.calendarView(w, r)
	case len(parts) == 1:
		return s.list(w, r, claims, parts[0])
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	it := s.items[parts[1]]
	if it == nil || it.deleted || it.collection != parts[0] {
		return errNotFound
	}
	data := maps.Clone(it.data)
	data["@odata.context"] = emulator.BaseURL(r) + "/api/v2.0/$metadata#Me/" + titled(parts[0]) + "/$entity"
	data["@odata.id"] = itemURL(emulator.BaseURL(r), claims.Object, claims.Tenant, it)
	emulator.WriteJSON(w, http.StatusOK, data)
	return nil
}

// shown returns an item as a list shows it: whole, or with the members that names has and those of OData.
func shown(it *item, names, uri string) map[string]any {
	data := maps.Clone(it.data)
	if names != "" {
		wanted := append(strings.Split(names, ","), "Id", "@odata.etag")
		maps.DeleteFunc(data, func(name string, _ any) bool { return !slices.Contains(wanted, name) })
	}
	data["@odata.id"] = uri
	return data
}

// list answers the items of a collection, newest change last. Of $filter it knows LastModifiedDateTime ge TIME.
func (s *System) list(w http.ResponseWriter, r *http.Request, claims entra.Claims, collection string) error {
	q := r.URL.Query()
	since := time.Time{}
	if filter := q.Get("$filter"); filter != "" {
		text, ok := strings.CutPrefix(filter, "LastModifiedDateTime ge ")
		var err error
		if since, err = time.Parse(time.RFC3339Nano, strings.Trim(text, "'")); !ok || err != nil {
			return invalid("The stand-in knows the filter LastModifiedDateTime ge TIME alone.")
		}
	}
	size, from := s.opts.PageSize, 0
	for name, n := range map[string]*int{"$top": &size, "$skip": &from} {
		if text := q.Get(name); text != "" {
			var err error
			if *n, err = strconv.Atoi(text); err != nil || *n < 0 {
				return invalid(name + " is no number.")
			}
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []*item
	for _, it := range s.items {
		changed, _ := time.Parse(time.RFC3339Nano, it.data["LastModifiedDateTime"].(string))
		if it.collection == collection && !it.deleted && !changed.Before(since) {
			all = append(all, it)
		}
	}
	slices.SortFunc(all, func(a, b *item) int { return a.number - b.number })
	from = min(from, len(all))
	to := min(from+size, len(all))
	page := []map[string]any{}
	for _, it := range all[from:to] {
		page = append(page,
			shown(it, q.Get("$select"), itemURL(emulator.BaseURL(r), claims.Object, claims.Tenant, it)))
	}
	out := map[string]any{"@odata.context": emulator.BaseURL(r) + "/api/v2.0/$metadata#Me/" + titled(collection),
		"value": page}
	if to < len(all) {
		q.Set("$skip", strconv.Itoa(to))
		out["@odata.nextLink"] = emulator.BaseURL(r) + r.URL.Path + "?" + q.Encode()
	}
	emulator.WriteJSON(w, http.StatusOK, out)
	return nil
}

func titled(name string) string { return strings.ToUpper(name[:1]) + name[1:] }

func itemURL(base, user, tenant string, it *item) string {
	return fmt.Sprintf("%s/api/v2.0/Users('%s@%s')/%s('%s')", base, user, tenant, titled(it.collection), it.id)
}

// formatTime writes a time as Outlook does.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

const odataType = "#Microsoft.OutlookServices.PushSubscription"

// longest is the longest life of a subscription, and the one without a wish. A longer wish is shortened to it.
const longest = 3 * 24 * time.Hour

// A wish is the body of a call that creates or renews a subscription.
type wish struct {
	ODataType  string `json:"@odata.type"`
	Resource   string
	URL        string `json:"NotificationURL"`
	ChangeType string
	State      string `json:"ClientState"`
	ExpiresAt  string `json:"SubscriptionExpirationDateTime"`
}

// serveSubscriptions answers a call about subscriptions. There is no list of them.
func (s *System) serveSubscriptions(w http.ResponseWriter, r *http.Request, claims entra.Claims, key []string) error {
	if len(key) == 0 {
		if r.Method != http.MethodPost {
			return errPath
		}
		return s.create(w, r, claims)
	}
	sub := s.find(claims, key[0])
	if sub == nil {
		return errNotFound
	}
	switch r.Method {
	case http.MethodGet:
	case http.MethodPatch:
		var in wish
		if json.NewDecoder(r.Body).Decode(&in) != nil || in.ODataType != odataType {
			return invalid("The body is no PushSubscription.")
		}
		expiry, err := s.expiry(in.ExpiresAt)
		if err != nil {
			return err
		}
		s.mu.Lock()
		sub.expiresAt = expiry
		s.mu.Unlock()
	case http.MethodDelete:
		s.mu.Lock()
		s.subscriptions = slices.DeleteFunc(s.subscriptions, func(o *subscription) bool { return o == sub })
		s.mu.Unlock()
		w.WriteHeader(http.StatusNoContent)
		return nil
	default:
		return errPath
	}
	emulator.WriteJSON(w, http.StatusOK, s.shown(r, sub, nil))
	return nil
}

// find returns the subscription of that id, if the token's owner made it.
func (s *System) find(claims entra.Claims, id string) *subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired()
	for _, sub := range s.subscriptions {
		if sub.id == id && (s.opts.AnyToken || sub.app == claims.App && sub.user == claims.Object) {
			return sub
		}
	}
	return nil
}

func (s *System) expiry(text string) (time.Time, error) {
	end := s.now().Add(longest)
	if text == "" {
		return end, nil
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	switch {
	case err != nil:
		return at, invalid("SubscriptionExpirationDateTime is no date and time.")
	case !at.After(s.now()):
		return at, invalid("SubscriptionExpirationDateTime is in the past.")
	case at.After(end):
		return end, nil
	}
	return at, nil
}

// create registers a subscription. The handshake happens meanwhile.
func (s *System) create(w http.ResponseWriter, r *http.Request, claims entra.Claims) error {
	var in wish
	if json.NewDecoder(r.Body).Decode(&in) != nil || in.ODataType != odataType {
		return invalid("The body is no PushSubscription.")
	}
	resource, _, _ := strings.Cut(in.Resource, "?")
	collection := strings.ToLower(resource[strings.LastIndexByte(resource, '/')+1:])
	if needed, known := permissions[collection]; !known {
		return invalid("The Resource is not one that can be subscribed to.")
	} else if !claims.Permits(needed...) {
		return &apiError{http.StatusForbidden, "ErrorAccessDenied", "Access is denied. It needs " +
			strings.Join(needed,
				" or ") + "."}
	}
	for change := range strings.SplitSeq(in.ChangeType, ",") {
		if !slices.Contains(changeTypes, strings.ToLower(strings.TrimSpace(change))) {
			return invalid("The ChangeType is not a list of Created, Updated and Deleted.")
		}
	}
	expiry, err := s.expiry(in.ExpiresAt)
	if err != nil {
		return err
	}
	if len(in.State) > 255 {
		return invalid("The ClientState is longer than 255 characters.")
	}
	if err := s.shakeHands(r.Context(), in.URL, in.State); err != nil {
		return err
	}
	var id [7]byte
	rand.Read(id[:])
	sub := &subscription{id: base64.StdEncoding.EncodeToString(id[:]), app: claims.App, user: claims.Object,
		tenant: claims.Tenant, base: emulator.BaseURL(r), resource: in.Resource, collection: collection, url: in.URL,
		changeType: in.ChangeType, state: in.State, expiresAt: expiry}
	s.mu.Lock()
	s.subscriptions = append(s.subscriptions, sub)
	s.mu.Unlock()
	var state any
	if sub.state != "" {
		state = sub.state
	}
	emulator.WriteJSON(w, http.StatusCreated, s.shown(r, sub, state))
	return nil
}

var changeTypes = []string{"created", "updated", "deleted", "missed"}

// shown is a subscription in JSON. Only its creation shows the client state.
func (s *System) shown(r *http.Request, sub *subscription, state any) map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var changes []string
	for change := range strings.SplitSeq(sub.changeType, ",") {
		changes = append(changes, strings.TrimSpace(change))
	}
	if !slices.ContainsFunc(changes, func(c string) bool { return strings.EqualFold(c, "missed") }) {
		changes = append(changes, "Missed")
	}
	base := emulator.BaseURL(r)
	return map[string]any{"@odata.context": base + "/api/v2.0/$metadata#Me/Subscriptions/$entity",
		"@odata.type": odataType,
		"@odata.id": fmt.Sprintf("%s/api/v2.0/Users('%s@%s')/Subscriptions('%s')", base, sub.user,
			sub.tenant, sub.id),
		"Id": sub.id, "Resource": sub.resource, "ChangeType": strings.Join(changes, ", "), "ClientState": state,
		"NotificationURL": sub.url, "SubscriptionExpirationDateTime": formatTime(sub.expiresAt)}
}

// timeout is how long a receiver may take to echo the token, or to accept a notification.
const timeout = 5 * time.Second

// shakeHands asks a receiver to echo a token: an empty POST.
func (s *System) shakeHands(ctx context.Context, to, state string) error {
	failed := invalid("The notification URL did not echo the validation token.")
	if u, err := url.Parse(to); err != nil || u.Host == "" {
		return failed
	}
	token, separator := emulator.NewID(), "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	status, body, err := s.host.Post(ctx, s.Name(), to+separator+"validationToken="+url.QueryEscape(token),
		header(state, ""),
		nil, timeout)
	if err != nil || status != http.StatusOK || string(body) != token {
		return failed
	}
	return nil
}

func header(state, contentType string) http.Header {
	h := http.Header{}
	if state != "" {
		h.Set("ClientState", state)
	}
	if contentType != "" {
		h.Set("Content-Type", contentType)
	}
	return h
}

// dropExpired forgets the subscriptions whose time is over, silently as the service does. The caller holds s.mu.
func (s *System) dropExpired() {
	now := s.now()
	s.subscriptions = slices.DeleteFunc(s.subscriptions,
		func(sub *subscription) bool { return !now.Before(sub.expiresAt) })
}

var _ emulator.System = (*System)(nil)
