package emulator_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/ams"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/graph"
	"github.com/bellhop-gateway/bellhop/emulator/outlook"
	"github.com/bellhop-gateway/bellhop/emulator/sharepoint"
	"github.com/bellhop-gateway/bellhop/provider"
	amsapi "github.com/bellhop-gateway/bellhop/provider/ams"
	graphapi "github.com/bellhop-gateway/bellhop/provider/graph"
	outlookapi "github.com/bellhop-gateway/bellhop/provider/outlook"
	sharepointapi "github.com/bellhop-gateway/bellhop/provider/sharepoint"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A caller is a provider.API with one token.
type caller struct {
	base, token string
	header      http.Header
	client      *http.Client
}

func (c caller) Do(ctx context.Context, call provider.Call) (provider.Answer, error) {
	req, err := http.NewRequestWithContext(ctx, call.Method, c.base+call.Path, bytes.NewReader(call.Body))
	if err != nil {
		return provider.Answer{}, err
	}
	for _, header := range []http.Header{c.header, call.Header} {
		for name, values := range header {
			req.Header[name] = values
		}
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	res, err := c.client.Do(req)
	if err != nil {
		return provider.Answer{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	return provider.Answer{Status: res.StatusCode, Header: res.Header, Body: body}, err
}

// TestConnectors runs the connectors of this module against the stand-ins over https: by a secret and by a
// certificate, whose assertions the stand-in checks. SharePoint refuses the secret, and the connector says what to
// do.
func TestConnectors(t *testing.T) {
	t.Parallel()
	key := emulatortest.Key()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	inPEM := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	host := emulator.New(emulator.Options{})
	tokens := entra.New(host, entra.Options{Key: key, AssertionOnce: true, Clients: []entra.Client{{
		ID: entra.DefaultClient, Secret: entra.DefaultSecret, Certificates: []*x509.Certificate{certificate}}}})
	host.Add(tokens, graph.New(host, tokens, graph.Options{}), outlook.New(host, tokens, outlook.Options{}),
		sharepoint.New(host, tokens, sharepoint.Options{}), ams.New(host, tokens, ams.Options{Key: key}))
	server := httptest.NewTLSServer(host)
	t.Cleanup(func() { server.Close(); host.Close() })
	ctx := context.WithValue(t.Context(), oauth2.HTTPClient, server.Client())

	for _, tt := range []struct {
		name, path string
		connector  provider.Connector
		secretOK   bool
	}{
		{"graph", "", graphapi.Provider{}, true},
		{"outlook", "", outlookapi.Provider{}, true},
		{"sharepoint", "", sharepointapi.Provider{}, false},
		{"ams", "/api/", amsapi.Provider{}, true},
	} {
		for _, proof := range []map[string]string{{"client_secret": entra.DefaultSecret},
			{"certificate": inPEM("CERTIFICATE", der), "private_key": inPEM("PRIVATE KEY", pkcs8)}} {
			settings := map[string]any{"tenant": "contoso.example", "client_id": entra.DefaultClient,
				"authority": server.URL, "api_url": server.URL + tt.path}
			for name, value := range proof {
				settings[name] = value
			}
			text, err := json.Marshal(settings)
			if err != nil {
				t.Fatal(err)
			}
			connected, err := tt.connector.OpenConnection(provider.Env{Now: time.Now, Rand: rand.Reader}, text)
			if err != nil {
				t.Fatalf("%s: %v", tt.name, err)
			}
			oauth := connected.OAuth
			for range 2 { // each time with an assertion of its own
				config := clientcredentials.Config{ClientID: oauth.ClientID, ClientSecret: oauth.ClientSecret,
					TokenURL: oauth.TokenURL, Scopes: oauth.Scopes, AuthStyle: oauth2.AuthStyleInParams,
					EndpointParams: url.Values{}}
				for name, values := range oauth.Params {
					config.EndpointParams[name] = values
				}
				if oauth.Assertion != nil {
					assertion, err := oauth.Assertion(oauth.TokenURL, time.Now(), rand.Reader)
					if err != nil {
						t.Fatal(err)
					}
					config.EndpointParams.Set("client_assertion", assertion)
					config.EndpointParams.Set("client_assertion_type",
						"urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
				}
				token, err := config.Token(ctx)
				if err != nil {
					t.Fatalf("%s: %v", tt.name, err)
				}
				granted := provider.Granted{Roles: entra.AllRoles}
				tested, err := connected.Test(ctx, caller{connected.BaseURL, token.AccessToken, connected.Header,
					server.Client()}, granted)
				wanted := tt.secretOK || oauth.Assertion != nil
				failed, isAPIError := err.(*provider.APIError)
				switch {
				case wanted != (err == nil):
					t.Errorf("%s: the test call says %v", tt.name, err)
				case !wanted && (!isAPIError || failed.Status != 401 || failed.Remedy == ""):
					t.Errorf("%s: the refusal is %+v", tt.name, failed)
				case wanted && !slices.ContainsFunc(tested.Permissions,
					func(p provider.Permission) bool { return p.Granted }):
					t.Errorf("%s: no permission is granted: %+v", tt.name, tested)
				}
			}
		}
	}
}
