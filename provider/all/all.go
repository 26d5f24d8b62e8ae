// Package all lists the providers.
package all

import (
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/standardwebhooks"
)

// Providers returns every provider there is, by name.
func Providers() []provider.Provider {
	return []provider.Provider{
		ams.Provider{},
		generic.Provider{},
		standardwebhooks.Provider{},
	}
}
