package api

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/internal/auth"
	"github.com/bellhop-gateway/bellhop/internal/match"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A fake is a store, an opener, an engine, a publisher and a repairer in memory. If err is set, every method of
// the store fails with it.
type fake struct {
	mu            sync.Mutex
	err           error
	sources       []bellhop.Source
	notes         map[string]bellhop.SourceNotes
	latencies     bellhop.Latencies
	destinations  []bellhop.Destination
	events        []bellhop.Event
	deliveries    []bellhop.Delivery
	attempts      []bellhop.Attempt
	requests      []bellhop.Request
	repairs       []bellhop.Repair
	connections   []bellhop.Connection
	subscriptions []bellhop.Subscription
	files         []bellhop.File
	keys          []bellhop.Key
	tenants       []bellhop.Tenant
	portalLinks   []bellhop.PortalLink
	rotated       []string // calls of RotateAdmin
	noted         []string // calls of NoteChange
	rotateErr     error
	arrivals      []bellhop.Arrival
	attempted     []bellhop.Attempted
	content       string   // of every whole file; "" is 0123456789
	kept          []string // calls of the keeper
	logins        []string // calls of Login, Logout and Test
	woken         []string
	asked         []string // callbacks
	greet         func(bellhop.Destination) (provider.HandshakeResult, error)
	question      struct {
		id    string
		token [32]byte
		asked bellhop.Rate
	}
	counted bellhop.Repair
	changes int
	filter  any // of the latest list

	submissions map[[32]byte]bellhop.Submission
	beginning   func(ctx context.Context) // runs when a source is being created; nil is nothing

	stops int // if not 0: a list of events ends after so many, for lack of time

	matchError bellhop.MatchError
	hold       bellhop.Hold
	tried      func(d bellhop.Destination, ev bellhop.Event) (bellhop.Result, error) // nil delivers
	sampled    func(query string, r provider.OutboundRequest) bellhop.Sampled        // nil accepts
	verify     func(src bellhop.Source, r bellhop.Request) (bellhop.Verdict, error)  // nil accepts
	previewed  func(d bellhop.Destination, ev bellhop.Event) (bellhop.Preview, error)
}

// page returns one page of list. The cursor is an index.
func page[T any](f *fake, list []T, p bellhop.Page, keep func(T) bool) ([]T, string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, "", f.err
	}
	kept := []T{}
	for _, item := range list {
		if keep == nil || keep(item) {
			kept = append(kept, item)
		}
	}
	start := 0
	if p.Cursor != "" {
		var err error
		if start, err = strconv.Atoi(p.Cursor); err != nil || start > len(kept) {
			return nil, "", bellhop.Invalid("cursor", "not a cursor of this list")
		}
	}
	end, next := start+cmp.Or(p.Limit, bellhop.DefaultPage), ""
	if end < len(kept) {
		next = strconv.Itoa(end)
	}
	return kept[start:min(end, len(kept))], next, nil
}

func find[T any](f *fake, noun, id string, list []T, names func(T) []string) (int, error) {
	if f.err != nil {
		return 0, f.err
	}
	i := slices.IndexFunc(list, func(item T) bool { return slices.Contains(names(item), id) })
	if i < 0 {
		return 0, bellhop.NotFound(noun, id)
	}
	return i, nil
}

func get[T any](f *fake, noun, id string, list []T, names func(T) []string) (item T, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := find(f, noun, id, list, names)
	if err != nil {
		return item, err
	}
	return list[i], nil
}

func sourceNames(s bellhop.Source) []string           { return []string{s.ID, s.Name} }
func destinationNames(d bellhop.Destination) []string { return []string{d.ID, d.Name} }
func eventNames(e bellhop.Event) []string             { return []string{e.ID} }
func deliveryNames(d bellhop.Delivery) []string       { return []string{d.ID} }
func requestNames(r bellhop.Request) []string         { return []string{r.ID} }

func create[T any](f *fake, list *[]T, item T, name string, names func(T) []string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if _, err := find(f, "", name, *list, names); err == nil {
		return bellhop.Conflict("the name " + name + " is taken")
	}
	*list = append(*list, item)
	return f.err
}

func replace[T any](f *fake, list *[]T, id string, names func(T) []string, with ...T) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	i, err := find(f, "noun", id, *list, names)
	if err == nil {
		*list = slices.Replace(*list, i, i+1, with...)
	}
	return err
}

func (f *fake) Sources(_ context.Context, filter bellhop.SourceFilter, p bellhop.Page) ([]bellhop.Source, string,
	error) {
	f.note(filter)
	return page(f, f.sources, p, func(s bellhop.Source) bool {
		return filter.Provider == "" || filter.Provider == s.Provider
	})
}

// note keeps the filter of a list.
func (f *fake) note(filter any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filter = filter
}

// fakeTag ends the marks of a fake.
const fakeTag = "fake01"

func (f *fake) NewestMark(context.Context) (string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.arrivals) == 0 {
		return "0" + fakeTag, f.err
	}
	return f.arrivals[len(f.arrivals)-1].Mark(), f.err
}

// Arrivals returns one arrival at a time. Marks of a year that begins with 0 are old.
func (f *fake) Arrivals(_ context.Context, after, through string, _ int) ([]bellhop.Arrival, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !strings.HasSuffix(after, fakeTag) {
		return nil, false, bellhop.Invalid("after", "is no mark of this store")
	}
	for _, a := range f.arrivals {
		if a.Mark() > after && (through == "" || a.Mark() <= through) {
			return []bellhop.Arrival{a}, after[0] == '0', f.err
		}
	}
	return nil, after[0] == '0', f.err
}

// Attempted returns one attempt at a time; complete is false if there are more than two.
func (f *fake) Attempted(_ context.Context, since time.Time, after string, _ int) (list []bellhop.Attempted,
	next string, complete bool, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, a := range f.attempted {
		if a.DeliveryID > after && a.Attempt.StartedAt.After(since) {
			return []bellhop.Attempted{a}, a.DeliveryID, len(f.attempted) <= 2, f.err
		}
	}
	return nil, "", len(f.attempted) <= 2, f.err
}

// CursorAt returns when the entry at a cursor came: a second later than the one before.
func (f *fake) CursorAt(_, cursor string) time.Time {
	n, _ := strconv.Atoi(cursor)
	return testNow.Add(time.Duration(n) * time.Second)
}
func (f *fake) SourceNotes(context.Context) (map[string]bellhop.SourceNotes, error) {
	return f.notes, f.err
}
func (f *fake) Source(_ context.Context, id string) (bellhop.Source, error) {
	return get(f, "source", id, f.sources, sourceNames)
}
func (f *fake) DestinationIDs(_ context.Context, name string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.destinations {
		if d.Name == name {
			return []string{d.ID}, f.err
		}
	}
	return nil, f.err
}

func (f *fake) DestinationNames(_ context.Context, ids []string) (map[string]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := map[string]string{}
	for _, d := range f.destinations {
		if slices.Contains(ids, d.ID) {
			names[d.ID] = d.Name
		}
	}
	return names, f.err
}

func (f *fake) SourceIDs(_ context.Context, name string) ([]string, error) {
	if name == bellhop.SourceAPI || name == bellhop.SourceSelf {
		return []string{bellhop.PrefixSource + name}, f.err
	}
	var ids []string
	for _, s := range f.sources {
		if s.Name == name {
			ids = append(ids, s.ID)
		}
	}
	return ids, f.err
}
func (f *fake) CreateSource(ctx context.Context, s bellhop.Source) error {
	if f.beginning != nil {
		f.beginning(ctx)
	}
	return create(f, &f.sources, s, s.Name, sourceNames)
}
func (f *fake) UpdateSource(ctx context.Context, s bellhop.Source, _ ...time.Time) (followed []string, err error) {
	before, err := f.Source(ctx, s.ID)
	for i, d := range f.destinations {
		if j := slices.Index(d.Match.Sources, before.Name); j >= 0 && s.Name != before.Name {
			f.destinations[i].Match.Sources = slices.Clone(d.Match.Sources)
			f.destinations[i].Match.Sources[j] = s.Name
			followed = append(followed, d.Name)
		}
	}
	return followed, errors.Join(err, replace(f, &f.sources, s.ID, sourceNames, s))
}
func (f *fake) DeleteSource(_ context.Context, id string, _ ...time.Time) error {
	return replace(f, &f.sources, id, sourceNames)
}

func connectionNames(c bellhop.Connection) []string { return []string{c.ID, c.Name} }

func (f *fake) Connections(_ context.Context, filter bellhop.ConnectionFilter, p bellhop.Page) ([]bellhop.Connection,
	string, error) {
	f.note(filter)
	return page(f, f.connections, p,
		func(c bellhop.Connection) bool { return filter.State == "" || c.State == filter.State })
}
func (f *fake) Connection(_ context.Context, id string) (bellhop.Connection, error) {
	return get(f, "connection", id, f.connections, connectionNames)
}
func (f *fake) CreateConnection(_ context.Context, c bellhop.Connection) error {
	return create(f, &f.connections, c, c.Name, connectionNames)
}
func (f *fake) UpdateConnection(ctx context.Context, c bellhop.Connection, _ ...time.Time) ([]string, error) {
	before, err := f.Connection(ctx, c.ID)
	c.State, c.Reason = before.State, before.Reason
	return nil, errors.Join(err, replace(f, &f.connections, c.ID, connectionNames, c))
}
func (f *fake) DeleteConnection(_ context.Context, id string, _ ...time.Time) error {
	return replace(f, &f.connections, id, connectionNames)
}

// Changed and Deleted make it the catalog's Connections.
func (f *fake) Changed(_ context.Context, id string) { f.logins = append(f.logins, "changed "+id) }
func (f *fake) Deleted(id string)                    { f.logins = append(f.logins, "deleted "+id) }

// links is the API's Connections.
type links struct{ *fake }

func (l links) Login(ctx context.Context, id string, device bool) (client.Login, error) {
	c, err := l.Connection(ctx, id)
	l.logins = append(l.logins, fmt.Sprintf("login %s %t", c.Name, device))
	return client.Login{Kind: "browser", State: "waiting", URL: "https://hooks.example.com/connect/work?ticket=t"}, err
}
func (l links) LatestLogin(string) *client.Login { return nil }
func (l links) RedirectURI(bellhop.Connection) string {
	return "https://hooks.example.com/connect/callback"
}
func (l links) Logout(ctx context.Context, id string) error {
	c, err := l.Connection(ctx, id)
	l.logins = append(l.logins, "logout "+c.Name)
	return err
}
func (l links) Test(ctx context.Context, id string) (client.ConnectionTest, error) {
	_, err := l.Connection(ctx, id)
	return client.ConnectionTest{Reason: "no network", Grant: "user", Permissions: []client.Permission{}}, err
}

func fileNames(f bellhop.File) []string { return []string{f.ID, f.Name} }

func (f *fake) Files(_ context.Context, filter bellhop.FileFilter, p bellhop.Page) ([]bellhop.File, string, error) {
	f.note(filter)
	return page(f, f.files, p, func(file bellhop.File) bool {
		return (filter.State == "" || filter.State == file.State) &&
			(filter.EventID == "" || filter.EventID == file.EventID) &&
			(len(filter.SourceIDs) == 0 || slices.Contains(filter.SourceIDs, "src_1")) &&
			(len(filter.DestinationIDs) == 0 || slices.Contains(filter.DestinationIDs, file.DestinationID))
	})
}
func (f *fake) File(_ context.Context, id string) (bellhop.File, error) {
	return get(f, "file", id, f.files, fileNames)
}

func keyNames(k bellhop.Key) []string { return []string{k.ID, k.Name} }

func (f *fake) Keys(_ context.Context, filter bellhop.KeyFilter, p bellhop.Page) ([]bellhop.Key, string, error) {
	f.note(filter)
	return page(f, f.keys, p, func(k bellhop.Key) bool { return filter.Scope == "" || filter.Scope == k.Scope })
}
func (f *fake) Key(_ context.Context, id string) (bellhop.Key, error) {
	return get(f, "key", id, f.keys, keyNames)
}
func (f *fake) CreateKey(_ context.Context, k bellhop.Key) error {
	return create(f, &f.keys, k, k.Name, keyNames)
}
func (f *fake) DeleteKey(_ context.Context, id string) error {
	return replace(f, &f.keys, id, keyNames)
}

func tenantNames(t bellhop.Tenant) []string { return []string{t.ID, t.Name} }

func (f *fake) Tenants(_ context.Context, p bellhop.Page) ([]bellhop.Tenant, string, error) {
	return page(f, f.tenants, p, nil)
}
func (f *fake) Tenant(_ context.Context, id string) (bellhop.Tenant, error) {
	return get(f, "tenant", id, f.tenants, tenantNames)
}
func (f *fake) CreateTenant(_ context.Context, t bellhop.Tenant) error {
	return create(f, &f.tenants, t, t.Name, tenantNames)
}
func (f *fake) UpdateTenant(_ context.Context, t bellhop.Tenant) error {
	return replace(f, &f.tenants, t.ID, tenantNames, t)
}
func (f *fake) DeleteTenant(_ context.Context, id string) error {
	return replace(f, &f.tenants, id, tenantNames)
}
func (f *fake) TenantDestinations(_ context.Context, name string) (n int, _ error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, d := range f.destinations {
		if d.Tenant == name {
			n++
		}
	}
	return n, f.err
}

// Declared says that no configuration made a noun.
func (f *fake) Declared(context.Context) (map[string]bool, error) { return nil, f.err }

// ChangeNouns makes what a configuration creates, and counts.
func (f *fake) ChangeNouns(ctx context.Context, changes bellhop.NounChanges) error {
	f.changes++
	for _, src := range changes.Sources.Created {
		err := f.CreateSource(ctx, src)
		if err != nil {
			return err
		}
	}
	return f.err
}

// keyRing is the API's and the catalog's Keys.
type keyRing struct{ *fake }

func (keyRing) Put(bellhop.Key) {}
func (keyRing) Remove(string)   {}
func (keyRing) Latest(k bellhop.Key) bellhop.Key {
	if k.ID == "key_1" {
		k.LastUsedAt, k.LastAddress = testNow, "192.0.2.7"
	}
	return k
}
func (r keyRing) RotateAdmin(grace time.Duration, by string) (string, time.Time, error) {
	r.rotated = append(r.rotated, grace.String()+" "+by)
	return "bhk_made", testNow.Add(grace), cmp.Or(r.err, r.rotateErr)
}

// keptFiles is the API's Files.
type keptFiles struct{ *fake }

func (k keptFiles) OpenWhole(_ context.Context, f bellhop.File) (io.ReadSeekCloser, error) {
	content := cmp.Or(k.content, "0123456789")
	if int64(len(content)) != f.Size {
		return nil, bellhop.Conflict("not the bytes that were kept")
	}
	return struct {
		io.ReadSeeker
		io.Closer
	}{strings.NewReader(content), io.NopCloser(nil)}, nil
}
func (k keptFiles) Delete(_ context.Context, id string) error {
	return replace(k.fake, &k.files, id, fileNames)
}

// crm is a connector with a secret and an address.
type crm struct{}

func (crm) ConnectorInfo() provider.ConnectorInfo {
	return provider.ConnectorInfo{Name: "crm", Settings: []provider.Setting{{Name: "secret", Secret: true},
		{Name: "api_url", Required: true}}, Addresses: []string{"api_url"}}
}
func (crm) OpenConnection(_ provider.Env, raw json.RawMessage) (provider.Connected, error) {
	var s struct {
		Secret string `json:"secret"`
		APIURL string `json:"api_url"`
	}
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return provider.Connected{}, err
	}
	base, err := provider.CheckBaseURL("api_url", s.APIURL, "")
	return provider.Connected{BaseURL: base, OAuth: &provider.OAuth{ClientSecret: s.Secret}}, err
}

func (f *fake) Destinations(_ context.Context, filter bellhop.DestinationFilter,
	p bellhop.Page) ([]bellhop.Destination, string, error) {
	f.note(filter)
	return page(f, f.destinations, p, nil)
}

// The ids of destinations of type listen and pull, which are in no list.
const (
	heardID  = "dst_heard"
	pulledID = "dst_pulled"
)

func (f *fake) Destination(_ context.Context, id string) (bellhop.Destination, error) {
	list := f.destinations
	if id == heardID {
		list = []bellhop.Destination{{ID: heardID, Name: "heard", Type: bellhop.TypeListen}}
	}
	if id == pulledID {
		list = []bellhop.Destination{{ID: pulledID, Name: "pulled", Type: bellhop.TypePull}}
	}
	return get(f, "destination", id, list, destinationNames)
}
func (f *fake) CreateDestination(_ context.Context, d bellhop.Destination) error {
	return create(f, &f.destinations, d, d.Name, destinationNames)
}
func (f *fake) UpdateDestination(ctx context.Context, d bellhop.Destination, _ ...time.Time) error {
	before, err := f.Destination(ctx, d.ID)
	d.State, d.StateReason, d.Granted = before.State, before.StateReason, before.Granted
	return errors.Join(err, replace(f, &f.destinations, d.ID, destinationNames, d))
}
func (f *fake) RestartDestination(_ context.Context, d bellhop.Destination, _ ...time.Time) error {
	f.question.token, d.Granted = [32]byte{}, bellhop.Rate{}
	return replace(f, &f.destinations, d.ID, destinationNames, d)
}
func (f *fake) SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState,
	reason string) error {
	d, err := f.Destination(ctx, id)
	d.State, d.StateReason, d.UpdatedAt = state, reason, testNow
	if state == bellhop.DestinationActive || state == bellhop.DestinationUnverified {
		return errors.Join(err, f.RestartDestination(ctx, d))
	}
	return errors.Join(err, replace(f, &f.destinations, d.ID, destinationNames, d))
}
func (f *fake) ExplainUnverified(ctx context.Context, id, reason string, refused bool) error {
	d, err := f.Destination(ctx, id)
	if d.State != bellhop.DestinationUnverified {
		return err
	}
	if d.StateReason = reason; refused {
		f.question.token = [32]byte{}
	}
	return errors.Join(err, replace(f, &f.destinations, d.ID, destinationNames, d))
}
func (f *fake) DeleteDestination(_ context.Context, id string, _ ...time.Time) error {
	return replace(f, &f.destinations, id, destinationNames)
}

func (f *fake) Events(_ context.Context, filter bellhop.EventFilter, p bellhop.Page) ([]bellhop.Event, string, error) {
	f.note(filter)
	list, next, err := page(f, f.events, p, func(e bellhop.Event) bool {
		return (len(filter.SourceIDs) == 0 || slices.Contains(filter.SourceIDs, e.SourceID)) &&
			(filter.Type == "" || filter.Type == e.Type) &&
			(filter.CausedBy == "" || filter.CausedBy == e.Header.Get(bellhop.CauseHeader)) &&
			!e.ReceivedAt.Before(filter.Since) && (filter.Until.IsZero() || e.ReceivedAt.Before(filter.Until))
	})
	if f.stops > 0 && len(list) > f.stops {
		list, next = list[:f.stops], strconv.Itoa(f.stops)
	}
	for i := range list {
		list[i].Body, list[i].Header = make([]byte, len(list[i].Body)), nil
	}
	return list, next, err
}
func (f *fake) Event(_ context.Context, id string) (bellhop.Event, error) {
	return get(f, "event", id, f.events, eventNames)
}

func (f *fake) Deliveries(_ context.Context, filter bellhop.DeliveryFilter, p bellhop.Page) ([]bellhop.Delivery,
	string, error) {
	f.note(filter)
	return page(f, f.deliveries, p, func(d bellhop.Delivery) bool {
		return (filter.EventID == "" || filter.EventID == d.EventID) &&
			(filter.State == "" || filter.State == d.State) &&
			(len(filter.DestinationIDs) == 0 || slices.Contains(filter.DestinationIDs, d.DestinationID)) &&
			(len(filter.SourceIDs) == 0 || slices.ContainsFunc(f.events, func(ev bellhop.Event) bool {
				return ev.ID == d.EventID && slices.Contains(filter.SourceIDs, ev.SourceID)
			}))
	})
}
func (f *fake) CountDeliveries(_ context.Context, ids []string) (map[string]map[bellhop.DeliveryState]int, error) {
	counts := map[string]map[bellhop.DeliveryState]int{}
	for _, d := range f.deliveries {
		if slices.Contains(ids, d.EventID) {
			if counts[d.EventID] == nil {
				counts[d.EventID] = map[bellhop.DeliveryState]int{}
			}
			counts[d.EventID][d.State]++
		}
	}
	return counts, f.err
}
func (f *fake) Delivery(_ context.Context, id string) (bellhop.Delivery, error) {
	return get(f, "delivery", id, f.deliveries, deliveryNames)
}
func (f *fake) Attempts(_ context.Context, id string) ([]bellhop.Attempt, error) {
	list, _, err := page(f, f.attempts, bellhop.Page{}, func(a bellhop.Attempt) bool { return a.DeliveryID == id })
	return list, err
}
func (f *fake) RetryDelivery(ctx context.Context, id string) (bellhop.Delivery, error) {
	return f.setState(id, bellhop.DeliveryPending, bellhop.DeliveryPending, bellhop.DeliveryDead,
		bellhop.DeliveryCancelled)
}
func (f *fake) CancelDelivery(_ context.Context, id string) (bellhop.Delivery, error) {
	return f.setState(id, bellhop.DeliveryCancelled, bellhop.DeliveryPending)
}
func (f *fake) setState(id string, to bellhop.DeliveryState, from ...bellhop.DeliveryState) (bellhop.Delivery, error) {
	d, err := get(f, "delivery", id, f.deliveries, deliveryNames)
	if err != nil {
		return d, err
	}
	if !slices.Contains(from, d.State) {
		return d, bellhop.Conflict("the delivery is " + string(d.State))
	}
	d.State = to
	return d, replace(f, &f.deliveries, id, deliveryNames, d)
}

func (f *fake) Requests(_ context.Context, filter bellhop.RequestFilter, p bellhop.Page) ([]bellhop.Request, string,
	error) {
	f.note(filter)
	return page(f, f.requests, p, func(r bellhop.Request) bool {
		return (len(filter.SourceIDs) == 0 || slices.Contains(filter.SourceIDs, r.SourceID)) &&
			(!filter.NoSource || r.SourceID == "") &&
			(filter.Outcome == "" || filter.Outcome == r.Outcome)
	})
}
func (f *fake) Request(_ context.Context, id string) (bellhop.Request, error) {
	return get(f, "request", id, f.requests, requestNames)
}

func (f *fake) Sample(_ context.Context, sourceID, query string, r provider.OutboundRequest) (bellhop.Sampled, error) {
	switch src, err := f.Source(context.Background(), sourceID); {
	case err != nil:
		return bellhop.Sampled{}, err
	case src.Disabled:
		return bellhop.Sampled{}, bellhop.Conflict("source " + src.Name + " is disabled")
	case f.sampled == nil:
		return bellhop.Sampled{Status: 202, EventIDs: []string{"evt_1"}}, nil
	}
	return f.sampled(query, r), nil
}

func (f *fake) Verify(_ context.Context, src bellhop.Source, r bellhop.Request) (bellhop.Verdict, error) {
	if f.verify == nil {
		return bellhop.Verdict{Outcome: bellhop.RequestAccepted, Status: 202, Events: 1}, nil
	}
	return f.verify(src, r)
}

func (f *fake) Audit(_ context.Context, filter bellhop.AuditFilter, p bellhop.Page) ([]bellhop.AuditEntry, string,
	error) {
	f.filter = filter
	return page(f, []bellhop.AuditEntry{{At: testNow, Actor: bellhop.Actor{Key: "ada", KeyID: "key_1"}, Noun: "source",
		NounID: "src_1", Name: "media", Tenant: "acme", Action: "updated"}}, p, nil)
}

func (f *fake) NoteChange(ctx context.Context, noun, id, name, action string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	by, _ := bellhop.ActorOf(ctx)
	f.noted = append(f.noted, strings.TrimSpace(by.Key+" "+action+" "+noun+" "+name+" "+id))
	return nil
}

// fakeServe are the settings of a server.
type fakeServe struct{}

// fakeCheckup finds a disk that is full.
func fakeCheckup(context.Context) (client.Checkup, error) {
	return client.Checkup{At: client.Time{Time: testNow}, State: "failed", TookMS: 1.5, Checks: []client.Check{{
		Name: "disk", Title: "Disk", State: "failed", Message: "1 MiB is free", Remedy: "make room",
		Nouns: []client.CheckedNoun{}}}}, nil
}

func (fakeServe) Given() client.Settings { return nil }

func (fakeServe) Compare(client.Settings) ([]client.SettingChange, []bellhop.FieldError, error) {
	return nil, nil, nil
}

func (fakeServe) Info() client.ServerInfo {
	return client.ServerInfo{Version: "1.2.3", StartedAt: client.Time{Time: testNow}, Data: "/var/lib/bellhop",
		Settings: []client.ServerSetting{{Name: "retain", Group: "Storage", Kind: "length", Value: "90d",
			Default: "30d",
			Set:     true, Changed: true, Origin: "file", Place: "bellhop.yaml:3"}}}
}

func (f *fake) Series(_ context.Context, q bellhop.SeriesQuery) (bellhop.Series, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filter = q
	return bellhop.Series{Spans: []bellhop.Span{{At: q.Since, Counts: bellhop.Counts{Accepted: 2, Refused: 1}}},
		Sources: []bellhop.NounCounts{{ID: "src_1", Name: "media", Counts: bellhop.Counts{Accepted: 2, Refused: 1}}},
	}, f.err
}

func (f *fake) Stats(context.Context) (bellhop.Stats, error) {
	return bellhop.Stats{
		Sources: int64(len(f.sources)), Events: int64(len(f.events)),
		Deliveries: map[bellhop.DeliveryState]int64{bellhop.DeliveryDead: 2},
	}, f.err
}

// CheckAmong refuses a URL without https, unknown settings, secrets without whsec_, and a wrong match or access.
func (f *fake) CheckAmong(d bellhop.Destination, _ provider.ConnectionFinder) error {
	var errs []error
	if d.Type != "chore" && !strings.HasPrefix(d.URL, "https://") {
		errs = append(errs, bellhop.Invalid("url", "must begin with https://"))
	}
	var settings struct {
		Format  string            `json:"format"`
		Secret  provider.Secrets  `json:"secret"`
		Until   string            `json:"secret_until"`
		Headers map[string]string `json:"headers"`
		Key     string            `json:"key"`
		Command []string          `json:"command"`
		Env     map[string]string `json:"env"`
	}
	errs = append(errs, bellhop.Join("settings", provider.DecodeSettings(d.Settings, &settings)))
	for i, secret := range settings.Secret {
		if !strings.HasPrefix(secret, "whsec_") {
			errs = append(errs, bellhop.Invalid(settings.Secret.Path("settings.secret", i), "must begin with whsec_"))
		}
	}
	_, err := match.Compile(d.Match)
	_, accessErr := access.Parse(d.Access)
	return bellhop.Join("", append(errs, bellhop.Join("match", err), bellhop.Join("access", accessErr))...)
}

// Warnings finds that a plain setting is weak if it is the text "weak".
func (f *fake) Warnings(d bellhop.Destination) []string {
	if strings.Contains(string(d.Settings), `"format":"weak"`) {
		return []string{"format is weak"}
	}
	return nil
}

func (f *fake) DefaultHandshake(d bellhop.Destination) string {
	if d.Type == "shy" {
		return "ask"
	}
	return bellhop.HandshakeNone
}

func (f *fake) Handshake(_ context.Context, d bellhop.Destination, callback string,
	asked func(bellhop.Rate) error) (provider.HandshakeResult, error) {
	f.asked = append(f.asked, callback)
	if err := asked(bellhop.PerSecond(3)); err != nil {
		return provider.HandshakeResult{}, err
	}
	return f.greet(d)
}

func (f *fake) AskHandshake(_ context.Context, id string, token [32]byte, until time.Time, asked bellhop.Rate) error {
	f.question.id, f.question.token, f.question.asked = id, token, asked
	return f.err
}

func (f *fake) AgreeHandshake(_ context.Context, token [32]byte, granted *bellhop.Rate) (string, error) {
	if f.question.token != token {
		return "", bellhop.NotFound("handshake", "")
	}
	f.question.token = [32]byte{}
	if granted == nil {
		granted = &f.question.asked
	}
	d, err := f.Destination(context.Background(), f.question.id)
	if d.Granted = *granted; d.State == bellhop.DestinationUnverified {
		d.State, d.StateReason = bellhop.DestinationActive, ""
	}
	return d.ID, errors.Join(err, replace(f, &f.destinations, d.ID, destinationNames, d))
}

func (f *fake) Try(_ context.Context, d bellhop.Destination, ev bellhop.Event) (bellhop.Result, error) {
	if f.tried == nil {
		return bellhop.Result{State: bellhop.DeliveryDelivered, Attempt: bellhop.Attempt{Number: 1, StartedAt: testNow,
			Status: 200, Reply: []byte("thanks")}}, nil
	}
	return f.tried(d, ev)
}

func (f *fake) Wake(id string) { f.woken = append(f.woken, id) }

func (f *fake) Publish(_ context.Context, ev bellhop.Event) (bellhop.Event, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, first := range f.events {
		if ev.ProviderID != "" && first.ProviderID == ev.ProviderID {
			ev.ID = first.ID
			return ev, true, f.err
		}
	}
	ev.ID = bellhop.PrefixEvent + strconv.Itoa(len(f.events)+1)
	ev.Source, ev.SourceID = bellhop.SourceAPI, bellhop.SourceAPIID
	ev.ReceivedAt, ev.SHA256 = testNow, sha256.Sum256(ev.Body)
	f.events = append(f.events, ev)
	return ev, false, f.err
}

func (f *fake) PublishTo(ctx context.Context, ev bellhop.Event, destinationID string) (bellhop.Event, string, error) {
	if _, err := f.Destination(ctx, destinationID); err != nil {
		return ev, "", err
	}
	ev, _, err := f.Publish(ctx, ev)
	return ev, "dlv_test", err
}

func (f *fake) Closed(string) string { return "" }

func (f *fake) OwnerOf(ev *bellhop.Event) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tenants {
		if t.Name == ev.Tenant {
			return t.Name
		}
	}
	return ""
}

func (f *fake) Preview(d bellhop.Destination, ev bellhop.Event) (bellhop.Preview, error) {
	if f.previewed == nil {
		return bellhop.Preview{Method: "POST", Body: ev.Body}, f.CheckAmong(d, nil)
	}
	return f.previewed(d, ev)
}

func repairNames(r bellhop.Repair) []string { return []string{r.ID} }

func (f *fake) Repairs(_ context.Context, q bellhop.RepairQuery, p bellhop.Page) ([]bellhop.Repair, string, error) {
	f.note(q)
	return page(f, f.repairs, p, nil)
}
func (f *fake) Repair(_ context.Context, id string) (bellhop.Repair, error) {
	return get(f, "repair", id, f.repairs, repairNames)
}
func (f *fake) Begin(_ context.Context, r bellhop.Repair) (bellhop.Repair, error) {
	r.State, r.UpdatedAt = bellhop.RepairRunning, r.CreatedAt
	if r.StartsAt.After(r.CreatedAt) {
		r.State = bellhop.RepairWaiting
	}
	f.repairs = append(f.repairs, r)
	return r, f.err
}
func (f *fake) Cancel(_ context.Context, id string) (bellhop.Repair, error) {
	r, err := get(f, "repair", id, f.repairs, repairNames)
	if err != nil {
		return r, err
	}
	if r.State.Ended() {
		return r, bellhop.Conflict("the repair has ended: it is " + string(r.State))
	}
	r.State = bellhop.RepairCancelled
	return r, replace(f, &f.repairs, id, repairNames, r)
}
func (f *fake) Count(_ context.Context, r bellhop.Repair) (bellhop.RepairCount, error) {
	f.counted = r
	if r.Kind == bellhop.RepairCancel && r.Filter.Error != "" {
		return bellhop.RepairCount{Deliveries: 3, SearchedTo: testNow}, f.err
	}
	return bellhop.RepairCount{Events: 2, Deliveries: 3, Complete: true}, f.err
}
func (f *fake) Replay(_ context.Context, eventID, destinationID string) ([]bellhop.NewDelivery, error) {
	_, err := get(f, "event", eventID, f.events, eventNames)
	if err != nil {
		return nil, err
	}
	if destinationID == "" {
		destinationID = "dst_1"
	}
	return []bellhop.NewDelivery{{DestinationID: destinationID, DeliveryID: "dlv_2"}}, nil
}

// lock is a provider with a secret setting and a plain one. It sends too.
type lock struct{}

func (lock) Info() provider.Info {
	settings := []provider.Setting{{Name: "key", Secret: true, Required: true, Many: true, Make: provider.MakeHex},
		{Name: "account_id"}}
	return provider.Info{Name: "lock", Title: "Lock", Settings: settings, SendSettings: settings[:1], Key: "key"}
}

func (lock) Open(_ provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var settings struct {
		Key       provider.Secrets `json:"key"`
		AccountID string           `json:"account_id"`
	}
	if err := provider.DecodeSettings(raw, &settings); err != nil {
		return nil, err
	}
	return nil, settings.Key.Check("key")
}

// Emulation returns the test message of Lock.
func (lock) Emulation() provider.Emulation {
	return provider.Emulation{TestBody: func(at time.Time) []byte {
		return []byte(`{"lock":"` + at.Format(time.TimeOnly) +
			`"}`)
	}, Open: func(_ provider.Env, raw json.RawMessage) (provider.Renderer, error) {
		var settings struct {
			Key string `json:"key"`
		}
		if err := json.Unmarshal(raw, &settings); err != nil {
			return nil, err
		}
		if settings.Key == "blank" {
			return nil, bellhop.Invalid("key", "opens nothing")
		}
		return key(settings.Key), nil
	}, Samples: []provider.Sample{{Type: "lock.sample", Title: "A sample", Body: `{"account":"{{account_id|none}}"}`}},
		Handshake: `{"hello":"{{id}}"}`}
}

// A key renders the samples of Lock: the key is in a header, and in the body.
type key string

func (k key) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	body := bytes.TrimSuffix(ev.Body, []byte("}"))
	return provider.OutboundRequest{Header: http.Header{"X-Key": {"Key " + string(k)}},
		Body: append(body, `,"key":"`+string(k)+`"}`...)}, nil
}

// shy is a provider with a handshake.
type shy struct{ lock }

func (shy) Info() provider.Info {
	return provider.Info{Name: "shy", SendSettings: []provider.Setting{{Name: "key", Secret: true}},
		Schedule: "sharepoint", Rate: 2, Handshake: "ask", SecretURL: true}
}

// httpSettings are those of the fake's destinations of type http.
var httpSettings = []provider.Setting{{Name: "format"}, {Name: "secret", Secret: true, Many: true},
	{Name: "secret_until"}, {Name: "headers", Kind: provider.KindObject, Secret: true}}

// chore is an action with a plain setting, a secret one, and an object with secret members.
type chore struct{ provider.Action }

func (chore) Info() provider.Info {
	return provider.Info{Name: "chore", Concurrency: 4, MaxTimeout: 2 * time.Hour, Schedule: "none",
		SendSettings: []provider.Setting{
			{Name: "command", Kind: provider.KindList}, {Name: "key", Secret: true},
			{Name: "env", Kind: provider.KindObject, Secret: true},
		}}
}

// deaf is a provider that does not send.
type deaf struct{ lock }

func (deaf) Info() provider.Info { return provider.Info{Name: "deaf"} }

func (deaf) Emulation() provider.Emulation { return provider.Emulation{} }

// signInLink makes a link with the name of the principal in it.
func (f *fake) signInLink(_ context.Context, p auth.Principal) (client.SignInLink, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return client.SignInLink{URL: "https://hooks.example.com/ui/open/" + p.Name,
		LocalURL: "http://127.0.0.1:8080/ui/open/" +
			p.Name, ExpiresAt: client.Time{Time: testNow}}, f.err
}

func portalLinkNames(l bellhop.PortalLink) []string { return []string{l.ID} }

func (f *fake) PortalLinks(_ context.Context, filter bellhop.PortalLinkFilter, p bellhop.Page) ([]bellhop.PortalLink,
	string, error) {
	f.note(filter)
	return page(f, f.portalLinks, p, func(l bellhop.PortalLink) bool {
		return filter.Tenant == "" || filter.Tenant == l.Tenant
	})
}

func (f *fake) PortalLink(_ context.Context, id string) (bellhop.PortalLink, error) {
	return get(f, "portal link", id, f.portalLinks, portalLinkNames)
}

// gates makes links to portals, with the name of the principal in their URLs.
type gates struct{ *fake }

func (g gates) Create(_ context.Context, p auth.Principal, l bellhop.PortalLink, lasts time.Duration) (
	bellhop.PortalLink, string, string, error) {
	l.CreatedAt, l.ExpiresAt = testNow, testNow.Add(lasts)
	err := l.Check()
	if err != nil {
		return l, "", "", err
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	l.ID, l.Key, l.KeyID = "plk_2", p.Name, p.KeyID
	if g.err == nil {
		g.fake.portalLinks = append(g.fake.portalLinks, l)
	}
	return l, "https://hooks.example.com/ui/portal/open/" + p.Name, "http://127.0.0.1:8080/ui/portal/open/" + p.Name,
		g.err
}

func (g gates) Revoke(_ context.Context, _ auth.Principal, id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.fake.portalLinks = slices.DeleteFunc(g.fake.portalLinks, func(l bellhop.PortalLink) bool { return l.ID == id })
	return g.err
}

// fakeOperations is a server in standby whose backups have five bytes.
type fakeOperations struct {
	of     *fake
	latest bellhop.Backup
	active bool
	level  string
	err    error // of a backup, once it has begun
}

func (o *fakeOperations) Backup(_ context.Context, keys, files bool) (func(context.Context, io.Writer) error, error) {
	if o.of.err != nil {
		return nil, o.of.err
	}
	return func(_ context.Context, w io.Writer) error {
		_, err := fmt.Fprintf(w, "%t %t", keys, files)
		return errors.Join(err, o.err)
	}, nil
}

func (o *fakeOperations) LatestBackup(context.Context) (bellhop.Backup, error) {
	return o.latest, o.of.err
}

func (o *fakeOperations) NoteBackup(_ context.Context, b bellhop.Backup) error {
	o.latest = b
	return o.of.err
}

func (o *fakeOperations) InStandby() bool { return !o.active }

func (o *fakeOperations) Standby(context.Context) (bellhop.Standby, error) {
	if o.active {
		return bellhop.Standby{}, o.of.err
	}
	return bellhop.Standby{Since: testNow, Why: "it was restored"}, o.of.err
}

func (o *fakeOperations) Resume(context.Context) error {
	o.active = true
	return o.of.err
}

func (o *fakeOperations) LogLevel() string { return cmp.Or(o.level, "info") }

func (o *fakeOperations) SetLogLevel(_ context.Context, level string) error {
	o.level = level
	return nil
}
