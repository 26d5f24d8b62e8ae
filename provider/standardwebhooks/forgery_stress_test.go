//go:build stress

package standardwebhooks_test

import (
	"context"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/standardwebhooks"
)

// TestStressForgery: no forged header keeps Receive busy for long, whatever its length.
func TestStressForgery(t *testing.T) {
	for _, c := range forgeries {
		r := providertest.Open(t, standardwebhooks.Provider{},
			providertest.JSON(map[string]any{"secret": secrets[:1]}))
		req := sign(secrets[0], providertest.Now, []byte(`{"type":"a.b"}`))
		c.change(req.Header)
		start := time.Now()
		r.Receive(context.Background(), req)
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("%s: took %v", c.name, took)
		}
	}
}
