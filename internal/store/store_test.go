package store

import (
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, now func() time.Time) storetest.Store {
		return open(t, func(o *Options) { o.Now, o.Retain, o.sync = now, storetest.Retain, "off" })
	})
}
