package api

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider"
)

// A Provider is an outside system that this program understands.
type Provider struct {
	Name         string    `json:"name" example:"ams"`
	Title        string    `json:"title" doc:"As the system calls itself"`
	Summary      string    `json:"summary" doc:"What it sends and how it proves it"`
	Links        []string  `json:"links"`
	Settings     []Setting `json:"settings" doc:"Of a source"`
	Sends        bool      `json:"sends" doc:"Whether its name can be the type of a destination"`
	SendSettings []Setting `json:"send_settings" doc:"The settings of such a destination"`
}

// A Setting is one member of a settings object.
type Setting struct {
	Name     string `json:"name" example:"signing_key"`
	Title    string `json:"title"`
	Doc      string `json:"doc" doc:"What it is, its unit or form, its default"`
	Example  string `json:"example"`
	Kind     string `json:"kind" doc:"What the value is: text, list, true or false, number, length of time, object"`
	Secret   bool   `json:"secret" doc:"Never shown again"`
	Required bool   `json:"required"`
}

func (s *server) providers() {
	handle(s, op{http.MethodGet, "/providers", "list-providers", "List the providers", 0},
		func(context.Context, *struct{}) (*listOutput[Provider], error) {
			return listOf(s.Providers, "", providerJSON), nil
		})
}

func providerJSON(p provider.Provider) Provider {
	info := p.Info()
	return Provider{
		Name: info.Name, Title: info.Title, Summary: info.Summary, Links: append([]string{}, info.Links...),
		Settings: settingList(info.Settings), Sends: info.SendSettings != nil, SendSettings: settingList(info.SendSettings),
	}
}

func settingList(settings []provider.Setting) []Setting {
	list := make([]Setting, len(settings))
	for i, s := range settings {
		list[i] = Setting{Name: s.Name, Title: s.Title, Doc: s.Doc, Example: s.Example, Kind: s.Kind.String(), Secret: s.Secret, Required: s.Required}
	}
	return list
}

func (s *server) provider(name string) (provider.Provider, bool) {
	i := slices.IndexFunc(s.Providers, func(p provider.Provider) bool { return p.Info().Name == name })
	if i < 0 {
		return nil, false
	}
	return s.Providers[i], true
}

// providerNames lists the providers that wanted holds for.
func (s *server) providerNames(wanted func(provider.Info) bool) string {
	var names []string
	for _, p := range s.Providers {
		if info := p.Info(); wanted(info) {
			names = append(names, info.Name)
		}
	}
	return strings.Join(names, ", ")
}
