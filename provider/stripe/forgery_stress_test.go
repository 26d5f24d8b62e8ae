//go:build stress

package stripe_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// TestStressForgery: no forged header keeps Receive busy for long, whatever its length.
func TestStressForgery(t *testing.T) {
	for _, c := range forgeries {
		req := sign(secrets[0], providertest.Now, []byte(anEvent))
		at, v1, _ := strings.Cut(strings.TrimPrefix(req.Header.Get("Stripe-Signature"), "t="), ",v1=")
		req.Header.Set("Stripe-Signature", c.value(at, v1))
		r := open(t, nil)
		start := time.Now()
		r.Receive(context.Background(), req)
		if took := time.Since(start); took > 50*time.Millisecond {
			t.Errorf("%s: took %v", c.name, took)
		}
	}
}
