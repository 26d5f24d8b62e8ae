package graph_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

func tokenCheck(t testing.TB) graph.TokenCheck {
	t.Helper()
	keys, err := jwks.Parse(readTokens().JWKS)
	if err != nil {
		t.Fatal(err)
	}
	return graph.TokenCheck{Keys: keys, AppIDs: []string{app}, Now: providertest.Now}
}

func TestTokenVectors(t *testing.T) {
	file, check := readTokens(), tokenCheck(t)
	check.Now = time.Unix(file.Now, 0)
	for _, v := range file.Vectors {
		tenants, err := graph.VerifyTokens(context.Background(), []string{v.Token}, check)
		valid := err == nil && reflect.DeepEqual(tenants, []string{tenant})
		if valid != v.Valid {
			t.Errorf("%s: got %v, %v", v.Name, tenants, err)
		}
	}
}

// The rules of a token, and the cases of the forgery list's section 12 that are about what a token means.
func TestVerifyTokens(t *testing.T) {
	const zero = "00000000-0000-0000-0000-000000000000"
	changed := func(change func(c *signature.Claims)) string {
		c := goodClaims(tenant)
		change(&c)
		return sign(c)
	}
	v2 := func(tenant string) string { return "https://login.microsoftonline.com/" + tenant + "/v2.0" }
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"J01 control":                    {goodToken(), nil},
		"J16 aud of another":             {changed(func(c *signature.Claims) { c.Audience = []string{zero} }), signature.ErrMismatch},
		"J16 aud missing":                {changed(func(c *signature.Claims) { c.Audience = nil }), signature.ErrMismatch},
		"J16 aud empty":                  {changed(func(c *signature.Claims) { c.Audience = []string{""} }), signature.ErrMismatch},
		"J16 aud our id as a URI":        {changed(func(c *signature.Claims) { c.Audience = []string{"api://" + app} }), signature.ErrMismatch},
		"J17 aud a list with ours":       {changed(func(c *signature.Claims) { c.Audience = []string{zero, app} }), nil},
		"aud in upper case":              {changed(func(c *signature.Claims) { c.Audience = []string{strings.ToUpper(app)} }), nil},
		"J18 iss v2":                     {changed(func(c *signature.Claims) { c.Issuer, c.AppID, c.AuthorizedParty = v2(tenant), "", c.AppID }), nil},
		"J19 iss of another tenant":      {changed(func(c *signature.Claims) { c.Issuer = "https://sts.windows.net/" + otherTenant + "/" }), signature.ErrMismatch},
		"J19 iss v2 of another tenant":   {changed(func(c *signature.Claims) { c.Issuer, c.AuthorizedParty = v2(otherTenant), c.AppID }), signature.ErrMismatch},
		"J19 tid of another tenant":      {changed(func(c *signature.Claims) { c.TenantID = otherTenant }), signature.ErrMismatch},
		"J19 no tid":                     {changed(func(c *signature.Claims) { c.TenantID = "" }), signature.ErrMismatch},
		"J19 no tenant at all":           {changed(func(c *signature.Claims) { c.TenantID, c.Issuer = "", "https://sts.windows.net//" }), signature.ErrMismatch},
		"J19 a slash in tid":             {changed(func(c *signature.Claims) { c.TenantID = tenant + "/x" }), signature.ErrMismatch},
		"iss without its slash":          {changed(func(c *signature.Claims) { c.Issuer = strings.TrimSuffix(c.Issuer, "/") }), signature.ErrMismatch},
		"iss elsewhere":                  {changed(func(c *signature.Claims) { c.Issuer = "https://sts.windows.net.example/" + tenant + "/" }), signature.ErrMismatch},
		"iss missing":                    {changed(func(c *signature.Claims) { c.Issuer = "" }), signature.ErrMismatch},
		"J21 appid of another":           {changed(func(c *signature.Claims) { c.AppID = app }), signature.ErrMismatch},
		"J21 appid missing":              {changed(func(c *signature.Claims) { c.AppID = "" }), signature.ErrMismatch},
		"J21 azp in a token of v1":       {changed(func(c *signature.Claims) { c.AppID, c.AuthorizedParty = app, c.AppID }), signature.ErrMismatch},
		"J21 appid in a token of v2":     {changed(func(c *signature.Claims) { c.Issuer = v2(tenant) }), signature.ErrMismatch},
		"J22 300 s past exp":             {changed(func(c *signature.Claims) { c.ExpiresAt = providertest.Now.Add(-300 * time.Second) }), nil},
		"J22 301 s past exp":             {changed(func(c *signature.Claims) { c.ExpiresAt = providertest.Now.Add(-301 * time.Second) }), signature.ErrExpired},
		"J23 300 s before nbf":           {changed(func(c *signature.Claims) { c.NotBefore = providertest.Now.Add(300 * time.Second) }), nil},
		"J23 301 s before nbf":           {changed(func(c *signature.Claims) { c.NotBefore = providertest.Now.Add(301 * time.Second) }), signature.ErrExpired},
		"J24 no exp":                     {changed(func(c *signature.Claims) { c.ExpiresAt = time.Time{} }), signature.ErrMalformed},
		"signed with the publisher only": {changed(func(c *signature.Claims) { *c = signature.Claims{AppID: c.AppID, ExpiresAt: c.ExpiresAt} }), signature.ErrMismatch},
		"no token":                       {"", signature.ErrMissing},
	} {
		t.Run(name, func(t *testing.T) {
			tenants, err := graph.VerifyTokens(context.Background(), []string{c.token}, tokenCheck(t))
			if !errors.Is(err, c.want) || (err != nil) != (tenants == nil) {
				t.Errorf("got %v, %v, want %v", tenants, err, c.want)
			}
			if _, err := graph.VerifyTokens(context.Background(), []string{goodToken(), c.token}, tokenCheck(t)); !errors.Is(err, c.want) { // J06
				t.Errorf("behind a good one: got %v, want %v", err, c.want)
			}
		})
	}
}

func TestVerifyTokensSettings(t *testing.T) {
	verify := func(change func(c *graph.TokenCheck), tokens ...string) ([]string, error) {
		check := tokenCheck(t)
		change(&check)
		return graph.VerifyTokens(context.Background(), tokens, check)
	}
	same := func(*graph.TokenCheck) {}
	if _, err := verify(same); !errors.Is(err, signature.ErrMissing) { // J03
		t.Errorf("no tokens: %v", err)
	}
	if tenants, err := verify(same, goodToken(), sign(goodClaims(otherTenant))); err != nil || !reflect.DeepEqual(tenants, []string{tenant, otherTenant}) {
		t.Errorf("two tenants: %v, %v", tenants, err)
	}
	if _, err := verify(func(c *graph.TokenCheck) { c.AppIDs = nil }, goodToken()); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("for nobody: %v", err)
	}
	if _, err := verify(func(c *graph.TokenCheck) { c.AppIDs = []string{otherTenant, strings.ToUpper(app)} }, goodToken()); err != nil {
		t.Errorf("for one of two: %v", err)
	}
	if _, err := verify(func(c *graph.TokenCheck) { c.Publisher = app }, goodToken()); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("of another publisher: %v", err)
	}
	if _, err := verify(func(c *graph.TokenCheck) { c.Keys = jwks.Keys{} }, goodToken()); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("J11, a key that is not there: %v", err)
	}
}
