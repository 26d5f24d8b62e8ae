package bench

import (
	"math"
	"math/bits"
	"sync/atomic"
	"time"
)

// A histogram counts durations for many goroutines at once. Its unit is the microsecond: up to 127 each has a bucket of
// its own, beyond that every power of two is cut into 64, so a quantile is at most 1/128 off. The zero value is empty.
type histogram struct {
	buckets [bucketCount]atomic.Int64
}

const (
	bucketBits  = 6  // a power of two has 1<<bucketBits buckets
	maxExponent = 29 // of the last power of two, which ends at 19 hours
	bucketCount = (maxExponent + 2) << bucketBits
)

func (h *histogram) add(d time.Duration) {
	h.buckets[bucketOf(d.Microseconds())].Add(1)
}

// quantile returns the duration that a share q of all is at or below, or 0 if there are none.
func (h *histogram) quantile(q float64) time.Duration {
	var total int64
	for i := range h.buckets {
		total += h.buckets[i].Load()
	}
	rank := max(1, int64(math.Ceil(q*float64(total))))
	var below int64
	for i := range h.buckets {
		if below += h.buckets[i].Load(); below >= rank {
			return middleOf(i)
		}
	}
	return 0
}

// bucketOf drops as many low bits of us as leave bucketBits+1 of them.
func bucketOf(us int64) int {
	v := uint64(max(us, 0))
	exponent := max(bits.Len64(v)-bucketBits-1, 0)
	if exponent > maxExponent {
		return bucketCount - 1
	}
	return exponent<<bucketBits + int(v>>exponent)
}

func middleOf(bucket int) time.Duration {
	exponent := max(bucket>>bucketBits-1, 0)
	low := (bucket - exponent<<bucketBits) << exponent
	return time.Duration(low+(1<<exponent)/2) * time.Microsecond
}
