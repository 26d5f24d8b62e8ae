package microsoft

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// An EntraAPI is an API whose tokens come from Microsoft Entra ID. Every provider with such an API describes it by
// one, and has its connections opened by it.
// Source: https://learn.microsoft.com/entra/identity-platform/v2-protocols
type EntraAPI struct {
	Name, Title string // of the provider
	Summary     string
	Links       []string
	// URLs are the base URLs of the API by cloud. An empty map makes the setting api_url required.
	URLs       map[string]string
	ExampleURL string // of api_url, if it is required
	// Resources are the audiences of its tokens by cloud: "https://graph.microsoft.com". An empty map makes it the
	// origin of api_url.
	Resources map[string]string
	Version   string      // of the token endpoint by default: "v2" or "v1"
	Header    http.Header // of each call
	Setup     []string    // which permissions to add, in Markdown; the other steps are the same for all
	// Permissions are those that may be missing. A token that has another name of Or has the permission too.
	Permissions []EntraPermission
	// Test makes the cheapest authentic call and returns who we are, or "". Its errors are *provider.APIError.
	Test func(ctx context.Context, api provider.API, byUser bool, now time.Time) (account string, err error)
}

// TestByGet returns the Test of an API that does not say who calls it: a call of path, which every account may make.
func TestByGet(path string) func(context.Context, provider.API, bool, time.Time) (string, error) {
	return func(ctx context.Context, api provider.API, _ bool, now time.Time) (string, error) {
		answer, err := api.Do(ctx, provider.Call{Method: http.MethodGet, Path: path})
		if err != nil {
			return "", err
		}
		return "", Decode(answer, now, new(struct{}))
	}
}

// An EntraPermission is one permission at an API.
type EntraPermission struct {
	Name string   // the least one: "Calendars.Read"
	Or   []string // others that include it
	For  string   // what it is needed for, in words
}

// The clouds, and the hosts of their authorities.
// Source: https://learn.microsoft.com/entra/identity-platform/authentication-national-cloud
const (
	CloudGlobal = "global"
	CloudUSGov  = "usgov"
	CloudChina  = "china"
)

// The values of the settings cloud and version.
var (
	clouds   = []string{CloudGlobal, CloudUSGov, CloudChina}
	versions = []string{"v1", "v2"}
)

var authorities = map[string]string{
	CloudGlobal: "https://login.microsoftonline.com",
	CloudUSGov:  "https://login.microsoftonline.us",
	CloudChina:  "https://login.partner.microsoftonline.cn",
}

// entraSettings are the settings of a connection.
type entraSettings struct {
	Tenant       string             `json:"tenant"`
	ClientID     string             `json:"client_id"`
	ClientSecret string             `json:"client_secret"`
	Certificate  string             `json:"certificate"`
	PrivateKey   string             `json:"private_key"`
	Grant        provider.GrantKind `json:"grant"`
	Scopes       []string           `json:"scopes"`
	Cloud        string             `json:"cloud"`
	Authority    string             `json:"authority"`
	APIURL       string             `json:"api_url"`
	Version      string             `json:"version"`
	Resource     string             `json:"resource"`
}

// Info returns the description of the API's connections.
func (a *EntraAPI) Info() provider.ConnectorInfo {
	settings := []provider.Setting{
		{Name: "tenant", Title: "Tenant", Required: true, Example: "contoso.onmicrosoft.com",
			Doc: "The directory: its id or one of its domains. `common`, `organizations` or `consumers` take " +
				"users of any directory, for the grant `user` alone."},
		{Name: "client_id", Title: "Application (client) ID", Required: true,
			Example: "11111111-2222-3333-4444-555555555555",
			Doc:     "The id of the app registration."},
		{Name: "client_secret", Title: "Client secret", Secret: true, Example: "abc8Q~…",
			Doc: "The *Value* of a client secret, not its *Secret ID*. Without a secret and without a " +
				"certificate only a user can sign in."},
		{Name: "certificate", Title: "Certificate", Example: "@certificate.pem",
			Doc: "In place of a secret: the certificate that is uploaded to the app registration, in PEM. Its " +
				"key is RSA."},
		{Name: "private_key", Title: "Private key", Secret: true, Signs: true, Example: "@key.pem",
			Doc: "The key of the certificate, in PEM, without a passphrase. It signs a proof for each request " +
				"and is never sent."},
		{Name: "grant", Title: "Grant", Example: "user", Choices: provider.Grants,
			Doc: "`client_credentials`: calls are made on behalf of the application. `user`: on behalf of a " +
				"user, who has to sign in. Default: the application, until a user signs in."},
		{Name: "scopes", Title: "Scopes", Kind: provider.KindList, Example: "Calendars.Read",
			Doc: "The permissions to ask for. A name without a slash is one of this API. Default: `.default`, " +
				"which are those of the app registration. An application gets those alone."},
		{Name: "cloud", Title: "Cloud", Example: "usgov", Choices: clouds,
			Doc: "`global`, `usgov` or `china`: the defaults of `authority`, `api_url` and the audience. " +
				"Default: `global`."},
		{Name: "authority", Title: "Authority", Example: "https://login.microsoftonline.com", Format: "uri",
			Doc: "The base URL of the sign-in service, without the tenant. A stand-in's URL, for example."},
		{Name: "api_url", Title: "API URL", Example: a.exampleURL(), Required: len(a.URLs) == 0, Format: "uri",
			Doc: "The base URL of the API, without a version. A stand-in's URL, for example."},
		{Name: "version", Title: "Endpoint version", Example: "v1", Choices: versions,
			Doc: "`v2` asks for scopes, `v1` for a resource. Default: `" + a.version() + "`."},
		{Name: "resource", Title: "Resource", Example: a.exampleResource(),
			Doc: "The audience of the tokens: the App ID URI of the API. Default: " + a.resourceDoc() + "."},
	}
	setup := []string{
		"In the [Microsoft Entra admin center](https://entra.microsoft.com), choose *App registrations*, then " +
			"*New registration*. Note the *Application (client) ID* and the *Directory (tenant) ID*.",
		"For users who sign in by a browser: under *Authentication*, add the platform *Web* with the redirect " +
			"URI that `bellhop connections show CONNECTION` prints: `https://YOUR-HOST/connect/callback`. For " +
			"device codes, set *Allow public client flows* to *Yes*.",
		"Under *Certificates & secrets*, upload a certificate, or make a client secret and note its *Value*.",
	}
	return provider.ConnectorInfo{Name: a.Name, Title: a.Title, Summary: a.Summary, Links: slices.Concat(a.Links,
		[]string{"https://learn.microsoft.com/entra/identity-platform/v2-protocols",
			"https://learn.microsoft.com/entra/identity-platform/certificate-credentials"}),
		Settings: settings, Addresses: []string{"authority", "api_url"}, Setup: append(setup, a.Setup...)}
}

func (a *EntraAPI) version() string {
	if a.Version == "" {
		return "v2"
	}
	return a.Version
}

func (a *EntraAPI) exampleURL() string {
	if len(a.URLs) == 0 {
		return a.ExampleURL
	}
	return a.URLs[CloudGlobal]
}

func (a *EntraAPI) exampleResource() string {
	if len(a.Resources) == 0 {
		return origin(a.exampleURL())
	}
	return a.Resources[CloudGlobal]
}

func (a *EntraAPI) resourceDoc() string {
	if len(a.Resources) == 0 {
		return "scheme and host of `api_url`"
	}
	return "`" + a.Resources[CloudGlobal] + "`, and its equal in other clouds"
}

// Open checks the settings of a connection.
func (a *EntraAPI) Open(env provider.Env, raw json.RawMessage) (provider.Connected, error) {
	var s entraSettings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return provider.Connected{}, err
	}
	for _, text := range []*string{&s.Tenant, &s.ClientID, &s.ClientSecret, &s.Resource} {
		*text = bellhop.Pasted(*text)
	}
	cloud, cloudErr := provider.OneOf("cloud", s.Cloud, CloudGlobal, clouds...)
	if cloudErr != nil {
		cloud = CloudGlobal // so that the other settings have no faults because of this one
	}
	version, versionErr := provider.OneOf("version", s.Version, a.version(), versions...)
	grant, grantErr := provider.OneOf("grant", string(s.Grant), "", provider.Grants...)
	authority, authorityErr := provider.CheckBaseURL("authority", s.Authority, authorities[cloud])
	base, baseErr := provider.CheckBaseURL("api_url", s.APIURL, a.URLs[cloud])
	assertion, certificateErr := openCertificate(s.ClientID, s.Certificate, s.PrivateKey)
	err := bellhop.Join("", cloudErr, versionErr, grantErr, authorityErr, baseErr, certificateErr, s.checkNames(),
		s.checkProof(provider.GrantKind(grant), assertion != nil))
	if err != nil {
		return provider.Connected{}, err
	}
	resource := s.Resource
	if resource == "" {
		resource = a.Resources[cloud]
	}
	if resource == "" {
		resource = origin(base)
	}
	tenant := authority + "/" + url.PathEscape(s.Tenant)
	oauth := &provider.OAuth{
		AuthURL: tenant + "/oauth2/v2.0/authorize", TokenURL: tenant + "/oauth2/v2.0/token",
		DeviceURL: tenant + "/oauth2/v2.0/devicecode", ClientID: s.ClientID, ClientSecret: s.ClientSecret,
		Assertion: assertion, Grant: provider.GrantKind(grant), Explain: explainEntra,
		Scopes: []string{scopeAt(resource, ".default")}, UserScopes: userScopes(resource, s.Scopes),
	}
	if version == "v1" {
		oauth.AuthURL, oauth.TokenURL, oauth.DeviceURL = tenant+"/oauth2/authorize", tenant+"/oauth2/token",
			tenant+"/oauth2/devicecode"
		oauth.Scopes, oauth.UserScopes, oauth.Params = nil, nil, url.Values{"resource": {resource}}
	}
	test := func(ctx context.Context, api provider.API, granted provider.Granted) (provider.Tested, error) {
		return a.test(ctx, api, granted, env.Now())
	}
	return provider.Connected{BaseURL: base, Header: a.Header, OAuth: oauth, Test: test}, nil
}

// scopeAt returns the full name of a permission at a resource.
func scopeAt(resource, name string) string { return strings.TrimSuffix(resource, "/") + "/" + name }

// userScopes returns the scopes of a user's sign-in: those that let us renew the tokens and learn who signed in,
// and the permissions.
func userScopes(resource string, permissions []string) []string {
	openID := []string{"openid", "profile", "offline_access"}
	scopes := slices.Clone(openID)
	for _, p := range permissions {
		if p == "email" || slices.Contains(openID, p) {
			continue
		}
		if !strings.Contains(p, "/") {
			p = scopeAt(resource, p)
		}
		scopes = append(scopes, p)
	}
	if len(scopes) == len(openID) {
		scopes = append(scopes, scopeAt(resource, ".default"))
	}
	return scopes
}

// checkNames checks the settings that become parts of URLs and of parameters.
func (s *entraSettings) checkNames() error {
	var errs []error
	switch {
	case s.Tenant == "":
		errs = append(errs, bellhop.Invalid("tenant", "required: the directory's id or domain"))
	case !provider.Alphanumeric(s.Tenant, "-._"):
		errs = append(errs, bellhop.Invalid("tenant", "use the directory's id or one of its domains, not a URL"))
	}
	switch {
	case s.ClientID == "":
		errs = append(errs, bellhop.Invalid("client_id",
			"required: the Application (client) ID of the app registration"))
	case !provider.Alphanumeric(s.ClientID, "-._:/"):
		errs = append(errs, bellhop.Invalid("client_id", "use the Application (client) ID of the app registration"))
	}
	for _, scope := range s.Scopes {
		if scope == "" || !provider.Visible(scope) {
			errs = append(errs, bellhop.Invalid("scopes", "each is one name, without blanks"))
		}
	}
	return bellhop.Join("", errs...)
}

// checkProof checks that the settings say how the application proves itself, in one way.
func (s *entraSettings) checkProof(grant provider.GrantKind, byCertificate bool) error {
	var errs []error
	if s.ClientSecret != "" {
		if fault := bellhop.SecretFault(s.ClientSecret); fault != "" {
			errs = append(errs, bellhop.Invalid("client_secret", fault))
		}
		if provider.IsGUID(s.ClientSecret) {
			errs = append(errs, bellhop.Invalid("client_secret",
				"this is the Secret ID; give the Value of the client secret, which the portal shows once"))
		}
		if byCertificate {
			errs = append(errs, bellhop.Invalid("client_secret",
				"give either a client secret or a certificate, not both"))
		}
	}
	none := s.ClientSecret == "" && s.Certificate == "" && s.PrivateKey == ""
	if none && grant == provider.GrantClient {
		errs = append(errs, bellhop.Invalid("client_secret",
			"the grant client_credentials needs a client secret, or a certificate with its private key"))
	}
	anyTenant := slices.Contains([]string{"common", "organizations", "consumers"}, strings.ToLower(s.Tenant))
	if anyTenant && grant == provider.GrantClient {
		errs = append(errs, bellhop.Invalid("tenant",
			"the grant client_credentials needs the id or domain of one directory"))
	}
	return bellhop.Join("", errs...)
}

// origin returns scheme, host and port of a URL that was checked.
func origin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return text
	}
	return u.Scheme + "://" + u.Host
}

// test makes the API's test call and compares the permissions with those that may be missing. A token that names
// none of its permissions says nothing about them.
func (a *EntraAPI) test(
	ctx context.Context, api provider.API, granted provider.Granted, now time.Time,
) (provider.Tested, error) {
	var t provider.Tested
	var err error
	t.Account, err = a.Test(ctx, api, granted.ByUser, now)
	names := granted.Roles
	if granted.ByUser {
		names = nil
		for _, scope := range granted.Scopes {
			names = append(names, scope[strings.LastIndexByte(scope, '/')+1:])
		}
	}
	unnamed := func(name string) bool { return name == ".default" || name == "user_impersonation" }
	if len(names) == 0 || slices.ContainsFunc(names, unnamed) {
		return t, err
	}
	for _, p := range a.Permissions {
		has := slices.ContainsFunc(append([]string{p.Name}, p.Or...), func(name string) bool {
			return slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, name) })
		})
		t.Permissions = append(t.Permissions, provider.Permission{Name: p.Name, For: p.For, Granted: has})
	}
	return t, err
}
