package delivery

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
)

// Try makes one attempt for ev with a destination that need not be stored, and returns the attempt with the state that a
// first attempt of a delivery would bring about. The attempt waits for no lane, limit or breaker; it is not recorded or
// counted, and changes nothing. An error is one of the settings, as [outbound.Opener.Open] has them.
func (e *Engine) Try(ctx context.Context, d bellhop.Destination, ev bellhop.Event) (bellhop.Result, error) {
	target, err := e.opts.Opener.Open(d)
	if err != nil {
		return bellhop.Result{}, err
	}
	start := e.now()
	tried := &bellhop.Delivery{ID: bellhop.PrefixDelivery + "try", EventID: ev.ID, DestinationID: d.ID, Event: &ev,
		CreatedAt: start}
	reply := target.Send(ctx, []*bellhop.Delivery{tried}, start)
	end := e.now()
	meant := decide(d.Retry, reply, end)
	result := meant.result(d.Retry, tryOf(tried, false), end, 0.5)
	result.Attempt.Number, result.Attempt.StartedAt, result.Attempt.Duration = 1, start, end.Sub(start)
	result.Attempt.Status, result.Attempt.Reply = reply.Status, reply.Body
	return result, nil
}
