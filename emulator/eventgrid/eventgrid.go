// Package eventgrid is a stand-in for Azure Event Grid: the management of event subscriptions and of topics through
// Azure Resource Manager, the handshakes of both schemas, topics to which publishers post, and deliveries with their
// filters, batches, retries and dead letters.
//
// Its paths are those of management.azure.com, without regard to case and with doubled slashes tolerated. A topic is
// published to at /topics/NAME/api/events, which is the endpoint that the topic shows, or at /api/events with the
// topic's name as the first label of the host. Tokens come from the stand-in of package entra. Something happens in a
// resource by [System.Happen]: its subscribers are notified. Sources:
// https://learn.microsoft.com/rest/api/eventgrid/controlplane/event-subscriptions,
// https://learn.microsoft.com/azure/event-grid/delivery-and-retry,
// https://learn.microsoft.com/azure/event-grid/event-filtering
package eventgrid

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// Options change the stand-in.
type Options struct {
	AnyToken bool // calls need no token, and publishers no key; any is taken
	// HTTPSOnly refuses endpoints with a plain http URL, as the service does.
	HTTPSOnly bool
	// AlwaysValidate makes a handshake after each change of a subscription, and not only of its endpoint.
	AlwaysValidate bool
	Region         string // of topics and operations; "" is "westeurope"
	RetryAfter     int    // seconds that a caller is asked to wait between looks at an operation; 0 is 1
	PageSize       int    // of lists; 0 is 20, as the service has it
	Quota          int    // event subscriptions of one topic; 0 is 500
}

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host   *emulator.Host
	tokens *entra.System
	opts   Options

	mu            sync.Mutex // guards the fields below, and all subscriptions, operations and topics
	subscriptions []*subscription
	direct        map[string]*subscription // of PublishTo, by schema and URL
	operations    map[string]*operation    // by id in lower case
	topics        []*topic
	deadLetters   []emulator.DeadLetter
	refusals      int // answers 401 by Fail, which go through the variants in turn
}

// New returns a stand-in on host, with tokens of tokens.
func New(host *emulator.Host, tokens *entra.System, opts Options) *System {
	if opts.Region == "" {
		opts.Region = "westeurope"
	}
	if opts.RetryAfter == 0 {
		opts.RetryAfter = 1
	}
	if opts.PageSize == 0 {
		opts.PageSize = 20
	}
	if opts.Quota == 0 {
		opts.Quota = 500
	}
	s := &System{host: host, tokens: tokens, opts: opts}
	s.Reset()
	return s
}

// Name returns "eventgrid".
func (s *System) Name() string { return "eventgrid" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Reset forgets all event subscriptions, topics, operations and dead letters.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions, s.topics, s.deadLetters, s.refusals = nil, nil, nil, 0
	s.operations, s.direct = map[string]*operation{}, map[string]*subscription{}
}

// Owns reports whether path is one of the management API, of a topic, or of a manual validation.
func (s *System) Owns(path string) bool {
	if _, ok := targetOf(path); ok {
		return true
	}
	_, isTopic := topicPath(path)
	_, isValidation := validationPath(path)
	return isTopic || isValidation
}

// An apiError is an error in the form of Azure Resource Manager.
type apiError struct {
	status        int
	code, message string
	details       []detail
}

// A detail is a finer error within an apiError.
type detail struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (e *apiError) Error() string { return e.code + ": " + e.message }

// body returns the object that is the error.
func (e *apiError) body() map[string]any {
	body := map[string]any{"code": e.code, "message": e.message}
	if e.details != nil {
		body["details"] = e.details
	}
	return body
}

func invalid(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "InvalidRequest", message: fmt.Sprintf(format, args...)}
}

func (s *System) writeError(w http.ResponseWriter, e *apiError) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Bearer authorization_uri="https://login.windows.net/common", `+
			`error="invalid_token", error_description="`+e.message+`"`)
	}
	emulator.WriteJSON(w, e.status, map[string]any{"error": e.body()})
}

// How a token is refused.
var (
	errNoToken = &apiError{status: http.StatusUnauthorized, code: "AuthenticationFailed",
		message: "Authentication failed. The 'Authorization' header is missing."}
	errExpired = &apiError{status: http.StatusUnauthorized, code: "ExpiredAuthenticationToken",
		message: "The access token expiry UTC time is earlier than current UTC time."}
	errAudience = &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationTokenAudience",
		message: "The access token has been obtained for wrong audience or resource. It should exactly match " +
			"with one of the allowed audiences " +
			"'https://management.core.windows.net/','https://management.azure.com/'."}
	errToken = &apiError{status: http.StatusUnauthorized, code: "InvalidAuthenticationToken",
		message: "The access token is invalid."}
)

// errNothing is the answer for a path that names nothing.
var errNothing = &apiError{status: http.StatusNotFound, code: "ResourceNotFound",
	message: "The resource was not found."}

// Fail answers with an error in the form of Azure Resource Manager. Of status 401 there are several, which come in
// turn.
func (s *System) Fail(w http.ResponseWriter, r *http.Request, status int) {
	setHeaders(w, r)
	e := &apiError{status: status, code: "InternalServerError",
		message: "Encountered internal server error."}
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("X-Ms-Ratelimit-Remaining-Subscription-Writes", "0")
		e.code, e.message = "TooManyRequests", "The request is being throttled."
	case http.StatusUnauthorized:
		variants := []*apiError{errExpired, errToken, errAudience, errNoToken}
		s.mu.Lock()
		e = variants[s.refusals%len(variants)]
		s.refusals++
		s.mu.Unlock()
	case http.StatusForbidden:
		e = forbidden(r)
	case http.StatusNotFound:
		e = errNothing
	case http.StatusBadRequest:
		e.code, e.message = "InvalidRequest", "The request is not valid."
	case http.StatusConflict:
		e.code, e.message = "Conflict", "Another operation on the resource is in progress."
	case http.StatusServiceUnavailable:
		e.code, e.message = "ServiceUnavailable", "The service is unavailable."
	}
	s.writeError(w, e)
}

// namedErrors are the errors that FailWith can answer, without that of a missing permission.
var namedErrors = []*apiError{errNoToken, errExpired, errAudience, errToken,
	{status: http.StatusConflict, code: "MissingSubscriptionRegistration", message: "The subscription is not " +
		"registered to use namespace 'Microsoft.EventGrid'. See https://aka.ms/rps-not-found for how to register " +
		"subscriptions."},
	{status: http.StatusConflict, code: "QuotaExceeded", message: "Quota limit reached."},
	{status: http.StatusConflict, code: "OperationInProgress",
		message: "Another operation on the event subscription is in progress."},
	{status: http.StatusNotFound, code: "ResourceNotFound", message: "The Resource was not found. For more details " +
		"please go to https://aka.ms/ARMResourceNotFoundFix"},
	{status: http.StatusNotFound, code: "ResourceGroupNotFound", message: "Resource group could not be found."},
	{status: http.StatusNotFound, code: "SubscriptionNotFound", message: "The subscription could not be found."},
}

// authorizationFailed is the code of the error of a missing permission.
const authorizationFailed = "AuthorizationFailed"

// ErrorCodes implements [emulator.Coder].
func (s *System) ErrorCodes() []string {
	codes := []string{authorizationFailed}
	for _, e := range namedErrors {
		codes = append(codes, e.code)
	}
	return codes
}

// FailWith implements [emulator.Coder].
func (s *System) FailWith(w http.ResponseWriter, r *http.Request, code string) {
	setHeaders(w, r)
	if code == authorizationFailed {
		s.writeError(w, forbidden(r))
		return
	}
	for _, e := range namedErrors {
		if e.code == code {
			s.writeError(w, e)
		}
	}
}

// forbidden is the error of a caller who lacks the permission for the call: it names action and scope.
func forbidden(r *http.Request) *apiError {
	action := map[string]string{http.MethodGet: "read", http.MethodDelete: "delete"}[r.Method]
	t, _ := targetOf(r.URL.Path)
	switch {
	case t.action != "":
		action = t.action + "/action"
	case action == "":
		action = "write"
	}
	what := "Microsoft.EventGrid/eventSubscriptions/"
	if t.kind == topicKind {
		what = "Microsoft.EventGrid/topics/"
	}
	return &apiError{status: http.StatusForbidden, code: authorizationFailed,
		message: fmt.Sprintf("The client '%s' with "+
			"object id '%s' does not have authorization to perform action '%s' over scope '%s' or the scope is "+
			"invalid. If access was recently granted, please refresh your credentials.", emulator.NewID(),
			emulator.NewID(), what+action, t.id())}
}

// setHeaders sets the headers of every answer.
func setHeaders(w http.ResponseWriter, r *http.Request) {
	id := emulator.NewID()
	w.Header().Set("X-Ms-Request-Id", id)
	if given := r.Header.Get("X-Ms-Client-Request-Id"); given != "" {
		w.Header().Set("X-Ms-Client-Request-Id", given)
	}
	w.Header().Set("X-Ms-Correlation-Request-Id", id)
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	setHeaders(w, r)
	err := s.route(w, r)
	var known *apiError
	switch {
	case errors.As(err, &known):
		s.writeError(w, known)
	case err != nil:
		s.writeError(w, &apiError{status: http.StatusInternalServerError, code: "InternalServerError",
			message: err.Error()})
	}
}

// route finds what a call is for.
func (s *System) route(w http.ResponseWriter, r *http.Request) error {
	if name, ok := topicPath(r.URL.Path); ok {
		return s.publish(w, r, name)
	}
	if _, ok := validationPath(r.URL.Path); ok {
		return s.validateByHand(w, r)
	}
	t, _ := targetOf(r.URL.Path)
	if err := s.authenticate(r); err != nil {
		return err
	}
	if t.kind != operationKind && r.URL.Query().Get("api-version") == "" {
		return &apiError{status: http.StatusBadRequest, code: "MissingApiVersionParameter",
			message: "The api-version query parameter (?api-version=) is required for all requests."}
	}
	s.mu.Lock()
	s.dropExpired()
	s.mu.Unlock()
	switch t.kind {
	case subscriptionKind:
		return s.serveSubscription(w, r, t)
	case listKind:
		return s.list(w, r, t)
	case operationKind:
		return s.serveOperation(w, r, t)
	case topicKind:
		return s.serveTopic(w, r, t)
	}
	return s.serveAccount(w, r, t)
}

// authenticate checks the token of a call of the management API.
func (s *System) authenticate(r *http.Request) error {
	if s.opts.AnyToken {
		return nil
	}
	_, err := s.tokens.Authenticate(r, "https://management.azure.com", "https://management.core.windows.net",
		emulator.BaseURL(r))
	switch {
	case err == nil:
		return nil
	case errors.Is(err, entra.ErrNoToken):
		return errNoToken
	case errors.Is(err, entra.ErrExpired):
		return errExpired
	case errors.Is(err, entra.ErrAudience):
		return errAudience
	}
	return errToken
}

// serveAccount answers what is known of Azure subscriptions, resource groups and the resource provider: each is there.
func (s *System) serveAccount(w http.ResponseWriter, r *http.Request, t target) error {
	account := func(id string) map[string]any {
		return map[string]any{"id": "/subscriptions/" + id, "subscriptionId": id, "displayName": "Stand-in",
			"state": "Enabled", "tenantId": entra.DefaultTenant}
	}
	var out any
	switch {
	case r.Method == http.MethodPost && t.action != "register", r.Method != http.MethodPost &&
		r.Method != http.MethodGet:
		return errMethod
	case t.kind == providerKind:
		out = map[string]any{"id": t.scope + "/providers/Microsoft.EventGrid", "namespace": "Microsoft.EventGrid",
			"registrationState": "Registered", "registrationPolicy": "RegistrationRequired"}
	case t.kind == groupKind:
		out = map[string]any{"id": t.scope, "name": t.name, "location": s.opts.Region,
			"properties": map[string]any{"provisioningState": "Succeeded"}}
	case t.name != "":
		out = account(t.name)
	default:
		out = map[string]any{"value": []any{account(DefaultSubscription)}}
	}
	emulator.WriteJSON(w, http.StatusOK, out)
	return nil
}

// DefaultSubscription is the id of the Azure subscription that the stand-in lists. Any other is known, too.
const DefaultSubscription = "5b4b650e-28b9-4790-b3ab-ddbd88d727c4"

var errMethod = &apiError{status: http.StatusMethodNotAllowed, code: "MethodNotAllowed",
	message: "The method is not allowed here."}

// decode reads the JSON body of a call.
func decode(r *http.Request, v any) error {
	err := json.NewDecoder(r.Body).Decode(v)
	if err != nil {
		return invalid("The request content was invalid and could not be deserialized: '%v'.", err)
	}
	return nil
}

// formatTime writes a time as the service does.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// textTime writes a time as the service does in a message.
func textTime(t time.Time) string { return t.UTC().Format("1/2/2006 3:04:05 PM") + " (UTC)" }

// orDefault returns the pointed-to number, or otherwise for nil.
func orDefault(n *int, otherwise int) *int {
	if n == nil {
		return &otherwise
	}
	return n
}

// equalFold reports whether two resource ids, or parts of them, are the same.
func equalFold(a, b string) bool { return strings.EqualFold(a, b) }
