//go:build stress

package action

import (
	"fmt"
	"io"
	mathrand "math/rand/v2"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/blob"
)

// TestStressMemory: a hundred writers at a time stay within 256 MiB, and one large file within 64 MiB, in a folder and
// in a bucket.
func TestStressMemory(t *testing.T) {
	for _, c := range []struct {
		name           string
		writers, bytes int64
		most           uint64
	}{{"a hundred writers", 100, 24 << 20, 256 << 20}, {"one large file", 1, 1500 << 20, 64 << 20}} {
		for kind, open := range map[string]func(t *testing.T, r *filesRig) blob.Storage{
			"folder": func(_ *testing.T, r *filesRig) blob.Storage { return r.folder }, "bucket": drain,
		} {
			t.Run(c.name+" to a "+kind, func(t *testing.T) {
				r := newFilesRig(t)
				storage := open(t, r)
				r.restart(func(o *FilesOptions) { o.Storage = storage })
				runtime.GC()
				var before runtime.MemStats
				runtime.ReadMemStats(&before)
				stop := make(chan struct{})
				peak := make(chan uint64)
				go func() {
					most := uint64(0)
					for {
						var now runtime.MemStats
						runtime.ReadMemStats(&now)
						most = max(most, now.HeapInuse+now.StackInuse)
						select {
						case <-stop:
							peak <- most
							return
						case <-time.After(20 * time.Millisecond):
						}
					}
				}()
				begun := time.Now()
				var writers sync.WaitGroup
				for i := range c.writers {
					writers.Go(func() {
						f := r.begin(fmt.Sprintf("f%d", i))
						source := io.LimitReader(mathrand.NewChaCha8([32]byte{byte(i)}), c.bytes)
						size, err := r.Append(t.Context(), f.ID, 0, source)
						if err != nil || size != c.bytes {
							t.Errorf("%d bytes: %v", size, err)
						}
					})
				}
				writers.Wait()
				took := time.Since(begun)
				close(stop)
				most := <-peak - min(before.HeapInuse+before.StackInuse, c.most)
				t.Logf("%d MiB more at most, %.0f MiB/s", most>>20, float64(c.writers*c.bytes>>20)/took.Seconds())
				if most > c.most {
					t.Errorf("%d MiB, want at most %d", most>>20, c.most>>20)
				}
			})
		}
	}
}

// drain returns a bucket of a service that takes everything and keeps nothing.
func drain(t *testing.T, _ *filesRig) blob.Storage {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"0123456789abcdef0123456789abcdef"`)
		switch {
		case r.Method == http.MethodHead:
			w.WriteHeader(http.StatusNotFound)
		case r.Method == http.MethodPost:
			io.WriteString(w, `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`)
		case r.Method == http.MethodGet:
			io.WriteString(w, `<ListMultipartUploadsResult></ListMultipartUploadsResult>`)
		}
	}))
	t.Cleanup(server.Close)
	b, err := blob.OpenBucket(blob.BucketOptions{Bucket: "media", Endpoint: server.URL, AccessKey: "a", SecretKey: "s",
		Transport: server.Client().Transport, Scratch: filepath.Join(t.TempDir(), "scratch")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}
