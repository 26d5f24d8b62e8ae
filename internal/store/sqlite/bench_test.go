package sqlite

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"golang.org/x/sys/unix"
)

// BenchmarkAcceptRecord writes the rows of one event with one delivery: the event and the delivery before the
// answer, the attempt after it. 64 callers wait at a time.
func BenchmarkAcceptRecord(b *testing.B) { benchmarkAcceptRecord(b, false) }

// BenchmarkAcceptRecordWithID is BenchmarkAcceptRecord for events with a ProviderID, which an index holds.
func BenchmarkAcceptRecordWithID(b *testing.B) { benchmarkAcceptRecord(b, true) }

func benchmarkAcceptRecord(b *testing.B, identified bool) {
	var made atomic.Int64
	s := open(b)
	source, destination := populate(b, s)
	body := make([]byte, 1024)
	rand.Read(body)
	sum := sha256.Sum256(body)
	header := bellhop.Header("Content-Type: application/json\nUser-Agent: bench\nX-Event: something\n")
	b.ReportAllocs()
	b.SetParallelism(32)
	b.ResetTimer()
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			events := []bellhop.Event{{SourceID: source, Type: "job.finished", ReceivedAt: time.Now(),
				ContentType: "application/json", Header: header, Body: body, SHA256: sum}}
			if identified {
				events[0].ProviderID = "evt_" + strconv.FormatInt(made.Add(1), 16)
			}
			owed := []bellhop.NewDelivery{{DestinationID: destination, Leased: true}}
			if _, err := s.Accept(context.Background(), nil, events, owed); err != nil {
				b.Fatal(err)
			}
			err := s.Record(bellhop.Result{DeliveryID: owed[0].DeliveryID, DestinationID: destination,
				State: bellhop.DeliveryDelivered,
				Attempt: bellhop.Attempt{Number: 1, StartedAt: time.Now(), Duration: time.Millisecond, Status: 200,
					Reply: []byte("ok")}})
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	b.ReportMetric(float64((cpuTime()-before).Nanoseconds())/float64(b.N), "cpu-ns/op")
}

// cpuTime returns the processor time that the process has used so far. On a busy machine it says more than the clock.
func cpuTime() time.Duration {
	var u unix.Rusage
	unix.Getrusage(unix.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
