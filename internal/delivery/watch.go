package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Bounds of how often Run looks at the destinations.
const (
	lookAtMost  = 100 * time.Millisecond // between two looks
	lookAtLeast = time.Minute            // so that a clock that was set is noticed
)

// Run ends destinations whose time is over, warns before, and announces deliveries that were given up, until ctx ends.
func (e *Engine) Run(ctx context.Context) error {
	for {
		now := e.now()
		wait := min(max(e.look(ctx, now).Sub(now), lookAtMost), lookAtLeast)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-e.again:
			timer.Stop()
			if !pause(ctx, lookAtMost) {
				return nil
			}
		}
	}
}

// pause waits and reports whether ctx goes on.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// lookAgain makes Run look at the destinations soon.
func (e *Engine) lookAgain() {
	select {
	case e.again <- struct{}{}:
	default:
	}
}

// look does what is due for each destination, and returns when to look again.
func (e *Engine) look(ctx context.Context, now time.Time) time.Time {
	next := now.Add(lookAtLeast)
	expired := false
	for _, l := range e.lanes.Load().byID {
		if ctx.Err() != nil {
			return next
		}
		for _, at := range []time.Time{l.soundAlarm(now), l.lookExpiry(now, &expired)} {
			if !at.IsZero() && at.Before(next) {
				next = at
			}
		}
	}
	if expired && e.opts.Changed != nil {
		e.opts.Changed()
	}
	return next
}

// warnBefore is how long before a destination's time is over that is announced: a tenth of its time since it was changed last,
// at most a week.
func warnBefore(d *bellhop.Destination) time.Duration {
	return min(d.ExpiresAt.Sub(d.UpdatedAt)/10, 7*24*time.Hour)
}

// lookExpiry ends the lane's destination if its time is over, or warns that it soon is, and returns when to look again; zero if
// there is no need.
func (l *lane) lookExpiry(now time.Time, expired *bool) time.Time {
	dst := l.destination.Load()
	if dst.ExpiresAt.IsZero() || dst.State == bellhop.DestinationExpired {
		return time.Time{}
	}
	warnAt := dst.ExpiresAt.Add(-warnBefore(&dst.Destination))
	switch {
	case !dst.ExpiresAt.After(now):
		if l.expire(dst) {
			*expired = true
		}
		return time.Time{}
	case warnAt.After(now):
		return warnAt
	case !l.warned.Equal(dst.ExpiresAt):
		id := fmt.Sprintf("expiring %s %d", dst.ID, dst.ExpiresAt.UnixMicro())
		if l.engine.announceOnce(dst, bellhop.TypeDestinationExpiring, id, news{ExpiresAt: dst.ExpiresAt}) == nil {
			l.warned = dst.ExpiresAt
		}
	}
	return dst.ExpiresAt
}

// expire makes the table know that a destination's time is over. Nothing is matched with it any more in any case.
func (l *lane) expire(dst *destination) bool {
	reason := "its time was over at " + dst.ExpiresAt.UTC().Format(time.RFC3339) + "; set expires_at to renew it"
	ended, err := l.engine.opts.Store.EndDestination(context.Background(), l.id, dst.UpdatedAt, bellhop.DestinationExpired, reason)
	if err != nil {
		l.engine.opts.Logger.Error("expire.failed", "component", "delivery", "destination_id", l.id, "error", err, "meaning", "it is tried again in a minute")
	}
	if !ended { // or it was renewed meanwhile
		return false
	}
	l.engine.opts.Logger.Warn("destination.expired", "component", "delivery", "destination_id", l.id, "expires_at", dst.ExpiresAt)
	id := fmt.Sprintf("expired %s %d", dst.ID, dst.ExpiresAt.UnixMicro())
	l.engine.announceOnce(dst, bellhop.TypeDestinationExpired, id, news{ExpiresAt: dst.ExpiresAt})
	return true
}
