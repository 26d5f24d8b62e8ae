// Package sharepoint is a stand-in for SharePoint Online: lists, items, list webhooks with their handshake, and the
// change log behind GetChanges, with real change tokens.
//
// Its paths are those of a site: everything at or below /_api/web, under any site path, without regard to case.
// Answers have the form that the header Accept asks for: JSON with no, minimal or verbose metadata, or Atom. Tokens
// come from the stand-in of package entra. Something happens to a list by [System.Happen]. Sources:
// https://learn.microsoft.com/sharepoint/dev/apis/webhooks/overview-sharepoint-webhooks,
// https://learn.microsoft.com/sharepoint/dev/apis/webhooks/lists/overview-sharepoint-list-webhooks
package sharepoint

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// DefaultList is the title of the list that every stand-in has from the start, and DefaultListID its id.
const (
	DefaultList   = "Documents"
	DefaultListID = "8b2f64d1-0c9a-4a57-9d3e-6f5b1e7a2c40"
)

// Options change the stand-in.
type Options struct {
	AnyToken     bool // every bearer token is taken, and none is needed, even one of an application that has a secret
	ExactExpiry  bool // 180 days are the limit; otherwise 90 minutes more are taken
	ExpiredFails bool // GetChanges with a token that is too old is an error; otherwise it finds no changes
	FetchLimit   int  // changes of one answer; 0 is 1000

	// MinuteLimit is how many calls an application has in a minute; 0 sets no limit. From 80 % on, answers have the
	// headers RateLimit-Limit, -Remaining and -Reset, and beyond it they are 429.
	MinuteLimit int
}

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	host   *emulator.Host
	tokens *entra.System
	opts   Options

	mu       sync.Mutex
	lists    []*list
	position int // of the latest change in the log
	refusals int // answers 401 by Fail, which go through the variants in turn
	minutes  map[string]*minute
}

// A list is a list or library with its items, its changes and its webhooks.
type list struct {
	id, title     string
	items         map[int]map[string]any
	nextItem      int
	changes       []change
	subscriptions []*subscription
}

// New returns a stand-in on host, with tokens of tokens.
func New(host *emulator.Host, tokens *entra.System, opts Options) *System {
	if opts.FetchLimit == 0 {
		opts.FetchLimit = 1000
	}
	s := &System{host: host, tokens: tokens, opts: opts}
	s.Reset()
	return s
}

// Name returns "sharepoint".
func (s *System) Name() string { return "sharepoint" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Reset forgets all lists but the default one, which is empty then.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.position, s.refusals, s.minutes = 0, 0, map[string]*minute{}
	s.lists = []*list{newList(DefaultListID, DefaultList)}
}

func newList(id, title string) *list {
	return &list{id: id, title: title, items: map[int]map[string]any{}, nextItem: 1}
}

// Owns reports whether path is below a site's API.
func (s *System) Owns(path string) bool {
	_, _, ok := apiPath(path)
	return ok
}

var apiWeb = regexp.MustCompile(`(?i)/_api/web`)

// apiPath splits a path into the site ("/sites/lab", "/" for the root) and what is below /_api/web.
func apiPath(path string) (site, rest string, ok bool) {
	at := apiWeb.FindStringIndex(path)
	if at == nil {
		return "", "", false
	}
	rest = path[at[1]:]
	if site = path[:at[0]]; site == "" {
		site = "/"
	}
	return site, strings.TrimSuffix(rest, "/"), rest == "" || rest[0] == '/'
}

// Forms of an answer.
const (
	formNone    = "nometadata"
	formMinimal = "minimalmetadata"
	formVerbose = "verbose"
	formAtom    = "atom"
)

// formOf returns the form that a request asks for.
func formOf(r *http.Request) string {
	accept := strings.ReplaceAll(strings.ToLower(r.Header.Get("Accept")), " ", "")
	switch {
	case strings.Contains(accept, "odata=verbose"):
		return formVerbose
	case strings.Contains(accept, "odata=nometadata"):
		return formNone
	case strings.Contains(accept, "json"):
		return formMinimal
	}
	return formAtom
}

// An apiError is an error in SharePoint's form.
type apiError struct {
	status      int
	code, value string
}

func (e *apiError) Error() string { return e.code + ": " + e.value }

func (s *System) writeError(w http.ResponseWriter, r *http.Request, e *apiError) {
	if e.status == http.StatusUnauthorized {
		w.Header().Set("Www-Authenticate", `Bearer realm="`+entra.DefaultTenant+`"`)
		emulator.WriteJSON(w, e.status, map[string]any{"error_description": e.value})
		return
	}
	if formOf(r) == formAtom {
		writeAtomError(w, e)
		return
	}
	key := "odata.error"
	if formOf(r) == formVerbose {
		key = "error"
	}
	w.Header().Set("Content-Type", contentType(formOf(r)))
	emulator.WriteJSON(w, e.status, map[string]any{key: map[string]any{"code": e.code,
		"message": map[string]any{"lang": "en-US", "value": e.value}}})
}

func contentType(form string) string {
	if form == formMinimal {
		return "application/json;odata=minimalmetadata;streaming=true;charset=utf-8"
	}
	return "application/json;odata=" + form + ";charset=utf-8"
}

// Fail answers with an error in SharePoint's form. A throttled answer has no body. Of status 401 there are several,
// which come in turn.
func (s *System) Fail(w http.ResponseWriter, r *http.Request, status int) {
	switch status {
	case http.StatusTooManyRequests:
		w.Header().Set("RateLimit-Limit", "1250")
		w.Header().Set("RateLimit-Remaining", "0")
		w.Header().Set("RateLimit-Reset", w.Header().Get("Retry-After"))
		w.WriteHeader(status)
	case http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
		w.WriteHeader(status)
	case http.StatusUnauthorized:
		variants := []*apiError{errIssuer, errSecurity, errAppOnly}
		s.mu.Lock()
		e := variants[s.refusals%len(variants)]
		s.refusals++
		s.mu.Unlock()
		s.writeError(w, r, e)
	case http.StatusForbidden:
		s.writeError(w, r, errDenied)
	case http.StatusNotFound:
		s.writeError(w, r, errNoList)
	default:
		s.writeError(w, r, &apiError{status, "-1, System.Exception", "An unexpected error occurred."})
	}
}

// How a token is refused: one for another audience, one of another form, and one that an application has by a secret.
var (
	errIssuer   = &apiError{status: http.StatusUnauthorized, value: "Invalid issuer or signature."}
	errSecurity = &apiError{status: http.StatusUnauthorized, value: "Unsupported security token."}
	errAppOnly  = &apiError{status: http.StatusUnauthorized, value: "Unsupported app only token."}
)

// Errors of calls.
var (
	errDenied = &apiError{http.StatusForbidden, "-2147024891, System.UnauthorizedAccessException",
		"Access denied. You do not have permission to perform this action or access this resource."}
	errNoList = &apiError{http.StatusNotFound, "-2130575322, Microsoft.SharePoint.SPException",
		"List does not exist. The page you selected contains a list that does not exist. It may have been " +
			"deleted by another user."}
	errNoSubscription = &apiError{http.StatusNotFound, "-1, System.ArgumentException",
		"The subscription does not exist."}
	errNoPath = &apiError{http.StatusNotFound, "-1, Microsoft.SharePoint.Client.ResourceNotFoundException",
		"Cannot find resource for the request."}
)

func badRequest(code, value string) *apiError { return &apiError{http.StatusBadRequest, code, value} }

// permissions to read and to change, and to list what belongs to others.
var (
	readers = []string{"Sites.Read.All", "Sites.ReadWrite.All", "Sites.FullControl.All", "AllSites.Read",
		"AllSites.Write",
		"AllSites.Manage", "AllSites.FullControl", "Sites.Selected"}
	writers = []string{"Sites.ReadWrite.All", "Sites.FullControl.All", "AllSites.Write", "AllSites.Manage",
		"AllSites.FullControl", "Sites.Selected"}
	owners = []string{"Sites.FullControl.All", "AllSites.FullControl"}
)

// authenticate returns what the call's token says. An application that proved itself by a secret is refused, as
// SharePoint does.
func (s *System) authenticate(r *http.Request) (entra.Claims, error) {
	claims, err := s.tokens.Authenticate(r, emulator.BaseURL(r), "00000003-0000-0ff1-ce00-000000000000",
		"https://"+r.Host, "http://"+r.Host)
	if err != nil && errors.Is(err, entra.ErrAudience) {
		if u, bad := url.Parse(claims.Audience); bad == nil && strings.HasSuffix(u.Hostname(), ".sharepoint.com") {
			err = nil
		}
	}
	switch {
	case s.opts.AnyToken:
		if err != nil {
			claims = entra.Claims{App: entra.DefaultClient, Tenant: entra.DefaultTenant, Kind: "user",
				Scope: ".default"}
		}
		return claims, nil
	case err == nil && !claims.ByUser() && !claims.ByCertificate():
		return claims, errAppOnly
	case err == nil:
		return claims, nil
	case errors.Is(err, entra.ErrNoToken):
		return claims, &apiError{http.StatusForbidden, errDenied.code, errDenied.value}
	case errors.Is(err, entra.ErrExpired), errors.Is(err, entra.ErrEarly):
		return claims, &apiError{status: http.StatusUnauthorized, value: "The token has expired or is not yet valid."}
	case errors.Is(err, entra.ErrBadToken):
		return claims, errSecurity
	}
	return claims, errIssuer
}

// ServeHTTP answers a call.
func (s *System) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Sprequestguid", emulator.NewID())
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	claims, err := s.authenticate(r)
	if err == nil && !s.spend(w, claims.App) {
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	if err == nil {
		err = s.serve(w, r, claims)
	}
	var known *apiError
	switch {
	case errors.As(err, &known):
		s.writeError(w, r, known)
	case err != nil:
		s.writeError(w, r, &apiError{http.StatusInternalServerError, "-1, System.Exception", err.Error()})
	}
}

// A minute counts the calls of an application.
type minute struct {
	since time.Time
	calls int
}

// spend counts a call of an application, and sets the headers RateLimit. It reports false, with Retry-After set, if
// that was one too many.
func (s *System) spend(w http.ResponseWriter, app string) bool {
	limit := s.opts.MinuteLimit
	if limit == 0 {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	m := s.minutes[app]
	if m == nil || now.Sub(m.since) >= time.Minute {
		m = &minute{since: now}
		s.minutes[app] = m
	}
	m.calls++
	reset := strconv.Itoa(int((time.Minute - now.Sub(m.since) + time.Second - 1) / time.Second))
	if m.calls*5 >= limit*4 {
		w.Header().Set("RateLimit-Limit", strconv.Itoa(limit))
		w.Header().Set("RateLimit-Remaining", strconv.Itoa(max(limit-m.calls, 0)))
		w.Header().Set("RateLimit-Reset", reset)
	}
	if m.calls > limit {
		w.Header().Set("Retry-After", reset)
		return false
	}
	return true
}

// listPath is a path below /_api/web that names a list, by id or by title, and what is asked of it.
var listPath = regexp.MustCompile(
	`(?i)^/lists(?:\((?:guid)?'([^']+)'\)|/getbytitle\('((?:[^']|'')+)'\)|/getbyid\('([^']+)'\))(/.*)?$`)

// serve answers an authenticated call.
func (s *System) serve(w http.ResponseWriter, r *http.Request, claims entra.Claims) error {
	site, rest, _ := apiPath(r.URL.Path)
	if rest == "" {
		return s.answer(w, r, http.StatusOK, "SP.Web", map[string]any{"Id": webID, "Title": "Stand-in",
			"Url": emulator.BaseURL(r) + strings.TrimSuffix(site, "/"), "ServerRelativeUrl": site})
	}
	m := listPath.FindStringSubmatch(rest)
	if m == nil {
		return errNoPath
	}
	if !claims.Permits(readers...) {
		return errDenied
	}
	s.mu.Lock()
	l := s.find(m[1]+m[3], strings.ReplaceAll(m[2], "''", "'"))
	s.mu.Unlock()
	if l == nil {
		return errNoList
	}
	action, key := strings.ToLower(m[4]), ""
	if i := strings.IndexByte(m[4], '('); i > 0 {
		action, key = strings.ToLower(m[4][:i]), strings.Trim(strings.TrimSuffix(m[4][i+1:], ")"), "'")
	}
	switch {
	case action == "" && r.Method == http.MethodGet:
		return s.showList(w, r, l)
	case action == "/items" && r.Method == http.MethodGet:
		return s.showItems(w, r, l, key)
	case action == "/getchanges" && r.Method == http.MethodPost:
		return s.getChanges(w, r, l)
	case action == "/subscriptions":
		return s.serveSubscriptions(w, r, claims, place{site: site, list: l}, key)
	}
	return errNoPath
}

// find returns the list of that id or title. The caller holds s.mu.
func (s *System) find(id, title string) *list {
	for _, l := range s.lists {
		if id != "" && strings.EqualFold(l.id, strings.Trim(id, "{}")) || title != "" &&
			strings.EqualFold(l.title, title) {
			return l
		}
	}
	return nil
}

// webID is the id of every site of the stand-in, and siteID that of its collection.
const (
	webID  = "a975b900-fc67-4203-a519-000000000002"
	siteID = "ce11bf00-9d4b-4b2b-a642-000000000001"
)

// answer writes one object in the form that is asked for.
func (s *System) answer(w http.ResponseWriter, r *http.Request, status int, odataType string, o map[string]any) error {
	form := formOf(r)
	w.Header().Set("Content-Type", contentType(form))
	shown := maps.Clone(o)
	if names := r.URL.Query().Get("$select"); names != "" {
		maps.DeleteFunc(shown, func(name string, _ any) bool { return !containsFold(strings.Split(names, ","), name) })
	}
	uri := emulator.BaseURL(r) + r.URL.Path
	switch form {
	case formAtom:
		writeAtom(w, status, uri, odataType, false, []map[string]any{shown})
		return nil
	case formVerbose:
		shown["__metadata"] = map[string]any{"id": uri, "uri": uri, "type": odataType}
		emulator.WriteJSON(w, status, map[string]any{"d": shown})
		return nil
	case formMinimal:
		shown["odata.metadata"] = metadata(r, odataType) + "/@Element"
		_, edit, _ := strings.Cut(r.URL.Path, "/_api/")
		shown["odata.type"], shown["odata.id"], shown["odata.editLink"] = odataType, uri, edit
	}
	emulator.WriteJSON(w, status, shown)
	return nil
}

// answerMany writes a list of objects in the form that is asked for.
func (s *System) answerMany(w http.ResponseWriter, r *http.Request, odataType string, list []map[string]any) error {
	form := formOf(r)
	if form == formAtom {
		writeAtom(w, http.StatusOK, emulator.BaseURL(r)+r.URL.Path, odataType, true, list)
		return nil
	}
	w.Header().Set("Content-Type", contentType(form))
	shown := []map[string]any{}
	for _, o := range list {
		o = maps.Clone(o)
		switch form {
		case formVerbose:
			o["__metadata"] = map[string]any{"type": odataType}
		case formMinimal:
			o["odata.type"] = odataType
		}
		shown = append(shown, o)
	}
	switch form {
	case formVerbose:
		emulator.WriteJSON(w, http.StatusOK, map[string]any{"d": map[string]any{"results": shown}})
	case formMinimal:
		emulator.WriteJSON(w, http.StatusOK, map[string]any{"odata.metadata": metadata(r, odataType), "value": shown})
	default:
		emulator.WriteJSON(w, http.StatusOK, map[string]any{"value": shown})
	}
	return nil
}

// metadata is the value of odata.metadata for objects of a type: "…/$metadata#SP.ApiData.Subscriptions".
func metadata(r *http.Request, odataType string) string {
	site, _, _ := apiPath(r.URL.Path)
	name := odataType[strings.LastIndexByte(odataType, '.')+1:]
	return emulator.BaseURL(r) + strings.TrimSuffix(site, "/") + "/_api/$metadata#SP.ApiData." + name + "s"
}

func containsFold(list []string, name string) bool {
	for _, s := range list {
		if strings.EqualFold(strings.TrimSpace(s), name) {
			return true
		}
	}
	return false
}

// formatTime writes a time as SharePoint does in answers.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }
