//go:build stress

package match

import "testing"

func TestStressSixtyDestinations(t *testing.T) { sixtyDestinations(t, 60_000) }
