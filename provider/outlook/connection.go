package outlook

import (
	"context"
	"encoding/json"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Connector = Provider{}

// api describes the connections at the Outlook REST API.
var api = &microsoft.EntraAPI{
	Name: "outlook", Title: "Outlook REST API v2.0",
	Summary: "Calls of the Outlook REST API, with tokens of Microsoft Entra ID.",
	Links: []string{
		"https://learn.microsoft.com/previous-versions/office/office-365-api/api/version-2.0/use-outlook-rest-api",
	},
	URLs: map[string]string{microsoft.CloudGlobal: "https://outlook.office.com",
		microsoft.CloudUSGov: "https://outlook.office365.us", microsoft.CloudChina: "https://partner.outlook.cn"},
	Resources: map[string]string{microsoft.CloudGlobal: "https://outlook.office.com",
		microsoft.CloudUSGov: "https://outlook.office365.us", microsoft.CloudChina: "https://partner.outlook.cn"},
	Setup: []string{"Under *API permissions*, add *Delegated* permissions of *Office 365 Exchange Online*, such " +
		"as `Calendars.Read`. The API is for the mailbox of the user who signs in: set `grant` to `user`."},
	Permissions: []microsoft.EntraPermission{
		{Name: "Mail.Read", Or: []string{"Mail.ReadWrite"}, For: "messages"},
		{Name: "Calendars.Read", Or: []string{"Calendars.ReadWrite"}, For: "events"},
		{Name: "Contacts.Read", Or: []string{"Contacts.ReadWrite"}, For: "contacts"},
		{Name: "Tasks.Read", Or: []string{"Tasks.ReadWrite"}, For: "tasks"},
	},
	Test: whoAmI,
}

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo { return api.Info() }

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(env provider.Env, settings json.RawMessage) (provider.Connected, error) {
	return api.Open(env, settings)
}

// whoAmI asks the API whose mailbox it is.
func whoAmI(ctx context.Context, api provider.API, _ bool, now time.Time) (account string, err error) {
	answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet, Path: "/api/v2.0/me"})
	if err != nil {
		return "", err
	}
	var me struct{ EmailAddress string }
	err = microsoft.Decode(answer, now, &me)
	return me.EmailAddress, err
}
