package graph_test

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func TestSettings(t *testing.T) {
	key := readContents()[0].Key
	pkcs1 := string(pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(parseKey(key))}))
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
		{map[string]any{"certificates": certificates("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}, "certificates.c"},
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

// publicKey is that which checks the vectors' tokens, as "openssl pkey -pubout" writes it.
func publicKey() string {
	der, err := x509.MarshalPKIXPublicKey(&tokenKey().PublicKey)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
}

func TestKeysAsPEM(t *testing.T) {
	receipt, err := receive(t, settings(state, map[string]any{"keys": map[string]string{keyID: publicKey()}}), []byte(richBody(goodToken())))
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
		{map[string]any{"encryption_certificate": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "encryption_certificate"},
		{map[string]any{"encryption_certificate": readTokens().Key + readContents()[0].certificate()}, ""},
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
		t.Errorf("%d: shows what it was given: %v", i, err)
	}
}

// Throw-away keys that are not to be used: one of 1024 bits, one that is not RSA.
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
