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

// TestStressThunderingHerd is TestThunderingHerd after an outage of an hour.
func TestStressThunderingHerd(t *testing.T) {
	thunderingHerd(t, time.Hour, 500*time.Millisecond, 20*time.Millisecond)
}

// TestStressRepairRate is TestRepairRate with other rates.
func TestStressRepairRate(t *testing.T) { repairRate(t, 2.5, 10, 200) }

// TestStressBreakerAnnounced is TestBreakerAnnounced with a breaker that disables after two days.
func TestStressBreakerAnnounced(t *testing.T) { breakerAnnounced(t, 10*time.Hour, 48*time.Hour) }

// TestStressLimiter is TestLimiter with more events.
func TestStressLimiter(t *testing.T) { limiterTurns(t, 30) }

// TestStressOrder is TestOrder with more subjects and more events of each.
func TestStressOrder(t *testing.T) { orderKept(t, 20, 25) }

// TestStressBurst is TestBurst with a thousand events also while calls are long.
func TestStressBurst(t *testing.T) {
	fetchBursts(t, map[time.Duration]int{50 * time.Millisecond: 1000, 700 * time.Millisecond: 1000,
		3 * time.Second: 300})
}

// TestStressMemory is TestMemory with more destinations and bodies of usual size.
func TestStressMemory(t *testing.T) { memoryBounded(t, 150, 1) }

// TestStressBytesInMemory is TestBytesInMemory with more events and bodies of usual size.
func TestStressBytesInMemory(t *testing.T) { bytesBounded(t, 60, 1) }

// TestStressOverflow is TestOverflow with more events.
func TestStressOverflow(t *testing.T) { overflow(t, 5000) }

// TestStressReplayOfMany is TestReplayOfMany with more events.
func TestStressReplayOfMany(t *testing.T) { replayOfMany(t, 6000) }

// TestStressBadTLS is TestBadTLS with more destinations.
func TestStressBadTLS(t *testing.T) { badTLS(t, 30, 4) }
