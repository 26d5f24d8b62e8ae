package sharepoint

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

// longestLife is the life that is asked for: a day less than the longest one, so that the limit is kept whatever the
// clocks say.
const longestLife = 179 * 24 * time.Hour

// SubscribeInfo implements [provider.Subscriber].
func (Provider) SubscribeInfo() provider.SubscribeInfo {
	return provider.SubscribeInfo{
		Settings: []provider.Setting{{Name: "site", Title: "Site", Example: "/sites/lab",
			Doc: "The path of the site whose list it is, unless the resource is a URL. Default: the root site."}},
		Resource: "a list: its title, such as `Documents`, its id, or the URL " +
			"`https://TENANT.sharepoint.com/sites/lab/_api/web/lists('ID')`",
		MaxClientState: microsoft.MaxClientStateLength,
		Handshake:      parameter,
		AnswerWithin:   5 * time.Second,
		Repeats:        25 * time.Minute, // five times, five minutes apart
		Lists:          true,
	}
}

type registrationSettings struct {
	Site string `json:"site"`
}

// IsHandshake implements [provider.HandshakeTeller].
func (Provider) IsHandshake(req *provider.Request) bool { return microsoft.IsEcho(req, parameter) }

// CheckRegistration implements [provider.Subscriber].
func (Provider) CheckRegistration(r provider.Registration, _ json.RawMessage) (provider.Terms, error) {
	var s registrationSettings
	settings := provider.DecodeSettings(r.Settings, &s)
	if settings == nil {
		settings = checkSite(s.Site)
	}
	_, resource := listPath(r.Resource, s.Site)
	var changes error
	if len(r.ChangeTypes) > 0 {
		changes = bellhop.Invalid("change_types", "leave it out: SharePoint notifies of every change of a list")
	}
	return provider.Terms{Longest: longestLife},
		bellhop.Join("", resource, changes, bellhop.Join("settings", settings))
}

func checkSite(site string) error {
	if !isSite(site) {
		return bellhop.Invalid("site", "use the path of the site, such as /sites/lab")
	}
	return nil
}

// isSite reports whether text is the path of a site, or "" for the root site.
func isSite(text string) bool {
	return text == "" || text[0] == '/' && !strings.HasPrefix(text, "//") && !strings.ContainsAny(text, `?#'\`) &&
		!strings.Contains(text, "..")
}

// apiLists is the part of a list's API path before the list.
const apiLists = "/_api/web/lists"

// listPath returns the API's path, or the URL, of the list that a resource names. Its error has the path "resource".
func listPath(resource, site string) (string, error) {
	site = (&url.URL{Path: strings.TrimRight(site, "/")}).EscapedPath()
	at := strings.Index(provider.LowerASCII(resource), apiLists)
	switch {
	case resource == "" || len(resource) > 1024:
		return "", bellhop.Invalid("resource", "required: the title, the id or the URL of a list")
	case at >= 0 && strings.ContainsAny(resource[at:], "?#") || at >= 0 && len(resource) == at+len(apiLists):
		return "", bellhop.Invalid("resource", "use the URL of one list, such as "+
			"https://TENANT.sharepoint.com/_api/web/lists('ID')")
	case at >= 0 && (at == 0 || resource[0] == '/' || strings.Contains(resource[:at], "://")):
		return strings.ReplaceAll(resource, " ", "%20"), nil
	case strings.Contains(resource, "://"):
		return "", bellhop.Invalid("resource", "this is the URL of a page: use the list's title, with the setting "+
			"site, or the URL https://TENANT.sharepoint.com/sites/NAME/_api/web/lists/getByTitle('TITLE')")
	case provider.IsGUID(strings.Trim(resource, "{}")):
		return site + apiLists + "('" + strings.Trim(resource, "{}") + "')", nil
	}
	return site + apiLists + "/getByTitle('" + quote(resource) + "')", nil
}

// quote writes a text within the quotes of an OData path.
func quote(text string) string {
	return strings.ReplaceAll(url.PathEscape(strings.ReplaceAll(text, "'", "''")), "'", "%27")
}

// OpenSubscriptions implements [provider.Subscriber].
func (Provider) OpenSubscriptions(env provider.Env, api provider.API) provider.Subscriptions {
	return &subscriptions{now: env.Now, api: api}
}

type subscriptions struct {
	now func() time.Time
	api provider.API
}

// An entity is a subscription in SharePoint's JSON.
type entity struct {
	ID          string  `json:"id,omitempty"`
	Resource    string  `json:"resource,omitempty"`
	URL         string  `json:"notificationUrl,omitempty"`
	ExpiresAt   string  `json:"expirationDateTime,omitempty"`
	ClientState *string `json:"clientState,omitempty"` // the answer may have null
}

func (e *entity) remote() provider.Remote {
	r := provider.Remote{ID: e.ID, Resource: e.Resource, URL: e.URL, ExpiresAt: microsoft.ParseTime(e.ExpiresAt)}
	if e.ClientState != nil {
		r.ClientState = *e.ClientState
	}
	return r
}

// formatTime writes an expiry: to the second, as SharePoint shows it.
func formatTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05Z") }

// Create registers r. SharePoint makes a handshake meanwhile.
func (s *subscriptions) Create(ctx context.Context, r provider.Registration) (provider.Remote, error) {
	path := s.path(r, "")
	resource := strings.TrimPrefix(path, "/") // relative, as PnPjs sends it, unless it is a URL
	var out entity
	err := s.do(ctx, http.MethodPost, path, &entity{Resource: resource, URL: r.URL,
		ExpiresAt: formatTime(r.ExpiresAt), ClientState: &r.ClientState}, &out)
	if err == nil && out.ID == "" {
		err = &provider.APIError{Kind: provider.APIForeign, MaybeDone: true, Message: "the answer has no member id"}
	}
	return out.remote(), microsoft.NothingThere(err,
		"there is no such list at the site, or the application may not see it")
}

// Renew extends a subscription. The answer has no body, so the new expiry is read.
func (s *subscriptions) Renew(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	err := s.do(ctx, http.MethodPatch, s.path(r, id), &entity{ExpiresAt: formatTime(r.ExpiresAt)}, nil)
	if err != nil {
		return provider.Remote{}, err
	}
	return s.Get(ctx, id, r)
}

// Reauthorize renews: SharePoint never asks for it.
func (s *subscriptions) Reauthorize(ctx context.Context, id string, r provider.Registration) error {
	_, err := s.Renew(ctx, id, r)
	return err
}

// Get returns one subscription, without its client state.
func (s *subscriptions) Get(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	var out entity
	err := s.do(ctx, http.MethodGet, s.path(r, id), nil, &out)
	if err == nil && out.ID == "" {
		err = &provider.APIError{Kind: provider.APIForeign, Message: "the answer has no member id"}
	}
	return out.remote(), err
}

// Delete ends a subscription.
func (s *subscriptions) Delete(ctx context.Context, id string, r provider.Registration) error {
	return microsoft.GoneIsDone(s.do(ctx, http.MethodDelete, s.path(r, id), nil, nil))
}

// List returns all subscriptions of r's list, those of other applications too.
func (s *subscriptions) List(ctx context.Context, r provider.Registration) ([]provider.Remote, error) {
	var all []provider.Remote
	err := microsoft.ListAll(s.path(r, ""), func(path string) (string, error) {
		var page struct {
			Value []entity `json:"value"`
			Next  string   `json:"odata.nextLink"`
		}
		err := s.do(ctx, http.MethodGet, path, nil, &page)
		if err == nil && page.Value == nil {
			err = &provider.APIError{Kind: provider.APIForeign, Message: "the answer has no member value"}
		}
		for _, e := range page.Value {
			all = append(all, e.remote())
		}
		return page.Next, err
	})
	var e *provider.APIError
	if errors.As(err, &e) && e.Kind == provider.APIForbidden {
		e.Permission = "Sites.FullControl.All"
		e.Remedy = "the list of all subscriptions needs the permission " + e.Permission + "; without it, those " +
			"with a known id are read one by one"
	}
	return all, err
}

// ListScope returns the path of r's list.
func (s *subscriptions) ListScope(r provider.Registration) string { return s.path(r, "") }

// path returns the path of the subscriptions of r's list, or of one. Once the id of the list is known, it is used: its
// title may change.
func (s *subscriptions) path(r provider.Registration, id string) string {
	var own registrationSettings
	json.Unmarshal(r.Settings, &own) // checked before
	path, _ := listPath(r.Resource, own.Site)
	if provider.IsGUID(r.RemoteResource) {
		at := strings.Index(provider.LowerASCII(path), apiLists)
		path = path[:at+len(apiLists)] + "('" + r.RemoteResource + "')"
	}
	path += "/subscriptions"
	if id != "" {
		path += "('" + quote(id) + "')"
	}
	return path
}

// do makes one call and decodes the answer into out, unless that is nil.
func (s *subscriptions) do(ctx context.Context, method, path string, in *entity, out any) error {
	call := provider.Call{Method: method, Path: path, Header: http.Header{
		"Accept": {"application/json;odata=nometadata"}}}
	if in != nil {
		call = microsoft.WithJSON(call, in)
	}
	answer, err := s.api.Do(ctx, call)
	switch {
	case err != nil:
	case out == nil:
		err = microsoft.Check(answer, s.now())
	default:
		err = microsoft.Decode(answer, s.now(), out)
	}
	return refine(err)
}

// refine makes a failure of SharePoint more precise. SharePoint has no codes of their own for these failures, so the
// message decides, and only to say more.
func refine(err error) error {
	var e *provider.APIError
	if !errors.As(err, &e) {
		return err
	}
	text := strings.ToLower(e.Message)
	switch {
	case e.Status == http.StatusBadRequest && strings.Contains(text, "validate the notification url"):
		e.Kind = provider.APIHandshake
	case e.Status == http.StatusBadRequest && strings.Contains(text, "expiration date is invalid"):
		e.Kind = provider.APITooLong
	case e.Status == http.StatusUnauthorized && strings.Contains(text, "app only token"):
		e.Remedy = "SharePoint takes an application's token only if it was got by a certificate, not by a client " +
			"secret: set the certificate of the connection, or sign a user in"
	case e.Status == http.StatusUnauthorized && strings.Contains(text, "issuer"):
		e.Remedy = "the token is for another system: the connection must be one for SharePoint, with the host " +
			"of the tenant as its api_url"
	case e.Status == http.StatusForbidden:
		e.Permission = "Sites.ReadWrite.All"
		e.Remedy = "give the application the permission Sites.ReadWrite.All, or Sites.Selected with the role " +
			"write, and have it consented to"
	}
	return e
}
