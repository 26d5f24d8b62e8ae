//go:build stress

package delivery

import (
	"testing"
	"time"
)

// TestStressAnyStream is TestAnyStream with more histories.
func TestStressAnyStream(t *testing.T) { anyStream(t, 12) }

// TestStressAnyReplay is TestAnyReplay with more histories.
func TestStressAnyReplay(t *testing.T) { anyReplay(t, 8) }

// TestStressThunderingHerd is TestThunderingHerd after an hour.
func TestStressThunderingHerd(t *testing.T) { thunderingHerd(t, time.Hour) }
