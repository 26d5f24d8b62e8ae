package api

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/provider"
)

// providers adds the operations that describe the gateway: its providers, and how much is stored.
func (s *server) providers() {
	handle(s, op{http.MethodGet, "/stats", "show-stats", "Count the stored nouns", 0}, s.showStats)
	handle(s, op{http.MethodGet, "/series", "show-series", "Count what happened over time", 0}, s.showSeries)
	handle(s, op{http.MethodGet, "/providers", "list-providers", "List the providers", 0},
		func(context.Context, *struct{}) (*listOutput[client.Provider], error) {
			return listOf(s.Providers, "", providerJSON), nil
		})
}

func providerJSON(p provider.Provider) client.Provider {
	info := p.Info()
	return client.Provider{
		Name: info.Name, Title: info.Title, Summary: info.Summary, Links: append([]string{}, info.Links...),
		Settings: settingList(info.Settings), Sends: info.SendSettings != nil,
		SendSettings: settingList(info.SendSettings),
	}
}

func settingList(settings []provider.Setting) []client.Setting {
	list := make([]client.Setting, len(settings))
	for i, s := range settings {
		list[i] = client.Setting{
			Name: s.Name, Title: s.Title, Doc: s.Doc, Example: s.Example, Kind: s.Kind.String(),
			Secret: s.Secret, Required: s.Required,
		}
	}
	return list
}

func (s *server) showStats(ctx context.Context, _ *struct{}) (*bodyOf[client.Stats], error) {
	stats, err := s.Store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	out := client.Stats{
		Sources: stats.Sources, Destinations: stats.Destinations, Events: stats.Events,
		Deliveries:      make(map[string]int64),
		OldestPendingAt: client.Time{Time: stats.OldestPendingAt}, NextDueAt: client.Time{Time: stats.NextDueAt},
		DatabaseBytes: stats.DatabaseBytes, RequestsRefused: stats.RequestsRefused,
	}
	for _, state := range []bellhop.DeliveryState{bellhop.DeliveryPending, bellhop.DeliveryLeased,
		bellhop.DeliveryDelivered, bellhop.DeliveryDead, bellhop.DeliveryCancelled} {
		out.Deliveries[string(state)] = stats.Deliveries[state]
	}
	return &bodyOf[client.Stats]{out}, nil
}
