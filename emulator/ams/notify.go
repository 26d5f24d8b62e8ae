package ams

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/ams"
)

// The numbers of EventType.
const (
	jobStateChange  = 1
	registration    = 2
	unregistration  = 3
	taskStateChange = 4
	taskProgress    = 5
)

// A notice is the body of a notification.
type notice struct {
	MessageVersion string
	ETag           string
	EventType      int
	TimeStamp      string
	Properties     map[string]string
}

// pauses are those between the attempts of a notification. Microsoft has published none: they grow to an hour, and end
// after a day.
var pauses = func() []time.Duration {
	list := []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute}
	for range 24 {
		list = append(list, time.Hour)
	}
	return list
}()

// answerWithin is how long a receiver may take.
const answerWithin = 30 * time.Second

// tell sends a notification to an endpoint, if it is a webhook. It is signed if the endpoint has a key. The caller
// holds s.mu.
func (s *System) tell(e *endpoint, eventType int, properties map[string]string) (sent int) {
	if e.kind != webHook {
		return 0
	}
	var etag [32]byte
	rand.Read(etag[:])
	properties["NotificationEndPointId"] = e.id
	properties["AccountName"], properties["AccountId"] = AccountName, AccountID
	body, err := json.Marshal(notice{MessageVersion: "1.1", ETag: hex.EncodeToString(etag[:]), EventType: eventType,
		TimeStamp: s.now().UTC().Format("2006-01-02T15:04:05.0000000Z"), Properties: properties})
	if err != nil {
		panic(err) // it is made of texts
	}
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"},
		strings.ToLower(ams.AccountHeader): {AccountID}} // in lower case, as on the wire
	if e.key != nil {
		signed, err := ams.Sign(body, e.key)
		if err != nil {
			panic(err) // the key is not empty
		}
		header[strings.ToLower(ams.SignatureHeader)] = []string{signed}
	}
	s.host.Notify(emulator.Notification{System: s.Name(), URL: e.address, Header: header, Body: body,
		Timeout: answerWithin, Pauses: pauses})
	return 1
}

// tellRegistered tells an endpoint that it was registered, or is not any more. The caller holds s.mu.
func (s *System) tellRegistered(e *endpoint, registered bool) {
	eventType, state := registration, "Registered"
	if !registered {
		eventType, state = unregistration, "Unregistered"
	}
	s.tell(e, eventType, map[string]string{"State": state, "Name": e.name,
		"Created": e.created.UTC().Format("2006-01-02T15:04:05")})
}

// states are the states of jobs and tasks.
var states = []string{"Queued", "Scheduled", "Processing", "Finished", "Error", "Canceled", "Canceling"}

// progress is the change type of a task's progress.
const progress = "Progress"

// Happen lets a job or a task change its state: the resource is "jobs/ID" or "tasks/ID", where the id may be left out
// for a new one, and the change type is the state, such as "Finished". Of a task it can be "Progress", with the member
// LastComputedProgress of the data. The data are further properties, such as JobName and, for a task, JobId. The
// member NotificationEndPoint names the one endpoint, by id or name, that is told; all are otherwise.
func (s *System) Happen(e emulator.Event) (int, error) {
	set, id, _ := strings.Cut(strings.Trim(e.Resource, "/"), "/")
	isTask := strings.EqualFold(set, "tasks")
	at := slices.IndexFunc(slices.Concat(states, []string{progress}), func(state string) bool {
		return strings.EqualFold(state, e.ChangeType)
	})
	switch {
	case !isTask && !strings.EqualFold(set, "jobs"):
		return 0, fmt.Errorf("resource %q %w; there are jobs/ID and tasks/ID", e.Resource, emulator.ErrUnknown)
	case at < 0 || at == len(states) && !isTask:
		return 0, fmt.Errorf("state %q of %s %w; there are %s and, for tasks, %s", e.ChangeType, set,
			emulator.ErrUnknown, strings.Join(states, ", "), progress)
	}
	properties := map[string]string{}
	only := ""
	for name, value := range e.Data {
		if name == "NotificationEndPoint" {
			only = fmt.Sprint(value)
			continue
		}
		properties[name] = fmt.Sprint(value)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	eventType, prefix := jobStateChange, "nb:jid:UUID:"
	if isTask {
		eventType, prefix = taskStateChange, "nb:tid:UUID:"
		setDefault(properties, "JobId", "nb:jid:UUID:"+emulator.NewID())
	}
	if id == "" {
		id = emulator.NewID()
	}
	if !strings.Contains(id, ":") {
		id = prefix + id
	}
	if at == len(states) {
		eventType = taskProgress
		setDefault(properties, "LastComputedProgress", "50")
	} else {
		old := s.states[id]
		if old == "" {
			old = states[0]
		}
		setDefault(properties, "OldState", old)
		properties["NewState"] = states[at]
		s.states[id] = states[at]
	}
	if isTask {
		properties["TaskId"] = id
	} else {
		properties["JobId"] = id
	}
	notified := 0
	for _, to := range s.endpoints {
		if only != "" && to.id != only && to.name != only {
			continue
		}
		notified += s.tell(to, eventType, maps.Clone(properties))
	}
	if only != "" && notified == 0 {
		return 0, fmt.Errorf("notification endpoint %q %w", only, emulator.ErrUnknown)
	}
	return notified, nil
}

func setDefault(properties map[string]string, name, value string) {
	if properties[name] == "" {
		properties[name] = value
	}
}

// Fault takes revoke (endpoints are removed, and told so) and expire (they are removed without a word). The value is
// the id or the name of one; "" is all.
func (s *System) Fault(f emulator.Fault) error {
	if f.Kind != emulator.FaultRevoke && f.Kind != emulator.FaultExpire {
		return fmt.Errorf("fault %s %w", f.Kind, emulator.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := f.Value == ""
	for _, e := range slices.Clone(s.endpoints) {
		if f.Value != "" && e.id != f.Value && e.name != f.Value {
			continue
		}
		found = true
		if f.Kind == emulator.FaultRevoke {
			s.remove(e)
		} else {
			s.endpoints = slices.DeleteFunc(s.endpoints, func(other *endpoint) bool { return other == e })
		}
	}
	if !found {
		return fmt.Errorf("notification endpoint %q %w", f.Value, emulator.ErrUnknown)
	}
	return nil
}
