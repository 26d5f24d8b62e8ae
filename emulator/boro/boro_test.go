package boro_test

import (
	"context"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/boro"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/provider"
	receiver "github.com/bellhop-gateway/bellhop/provider/boro"
)

const secretKey = "0069cefd57a7cc707dc642d8646d62ef4910f62c85041bee8065d21724d0681d"

// start starts a project whose profiles post to the rig.
func start(t *testing.T, opts boro.Options) *emulatortest.Rig {
	t.Helper()
	return emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		s, err := boro.New(host, opts)
		if err != nil {
			t.Fatal(err)
		}
		return []emulator.System{s}
	})
}

// happen lets something happen, and checks how many notifications follow.
func happen(t *testing.T, rig *emulatortest.Rig, resource, change string, data map[string]any, want int) {
	t.Helper()
	n, err := rig.Host.Happen(emulator.Event{Resource: resource, ChangeType: change, Data: data})
	if err != nil || n != want {
		t.Fatalf("%s %s: %d notifications, want %d: %v", resource, change, n, want, err)
	}
}

// withProfile gives a project the profile 265 that posts to the rig and signs.
func withProfile(t *testing.T, rig *emulatortest.Rig, more map[string]any) {
	t.Helper()
	data := map[string]any{"name": "Night shift", "url": rig.HookURL + "/in/alarms?a=1,2", "secret_key": secretKey}
	for name, value := range more {
		data[name] = value
	}
	happen(t, rig, "profiles/265", "created", data, 0)
}

// verify checks the signature of a notification as a receiver does.
func verify(t *testing.T, rig *emulatortest.Rig, n emulatortest.Notification) {
	t.Helper()
	key, err := hex.DecodeString(secretKey)
	if err != nil {
		t.Fatal(err)
	}
	m := receiver.Message{Method: http.MethodPost, URI: n.Target, Header: n.Header, Body: n.Text}
	if err := receiver.Verify(m, "265", [][]byte{key}, rig.Now(), time.Second); err != nil {
		t.Errorf("%s: %v", n.Text, err)
	}
}

// TestAlarm: an alarm has one reference from its begin to its end; its messages are numbered, and dated by the clock
// of the server with its offset.
func TestAlarm(t *testing.T) {
	t.Parallel()
	rig := start(t, boro.Options{})
	withProfile(t, rig, nil)
	next := func(change string, data map[string]any) map[string]any {
		happen(t, rig, "tasks/News DASH", change, data, 1)
		n := rig.Next()
		verify(t, rig, n)
		return n.Body
	}
	began := next("Active", nil)
	rig.Pass(90 * time.Second)
	updated := next("active", map[string]any{"level": "critical"})
	other := next("Active", map[string]any{"trigger": "HTTP error", "subtask_uri": "http://origin.example.net/a",
		"details": map[string]any{"curl_error": map[string]any{"code": 28}}})
	if ended := next("Cleared", map[string]any{"trigger": "HTTP error",
		"subtask_uri": "http://origin.example.net/a", "level": "minor"}); ended["details"] == nil ||
		ended["level"] != "minor" || ended["referenceNumber"] != other["referenceNumber"] ||
		ended["status"] != "Cleared" {
		t.Errorf("its end is %v", ended)
	}
	cleared := next("Cleared", nil)
	again := next("Active", nil)
	event := next("Event", nil)
	for i, n := range []map[string]any{began, updated, other, nil, cleared, again, event} {
		if n == nil {
			continue
		}
		if n["sequenceId"] != float64(i+1) || n["version"] != "1.1" || n["task_name"] != "News DASH" ||
			n["profile_name"] != "Night shift" || n["project_name"] != "Contoso Broadcast" || n["probe_name"] == nil {
			t.Errorf("message %d is %v", i+1, n)
		}
	}
	reference := began["referenceNumber"]
	if reference == nil || updated["referenceNumber"] != reference || cleared["referenceNumber"] != reference ||
		other["referenceNumber"] == reference || again["referenceNumber"] == reference ||
		event["referenceNumber"] != nil {
		t.Errorf("references: %v, %v, %v, %v, %v, %v", reference, updated["referenceNumber"], other["referenceNumber"],
			cleared["referenceNumber"], again["referenceNumber"], event["referenceNumber"])
	}
	if began["time"] != "2026-11-29T17:00:00.000+07:00" || cleared["time"] != began["time"] ||
		cleared["level"] != "critical" || cleared["time_end"] != "2026-11-29T17:01:30.000+07:00" ||
		cleared["duration"] != "1 min 30 s" {
		t.Errorf("it began %v, and %v", began["time"], cleared)
	}
	if updated["level"] != "critical" || other["trigger"] != "HTTP error" || other["details"] == nil ||
		len(other["links"].([]any)) != 3 || len(began["links"].([]any)) != 2 {
		t.Errorf("the data are not those that were given: %v, %v", updated, other)
	}
	if event["status"] != "Event" || event["trigger"] != "CC error" || event["time_end"] != nil {
		t.Errorf("the event is %v", event)
	}
}

// TestReceived: the provider's own receiver takes the messages of a profile, as events with their subject and number.
func TestReceived(t *testing.T) {
	t.Parallel()
	rig := start(t, boro.Options{})
	withProfile(t, rig, map[string]any{"headers": map[string]any{"X-Site": "north",
		"Content-Type": "application/vnd.boro+json"}})
	source, err := receiver.Provider{}.Open(provider.Env{Now: rig.Now},
		[]byte(`{"profile_id":"265","secret_key":"`+secretKey+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ resource, change, want string }{
		{"tasks/Multicast 1", "Active", "boro.Active"}, {"tasks/Multicast 1", "Cleared", "boro.Cleared"},
		{"tasks/Multicast 1", "Event", "boro.Event"}, {"profiles/265", "test", "boro.Event"},
	} {
		happen(t, rig, c.resource, c.change, nil, 1)
		n := rig.Next()
		receipt, err := source.Receive(context.Background(),
			&provider.Request{Method: http.MethodPost, Target: n.Target,
				Header: n.Header, Body: n.Text})
		if err != nil || len(receipt.Events) != 1 || receipt.Events[0].Type != c.want {
			t.Errorf("%s %s: %+v, %v", c.resource, c.change, receipt, err)
		}
		if n.Header.Get("X-Site") != "north" || n.Header.Get("Content-Type") != "application/vnd.boro+json" {
			t.Errorf("the custom headers are %v", n.Header)
		}
	}
}

// TestProfiles: each profile posts what its filters want, with numbers of its own; one without a key does not sign.
func TestProfiles(t *testing.T) {
	t.Parallel()
	rig := start(t, boro.Options{})
	withProfile(t, rig, nil)
	happen(t, rig, "profiles/266", "created", map[string]any{"url": rig.HookURL + "/open",
		"levels": []string{"critical"}}, 0)
	happen(t, rig, "tasks/a", "Active", nil, 1)
	if n := rig.Next(); n.Target != "/in/alarms?a=1,2" {
		t.Errorf("posted to %s", n.Target)
	}
	happen(t, rig, "tasks/a", "Active", map[string]any{"level": "critical"}, 2)
	got := map[string]emulatortest.Notification{}
	for range 2 {
		n := rig.Next()
		got[n.Target] = n
	}
	open := got["/open"]
	if open.Body["sequenceId"] != 1.0 || open.Body["profile_name"] != "Profile 266" ||
		open.Header.Get("Authorization") != "" {
		t.Errorf("the profile without a key posted %s with %v", open.Text, open.Header)
	}
	if n := got["/in/alarms?a=1,2"]; n.Body["sequenceId"] != 2.0 {
		t.Errorf("the other one posted %s", n.Text)
	}
	happen(t, rig, "tasks/a", "Cleared", map[string]any{"profile": 265.0, "level": "critical"}, 1)
	rig.Next()
	happen(t, rig, "profiles/265", "updated", map[string]any{"off": true}, 0)
	happen(t, rig, "profiles/266", "deleted", nil, 0)
	happen(t, rig, "tasks/a", "Event", nil, 0)
}

// TestFaults: numbers are missing after missed, the test message comes twice, and a profile that was switched off is
// silent until a reset.
func TestFaults(t *testing.T) {
	t.Parallel()
	rig := start(t, boro.Options{Pauses: []time.Duration{time.Minute}})
	withProfile(t, rig, nil)
	fault := func(f emulator.Fault) {
		t.Helper()
		if err := rig.Host.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	fault(emulator.Fault{Kind: emulator.FaultMissed, Value: "265"})
	rig.RefuseNext(500)
	happen(t, rig, "tasks/a", "Event", nil, 1)
	n := rig.Next() // the second attempt
	if n.Body["sequenceId"] != 2.0 {
		t.Errorf("the message after a lost one is %s", n.Text)
	}
	verify(t, rig, n)
	fault(emulator.Fault{Kind: emulator.FaultDuplicate})
	happen(t, rig, "profiles/265", "test", nil, 1)
	if first, second := rig.Next(), rig.Next(); string(first.Text) != string(second.Text) {
		t.Errorf("%s came, then %s", first.Text, second.Text)
	}
	fault(emulator.Fault{Kind: emulator.FaultRevoke})
	happen(t, rig, "tasks/a", "Event", nil, 0)
	for _, f := range []emulator.Fault{{Kind: emulator.FaultRevoke, Value: "1"}, {Kind: emulator.FaultExpire}} {
		if err := rig.Host.Fault(f); err == nil {
			t.Errorf("%+v is taken", f)
		}
	}
}

// TestWrong: what cannot happen is refused, with what there is.
func TestWrong(t *testing.T) {
	t.Parallel()
	rig := start(t, boro.Options{Profiles: []boro.Profile{{Name: "Without a URL"}}})
	for _, c := range []struct {
		event emulator.Event
		want  string
	}{
		{emulator.Event{Resource: "alarms/1", ChangeType: "Active"}, "there are tasks/NAME and profiles/ID"},
		{emulator.Event{Resource: "tasks/", ChangeType: "Active"}, "there are tasks/NAME and profiles/ID"},
		{emulator.Event{Resource: "tasks/a", ChangeType: "updated"}, "there are Active, Cleared, Event"},
		{emulator.Event{Resource: "tasks/a", ChangeType: "Cleared"}, "let it begin first"},
		{emulator.Event{Resource: "tasks/a", ChangeType: "Event", Data: map[string]any{"profile": "7"}},
			`profile "7" is not`},
		{emulator.Event{Resource: "tasks/a", ChangeType: "Event", To: "nowhere"}, `"nowhere" is no URL`},
		{emulator.Event{Resource: "profiles/7", ChangeType: "test"}, `profile "7" is not known`},
		{emulator.Event{Resource: "profiles/265", ChangeType: "test"}, "profile 265 has no URL"},
		{emulator.Event{Resource: "profiles/265", ChangeType: "moved"}, "created, updated, deleted and test"},
		{emulator.Event{Resource: "profiles/7", ChangeType: "created", Data: map[string]any{"secret_key": "xyz"}},
			"secret_key"},
		{emulator.Event{Resource: "profiles/7", ChangeType: "created", Data: map[string]any{"key": "00"}},
			`unknown field "key"`},
	} {
		if _, err := rig.Host.Happen(c.event); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.event, err)
		}
	}
	if n, err := rig.Host.Happen(emulator.Event{Resource: "tasks/a", ChangeType: "Event"}); n != 0 || err != nil {
		t.Errorf("a profile without a URL posts: %d, %v", n, err)
	}
	if n, err := rig.Host.Happen(emulator.Event{Resource: "tasks/a", ChangeType: "Event", To: rig.HookURL}); n != 1 ||
		err != nil {
		t.Errorf("an event with a URL is not posted: %d, %v", n, err)
	}
	rig.Next()
	if _, err := boro.New(rig.Host, boro.Options{Profiles: []boro.Profile{{}, {SecretKey: "no hex"}}}); err == nil ||
		!strings.Contains(fmt.Sprint(err), "profiles[1].secret_key") {
		t.Errorf("a key that is no hex: %v", err)
	}
}
