package catalog

import (
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/provider"
)

// provider returns the provider of that name.
func (c *Catalog) provider(name string) (provider.Provider, bool) {
	i := slices.IndexFunc(c.opts.Providers, func(p provider.Provider) bool { return p.Info().Name == name })
	if i < 0 {
		return nil, false
	}
	return c.opts.Providers[i], true
}

// action returns the action of that name.
func (c *Catalog) action(name string) (provider.Action, bool) {
	i := slices.IndexFunc(c.opts.Actions, func(a provider.Action) bool { return a.Info().Name == name })
	if i < 0 {
		return nil, false
	}
	return c.opts.Actions[i], true
}

// providerNames lists the names of all providers for an error message.
func (c *Catalog) providerNames() string {
	var names []string
	for _, p := range c.opts.Providers {
		names = append(names, p.Info().Name)
	}
	return strings.Join(names, ", ")
}

// destinationType returns the Info of a type of destinations, and whether there is such a type. For http it
// returns the zero Info: http has no default schedule or rate.
func (c *Catalog) destinationType(name string) (info provider.Info, ok bool) {
	if p, ok := c.provider(name); ok {
		return p.Info(), sends(p.Info())
	}
	if a, ok := c.action(name); ok {
		return a.Info(), true
	}
	if name == bellhop.TypePull {
		return pullInfo, true
	}
	return provider.Info{}, name == bellhop.TypeHTTP
}

// pullInfo has the defaults and bounds of destinations of type pull, whose settings are those of http.
var pullInfo = provider.Info{Name: bellhop.TypePull, Timeout: bellhop.DefaultLease, MaxTimeout: bellhop.MaxLease,
	Concurrency: bellhop.DefaultPullConcurrency}

// writes reports whether a type of destinations has the settings of http: the format, the headers and the secret that
// signs.
func writes(typeName string) bool {
	return typeName == bellhop.TypeHTTP || typeName == bellhop.TypePull
}

// typeNames lists the names of all types of destinations for an error message.
func (c *Catalog) typeNames() string {
	names := []string{bellhop.TypeHTTP, bellhop.TypePull}
	for _, p := range c.opts.Providers {
		if sends(p.Info()) {
			names = append(names, p.Info().Name)
		}
	}
	for _, a := range c.opts.Actions {
		names = append(names, a.Info().Name)
	}
	return strings.Join(names, ", ")
}

// sends reports whether a provider's name can be the type of a destination.
func sends(info provider.Info) bool { return info.SendSettings != nil }

// sourceSecrets returns which settings of a source are secret. If the provider is unknown, all are.
func (c *Catalog) sourceSecrets(providerName string) secrets {
	p, ok := c.provider(providerName)
	if !ok {
		return secrets{all: true}
	}
	return secretsOf(p.Info().Settings)
}

// destinationSecrets returns which settings of a destination are secret. For http and pull they are the secret and the
// values of the headers. If the type is unknown, all are.
func (c *Catalog) destinationSecrets(typeName string) secrets {
	if writes(typeName) {
		return secrets{names: []string{secretSetting}, each: "headers"}
	}
	if p, ok := c.provider(typeName); ok {
		return secretsOf(p.Info().SendSettings)
	}
	a, ok := c.action(typeName)
	if !ok {
		return secrets{all: true}
	}
	return secretsOf(a.Info().SendSettings)
}

// accessSecrets are the secret members of an access.
var accessSecrets = secrets{names: access.Secrets}

// AccessSettings describes the members of a destination's access.
func AccessSettings() []access.Setting { return access.Settings }
