// Package all lists the providers and the connectors.
package all

import (
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/ams"
	"github.com/bellhop-gateway/bellhop/provider/boro"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/generic"
	"github.com/bellhop-gateway/bellhop/provider/github"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/oauth2"
	"github.com/bellhop-gateway/bellhop/provider/outlook"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
	"github.com/bellhop-gateway/bellhop/provider/slack"
	"github.com/bellhop-gateway/bellhop/provider/sns"
	"github.com/bellhop-gateway/bellhop/provider/standardwebhooks"
	"github.com/bellhop-gateway/bellhop/provider/stripe"
)

// Providers returns every provider there is, by name.
func Providers() []provider.Provider {
	return []provider.Provider{
		acs.Provider{},
		ams.Provider{},
		boro.Provider{},
		cloudevents.Provider{},
		eventgrid.Provider{},
		generic.Provider{},
		github.Provider{},
		graph.Provider{},
		outlook.Provider{},
		sharepoint.Provider{},
		slack.Provider{},
		sns.Provider{},
		standardwebhooks.Provider{},
		stripe.Provider{},
	}
}

// Connectors returns everything at whose API there can be connections, by name.
func Connectors() []provider.Connector {
	return []provider.Connector{
		acs.Provider{},
		ams.Provider{},
		eventgrid.Provider{},
		graph.Provider{},
		oauth2.Connector{},
		outlook.Provider{},
		sharepoint.Provider{},
	}
}
