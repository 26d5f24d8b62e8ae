package graph_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Cases of sections 9 and 12 of the forgery list, by their numbers. Of section 12, the form of a token is tested in
// package signature, its meaning in TestVerifyTokens, fetching keys with the key sets, and content in
// content_test.go; section 15 is in providertest. Decided differently, or tested elsewhere:
//
//	C04  no state         202, the item refused and recorded: one bad item must not make Graph repeat the others
//	C11  1001 items       accepted, up to 5000
//	C12  unknown subscription with a valid state   accepted: a source does not list its subscriptions; subscriptions that
//	     must not be mixed up need sources of their own
//	C17  constant time    signature.EqualToken
//	J37  dataSignature wrong   202, the item refused and recorded, since its neighbours are valid
//	J42  50 MiB of JSON   up to the size of a request: content is never longer after decryption
var forgeries = []struct {
	name     string
	settings map[string]any
	body     string
	want     error
	types    string   // of the events, separated by blanks
	refused  []string // codes, in order
}{
	{name: "C02 control", body: plain(), types: "graph.updated"},
	{name: "C04 no state", body: plainWithout(`"clientState":"` + state + `",`),
		refused: []string{"signature_missing"}},
	{name: "C04 state null", body: plainState(`null`), refused: []string{"signature_missing"}},
	{name: "C04 state empty", body: plainState(`""`), refused: []string{"signature_missing"}},
	{name: "C05 unauthenticated", settings: map[string]any{"client_state": nil, "unauthenticated": true},
		body: plainWithout(`"clientState":"` + state + `",`), types: "graph.updated"},
	{name: "C06 prefix", body: plainState(`"` + state[:25] + `"`), refused: []string{"forbidden"}},
	{name: "C06 longer", body: plainState(`"` + state + ` "`), refused: []string{"forbidden"}},
	{name: "C07 case", body: plainState(`"` + strings.ToUpper(state) + `"`), refused: []string{"forbidden"}},
	{name: "escapes are the same text", body: plainState(`"\u0061` + state[1:] + `"`), types: "graph.updated"},
	{name: "C09 first bad", body: list(bad(change("1")), change("2")), types: "graph.updated",
		refused: []string{"forbidden"}},
	{name: "C09 second bad", body: list(change("1"), bad(change("2"))), types: "graph.updated",
		refused: []string{"forbidden"}},
	{name: "C10 no items", body: `{"value":[]}`},
	{name: "C11 null", body: `{"value":null}`},
	{name: "C11 missing", body: `{}`, want: provider.ErrBody},
	{name: "C11 text", body: `{"value":"x"}`, want: provider.ErrBody},
	{name: "C11 object", body: `{"value":{}}`, want: provider.ErrBody},
	{name: "C11 5000 items", body: list(slices.Repeat([]string{bad(change("1"))}, 5000)...),
		refused: slices.Repeat([]string{"forbidden"}, 5000)},
	{name: "C11 5001 items", body: list(slices.Repeat([]string{"1"}, 5001)...), want: provider.ErrBody},
	{name: "C14 a tenant that is not listed", settings: map[string]any{"tenant_ids": []string{otherTenant}},
		body: plain(), refused: []string{"forbidden"}},
	{name: "C14 a listed tenant",
		settings: map[string]any{"tenant_ids": []string{otherTenant, strings.ToUpper(tenant)}},
		body:     plain(), types: "graph.updated"},
	{name: "C14 a lifecycle event of a listed organization", settings: map[string]any{"tenant_ids": []string{tenant}},
		body: list(lifecycle(`"organizationId":"` + tenant + `"`)), types: "graph.lifecycle.missed"},
	{name: "C14 a lifecycle event of another organization", settings: map[string]any{"tenant_ids": []string{tenant}},
		body: list(lifecycle(`"organizationId":"` + otherTenant + `"`)), refused: []string{"forbidden"}},
	{name: "C14 two names of one tenant", settings: map[string]any{"tenant_ids": []string{tenant}},
		body:  list(lifecycle(`"organizationId":"` + strings.ToUpper(tenant) + `","tenantId":"` + tenant + `"`)),
		types: "graph.lifecycle.missed"},
	{name: "C14 two tenants", settings: map[string]any{"tenant_ids": []string{tenant}},
		body:    list(lifecycle(`"organizationId":"`+otherTenant+`","tenantId":"`+tenant+`"`), change("1")),
		refused: []string{"malformed_body"}, types: "graph.updated"},
	{name: "J01 a token for the organization of a lifecycle event",
		body:  string(rich([]string{goodToken()}, lifecycle(`"organizationId":"`+tenant+`"`))),
		types: "graph.lifecycle.missed"},
	{name: "C15 255 characters", settings: map[string]any{"client_state": strings.Repeat("s", 255)},
		body: plainState(`"` + strings.Repeat("s", 255) + `"`), types: "graph.updated"},
	{name: "C16 state a number", body: plainState(`1`), refused: []string{"signature_missing"}},
	{name: "C16 state a list", body: plainState(`["` + state + `"]`), refused: []string{"signature_missing"}},
	{name: "N01 state twice", body: plainState(`"x","clientState":"` + state + `"`),
		refused: []string{"malformed_body"}},
	{name: "N01 value twice", body: `{"value":[],"value":[` + change("1") + `]}`, want: provider.ErrBody},
	{name: "N01 members that are not read twice", types: "graph.updated",
		body: strings.Replace(plain(), `"changeType"`, `"a":1,"a":{"b":1,"b":2},"changeType"`, 1)},
	{name: "N12 byte order mark", body: "\uFEFF" + plain(), types: "graph.updated"},
	{name: "N02 state in another case", body: strings.Replace(plain(), "clientState", "ClientState", 1),
		refused: []string{"signature_missing"}},

	{name: "invalid items", body: list("1", "null", "[]", `"x"`, change("1")), types: "graph.updated",
		refused: slices.Repeat([]string{"malformed_body"}, 4)},
	{name: "an invalid type", body: strings.Replace(plain(), `"updated"`, `"created,updated"`, 1),
		refused: []string{"malformed_body"}},
	{name: "no type", body: strings.Replace(plain(), `"updated"`, `null`, 1), refused: []string{"malformed_body"}},
	{name: "an unknown type", body: strings.Replace(plain(), `"updated"`, `"moved"`, 1), types: "graph.moved"},
	{name: "a lifecycle event ignores changeType",
		body: strings.Replace(plain(), `"changeType":"updated"`, `"changeType":"updated","lifecycleEvent":"missed"`,
			1), types: "graph.lifecycle.missed"},

	{name: "J01 control", body: richBody(goodToken()), types: "graph.created"},
	{name: "J02 tokens missing", body: list(richChange(tenant)), want: signature.ErrMissing},
	{name: "J02 tokens null", body: richBodyOf("null"), want: signature.ErrMissing},
	{name: "J02 tokens missing, and a plain item", body: list(change("1"), richChange(tenant)),
		want: signature.ErrMissing},
	{name: "J02 without client states", settings: map[string]any{"client_state": nil, "unauthenticated": true},
		body: list(richChange(tenant)), want: signature.ErrMissing},
	{name: "J02 without an application", settings: map[string]any{"app_id": nil, "certificates": nil, "keys": nil},
		body: list(richChange(tenant)), want: signature.ErrMissing},
	{name: "J03 tokens empty", body: richBodyOf("[]"), want: signature.ErrMissing},
	{name: "J04 tokens a text", body: richBodyOf(`"` + goodToken() + `"`), want: signature.ErrMalformed},
	{name: "J04 tokens a number", body: richBodyOf("1"), want: signature.ErrMalformed},
	{name: "J04 tokens an object", body: richBodyOf("{}"), want: signature.ErrMalformed},
	{name: "J04 tokens numbers", body: richBodyOf("[1,2]"), want: signature.ErrMalformed},
	{name: "J04 a token null", body: richBodyOf("[null]"), want: signature.ErrMalformed},
	{name: "J04 a token empty", body: richBodyOf(`[""]`), want: signature.ErrMissing},
	{name: "J06 one good, one bad", body: richBody(goodToken(), readTokens().token("wrong-audience")),
		want: signature.ErrMismatch},
	{name: "J06 one bad, one good", body: richBody(readTokens().token("wrong-publisher-appid"), goodToken()),
		want: signature.ErrMismatch},
	{name: "J06 the same twice", body: richBody(goodToken(), goodToken()), types: "graph.created"},
	{name: "J11 kid unknown",
		settings: map[string]any{"keys": strings.Replace(string(readTokens().JWKS), keyID, "other",
			1)}, body: richBody(goodToken()), want: signature.ErrMismatch},
	{name: "J19 a token of a tenant without items", body: richBody(goodToken(), sign(goodClaims(otherTenant))),
		want: signature.ErrMismatch},
	{name: "J19 an item of a tenant without a token",
		body: string(rich([]string{goodToken()}, richChange(tenant), richChange(otherTenant))),
		want: signature.ErrMismatch},
	{name: "J19 two tenants",
		body: string(rich([]string{goodToken(), sign(goodClaims(otherTenant))}, richChange(tenant),
			richChange(otherTenant))), types: "graph.created graph.created"},
	{name: "J19 an item of no tenant", body: string(rich([]string{goodToken()}, richChange(""), change("1"))),
		want: signature.ErrMismatch},
	{name: "J19 the tenant of an item refused",
		body: string(rich([]string{goodToken(), sign(goodClaims(otherTenant))}, richChange(tenant),
			bad(richChange(otherTenant)))), types: "graph.created", refused: []string{"forbidden"}},
	{name: "J19 only refused items", body: string(rich([]string{"x"}, bad(richChange(tenant)))),
		refused: []string{"forbidden"}},
	{name: "J21 another publisher in settings", settings: map[string]any{"publisher_app_id": app},
		body: richBody(goodToken()), want: signature.ErrMismatch},
	{name: "plain items with tokens", body: string(rich([]string{goodToken()}, change("1"))), types: "graph.updated"},
	{name: "plain items with bad tokens", body: string(rich([]string{"x"}, change("1"))),
		want: signature.ErrMalformed},
	{name: "plain items with tokens that are not checked",
		settings: map[string]any{"app_id": nil, "certificates": nil,
			"keys": nil}, body: string(rich([]string{"x"}, change("1"))), types: "graph.updated"},
	{name: "rich items without an application",
		settings: map[string]any{"app_id": nil, "certificates": nil,
			"keys": nil}, body: richBody(goodToken()), want: provider.ErrUnavailable},

	{name: "J37 dataSignature wrong",
		body: richContent(func(c *graph.EncryptedContent) {
			c.DataSignature = strings.Repeat("A",
				43) + "="
		}), types: "graph.updated", refused: []string{"signature_mismatch"}},
	{name: "J38 dataSignature missing", body: richContent(func(c *graph.EncryptedContent) { c.DataSignature = "" }),
		types: "graph.updated", refused: []string{"signature_missing"}},
	{name: "J39 an unknown certificate",
		body: richContent(func(c *graph.EncryptedContent) { c.CertificateID = "other" }),
		types: "graph.sealed.created " +
			"graph.updated"},
	{name: "J39 no certificate named", body: richContent(func(c *graph.EncryptedContent) { c.CertificateID = "" }),
		types: "graph.sealed.created graph.updated"},
	{name: "J39 no certificates", settings: map[string]any{"certificates": nil}, body: richBody(goodToken()),
		types: "graph.sealed.created"},
	{name: "J41 data not whole blocks", body: richContent(func(c *graph.EncryptedContent) { c.Data = "AAAA" }),
		types: "graph.updated", refused: []string{"signature_malformed"}},
	{name: "encryptedContent null", body: string(rich([]string{goodToken()}, richItem(tenant, nil))),
		types: "graph.created"},
	{name: "encryptedContent a text", body: string(rich([]string{goodToken()}, richItem(tenant, "x"), change("1"))),
		types: "graph.updated", refused: []string{"signature_malformed"}},
	{name: "encryptedContent empty", body: string(rich([]string{goodToken()}, richItem(tenant, map[string]any{}))),
		types: "graph.sealed.created"},
	{name: "plain content", body: strings.Replace(plain(), `"changeType"`, `"content":{},"changeType"`, 1),
		refused: []string{"malformed_body"}},
	{name: "content null", body: strings.Replace(plain(), `"changeType"`, `"content":null,"changeType"`, 1),
		refused: []string{"malformed_body"}},
	{name: "plain content, with valid tokens",
		body: string(rich([]string{goodToken()}, richChange(tenant),
			strings.Replace(change("1"), `"changeType"`, `"content":{},"changeType"`, 1))), types: "graph.created",
		refused: []string{"malformed_body"}},
	{name: "a change that looks like a lifecycle event",
		body: strings.Replace(plain(), `"updated"`, `"lifecycle.missed"`, 1), refused: []string{"malformed_body"}},
	{name: "a change that looks sealed", body: strings.Replace(plain(), `"updated"`, `"sealed.updated"`, 1),
		refused: []string{"malformed_body"}},
	{name: "content and encryptedContent",
		body: string(rich([]string{goodToken()},
			strings.Replace(richChange(tenant), `"changeType"`, `"content":{},"changeType"`, 1))),
		refused: []string{"malformed_body"}},
}

func TestForgery(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			receipt, err := receive(t, settings(state, c.settings), []byte(c.body))
			if !errors.Is(err, c.want) {
				t.Fatalf("got %v, want %v", err, c.want)
			}
			var types, refused []string
			for _, ev := range receipt.Events {
				types = append(types, ev.Type)
			}
			for _, item := range receipt.Refused {
				refused = append(refused, codeOf(item.Err))
			}
			if strings.Join(types, " ") != c.types || !slices.Equal(refused, c.refused) || receipt.Status != 0 {
				t.Errorf("got %d, %v, refused %v, want %s, refused %v", receipt.Status, types, refused, c.types,
					c.refused)
			}
		})
	}
}

func codeOf(err error) string {
	for _, sentinel := range []error{signature.ErrMissing, signature.ErrMismatch, signature.ErrMalformed,
		provider.ErrBody, provider.ErrForbidden} {
		if errors.Is(err, sentinel) {
			return sentinel.(interface{ Code() string }).Code()
		}
	}
	return fmt.Sprint(err)
}

// lifecycle returns a lifecycle event as Graph sends it, with the path of the subscription as its resource.
func lifecycle(tenantMember string) string {
	return `{"lifecycleEvent":"missed","subscriptionId":"s","resource":"Subscriptions/s","clientState":"` + state +
		`",` +
		tenantMember + `}`
}

// TestLifecycleSubject: the subject of a lifecycle event is the id of the subscription, in whichever form it names it.
func TestLifecycleSubject(t *testing.T) {
	item := lifecycle(`"organizationId":"` + tenant + `"`)
	for body, want := range map[string]string{
		item: "s", strings.Replace(item, `"resource":"Subscriptions/s",`, "", 1): "s",
		strings.Replace(item, `"subscriptionId":"s",`, "", 1): "Subscriptions/s",
	} {
		receipt, err := receive(t, settings(state, nil), []byte(list(body)))
		if err != nil || len(receipt.Events) != 1 || receipt.Events[0].Subject != want {
			t.Errorf("%s: %+v, %v", body, receipt, err)
		}
	}
}

func list(items ...string) string { return string(notification(items...)) }
func plain() string               { return list(change("1")) }

func plainState(value string) string {
	return strings.Replace(plain(), `"`+state+`"`, value, 1)
}

func plainWithout(text string) string { return strings.Replace(plain(), text, "", 1) }

func bad(item string) string { return strings.Replace(item, state, "wrong", 1) }

// richChange returns a valid rich item.
func richChange(tenant string) string { return richItem(tenant, readContents()[0].Content) }

func richBody(tokens ...string) string { return string(rich(tokens, richChange(tenant))) }

func richBodyOf(tokens string) string {
	return `{"validationTokens":` + tokens + `,"value":[` + richChange(tenant) + `]}`
}

// richContent returns a notification of a rich item with changed content and a plain item.
func richContent(spoil func(c *graph.EncryptedContent)) string {
	c := readContents()[0].Content
	spoil(&c)
	return string(rich([]string{goodToken()}, richItem(tenant, c), change("2")))
}

// Section 10 of the forgery list. V05 to V16 are tested with the handshake that the Microsoft providers share.
// Decided differently: V13, Graph may ask at any time, and the answer is plain text that nothing executes.
func TestHandshake(t *testing.T) {
	receive := func(method, target string, body string) (provider.Receipt, error) {
		req := request([]byte(body))
		req.Method, req.Target = method, target
		return open(t, settings(state, nil)).Receive(context.Background(), req)
	}
	got, err := receive("POST", "/in/graph?validationToken=a%2Bb+c", plain()) // V01, C19
	if err != nil || got.Reply == nil || string(got.Reply.Body) != "a+b c" || got.Events != nil {
		t.Errorf("got %+v, %v", got, err)
	}
	if got, err := receive("POST", "/in/graph?validationtoken=abc", ""); err != nil || got.Reply == nil { // V02
		t.Errorf("got %+v, %v", got, err)
	}
	if _, err := receive("GET", "/in/graph?validationToken=abc", ""); !errors.Is(err, provider.ErrMethod) { // V03
		t.Errorf("got %v", err)
	}
	// V05
	_, err = receive("POST", "/in/graph?validationToken="+url.QueryEscape("a\r\nX: y"), plain())
	if !errors.Is(err, provider.ErrBody) {
		t.Errorf("got %v", err)
	}
	// V10
	if got, err := receive("POST", "/in/graph", `{"validationToken":"abc","value":[]}`); err != nil ||
		got.Reply != nil {
		t.Errorf("got %+v, %v", got, err)
	}
}

// J32: if the keys cannot be fetched, the error is ours and not the sender's.
func TestKeysFetched(t *testing.T) {
	at := providertest.Now
	answer := ""
	asked := 0
	env := provider.Env{Client: &http.Client{Transport: roundTrip(func(req *http.Request) (*http.Response, error) {
		asked++
		if req.URL.String() != graph.KeysURL {
			t.Errorf("requested %s", req.URL)
		}
		if answer == "" {
			return nil, errors.New("down")
		}
		return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(answer))}, nil
	})}, Now: func() time.Time { return at }}
	r, err := graph.Provider{}.Open(env, []byte(settings(state, map[string]any{"keys": nil})))
	if err != nil || asked > 0 {
		t.Fatalf("opened with %v, %d requests", err, asked)
	}
	if _, err := r.Receive(context.Background(), request([]byte(plain()))); err != nil || asked > 0 {
		t.Errorf("a plain notification: %v, %d requests", err, asked)
	}
	_, err = r.Receive(context.Background(), request([]byte(richBody(goodToken()))))
	if !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	answer = string(readTokens().JWKS)
	at = at.Add(time.Minute)
	if got, err := r.Receive(context.Background(), request([]byte(richBody(goodToken())))); err != nil ||
		len(got.Events) != 1 || asked != 2 {
		t.Errorf("got %+v, %v, %d requests", got, err, asked)
	}
}

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

// The rules for a token, and the cases of section 12 of the forgery list that are about the meaning of a token.
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
		"J01 control": {goodToken(), nil},
		"J16 aud of another": {changed(func(c *signature.Claims) { c.Audience = []string{zero} }),
			signature.ErrMismatch},
		"J16 aud missing": {changed(func(c *signature.Claims) { c.Audience = nil }), signature.ErrMismatch},
		"J16 aud empty": {changed(func(c *signature.Claims) { c.Audience = []string{""} }),
			signature.ErrMismatch},
		"J16 aud our id as a URI": {changed(func(c *signature.Claims) { c.Audience = []string{"api://" + app} }),
			signature.ErrMismatch},
		"J17 aud a list with ours": {changed(func(c *signature.Claims) { c.Audience = []string{zero, app} }), nil},
		"aud in upper case": {changed(func(c *signature.Claims) { c.Audience = []string{strings.ToUpper(app)} }),
			nil},
		"J18 iss v2": {changed(func(c *signature.Claims) {
			c.Issuer, c.AppID,
				c.AuthorizedParty = v2(tenant), "", c.AppID
		}), nil},
		"J19 iss of another tenant": {changed(func(c *signature.Claims) {
			c.Issuer = "https://sts.windows.net/" +
				otherTenant + "/"
		}), signature.ErrMismatch},
		"J19 iss v2 of another tenant": {changed(func(c *signature.Claims) {
			c.Issuer,
				c.AuthorizedParty = v2(otherTenant), c.AppID
		}), signature.ErrMismatch},
		"J19 tid of another tenant": {changed(func(c *signature.Claims) { c.TenantID = otherTenant }),
			signature.ErrMismatch},
		"J19 no tid": {changed(func(c *signature.Claims) { c.TenantID = "" }), signature.ErrMismatch},
		"J19 no tenant at all": {changed(func(c *signature.Claims) {
			c.TenantID, c.Issuer = "",
				"https://sts.windows.net//"
		}), signature.ErrMismatch},
		"J19 a slash in tid": {changed(func(c *signature.Claims) { c.TenantID = tenant + "/x" }),
			signature.ErrMismatch},
		"iss without its slash": {changed(func(c *signature.Claims) {
			c.Issuer = strings.TrimSuffix(c.Issuer,
				"/")
		}), signature.ErrMismatch},
		"iss elsewhere": {changed(func(c *signature.Claims) {
			c.Issuer = "https://sts.windows.net.example/" +
				tenant + "/"
		}), signature.ErrMismatch},
		"iss missing":          {changed(func(c *signature.Claims) { c.Issuer = "" }), signature.ErrMismatch},
		"J21 appid of another": {changed(func(c *signature.Claims) { c.AppID = app }), signature.ErrMismatch},
		"J21 appid missing":    {changed(func(c *signature.Claims) { c.AppID = "" }), signature.ErrMismatch},
		"J21 azp in a token of v1": {changed(func(c *signature.Claims) { c.AppID, c.AuthorizedParty = app, c.AppID }),
			signature.ErrMismatch},
		"J21 appid in a token of v2": {changed(func(c *signature.Claims) { c.Issuer = v2(tenant) }),
			signature.ErrMismatch},
		"J22 300 s past exp": {changed(func(c *signature.Claims) {
			c.ExpiresAt = providertest.Now.Add(-300 * time.Second)
		}), nil},
		"J22 301 s past exp": {changed(func(c *signature.Claims) {
			c.ExpiresAt = providertest.Now.Add(-301 * time.Second)
		}), signature.ErrExpired},
		"J23 300 s before nbf": {changed(func(c *signature.Claims) {
			c.NotBefore = providertest.Now.Add(300 * time.Second)
		}), nil},
		"J23 301 s before nbf": {changed(func(c *signature.Claims) {
			c.NotBefore = providertest.Now.Add(301 * time.Second)
		}), signature.ErrExpired},
		"J24 no exp": {changed(func(c *signature.Claims) { c.ExpiresAt = time.Time{} }),
			signature.ErrMalformed},
		"signed with the publisher only": {changed(func(c *signature.Claims) {
			*c = signature.Claims{AppID: c.AppID,
				ExpiresAt: c.ExpiresAt}
		}), signature.ErrMismatch},
		"no token": {"", signature.ErrMissing},
	} {
		t.Run(name, func(t *testing.T) {
			tenants, err := graph.VerifyTokens(context.Background(), []string{c.token}, tokenCheck(t))
			if !errors.Is(err, c.want) || (err != nil) != (tenants == nil) {
				t.Errorf("got %v, %v, want %v", tenants, err, c.want)
			}
			// J06
			if _, err := graph.VerifyTokens(context.Background(), []string{goodToken(), c.token},
				tokenCheck(t)); !errors.Is(err, c.want) {
				t.Errorf("after a valid token: got %v, want %v", err, c.want)
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
	if tenants, err := verify(same, goodToken(), sign(goodClaims(otherTenant))); err != nil ||
		!reflect.DeepEqual(tenants, []string{tenant, otherTenant}) {
		t.Errorf("two tenants: %v, %v", tenants, err)
	}
	_, err := verify(func(c *graph.TokenCheck) { c.AppIDs = nil }, goodToken())
	if !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("without app ids: %v", err)
	}
	if _, err := verify(func(c *graph.TokenCheck) { c.AppIDs = []string{otherTenant, strings.ToUpper(app)} },
		goodToken()); err != nil {
		t.Errorf("with one of two app ids: %v", err)
	}
	_, err = verify(func(c *graph.TokenCheck) { c.Publisher = app }, goodToken())
	if !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("of another publisher: %v", err)
	}
	_, err = verify(func(c *graph.TokenCheck) { c.Keys = jwks.Keys{} }, goodToken())
	if !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("J11, an unknown key: %v", err)
	}
}
