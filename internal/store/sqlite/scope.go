package sqlite

import (
	"context"

	"github.com/bellhop-gateway/bellhop"
)

// ScopeRepair sets where r begins and ends: what there is now, as far as its filter's period goes. It is a conflict if its
// destination is deleted.
func (s *Store) ScopeRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error) {
	err := s.do(func(*conn) (err error) {
		r, err = s.scope(r)
		return err
	})
	return r, err
}

// scope is ScopeRepair for the writer, which knows the latest number.
func (s *Store) scope(r bellhop.Repair) (bellhop.Repair, error) {
	f := r.Filter
	if _, err := s.repaired(r.Kind, f.DestinationID); err != nil {
		return r, err
	}
	r.Cursor, r.Bound = -1, s.sequence.last
	if !f.Since.IsZero() {
		r.Cursor = firstOf(f.Since) - 1
	}
	if !f.Until.IsZero() {
		r.Bound = min(r.Bound, firstOf(f.Until)-1)
	}
	if f.EventID != "" {
		n, ok := s.ids.ParseEvent(f.EventID)
		if !ok {
			return r, bellhop.NotFound("event", f.EventID)
		}
		r.Cursor, r.Bound = max(r.Cursor, n-1), min(r.Bound, n)
	}
	if r.Kind != bellhop.RepairReplay { // by deliveries: from after the last of one event to the last of another
		r.Cursor, r.Bound = (r.Cursor+1)<<placeBits-1, (r.Bound+1)<<placeBits-1
	}
	return r, nil
}

// repaired is the number of a repair's destination; 0 if it names none. Only a cancel may be of a deleted one.
func (s *Store) repaired(kind bellhop.RepairKind, id string) (int64, error) {
	if id == "" {
		return 0, nil
	}
	if n, ok := s.destinations.get(id); ok {
		return n, nil
	}
	switch n, ok := s.gone.get(id); {
	case !ok:
		return 0, bellhop.Invalid("destination", "there is no such destination")
	case kind == bellhop.RepairCancel:
		return n, nil
	}
	return 0, bellhop.Conflict("destination " + id + " is deleted: create it again, or name another")
}
