package eventgrid

import (
	"encoding/json"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Connector = Provider{}

// api describes the connections at Azure Resource Manager, by which event subscriptions are managed.
var api = &microsoft.EntraAPI{
	Name: "eventgrid", Title: "Azure Event Grid",
	Summary: "Calls of Azure Resource Manager, which manages event subscriptions, with tokens of Microsoft Entra " +
		"ID.",
	Links: []string{"https://learn.microsoft.com/rest/api/eventgrid/"},
	URLs: map[string]string{microsoft.CloudGlobal: "https://management.azure.com",
		microsoft.CloudUSGov: "https://management.usgovcloudapi.net",
		microsoft.CloudChina: "https://management.chinacloudapi.cn"},
	Resources: map[string]string{microsoft.CloudGlobal: "https://management.azure.com",
		microsoft.CloudUSGov: "https://management.usgovcloudapi.net",
		microsoft.CloudChina: "https://management.chinacloudapi.cn"},
	Setup: []string{
		"In the Azure portal, open the resource whose events you want, then *Access control (IAM)*, and give the " +
			"application the role *EventGrid EventSubscription Contributor*.",
	},
	// The Azure subscriptions that we may see, which may be none.
	Test: microsoft.TestByGet("/subscriptions?api-version=2022-12-01"),
}

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo { return api.Info() }

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(env provider.Env, settings json.RawMessage) (provider.Connected, error) {
	return api.Open(env, settings)
}
