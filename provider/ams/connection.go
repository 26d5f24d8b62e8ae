package ams

import (
	"context"
	"encoding/json"
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
	Test: whoAmI,
}

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo { return api.Info() }

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(env provider.Env, settings json.RawMessage) (provider.Connected, error) {
	return api.Open(env, settings)
}

// whoAmI lists one media processor, which every account has.
func whoAmI(ctx context.Context, api provider.API, _ bool, now time.Time) (account string, err error) {
	answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet, Path: "/MediaProcessors?$top=1"})
	if err != nil {
		return "", err
	}
	return "", microsoft.Decode(answer, now, new(struct{}))
}
