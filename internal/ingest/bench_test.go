package ingest

import (
	"bytes"
	"net/http/httptest"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// BenchmarkServe takes events of 1 KiB: the door and a real store, without sockets, signatures or destinations.
// Many wait at a time, as they do when the disk is what takes long.
func BenchmarkServe(b *testing.B) {
	r := newRig(b)
	r.stub.receive = func(req *provider.Request) (provider.Receipt, error) {
		return provider.Receipt{Events: []bellhop.Event{{Type: "stub.event", ContentType: "application/json", Body: req.Body}}}, nil
	}
	body := bytes.Repeat([]byte("x"), 1<<10)
	b.SetParallelism(32)
	b.SetBytes(int64(len(body)))
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			req := httptest.NewRequest("POST", "/in/src", bytes.NewReader(body))
			req.Header["Content-Type"] = []string{"application/json"}
			req.Header["User-Agent"] = []string{"bench"}
			w := httptest.NewRecorder()
			r.door.ServeHTTP(w, req)
			if w.Code != 202 {
				b.Fatal(w.Code)
			}
		}
	})
}
