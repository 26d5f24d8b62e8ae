package ams

import (
	"encoding/json"
	"net/http"

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
	// Every account has media processors.
	Test: microsoft.TestByGet("/MediaProcessors?$top=1"),
}

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo { return api.Info() }

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(env provider.Env, settings json.RawMessage) (provider.Connected, error) {
	return api.Open(env, settings)
}
