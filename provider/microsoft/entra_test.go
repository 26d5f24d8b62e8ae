package microsoft

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/errortest"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/go-jose/go-jose/v4"
)

// testAPI is an API with defaults, and testSite one without.
var (
	testAPI = &EntraAPI{
		Name:      "mail",
		URLs:      map[string]string{CloudGlobal: "https://mail.example", CloudUSGov: "https://mail.us"},
		Resources: map[string]string{CloudGlobal: "https://mail.example/", CloudUSGov: "https://mail.us"},
		Permissions: []EntraPermission{{Name: "Mail.Read", Or: []string{"Mail.ReadWrite"}, For: "messages"},
			{Name: "Contacts.Read", For: "contacts"}},
		Test: func(context.Context, provider.API, bool, time.Time) (string, error) { return "ada", nil },
	}
	testSite = &EntraAPI{Name: "site", Version: "v1"}
)

var testEnv = provider.Env{
	Now:  func() time.Time { return time.Date(2026, 11, 29, 10, 0, 0, 0, time.UTC) },
	Rand: rand.Reader,
}

// newCertificate returns a certificate and its key in PEM.
func newCertificate(t *testing.T, key any, public any) (certificate, private string) {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "bellhop"},
		NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, public, key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func newRSA(t *testing.T, bits int) (certificate, private string, key *rsa.PrivateKey) {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, bits)
	if err != nil {
		t.Fatal(err)
	}
	certificate, private = newCertificate(t, key, &key.PublicKey)
	return certificate, private, key
}

func settingsOf(t *testing.T, members map[string]any) json.RawMessage {
	t.Helper()
	raw, err := json.Marshal(members)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestEntraDefaults(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, settings string
		api            *EntraAPI
		base, token    string
		scopes, user   []string
		resource       string
	}{
		{"global", `{"tenant":"contoso.com","client_id":"app","client_secret":"s3cret-value"}`, testAPI,
			"https://mail.example", "https://login.microsoftonline.com/contoso.com/oauth2/v2.0/token",
			[]string{"https://mail.example/.default"},
			[]string{"openid", "profile", "offline_access", "https://mail.example/.default"}, ""},
		{"a sovereign " +
			"cloud", `{"tenant":"t","client_id":"app","cloud":"usgov","scopes":["Mail.Read","https://other/x"]}`,
			testAPI, "https://mail.us", "https://login.microsoftonline.us/t/oauth2/v2.0/token",
			[]string{"https://mail.us/.default"},
			[]string{"openid", "profile", "offline_access", "https://mail.us/Mail.Read", "https://other/x"}, ""},
		{"a " +
			"stand-in",
			`{"tenant":"t","client_id":"app","authority":"http://127.0.0.1:9100/","api_url":"http://127.0.0.1:9100/"}`,
			testAPI, "http://127.0.0.1:9100", "http://127.0.0.1:9100/t/oauth2/v2.0/token",
			[]string{"https://mail.example/.default"},
			[]string{"openid", "profile", "offline_access", "https://mail.example/.default"}, ""},
		{"v1 and the origin as " +
			"resource", `{"tenant":"t","client_id":"app","api_url":"https://contoso.sharepoint.com/sites/a"}`,
			testSite, "https://contoso.sharepoint.com/sites/a", "https://login.microsoftonline.com/t/oauth2/token",
			nil, nil, "https://contoso.sharepoint.com"},
	} {
		got, err := c.api.Open(testEnv, json.RawMessage(c.settings))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		o := got.OAuth
		if got.BaseURL != c.base || o.TokenURL != c.token || !slices.Equal(o.Scopes, c.scopes) ||
			!slices.Equal(o.UserScopes, c.user) || o.Params.Get("resource") != c.resource {
			t.Errorf("%s: %s, %s, %q, %q, %v", c.name, got.BaseURL, o.TokenURL, o.Scopes, o.UserScopes, o.Params)
		}
	}
}

func TestEntraSettings(t *testing.T) {
	t.Parallel()
	certificate, private, _ := newRSA(t, 2048)
	other, _, _ := newRSA(t, 2048)
	short, shortKey, _ := newRSA(t, 1024)
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, ecKey := newCertificate(t, curve, &curve.PublicKey)
	for _, c := range []struct {
		change map[string]any
		want   []string
	}{
		{nil, nil},
		{map[string]any{"tenant": "", "client_id": ""}, []string{"tenant", "client_id"}},
		{map[string]any{"tenant": "https://login.microsoftonline.com/x"}, []string{"tenant"}},
		{map[string]any{"tenant": "../x"}, []string{"tenant"}},
		{map[string]any{"client_id": "a b"}, []string{"client_id"}},
		{map[string]any{"client_secret": "11111111-2222-3333-4444-555555555555"}, []string{"client_secret"}},
		{map[string]any{"client_secret": nil, "grant": "client_credentials"}, []string{"client_secret"}},
		{map[string]any{"tenant": "common", "grant": "client_credentials"}, []string{"tenant"}},
		{map[string]any{"grant": "password"}, []string{"grant"}},
		{map[string]any{"cloud": "moon", "version": "v3"}, []string{"cloud", "version"}},
		{map[string]any{"authority": "ftp://x", "api_url": "https://u:p@x"}, []string{"authority", "api_url"}},
		{map[string]any{"api_url": "https://x/?a=1"}, []string{"api_url"}},
		{map[string]any{"scopes": []string{"a b"}}, []string{"scopes"}},
		{map[string]any{"certificate": certificate}, []string{"private_key"}},
		{map[string]any{"private_key": private}, []string{"certificate"}},
		{map[string]any{"certificate": certificate, "private_key": private}, []string{"client_secret"}},
		{map[string]any{"client_secret": nil, "certificate": certificate, "private_key": private}, nil},
		{map[string]any{"client_secret": nil, "certificate": other, "private_key": private}, []string{"private_key"}},
		{map[string]any{"client_secret": nil, "certificate": short, "private_key": shortKey}, []string{"certificate"}},
		{map[string]any{"client_secret": nil, "certificate": ec, "private_key": ecKey}, []string{"private_key"}},
		{map[string]any{"client_secret": nil, "certificate": "x", "private_key": "y"},
			[]string{"certificate", "private_key"}},
		{map[string]any{"unknown": true}, []string{"unknown"}},
	} {
		members := map[string]any{"tenant": "contoso.com", "client_id": "app", "client_secret": "s3cret-value"}
		for name, value := range c.change {
			members[name] = value
		}
		_, err := testAPI.Open(testEnv, settingsOf(t, members))
		if c.want == nil {
			if err != nil {
				t.Errorf("%v: %v", c.change, err)
			}
			continue
		}
		if err == nil {
			t.Errorf("%v is accepted", c.change)
			continue
		}
		if got := errortest.InvalidPaths(t, err); !slices.Equal(got, c.want) {
			t.Errorf("%v: %q, want %q", c.change, got, c.want)
		}
		for _, secret := range []string{"s3cret-value", private, "11111111-2222"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%v: the error repeats a secret: %v", c.change, err)
			}
		}
	}
}

// TestAssertion shows that an assertion is what Microsoft Entra asks for, and that no two are the same.
func TestAssertion(t *testing.T) {
	t.Parallel()
	certificate, private, key := newRSA(t, 2048)
	pasted := strings.ReplaceAll(private, "\n", `\n`) // as in a variable of the environment
	opened, err := testAPI.Open(testEnv, settingsOf(t, map[string]any{"tenant": "t", "client_id": "app",
		"certificate": certificate, "private_key": pasted}))
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for range 2 {
		text, err := opened.OAuth.Assertion("https://login.example/token", testEnv.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := jose.ParseSignedCompact(text, []jose.SignatureAlgorithm{jose.PS256})
		if err != nil {
			t.Fatal(err)
		}
		payload, err := signed.Verify(&key.PublicKey)
		if err != nil {
			t.Fatal(err)
		}
		var claims struct {
			Aud, Iss, Sub, Jti string
			Nbf, Exp           int64
		}
		if err := json.Unmarshal(payload, &claims); err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(certificate))
		sum := sha256.Sum256(block.Bytes)
		header := signed.Signatures[0].Protected.ExtraHeaders
		if header["x5t#S256"] != base64.RawURLEncoding.EncodeToString(sum[:]) || header["typ"] != "JWT" {
			t.Errorf("header %v", header)
		}
		now := testEnv.Now().Unix()
		if claims.Aud != "https://login.example/token" || claims.Iss != "app" || claims.Sub != "app" ||
			claims.Nbf != now || claims.Exp != now+600 || !provider.IsGUID(claims.Jti) ||
			seen[claims.Jti] {
			t.Errorf("claims %+v", claims)
		}
		seen[claims.Jti] = true
	}
}

func TestExplainEntra(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		numbers []int
		want    string
	}{
		{nil, ""},
		{[]int{7000215}, "AADSTS7000215: the client secret is wrong"},
		{[]int{1, 50173}, "AADSTS50173: the sign-in was revoked"},
		{[]int{123}, "AADSTS123: see https://login.microsoftonline.com/error?code=123"},
	} {
		got := explainEntra(provider.TokenRefusal{Numbers: c.numbers})
		if !strings.HasPrefix(got, c.want) || c.want == "" && got != "" {
			t.Errorf("%v: %q, want %q", c.numbers, got, c.want)
		}
	}
}

// TestPermissions shows which permissions a test finds missing.
func TestPermissions(t *testing.T) {
	t.Parallel()
	opened, err := testAPI.Open(testEnv, json.RawMessage(`{"tenant":"t","client_id":"app"}`))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		granted provider.Granted
		want    string
	}{
		{provider.Granted{ByUser: true, Scopes: []string{"https://mail.example/mail.readwrite", "openid"}},
			"Mail.Read:true Contacts.Read:false"},
		{provider.Granted{ByUser: true, Scopes: []string{"Contacts.Read"}}, "Mail.Read:false Contacts.Read:true"},
		{provider.Granted{Roles: []string{"Mail.Read"}, Scopes: []string{"Contacts.Read"}},
			"Mail.Read:true Contacts.Read:false"},
		{provider.Granted{ByUser: true, Scopes: []string{"https://mail.example/.default"}}, ""},
		{provider.Granted{}, ""},
	} {
		tested, err := opened.Test(t.Context(), nil, c.granted)
		if err != nil || tested.Account != "ada" {
			t.Fatalf("%+v, %v", tested, err)
		}
		var got []string
		for _, p := range tested.Permissions {
			got = append(got, p.Name+map[bool]string{true: ":true", false: ":false"}[p.Granted])
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %q, want %q", c.granted, got, c.want)
		}
	}
}
