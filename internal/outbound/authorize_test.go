package outbound

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/boro"
)

// withAccess returns a change of a destination's access object.
func withAccess(members map[string]any) func(*bellhop.Destination) {
	raw, _ := json.Marshal(members)
	return func(d *bellhop.Destination) { d.Access = raw }
}

// credentials returns an access object with OAuth 2 client credentials.
func credentials(tokenURL string) map[string]any {
	return map[string]any{"token_url": tokenURL, "client_id": "me", "client_secret": "hush-hush"}
}

func withDialects(opts *Options) {
	opts.Providers = append(opts.Providers, boro.Provider{}, acs.Provider{})
}

// selfSigned returns a certificate and its key in PEM.
func selfSigned(t *testing.T) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IsCA: true,
		BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
		Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TestAccessRefused: an access that contradicts itself, the settings or the URL is refused, with the field.
func TestAccessRefused(t *testing.T) {
	client := egress.New(egress.Config{AllowPrivate: true, Proxies: []string{"http://10.0.0.9:3128",
		"http://169.254.169.254"}})
	defer client.Close()
	o := opener(t, withDialects, func(opts *Options) { opts.Client = client })
	certificate, key := selfSigned(t)
	keyPair := map[string]any{"certificate": certificate, "private_key": key}
	for _, c := range []struct {
		kind, url, settings string
		access              map[string]any
		path                string // "" is good
	}{
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"token": "secret"}, ""},
		{"http", "https://x.example", `{"format":"raw"}`, keyPair, ""},
		{"http", "http://x.example", `{"format":"raw"}`, keyPair, "access.certificate"},
		{"http", "http://x.example", `{"format":"raw"}`, map[string]any{"ca": certificate}, "access.ca"},
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"tokn": "secret"}, "access.tokn"},
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"username": "me"}, "access.password"},
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"certificate": certificate},
			"access.private_key"},
		{"http", "https://x.example", `{"format":"raw","headers":{"authorization":"secret"}}`,
			map[string]any{"token": "secret"}, "access.token"},
		{"http", "https://x.example", `{"format":"raw","headers":{"Authorization":"secret"}}`, keyPair, ""},
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"proxy": "http://169.254.169.254:80"},
			"access.proxy"},
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"proxy": "ftp://x.example"}, "access.proxy"},
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"proxy": "http://10.0.0.9:3128"}, ""},
		{"http", "https://x.example", `{"format":"raw"}`, map[string]any{"proxy": "http://10.0.0.9:3129"},
			"access.proxy"},
		{"http", "https://x.example", `{"format":"raw"}`, credentials("http://169.254.169.254/token"),
			"access.token_url"},
		{"http", "https://x.example", `{"format":"raw"}`, credentials("https://me:secret@id.example/token"),
			"access.token_url"},
		{"http", "https://x.example", `{"format":"raw"}`, credentials("/token"), "access.token_url"},
		{"http", "ftp://x.example", `{"format":"raw"}`, map[string]any{"token": "secret"}, "url"},
		{"boro", "https://x.example", `{"profile_id":"5","secret_key":"0011223344556677"}`,
			map[string]any{"username": "me", "password": "secret"}, "access.username"},
		{"boro", "https://x.example", `{"profile_id":"5","secret_key":"0011223344556677"}`, keyPair, ""},
		{"acs", "https://x.example", `{"access_key":"MDEyMzQ1Njc4OWFiY2RlZg=="}`,
			credentials("https://id.example/token"),
			"access.token_url"},
		{"acs", "https://x.example", `{}`, credentials("https://id.example/token"), ""},
	} {
		d := bellhop.Destination{Type: c.kind, URL: c.url, Settings: []byte(c.settings)}
		withAccess(c.access)(&d)
		err := o.Check(d)
		var invalid *bellhop.Error
		switch {
		case c.path == "" && err != nil:
			t.Errorf("%+v: %v", c, err)
		case c.path != "" && (!errors.As(err, &invalid) || invalid.Code != bellhop.CodeInvalid ||
			len(invalid.Fields) != 1 || invalid.Fields[0].Path != c.path):
			t.Errorf("%s %s %s: %v, want one at %s", c.kind, c.url, c.settings, err, c.path)
		case err != nil && strings.Contains(strings.ReplaceAll(err.Error(), "client_secret", ""), "secret"):
			t.Errorf("the error has a secret: %v", err)
		}
	}
}

// TestSmuggling: no setting of a destination can end a header line, or set a header that frames the request.
func TestSmuggling(t *testing.T) {
	o := opener(t, withDialects)
	for _, name := range []string{"Host", "host", "Content-Length", "Transfer-Encoding", "Connection", "Upgrade", "TE",
		"Trailer", "Keep-Alive", "Expect",
		"Proxy-Authorization", "Proxy-Connection", "Bellhop-Hops", "X-A\r\nHost", "X-A\nHost", "X-A:", " X-A",
		"X A", ""} {
		wantRefused(t, o, "http", map[string]any{"format": "raw", "headers": map[string]any{name: "x"}}, nil)
		wantRefused(t, o, "boro", map[string]any{"profile_id": "5", "secret_key": "0011223344556677",
			"headers": map[string]any{name: "x"}}, nil)
		wantRefused(t, o, "acs", map[string]any{"header": name, "header_secret": "x"}, nil)
	}
	for _, value := range []string{"a\r\nHost: b", "a\nb", "a\rb", "a\x00b"} {
		wantRefused(t, o, "http", map[string]any{"format": "raw", "headers": map[string]any{"X-A": value}}, nil)
		wantRefused(t, o, "boro", map[string]any{"profile_id": "5", "secret_key": "0011223344556677",
			"headers": map[string]any{"X-A": value}}, nil)
		wantRefused(t, o, "acs", map[string]any{"header": "X-A", "header_secret": value}, nil)
		for _, access := range []map[string]any{{"token": value}, {"username": value, "password": "x"},
			{"username": "x", "password": value},
			{"proxy": "http://x:1", "proxy_username": "x", "proxy_password": value},
			{"proxy": "http://x:1/" + value}} {
			wantRefused(t, o, "http", map[string]any{"format": "raw"}, access)
		}
	}
}

func wantRefused(t *testing.T, o *Opener, kind string, settings, access map[string]any) {
	t.Helper()
	raw, _ := json.Marshal(settings)
	d := bellhop.Destination{Type: kind, URL: "https://x.example", Settings: raw}
	if access != nil {
		withAccess(access)(&d)
	}
	var invalid *bellhop.Error
	if err := o.Check(d); !errors.As(err, &invalid) || invalid.Code != bellhop.CodeInvalid {
		t.Errorf("%s, %s, %q: %v", kind, raw, access, err)
	}
}
