package provider

import (
	"testing"
	"time"
)

func TestTolerance(t *testing.T) {
	for text, want := range map[string]time.Duration{"": time.Minute, "1s": time.Second, "5m": 5 * time.Minute, "1h": time.Hour} {
		if got, err := Tolerance("tolerance", text, time.Minute); got != want || err != nil {
			t.Errorf("%q: got %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"0", "0s", "-1s", "999ms", "1h1s", "300", "5 m", "soon", "9999999h", "1e3s"} {
		if got, err := Tolerance("tolerance", text, time.Minute); err == nil {
			t.Errorf("%q: got %v", text, got)
		}
	}
}
