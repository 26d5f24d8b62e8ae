package outlook

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"slices"
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
		Summary: "Fetches what a notification of Outlook names, such as an event of a calendar, and publishes it " +
			"as an event outlook.fetched; or outlook.gone, if it is not there any more.",
		Width: 4,
		Settings: []provider.Setting{
			{Name: "select", Title: "Select", Example: "Subject,Start,End",
				Doc: "The properties to fetch, with commas between them, in Outlook's spelling: `$select`. " +
					"Default: all."},
			{Name: "expand", Title: "Expand", Example: "Attachments",
				Doc: "Related resources to fetch with it: `$expand`. Default: none."},
			{Name: "body", Title: "Body", Example: "text", Choices: microsoft.FetchBodies,
				Doc: "The form of the body: `text` or `html`. Default: Outlook's, which is HTML."},
			{Name: "timezone", Title: "Time zone", Example: "Pacific Standard Time",
				Doc: "The time zone of `Start` and `End` of events. Default: Outlook's, which is UTC."},
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
	f.query, f.prefer = f.Query(), f.Prefer()
	return f, nil
}

// A fetch is the Fetch of one destination, and its settings.
type fetch struct {
	microsoft.FetchOptions
	query, prefer string
}

// Plan implements [provider.Fetch].
func (f *fetch) Plan(ev *bellhop.Event) (p provider.FetchPlan) {
	change, ours := strings.CutPrefix(ev.Type, typePrefix)
	change = strings.ToLower(change)
	if !ours || !slices.Contains(changeTypes, change) {
		p.Skip = "it is no notification that something was created, updated or deleted"
		return p
	}
	resource := strictjson.Member{Name: "Resource"}
	if strictjson.FindFold(strictjson.TrimBOM(ev.Body), &resource) != nil || resource.Text() == "" {
		p.Refused = "the notification names no resource"
		return p
	}
	p.Resource = resource.Text()
	path, mailbox, err := locate(p.Resource)
	switch {
	case err != nil:
		p.Refused = "the notification names a resource that is never called: " + err.Error()
	case change == "deleted":
		p.Gone = true
	default:
		p.Share = mailbox
		p.Call = provider.Call{Method: http.MethodGet, Path: path + f.query,
			Header: http.Header{"Accept": {"application/json"}}}
		if f.prefer != "" {
			p.Call.Header.Set("Prefer", f.prefer)
		}
	}
	return p
}

// ownHosts are the hosts under which Outlook names its resources. They are called at the connection's API.
var ownHosts = []string{"outlook.office.com", "outlook.office365.com", "outlook.office365.us", "partner.outlook.cn"}

// versions are the paths of the versions of the API.
var versions = []string{prefix, "/api/beta/", "/api/v1.0/"}

// PathOf returns the path of a resource that a notification names, escaped, such as
// "/api/v2.0/Users('1')/Events('2=')". A resource is a whole URL as a rule. If its host is one of Outlook's own, the
// path alone is returned, which is called at the connection's API. With any other host the URL is returned, so that
// the call fails unless it is of the origin of that API. The error says in words why the resource must not be called.
func PathOf(resource string) (string, error) {
	path, _, err := locate(resource)
	return path, err
}

// locate is PathOf; mailbox is the owner of the resource: "me" or "users/NAME".
func locate(resource string) (path, mailbox string, err error) {
	path, origin := resource, ""
	scheme, rest, absolute := strings.Cut(resource, "://")
	if absolute {
		host, after, _ := strings.Cut(rest, "/")
		u, err := url.Parse(scheme + "://" + host)
		if err != nil || u.Host == "" || u.Host != host || u.Scheme != "https" && u.Scheme != "http" {
			return "", "", errors.New("its scheme or its host cannot be read")
		}
		path = after
		if u.Port() != "" || !slices.Contains(ownHosts, strings.ToLower(host)) {
			origin = u.Scheme + "://" + u.Host
		}
	}
	path, err = provider.ResourcePath(path)
	if err != nil {
		return "", "", err
	}
	below, versioned := belowVersion(path)
	mailbox = mailboxOf(below)
	switch {
	case mailbox == "" || absolute && !versioned:
		return "", "", errors.New("it is not one of a mailbox, below /api/v2.0")
	case !versioned:
		path = strings.TrimSuffix(prefix, "/") + path
	}
	return origin + path, mailbox, nil
}

// belowVersion returns the part of a path below the version of the API, and reports whether it has one.
func belowVersion(path string) (below string, ok bool) {
	for _, v := range versions {
		if len(path) > len(v) && strings.EqualFold(path[:len(v)], v) {
			return path[len(v):], true
		}
	}
	return path, false
}

// mailboxOf returns the mailbox of a path below the version: "me" or "users/NAME"; "" if it names none.
func mailboxOf(below string) string {
	parts := strings.Split(microsoft.PlainKeys(below), "/")
	switch {
	case parts[0] == "me":
		return "me"
	case parts[0] == "users" && len(parts) > 1:
		return "users/" + parts[1]
	}
	return ""
}

// Check implements [provider.Fetch]. Where the connection may not read the resource, the error names the permission.
func (f *fetch) Check(a provider.Answer, p provider.FetchPlan, now time.Time) error {
	var resource struct{}
	err := microsoft.Decode(a, now, &resource)
	var e *provider.APIError
	if errors.As(err, &e) && e.Status == http.StatusForbidden {
		needs(e, collections[itemsOf(p.Resource)])
	}
	return err
}

// itemsOf returns the collection of a resource that is an item, in lower case: "events".
func itemsOf(resource string) string {
	parts := strings.Split(microsoft.PlainKeys(relative(resource)), "/")
	for _, part := range slices.Backward(parts) {
		if _, ok := collections[part]; ok {
			return part
		}
	}
	return ""
}
