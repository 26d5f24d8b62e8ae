package sharepoint

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

var _ provider.Connector = Provider{}

// api describes the connections at a SharePoint site.
var api = &microsoft.EntraAPI{
	Name: "sharepoint", Title: "SharePoint Online",
	Summary: "Calls of the REST API of a SharePoint site, with tokens of Microsoft Entra ID.",
	Links: []string{
		"https://learn.microsoft.com/sharepoint/dev/solution-guidance/security-apponly-azuread",
		"https://learn.microsoft.com/sharepoint/dev/general-development/how-to-avoid-getting-throttled-or-blocked-in-sharepoint-online",
	},
	ExampleURL: "https://contoso.sharepoint.com/sites/media",
	Header:     http.Header{"User-Agent": {"NONISV|Bellhop|Bellhop/1.0"}},
	Setup: []string{
		"Under *API permissions*, add permissions of *SharePoint*: `Sites.ReadWrite.All`, or " +
			"`Sites.FullControl.All` if the subscriptions of others are to be listed too. Have an administrator " +
			"*Grant admin consent*.",
		"SharePoint takes tokens of an application only if it proved itself by a **certificate**: set " +
			"`certificate` and `private_key`. A client secret is enough for the grant `user`.",
		"Set `api_url` to the site: `https://contoso.sharepoint.com/sites/media`.",
	},
	Permissions: []microsoft.EntraPermission{
		{Name: "Sites.ReadWrite.All", Or: []string{"Sites.FullControl.All", "Sites.Selected", "AllSites.Write",
			"AllSites.Manage", "AllSites.FullControl"}, For: "subscriptions to lists"},
		{
			Name: "Sites.FullControl.All",
			Or:   []string{"AllSites.FullControl"},
			For:  "listing the subscriptions of others",
		},
	},
	Test: whoAmI,
}

// ConnectorInfo implements [provider.Connector].
func (Provider) ConnectorInfo() provider.ConnectorInfo { return api.Info() }

// OpenConnection implements [provider.Connector].
func (Provider) OpenConnection(env provider.Env, settings json.RawMessage) (provider.Connected, error) {
	return api.Open(env, settings)
}

// whoAmI asks for the title of the site, which everybody may read who may read anything there.
func whoAmI(ctx context.Context, api provider.API, _ bool, now time.Time) (account string, err error) {
	answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet, Path: "/_api/web?$select=Title,Url",
		Header: http.Header{"Accept": {"application/json;odata=nometadata"}}})
	if err != nil {
		return "", err
	}
	var site struct{ Title string }
	err = microsoft.Decode(answer, now, &site)
	var refused *provider.APIError
	if errors.As(err, &refused) && refused.Status == http.StatusUnauthorized &&
		strings.Contains(refused.Message, "app only token") {
		refused.Remedy = "SharePoint takes tokens of an application only if it proved itself by a certificate: " +
			"set certificate and private_key in place of client_secret, or set grant to user"
	}
	return "", err
}
