// Package graph is a stand-in for Microsoft Graph: subscriptions with their handshakes, change and lifecycle
// notifications, encrypted content, the changed resources, and delta queries.
//
// Its paths are those of graph.microsoft.com, of v1.0 and of beta, without regard to case. Tokens come from the
// stand-in of package entra. Something happens to a resource by [System.Happen]: the item is stored, and
// subscribers are notified. Sources: https://learn.microsoft.com/graph/api/resources/subscription,
// https://learn.microsoft.com/graph/change-notifications-overview,
// https://learn.microsoft.com/graph/delta-query-overview
package graph

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// Options change the stand-in.
type Options struct {
	AnyToken bool // every bearer token is taken, and none is needed
	Clamp    bool // an expiry that is too late is brought forward; otherwise it is refused
	PageSize int  // of lists and delta pages; 0 is 50
	Quota    int  // subscriptions of one application to one resource; 0 is 1,000

	// KeepExpiry has a renewal succeed and leave the expiry as it is, as the service is reported to do at times.
	KeepExpiry bool

	// OutlookMinutes is the longest life of a subscription to messages, events and contacts. 0 is 10,080; the service
	// refused more than 4,230 for years, and is reported to do so again.
	OutlookMinutes int
}

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host   *emulator.Host
	tokens *entra.System
	opts   Options

	mu            sync.Mutex
	subscriptions []*subscription // in the order in which they were created
	collections   map[string]*collection
	lastUser      string // who has the latest subscription to a user's resource
	refusals      int    // answers 401 by Fail, which go through the variants in turn
	version       int    // counts the changes of all collections
	oldest        int    // delta tokens of earlier versions are refused
	itemNumber    int
}

// New returns a stand-in on host, with tokens of tokens.
func New(host *emulator.Host, tokens *entra.System, opts Options) *System {
	if opts.PageSize == 0 {
		opts.PageSize = 50
	}
	if opts.OutlookMinutes == 0 {
		opts.OutlookMinutes = 10080
	}
	if opts.Quota == 0 {
		opts.Quota = 1000
	}
	s := &System{host: host, tokens: tokens, opts: opts}
	s.Reset()
	return s
}

// Name returns "graph".
func (s *System) Name() string { return "graph" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Owns reports whether path is one of Graph.
func (s *System) Owns(path string) bool {
	_, ok := resourceOf(path)
	return ok
}

// resourceOf returns the path below the version, without a slash at either end.
func resourceOf(path string) (resource string, ok bool) {
	for _, version := range []string{"/v1.0/", "/beta/"} {
		if len(path) > len(version) && strings.EqualFold(path[:len(version)], version) {
			return strings.Trim(path[len(version):], "/"), true
		}
	}
	return "", false
}

// Reset forgets all subscriptions and resources.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions, s.collections = nil, map[string]*collection{}
	s.version, s.oldest, s.itemNumber, s.refusals = 0, 0, 0, 0
	s.lastUser = defaultUser
}

// An apiError is an error in Graph's form.
type apiError struct {
	status        int
	code, message string
	inner         string // a finer code within innerError
	location      string
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

func (s *System) writeError(w http.ResponseWriter, e *apiError) {
	inner := map[string]any{"date": s.now().UTC().Format("2006-01-02T15:04:05"),
		"request-id": w.Header().Get("Request-Id"), "client-request-id": w.Header().Get("Client-Request-Id")}
	if e.inner != "" {
		inner["code"] = e.inner
	}
	if e.location != "" {
		w.Header().Set("Location", e.location)
	}
	if e.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Bearer realm="", authorization_uri="https://login.microsoftonline.com/`+
			`common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`)
	}
	w.Header().Set("Content-Type", "application/json")
	emulator.WriteJSON(w, e.status, map[string]any{"error": map[string]any{"code": e.code, "message": e.message,
		"innerError": inner}})
}

// Why a token is refused. The service has several answers for it.
const (
	textEarly   = "Access token has expired or is not yet valid."
	textExpired = "Lifetime validation failed, the token is expired."
	textInvalid = "CompactToken validation failed with reason code: 80049228."
)

func unauthorized(message string) *apiError {
	return &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken", message: message}
}

// errUnauthenticated is how some services behind Graph refuse a token, and errWorkload how a subscription is refused
// whose resource does not take the token.
var (
	errUnauthenticated = &apiError{status: http.StatusUnauthorized, code: "unauthenticated",
		message: "The caller is not authenticated."}
	errWorkload = &apiError{status: http.StatusUnauthorized, code: "ExtensionError",
		message: "Operation: Create; Exception: [Status Code: Unauthorized; Reason: Authentication failed]"}
)

// Fail answers with an error in Graph's form. Of status 401 there are several, which come in turn.
func (s *System) Fail(w http.ResponseWriter, r *http.Request, status int) {
	s.setHeaders(w, r)
	e := &apiError{status: status, code: "serviceNotAvailable", message: "The service is temporarily unavailable."}
	switch status {
	case http.StatusTooManyRequests:
		e.code, e.message = "TooManyRequests", "Too many requests. Please try again later."
	case http.StatusUnauthorized:
		variants := []*apiError{unauthorized(textInvalid), unauthorized(textExpired), unauthorized(textEarly),
			errUnauthenticated}
		if r.Method == http.MethodPost {
			variants = append(variants, errWorkload)
		}
		s.mu.Lock()
		e = variants[s.refusals%len(variants)]
		s.refusals++
		s.mu.Unlock()
	case http.StatusForbidden:
		e.code, e.message = "Authorization_RequestDenied", "Insufficient privileges to complete the operation."
	case http.StatusNotFound:
		e = errNotFound
	case http.StatusConflict:
		e.code, e.message = "nameAlreadyExists", "The name already exists."
	case http.StatusGone:
		e.code, e.message = "resyncRequired", "Resync required."
	case http.StatusPreconditionFailed:
		e.code, e.message = "resourceModified", "The ETag does not match the current item's value."
	case http.StatusLocked:
		e.code, e.message = "resourceLocked", "The resource is locked."
	case http.StatusInternalServerError:
		e.code, e.message = "generalException", "An unspecified error has occurred."
	}
	s.writeError(w, e)
}

// setHeaders sets the headers of every answer.
func (s *System) setHeaders(w http.ResponseWriter, r *http.Request) {
	id := emulator.NewID()
	w.Header().Set("Request-Id", id)
	if given := r.Header.Get("Client-Request-Id"); given != "" {
		id = given
	}
	w.Header().Set("Client-Request-Id", id)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.setHeaders(w, r)
	claims, err := s.authenticate(r)
	if err == nil {
		err = s.serve(w, r, claims)
	}
	var known *apiError
	switch {
	case errors.As(err, &known):
		s.writeError(w, known)
	case err != nil:
		s.writeError(w, &apiError{status: http.StatusInternalServerError, code: "generalException",
			message: err.Error()})
	}
}

// authenticate returns what the call's token says.
func (s *System) authenticate(r *http.Request) (entra.Claims, error) {
	claims, err := s.tokens.Authenticate(r, "https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000",
		emulator.BaseURL(r))
	if s.opts.AnyToken && err != nil {
		return entra.Claims{App: entra.DefaultClient, Tenant: entra.DefaultTenant, Kind: "user", Scope: ".default",
			Object: entra.UserID(entra.DefaultTenant)}, nil
	}
	switch {
	case err == nil:
		return claims, nil
	case errors.Is(err, entra.ErrNoToken):
		return claims, unauthorized("Access token is empty.")
	case errors.Is(err, entra.ErrExpired):
		return claims, unauthorized(textExpired)
	case errors.Is(err, entra.ErrEarly):
		return claims, unauthorized(textEarly)
	case errors.Is(err, entra.ErrAudience):
		return claims, unauthorized("Access token validation failure. Invalid audience.")
	}
	return claims, unauthorized(textInvalid)
}

// serve answers an authenticated call.
func (s *System) serve(w http.ResponseWriter, r *http.Request, claims entra.Claims) error {
	resource, _ := resourceOf(r.URL.Path)
	first, rest, _ := strings.Cut(resource, "/")
	if !strings.EqualFold(first, "subscriptions") {
		return s.serveResource(w, r, claims, resource)
	}
	id, action, _ := strings.Cut(rest, "/")
	switch {
	case id == "" && r.Method == http.MethodPost:
		return s.create(w, r, claims)
	case id == "" && r.Method == http.MethodGet:
		return s.list(w, r, claims)
	case action == "" && r.Method == http.MethodGet:
		return s.show(w, r, claims, id)
	case action == "" && r.Method == http.MethodPatch:
		return s.update(w, r, claims, id)
	case action == "" && r.Method == http.MethodDelete:
		return s.delete(w, claims, id)
	case strings.EqualFold(action, "reauthorize") && r.Method == http.MethodPost:
		return s.reauthorize(w, claims, id)
	}
	return &apiError{status: http.StatusMethodNotAllowed, code: "BadRequest", message: "The method is not allowed " +
		"here."}
}

// decode reads the JSON body of a call.
func decode(r *http.Request, v any) error {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if d.Decode(v) != nil {
		return &apiError{status: http.StatusBadRequest, code: "InvalidRequest",
			message: "Could not process subscription creation payload. Are all property names spelled " +
				"and camelCased properly?"}
	}
	return nil
}

// errNotFound is the answer for a subscription or an item that is not there.
var errNotFound = &apiError{status: http.StatusNotFound, code: "ResourceNotFound",
	message: "The object was not found."}

// context is the value of @odata.context for what is at path.
func (s *System) context(r *http.Request, path string) string {
	return emulator.BaseURL(r) + "/v1.0/$metadata#" + path
}

// formatTime writes a time as Graph does.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// canonical returns a resource in the form in which resources are compared: in lower case, keys as segments, "me" as
// the user's id, without query and slashes at the ends.
func canonical(resource string, user string) string {
	resource, _, _ = strings.Cut(resource, "?")
	if u, err := url.PathUnescape(resource); err == nil {
		resource = u
	}
	resource = strings.NewReplacer("('", "/", "')", "").Replace(strings.Trim(resource, "/"))
	parts := strings.Split(strings.ToLower(resource), "/")
	switch {
	case parts[0] == "me":
		parts = append([]string{"users", user}, parts[1:]...)
	case parts[0] == "users" && len(parts) > 1 && parts[1] == strings.ToLower(entra.UserName):
		parts[1] = user
	}
	return strings.Join(parts, "/")
}

// A kind is a kind of resource: its OData type, its longest life, and the permissions of which one is needed.
type kind struct {
	name        string // the last plain segment: "messages"
	odataType   string // "#Microsoft.Graph.Message"
	minutes     int
	rich        int // minutes with resource data; 0 is as minutes
	permissions []string
	rootOnly    bool                        // notifications name the subscribed resource, never an item
	unique      bool                        // a second subscription alike is refused
	lifecycle   bool                        // a lifecycle URL is required beyond an hour
	appOnly     bool                        // a user's token is refused
	outlook     bool                        // of a mailbox: a renewal for too long is refused in words of its own
	lost        func(link string) *apiError // the answer to a delta token that is too old; nil is lostByDefault
}

// kinds are the kinds by the segment that tells them.
func (s *System) kinds() []kind {
	life := s.opts.OutlookMinutes
	mail := []string{"Mail.ReadBasic", "Mail.Read", "Mail.ReadWrite"}
	calendars := []string{"Calendars.ReadBasic", "Calendars.Read", "Calendars.ReadWrite"}
	return []kind{
		{name: "messages", odataType: "#Microsoft.Graph.Message", minutes: life, rich: 1440, outlook: true,
			permissions: mail},
		{name: "events", odataType: "#Microsoft.Graph.Event", minutes: life, rich: 1440, outlook: true,
			permissions: calendars},
		{name: "calendarview", odataType: "#Microsoft.Graph.Event", minutes: life, outlook: true,
			permissions: calendars, lost: lostCalendar},
		{name: "mailfolders", odataType: "#Microsoft.Graph.MailFolder", minutes: life, outlook: true,
			permissions: mail},
		{name: "contacts", odataType: "#Microsoft.Graph.Contact", minutes: life, rich: 1440, outlook: true,
			permissions: []string{"Contacts.Read", "Contacts.ReadWrite"}},
		{name: "root", odataType: "#microsoft.graph.driveItem", minutes: 42300, rootOnly: true, unique: true,
			permissions: []string{"Files.Read", "Files.ReadWrite", "Files.ReadWrite.All", "Sites.ReadWrite.All"},
			lost:        lostDrive},
		{name: "lists", odataType: "#microsoft.graph.listItem", minutes: 42300, rootOnly: true,
			permissions: []string{"Sites.ReadWrite.All", "Sites.FullControl.All"}, lost: lostDrive},
		{name: "getallmessages", odataType: "#Microsoft.Graph.chatMessage", minutes: 4320, lifecycle: true,
			appOnly: true, permissions: []string{"Chat.Read.All"}},
		{name: "chats", odataType: "#Microsoft.Graph.chatMessage", minutes: 4320, lifecycle: true,
			permissions: []string{"Chat.Read", "Chat.Read.All"}},
		{name: "teams", odataType: "#Microsoft.Graph.chatMessage", minutes: 4320, lifecycle: true,
			permissions: []string{"ChannelMessage.Read.All"}},
		{name: "callrecords", odataType: "#microsoft.graph.callrecord", minutes: 4230, appOnly: true,
			permissions: []string{"CallRecords.Read.All"}},
		{name: "groups", odataType: "#Microsoft.Graph.Group", minutes: 41760, permissions: []string{"Group.Read.All"},
			lost: lostDirectory},
		{name: "users", odataType: "#Microsoft.Graph.User", minutes: 41760,
			permissions: []string{"User.Read", "User.Read.All"}, lost: lostDirectory},
	}
}

// kindOf returns the kind of a canonical resource. "teams" and "chats" tell more than the "messages" below them.
func (s *System) kindOf(resource string) (kind, bool) {
	parts := strings.Split(resource, "/")
	kinds := s.kinds()
	for _, k := range kinds {
		if k.name == parts[0] && parts[0] != "users" || k.name == "getallmessages" && k.name == parts[len(parts)-1] {
			return k, true
		}
	}
	for i := len(parts) - 1; i >= max(0, len(parts)-2); i-- { // the last segment, or the last but one before an id
		for _, k := range kinds {
			if k.name == parts[i] {
				return k, k.name != "users" || i == 0
			}
		}
	}
	return kind{}, false
}
