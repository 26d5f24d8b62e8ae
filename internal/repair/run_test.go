package repair

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestPause: a repair waits after each step as long as its rate requires, within bounds, also if the clock was
// set during the step.
func TestPause(t *testing.T) {
	for _, c := range []struct {
		rate float64
		made int64
		took time.Duration
		want time.Duration
	}{
		{0, 200, 0, minPause},
		{10, 0, 0, minPause},
		{10, 1, 0, 100 * time.Millisecond},
		{10, 5, 200 * time.Millisecond, 300 * time.Millisecond},
		{10, 1, time.Second, minPause},
		{10, 1, 24 * time.Hour, minPause},
		{10, 1, -24 * time.Hour, 100 * time.Millisecond},
		{1e-9, 1, 0, maxPause},
	} {
		if got := pause(c.rate, c.made, c.took); got != c.want {
			t.Errorf("after %d at %v a second in %v: %v, want %v", c.made, c.rate, c.took, got, c.want)
		}
	}
}

// TestQuota: a step of a repair with a rate is about a tenth of a second's worth, at least one delivery and at
// most maxStep.
func TestQuota(t *testing.T) {
	for rate, want := range map[float64]int{0: maxStep, 1.0 / 3600: 1, 10: 1, 25: 2, 200: 20, 1e9: maxStep} {
		if got := quota(rate); got != want {
			t.Errorf("%v a second: %d, want %d", rate, got, want)
		}
	}
}

// TestPermanent: a step is repeated after errors of the store, and not after errors of the repair.
func TestPermanent(t *testing.T) {
	for code, want := range map[bellhop.Code]bool{bellhop.CodeUnavailable: false, bellhop.CodeInternal: false,
		bellhop.CodeInvalid: true, bellhop.CodeNotFound: true} {
		if got := permanent(fmt.Errorf("step: %w", &bellhop.Error{Code: code})); got != want {
			t.Errorf("%s: %v", code, got)
		}
	}
	if permanent(errors.New("unknown")) {
		t.Error("an unknown error is permanent")
	}
}
