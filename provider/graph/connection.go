package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Connector = Provider{}

// api describes the connections at Graph.
var api = &microsoft.EntraAPI{
	Name: "graph", Title: "Microsoft Graph",
	Summary: "Calls of Microsoft Graph, with tokens of Microsoft Entra ID.",
	Links:   []string{"https://learn.microsoft.com/graph/auth/auth-concepts"},
	URLs: map[string]string{microsoft.CloudGlobal: "https://graph.microsoft.com",
		microsoft.CloudUSGov: "https://graph.microsoft.us",
		microsoft.CloudChina: "https://microsoftgraph.chinacloudapi.cn"},
	Resources: map[string]string{microsoft.CloudGlobal: "https://graph.microsoft.com",
		microsoft.CloudUSGov: "https://graph.microsoft.us",
		microsoft.CloudChina: "https://microsoftgraph.chinacloudapi.cn"},
	Setup: []string{
		"Under *API permissions*, add permissions of *Microsoft Graph*: *Delegated* ones for the grant `user`, " +
			"*Application* ones otherwise. Take the least that the resource needs, such as `Calendars.Read`, and " +
			"have an administrator *Grant admin consent*.",
	},
	Permissions: []microsoft.EntraPermission{
		{
			Name: "Mail.ReadBasic",
			Or:   []string{"Mail.Read", "Mail.ReadWrite", "Mail.ReadBasic.All"},
			For:  "messages and folders",
		},
		{Name: "Calendars.Read", Or: []string{"Calendars.ReadWrite"}, For: "events of calendars"},
		{Name: "Contacts.Read", Or: []string{"Contacts.ReadWrite"}, For: "contacts"},
		{Name: "Files.ReadWrite.All", Or: []string{"Files.ReadWrite"}, For: "the root of a drive"},
		{Name: "Sites.ReadWrite.All", Or: []string{"Sites.FullControl.All"}, For: "lists of a site"},
		{Name: "User.Read.All", Or: []string{"User.ReadWrite.All", "Directory.Read.All"}, For: "changes of users"},
		{Name: "Group.Read.All", Or: []string{"Group.ReadWrite.All", "Directory.Read.All"}, For: "changes of " +
			"groups"},
		{Name: "Chat.Read.All", Or: []string{"Chat.Read", "Chat.ReadWrite"}, For: "messages of chats"},
		{Name: "ChannelMessage.Read.All", For: "messages of channels"},
		{Name: "CallRecords.Read.All", For: "call records, for applications alone"},
	},
	Test: whoAmI,
}

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo { return api.Info() }

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(env provider.Env, settings json.RawMessage) (provider.Connected, error) {
	return api.Open(env, settings)
}

// whoAmI asks Graph who a user is. Of an application it lists the subscriptions, which needs no permission.
func whoAmI(ctx context.Context, api provider.API, byUser bool, now time.Time) (account string, err error) {
	path := "/v1.0/subscriptions"
	if byUser {
		path = "/v1.0/me?$select=id,displayName,userPrincipalName"
	}
	answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet, Path: path})
	if err != nil {
		return "", err
	}
	var me struct {
		Name string `json:"userPrincipalName"`
	}
	err = microsoft.Decode(answer, now, &me)
	return me.Name, err
}
