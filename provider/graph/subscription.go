package graph

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.HandshakeTeller = Provider{}

// changeTypes are the change types of subscriptions.
var changeTypes = []string{"created", "updated", "deleted"}

// SubscribeInfo implements [provider.Subscriber].
func (Provider) SubscribeInfo() provider.SubscribeInfo {
	return provider.SubscribeInfo{
		Settings: []provider.Setting{
			{Name: "include_resource_data", Title: "Include resource data", Kind: provider.KindFlag, Example: "true",
				Doc: "Rich notifications: with the changed resource, encrypted for a certificate that Bellhop " +
					"makes and replaces. The source needs `app_id`. Mail, events and contacts need `$select` in " +
					"the resource. Default: false."},
			{Name: "immutable_ids", Title: "Immutable ids", Kind: provider.KindFlag, Example: "true",
				Doc: "Notifications name items of a mailbox by ids that stay when an item moves within the mailbox. " +
					"Default: false."},
			{Name: "query_options", Title: "Query options", Example: "$filter=importance eq 'high'",
				Doc: "The `notificationQueryOptions` of the subscription, for the resources that " +
					"have them. Default: none."},
		},
		Resource: "the path of what is watched, such as `/me/events`, `/users/ID/messages`, `/drives/ID/root` or " +
			"`/teams/ID/channels/ID/messages`",
		ChangeTypes:    changeTypes,
		MaxClientState: 128,
		Handshake:      parameter,
		AnswerWithin:   10 * time.Second,
		Repeats:        4 * time.Hour,
		Lists:          true,
	}
}

// registrationSettings are the settings of a subscription.
type registrationSettings struct {
	IncludeResourceData bool   `json:"include_resource_data"`
	ImmutableIDs        bool   `json:"immutable_ids"`
	QueryOptions        string `json:"query_options"`
}

// A kind is what Graph's documentation says about the subscriptions of one kind of resource. The first pattern that
// matches a resource, in lower case and without a leading slash and query, counts.
type kind struct {
	pattern    *regexp.Regexp
	minutes    int    // longest lifetime
	rich       int    // the same with resource data; 0 is minutes
	permission string // the least application or delegated one
	allowed    []string
}

// outlookFallback is the lifetime that Graph granted to mailboxes before, and still grants to some.
const outlookFallback = 4200 * time.Minute

// kinds is the table of resources.
// Source: https://learn.microsoft.com/en-us/graph/api/resources/subscription
var kinds = []kind{
	{re(`^communications/presences`), 60, 0, "Presence.Read.All", []string{"updated"}},
	{re(`/(shifts|openshiftchangerequests|offershiftrequests|swapshiftschangerequests|timeoffrequests)`), 360, 0,
		"Schedule.Read.All", nil},
	{re(`^(me|users/[^/]+)/(mailfolders\('?[^/]+'?\)/|mailfolders/[^/]+/)?messages`), 10080, 1440, "Mail.Read", nil},
	{re(`^(me|users/[^/]+)/(calendars/[^/]+/|calendar/)?events`), 10080, 1440, "Calendars.Read", nil},
	{re(`^(me|users/[^/]+)/(contactfolders/[^/]+/)?contacts`), 10080, 1440, "Contacts.Read", nil},
	{re(`^communications/callrecords`), 4230, 0, "CallRecords.Read.All", nil},
	{re(`^communications/onlinemeetings`), 4320, 0, "OnlineMeetings.Read.All", nil},
	{re(`^groups/[^/]+/conversations`), 4230, 0, "Group.Read.All", nil},
	{re(`^print/`), 4230, 0, "PrintJob.ReadBasic.All", nil},
	{re(`/todo/lists`), 4230, 0, "Tasks.ReadWrite", nil},
	{re(`^teams/[^/]+/channels/[^/]+/messages|^teams/getallmessages`), 4320, 0, "ChannelMessage.Read.All", nil},
	{re(`^(me/|users/[^/]+/)?chats/.*messages`), 4320, 0, "Chat.Read.All", nil},
	{re(`^(chats|teams|appcatalogs)`), 4320, 0, "Team.ReadBasic.All", nil},
	{re(`(^|/)drives?(/|$)`), 42300, 0, "Files.ReadWrite.All", []string{"updated"}},
	{re(`^sites/[^/]+/lists`), 42300, 0, "Sites.ReadWrite.All", []string{"updated"}},
	{re(`^security/alerts`), 43200, 0, "SecurityEvents.ReadWrite.All", nil},
	{re(`^(users|groups)(/[^/]+)?$`), 41760, 0, "User.Read.All or Group.Read.All", []string{"updated", "deleted"}},
}

func re(pattern string) *regexp.Regexp { return regexp.MustCompile(pattern) }

// unknownMinutes is the lifetime to ask for where a resource is not in the table: every resource but presence and
// shifts grants it.
const unknownMinutes = 4200

func kindOf(resource string) kind {
	path, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(resource, "/")), "?")
	for _, k := range kinds {
		if k.pattern.MatchString(path) {
			return k
		}
	}
	return kind{minutes: unknownMinutes}
}

// IsHandshake implements [provider.HandshakeTeller].
func (Provider) IsHandshake(req *provider.Request) bool { return microsoft.IsEcho(req, parameter) }

// CheckRegistration implements [provider.Subscriber].
func (Provider) CheckRegistration(r provider.Registration, source json.RawMessage) (provider.Terms, error) {
	var s registrationSettings
	settingsErr := provider.DecodeSettings(r.Settings, &s)
	k := kindOf(r.Resource)
	errs := []error{checkResource(r.Resource), provider.CheckChangeTypes(r.ChangeTypes, changeTypes, k.allowed),
		bellhop.Join("settings", settingsErr)}
	if s.IncludeResourceData {
		errs = append(errs, checkRichSource(source))
		if k.rich > 0 && !strings.Contains(strings.ToLower(r.Resource), "$select=") {
			errs = append(errs, bellhop.Invalid("resource", "rich notifications of mail, events and contacts "+
				"need the properties to include: add ?$select=subject,start"))
		}
	}
	terms := provider.Terms{Longest: time.Duration(k.minutes) * time.Minute, Encrypted: s.IncludeResourceData}
	if k.rich > 0 {
		terms.Fallback = outlookFallback
		if s.IncludeResourceData {
			terms.Longest, terms.Fallback = time.Duration(k.rich)*time.Minute, 0
		}
	}
	return terms, bellhop.Join("", errs...)
}

// maxResource is the longest resource, in bytes.
const maxResource = 1024

// checkResource refuses what is no path below the API's version.
func checkResource(resource string) error {
	path, _, _ := strings.Cut(resource, "?")
	switch {
	case strings.Trim(path, "/") == "":
		return bellhop.Invalid("resource", "required: the path of what is watched, such as /me/events")
	case strings.Contains(path, "://") || strings.HasPrefix(path, "//"):
		return bellhop.Invalid("resource", "use the path alone, such as /me/events, without scheme, host and version")
	case len(resource) > maxResource || !provider.Printable(resource):
		return bellhop.Invalid("resource", "use at most 1024 printable ASCII characters")
	}
	return nil
}

// checkRichSource checks that the source verifies the tokens that come with rich notifications.
func checkRichSource(raw json.RawMessage) error {
	var s settings
	if err := json.Unmarshal(raw, &s); err != nil || s.AppID == nil {
		return bellhop.Invalid("source", "has no app_id, without which it refuses rich notifications; set it to the "+
			"application id of the connection: bellhop sources update NAME --set app_id=GUID")
	}
	return nil
}

// OpenSubscriptions implements [provider.Subscriber].
func (Provider) OpenSubscriptions(env provider.Env, api provider.API) provider.Subscriptions {
	return &subscriptions{now: env.Now, api: api}
}

type subscriptions struct {
	now func() time.Time
	api provider.API
}

// root is the path of the subscriptions, below the base URL of the API, which is that of the host alone.
const root = "/v1.0/subscriptions"

// An entity is a subscription in Graph's JSON, as far as it is read or written here.
type entity struct {
	ID            string `json:"id,omitempty"`
	Resource      string `json:"resource,omitempty"`
	ChangeType    string `json:"changeType,omitempty"`
	ClientState   string `json:"clientState,omitempty"`
	URL           string `json:"notificationUrl,omitempty"`
	LifecycleURL  string `json:"lifecycleNotificationUrl,omitempty"`
	ExpiresAt     string `json:"expirationDateTime,omitempty"`
	QueryOptions  string `json:"notificationQueryOptions,omitempty"`
	WithData      bool   `json:"includeResourceData,omitempty"`
	Certificate   string `json:"encryptionCertificate,omitempty"`
	CertificateID string `json:"encryptionCertificateId,omitempty"`
}

func (e entity) remote() provider.Remote {
	var changes []string
	for change := range strings.SplitSeq(e.ChangeType, ",") {
		changes = append(changes, strings.TrimSpace(change))
	}
	return provider.Remote{ID: e.ID, Resource: e.Resource, ChangeTypes: changes, URL: e.URL,
		ClientState: e.ClientState,
		ExpiresAt:   microsoft.ParseTime(e.ExpiresAt)}
}

// Create registers r. Graph makes one handshake for each of the two URLs meanwhile.
func (s *subscriptions) Create(ctx context.Context, r provider.Registration) (provider.Remote, error) {
	var own registrationSettings
	if err := provider.DecodeSettings(r.Settings, &own); err != nil {
		return provider.Remote{}, &provider.APIError{Kind: provider.APIInvalid, Message: err.Error()}
	}
	e := entity{Resource: strings.TrimPrefix(r.Resource, "/"), ChangeType: strings.Join(r.ChangeTypes, ","),
		ClientState: r.ClientState, URL: r.URL, LifecycleURL: r.URL, ExpiresAt: microsoft.FormatTime(r.ExpiresAt),
		QueryOptions: own.QueryOptions}
	if own.IncludeResourceData {
		e.WithData, e.Certificate, e.CertificateID = true, r.Certificate.Cert, r.Certificate.ID
	}
	header := http.Header{}
	if own.ImmutableIDs {
		header.Set("Prefer", preferImmutable)
	}
	made, err := s.one(ctx, http.MethodPost, root, header, e, r)
	return made, microsoft.NothingThere(err, "there is no such resource, or the application may not see it")
}

// Renew extends a subscription, which also authorizes it again, and replaces its certificate.
func (s *subscriptions) Renew(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	return s.one(ctx, http.MethodPatch, pathOf(id), nil, entity{ExpiresAt: microsoft.FormatTime(r.ExpiresAt),
		Certificate: r.Certificate.Cert, CertificateID: r.Certificate.ID}, r)
}

// Reauthorize ends the pause of a subscription that Graph wants authorized again. It does not extend its life.
func (s *subscriptions) Reauthorize(ctx context.Context, id string, r provider.Registration) error {
	answer, err := s.api.Do(ctx, provider.Call{Method: http.MethodPost, Path: pathOf(id) + "/reauthorize"})
	if err == nil {
		err = microsoft.Check(answer, s.now())
	}
	return refine(err, r)
}

// Get returns one subscription. Graph does not show its client state.
func (s *subscriptions) Get(ctx context.Context, id string, r provider.Registration) (provider.Remote, error) {
	return s.one(ctx, http.MethodGet, pathOf(id), nil, nil, r)
}

// Delete ends a subscription.
func (s *subscriptions) Delete(ctx context.Context, id string, r provider.Registration) error {
	answer, err := s.api.Do(ctx, provider.Call{Method: http.MethodDelete, Path: pathOf(id)})
	if err == nil {
		err = microsoft.Check(answer, s.now())
	}
	return microsoft.GoneIsDone(refine(err, r))
}

// ListScope returns "": an application has one list.
func (s *subscriptions) ListScope(provider.Registration) string { return "" }

// List returns the subscriptions of the application and, with a user's token, of that user.
func (s *subscriptions) List(ctx context.Context, r provider.Registration) ([]provider.Remote, error) {
	var all []provider.Remote
	err := microsoft.ListAll(root, func(path string) (string, error) {
		var page struct {
			Value []entity `json:"value"`
			Next  string   `json:"@odata.nextLink"`
		}
		call := provider.Call{Method: http.MethodGet, Path: path}
		answer, err := microsoft.Ask(ctx, s.api, s.now, call, nil, &page)
		if err == nil && page.Value == nil {
			err = microsoft.Lacks(answer, call.Method, "value")
		}
		for _, e := range page.Value {
			all = append(all, e.remote())
		}
		return page.Next, err
	})
	return all, refine(err, r)
}

// one makes a call that is answered with one subscription.
func (s *subscriptions) one(ctx context.Context, method, path string, header http.Header, in any,
	r provider.Registration) (provider.Remote, error) {
	var out entity
	call := provider.Call{Method: method, Path: path, Header: header}
	answer, err := microsoft.Ask(ctx, s.api, s.now, call, in, &out)
	if err == nil && out.ID == "" {
		err = microsoft.Lacks(answer, method, "id")
	}
	if err != nil {
		return provider.Remote{}, refine(err, r)
	}
	return out.remote(), nil
}

func pathOf(id string) string { return root + "/" + url.PathEscape(id) }

var (
	existingID = re(
		`(?i)subscription id ([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}) already exists`)
	tooLong    = re(`(?i)expiration can only be \d+ minutes`)
	validation = re(`(?i)subscription validation request`)
	quota      = re(`(?i)number of subscriptions .*exceeded|has exceeded limit`)
)

// refine makes a failure of Graph more precise: what exists, what was too long, whether our URL did not answer, which
// permission is missing. Graph has no codes for some of it, so the message decides there, and only to say more.
func refine(err error, r provider.Registration) error {
	var e *provider.APIError
	if !errors.As(err, &e) {
		return err
	}
	switch m := existingID.FindStringSubmatch(e.Message); {
	case e.Kind == provider.APIExists && m != nil:
		e.ExistingID = strings.ToLower(m[1])
	case e.Status == http.StatusBadRequest && (e.Code == "ValidationError" || validation.MatchString(e.Message)):
		e.Kind = provider.APIHandshake
	case e.Status == http.StatusBadRequest && (tooLong.MatchString(e.Message) || e.Code == "ErrorInvalidParameter"):
		e.Kind = provider.APITooLong
	case e.Status == http.StatusForbidden && quota.MatchString(e.Message):
		e.Kind, e.Remedy = provider.APIInvalid, "Graph allows no more subscriptions on this "+
			"resource: delete one of them"
	case e.Status == http.StatusForbidden, e.Status == http.StatusUnauthorized && e.Code == "ExtensionError":
		needs(e, kindOf(r.Resource).permission)
	}
	return e
}

// needs says that a permission is missing; "" is an unknown one.
func needs(e *provider.APIError, permission string) {
	e.Kind, e.Permission = provider.APIForbidden, permission
	e.Remedy = "give the application the permission for this resource and have it consented to"
	if permission != "" {
		e.Remedy = "give the application the permission " + permission + " and have it consented to"
	}
}

// heard returns what a notification says about the subscription that it came from.
func (it *item) heard() provider.Heard {
	kinds := map[string]provider.HeardKind{"reauthorizationRequired": provider.HeardReauthorize,
		"subscriptionRemoved": provider.HeardRemoved, "missed": provider.HeardMissed}
	change, lifecycle := strings.CutPrefix(it.change, lifecyclePrefix)
	if !lifecycle {
		change = ""
	}
	return provider.Heard{RemoteID: it.subscription, Kind: kinds[change]}
}
