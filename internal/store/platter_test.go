package store

import "math/rand/v2"

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
