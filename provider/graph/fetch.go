package graph

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Fetcher = Provider{}

// FetchInfo implements [provider.Fetcher].
func (Provider) FetchInfo() provider.FetchInfo {
	return provider.FetchInfo{
		Summary: "Fetches what a notification of Graph names, such as a message or an event, and publishes it " +
			"as an event graph.fetched; or graph.gone, if it is not there any more.",
		Width: mailboxWidth,
		Settings: []provider.Setting{
			{Name: "select", Title: "Select", Example: "subject,start,end",
				Doc: "The properties to fetch, with commas between them: `$select`. `id` and `@odata.etag` " +
					"are always there. Default: all that Graph sends unasked."},
			{Name: "expand", Title: "Expand", Example: "attachments",
				Doc: "Related resources to fetch with it: `$expand`. Default: none."},
			{Name: "body", Title: "Body", Example: "text", Choices: microsoft.FetchBodies,
				Doc: "The form of the body of messages and events: `text` or `html`. Default: Graph's, " +
					"which is HTML."},
			{Name: "timezone", Title: "Time zone", Example: "Pacific Standard Time",
				Doc: "The time zone of `start` and `end` of events. Default: Graph's, which is UTC."},
			{Name: "immutable_ids", Title: "Immutable ids", Kind: provider.KindFlag, Example: "true",
				Doc: "Set it if the subscription has `immutable_ids`: then the ids in notifications, and those " +
					"that are fetched, are immutable ones. Default: false."},
		},
	}
}

// OpenFetch implements [provider.Fetcher].
func (Provider) OpenFetch(settings json.RawMessage) (provider.Fetch, error) {
	f := &fetch{}
	decodeErr := provider.DecodeSettings(settings, f)
	if err := bellhop.Join("", decodeErr, f.CheckOptions()); err != nil {
		return nil, err
	}
	var more []string
	if f.ImmutableIDs {
		more = append(more, preferImmutable)
	}
	f.query, f.prefer = f.Query(), f.Prefer(more...)
	return f, nil
}

// preferImmutable is the preference for immutable ids of messages, events and contacts.
const preferImmutable = `IdType="ImmutableId"`

// A fetch is the Fetch of one destination, and its settings.
type fetch struct {
	microsoft.FetchOptions
	ImmutableIDs bool `json:"immutable_ids"`

	query, prefer string
}

// wholes are the resources of which notifications name no item: every change is said to be one of the root of a drive,
// or of a list.
var wholes = re(`(^|/)drives?(/[^/]+)?/root$|(^|/)lists/[^/]+$`)

// Plan implements [provider.Fetch]. A notification whose content was decrypted has the resource in it.
func (f *fetch) Plan(ev *bellhop.Event) (p provider.FetchPlan) {
	change, ours := strings.CutPrefix(ev.Type, typePrefix)
	change = strings.TrimPrefix(change, sealedPrefix)
	if !ours || change != "created" && change != "updated" && change != "deleted" {
		p.Skip = "it is no notification that something was created, updated or deleted"
		return p
	}
	resource, content := strictjson.Member{Name: "resource"}, strictjson.Member{Name: memberContent}
	if strictjson.FindAll(strictjson.TrimBOM(ev.Body), &resource, &content) != nil || resource.Text() == "" {
		p.Refused = "the notification names no resource"
		return p
	}
	p.Resource = resource.Text()
	path, err := PathOf(p.Resource)
	plain := microsoft.PlainKeys(strings.TrimPrefix(path, apiVersion))
	switch {
	case err != nil:
		p.Refused = "the notification names a resource that is never called: " + err.Error()
	case wholes.MatchString(plain):
		p.Skip = "it names a drive or a list as a whole, and no item that could be fetched"
	case change == "deleted":
		p.Gone = true
	case strictjson.IsObject(content.Value):
		p.Content = content.Value
	default:
		p.Share = shareOf(plain)
		p.Call = provider.Call{Method: http.MethodGet, Path: path + f.query}
		if f.prefer != "" {
			p.Call.Header = http.Header{"Prefer": {f.prefer}}
		}
	}
	return p
}

// apiVersion is the path of the API's version, below the base URL.
const apiVersion = "/v1.0"

// PathOf returns the path of a resource that a notification names, below the base URL of the API: escaped, such as
// "/v1.0/Users/1/Messages/2=". Its error says in words why the resource must not be called: the path would lead out
// of the API, or hides that it does.
func PathOf(resource string) (string, error) {
	path, err := provider.ResourcePath(resource)
	if err != nil {
		return "", err
	}
	return apiVersion + path, nil
}

// shareOf returns the part of Graph that has limits of its own, for a resource with plain keys: the mailbox, the
// drive, the team. For other resources it is "", the tenant.
func shareOf(plain string) string {
	first, rest, _ := strings.Cut(plain, "/")
	switch first {
	case "me":
		return first
	case "users", "drives", "groups", "sites", "teams", "chats":
		id, _, _ := strings.Cut(rest, "/")
		return first + "/" + id
	}
	return ""
}

// Check implements [provider.Fetch]. Where the application may not read the resource, the error names the permission.
func (f *fetch) Check(a provider.Answer, p provider.FetchPlan, now time.Time) error {
	var resource struct{}
	err := microsoft.Decode(a, now, &resource)
	var e *provider.APIError
	if errors.As(err, &e) && (e.Status == http.StatusForbidden ||
		e.Status == http.StatusUnauthorized && e.Code == "ExtensionError") {
		needs(e, kindOf(microsoft.PlainKeys(p.Resource)).permission)
	}
	return err
}
