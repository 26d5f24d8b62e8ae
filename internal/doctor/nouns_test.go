package doctor

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

var now = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// named compares the names of the nouns of a finding, and what is said of the first.
func named(t *testing.T, what string, f Finding, names, first string) {
	t.Helper()
	var got []string
	for _, n := range f.Nouns {
		got = append(got, n.Name)
	}
	if strings.Join(got, " ") != names || len(f.Nouns) > 0 && f.Nouns[0].Message != first {
		t.Errorf("%s: %+v, want %s, the first %q", what, f.Nouns, names, first)
	}
}

func TestConnections(t *testing.T) {
	ready := bellhop.Connection{Name: "a", State: bellhop.ConnectionReady}
	failing := bellhop.Connection{Name: "b", State: bellhop.ConnectionFailing, Reason: "answered 503"}
	out := bellhop.Connection{Name: "c", State: bellhop.ConnectionSignedOut, Reason: "consent is gone: sign in"}
	expect(t, "none", Connections(nil), OK, "there are none")
	expect(t, "well", Connections([]bellhop.Connection{ready}), OK, "1 connection works")
	f := Connections([]bellhop.Connection{ready, failing})
	expect(t, "failing", f, Warning, "1 connection fails")
	named(t, "failing", f, "b", "answered 503")
	f = Connections([]bellhop.Connection{failing, ready, out})
	expect(t, "signed out", f, Failed, "2 connections do not work")
	named(t, "signed out", f, "c b", "consent is gone: sign in")
}

func TestSubscriptions(t *testing.T) {
	live := bellhop.Subscription{Name: "live", State: bellhop.SubscriptionActive, ExpiresAt: now.Add(time.Minute),
		CreatedAt: now.Add(-time.Hour)}
	with := func(name string, change func(s *bellhop.Subscription)) bellhop.Subscription {
		s := live
		s.Name = name
		change(&s)
		return s
	}
	for what, c := range map[string]struct {
		sub     bellhop.Subscription
		state   State
		message string
	}{
		"live": {live, OK, ""},
		"paused": {with("x", func(s *bellhop.Subscription) {
			s.State, s.LostAt = bellhop.SubscriptionPaused, now
		}), OK, ""},
		"failed": {with("x", func(s *bellhop.Subscription) {
			s.State, s.Reason = bellhop.SubscriptionFailed, "401 consent gone"
		}), Failed, "failed: 401 consent gone"},
		"being deleted": {with("x", func(s *bellhop.Subscription) {
			s.State, s.Deleting = bellhop.SubscriptionFailed, true
		}), OK, ""},
		"over": {with("x", func(s *bellhop.Subscription) { s.ExpiresAt = now.Add(-3 * time.Hour) }), Failed,
			"expired 3 h ago"},
		"never ends": {with("x", func(s *bellhop.Subscription) { s.ExpiresAt = time.Time{} }), OK, ""},
		"not renewed": {with("x", func(s *bellhop.Subscription) {
			s.Failures, s.ExpiresAt = 3, now.Add(30*time.Minute)
		}), Warning, "ends in 30 min, and its renewal failed 3 times"},
		"not renewed, in time": {with("x", func(s *bellhop.Subscription) {
			s.Failures, s.ExpiresAt = 3, now.Add(30*time.Hour)
		}), OK, ""},
		"never made": {with("x", func(s *bellhop.Subscription) { s.State = bellhop.SubscriptionPending }), Warning,
			"pending, for 60 min"},
		"being made": {with("x", func(s *bellhop.Subscription) {
			s.State, s.CreatedAt = bellhop.SubscriptionPending, now.Add(-time.Minute)
		}), OK, ""},
		"loses": {with("x", func(s *bellhop.Subscription) { s.LostAt = now.Add(-time.Hour) }), Warning,
			"notifications may be lost since 2026-11-30 11:00 UTC"},
	} {
		f := Subscriptions([]bellhop.Subscription{c.sub, live}, now)
		expect(t, what, f, c.state, "")
		if c.message != "" {
			named(t, what, f, "x", c.message)
		}
	}
}

func TestDestinations(t *testing.T) {
	active := bellhop.Destination{ID: "dst_1", Name: "a", State: bellhop.DestinationActive}
	well := func(string) Health { return Health{} }
	for what, c := range map[string]struct {
		d       bellhop.Destination
		health  Health
		state   State
		message string
	}{
		"active":  {active, Health{}, OK, ""},
		"paused":  {bellhop.Destination{Name: "a", State: bellhop.DestinationPaused}, Health{}, OK, ""},
		"expired": {bellhop.Destination{Name: "a", State: bellhop.DestinationExpired}, Health{}, OK, ""},
		"disabled": {bellhop.Destination{Name: "a", State: bellhop.DestinationDisabled,
			StateReason: "it answered 410"}, Health{}, Failed, "disabled: it answered 410"},
		"failing": {bellhop.Destination{Name: "a", State: bellhop.DestinationActive, FailingSince: now},
			Health{}, Failed, "fails since 2026-11-30 12:00 UTC"},
		"not opened": {active, Health{Closed: "settings.secret: required"}, Failed,
			"cannot be opened: settings.secret: required"},
		"asked": {bellhop.Destination{Name: "a", State: bellhop.DestinationUnverified}, Health{}, Warning,
			"its receiver has not agreed"},
		"a where fails": {active, Health{MatchError: bellhop.MatchError{At: now, Message: "data is nil", Count: 2}},
			Warning, "its where failed 2 times, last: data is nil"},
		"a where failed": {active, Health{MatchError: bellhop.MatchError{At: now.Add(-2 * time.Hour), Count: 2}}, OK,
			""},
	} {
		f := Destinations([]bellhop.Destination{c.d}, func(string) Health { return c.health }, now)
		expect(t, what, f, c.state, "")
		if c.message != "" {
			named(t, what, f, "a", c.message)
		}
	}
	expect(t, "none", Destinations(nil, well, now), OK, "there are none")
	var many []bellhop.Destination
	for i := range 30 {
		many = append(many, bellhop.Destination{Name: fmt.Sprint(i), State: bellhop.DestinationDisabled})
	}
	f := Destinations(many, well, now)
	expect(t, "many", f, Failed, "30 destinations do not take all of their events; the first 20 are named")
	if len(f.Nouns) != 20 {
		t.Errorf("%d are named", len(f.Nouns))
	}
}

func TestDeliveries(t *testing.T) {
	backlog := func(pending, dead int64, age time.Duration) bellhop.Backlog {
		b := bellhop.Backlog{Destinations: []bellhop.DestinationBacklog{{Name: "a", Pending: pending, Dead: dead},
			{Name: "b"}}}
		if pending > 0 {
			b.OldestPendingAt = now.Add(-age)
		}
		return b
	}
	expect(t, "none", Deliveries(backlog(0, 0, 0), now), OK, "0 wait, none is dead")
	expect(t, "some", Deliveries(backlog(7, 0, time.Minute), now), OK, "7 wait, the oldest for 60 s, none is dead")
	expect(t, "late", Deliveries(backlog(7, 0, time.Hour), now), Warning, "7 wait, the oldest for 60 min")
	f := Deliveries(backlog(7, 3, time.Hour), now)
	expect(t, "dead", f, Warning, "7 wait, the oldest for 60 min, 3 are dead: 1 destination has dead deliveries")
	named(t, "dead", f, "a", "3 dead")
}

func TestSources(t *testing.T) {
	daily := bellhop.Source{ID: "src_1", Name: "a", ExpectEvery: 24 * time.Hour,
		CreatedAt: now.Add(-90 * 24 * time.Hour)}
	spoke := func(ago time.Duration) map[string]bellhop.SourceNotes {
		return map[string]bellhop.SourceNotes{"src_1": {LastEventAt: now.Add(-ago)}}
	}
	sources := []bellhop.Source{daily, {ID: "src_2", Name: "b"}}
	expect(t, "in time", Sources(sources, spoke(23*time.Hour), nil, now), OK, "1 of those")
	f := Sources(sources, spoke(49*time.Hour), nil, now)
	expect(t, "silent", f, Warning, "1 source or subscription is silent")
	named(t, "silent", f, "a", "silent for 2 d; expected every 24 h")
	expect(t, "never spoke", Sources(sources, nil, nil, now), Warning, "silent")
	young := daily
	young.CreatedAt = now.Add(-time.Hour)
	expect(t, "is new", Sources([]bellhop.Source{young}, nil, nil, now), OK, "")
	off := daily
	off.Disabled = true
	expect(t, "nothing expected", Sources([]bellhop.Source{off}, nil, nil, now), Skipped, "no source says")
	sub := bellhop.Subscription{Name: "s", State: bellhop.SubscriptionActive, ExpectEvery: time.Hour,
		LastEventAt: now.Add(-3 * time.Hour)}
	f = Sources(nil, nil, []bellhop.Subscription{sub}, now)
	expect(t, "a subscription", f, Warning, "silent")
	named(t, "a subscription", f, "s", "silent for 3 h; expected every 60 min")
	sub.State = bellhop.SubscriptionPaused
	expect(t, "a paused one", Sources(nil, nil, []bellhop.Subscription{sub}, now), Skipped, "")
}

func TestRepairs(t *testing.T) {
	run := func(rate float64, idle time.Duration) []bellhop.Repair {
		return []bellhop.Repair{{ID: "rpr_1", Kind: bellhop.RepairReplay, Rate: rate, UpdatedAt: now.Add(-idle)}}
	}
	expect(t, "none", Repairs(nil, now), OK, "0 run")
	expect(t, "on its way", Repairs(run(200, time.Minute), now), OK, "1 run")
	expect(t, "slow", Repairs(run(1.0/3600, time.Hour), now), OK, "1 run")
	f := Repairs(run(200, time.Hour), now)
	expect(t, "stuck", f, Warning, "1 repair is stuck")
	named(t, "stuck", f, "replay", "no progress for 60 min")
}

func TestKeys(t *testing.T) {
	key := func(name string, left time.Duration) bellhop.Key {
		return bellhop.Key{Name: name, ExpiresAt: now.Add(left)}
	}
	good := []bellhop.Key{{Name: "ever"}, key("long", 300*24*time.Hour), key("forgotten", -200*24*time.Hour)}
	expect(t, "good", Keys(good, now), OK, "no key ends within 7 d")
	f := Keys(append(good, key("soon", 3*24*time.Hour), key("over", -5*time.Hour)), now)
	expect(t, "soon", f, Warning, "2 keys have ended or end soon")
	named(t, "soon", f, "soon over", "ends in 3 d")
}

func TestSecrets(t *testing.T) {
	with := func(name, settings string) bellhop.Destination {
		return bellhop.Destination{Name: name, Settings: []byte(settings)}
	}
	list := []bellhop.Destination{with("a", `{"secret":"hunter2"}`),
		with("b", `{"secret_until":"2026-11-01T00:00:00Z"}`),
		with("broken", `{"secret_until":`), with("odd", `{"secret_until":"soon"}`), with("none", "")}
	expect(t, "none", Secrets(list, now), OK, "no secret ends")
	list = append(list, with("later", `{"secret_until":"2026-12-01T00:00:00Z"}`))
	expect(t, "later", Secrets(list, now), OK, "1 old secret of destinations in use")
	f := Secrets(append(list, with("soon", `{"secret":["hunter2"],"secret_until":"2026-11-30T13:00:00Z"}`)), now)
	expect(t, "soon", f, Warning, "1 secret ends soon")
	named(t, "soon", f, "soon", "its old secret signs for 60 min more")
	if strings.Contains(fmt.Sprint(f), "hunter2") {
		t.Errorf("a secret: %+v", f)
	}
}
