package match

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestGate: callers beyond the slots wait in order; urgent and patient ones take turns.
func TestGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1)
		if err := g.EnterSoon(t.Context()); err != nil {
			t.Fatal(err)
		}
		var order []string
		for _, name := range []string{"urgent 1", "urgent 2", "urgent 3", "patient 1", "patient 2"} {
			go func() {
				enter := g.EnterSoon
				if name[0] == 'p' {
					enter = g.Enter
				}
				if err := enter(t.Context()); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				order = append(order, name)
				g.Leave()
			}()
			synctest.Wait()
		}
		if len(order) != 0 {
			t.Errorf("nobody left, and %q entered", order)
		}
		g.Leave()
		synctest.Wait()
		want := []string{"urgent 1", "patient 1", "urgent 2", "patient 2", "urgent 3"}
		for i := range want {
			if i >= len(order) || order[i] != want[i] {
				t.Fatalf("%q, want %q", order, want)
			}
		}
		if g.free != 1 {
			t.Errorf("%d slots are free", g.free)
		}
	})
}

// TestGateIsBounded: few urgent callers wait, and not for long; a patient one waits until its context ends.
func TestGateIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate(1)
		g.Enter(t.Context())
		began, refused := time.Now(), make(chan time.Duration, maxUrgent)
		for range maxUrgent {
			go func() {
				if err := g.EnterSoon(t.Context()); err != ErrBusy {
					t.Error(err)
				}
				refused <- time.Since(began)
			}()
		}
		synctest.Wait()
		if err := g.EnterSoon(t.Context()); err != ErrBusy || time.Since(began) != 0 {
			t.Errorf("one more: %v after %v", err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := g.Enter(ctx); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != time.Hour {
			t.Errorf("patient: %v after %v", err, time.Since(began))
		}
		for range maxUrgent {
			if after := <-refused; after != maxUrgentWait {
				t.Errorf("refused after %v", after)
			}
		}
		g.Leave()
		if err := g.EnterSoon(t.Context()); err != nil || len(g.urgent)+len(g.patient) != 0 {
			t.Errorf("afterwards: %v", err)
		}
	})
}
