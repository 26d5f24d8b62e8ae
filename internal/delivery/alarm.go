package delivery

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// alarmEvery is how often deliveries given up are announced, at most: what comes in between is counted.
const alarmEvery = time.Minute

// An alarm gathers the deliveries of a lane that were given up until they are announced.
type alarm struct {
	count   int
	last    lastDead
	soundAt time.Time // no earlier than
}

// noteDead counts a delivery that was given up. Those of the gateway's own events are not announced, or it would talk about
// itself for ever.
func (l *lane) noteDead(d *bellhop.Delivery, o outcome) {
	if d.Event.SourceID == bellhop.SourceSelfID {
		return
	}
	l.mu.Lock()
	l.alarm.count++
	l.alarm.last = lastDead{d.ID, d.EventID, d.Event.Type, o.error, o.detail}
	first := l.alarm.count == 1
	l.mu.Unlock()
	if first {
		l.engine.lookAgain()
	}
}

// soundAlarm announces what was given up, if it is time for that, and returns when to look again; zero if there is no need.
func (l *lane) soundAlarm(now time.Time) time.Time {
	l.mu.Lock()
	count, last, at := l.alarm.count, l.alarm.last, l.alarm.soundAt
	if count == 0 || at.After(now) {
		l.mu.Unlock()
		if count == 0 {
			return time.Time{}
		}
		return at
	}
	l.alarm.soundAt = now.Add(alarmEvery)
	l.mu.Unlock()
	err := l.engine.announce(l.destination.Load(), bellhop.TypeDeliveriesDead, news{Deliveries: count, Last: &last})
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.alarm.count -= count
	}
	if l.alarm.count == 0 {
		return time.Time{}
	}
	return l.alarm.soundAt
}
