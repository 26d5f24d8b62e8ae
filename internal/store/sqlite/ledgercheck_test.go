package sqlite

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/ncruces/go-sqlite3"
)

// check compares the store with what it acknowledged: lost says what it acknowledged and does not have, wrong what
// else cannot be. The store must just have been opened.
func (l *ledger) check(s *Store) (lost, wrong []string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	complain := func(list *[]string, format string, args ...any) { *list = append(*list, fmt.Sprintf(format, args...)) }
	deliveries := map[string]int{} // by event
	there := map[string]bool{}
	events := map[uint64]string{}
	err := s.read(context.Background(), func(c *conn) error {
		return errors.Join(
			c.query("PRAGMA integrity_check", nil, func(row *sqlite3.Stmt) error {
				if text := row.ColumnText(0); text != "ok" {
					complain(&wrong, "integrity: %s", text)
				}
				return nil
			}),
			c.query("SELECT n, state FROM deliveries", nil, func(row *sqlite3.Stmt) error {
				id := s.ids.Delivery(row.ColumnInt64(0))
				deliveries[s.ids.Event(row.ColumnInt64(0)>>placeBits)]++
				there[id] = true
				if state := row.ColumnText(1); state == "leased" || state != "pending" && !l.recorded[id] {
					complain(&wrong, "delivery %s is %s", id, state)
				}
				return nil
			}),
			c.query("SELECT n, body, sha256 FROM events", nil, func(row *sqlite3.Stmt) error {
				id, body := s.ids.Event(row.ColumnInt64(0)), row.ColumnRawBlob(1)
				if len(body) < 8 {
					complain(&wrong, "event %s is damaged", id)
					return nil
				}
				number := binary.LittleEndian.Uint64(body)
				events[number] = id
				switch e := l.sent[number]; {
				case e == nil || sha256.Sum256(body) != e.sum || string(row.ColumnRawBlob(2)) != string(e.sum[:]):
					complain(&wrong, "event %s is none that was sent", id)
				case e.refused:
					complain(&wrong, "event %s is kept, though its sender was told that it is not", id)
				case deliveries[id] != 2:
					complain(&wrong, "event %s has %d deliveries", id, deliveries[id])
				}
				delete(deliveries, id)
				return nil
			}))
	})
	if err != nil {
		complain(&wrong, "%v", err)
	}
	for id := range deliveries {
		complain(&wrong, "deliveries of event %s, which is not there", id)
	}
	for number, e := range l.sent {
		if e.id != "" && (events[number] != e.id || !there[e.deliveries[0]] || !there[e.deliveries[1]]) {
			complain(&lost, "event %s", e.id)
		}
	}
	return lost, wrong
}
