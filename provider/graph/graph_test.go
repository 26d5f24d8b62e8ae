package graph_test

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"net/http"
	"os"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The common values of the samples and vectors.
const (
	state         = "a1b2c3-secret-client-state"
	otherState    = "other-subscription-state"
	tenant        = "84bd8158-6d4d-4958-8b9f-9d6445542f95"
	otherTenant   = "11111111-2222-3333-4444-555555555555"
	app           = "8e460676-ae3f-4b1e-8790-ee0fb5d6148f"
	certificateID = "testCert/2026-11"
	keyID         = "test-kid-2026"
)

// A contentVector is an entry of testdata/encrypted-content.json.
type contentVector struct {
	Name        string
	Bits        int    `json:"rsa_bits"`
	Key         string `json:"private_key_pem"`
	Certificate string `json:"certificate_der_base64"`
	Plaintext   string
	Content     graph.EncryptedContent `json:"encryptedContent"`
	Valid       bool
}

// certificate returns the vector's certificate in PEM.
func (v contentVector) certificate() string {
	der, err := base64.StdEncoding.DecodeString(v.Certificate)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func (v contentVector) parse() (*rsa.PrivateKey, *x509.Certificate) {
	block, _ := pem.Decode([]byte(v.certificate()))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		panic(err)
	}
	return parseKey(v.Key), certificate
}

// A tokenFile is the content of testdata/validation-tokens.json.
type tokenFile struct {
	JWKS     json.RawMessage `json:"jwks"`
	Now      int64
	Expected struct{ Audience string }
	Vectors  []struct {
		Name, Token string
		Valid       bool
	}
	Key string `json:"test_signing_key_pem"`
}

func (f tokenFile) token(name string) string {
	for _, v := range f.Vectors {
		if v.Name == name {
			return v.Token
		}
	}
	panic("no token " + name)
}

var readContents = sync.OnceValue(func() []contentVector {
	var file struct{ Vectors, Negative []contentVector }
	readJSON("testdata/encrypted-content.json", &file)
	return append(file.Vectors, file.Negative...)
})

var readTokens = sync.OnceValue(func() (file tokenFile) {
	readJSON("testdata/validation-tokens.json", &file)
	return file
})

var tokenKey = sync.OnceValue(func() *rsa.PrivateKey { return parseKey(readTokens().Key) })

func readJSON(path string, v any) {
	b, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(b, v)
	}
	if err != nil {
		panic(err)
	}
}

func parseKey(text string) *rsa.PrivateKey {
	block, _ := pem.Decode([]byte(text))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key.(*rsa.PrivateKey)
}

// settings returns the settings of a source that accepts every kind of item, changed by more; nil removes a
// setting.
func settings(states any, more map[string]any) string {
	return providertest.Settings(map[string]any{
		"client_state": states,
		"app_id":       app,
		"certificates": map[string]string{certificateID: readContents()[0].Key},
		"keys":         readTokens().JWKS,
	}, more)
}

// sendSettings returns the settings of a destination that sends rich notifications, changed by more as in settings.
func sendSettings(state string, more map[string]any) string {
	return providertest.Settings(map[string]any{
		"client_state": state, "tenant_id": tenant, "subscription_id": "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
		"encryption_certificate": readContents()[0].certificate(), "encryption_certificate_id": certificateID,
		"token_key": readTokens().Key, "token_key_id": keyID, "app_id": app,
	}, more)
}

var anyState = regexp.MustCompile(`("clientState":\s*)"[^"]*"`)

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider: graph.Provider{},
		Settings: func(secrets []string) string { return settings(secrets, nil) },
		Secrets:  [2]string{state, otherState},
		Sign: func(secret string, _ time.Time, body []byte) *provider.Request {
			return request(anyState.ReplaceAll(body, []byte(`$1"`+secret+`"`)))
		},
		Proves:       providertest.ProvesSender,
		NoRepeats:    true, // TestRepeatKey tests which items have a key
		Recordings:   recordings(t),
		SendSettings: func(secret string) string { return sendSettings(secret, nil) },
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := notification(change("AAMkAGUwNjQ4=" + strings.Repeat("x", 195)))
	if len(body) < 1024 {
		b.Fatal(len(body))
	}
	providertest.Benchmark(b, testCase(b), body)
}

func BenchmarkReceiveRich(b *testing.B) {
	providertest.Benchmark(b, testCase(b), readFile("testdata/samples/rich-notification.json"))
}

func request(body []byte) *provider.Request {
	return &provider.Request{Method: "POST", Target: "/in/graph", Body: body, Header: http.Header{
		"Content-Type": {"application/json; charset=utf-8"},
	}}
}

// change returns an item about a message.
func change(message string) string {
	return `{"subscriptionId":"7f105c7d-2dc5-4530-97cd-4e7ae6534c07","subscriptionExpirationDateTime":"2026-11-28T18:23:45.9356913Z","clientState":"` + state +
		`","changeType":"updated","resource":"Users/1/Messages/` + message + `","tenantId":"` + tenant +
		`","resourceData":{"@odata.type":"#Microsoft.Graph.Message","@odata.id":"Users/1/Messages/` + message +
		`","@odata.etag":"W/\"1\"","id":"` + message + `"}}`
}

// richItem returns an item of tenant with this encryptedContent.
func richItem(tenant string, content any) string {
	return `{"subscriptionId":"s","clientState":"` + state + `","changeType":"created","resource":"r","tenantId":"` +
		tenant +
		`","encryptedContent":` + providertest.JSON(content) + `}`
}

func notification(items ...string) []byte {
	return []byte(`{"value":[` + strings.Join(items, ",") + `]}`)
}

// rich returns a notification with items and tokens.
func rich(tokens any, items ...string) []byte {
	return []byte(`{"value":[` + strings.Join(items, ",") + `],"validationTokens":` + providertest.JSON(tokens) + `}`)
}

// goodClaims returns the claims of a valid token for tenant.
func goodClaims(tenant string) signature.Claims {
	return signature.Claims{
		Issuer: "https://sts.windows.net/" + tenant +
			"/", Audience: []string{app}, TenantID: tenant, AppID: graph.PublisherAppID,
		NotBefore: providertest.Now.Add(-time.Minute), ExpiresAt: providertest.Now.Add(time.Hour),
	}
}

func sign(c signature.Claims) string {
	token, err := signature.SignJWT(c, tokenKey(), keyID)
	if err != nil {
		panic(err)
	}
	return token
}

func goodToken() string { return sign(goodClaims(tenant)) }

func open(t testing.TB, settings string) provider.Receiver {
	t.Helper()
	return providertest.Open(t, graph.Provider{}, settings)
}

func receive(t testing.TB, settings string, body []byte) (provider.Receipt, error) {
	t.Helper()
	return open(t, settings).Receive(context.Background(), request(body))
}

// recordings are the vectors that are complete requests.
func recordings(t testing.TB) []providertest.Recording {
	list := []providertest.Recording{{
		Name: "two-client-states", Settings: settings([]string{state, otherState},
			nil), Request: request(readFile("testdata/samples/notification-batch.json")),
	}, {
		Name: "wrong-client-state", Settings: settings(state,
			nil), Request: request(readFile("testdata/samples/notification-one-bad-client-state.json")),
	}, {
		Name: "certificate-not-here", Request: request(readFile("testdata/samples/rich-notification.json")),
		Settings: settings(state, map[string]any{"certificates": nil}),
	}, {
		Name: "application-not-here", Request: request(readFile("testdata/samples/rich-notification.json")),
		Refused:  "unavailable",
		Settings: settings(state, map[string]any{"certificates": nil, "app_id": nil, "keys": nil}),
	}}
	sample := readFile("testdata/samples/rich-notification.json")
	refused := map[string]string{"alg-none": "signature_malformed", "hs256-with-public-key": "signature_malformed",
		"expired": "signature_expired", "not-yet-valid": "signature_expired"}
	file := readTokens()
	for _, v := range file.Vectors {
		rec := providertest.Recording{Name: "token-" + v.Name, At: time.Unix(file.Now, 0)}
		rec.Request = request(bytes.Replace(sample, []byte(file.token("valid-v1-token")), []byte(v.Token), 1))
		if !v.Valid {
			rec.Refused = "signature_mismatch"
		}
		if code := refused[v.Name]; code != "" {
			rec.Refused = code
		}
		list = append(list, rec)
	}
	return append(list, handshakes(t)...)
}

func handshakes(t testing.TB) (list []providertest.Recording) {
	var file struct {
		Tokens []struct {
			Name, Provider, Method string
			Query                  string `json:"raw_query"`
			Body                   string `json:"request_body"`
		} `json:"validation_token"`
	}
	readJSON("testdata/handshakes.json", &file)
	for _, v := range file.Tokens {
		if v.Provider == "graph" {
			list = append(list, providertest.Recording{Name: "handshake-" + v.Name, Request: &provider.Request{
				Method: v.Method, Target: "/in/graph?" +
					v.Query, Header: http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, Body: []byte(v.Body),
			}})
		}
	}
	if len(list) < 5 {
		t.Fatalf("%d handshakes", len(list))
	}
	return list
}

func readFile(path string) []byte {
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return b
}

type roundTrip func(req *http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }

func TestSettings(t *testing.T) {
	key := readContents()[0].Key
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY",
		Bytes: x509.MarshalPKCS1PrivateKey(parseKey(key))}))
	certificates := func(key string) map[string]string { return map[string]string{"c": key} }
	many := map[string]string{}
	for i := range 17 {
		many[fmt.Sprint(i)] = key
	}
	for i, c := range []struct {
		change map[string]any
		path   string // of the error; "" is none
	}{
		{nil, ""},
		{map[string]any{"client_state": nil}, "client_state"},
		{map[string]any{"client_state": strings.Repeat("s", 256)}, "client_state"},
		{map[string]any{"client_state": "é"}, "client_state"},
		{map[string]any{"client_state": nil, "unauthenticated": true}, ""},
		{map[string]any{"unauthenticated": true}, "unauthenticated"},
		{map[string]any{"tenant_ids": []string{tenant}}, ""},
		{map[string]any{"tenant_ids": []string{}}, "tenant_ids"},
		{map[string]any{"tenant_ids": []string{tenant, "common"}}, "tenant_ids[1]"},
		{map[string]any{"app_id": []string{app, otherTenant}}, ""},
		{map[string]any{"app_id": []string{app, ""}}, "app_id[1]"},
		{map[string]any{"app_id": []string{}}, "app_id"},
		{map[string]any{"app_id": "api://" + app}, "app_id"},
		{map[string]any{"app_id": nil}, "app_id"},
		{map[string]any{"app_id": nil, "certificates": nil}, "app_id"},
		{map[string]any{"app_id": nil, "certificates": nil, "keys": nil}, ""},
		{map[string]any{"publisher_app_id": app}, ""},
		{map[string]any{"publisher_app_id": "x"}, "publisher_app_id"},
		{map[string]any{"keys": string(readTokens().JWKS)}, ""},
		{map[string]any{"keys": `{"keys":[]}`}, "keys"},
		{map[string]any{"keys": "https://keys.example"}, "keys"},
		{map[string]any{"keys": map[string]string{keyID: publicKey()}}, ""},
		{map[string]any{"keys": providertest.JSON(map[string]string{keyID: publicKey()})}, ""},
		{map[string]any{"keys": map[string]string{keyID: readTokens().Key}}, "keys"},
		{map[string]any{"keys": map[string]string{keyID: strings.Replace(publicKey(), "M", "A", 1)}}, "keys"},
		{map[string]any{"keys": map[string]string{"": publicKey()}}, "keys"},
		{map[string]any{"keys": map[string]string{}}, "keys"},
		{map[string]any{"keys": []string{}}, "keys"},
		{map[string]any{"keys_url": "https://keys.example"}, "keys_url"},
		{map[string]any{"keys": nil, "keys_url": "https://keys.example"}, ""},
		{map[string]any{"keys": nil, "keys_url": "http://keys.example"}, "keys_url"},
		{map[string]any{"keys": nil}, ""},
		{map[string]any{"certificates": certificates(pkcs1)}, ""},
		{map[string]any{"certificates": certificates(readContents()[0].certificate() + pkcs1)}, ""},
		{map[string]any{"certificates": certificates(readContents()[0].certificate())}, "certificates.c"},
		{map[string]any{"certificates": certificates("x")}, "certificates.c"},
		{
			map[string]any{"certificates": certificates("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE " +
				"KEY-----\n")},
			"certificates.c"},
		{map[string]any{"certificates": certificates(smallKey)}, "certificates.c"},
		{map[string]any{"certificates": certificates(edKey)}, "certificates.c"},
		{map[string]any{"certificates": map[string]string{}}, "certificates"},
		{map[string]any{"certificates": map[string]string{"": key}}, "certificates"},
		{map[string]any{"certificates": many}, "certificates"},
	} {
		_, err := graph.Provider{}.Open(provider.Env{Now: time.Now}, []byte(settings(state, c.change)))
		checkPath(t, i, err, c.path)
	}
}

// publicKey returns the key of the vectors' tokens, as "openssl pkey -pubout" writes it.
func publicKey() string {
	der, err := x509.MarshalPKIXPublicKey(&tokenKey().PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestKeysAsPEM(t *testing.T) {
	receipt, err := receive(t, settings(state, map[string]any{"keys": map[string]string{keyID: publicKey()}}),
		[]byte(richBody(goodToken())))
	if err != nil || len(receipt.Events) != 1 {
		t.Errorf("got %+v, %v", receipt, err)
	}
}

func TestSendSettings(t *testing.T) {
	for i, c := range []struct {
		change map[string]any
		path   string
	}{
		{nil, ""},
		{plainOnly, ""},
		{map[string]any{"client_state": nil}, "client_state"},
		{map[string]any{"client_state": []string{state, otherState}}, "client_state"},
		{map[string]any{"subscription_id": "x"}, "subscription_id"},
		{map[string]any{"tenant_id": "x/y"}, "tenant_id"},
		{map[string]any{"encryption_certificate": nil}, "encryption_certificate"},
		{map[string]any{"encryption_certificate_id": nil}, "encryption_certificate_id"},
		{map[string]any{"token_key": nil}, "token_key"},
		{map[string]any{"token_key_id": nil}, "token_key_id"},
		{map[string]any{"app_id": nil}, "app_id"},
		{map[string]any{"app_id": "x"}, "app_id"},
		{map[string]any{"publisher_app_id": "x"}, "publisher_app_id"},
		{map[string]any{"publisher_app_id": app}, ""},
		{map[string]any{"encryption_certificate": readTokens().Key}, "encryption_certificate"},
		{map[string]any{"encryption_certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"},
			"encryption_certificate"},
		{map[string]any{"encryption_certificate": readTokens().Key + readContents()[0].certificate()}, ""},
		{map[string]any{"encryption_certificate": "\ufeff" + readContents()[0].certificate()}, ""},
		{map[string]any{"token_key": " " + strings.ReplaceAll(readTokens().Key, "\n", "\r\n")}, ""},
		{map[string]any{"token_key": strings.ReplaceAll(readTokens().Key, "\n", `\n`)}, ""},
		{map[string]any{"token_key": "-\x00-\x00"}, "token_key"},
		{map[string]any{"token_key": smallKey}, "token_key"},
		{map[string]any{"token_key": "x"}, "token_key"},
	} {
		_, err := graph.Provider{}.OpenSender(provider.Env{}, []byte(sendSettings(state, c.change)))
		checkPath(t, i, err, c.path)
	}
	lonely := providertest.JSON(map[string]any{"client_state": state, "publisher_app_id": app})
	_, err := graph.Provider{}.OpenSender(provider.Env{}, []byte(lonely))
	checkPath(t, -1, err, "encryption_certificate")
}

func checkPath(t *testing.T, i int, err error, path string) {
	t.Helper()
	switch {
	case path == "" && err != nil:
		t.Errorf("%d: %v", i, err)
	case path != "" && (err == nil || !strings.HasPrefix(err.Error(), path+": ")):
		t.Errorf("%d: got %v, want an error about %s", i, err, path)
	case err != nil && strings.Contains(err.Error(), "BEGIN"):
		t.Errorf("%d: the error contains the key: %v", i, err)
	}
}

// Keys for these tests only: one of 1024 bits, and one that is not RSA.
const (
	smallKey = `-----BEGIN PRIVATE KEY-----
MIICdwIBADANBgkqhkiG9w0BAQEFAASCAmEwggJdAgEAAoGBAO0LA/4veNzB6kAZ
YlLlrJ6KaT70JyI9cSD7O7csE58Z39mqBdBZs6asU5B2j+TAoQO1kyl0V3GRG40p
QYJ6fFGtPPCSVAGrP9ctg6SD511H2akelwhcLPIQpWcbsIXUQpEtnxO9b6le16LW
Rb1lipxHKgomjkwdpiSC2v7eQwXhAgMBAAECgYEA1QT0NqZUuBZvu+DT8mlCIkuC
XzesP2H120zLEkZC79ShzQq1JNKn1p3Aju9tSoYtbJbtQ/CwcHeVydqMa4RFWKoF
SNqNe/JmD1FJucpeDPicSdWKXidTbv3fKipjPiCToYNRcbzDzIi1IDOD4rZnqbSm
HUJHzZAiAD/4sdGlNS0CQQD/tlQ10NfXrAHDkhxgEgXYILJCa6pHJrXRfTfqFPv0
mqU4ZPkFXjPZeMx6XbEJyEt1woOqMuo1f3mvncsK3jkbAkEA7U9O2xHoTxOQLqDC
vxKg+cXu11FNep877rLSoeGsy8VQV1zvM/7DNSqRhYag7ZKLdmpSF9JJoXU5T4rc
oQzIswJBAKvrzAY6mUOZk74HWCiHNYKvyOm7NUqNDiUAiT1KSnOUHY0i5gHj6fxG
qUOEBmlLTuCnnJorjSfWwtt9vWtbKQ0CQC6WfUKgt1ye2JVu1gyw2Y1vgD4hJfbG
v/tSe+tv5H50lBsykXtBro0HeF4gWgOJ23s50DgA/peF7eRhvIKZgeUCQDLJLh+W
fozLKj9OW6e2ziCp1UbacU6rEVMn/EkYhYBuc1rTWITTXE9Y85S0LXJY252/cSV5
q1Di586BZ91rnbA=
-----END PRIVATE KEY-----
`
	edKey = `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIBHw5jNNvrSZ1jCpnLj2NpiQr0ySCgHrotV66qK8S6AD
-----END PRIVATE KEY-----
`
)
