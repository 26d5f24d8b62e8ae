package interop

import (
	"context"
	"crypto"
	"crypto/x509"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/confidential"
	"github.com/AzureAD/microsoft-authentication-library-for-go/apps/public"
)

func TestNpmMSAL(t *testing.T) {
	s := startStandIn(t, true)
	s.runChecks(t, npmVersion(t, "@azure/msal-node"), "msal.mjs",
		settings{"key": s.identity.keyPEM, "thumbprint": s.identity.thumbprint})
}

func TestNpmIdentity(t *testing.T) {
	s := startStandIn(t, true)
	s.runChecks(t, npmVersion(t, "@azure/identity"), "identity.mjs",
		settings{"pem": s.identity.certPEM + s.identity.keyPEM})
}

// hookSettings are those of a script that subscribes: a source of the gateway, whose events show what arrived.
func hookSettings(g *gateway, t *testing.T, provider string) (source, settings) {
	t.Helper()
	const state = "a client state of the interop tests"
	hook := g.newSource(t, provider, settings{"client_state": state})
	return hook, settings{"hook": hook.URL, "clientState": state}
}

// checkArrived checks that the events of which the stand-in notified the source have arrived.
func checkArrived(t *testing.T, client string, hook source, want int) {
	t.Helper()
	check(t, client, "stand-in → Bellhop", "the notifications are events of the source", func(t *testing.T) {
		got := 0
		if !waitFor(func() bool { got = len(hook.events(t)); return got >= want }) || got != want {
			t.Errorf("%d events have arrived, want %d; refused: %v", got, want, hook.refusals(t))
		}
	})
}

func TestNpmGraph(t *testing.T) {
	g := sharedGateway(t)
	s := startStandIn(t, true)
	client := npmVersion(t, "@microsoft/microsoft-graph-client")
	hook, of := hookSettings(g, t, "graph")
	of["token"] = s.userToken(t, "Calendars.Read Mail.Read Files.ReadWrite.All")
	s.runChecks(t, client, "graph.mjs", of)
	checkArrived(t, client, hook, 1)
}

func TestNpmPnPGraph(t *testing.T) {
	g := sharedGateway(t)
	s := startStandIn(t, false)
	_, of := hookSettings(g, t, "graph")
	of["token"] = s.userToken(t, "Calendars.Read")
	s.runChecks(t, npmVersion(t, "@pnp/graph"), "pnp-graph.mjs", of)
}

func TestNpmPnPSharePoint(t *testing.T) {
	g := sharedGateway(t)
	t.Run("http", func(t *testing.T) {
		s := startStandIn(t, false)
		client := npmVersion(t, "@pnp/sp") + ", http"
		hook, of := hookSettings(g, t, "sharepoint")
		of["token"] = s.userToken(t, "https://contoso.sharepoint.com/AllSites.FullControl")
		s.runChecks(t, client, "pnp-sp.mjs", of)
		checkArrived(t, client, hook, 4)
	})
	t.Run("https with its own tokens", func(t *testing.T) {
		s := startStandIn(t, true)
		_, of := hookSettings(g, t, "sharepoint")
		of["key"], of["thumbprint"] = s.identity.keyPEM, s.identity.thumbprint
		s.runChecks(t, npmVersion(t, "@pnp/sp")+", https, tokens by certificate", "pnp-sp.mjs", of)
	})
}

const graphDefault = "https://graph.microsoft.com/.default"

func TestGoMSAL(t *testing.T) {
	s := startStandIn(t, true)
	client := moduleVersion(t, "github.com/AzureAD/microsoft-authentication-library-for-go")
	ctx := context.Background()
	authority := s.URL + "/" + tenant
	newApp := func(t *testing.T, credential confidential.Credential, err error) confidential.Client {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		app, err := confidential.New(authority, "bellhop", credential, confidential.WithHTTPClient(s.client),
			confidential.WithInstanceDiscovery(false))
		if err != nil {
			t.Fatal(err)
		}
		return app
	}
	withSecret := func(t *testing.T, secret string) confidential.Client {
		t.Helper()
		credential, err := confidential.NewCredFromSecret(secret)
		return newApp(t, credential, err)
	}
	takes := func(t *testing.T, path, token string) {
		t.Helper()
		if status := s.status(t, path, token); status != http.StatusOK {
			t.Errorf("%s: the token is answered %d", path, status)
		}
	}
	check(t, client, standInCalls, "client secret: a token that Graph takes; wrong secret: AADSTS7000215",
		func(t *testing.T) {
			result, err := withSecret(t, "secret").AcquireTokenByCredential(ctx, []string{graphDefault})
			if err != nil {
				t.Fatal(err)
			}
			takes(t, "/v1.0/subscriptions", result.AccessToken)
			if _, err = withSecret(t, "wrong").AcquireTokenByCredential(ctx, []string{graphDefault}); err == nil ||
				!strings.Contains(err.Error(), "AADSTS7000215") {
				t.Errorf("wrong secret: %v", err)
			}
		})
	check(t, client, standInCalls, "certificate (thumbprint in standard Base64): a token that SharePoint takes too",
		func(t *testing.T) {
			credential, err := confidential.NewCredFromCert([]*x509.Certificate{s.identity.certificate},
				s.identity.key)
			app := newApp(t, credential, err)
			result, err := app.AcquireTokenByCredential(ctx, []string{"https://contoso.sharepoint.com/.default"})
			if err != nil {
				t.Fatal(err)
			}
			takes(t, "/_api/web", result.AccessToken)
		})
	check(t, client, standInCalls, "device code", func(t *testing.T) {
		app, err := public.New("bellhop", public.WithAuthority(authority), public.WithHTTPClient(s.client),
			public.WithInstanceDiscovery(false))
		if err != nil {
			t.Fatal(err)
		}
		code, err := app.AcquireTokenByDeviceCode(ctx, []string{"https://graph.microsoft.com/Calendars.Read"})
		if err != nil {
			t.Fatal(err)
		}
		if code.Result.UserCode == "" || !strings.Contains(code.Result.Message, code.Result.UserCode) {
			t.Errorf("the user sees %+v", code.Result)
		}
		result, err := code.AuthenticationResult(ctx)
		if err != nil {
			t.Fatal(err)
		}
		takes(t, "/v1.0/me/events", result.AccessToken)
	})
	check(t, client, standInCalls, "authorization code with PKCE, refresh, and revocation", func(t *testing.T) {
		app := withSecret(t, "secret")
		const redirect, verifier = "http://localhost:53682/connect", "a-verifier-of-at-least-43-characters-0123456789"
		scopes := []string{"https://graph.microsoft.com/Calendars.Read"}
		address, err := app.AuthCodeURL(ctx, "bellhop", redirect, scopes)
		if err != nil {
			t.Fatal(err)
		}
		code := s.authorize(t, address+"&code_challenge="+verifier+"&code_challenge_method=plain")
		result, err := app.AcquireTokenByAuthCode(ctx, code, redirect, scopes, confidential.WithChallenge(verifier))
		if err != nil {
			t.Fatal(err)
		}
		takes(t, "/v1.0/me/events", result.AccessToken)
		silent := confidential.WithSilentAccount(result.Account)
		refreshed, err := app.AcquireTokenSilent(ctx, []string{"https://graph.microsoft.com/Mail.Read"}, silent)
		if err != nil {
			t.Fatal(err)
		}
		takes(t, "/v1.0/me/messages", refreshed.AccessToken)
		s.control(t, "fault", settings{"fault": "revoke", "system": "entra"})
		if _, err = app.AcquireTokenSilent(ctx, []string{"https://graph.microsoft.com/Contacts.Read"},
			silent); err == nil ||
			!strings.Contains(err.Error(), "AADSTS50173") {
			t.Errorf("after revocation: %v", err)
		}
	})
}

// authorize follows the sign-in of the user, and returns the code with which the browser is led back.
func (s *standIn) authorize(t *testing.T, address string) string {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.client.Transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	to, err := url.Parse(res.Header.Get("Location"))
	if err != nil || to.Query().Get("code") == "" {
		t.Fatalf("the browser is led to %q: %d", res.Header.Get("Location"), res.StatusCode)
	}
	return to.Query().Get("code")
}

func TestGoAzidentity(t *testing.T) {
	s := startStandIn(t, true)
	client := moduleVersion(t, "github.com/Azure/azure-sdk-for-go/sdk/azidentity")
	options := azcore.ClientOptions{Transport: s.client,
		Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: s.URL}}
	takes := func(t *testing.T, credential azcore.TokenCredential, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		token, err := credential.GetToken(context.Background(),
			policy.TokenRequestOptions{Scopes: []string{graphDefault}})
		if err != nil {
			t.Fatal(err)
		}
		if status := s.status(t, "/v1.0/subscriptions", token.Token); status != http.StatusOK {
			t.Errorf("the token is answered %d", status)
		}
	}
	withSecret := func(secret string) (*azidentity.ClientSecretCredential, error) {
		return azidentity.NewClientSecretCredential(tenant, "bellhop", secret,
			&azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
	}
	check(t, client, standInCalls, "ClientSecretCredential; wrong secret: AADSTS7000215", func(t *testing.T) {
		credential, err := withSecret("secret")
		takes(t, credential, err)
		if credential, err = withSecret("wrong"); err != nil {
			t.Fatal(err)
		}
		_, err = credential.GetToken(context.Background(), policy.TokenRequestOptions{Scopes: []string{graphDefault}})
		var failed *azidentity.AuthenticationFailedError
		if !errors.As(err, &failed) || failed.RawResponse.StatusCode != http.StatusUnauthorized ||
			!strings.Contains(err.Error(), "AADSTS7000215") {
			t.Errorf("wrong secret: %v", err)
		}
	})
	check(t, client, standInCalls, "ClientCertificateCredential", func(t *testing.T) {
		credential, err := azidentity.NewClientCertificateCredential(tenant, "bellhop",
			[]*x509.Certificate{s.identity.certificate}, crypto.PrivateKey(s.identity.key),
			&azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: true})
		takes(t, credential, err)
	})
	check(t, client, standInCalls, "DeviceCodeCredential", func(t *testing.T) {
		shown := ""
		credential, err := azidentity.NewDeviceCodeCredential(&azidentity.DeviceCodeCredentialOptions{
			ClientOptions: options, DisableInstanceDiscovery: true, TenantID: tenant, ClientID: "bellhop",
			UserPrompt: func(_ context.Context, m azidentity.DeviceCodeMessage) error {
				shown = m.UserCode
				return nil
			}})
		takes(t, credential, err)
		if shown == "" {
			t.Error("no code was shown")
		}
	})
}
