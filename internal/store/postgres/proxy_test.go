package postgres

import (
	"net"
	"net/url"
	"sync"
	"testing"
)

// A proxy stands between a node and its database, and breaks their connections as a test says.
type proxy struct {
	address string // of the database

	mu    sync.Mutex
	deaf  bool // what the node sends is lost
	mute  bool // what the database answers is lost
	sent  int  // bytes that the node has sent while one of the two is set
	open  map[net.Conn]bool
	ended bool
}

// between starts a proxy before the database of a URL and returns it with the URL that leads through it.
func between(t *testing.T, database string) (*proxy, string) {
	t.Helper()
	u, err := url.Parse(database)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &proxy{address: u.Host, open: map[net.Conn]bool{}}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			node, err := l.Accept()
			if err != nil {
				return
			}
			server, err := net.Dial("tcp", p.address)
			if err != nil {
				node.Close()
				continue
			}
			if !p.keep(node, server) {
				continue
			}
			running.Go(func() { p.pass(server, node, &p.deaf, true) })
			running.Go(func() { p.pass(node, server, &p.mute, false) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		p.ended = true
		p.mu.Unlock()
		p.cut()
		running.Wait()
	})
	u.Host = l.Addr().String()
	return p, u.String()
}

// keep adds connections, or closes them if the proxy ends.
func (p *proxy) keep(conns ...net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range conns {
		if p.ended {
			c.Close()
		} else {
			p.open[c] = true
		}
	}
	return !p.ended
}

// pass copies from one connection to the other, but for what is lost.
func (p *proxy) pass(to, from net.Conn, lost *bool, node bool) {
	defer to.Close()
	defer from.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		p.mu.Lock()
		drop := *lost
		if node && (p.deaf || p.mute) {
			p.sent += n
		}
		p.mu.Unlock()
		if !drop && n > 0 {
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// set says what is lost from now on.
func (p *proxy) set(deaf, mute bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.deaf, p.mute, p.sent = deaf, mute, 0
}

// cut closes all connections.
func (p *proxy) cut() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for c := range p.open {
		c.Close()
		delete(p.open, c)
	}
}

func (p *proxy) sentBytes() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.sent
}
