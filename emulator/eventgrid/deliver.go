package eventgrid

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// flow sends events of a resource to its subscriptions, and returns how many requests follow.
func (s *System) flow(resource string, events []event) (requests int) {
	scope := canonical(resource)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired()
	for _, sub := range s.subscriptions {
		s.settleManual(sub)
		if sub.scope != scope || sub.live == nil || sub.live.Destination.Type != webhook {
			continue
		}
		var wanted []event
		for i := range events {
			if sub.live.Filter.matches(&events[i]) {
				wanted = append(wanted, events[i])
			}
		}
		for _, batch := range sub.batches(wanted) {
			s.send(sub, batch, "Notification")
			requests++
		}
	}
	return requests
}

// batches divides events by the batch settings of a subscription. An event that is larger than the preferred size
// travels alone.
func (sub *subscription) batches(events []event) (list [][]event) {
	to := sub.live.Destination.Properties
	size := 0
	for _, ev := range events {
		n := len(ev.inGrid(nil))
		last := len(list) - 1
		if last < 0 || len(list[last]) >= *to.MaxEvents || size+n > *to.KiB<<10 {
			list, size, last = append(list, nil), 0, last+1
		}
		list[last] = append(list[last], ev)
		size += n
	}
	return list
}

// schedule has the pauses between attempts; the last one repeats.
// Source: https://learn.microsoft.com/azure/event-grid/delivery-and-retry
var schedule = []time.Duration{10 * time.Second, 30 * time.Second, time.Minute, 5 * time.Minute, 10 * time.Minute,
	30 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour}

// leastPauses are the shortest pauses after some statuses.
var leastPauses = map[int]time.Duration{http.StatusNotFound: 5 * time.Minute,
	http.StatusRequestTimeout: 2 * time.Minute, http.StatusServiceUnavailable: 30 * time.Second}

// finalStatuses are those after which an event is never sent again.
var finalStatuses = []int{http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
	http.StatusRequestEntityTooLarge}

// A delivery is one request to an endpoint, with its attempts. Its mu guards what the attempts change: two of them may
// run at once, if a notification is duplicated.
type delivery struct {
	system    *System
	id, name  string // of the subscription
	schema    string
	to        destinated
	retry     retryPolicy
	dead      *deadLetter
	kind      string // "Notification" or "SubscriptionDeletion"
	bearer    string
	events    []event
	published time.Time

	mu       sync.Mutex
	age      time.Duration // sum of the pauses
	attempts int
	outcome  string // of the latest attempt
	reason   string // why there is no further one
	lastAt   time.Time
}

// send sends events to a subscription by its live properties. The caller holds s.mu.
func (s *System) send(sub *subscription, events []event, kind string) {
	p := sub.live
	d := &delivery{system: s, id: sub.ID, name: sub.Name, schema: p.Schema, to: p.Destination.Properties,
		retry: *p.Retry,
		dead:  p.DeadLetter, kind: kind, bearer: s.bearer(p.Destination.Properties), events: events,
		published: s.now()}
	s.host.Notify(emulator.Notification{System: s.Name(), URL: d.to.URL, HeaderOf: d.header, Body: d.body(),
		Timeout: deliveryTimeout, Next: d.next, Done: d.done,
		Accepted: func(status int) bool { return status >= http.StatusOK && status <= http.StatusNoContent }})
}

// deliveryTimeout is how long an endpoint may take.
const deliveryTimeout = 30 * time.Second

// bearer returns the header Authorization of deliveries; "" if the destination wants none.
func (s *System) bearer(to destinated) string {
	if to.TenantID == "" || to.Application == "" {
		return ""
	}
	return "Bearer " + s.tokens.ValidationToken(to.TenantID, to.Application, Application)
}

// Application is the id of the application of Event Grid in Microsoft Entra.
const Application = "4962773b-9cdb-44cf-a8bf-237846a00ab7"

// body returns the body: in Event Grid's schema always a list, of CloudEvents a list if batches are on.
func (d *delivery) body() []byte {
	items := make([][]byte, len(d.events))
	for i := range d.events {
		items[i] = d.form(&d.events[i], nil)
	}
	list := slices.Concat([]byte("["), bytes.Join(items, []byte(",")), []byte("]"))
	if d.schema == cloudSchema && *d.to.MaxEvents == 1 {
		return items[0]
	}
	return list
}

// form returns an event in the schema of the subscription.
func (d *delivery) form(ev *event, more extra) json.RawMessage {
	if d.schema == cloudSchema {
		return ev.inCloud(more)
	}
	return ev.inGrid(more)
}

// header returns the header of an attempt.
func (d *delivery) header(attempt int) http.Header {
	first := &d.events[0]
	h := http.Header{"Content-Type": {"application/json; charset=utf-8"},
		eventgrid.EventTypeHeader: {d.kind}, eventgrid.SubscriptionNameHeader: {strings.ToUpper(d.name)},
		eventgrid.DeliveryCountHeader: {strconv.Itoa(attempt - 1)}, eventgrid.DataVersionHeader: {first.dataVersion},
		eventgrid.MetadataVersionHeader: {"1"}}
	if d.schema == cloudSchema {
		h.Set("Content-Type", "application/cloudevents+json; charset=utf-8")
		if *d.to.MaxEvents > 1 {
			h.Set("Content-Type", "application/cloudevents-batch+json; charset=utf-8")
		}
		h.Set("Origin", origin)
		h.Set("Webhook-Request-Origin", origin)
		h.Set(eventgrid.DataVersionHeader, "")
	}
	addStatic(h, d.to, d.bearer)
	for _, a := range d.to.Attributes {
		if a.Type != "Dynamic" {
			continue
		}
		value := first.lookup(a.Properties.SourceField)
		if value != nil {
			h.Set(a.Name, fmt.Sprint(value))
		}
	}
	return h
}

// addStatic adds what every request to an endpoint has.
func addStatic(h http.Header, to destinated, bearer string) {
	if bearer != "" {
		h.Set("Authorization", bearer)
	}
	for _, a := range to.Attributes {
		if a.Type == "Static" {
			h.Set(a.Name, *a.Properties.Value)
		}
	}
}

// next decides what follows an attempt that was not accepted. An event whose time to live ends before the next attempt
// is due is given up at once.
func (d *delivery) next(attempt, status int, err error) (pause time.Duration, again bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.attempts, d.outcome, d.lastAt = attempt, outcomeOf(status, err), d.system.now()
	pause = max(schedule[min(attempt, len(schedule))-1], leastPauses[status])
	switch {
	case slices.Contains(finalStatuses, status):
		d.reason = "UndeliverableDueToHttp" + strconv.Itoa(status)
	case attempt >= *d.retry.Attempts:
		d.reason = "MaxDeliveryAttemptsExceeded"
	case d.age+pause > time.Duration(*d.retry.Minutes)*time.Minute:
		d.reason = "TimeToLiveExceeded"
	default:
		d.age += pause
		return pause, d.kind == "Notification"
	}
	return 0, false
}

// outcomeOf names the outcome of an attempt as the service does.
func outcomeOf(status int, err error) string {
	var lookup *net.DNSError
	switch {
	case isTimeout(err):
		return "TimedOut"
	case errors.As(err, &lookup):
		return "ResolutionError"
	case err != nil:
		return "SocketError"
	}
	name, ok := map[int]string{http.StatusBadRequest: "BadRequest", http.StatusUnauthorized: "Unauthorized",
		http.StatusForbidden: "Forbidden", http.StatusNotFound: "NotFound", http.StatusRequestTimeout: "TimedOut",
		http.StatusRequestEntityTooLarge: "PayloadTooLarge"}[status]
	if !ok {
		return "Busy"
	}
	return name
}

// done keeps what could not be delivered, if the subscription has a place for it; else it is lost.
func (d *delivery) done(delivered bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if delivered || d.dead == nil || d.reason == "" {
		return
	}
	s := d.system
	more := extra{"deadLetterReason": d.reason, "deliveryAttempts": d.attempts, "lastDeliveryOutcome": d.outcome,
		"publishTime": formatTime(d.published), "lastDeliveryAttemptTime": formatTime(d.lastAt)}
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range d.events {
		s.deadLetters = append(s.deadLetters, emulator.DeadLetter{System: s.Name(), Subscription: d.id,
			Store: d.dead.Properties.ResourceID + "/blobServices/default/containers/" + d.dead.Properties.Container,
			Body:  marshal([]json.RawMessage{d.form(&d.events[i], more)})})
	}
	if more := len(s.deadLetters) - maxDeadLetters; more > 0 {
		s.deadLetters = slices.Delete(s.deadLetters, 0, more)
	}
}

// maxDeadLetters bounds how many dead letters are kept: the latest.
const maxDeadLetters = 1000

// DeadLetters implements [emulator.Keeper].
func (s *System) DeadLetters() []emulator.DeadLetter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.deadLetters)
}

var (
	_ emulator.Coder  = (*System)(nil)
	_ emulator.Keeper = (*System)(nil)
)

// The events that happen without a type of their own.
const (
	recordingType = "Microsoft.Communication.RecordingFileStatusUpdated"
	blobCreated   = "Microsoft.Storage.BlobCreated"
	blobDeleted   = "Microsoft.Storage.BlobDeleted"
)

// Happen lets an event of a resource happen: Resource is the resource's id, ChangeType the event's type, and Data its
// data. Data with the member eventType or specversion is a whole event, to which what is missing is added. For a
// Communication Services resource the change types created and updated are a finished recording; for a storage account
// created and deleted are a blob that was created or deleted.
func (s *System) Happen(e emulator.Event) (int, error) {
	id := scopeOf(segmentsOf(e.Resource))
	first := strings.ToLower(nth(segmentsOf(id), 0))
	kind, known := typeOf(resourceType(id), e)
	if first != "subscriptions" && first != "providers" || !known {
		return 0, fmt.Errorf("resource %q with the event type %q %w", e.Resource, e.ChangeType, emulator.ErrUnknown)
	}
	s.mu.Lock()
	t := s.topicByID(canonical(id))
	s.mu.Unlock()
	if resourceType(id) == topicType && t == nil {
		return 0, fmt.Errorf("topic %q %w", e.Resource, emulator.ErrUnknown)
	}
	ev, err := s.makeEvent(id, kind, e.Data)
	if err != nil {
		return 0, err
	}
	return s.flow(id, []event{ev}), nil
}

// typeOf returns the type of an event that happens in a resource of a type.
func typeOf(resource string, e emulator.Event) (kind string, known bool) {
	switch {
	case e.Data["eventType"] != nil || e.Data["specversion"] != nil:
		return e.ChangeType, true
	case resource == "microsoft.communication/communicationservices" &&
		(e.ChangeType == "created" || e.ChangeType == "updated"):
		return recordingType, true
	case resource == "microsoft.storage/storageaccounts" && e.ChangeType == "created":
		return blobCreated, true
	case resource == "microsoft.storage/storageaccounts" && e.ChangeType == "deleted":
		return blobDeleted, true
	}
	return e.ChangeType, strings.Contains(e.ChangeType, ".") || resource == topicType && e.ChangeType != ""
}

// makeEvent returns an event that happens now.
func (s *System) makeEvent(resource, kind string, data map[string]any) (event, error) {
	now := s.now()
	whole := map[string]any{}
	if data["specversion"] != nil {
		for name, value := range map[string]any{"id": emulator.NewID(), "source": topicOf(resource), "type": kind,
			"time": formatTime(now)} {
			whole[name] = value
		}
		for name, value := range data {
			whole[name] = value
		}
		ev, err := cloudEvent(marshal(whole))
		if err != nil {
			err = fmt.Errorf("the event %w", err)
		}
		return ev, err
	}
	if data["eventType"] != nil {
		whole = data
	} else {
		whole["data"] = data
	}
	subject, content := "/", whole["data"]
	if object, ok := content.(map[string]any); kind == recordingType && (ok || content == nil) {
		subject, whole["data"] = recording(now, object)
	}
	for name, value := range map[string]any{"id": emulator.NewID(), "subject": subject, "eventType": kind,
		"dataVersion": "1.0", "eventTime": formatTime(now)} {
		if whole[name] == nil {
			whole[name] = value
		}
	}
	ev, err := gridEvent(marshal(whole), topicOf(resource), formatTime(now))
	if err != nil {
		err = fmt.Errorf("the event %w", err)
	}
	return ev, err
}

// recording returns subject and data of the event that a call was recorded, with what given has.
func recording(now time.Time, given map[string]any) (subject string, data map[string]any) {
	encoded := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	document := "0-weu-d1-" + strings.ReplaceAll(emulator.NewID(), "-", "")
	at := "https://storage.asm.skype.com/v1/objects/" + document
	data = map[string]any{
		"recordingStorageInfo": map[string]any{
			"recordingChunks": []any{map[string]any{"documentId": document, "index": 0,
				"endReason": "SessionEnded", "contentLocation": at + "/content/video",
				"metadataLocation": at + "/content/acsmetadata", "deleteLocation": at}}},
		"recordingStartTime": formatTime(now.Add(-5 * time.Minute)), "recordingDurationMs": 240_000,
		"recordingContentType": "AudioVideo", "recordingChannelType": "Mixed", "recordingFormatType": "Mp4",
		"sessionEndReason": "CallEnded"}
	for name, value := range given {
		data[name] = value
	}
	return "/recording/call/" + emulator.NewID() + "/serverCallId/" + encoded("https://conv.example.net/"+document) +
		"/recordingId/" + encoded(entra.DefaultTenant+document), data
}

// Fault takes expire (event subscriptions end silently) and revoke (somebody deletes them, and their endpoints are
// told). The value is the name of one; "" is all.
func (s *System) Fault(f emulator.Fault) error {
	if f.Kind == emulator.FaultMissed {
		return fmt.Errorf("fault %q %w", f.Kind, emulator.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := f.Value == ""
	for _, sub := range slices.Clone(s.subscriptions) {
		if f.Value != "" && !equalFold(sub.Name, f.Value) {
			continue
		}
		found = true
		if f.Kind == emulator.FaultRevoke {
			s.remove(sub)
		} else {
			sub.expiresAt = s.now()
		}
	}
	if !found {
		return fmt.Errorf("event subscription %q %w", f.Value, emulator.ErrUnknown)
	}
	s.dropExpired()
	return nil
}
