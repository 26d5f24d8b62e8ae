package eventgrid_test

import (
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

const topicURL = "https://exampletopic.westus2-1.eventgrid.azure.net/api/events"

type sasVector struct {
	Name, Resource, Expiry, Unsigned, Signature, Token string
	Key                                                []byte `json:"access_key_base64"`
}

func sasVectors(t testing.TB) (good, bad []sasVector) {
	t.Helper()
	var file struct{ Vectors, Negative []sasVector }
	providertest.ReadJSON(t, "testdata/eventgrid-sas.json", &file)
	if len(file.Vectors) != 3 || len(file.Negative) != 1 {
		t.Fatalf("%d and %d vectors", len(file.Vectors), len(file.Negative))
	}
	return file.Vectors, file.Negative
}

func TestSASVectors(t *testing.T) {
	good, bad := sasVectors(t)
	expiries := map[string]time.Time{
		"javascript-sdk-style":    time.Date(2026, 11, 22, 13, 5, 9, 0, time.UTC),
		"dotnet-style":            time.Date(2027, 6, 15, 18, 20, 15, 0, time.UTC),
		"python-style-iso-expiry": time.Date(2027, 6, 15, 18, 20, 15, 123456000, time.UTC),
	}
	for _, v := range good {
		expires := expiries[v.Name]
		for _, target := range []string{topicURL, topicURL + "?api-version=2018-01-01",
			strings.ToUpper(topicURL[:20]) + topicURL[20:]} {
			if err := eventgrid.VerifySAS(v.Token, target, expires.Add(-time.Nanosecond), []byte("other"),
				v.Key); err != nil {
				t.Errorf("%s, for %s: %v", v.Name, target, err)
			}
		}
		if err := eventgrid.VerifySAS(v.Token, topicURL, expires, v.Key); !errors.Is(err, signature.ErrExpired) {
			t.Errorf("%s, when it expires: %v", v.Name, err)
		}
		err := eventgrid.VerifySAS(v.Token, topicURL, providertest.Now, []byte("other"))
		if !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%s, with another key: %v", v.Name, err)
		}
	}
	if v := bad[0]; !errors.Is(eventgrid.VerifySAS(v.Token, topicURL, providertest.Now, v.Key), signature.ErrExpired) {
		t.Errorf("%s: accepted", v.Name)
	}
	v := good[0] // SignSAS writes as the JavaScript client does
	if got, err := eventgrid.SignSAS(v.Resource, expiries[v.Name], v.Key); got != v.Token || err != nil {
		t.Errorf("signed as\n%s, %v, want\n%s", got, err, v.Token)
	}
}

// signSAS signs any text as a token.
func signSAS(t testing.TB, key []byte, unsigned string) string {
	sum, err := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Base64}.Sign(key, []byte(unsigned))
	if err != nil {
		t.Fatal(err)
	}
	return unsigned + "&s=" + url.QueryEscape(sum)
}

func TestSASForgery(t *testing.T) {
	key := []byte("event-grid-test-key-0123456789ab")
	sign := func(unsigned string) string { return signSAS(t, key, unsigned) }
	token := func(resource string) string {
		return sign("r=" + url.QueryEscape(resource) + "&e=" + url.QueryEscape("12/31/2026 1:05:09 PM"))
	}
	good := token(topicURL)
	for _, c := range []struct {
		name, token, target string
		want                error
	}{
		{"control", good, topicURL, nil},
		{"a path below", good, topicURL + "/more", nil},
		{"a path above", token("https://exampletopic.westus2-1.eventgrid.azure.net/"), topicURL, nil},
		{"a host alone", token("https://exampletopic.westus2-1.eventgrid.azure.net"), topicURL, nil},
		{"missing", "", topicURL, signature.ErrMissing},
		{"another path", good, strings.Replace(topicURL, "events", "event", 1), signature.ErrMismatch},
		{"half a segment", good, topicURL + "2", signature.ErrMismatch},
		{"a path back up", good, topicURL + "/../../other", signature.ErrMismatch},
		{"a path back up, escaped", good, topicURL + "/%2e%2e/other", signature.ErrMismatch},
		{"another host", token("https://exampletopic.westus2-1.eventgrid.azure.ne"), topicURL, signature.ErrMismatch},
		{"another scheme", good, "http" + topicURL[5:], signature.ErrMismatch},
		{"a user", good, strings.Replace(topicURL, "//", "//u@", 1), signature.ErrMismatch},
		{"no host", token("/api/events"), topicURL, signature.ErrMismatch},
		{"no resource", sign("r=&e=12%2F31%2F2026+1%3A05%3A09+PM"), topicURL, signature.ErrMismatch},
		{"not for a URL", good, "::", signature.ErrMismatch},
		{"no signature", strings.Split(good, "&s=")[0], topicURL, signature.ErrMalformed},
		{"an empty one", strings.Split(good, "&s=")[0] + "&s=", topicURL, signature.ErrMissing},
		{"not Base64", strings.Split(good, "&s=")[0] + "&s=%7e", topicURL, signature.ErrMalformed},
		{"badly escaped", strings.Split(good, "&s=")[0] + "&s=%", topicURL, signature.ErrMalformed},
		{"two signatures", good + good[strings.Index(good, "&s="):], topicURL, signature.ErrMalformed},
		{"more after the signature", good + "&e=1%2F1%2F2099+1%3A05%3A09+PM", topicURL, signature.ErrMalformed},
		{"more in between", sign("r=" + url.QueryEscape(topicURL) + "&x=1&e=1%2F1%2F2099+1%3A05%3A09+PM"), topicURL,
			signature.ErrMalformed},
		{"two expiries", sign("r=" + url.QueryEscape(topicURL) + "&e=1&e=1%2F1%2F2099+1%3A05%3A09+PM"), topicURL,
			signature.ErrMalformed},
		{"another order", sign("e=1%2F1%2F2099+1%3A05%3A09+PM&r=" + url.QueryEscape(topicURL)), topicURL,
			signature.ErrMalformed},
		{"no expiry", sign("r=" + url.QueryEscape(topicURL)), topicURL, signature.ErrMalformed},
		{"an empty expiry", sign("r=" + url.QueryEscape(topicURL) + "&e="), topicURL, signature.ErrMalformed},
		{"an expiry in seconds", sign("r=" + url.QueryEscape(topicURL) + "&e=1893456000"), topicURL,
			signature.ErrMalformed},
		{"an expiry with a zone", sign("r=" + url.QueryEscape(topicURL) + "&e=2027-06-15T18%3A20%3A15Z"),
			topicURL, nil},
		{"escapes in lower case after signing", strings.ReplaceAll(good, "%3A", "%3a"), topicURL,
			signature.ErrMismatch},
		{"huge", good + strings.Repeat("A", 5000), topicURL, signature.ErrMalformed},
		{"hash of a prose passage", strings.Split(good,
			"&s=")[0] + "&s=" + url.QueryEscape(base64.StdEncoding.EncodeToString(make([]byte, 32))), topicURL,
			signature.ErrMismatch},
	} {
		if err := eventgrid.VerifySAS(c.token, c.target, providertest.Now, key); !errors.Is(err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
	if _, err := eventgrid.SignSAS(topicURL, providertest.Now, nil); !errors.Is(err, signature.ErrKey) {
		t.Errorf("an empty key: %v", err)
	}
	if err := eventgrid.VerifySAS(good, topicURL, providertest.Now); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("no keys: %v", err)
	}
}

func TestSASMutants(t *testing.T) {
	key := []byte("event-grid-test-key-0123456789ab")
	const host = "https://t.eventgrid.azure.net"
	sign := func(i int) []string {
		token, err := eventgrid.SignSAS(host+"/api/events", providertest.Now.Add(time.Duration(i+1)*time.Hour), key)
		if err != nil {
			t.Fatal(err)
		}
		unsigned, sum, _ := strings.Cut(token, "&s=")
		sum, err = url.PathUnescape(sum)
		if err != nil {
			t.Fatal(err)
		}
		return []string{unsigned, sum}
	}
	providertest.Mutants(t, providertest.ManyMutants, sign,
		func(m, v []string) bool { return m[0] == v[0] && m[1] == v[1] },
		func(parts []string) bool {
			return eventgrid.VerifySAS(parts[0]+"&s="+url.PathEscape(parts[1]), host+"/api/events", providertest.Now,
				key) == nil
		})
}

// FuzzVerifySAS checks that no token is accepted that was not signed.
func FuzzVerifySAS(f *testing.F) {
	good, bad := sasVectors(f)
	signed := map[string]bool{}
	for _, v := range append(good, bad...) {
		f.Add(v.Token, topicURL)
		signed[v.Unsigned] = true
	}
	f.Fuzz(func(t *testing.T, token, target string) {
		err := eventgrid.VerifySAS(token, target, providertest.Now, good[0].Key, good[1].Key)
		if unsigned, _, _ := strings.Cut(token, "&s="); err == nil && !signed[unsigned] {
			t.Errorf("accepted %q", token)
		}
	})
}

const (
	tenant   = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	audience = "api://0f8fad5b-d9cb-469f-a165-70867728950e"
	gridApp  = "4962773b-9cdb-44cf-a8bf-237846a00ab7"
	keyID    = "test-key"
)

// entra is a stand-in for Microsoft Entra that publishes one key and signs with it.
type entra struct {
	key   *rsa.PrivateKey
	down  bool
	asked []string
}

func newEntra(t testing.TB) *entra {
	t.Helper()
	block, _ := pem.Decode([]byte(providertest.ReadFile(t, "testdata/throw-away.pem")))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return &entra{key: key}
}

func (e *entra) RoundTrip(req *http.Request) (*http.Response, error) {
	e.asked = append(e.asked, req.URL.String())
	if e.down {
		return nil, errors.New("no route")
	}
	number := func(n *big.Int) string { return base64.RawURLEncoding.EncodeToString(n.Bytes()) }
	body := providertest.JSON(values{"keys": []values{{"kty": "RSA", "use": "sig", "kid": keyID, "n": number(e.key.N),
		"e": number(big.NewInt(int64(e.key.E)))}}})
	return &http.Response{StatusCode: 200, Body: io.NopCloser(strings.NewReader(body)), Request: req}, nil
}

func (e *entra) open(t testing.TB, more values) provider.Receiver {
	t.Helper()
	settings := providertest.Settings(values{"audience": audience, "tenant_id": strings.ToUpper(tenant)}, more)
	r, err := eventgrid.Provider{}.Open(provider.Env{
		Now: func() time.Time { return providertest.Now }, Client: &http.Client{Transport: e},
	}, []byte(settings))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func claims() signature.Claims {
	return signature.Claims{
		Issuer: "https://sts.windows.net/" + tenant + "/", Audience: []string{audience}, TenantID: tenant,
		AppID:     gridApp,
		NotBefore: providertest.Now.Add(-time.Minute), ExpiresAt: providertest.Now.Add(time.Hour),
	}
}

func (e *entra) delivery(t testing.TB, c signature.Claims) *provider.Request {
	t.Helper()
	token, err := signature.SignJWT(c, e.key, keyID)
	if err != nil {
		t.Fatal(err)
	}
	req := delivery("", []byte(oneEvent))
	req.Header.Set("Authorization", "Bearer "+token)
	return req
}

// E05 to E08, and the cases of sections 12 and 13 of the forgery list that package signature does not test.
func TestBearer(t *testing.T) {
	e := newEntra(t)
	for _, c := range []struct {
		name     string
		settings values
		claims   func(c *signature.Claims)
		change   func(req *provider.Request)
		want     error
	}{
		{name: "control"},
		{name: "J18 version 2", claims: func(c *signature.Claims) {
			c.Issuer, c.AppID, c.AuthorizedParty = "https://login.microsoftonline.com/"+tenant+"/v2.0", "", gridApp
		}},
		{name: "E05 for another", claims: func(c *signature.Claims) { c.Audience = []string{"api://x"} },
			want: signature.ErrMismatch},
		{name: "E05 for nobody", claims: func(c *signature.Claims) { c.Audience = nil }, want: signature.ErrMismatch},
		{name: "J17 for several", claims: func(c *signature.Claims) { c.Audience = []string{"api://x", audience} }},
		{name: "E06 another directory", claims: func(c *signature.Claims) { c.TenantID = gridApp },
			want: signature.ErrMismatch},
		{name: "E06 another issuer", claims: func(c *signature.Claims) {
			c.Issuer = "https://sts.windows.net/" + gridApp +
				"/"
		}, want: signature.ErrMismatch},
		{name: "E06 the other cloud's issuer", settings: values{"cloud": "government", "app_id": gridApp},
			claims: func(c *signature.Claims) {
				c.Issuer = "https://login.microsoftonline.com/" + tenant + "/v2.0"
			}, want: signature.ErrMismatch},
		{name: "J21 another application", claims: func(c *signature.Claims) { c.AppID = tenant },
			want: signature.ErrMismatch},
		{name: "J21 no application", claims: func(c *signature.Claims) { c.AppID = "" }, want: signature.ErrMismatch},
		{name: "J21 the application of the settings", settings: values{"app_id": tenant},
			claims: func(c *signature.Claims) { c.AppID = tenant }},
		{name: "J21 Event Grid, not that of the settings", settings: values{"app_id": tenant},
			want: signature.ErrMismatch},
		{name: "J21 Event Grid of the other cloud", settings: values{"cloud": "government"},
			want: signature.ErrMismatch},
		{name: "E08 expired 1 s ago",
			claims: func(c *signature.Claims) { c.ExpiresAt = providertest.Now.Add(-time.Second) }},
		{name: "E08 expired 6 min ago",
			claims: func(c *signature.Claims) { c.ExpiresAt = providertest.Now.Add(-6 * time.Minute) },
			want:   signature.ErrExpired},
		{name: "J23 not yet", claims: func(c *signature.Claims) {
			c.NotBefore = providertest.Now.Add(6 * time.Minute)
		},
			want: signature.ErrExpired},
		{name: "J24 for ever", claims: func(c *signature.Claims) { c.ExpiresAt = time.Time{} },
			want: signature.ErrMalformed},
		{name: "K04 bEaReR", change: authorize(func(v string) []string { return []string{"bEaReR" + v[6:]} })},
		{name: "K05 Basic", change: authorize(func(v string) []string { return []string{"Basic" + v[6:]} }),
			want: signature.ErrMalformed},
		{name: "K06 twice", change: authorize(func(v string) []string { return []string{v, v} }),
			want: signature.ErrMalformed},
		{name: "none", change: authorize(func(string) []string { return nil }), want: signature.ErrMissing},
		{name: "no token", change: authorize(func(string) []string { return []string{"Bearer "} }),
			want: signature.ErrMissing},
		{name: "not a token", change: authorize(func(string) []string { return []string{"Bearer x"} }),
			want: signature.ErrMalformed},
		{name: "cut", change: authorize(func(v string) []string { return []string{v[:len(v)-2]} }),
			want: signature.ErrMismatch},
		{name: "in the query", change: func(req *provider.Request) {
			req.Target += "?access_token=" + req.Header.Get("Authorization")[7:]
			req.Header.Del("Authorization")
		}, want: signature.ErrMissing},
		{name: "and a secret in the URL, which is not there", settings: values{"query_secret": "s3cret"},
			want: signature.ErrMissing},
		{name: "and a secret in the URL", settings: values{"query_secret": "s3cret"},
			change: target("/in/grid?code=s3cret")},
	} {
		t.Run(c.name, func(t *testing.T) {
			token := claims()
			if c.claims != nil {
				c.claims(&token)
			}
			req := e.delivery(t, token)
			if c.change != nil {
				c.change(req)
			}
			receipt, err := e.open(t, c.settings).Receive(context.Background(), req)
			if !errors.Is(err, c.want) || err == nil && len(receipt.Events) != 1 {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func authorize(change func(value string) []string) func(*provider.Request) {
	return func(req *provider.Request) { req.Header["Authorization"] = change(req.Header.Get("Authorization")) }
}

// J32, R09: without keys the answer is 503, so that Event Grid repeats the request.
func TestBearerWithoutKeys(t *testing.T) {
	e := newEntra(t)
	e.down = true
	_, err := e.open(t, nil).Receive(context.Background(), e.delivery(t, claims()))
	if !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
}

func TestKeysURL(t *testing.T) {
	for _, c := range []struct {
		settings values
		want     string
	}{
		{nil, "https://login.microsoftonline.com/" + tenant + "/discovery/v2.0/keys"},
		{values{"cloud": "government"}, "https://login.microsoftonline.us/" + tenant + "/discovery/v2.0/keys"},
		{values{"keys_url": "https://keys.example/"}, "https://keys.example/"},
	} {
		e := newEntra(t)
		_, _ = e.open(t, c.settings).Receive(context.Background(), e.delivery(t, claims()))
		if len(e.asked) != 1 || e.asked[0] != c.want {
			t.Errorf("%v: requested %q", c.settings, e.asked)
		}
	}
}

// The keys are fetched once, not for each request.
func BenchmarkReceiveBearer(b *testing.B) {
	e := newEntra(b)
	r, req := e.open(b, nil), e.delivery(b, claims())
	for b.Loop() {
		if _, err := r.Receive(context.Background(), req); err != nil {
			b.Fatal(err)
		}
	}
	if len(e.asked) != 1 {
		b.Errorf("the keys were fetched %d times", len(e.asked))
	}
}
