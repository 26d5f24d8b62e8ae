package delivery

import (
	"hash/fnv"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// countingKey is the key of the test vectors: the bytes 0 to 15.
var countingKey = [16]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}

// vectors are results of SipHash-2-4 under countingKey. The input of the i-th is the bytes 0 to i-1.
// Source: https://github.com/veorq/SipHash/blob/master/vectors.h (vectors_sip64, here as little-endian numbers)
var vectors = []uint64{
	0x726fdb47dd0e0e31, 0x74f839c593dc67fd, 0x0d6c8009d9a94f5a, 0x85676696d7fb7e2d,
	0xcf2794e0277187b7, 0x18765564cd99a68d, 0xcbc9466e58fee3ce, 0xab0200f58b01d137,
	0x93f5f5799a932462, 0x9e0082df0ba9e4b0, 0x7a5dbbc594ddb9f3, 0xf4b32f46226bada7,
	0x751e8fbc860ee5fb, 0x14ea5627c0843d90, 0xf723ca908e7af2ee, 0xa129ca6149be45e5,
	0x3f2acc7f57c29bdb,
}

// TestSipHash: the hash is that of the reference implementation, in however many parts the input is written.
func TestSipHash(t *testing.T) {
	start := newOrderHash(countingKey)
	for n, want := range vectors {
		var input []byte
		for i := range n {
			input = append(input, byte(i))
		}
		for cut := range n + 1 {
			s := sipHash{v0: start.v0, v1: start.v1, v2: start.v2, v3: start.v3}
			s.write(string(input[:cut]))
			s.write(string(input[cut:]))
			if got := s.sum(); got != want {
				t.Fatalf("%d bytes, cut at %d: %016x, want %016x", n, cut, got, want)
			}
		}
	}
}

// collidingSubjects have the same FNV-1a hash of 64 bits behind the source of the rig: without a secret key anybody
// can compute such subjects.
var collidingSubjects = [2]string{"I12ZBI65gzHE", "H_0r8AL1_yY6"}

// TestOrderKey: what the key of a delivery depends on.
func TestOrderKey(t *testing.T) {
	var sums [2]uint64
	for i, subject := range collidingSubjects {
		h := fnv.New64a()
		io.WriteString(h, "src_rig\x00"+subject)
		sums[i] = h.Sum64()
	}
	if sums[0] != sums[1] {
		t.Fatalf("the subjects do not collide under FNV-1a: %x", sums)
	}
	h := newOrderHash(countingKey)
	other := newOrderHash([16]byte{15: 1})
	a := &bellhop.Event{SourceID: "src_rig", Subject: collidingSubjects[0]}
	b := &bellhop.Event{SourceID: "src_rig", Subject: collidingSubjects[1]}
	away := &bellhop.Event{SourceID: "src_rig2", Subject: a.Subject}
	key := h.orderKey(bellhop.OrderSubject, a)
	switch {
	case key == 0 || key != h.orderKey(bellhop.OrderSubject, a):
		t.Errorf("subject: %x, then another", key)
	case key == h.orderKey(bellhop.OrderSubject, b):
		t.Error("two subjects share a key")
	case key == h.orderKey(bellhop.OrderSubject, away):
		t.Error("two sources share the key of a subject")
	case key == other.orderKey(bellhop.OrderSubject, a):
		t.Error("the key does not depend on the secret")
	}
	whole := h.orderKey(bellhop.OrderSource, a)
	if whole == 0 || whole == key || whole != h.orderKey(bellhop.OrderSource, b) ||
		whole == h.orderKey(bellhop.OrderSource, away) {
		t.Errorf("source: %x", whole)
	}
	if got := [2]int64{h.orderKey(bellhop.OrderNone, a), h.orderKey("", a)}; got != [2]int64{} {
		t.Errorf("no order: %x", got)
	}
	if n := testing.AllocsPerRun(100, func() { h.orderKey(bellhop.OrderSubject, a) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// TestOrderCollision: an event that waits for a retry does not hold back another subject that was computed to share
// its key.
func TestOrderCollision(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t)
		to := r.network.receiver("ordered")
		to.will(status(500))
		r.destination(to, func(d *bellhop.Destination) {
			d.Order, d.Retry.Schedule = bellhop.OrderSubject, bellhop.Schedule{time.Hour}
		})
		r.accept(bellhop.Event{Subject: collidingSubjects[0], Body: []byte("stuck")})
		synctest.Wait()
		r.accept(bellhop.Event{Subject: collidingSubjects[1], Body: []byte("free")})
		time.Sleep(30 * time.Minute)
		if n := len(to.got()); n != 2 {
			t.Errorf("%d attempts while one subject waits, want 2", n)
		}
	})
}

// BenchmarkOrderKey makes the key of an event with a subject of usual length.
func BenchmarkOrderKey(b *testing.B) {
	h := newOrderHash(countingKey)
	ev := &bellhop.Event{SourceID: "src_01h455vb4pex5vsknk08", Subject: "customers/4711/invoices/17"}
	b.ReportAllocs()
	for b.Loop() {
		if h.orderKey(bellhop.OrderSubject, ev) == 0 {
			b.Fatal("no key")
		}
	}
}
