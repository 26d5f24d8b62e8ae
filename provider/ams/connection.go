package ams

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Connector = Provider{}

// api describes the connections at the REST API of a Media Services account.
var api = &microsoft.EntraAPI{
	Name: "ams", Title: "Azure Media Services",
	Summary: "Calls of the REST API v2 of a Media Services account, with tokens of Microsoft Entra ID.",
	Links: []string{
		"https://learn.microsoft.com/previous-versions/media-services/previous/media-services-rest-connect-with-aad",
	},
	Resources: map[string]string{microsoft.CloudGlobal: "https://rest.media.azure.net",
		microsoft.CloudUSGov: "https://rest.media.usgovcloudapi.net",
		microsoft.CloudChina: "https://rest.media.chinacloudapi.cn"},
	ExampleURL: "https://contoso.restv2.westeurope.media.azure.net/api",
	Version:    "v1",
	Header: http.Header{"X-Ms-Version": {"2.19"}, "Dataserviceversion": {"3.0"}, "Maxdataserviceversion": {"3.0"},
		"Accept": {"application/json"}},
	Setup: []string{
		"In the Azure portal, open the Media Services account, then *Access control (IAM)*, and give the " +
			"application the role *Contributor*.",
		"Set `api_url` to the *REST API endpoint* of the account: " +
			"`https://ACCOUNT.restv2.REGION.media.azure.net/api`.",
	},
	// Whoever may list the endpoints has the role that everything else needs.
	Test: func(ctx context.Context, api provider.API, _ bool, now time.Time) (string, error) {
		calls := account{now: func() time.Time { return now }, api: api}
		return "", calls.do(ctx, http.MethodGet, endpoints+"?$top=1", nil, new(struct{}))
	},
}

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo { return api.Info() }

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(env provider.Env, settings json.RawMessage) (provider.Connected, error) {
	connected, err := api.Open(env, settings)
	if err != nil {
		return connected, err
	}
	call := connected.Test
	connected.Test = func(ctx context.Context, api provider.API, granted provider.Granted) (provider.Tested, error) {
		tested, err := call(ctx, api, granted)
		var refused *provider.APIError
		forbidden := errors.As(err, &refused) && refused.Permission != ""
		if err == nil || forbidden {
			tested.Permissions = []provider.Permission{{Name: contributor, For: "every call of the account's API",
				Granted: !forbidden}}
		}
		return tested, err
	}
	return connected, nil
}
