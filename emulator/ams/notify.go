package ams

import (
	"cmp"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
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

// progress is the change type of a task's progress.
const progress = "Progress"

// Happen lets a job or a task change its state: the resource is "jobs/ID" or "tasks/ID", where the id may be left out
// for a new one, and the change type is the state, such as "Finished". Of a task it can be "Progress", with the member
// LastComputedProgress of the data. A job that was submitted goes to that state at once, and tells its subscribers. Of
// any other id there is a job from then on, with an output asset; all endpoints are told of it, or the one that the
// member NotificationEndPoint of the data names by id or name. The other data are further properties of the
// notification, such as JobName and, for a task, JobId.
//
// The resource "assets" with the change type "created" makes an asset: data has its Name, and Files, a list of names.
func (s *System) Happen(e emulator.Event) (int, error) {
	set, id, _ := strings.Cut(strings.Trim(e.Resource, "/"), "/")
	set = strings.ToLower(set)
	state := slices.IndexFunc(states, func(state string) bool { return strings.EqualFold(state, e.ChangeType) })
	progresses := set == "tasks" && strings.EqualFold(e.ChangeType, progress)
	switch {
	case set == "assets" && id == "" && e.ChangeType == "created":
		return 0, s.happenAsset(e.Data)
	case set != "jobs" && set != "tasks":
		return 0, fmt.Errorf("resource %q with %q %w; there are jobs/ID, tasks/ID, and assets with created",
			e.Resource, e.ChangeType, emulator.ErrUnknown)
	case state < 0 && !progresses:
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
	s.advance()
	known := slices.ContainsFunc(s.endpoints, func(to *endpoint) bool { return to.id == only || to.name == only })
	if only != "" && !known {
		return 0, fmt.Errorf("notification endpoint %q %w", only, emulator.ErrUnknown)
	}
	if set == "jobs" {
		return s.happenJob(fullID(jobs, id), state, only, properties), nil
	}
	return s.happenTask(fullID(tasks, id), state, only, properties), nil
}

// fullID returns the id of a job or a task with its prefix; a new one for "".
func fullID(of *kind, id string) string {
	if id == "" {
		id = emulator.NewID()
	}
	if strings.Contains(id, ":") {
		return id
	}
	return of.prefix + id
}

// happenAsset makes an asset.
func (s *System) happenAsset(data map[string]any) error {
	name, _ := data["Name"].(string)
	list, _ := data["Files"].([]any)
	var files []string
	for _, file := range list {
		files = append(files, fmt.Sprint(file))
	}
	if name == "" {
		return errors.New(`data: give the asset a Name, such as {"Name":"harbour tour","Files":["harbour tour.mp4"]}`)
	}
	s.AddAsset(name, files...)
	return nil
}

// happenJob takes a job to a state. The caller holds s.mu.
func (s *System) happenJob(id string, state int, only string, properties map[string]string) int {
	j := s.job(id)
	if j == nil {
		j = s.jobByHand(id, properties["JobName"])
	}
	old := j.state
	told := s.moveJob(j, state)
	if !j.byHand && only == "" {
		return told
	}
	for name, value := range j.properties(old, state) {
		if name == "NewState" || name == "JobId" {
			properties[name] = value
		}
		setDefault(properties, name, value)
	}
	return told + s.tellAll(only, jobStateChange, properties)
}

// happenTask takes a task to a state, or tells of its progress if the state is negative. The caller holds s.mu.
func (s *System) happenTask(id string, state int, only string, properties map[string]string) int {
	for _, j := range s.jobs {
		i := slices.IndexFunc(j.tasks, func(t *task) bool { return strings.EqualFold(t.id, id) })
		switch {
		case i < 0 || only != "":
		case state < 0:
			percent, _ := strconv.ParseFloat(properties["LastComputedProgress"], 64) // 0 if it is none
			return s.setProgress(j, j.tasks[i], percent)
		default:
			return s.setTask(j, j.tasks[i], state, s.now())
		}
	}
	properties["TaskId"] = id
	setDefault(properties, "JobId", jobs.prefix+emulator.NewID())
	if state < 0 {
		setDefault(properties, "LastComputedProgress", "50")
		return s.tellAll(only, taskProgress, properties)
	}
	setDefault(properties, "OldState", cmp.Or(s.told[id], states[queued]))
	properties["NewState"] = states[state]
	s.told[id] = states[state]
	return s.tellAll(only, taskStateChange, properties)
}

// tellAll tells all endpoints, or the one of that id or name, and returns how many. The caller holds s.mu.
func (s *System) tellAll(only string, eventType int, properties map[string]string) (told int) {
	for _, to := range s.endpoints {
		if only == "" || to.id == only || to.name == only {
			told += s.tell(to, eventType, maps.Clone(properties))
		}
	}
	return told
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
