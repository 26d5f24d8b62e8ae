package sqlite

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// A platter is one file: what a power cut leaves of it for certain, and what was written since, in order.
type platter struct {
	synced  []byte
	pending []change
}

type change struct {
	at   int64
	data []byte // nil cuts or extends the file to length at
}

// pageBytes is what a drive keeps or loses as a whole.
const pageBytes = 4096

// settle makes what is pending final: each piece of it gets to the platter if it is kept, or never will.
func (p *platter) settle(kept float64, random *rand.Rand) {
	for i, c := range p.pending {
		last := i == len(p.pending)-1
		if c.data == nil {
			if random.Float64() < kept {
				p.resize(c.at)
			}
			continue
		}
		for at, data := c.at, c.data; len(data) > 0; {
			n := min(len(data), pageBytes-int(at%pageBytes))
			piece := data[:n]
			if last && n == len(data) && kept > 0 && kept < 1 {
				piece = piece[:random.IntN(n+1)]
			}
			if random.Float64() < kept {
				p.write(at, piece)
			}
			at, data = at+int64(n), data[n:]
		}
	}
	p.pending = nil
}

func (p *platter) write(at int64, data []byte) {
	if end := at + int64(len(data)); end > int64(len(p.synced)) {
		p.resize(end)
	}
	copy(p.synced[at:], data)
}

func (p *platter) resize(length int64) {
	if n := length - int64(len(p.synced)); n > 0 {
		p.synced = append(p.synced, make([]byte, n)...)
	}
	p.synced = p.synced[:length]
}

// The disk forgets what it must be able to forget, and keeps what was synced: otherwise tests with it say nothing.
func TestPlatter(t *testing.T) {
	const pages = 64
	old, fresh := bytes.Repeat([]byte{1}, pages*pageBytes), bytes.Repeat([]byte{2}, pages*pageBytes)
	for _, c := range []struct {
		kept     float64
		min, max int // pages kept whole of what was not synced, the last left aside
	}{{0, 0, 0}, {0.5, 1, pages - 2}, {1, pages - 1, pages - 1}} {
		random := newRandom(7)
		var p platter
		p.pending = []change{{0, old}}
		p.settle(1, random) // a sync
		p.pending = []change{{0, fresh}}
		p.settle(c.kept, random)
		if len(p.synced) != len(old) {
			t.Fatalf("kept %v: %d bytes", c.kept, len(p.synced))
		}
		kept := 0
		for page := range pages - 1 {
			switch got := p.synced[page*pageBytes:][:pageBytes]; {
			case bytes.Equal(got, fresh[:pageBytes]):
				kept++
			case !bytes.Equal(got, old[:pageBytes]):
				t.Errorf("kept %v: page %d is torn", c.kept, page)
			}
		}
		if kept < c.min || kept > c.max {
			t.Errorf("kept %v: %d of %d pages are new", c.kept, kept, pages)
		}
	}
	var p platter
	p.pending = []change{{0, []byte("abcdef")}, {at: 2}, {4, []byte("x")}}
	p.settle(1, newRandom(7))
	if string(p.synced) != "ab\x00\x00x" {
		t.Errorf("cut short and written beyond: %q", p.synced)
	}
}
