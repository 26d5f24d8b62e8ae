package delivery

import (
	"context"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// Bounds of the time between two checks of the destinations.
const (
	minCheckPause = 100 * time.Millisecond
	maxCheckPause = time.Minute // so that a clock that was set is noticed
)

// checkDestinations expires destinations, warns before, and announces deliveries that died, until ctx ends.
func (e *Engine) checkDestinations(ctx context.Context) error {
	for {
		now := e.now()
		wait := min(max(e.check(ctx, now).Sub(now), minCheckPause), maxCheckPause)
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil
		case <-timer.C:
		case <-e.checkNow:
			timer.Stop()
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(minCheckPause):
			}
		}
	}
}

// checkSoon makes checkDestinations check soon.
func (e *Engine) checkSoon() {
	select {
	case e.checkNow <- struct{}{}:
	default:
	}
}

// check does what is due for each destination, and returns when to check again.
func (e *Engine) check(ctx context.Context, now time.Time) time.Time {
	next := now.Add(maxCheckPause)
	expired := false
	for _, l := range e.lanes.Load().byID {
		if ctx.Err() != nil {
			return next
		}
		for _, at := range []time.Time{l.announceDeaths(now), l.checkExpiry(now, &expired)} {
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

// warnBefore is how long before a destination expires a warning is announced: a tenth of the time since its
// last change, at most a week.
func warnBefore(d *bellhop.Destination) time.Duration {
	return min(d.ExpiresAt.Sub(d.UpdatedAt)/10, 7*24*time.Hour)
}

// checkExpiry expires the lane's destination if its time is over, and sets expired, or warns if it soon is. It
// returns when to check again; zero if there is no need.
func (l *lane) checkExpiry(now time.Time, expired *bool) time.Time {
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
	case !l.warnedExpiry.Equal(dst.ExpiresAt):
		id := fmt.Sprintf("expiring %s %d", dst.ID, dst.ExpiresAt.UnixMicro())
		if l.engine.announceOnce(dst, bellhop.TypeDestinationExpiring, id, notice{ExpiresAt: dst.ExpiresAt}) == nil {
			l.warnedExpiry = dst.ExpiresAt
		}
	}
	return dst.ExpiresAt
}

// expire stores that a destination's time is over, and announces it. The destination matches no events from
// that time on in any case.
func (l *lane) expire(dst *destination) bool {
	reason := "its time was over at " + dst.ExpiresAt.UTC().Format(time.RFC3339) + "; set expires_at to renew it"
	ended, err := l.engine.opts.Store.EndDestination(context.Background(), l.id, dst.UpdatedAt,
		bellhop.DestinationExpired, reason)
	if err != nil {
		l.engine.opts.Logger.Error("expire.failed", "component", "delivery", "destination_id", l.id,
			"destination", l.name(), "error", err, "meaning", "it is tried again in a minute")
	}
	if !ended { // an error, or the destination was renewed meanwhile
		return false
	}
	l.engine.opts.Logger.Warn("destination.expired", "component", "delivery", "destination_id", l.id,
		"destination", l.name(), "expires_at", dst.ExpiresAt)
	id := fmt.Sprintf("expired %s %d", dst.ID, dst.ExpiresAt.UnixMicro())
	l.engine.announceOnce(dst, bellhop.TypeDestinationExpired, id, notice{ExpiresAt: dst.ExpiresAt})
	return true
}
