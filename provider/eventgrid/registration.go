package eventgrid

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// This file says what an event subscription of ours is: its settings, its form at Event Grid, and how it differs from
// one that Event Grid shows. subscription.go makes the calls.

// registrationSettings are the settings of a subscription.
type registrationSettings struct {
	Schema              string          `json:"schema"`
	EventTypes          []string        `json:"event_types"`
	SubjectBeginsWith   string          `json:"subject_begins_with"`
	SubjectEndsWith     string          `json:"subject_ends_with"`
	CaseSensitive       bool            `json:"case_sensitive"`
	AdvancedFilters     json.RawMessage `json:"advanced_filters"`
	FilterArrays        bool            `json:"filter_arrays"`
	MaxEvents           int             `json:"max_events"`
	PreferredKilobytes  int             `json:"preferred_kilobytes"`
	Expires             string          `json:"expires"`
	MaxAttempts         int             `json:"max_attempts"`
	TimeToLive          string          `json:"time_to_live"`
	DeadLetterAccount   string          `json:"dead_letter_account"`
	DeadLetterContainer string          `json:"dead_letter_container"`
}

// subscribeSettings describe them. Limits are those of Event Grid.
var subscribeSettings = []provider.Setting{
	{Name: "schema", Title: "Schema", Example: "cloudevents", Choices: schemas,
		Doc: "Of the deliveries: `eventgrid`, or `cloudevents`, whose handshake is an OPTIONS " +
			"request. Default: eventgrid."},
	{Name: "event_types", Title: "Event types", Kind: provider.KindList,
		Example: `["Microsoft.Storage.BlobCreated"]`,
		Doc:     "The only types of events to deliver. Default: all that the resource has by default."},
	{Name: "subject_begins_with", Title: "Subject begins with", Example: "/blobServices/default/containers/images/",
		Doc: "Only events with such a subject. Default: any."},
	{Name: "subject_ends_with", Title: "Subject ends with", Example: ".jpg",
		Doc: "Only events with such a subject. Default: any."},
	{Name: "case_sensitive", Title: "Case of subjects matters", Kind: provider.KindFlag, Example: "true",
		Doc: "Subjects are compared with regard to letter case. Default: false."},
	{Name: "advanced_filters", Title: "Advanced filters", Kind: provider.KindObjects,
		Example: `[{"operatorType":"NumberGreaterThan","key":"data.size","value":1000}]`,
		Doc:     "Up to 25 filters in Event Grid's own form. An event has to pass all of them. Default: none."},
	{Name: "filter_arrays", Title: "Filter arrays", Kind: provider.KindFlag, Example: "true",
		Doc: "Advanced filters compare the elements of arrays. Default: false."},
	{Name: "max_events", Title: "Events in a batch", Kind: provider.KindNumber, Example: "100", Most: mostEvents,
		Doc: "The most events in one request, from 1 to 5000. Default: 1."},
	{Name: "preferred_kilobytes", Title: "Size of a batch", Kind: provider.KindNumber, Example: "512",
		Most: mostKilobytes,
		Doc:  "The preferred size of a request in KiB, from 1 to 1024. Default: 64."},
	{Name: "expires", Title: "Lifetime", Kind: provider.KindDuration, Example: "720h",
		Doc: "After how long the event subscription ends unless it is renewed, which Bellhop does in time: from " +
			"10m to 8784h. Default: it does not end."},
	{Name: "max_attempts", Title: "Attempts", Kind: provider.KindNumber, Example: "10", Most: mostAttempts,
		Doc: "The most attempts of one delivery, from 1 to 30. Default: 30."},
	{Name: "time_to_live", Title: "Time to live", Kind: provider.KindDuration, Example: "2h",
		Doc: "For how long a delivery is tried again, from 1m to 24h. Default: 24h."},
	{Name: "dead_letter_account", Title: "Storage account for dead letters",
		Example: "/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Storage/storageAccounts/NAME",
		Doc: "The resource id of the storage account for events that cannot be delivered. " +
			"Default: they are dropped."},
	{Name: "dead_letter_container", Title: "Container for dead letters", Example: "undelivered",
		Doc: "The blob container in that account. Required with `dead_letter_account`."},
}

// Event Grid's bounds of deliveries.
const (
	mostEvents    = 5000
	mostKilobytes = 1024
	mostAttempts  = 30
)

// maxAdvancedFilters is Event Grid's limit.
const maxAdvancedFilters = 25

// read decodes and checks settings. Its errors have paths within them.
func (s *registrationSettings) read(raw json.RawMessage) error {
	if err := provider.DecodeSettings(raw, s); err != nil {
		return err
	}
	_, schema := provider.OneOf("schema", s.Schema, schemaEventGrid, schemas...)
	_, expires := length("expires", s.Expires, 10*time.Minute, 366*24*time.Hour)
	_, life := length("time_to_live", s.TimeToLive, time.Minute, 24*time.Hour)
	errs := []error{schema, expires, life, within("max_events", s.MaxEvents, mostEvents),
		within("preferred_kilobytes", s.PreferredKilobytes, mostKilobytes),
		within("max_attempts", s.MaxAttempts, mostAttempts), s.checkFilters()}
	for i, kind := range s.EventTypes {
		if kind == "" || !provider.Printable(kind) {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("event_types[%d]", i), "use the type of an event, "+
				"such as Microsoft.Storage.BlobCreated"))
		}
	}
	switch account, err := scopeOf(s.DeadLetterAccount); {
	case (s.DeadLetterAccount == "") != (s.DeadLetterContainer == ""):
		errs = append(errs, bellhop.Invalid("dead_letter_container", "give dead_letter_account and "+
			"dead_letter_container, or neither"))
	case s.DeadLetterAccount != "" && (err != nil || !strings.Contains(strings.ToLower(account), "/storageaccounts/")):
		errs = append(errs, bellhop.Invalid("dead_letter_account", "use the resource id of a storage account"))
	}
	return bellhop.Join("", errs...)
}

// length reads a length of time between bounds; "" is 0.
func length(name, text string, least, most time.Duration) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < least || d > most {
		return 0, bellhop.Invalid(name, fmt.Sprintf("use a length of time from %v to %v, such as 2h", least, most))
	}
	return d, nil
}

// within checks a number from 1 to most; 0 is the default.
func within(name string, n, most int) error {
	if n < 0 || n > most {
		return bellhop.Invalid(name, fmt.Sprintf("use a whole number from 1 to %d", most))
	}
	return nil
}

// checkFilters checks the form of the advanced filters. Event Grid checks operators and values.
func (s *registrationSettings) checkFilters() error {
	if s.AdvancedFilters == nil {
		return nil
	}
	var list []struct {
		Operator string `json:"operatorType"`
		Key      string `json:"key"`
	}
	if json.Unmarshal(s.AdvancedFilters, &list) != nil || len(list) > maxAdvancedFilters {
		return bellhop.Invalid("advanced_filters",
			`use a list of up to 25 filters, such as [{"operatorType":"StringIn",`+
				`"key":"subject","values":["a"]}]`)
	}
	for i, f := range list {
		if f.Operator == "" || f.Key == "" {
			return bellhop.Invalid(fmt.Sprintf("advanced_filters[%d]", i), "needs operatorType and key")
		}
	}
	return nil
}

// maxScope is the longest resource id, in bytes.
const maxScope = 1024

// scopeOf returns a resource id with a slash at its beginning, none at its end, and none doubled. Its error has the
// path "resource".
func scopeOf(resource string) (string, error) {
	parts := slices.DeleteFunc(strings.Split(resource, "/"), func(part string) bool { return part == "" })
	wrong := func(part string) bool { return part == "." || part == ".." || !provider.Printable(part) }
	switch {
	case len(parts) == 0:
		return "", bellhop.Invalid("resource", "required: the id of the resource whose events are wanted, such as "+
			"/subscriptions/ID/resourceGroups/GROUP/providers/Microsoft.Communication/communicationServices/NAME")
	case strings.Contains(resource, "://") || len(parts) < 2 || !strings.EqualFold(parts[0], "subscriptions") &&
		!strings.EqualFold(parts[0], "providers"):
		return "", bellhop.Invalid("resource", "use the resource id, which begins with /subscriptions/; the portal "+
			"shows it under Properties")
	case len(resource) > maxScope || strings.ContainsAny(resource, "?#%\\") || slices.ContainsFunc(parts, wrong):
		return "", bellhop.Invalid("resource", "is no resource id")
	case slices.ContainsFunc(parts, func(part string) bool { return strings.EqualFold(part, "eventSubscriptions") }):
		return "", bellhop.Invalid("resource", "this is an event subscription: use the id of the resource before "+
			"/providers/Microsoft.EventGrid/eventSubscriptions")
	}
	return "/" + strings.Join(parts, "/"), nil
}

// RegistrationName implements [provider.Namer]: the name is made of the client state, which is another one for each
// registration, and does not tell it.
func (Provider) RegistrationName(r provider.Registration) string {
	sum := sha256.Sum256([]byte("event subscription " + r.ClientState))
	return "bellhop-" + hex.EncodeToString(sum[:12])
}

// An eventSubscription is one in the JSON of the API, as far as it is read or written here.
type eventSubscription struct {
	ID         string                 `json:"id,omitempty"`
	Name       string                 `json:"name,omitempty"`
	Properties subscriptionProperties `json:"properties"`
}

type subscriptionProperties struct {
	State        string              `json:"provisioningState,omitempty"` // of an answer
	Labels       []string            `json:"labels,omitempty"`
	Destination  *webhookDestination `json:"destination,omitempty"`
	WithIdentity *struct {
		Destination *webhookDestination `json:"destination"`
	} `json:"deliveryWithResourceIdentity,omitempty"` // of an answer
	Filter     *subscriptionFilter `json:"filter,omitempty"`
	Schema     string              `json:"eventDeliverySchema,omitempty"`
	Retry      *subscriptionRetry  `json:"retryPolicy,omitempty"`
	ExpiresAt  string              `json:"expirationTimeUtc,omitempty"`
	DeadLetter *subscriptionBlob   `json:"deadLetterDestination,omitempty"`
}

type webhookDestination struct {
	Type       string `json:"endpointType"`
	Properties struct {
		URL         string           `json:"endpointUrl,omitempty"`     // of a request
		BaseURL     string           `json:"endpointBaseUrl,omitempty"` // of an answer
		MaxEvents   int              `json:"maxEventsPerBatch,omitempty"`
		KiB         int              `json:"preferredBatchSizeInKilobytes,omitempty"`
		TenantID    string           `json:"azureActiveDirectoryTenantId,omitempty"`
		Application string           `json:"azureActiveDirectoryApplicationIdOrUri,omitempty"`
		Headers     []deliveryHeader `json:"deliveryAttributeMappings,omitempty"`
	} `json:"properties"`
}

// A deliveryHeader is a header that Event Grid adds to each delivery.
type deliveryHeader struct {
	Name       string `json:"name"`
	Type       string `json:"type"`
	Properties struct {
		Value    string `json:"value"` // null in an answer, if it is secret
		IsSecret bool   `json:"isSecret"`
	} `json:"properties"`
}

type subscriptionFilter struct {
	SubjectBeginsWith string          `json:"subjectBeginsWith,omitempty"`
	SubjectEndsWith   string          `json:"subjectEndsWith,omitempty"`
	EventTypes        []string        `json:"includedEventTypes,omitempty"`
	CaseSensitive     bool            `json:"isSubjectCaseSensitive"`
	Arrays            bool            `json:"enableAdvancedFilteringOnArrays"`
	Advanced          json.RawMessage `json:"advancedFilters,omitempty"`
}

type subscriptionRetry struct {
	Attempts int `json:"maxDeliveryAttempts"`
	Minutes  int `json:"eventTimeToLiveInMinutes"`
}

type subscriptionBlob struct {
	Type       string `json:"endpointType"`
	Properties struct {
		ResourceID string `json:"resourceId"`
		Container  string `json:"blobContainerName"`
	} `json:"properties"`
}

// deliverySchemas are the schemas as the API names them.
var deliverySchemas = map[string]string{"": "EventGridSchema", schemaEventGrid: "EventGridSchema",
	schemaCloudEvents: "CloudEventSchemaV1_0"}

// Event Grid's defaults.
const (
	defaultMaxEvents = 1
	defaultKiB       = 64
	defaultAttempts  = 30
	defaultLife      = 24 * time.Hour
)

// wished returns the event subscription that r asks for. types are its event types unless the settings name some.
// The settings were checked before.
func wished(r provider.Registration, types []string) subscriptionProperties {
	var s registrationSettings
	var src settings
	provider.DecodeSettings(r.Settings, &s)
	provider.DecodeSettings(r.Source, &src)
	life, _ := length("", s.TimeToLive, 0, defaultLife)
	if len(s.EventTypes) > 0 {
		types = s.EventTypes
	}
	p := subscriptionProperties{Labels: []string{labelOf(r.URL)}, Destination: &webhookDestination{Type: "WebHook"},
		Filter: &subscriptionFilter{SubjectBeginsWith: s.SubjectBeginsWith, SubjectEndsWith: s.SubjectEndsWith,
			EventTypes: types, CaseSensitive: s.CaseSensitive, Arrays: s.FilterArrays, Advanced: s.AdvancedFilters},
		Schema: deliverySchemas[s.Schema],
		Retry: &subscriptionRetry{orNumber(s.MaxAttempts, defaultAttempts),
			int(orNumber(life, defaultLife) / time.Minute)}}
	to := &p.Destination.Properties
	to.URL, to.BaseURL = fullURL(r.URL, &src), "" // the base is read-only
	to.MaxEvents, to.KiB = orNumber(s.MaxEvents, defaultMaxEvents), orNumber(s.PreferredKilobytes, defaultKiB)
	if src.Audience != "" {
		to.TenantID, to.Application = src.TenantID, src.Audience
	}
	if src.Header != "" && len(src.HeaderSecret) > 0 {
		h := deliveryHeader{Name: src.Header, Type: "Static"}
		h.Properties.Value, h.Properties.IsSecret = src.HeaderSecret[0], true
		to.Headers = []deliveryHeader{h}
	}
	if !r.ExpiresAt.IsZero() {
		p.ExpiresAt = microsoft.FormatTime(r.ExpiresAt)
	}
	if s.DeadLetterAccount != "" {
		p.DeadLetter = &subscriptionBlob{Type: "StorageBlob"}
		p.DeadLetter.Properties.ResourceID, _ = scopeOf(s.DeadLetterAccount)
		p.DeadLetter.Properties.Container = s.DeadLetterContainer
	}
	return p
}

func orNumber[N int | time.Duration](n, otherwise N) N {
	if n == 0 {
		return otherwise
	}
	return n
}

// labelOf returns the mark of our event subscriptions, with the name of the source, which ends its URL.
func labelOf(to string) string {
	u, err := url.Parse(to)
	if err != nil {
		return "bellhop"
	}
	return "bellhop:" + path.Base(u.Path)
}

// fullURL returns the URL of a source with the secret of its query: the first one, while there are several.
func fullURL(base string, src *settings) string {
	if len(src.QuerySecret) == 0 {
		return base
	}
	return base + "?" + parameter + "=" + escape(src.QuerySecret[0])
}

// differs says in words in what an event subscription is another one than we asked for; "" is in nothing. What only
// other calls show is left out: the secrets.
func (want *subscriptionProperties) differs(got *subscriptionProperties, base string) string {
	var list []string
	note := func(differs bool, what string) {
		if differs {
			list = append(list, what)
		}
	}
	to := got.destination()
	if to == nil || to.Type != "WebHook" {
		return "destination"
	}
	w, g := want.Destination.Properties, to.Properties
	note(g.BaseURL != base, "URL")
	note(orNumber(g.MaxEvents, defaultMaxEvents) != w.MaxEvents || orNumber(g.KiB, defaultKiB) != w.KiB, "batches")
	note(!strings.EqualFold(g.TenantID, w.TenantID) || g.Application != w.Application, "Entra token")
	note(!slices.EqualFunc(g.Headers, w.Headers, func(a, b deliveryHeader) bool {
		return strings.EqualFold(a.Name, b.Name) && a.Type == b.Type
	}), "headers")
	filter := got.Filter
	if filter == nil {
		filter = &subscriptionFilter{}
	}
	note(!want.Filter.same(filter), "filter")
	retry := got.Retry
	if retry == nil {
		retry = &subscriptionRetry{}
	}
	note(orNumber(retry.Attempts, defaultAttempts) != want.Retry.Attempts ||
		orNumber(retry.Minutes, int(defaultLife/time.Minute)) != want.Retry.Minutes, "retry policy")
	note(!want.DeadLetter.same(got.DeadLetter), "dead letters")
	note(!slices.Contains(got.Labels, want.Labels[0]), "label")
	return strings.Join(list, ", ")
}

// destination returns where the events go, or nil.
func (p *subscriptionProperties) destination() *webhookDestination {
	if p.Destination == nil && p.WithIdentity != nil {
		return p.WithIdentity.Destination
	}
	return p.Destination
}

// same compares filters. Without event types of our own, Event Grid shows those that the resource has by default.
func (f *subscriptionFilter) same(got *subscriptionFilter) bool {
	fold := func(types []string) []string {
		folded := strings.Split(strings.ToLower(strings.Join(types, "\n")), "\n")
		slices.Sort(folded)
		return folded
	}
	return f.SubjectBeginsWith == got.SubjectBeginsWith && f.SubjectEndsWith == got.SubjectEndsWith &&
		f.CaseSensitive == got.CaseSensitive && f.Arrays == got.Arrays && sameJSON(f.Advanced, got.Advanced) &&
		(len(f.EventTypes) == 0 || slices.Equal(fold(f.EventTypes), fold(got.EventTypes)))
}

// sameJSON compares lists; one that is empty, null or not there is the same.
func sameJSON(a, b json.RawMessage) bool {
	var x, y []any
	if len(bytes.TrimSpace(a)) > 0 && json.Unmarshal(a, &x) != nil ||
		len(bytes.TrimSpace(b)) > 0 && json.Unmarshal(b, &y) != nil {
		return false
	}
	return len(x) == 0 && len(y) == 0 || reflect.DeepEqual(x, y)
}

func (b *subscriptionBlob) same(got *subscriptionBlob) bool {
	if b == nil || got == nil {
		return b == got
	}
	return strings.EqualFold(b.Properties.ResourceID, got.Properties.ResourceID) &&
		strings.EqualFold(b.Properties.Container, got.Properties.Container)
}
