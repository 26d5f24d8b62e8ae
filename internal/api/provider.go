package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/provider"
)

// providers adds the operations that describe the gateway: what can be created, and how much is stored.
func (s *server) providers() {
	handle(s, op{http.MethodGet, "/stats", "show-stats", "Count the stored nouns", 0}, s.showStats)
	handle(s, op{http.MethodGet, "/audit", "list-audit", "List who changed what", 0}, s.listAudit)
	handle(s, op{http.MethodGet, "/series", "show-series", "Count what happened over time", 0}, s.showSeries)
	handle(s, op{http.MethodGet, "/providers", "list-providers", "List the providers", 0},
		func(context.Context, *struct{}) (*listOutput[client.Provider], error) {
			return listOf(s.Providers, "", providerJSON), nil
		})
	handle(s, op{http.MethodGet, "/destination-types", "list-destination-types", "List the types of destinations", 0},
		func(context.Context, *struct{}) (*listOutput[client.DestinationType], error) {
			return listOf(s.destinationTypes(), "",
				func(t client.DestinationType) client.DestinationType { return t }), nil
		})
	handle(s, op{http.MethodGet, "/connectors", "list-connectors", "List the systems of connections", 0},
		func(context.Context, *struct{}) (*listOutput[client.Connector], error) {
			return listOf(s.Connectors, "", connectorJSON), nil
		})
}

// providerJSON returns what describes p, in its JSON form.
func providerJSON(p provider.Provider) client.Provider {
	info := p.Info()
	out := client.Provider{
		Name: info.Name, Title: info.Title, Summary: info.Summary, Links: words(info.Links),
		Settings: settingList(info.Settings), Setup: words(provider.GuideOf(p).Setup),
		Sends: info.SendSettings != nil, SendSettings: settingList(info.SendSettings),
		SubscriptionSettings: settingList(nil), ChangeTypes: []string{}, Samples: sampleTypes(p),
		Paste: []client.Paste{},
	}
	for _, text := range provider.GuideOf(p).Paste {
		out.Paste = append(out.Paste, client.Paste(text))
	}
	if s, ok := p.(provider.Subscriber); ok {
		about := s.SubscribeInfo()
		out.Subscribes, out.SubscriptionSettings = true, settingList(about.Settings)
		out.Resource, out.ChangeTypes = about.Resource, words(about.ChangeTypes)
		out.Connector = cmp.Or(about.Connector, info.Name)
	}
	return out
}

func connectorJSON(k provider.Connector) client.Connector {
	info := k.ConnectorInfo()
	return client.Connector{Name: info.Name, Title: info.Title, Summary: info.Summary, Links: words(info.Links),
		Settings: settingList(info.Settings), Setup: words(info.Setup)}
}

// destinationTypes returns what the type of a destination can be.
func (s *server) destinationTypes() []client.DestinationType {
	settings, signIn := settingList(s.HTTPSettings), accessList()
	all := []client.DestinationType{
		{Name: bellhop.TypeHTTP, Title: "HTTP",
			Summary: "A POST to a URL: as Standard Webhooks, with the body as it was received, or by a template.",
			Links:   []string{}, Settings: settings, Access: signIn, Setup: []string{}, NeedsURL: true},
		{Name: bellhop.TypePull, Title: "Pull", Summary: "Programs fetch the events when they have time for them.",
			Links: []string{}, Settings: settings, Access: []client.Setting{}, Setup: []string{}},
	}
	for _, p := range s.Providers {
		info := p.Info()
		if info.SendSettings == nil {
			continue
		}
		all = append(all, client.DestinationType{Name: info.Name, Title: info.Title, Summary: info.Summary,
			Links: words(info.Links), Settings: settingList(info.SendSettings), Access: signIn,
			Setup: words(provider.GuideOf(p).SendSetup), NeedsURL: true, SecretURL: info.SecretURL})
	}
	for _, a := range s.Actions {
		info := a.Info()
		all = append(all, client.DestinationType{Name: info.Name, Title: info.Title, Summary: info.Summary,
			Links: words(info.Links), Settings: settingList(info.SendSettings), Access: []client.Setting{},
			Setup: []string{}, Action: true})
	}
	return all
}

// accessList describes the members of an access.
func accessList() []client.Setting {
	var list []client.Setting
	for _, m := range catalog.AccessSettings() {
		kind := provider.KindText
		if m.Name == "scopes" {
			kind = provider.KindList
		}
		list = append(list, client.Setting{Name: m.Name, Title: titleOf(m.Name), Doc: m.Doc, Kind: kind.String(),
			Secret: m.Secret, Choices: []string{}})
	}
	return list
}

// titleOf returns a name in JSON as a title, with abbreviations in capitals: "Token URL".
func titleOf(name string) string {
	words := strings.Split(name, "_")
	for i, word := range words {
		switch word {
		case "url", "ca", "id":
			words[i] = strings.ToUpper(word)
		default:
			if i == 0 {
				words[i] = strings.ToUpper(word[:1]) + word[1:]
			}
		}
	}
	return strings.Join(words, " ")
}

func settingList(settings []provider.Setting) []client.Setting {
	list := make([]client.Setting, len(settings))
	for i, s := range settings {
		list[i] = client.Setting{
			Name: s.Name, Title: s.Title, Doc: s.Doc, Example: s.Example, Kind: s.Kind.String(),
			Secret: s.Secret, Required: s.Required, Choices: append([]string{}, s.Choices...), Many: s.Many,
			Make: string(s.Make),
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
	if s.Latencies != nil {
		l := s.Latencies()
		out.Latency = client.Latencies{Since: client.Time{Time: l.Since}, Accept: latencyJSON(l.Accept),
			Attempt: latencyJSON(l.Attempt), Delivery: latencyJSON(l.Delivery)}
	}
	return &bodyOf[client.Stats]{out}, nil
}

// latencyJSON returns l in its JSON form.
func latencyJSON(l bellhop.Latency) client.Latency {
	return client.Latency{Count: l.Count, P50MS: milliseconds(l.P50), P99MS: milliseconds(l.P99)}
}
