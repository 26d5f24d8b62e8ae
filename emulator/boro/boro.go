// Package boro is a stand-in for Elecard Boro, which monitors video streams: a project whose notification profiles
// post the alarms of its tasks, signed, with custom headers, one in each request.
//
// The project has no API here. Something happens in it by [System.Happen]: an alarm begins, ends, or is one moment; a
// profile is changed, or sends its test message. Source:
// https://boro.elecard.com/docs/en/UserGuide/Introduction/description.html, chapter Webhook
package boro

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/sender"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/boro"
)

// A Profile is a notification profile. It signs if it has a secret key.
type Profile struct {
	ID        string            `json:"profile_id"` // "" is DefaultProfile
	Name      string            `json:"name"`       // "" is "Profile " and the id
	URL       string            `json:"url"`
	SecretKey string            `json:"secret_key"` // in hex
	Headers   map[string]string `json:"headers"`    // custom ones; they may replace Content-Type and User-Agent
	Levels    []string          `json:"levels"`     // of the alarms that it posts; nil is all
	Triggers  []string          `json:"triggers"`   // likewise
	Off       bool              `json:"off"`        // it posts nothing
}

// DefaultProfile is the id of a profile that names none.
const DefaultProfile = "265"

// Options change the stand-in.
type Options struct {
	Project  string // "" is "Contoso Broadcast"
	Probe    string // "" is "Probe North 2"
	Profiles []Profile
	// Pauses are those between the attempts of a notification. Nil makes one attempt: of retries nothing is published.
	Pauses []time.Duration
	Zone   *time.Location // of the times in notifications; nil is +07:00, so that nobody takes it for UTC
}

// answerWithin is how long a receiver may take.
const answerWithin = 10 * time.Second

// A System is the stand-in. It is safe for concurrent use.
type System struct {
	sender.NoAPI
	host *emulator.Host
	opts Options

	mu        sync.Mutex // guards the fields below
	profiles  []*profile
	alarms    map[string]alarm // the active ones, by task, representation and trigger
	reference int64            // of the latest alarm
}

// A profile is a Profile that is ready to send.
type profile struct {
	Profile
	renderer provider.Renderer
	sequence int64 // number of its latest message
}

// An alarm is an active one.
type alarm struct {
	reference int64
	began     time.Time
	data      map[string]any // that it was given, such as its level
}

// New returns a stand-in on host. The error has bellhop.CodeInvalid with paths such as "profiles[0].secret_key".
func New(host *emulator.Host, opts Options) (*System, error) {
	if opts.Project == "" {
		opts.Project = "Contoso Broadcast"
	}
	if opts.Probe == "" {
		opts.Probe = "Probe North 2"
	}
	if opts.Zone == nil {
		opts.Zone = time.FixedZone("", 7*60*60)
	}
	s := &System{host: host, opts: opts}
	var errs []error
	for i, p := range opts.Profiles {
		_, err := s.open(p)
		errs = append(errs, bellhop.Join(fmt.Sprintf("profiles[%d]", i), err))
	}
	if err := errors.Join(errs...); err != nil {
		return nil, err
	}
	s.Reset()
	return s, nil
}

// sendSettings are settings of a destination of the provider.
type sendSettings struct {
	ProfileID string            `json:"profile_id,omitempty"`
	SecretKey string            `json:"secret_key,omitempty"`
	Headers   map[string]string `json:"headers,omitempty"`
	Levels    []string          `json:"levels,omitempty"`
	Triggers  []string          `json:"triggers,omitempty"`
}

// open makes a profile ready.
func (s *System) open(p Profile) (*profile, error) {
	if p.ID == "" {
		p.ID = DefaultProfile
	}
	if p.Name == "" {
		p.Name = "Profile " + p.ID
	}
	settings := sendSettings{Headers: p.Headers, Levels: p.Levels, Triggers: p.Triggers}
	if p.SecretKey != "" {
		settings.ProfileID, settings.SecretKey = p.ID, p.SecretKey
	}
	raw, err := json.Marshal(settings)
	if err != nil {
		return nil, fmt.Errorf("profile %s: %w", p.ID, err)
	}
	renderer, err := sender.Open(s.host, boro.Provider{}, raw)
	if err != nil {
		return nil, err
	}
	return &profile{Profile: p, renderer: renderer}, nil
}

// Name returns "boro".
func (s *System) Name() string { return "boro" }

// now is the time of the clock of this system.
func (s *System) now() time.Time { return s.host.NowOf(s.Name()) }

// Reset forgets the alarms, and has the profiles of the options again, whose messages are numbered from 1.
func (s *System) Reset() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.profiles, s.alarms, s.reference = nil, map[string]alarm{}, 9300000
	for _, p := range s.opts.Profiles {
		opened, err := s.open(p)
		if err != nil {
			panic(fmt.Sprintf("emulator/boro: %v", err)) // New has opened it before
		}
		s.profiles = append(s.profiles, opened)
	}
}

// Fault takes missed (the next message of a profile has a number more, as if one was lost) and revoke (a profile is
// switched off). The value is the id of a profile; "" is all.
func (s *System) Fault(f emulator.Fault) error {
	if f.Kind != emulator.FaultMissed && f.Kind != emulator.FaultRevoke {
		return fmt.Errorf("fault %s %w", f.Kind, emulator.ErrUnknown)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	found := f.Value == ""
	for _, p := range s.profiles {
		if f.Value != "" && p.ID != f.Value {
			continue
		}
		found = true
		if f.Kind == emulator.FaultMissed {
			p.sequence++
		} else {
			p.Off = true
		}
	}
	if !found {
		return fmt.Errorf("profile %q %w", f.Value, emulator.ErrUnknown)
	}
	return nil
}

// Happen lets something happen:
//
//	tasks/NAME    Active   an alarm begins; while it is active, another Active is an update with the same reference
//	              Cleared  it ends
//	              Event    something happens that has no end
//	profiles/ID   created, updated   it has the data: name, url, secret_key, headers, levels, triggers, off
//	              deleted
//	              test     it sends its test message
//
// The data of a task are members of the notification, such as trigger, level, task_uri, subtask_uri, count and
// details; trigger and subtask_uri say which alarm of the task it is, whose end has the data that it had while it was
// active. The member profile names the one profile that posts it. The member To of e is the URL, in place of that of
// the profiles.
func (s *System) Happen(e emulator.Event) (int, error) {
	set, name, _ := strings.Cut(strings.Trim(e.Resource, "/"), "/")
	if name == "" || set != "tasks" && set != "profiles" {
		return 0, fmt.Errorf("resource %q %w; there are tasks/NAME and profiles/ID", e.Resource, emulator.ErrUnknown)
	}
	if e.To != "" && !isURL(e.To) {
		return 0, fmt.Errorf("to: %q is no URL", e.To)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if set == "tasks" {
		return s.alarm(name, e)
	}
	return s.change(name, e)
}

func isURL(text string) bool {
	u, err := url.Parse(text)
	return err == nil && u.Host != ""
}

// change changes a profile, or has it send its test message. The caller holds s.mu.
func (s *System) change(id string, e emulator.Event) (int, error) {
	i := slices.IndexFunc(s.profiles, func(p *profile) bool { return p.ID == id })
	kind := strings.ToLower(e.ChangeType)
	if i < 0 && kind != "created" && kind != "updated" {
		return 0, fmt.Errorf("profile %q %w", id, emulator.ErrUnknown)
	}
	switch kind {
	case "created", "updated":
		next := Profile{ID: id}
		if i >= 0 {
			next = s.profiles[i].Profile
		}
		if e.To != "" {
			next.URL = e.To
		}
		text, err := json.Marshal(e.Data)
		if err != nil {
			return 0, fmt.Errorf("data: %w", err)
		}
		d := json.NewDecoder(bytes.NewReader(text))
		d.DisallowUnknownFields()
		if err := d.Decode(&next); err != nil {
			return 0, fmt.Errorf("data is no profile: %w", err)
		}
		next.ID = id
		opened, err := s.open(next)
		switch {
		case err != nil:
			return 0, err
		case i >= 0:
			opened.sequence = s.profiles[i].sequence
			s.profiles[i] = opened
		default:
			s.profiles = append(s.profiles, opened)
		}
		return 0, nil
	case "deleted":
		s.profiles = slices.Delete(s.profiles, i, i+1)
		return 0, nil
	case "test":
		return s.post(s.profiles[i], e.To, boro.TestMessage(s.now().In(s.opts.Zone)))
	}
	return 0, fmt.Errorf("change type %q of a profile %w; there are created, updated, deleted and test", e.ChangeType,
		emulator.ErrUnknown)
}

// post has a profile post a notification. It returns 0 if its filters do not want it. The caller holds s.mu.
func (s *System) post(p *profile, to string, body []byte) (int, error) {
	if to == "" {
		to = p.URL
	}
	if !isURL(to) {
		return 0, fmt.Errorf("profile %s has no URL; set it, or name one as \"to\"", p.ID)
	}
	ev := sender.NewEvent(emulator.NewID(), "boro.notification", s.now(), body)
	err := sender.Send(s.host, sender.Post{System: s.Name(), URL: to, Event: ev, Renderer: p.renderer,
		Timeout: answerWithin, Pauses: s.opts.Pauses})
	switch {
	case errors.Is(err, provider.ErrSkip):
		return 0, nil
	case err != nil:
		return 0, err
	}
	return 1, nil
}
