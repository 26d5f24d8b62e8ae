//go:build stress

package subscription_test

import (
	"os"
	"strconv"
	"testing"
)

// TestStressYear is a year of ten thousand subscriptions; with STRESS below 20, of 100 for each unit of it.
func TestStressYear(t *testing.T) {
	n := 10_000
	if length, err := strconv.Atoi(os.Getenv("STRESS")); err == nil && length < 20 {
		n = 100 * max(1, length)
	}
	simulateYear(t, n, 0)
}
