//go:build stress

package subscription_test

import "testing"

// TestStressYear is a year of ten thousand subscriptions.
func TestStressYear(t *testing.T) { simulateYear(t, 10_000) }
