package doctor

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file has the checks of the nouns: what fails, waits for too long, is silent, or ends soon. They go by what is
// stored and by what the rooms know, and ask nobody outside.

// Bounds of what waits and of what ends.
const (
	lagging      = 15 * time.Minute   // a pending delivery that is older is late
	keySoon      = 7 * 24 * time.Hour // before a key ends, somebody has to make another
	oldKeyNotice = 90 * 24 * time.Hour
	secretSoon   = 2 * time.Hour // before the old secret of a destination ends
	lapseSoon    = time.Hour     // before a registration lapses
	stuckAfter   = 15 * time.Minute
	pendingLimit = 10 * time.Minute // how long a registration may take to be made
)

// Connections looks at who we are at the APIs of providers.
func Connections(list []bellhop.Connection) Finding {
	var out, failing []Noun
	for _, c := range list {
		n := Noun{"connection", c.ID, c.Name, c.Reason}
		switch c.State {
		case bellhop.ConnectionSignedOut:
			out = append(out, n)
		case bellhop.ConnectionFailing:
			failing = append(failing, n)
		}
	}
	switch {
	case len(out) > 0:
		return about(Failed, append(out, failing...), "connection does not work", "connections do not work",
			"sign in again: bellhop connections login NAME")
	case len(failing) > 0:
		return about(Warning, failing, "connection fails, and is tried again", "connections fail, and are tried again",
			"see the reason; bellhop connections test NAME asks the provider at once")
	}
	return well(len(list), "connection works", "connections work")
}

// Subscriptions looks at our registrations at providers.
func Subscriptions(list []bellhop.Subscription, now time.Time) Finding {
	var broken, doubtful []Noun
	for _, s := range list {
		n := Noun{"subscription", s.ID, s.Name, string(s.State)}
		if s.Reason != "" {
			n.Message += ": " + s.Reason
		}
		left := s.ExpiresAt.Sub(now)
		switch {
		case s.Deleting || s.State == bellhop.SubscriptionPaused:
		case s.State == bellhop.SubscriptionFailed || s.State == bellhop.SubscriptionExpired ||
			s.State == bellhop.SubscriptionRemoved:
			broken = append(broken, n)
		case s.State.Live() && !s.ExpiresAt.IsZero() && left <= 0:
			n.Message = "expired " + span(-left) + " ago"
			broken = append(broken, n)
		case s.State == bellhop.SubscriptionPending && now.Sub(s.CreatedAt) > pendingLimit:
			n.Message = strings.TrimPrefix(n.Message+", for "+span(now.Sub(s.CreatedAt)), ", ")
			doubtful = append(doubtful, n)
		case s.State.Live() && s.Failures > 0 && !s.ExpiresAt.IsZero() && left < lapseSoon:
			n.Message = fmt.Sprintf("ends in %s, and its renewal failed %s", span(left), times(s.Failures))
			doubtful = append(doubtful, n)
		case !s.LostAt.IsZero():
			n.Message = "notifications may be lost since " + stamp(s.LostAt)
			doubtful = append(doubtful, n)
		}
	}
	const remedy = "see the calls at the provider: bellhop subscriptions show NAME --history; " +
		"bellhop subscriptions renew NAME tries it at once"
	switch {
	case len(broken) > 0:
		return about(Failed, append(broken, doubtful...), "subscription is not alive", "subscriptions are not "+
			"alive or not well", remedy)
	case len(doubtful) > 0:
		return about(Warning, doubtful, "subscription is not well", "subscriptions are not well", remedy)
	}
	return well(len(list), "subscription is alive", "subscriptions are alive")
}

// A Health is what the engine knows of a destination.
type Health struct {
	Closed     string             // why it cannot be opened; "" if it can
	MatchError bellhop.MatchError // the latest failure of its where
}

// freshMatchError is how long the failure of a where counts.
const freshMatchError = time.Hour

// Destinations looks at whether destinations take their events. health returns what the engine knows of one.
func Destinations(list []bellhop.Destination, health func(id string) Health, now time.Time) Finding {
	var broken, doubtful []Noun
	for _, d := range list {
		n := Noun{Noun: "destination", ID: d.ID, Name: d.Name}
		h := health(d.ID)
		switch {
		case h.Closed != "":
			n.Message = "cannot be opened: " + h.Closed
			broken = append(broken, n)
		case d.State == bellhop.DestinationDisabled:
			n.Message = reasoned("disabled", d.StateReason)
			broken = append(broken, n)
		case d.State == bellhop.DestinationActive && !d.FailingSince.IsZero():
			n.Message = "fails since " + stamp(d.FailingSince)
			broken = append(broken, n)
		case d.State == bellhop.DestinationUnverified:
			n.Message = reasoned("its receiver has not agreed", d.StateReason)
			doubtful = append(doubtful, n)
		case h.MatchError.Count > 0 && now.Sub(h.MatchError.At) < freshMatchError:
			n.Message = fmt.Sprintf("its where failed %s, last: %s", times(int(min(h.MatchError.Count, 1<<31-1))),
				h.MatchError.Message)
			doubtful = append(doubtful, n)
		}
	}
	const remedy = "see the latest attempts: bellhop deliveries --destination NAME; " +
		"bellhop destinations test NAME sends a test event"
	switch {
	case len(broken) > 0:
		return about(Failed, append(broken, doubtful...), "destination does not take its events",
			"destinations do not take all of their events", remedy)
	case len(doubtful) > 0:
		return about(Warning, doubtful, "destination may miss events", "destinations may miss events", remedy)
	}
	return well(len(list), "destination takes its events", "destinations take their events")
}

// reasoned returns what with a reason, if there is one.
func reasoned(what, reason string) string {
	if reason == "" {
		return what
	}
	return what + ": " + reason
}

// Deliveries looks at what waits and what is dead.
func Deliveries(b bellhop.Backlog, now time.Time) Finding {
	var dead []Noun
	var pending, ended int64
	for _, d := range b.Destinations {
		pending, ended = pending+d.Pending, ended+d.Dead
		if d.Dead > 0 {
			dead = append(dead, Noun{"destination", d.ID, d.Name, fmt.Sprintf("%d dead", d.Dead)})
		}
	}
	message := fmt.Sprintf("%d wait", pending)
	age := now.Sub(b.OldestPendingAt)
	late := pending > 0 && !b.OldestPendingAt.IsZero() && age > lagging
	if pending > 0 && !b.OldestPendingAt.IsZero() {
		message += ", the oldest for " + span(age)
	}
	switch {
	case ended > 0:
		f := about(Warning, dead, "destination has dead deliveries", "destinations have dead deliveries",
			"look at them: bellhop deliveries --state dead; bellhop deliveries retry --state "+
				"dead makes them due again")
		f.Message = fmt.Sprintf("%s, %d are dead: %s", message, ended, f.Message)
		return f
	case late:
		return Finding{State: Warning, Message: message, Remedy: "see which destination they wait for: " +
			"bellhop deliveries --state pending"}
	}
	return Finding{State: OK, Message: message + ", none is dead"}
}

// Sources looks at sources and subscriptions that have to speak every so often. notes has what is known of those
// sources, by their ids.
func Sources(list []bellhop.Source, notes map[string]bellhop.SourceNotes, subscriptions []bellhop.Subscription,
	now time.Time) Finding {
	var silent []Noun
	expecting := 0
	note := func(n Noun, every time.Duration, last, created time.Time) {
		expecting++
		since := last
		if since.IsZero() {
			since = created
		}
		// the time of the last event is stored some minutes late
		if quiet := now.Sub(since); quiet > every+every/10+5*time.Minute {
			n.Message = fmt.Sprintf("silent for %s; expected every %s", span(quiet), span(every))
			silent = append(silent, n)
		}
	}
	for _, s := range list {
		if s.ExpectEvery > 0 && !s.Disabled {
			note(Noun{Noun: "source", ID: s.ID, Name: s.Name}, s.ExpectEvery, notes[s.ID].LastEventAt, s.CreatedAt)
		}
	}
	for _, s := range subscriptions {
		if s.ExpectEvery > 0 && s.State.Live() {
			note(Noun{Noun: "subscription", ID: s.ID, Name: s.Name}, s.ExpectEvery, s.LastEventAt, s.CreatedAt)
		}
	}
	switch {
	case len(silent) > 0:
		return about(Warning, silent, "source or subscription is silent", "sources or subscriptions are silent",
			"see whether the provider still calls: bellhop requests --source NAME, and its own page of deliveries")
	case expecting == 0:
		return Skip("no source says how often it has to speak", "bellhop sources update NAME --expect-every 24h has "+
			"its silence noticed")
	}
	return Finding{State: OK, Message: fmt.Sprintf("%d of those that have to speak did so in time", expecting)}
}

// Repairs looks at repairs that run.
func Repairs(running []bellhop.Repair, now time.Time) Finding {
	var stuck []Noun
	for _, r := range running {
		patience := stuckAfter
		if r.Rate > 0 {
			patience += time.Duration(2 / r.Rate * float64(time.Second))
		}
		if idle := now.Sub(r.UpdatedAt); idle > patience {
			stuck = append(stuck, Noun{"repair", r.ID, string(r.Kind), "no progress for " + span(idle)})
		}
	}
	if len(stuck) > 0 {
		return about(Warning, stuck, "repair is stuck", "repairs are stuck",
			"see the log, and end it: bellhop repairs cancel ID")
	}
	return Finding{State: OK, Message: fmt.Sprintf("%d run", len(running))}
}

// Keys looks at the keys of the API that end.
func Keys(list []bellhop.Key, now time.Time) Finding {
	var soon []Noun
	for _, k := range list {
		left := k.ExpiresAt.Sub(now)
		switch {
		case k.ExpiresAt.IsZero() || left > keySoon || -left > oldKeyNotice:
		case left > 0:
			soon = append(soon, Noun{"key", k.ID, k.Name, "ends in " + span(left)})
		default:
			soon = append(soon, Noun{"key", k.ID, k.Name, "ended " + span(-left) + " ago"})
		}
	}
	if len(soon) > 0 {
		return about(Warning, soon, "key has ended or ends soon", "keys have ended or end soon",
			"make another for whoever uses it: bellhop keys create NAME --scope SCOPE; then bellhop keys revoke NAME")
	}
	return Finding{State: OK, Message: "no key ends within " + span(keySoon)}
}

// Secrets looks at the old secrets of destinations that sign beside the new ones for a while.
func Secrets(list []bellhop.Destination, now time.Time) Finding {
	var soon []Noun
	rotating := 0
	for _, d := range list {
		var settings struct {
			Until time.Time `json:"secret_until"`
		}
		if json.Unmarshal(d.Settings, &settings) != nil || !settings.Until.After(now) {
			continue
		}
		rotating++
		if left := settings.Until.Sub(now); left < secretSoon {
			soon = append(soon, Noun{"destination", d.ID, d.Name, "its old secret signs for " + span(left) + " more"})
		}
	}
	if len(soon) > 0 {
		return about(Warning, soon, "secret ends soon", "secrets end soon", "see that the receiver verifies by "+
			"the new secret; bellhop destinations rotate-secret NAME makes another, with a longer --grace")
	}
	if rotating > 0 {
		return Finding{State: OK, Message: bellhop.Count(rotating, "old secret") + " of destinations in use beside " +
			"a new one"}
	}
	return Finding{State: OK, Message: "no secret ends"}
}

// well is the finding that n nouns are well.
func well(n int, one, many string) Finding {
	switch n {
	case 0:
		return Finding{State: OK, Message: "there are none"}
	case 1:
		return Finding{State: OK, Message: "1 " + one}
	}
	return Finding{State: OK, Message: fmt.Sprintf("%d %s", n, many)}
}

// times returns how often something happened.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// stamp returns a time for people, in UTC.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
