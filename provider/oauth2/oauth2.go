// Package oauth2 describes connections at any API whose tokens come from an OAuth 2 or OpenID authority.
//
// It belongs to no provider: such an API is called, and sends no events. The authority's URLs come from its
// discovery document, or from the settings.
//
// Sources:
//   - https://www.rfc-editor.org/rfc/rfc6749, https://www.rfc-editor.org/rfc/rfc7636
//   - https://www.rfc-editor.org/rfc/rfc8628, https://www.rfc-editor.org/rfc/rfc7009
//   - https://openid.net/specs/openid-connect-discovery-1_0.html
package oauth2

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Name is the name of the Connector.
const Name = "oauth2"

// Connector opens connections at any API with OAuth 2.
type Connector struct{}

var _ provider.Connector = Connector{}

// ConnectorInfo implements [provider.Connector].
func (Connector) ConnectorInfo() provider.ConnectorInfo {
	return provider.ConnectorInfo{
		Name: Name, Title: "OAuth 2",
		Summary: "Calls of any API, with tokens of an OAuth 2 or OpenID authority.",
		Links: []string{"https://www.rfc-editor.org/rfc/rfc6749",
			"https://openid.net/specs/openid-connect-discovery-1_0.html"},
		Settings: []provider.Setting{
			{Name: "api_url", Title: "API URL", Required: true, Example: "https://api.example.com", Format: "uri",
				Doc: "The base URL of the API. Tokens are sent to its origin alone."},
			{Name: "issuer", Title: "Issuer", Example: "https://id.example.com", Format: "uri",
				Doc: "The OpenID issuer: the URLs of the authority come from its discovery document, and the ID " +
					"token of a sign-in is verified. Without an issuer, give `token_url`."},
			{Name: "token_url", Title: "Token URL", Example: "https://id.example.com/token", Format: "uri",
				Doc: "The token endpoint. Default: that of the issuer."},
			{Name: "authorize_url", Title: "Authorize URL", Example: "https://id.example.com/authorize", Format: "uri",
				Doc: "The page where users sign in. Default: that of the issuer."},
			{Name: "device_url", Title: "Device URL", Example: "https://id.example.com/device", Format: "uri",
				Doc: "The endpoint of device codes. Default: that of the issuer."},
			{Name: "revoke_url", Title: "Revocation URL", Example: "https://id.example.com/revoke", Format: "uri",
				Doc: "The endpoint that revokes tokens at `bellhop connections logout`. Default: that of the " +
					"issuer; without one, tokens are only forgotten here."},
			{Name: "client_id", Title: "Client ID", Required: true, Example: "bellhop",
				Doc: "Our id at the authority."},
			{Name: "client_secret", Title: "Client secret", Secret: true, Example: "correct horse battery staple",
				Doc: "Our secret there. Without one, only a user can sign in."},
			{Name: "auth", Title: "Client authentication", Example: "basic", Choices: auths,
				Doc: "`params`: the secret is sent in the body. `basic`: in the header Authorization. Default: " +
					"`params`."},
			{Name: "grant", Title: "Grant", Example: "user", Choices: provider.Grants,
				Doc: "`client_credentials`: calls are made on our own behalf. `user`: on behalf of a user, who " +
					"signs in by `bellhop connections login`. Default: our own, until a user signs in."},
			{Name: "scopes", Title: "Scopes", Kind: provider.KindList, Example: "api.read",
				Doc: "The scopes to ask for. For a user, `openid` and `offline_access` are added if there is an " +
					"issuer. Default: none."},
			{Name: "audience", Title: "Audience", Example: "https://api.example.com",
				Doc: "The parameter `audience` of each request, which some authorities need. Default: none."},
			{Name: "resource", Title: "Resource", Example: "https://api.example.com",
				Doc: "The parameter `resource` of each request (RFC 8707). Default: none."},
			{Name: "test_path", Title: "Test path", Example: "/v1/me",
				Doc: "The path of a call that only a good token can make, for `bellhop connections test`. " +
					"Default: none; the test then shows that the authority grants a token."},
		},
		Addresses: []string{"issuer", "token_url", "authorize_url", "device_url", "revoke_url", "api_url"},
		Setup: []string{
			"Register Bellhop at the authority as a confidential client, with the redirect URI that `bellhop " +
				"connections show NAME` prints: `https://YOUR-HOST/connect/callback`. Allow the grants that you " +
				"want: client credentials, or authorization code with PKCE and refresh token, or device code.",
		},
	}
}

// auths are the values of the setting auth.
var auths = []string{"params", "basic"}

// settings are the settings of a connection.
type settings struct {
	APIURL       string   `json:"api_url"`
	Issuer       string   `json:"issuer"`
	TokenURL     string   `json:"token_url"`
	AuthorizeURL string   `json:"authorize_url"`
	DeviceURL    string   `json:"device_url"`
	RevokeURL    string   `json:"revoke_url"`
	ClientID     string   `json:"client_id"`
	ClientSecret string   `json:"client_secret"`
	Auth         string   `json:"auth"`
	Grant        string   `json:"grant"`
	Scopes       []string `json:"scopes"`
	Audience     string   `json:"audience"`
	Resource     string   `json:"resource"`
	TestPath     string   `json:"test_path"`
}

// OpenConnection implements [provider.Connector].
func (Connector) OpenConnection(_ provider.Env, raw json.RawMessage) (provider.Connected, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return provider.Connected{}, err
	}
	s.ClientID, s.ClientSecret = bellhop.Pasted(s.ClientID), bellhop.Pasted(s.ClientSecret)
	base, baseErr := provider.CheckBaseURL("api_url", s.APIURL, "")
	auth, authErr := provider.OneOf("auth", s.Auth, "params", auths...)
	grant, grantErr := provider.OneOf("grant", s.Grant, "", provider.Grants...)
	err := bellhop.Join("", baseErr, authErr, grantErr, s.checkURLs(), s.checkClient(provider.GrantKind(grant)))
	if err != nil {
		return provider.Connected{}, err
	}
	userScopes := slices.Clone(s.Scopes)
	if s.Issuer != "" {
		for _, scope := range []string{"openid", "offline_access"} {
			if !slices.Contains(userScopes, scope) {
				userScopes = append(userScopes, scope)
			}
		}
	}
	params := url.Values{}
	for name, value := range map[string]string{"audience": s.Audience, "resource": s.Resource} {
		if value != "" {
			params.Set(name, value)
		}
	}
	connected := provider.Connected{BaseURL: base, OAuth: &provider.OAuth{Issuer: bellhop.Pasted(s.Issuer),
		AuthURL: s.AuthorizeURL, TokenURL: s.TokenURL, DeviceURL: s.DeviceURL, RevokeURL: s.RevokeURL,
		ClientID:     s.ClientID,
		ClientSecret: s.ClientSecret, Basic: auth == "basic", Grant: provider.GrantKind(grant), Scopes: s.Scopes,
		UserScopes: userScopes, Params: params}}
	if s.TestPath != "" {
		connected.Test = func(ctx context.Context, api provider.API, _ provider.Granted) (provider.Tested, error) {
			return provider.Tested{}, test(ctx, api, s.TestPath)
		}
	}
	return connected, nil
}

// checkURLs checks the URLs of the authority.
func (s *settings) checkURLs() error {
	var errs []error
	if s.Issuer == "" && s.TokenURL == "" {
		errs = append(errs, bellhop.Invalid("issuer", "required, unless token_url is given"))
	}
	for path, text := range map[string]string{"issuer": s.Issuer, "token_url": s.TokenURL,
		"authorize_url": s.AuthorizeURL, "device_url": s.DeviceURL, "revoke_url": s.RevokeURL} {
		u, err := url.Parse(text)
		switch {
		case text == "":
		case err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.Opaque != "",
			u.User != nil || u.Fragment != "":
			errs = append(errs, bellhop.Invalid(path,
				"use a URL such as https://id.example.com, without a user and a fragment"))
		}
	}
	if s.TestPath != "" && !strings.HasPrefix(s.TestPath, "/") {
		errs = append(errs, bellhop.Invalid("test_path", "begin with /: it is joined to api_url"))
	}
	slices.SortFunc(errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return bellhop.Join("", errs...)
}

// checkClient checks how we prove who we are.
func (s *settings) checkClient(grant provider.GrantKind) error {
	var errs []error
	if s.ClientID == "" || !provider.Printable(s.ClientID) {
		errs = append(errs, bellhop.Invalid("client_id", "required: our id at the authority"))
	}
	if s.ClientSecret != "" && bellhop.SecretFault(s.ClientSecret) != "" {
		errs = append(errs, bellhop.Invalid("client_secret", bellhop.SecretFault(s.ClientSecret)))
	}
	if s.ClientSecret == "" && grant == provider.GrantClient {
		errs = append(errs, bellhop.Invalid("client_secret", "the grant client_credentials needs it"))
	}
	for _, scope := range s.Scopes {
		if scope == "" || !provider.Visible(scope) {
			errs = append(errs, bellhop.Invalid("scopes", "each is one name, without blanks"))
		}
	}
	return bellhop.Join("", errs...)
}

// test makes the call at path. The API accepts the token if it answers 2xx.
func test(ctx context.Context, api provider.API, path string) error {
	answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet, Path: path})
	if err != nil || answer.Status >= 200 && answer.Status <= 299 {
		return err
	}
	e := &provider.APIError{
		Kind:    provider.APIInvalid,
		Status:  answer.Status,
		Message: "the API refuses the test call",
		Remedy:  "check test_path and api_url",
	}
	switch {
	case answer.Status == http.StatusUnauthorized:
		e.Kind, e.Message, e.Remedy = provider.APISignedOut, "the API does not accept the token", "check "+
			"audience, resource and scopes"
	case answer.Status == http.StatusForbidden:
		e.Kind, e.Message, e.Remedy = provider.APIForbidden, "the token may not make the test call", "check scopes"
	case answer.Status >= 500 || answer.Status == http.StatusTooManyRequests:
		e.Kind, e.Message, e.Remedy = provider.APITemporary, "the API has a passing trouble", ""
	case answer.Status < 400:
		e.Kind, e.Message = provider.APIForeign, "the answer is a redirect, which is not followed"
	}
	return e
}
