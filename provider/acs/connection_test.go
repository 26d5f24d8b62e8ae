package acs_test

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// TestStorage shows which hosts are storage, and how calls to them are signed.
func TestStorage(t *testing.T) {
	t.Parallel()
	opened, err := acs.Provider{}.OpenConnection(provider.Env{},
		[]byte(`{"endpoint":"https://Contoso.communication.azure.com/",
		"access_key":"c2VjcmV0","storage_hosts":["127.0.0.1:9100","store.example.com"]}`))
	if err != nil {
		t.Fatal(err)
	}
	for location, want := range map[string]bool{
		"https://us-storage.asm.skype.com/v1/objects/1":     true,
		"https://US-STORAGE.ASM.SKYPE.COM:443/v1/objects/1": true,
		"https://a.asyncgw.teams.microsoft.com/1":           true,
		"https://a.ams.gov.teams.microsoft.us/1":            true,
		"http://us-storage.asm.skype.com/1":                 false,
		"https://us-storage.asm.skype.com:8443/1":           false,
		"https://asm.skype.com/1":                           false,
		"https://evil-asm.skype.com/1":                      false,
		"https://us.asm.skype.com.evil.example/1":           false,
		"http://127.0.0.1:9100/1":                           true,
		"http://127.0.0.1:9101/1":                           false,
		"https://store.example.com/1":                       true,
		"https://store.example.com:8443/1":                  false,
		"ftp://store.example.com/1":                         false,
		"https://store.example.com.evil.example/1":          false,
	} {
		u, err := url.Parse(location)
		if err != nil || opened.Storage(u) != want {
			t.Errorf("%s: %v, want %v", location, !want, want)
		}
	}
	u, _ := url.Parse("https://us-storage.asm.skype.com/v1/objects/a%20b/content?sig=1")
	r := provider.SignedRequest{Method: "GET", URL: u, Header: http.Header{}, Storage: true}
	if err := opened.Signers[0](r, providertest.Now); err != nil {
		t.Fatal(err)
	}
	verify := func(target string) error {
		return acs.Verifier{Keys: [][]byte{[]byte("secret")}}.Verify(acs.Request{Method: "GET", Target: target,
			Host: "contoso.communication.azure.com", Header: r.Header}, providertest.Now)
	}
	if err := verify("/v1/objects/a%20b/content"); err != nil {
		t.Errorf("%v: %v", err, r.Header)
	}
	if err := verify("/v1/objects/a%20b/content?sig=1"); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("the query is signed: %v", err)
	}
	for _, bad := range []string{`["*.example.com"]`, `["https://x.example"]`, `["x.example/path"]`, `[""]`,
		`["a:b"]`} {
		_, err := acs.Provider{}.OpenConnection(provider.Env{},
			[]byte(`{"endpoint":"https://x.example","access_key":"c2VjcmV0",
			"storage_hosts":`+bad+`}`))
		if err == nil || !strings.Contains(err.Error(), "storage_hosts") {
			t.Errorf("%s: %v", bad, err)
		}
	}
}
