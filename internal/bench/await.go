package bench

import (
	"context"
	"time"
)

// await returns when all that a stream had accepted has arrived, or nothing has for so long that the rest counts as
// lost. What a destination that hangs is owed need not arrive, but must still be pending.
func (m *measurement) await(ctx context.Context, s *stream) error {
	at := time.Since(s.ledger.began)
	if s.hangs {
		return m.awaitPending(ctx, s)
	}
	for !s.ledger.settled() && s.quiet(at) <= m.options.stillness() {
		if err := sleep(ctx, 5*time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}

// awaitPending returns when the gateway counts no more deliveries as owed than this stream's: it writes down those of
// others a little after they arrive.
func (m *measurement) awaitPending(ctx context.Context, s *stream) error {
	a, err := openAPI(m.process)
	if err != nil {
		return err
	}
	defer a.close()
	owed := s.ledger.accepted.Load()
	for began := time.Now(); ; {
		if m.pending, err = a.pending(ctx); err != nil {
			return err
		}
		if m.pending <= owed || time.Since(began) > m.options.stillness() {
			return nil
		}
		if err := sleep(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// stillness is how long nothing may arrive before what is owed counts as lost.
func (o Options) stillness() time.Duration {
	if o.patience == 0 {
		return defaultPatience
	}
	return o.patience
}
