package sqlite

import (
	"testing"

	"github.com/bellhop-gateway/bellhop/internal/store"
	"github.com/bellhop-gateway/bellhop/internal/store/storetest"
)

func TestStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T, opts store.Options) store.Store {
		return open(t, func(o *Options) { o.Options, o.sync = opts, "off" })
	})
}
