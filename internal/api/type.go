package api

import (
	"slices"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// destinationType describes a type of destinations, and reports whether there is such a type. Of http it says nothing: that
// has no schedule and no rate of its own.
func (s *server) destinationType(name string) (info provider.Info, ok bool) {
	if p, ok := s.provider(name); ok {
		return p.Info(), sends(p.Info())
	}
	if a, ok := s.action(name); ok {
		return a.Info(), true
	}
	return provider.Info{}, name == bellhop.TypeHTTP
}

// destinationTypes are the names of all types of destinations.
func (s *server) destinationTypes() []string {
	names := []string{bellhop.TypeHTTP}
	for _, p := range s.Providers {
		if sends(p.Info()) {
			names = append(names, p.Info().Name)
		}
	}
	for _, a := range s.Actions {
		names = append(names, a.Info().Name)
	}
	return names
}

func sends(info provider.Info) bool { return info.SendSettings != nil }

func (s *server) action(name string) (provider.Action, bool) {
	i := slices.IndexFunc(s.Actions, func(a provider.Action) bool { return a.Info().Name == name })
	if i < 0 {
		return nil, false
	}
	return s.Actions[i], true
}

// destinationSecrets are those among the settings of a type. Of http they are its secret and what its headers say; of an
// action's object, what its members say.
func (s *server) destinationSecrets(name string) secrecy {
	if name == bellhop.TypeHTTP {
		return secrecy{names: []string{"secret"}, each: "headers"}
	}
	if p, ok := s.provider(name); ok {
		return secretsOf(p.Info().SendSettings)
	}
	a, ok := s.action(name)
	if !ok {
		return secrecy{all: true}
	}
	x := secretsOf(a.Info().SendSettings)
	for _, setting := range a.Info().SendSettings {
		if setting.Secret && setting.Kind == provider.KindObject {
			x.names = slices.DeleteFunc(x.names, func(name string) bool { return name == setting.Name })
			x.each = setting.Name
		}
	}
	return x
}
