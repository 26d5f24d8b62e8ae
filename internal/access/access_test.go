package access

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// newCertificate returns a self-signed certificate and its key, in PEM.
func newCertificate(t testing.TB) (certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, k.Public(), k)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	return inPEM("CERTIFICATE", der), inPEM("PRIVATE KEY", keyDER)
}

func inPEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

func object(members ...string) json.RawMessage {
	m := map[string]string{}
	for i := 0; i < len(members); i += 2 {
		m[members[i]] = members[i+1]
	}
	b, _ := json.Marshal(m)
	return b
}

func TestParse(t *testing.T) {
	certificate, key := newCertificate(t)
	for _, raw := range []json.RawMessage{nil, []byte(" "), []byte("null"), []byte("{}"),
		[]byte(`{"token":null,"scopes":null}`)} {
		if a, err := Parse(raw); err != nil || a.Authorizes() != "" || a.Proxy != "" {
			t.Errorf("%s: %+v %v", raw, a, err)
		}
	}
	for want, raw := range map[string]json.RawMessage{
		"username": object("username", "käthe", "password", "pass:wörd", "proxy", "http://proxy.example:3128/"),
		"token":    object("token", "abc.def~+/="),
		"token_url": []byte(`{"token_url":"https://id.example/token","client_id":"me","client_secret":"s",` +
			`"scopes":["a","b"],"audience":"x"}`),
		"": object("certificate", certificate+certificate, "private_key", key, "ca", certificate, "proxy",
			"https://[::1]:8080", "proxy_username", "me", "proxy_password", ""),
	} {
		a, err := Parse(raw)
		if err != nil || a.Authorizes() != want {
			t.Errorf("%.60s: %q %v", raw, a.Authorizes(), err)
		}
	}
	a, err := Parse(object("username", "me", "password", ""))
	if err != nil || a.Username != "me" {
		t.Errorf("empty password: %v", err)
	}
}

// TestParsePasted: nothing that copying adds to a text becomes a part of it.
func TestParsePasted(t *testing.T) {
	certificate, key := newCertificate(t)
	for name, around := range map[string]func(string) string{
		"byte order mark": func(text string) string { return "\ufeff" + text },
		"line break":      func(text string) string { return text + "\r\n" },
		"blanks":          func(text string) string { return " \u00a0" + text + "\t" },
		"CRLF":            func(text string) string { return strings.ReplaceAll(text, "\n", "\r\n") },
		"no last break":   func(text string) string { return strings.TrimRight(text, "\n") },
	} {
		a, err := Parse(object("username", around("me"), "password", around("pass word"), "proxy",
			around("http://x:1"), "certificate", around(certificate), "private_key", around(key), "ca",
			around(certificate)))
		if err != nil || a.Username != "me" || a.Password != "pass word" || a.Proxy != "http://x:1" {
			t.Errorf("%s: %q %q %q %v", name, a.Username, a.Password, a.Proxy, err)
		}
		if pair, err := a.TLSCertificate(); pair == nil || err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if a, err := Parse(object("token", around("abc"))); a.Token != "abc" || err != nil {
			t.Errorf("%s: token %q %v", name, a.Token, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	certificate, key := newCertificate(t)
	other, otherKey := newCertificate(t)
	for _, c := range []struct{ raw, path string }{
		{`[]`, ""}, {`"x"`, ""}, {`{`, ""}, {`{} {}`, ""}, {`{"token":"secret-a","token":"secret-b"}`, ""},
		{`{"token":"secret-a"`, ""},
		{`{"tokn":"secret"}`, "tokn"}, {`{"TOKEN":"secret"}`, "TOKEN"}, {`{"token":{"a":"secret"}}`, "token"},
		{`{"scopes":"secret"}`, "scopes"},
		{`{"token":"secret\r\nHost: x"}`, "token"}, {`{"token":"Bearer secret"}`, "token"}, {`{"token":""}`, "token"},
		{`{"token":"sécret"}`, "token"},
		{`{"username":"me"}`, "password"}, {`{"password":"secret"}`, "username"},
		{`{"username":"m:e","password":"secret"}`, "username"},
		{`{"username":"me","password":"sec\nret"}`, "password"}, {`{"username":"me","password":" \n"}`, "password"},
		{`{"username":"","password":"secret"}`, "username"},
		{`{"username":"me","password":"secret","token":"x"}`, "token"},
		{`{"username":"me","password":"secret","token_url":"https://x","client_id":"x","client_secret":"secret"}`,
			"token_url"},
		{`{"token":"secret","token_url":"https://x","client_id":"x","client_secret":"secret"}`, "token_url"},
		{`{"token_url":"https://x","client_secret":"secret"}`, "client_id"},
		{`{"token_url":"https://x","client_id":"x"}`, "client_secret"},
		{`{"client_id":"x"}`, "client_id"}, {`{"scopes":["x"]}`, "scopes"}, {`{"audience":"x"}`, "audience"},
		{`{"token_url":"https://x","client_id":"x","client_secret":"secret","scopes":["a b"]}`, "scopes[0]"},
		{`{"token_url":"https://x","client_id":"x","client_secret":"secret","scopes":[` + strings.Repeat(`"a",`,
			maxScopes) + `"a"]}`, "scopes"},
		{`{"proxy":"socks5://x:1"}`, "proxy"}, {`{"proxy":"proxy:3128"}`, "proxy"},
		{`{"proxy":"http://me:secret@x:3128"}`, "proxy"},
		{`{"proxy":"http://x:3128/secret"}`, "proxy"}, {`{"proxy":"http://x?secret"}`, "proxy"},
		{`{"proxy":"http://%zz"}`, "proxy"}, {`{"proxy":""}`, "proxy"},
		{`{"proxy":"http://x","proxy_username":"me"}`, "proxy_password"},
		{`{"proxy":"http://x","proxy_password":"secret"}`, "proxy_username"},
		{`{"proxy_username":"me","proxy_password":"secret"}`, "proxy"},
		{`{"token":"` + strings.Repeat("s", maxText+1) + `"}`, "token"},
		{`{"ca":"` + strings.Repeat("s", MaxBytes) + `"}`, ""},
		{string(object("certificate", certificate)), "private_key"},
		{string(object("private_key", key)), "certificate"},
		{string(object("certificate", certificate, "private_key", otherKey)), "private_key"},
		{string(object("certificate", certificate, "private_key", certificate)), "private_key"},
		{string(object("certificate", certificate, "private_key", "secret")), "private_key"},
		{string(object("certificate", certificate, "private_key", inPEM("ENCRYPTED PRIVATE KEY", []byte("x")))),
			"private_key"},
		{string(object("certificate", key, "private_key", key)), "certificate"},
		{string(object("certificate", "secret", "private_key", key)), "certificate"},
		{string(object("certificate", "", "private_key", "")), "certificate"},
		{string(object("ca", "secret")), "ca"}, {string(object("ca", key)), "ca"},
		{string(object("ca", certificate+key)), "ca"},
		{string(object("ca", inPEM("CERTIFICATE", []byte("secret")))), "ca"},
		{string(object("ca", strings.Repeat(other, maxCertificates+1))), "ca"},
		{string(object("ca", "s\x00e\x00cret")), "ca"},
		{string(object("ca", strings.ReplaceAll(certificate, "\n", " "))),
			"ca"},
		{string(object("ca", certificate+"-----BEGIN CERTIFICATE-----\nsecret")), "ca"},
	} {
		a, err := Parse([]byte(c.raw))
		var invalid *bellhop.Error
		if !errors.As(err, &invalid) || invalid.Code != bellhop.CodeInvalid ||
			!slices.ContainsFunc(invalid.Fields, func(f bellhop.FieldError) bool { return f.Path == c.path }) {
			t.Errorf("%.80s: %+v %v, want an error at %q", c.raw, a, err, c.path)
			continue
		}
		if text := err.Error(); strings.Contains(text, "secret-") ||
			strings.Contains(strings.ReplaceAll(text, "client_secret", ""), "secret") ||
			strings.Contains(text, "MII") {
			t.Errorf("%.80s: the error repeats a value: %v", c.raw, err)
		}
	}
}

// TestSettings: Settings, Secrets and the members that Parse reads agree.
func TestSettings(t *testing.T) {
	members := (&Access{}).members()
	var secrets []string
	for _, s := range Settings {
		if members[s.Name] == nil && s.Name != "scopes" {
			t.Errorf("%s is not read", s.Name)
		}
		delete(members, s.Name)
		if s.Secret {
			secrets = append(secrets, s.Name)
		}
		if !strings.HasSuffix(s.Doc, ".") {
			t.Errorf("%s: %q", s.Name, s.Doc)
		}
	}
	if len(members) > 0 || !slices.Equal(secrets, Secrets) {
		t.Errorf("members that Settings does not list: %v; secrets are %v", members, secrets)
	}
}

// FuzzParse: Parse does not panic, and an accepted access is consistent and has no line end in a value for a header.
func FuzzParse(f *testing.F) {
	certificate, key := newCertificate(f)
	f.Add([]byte(object("certificate", certificate, "private_key", key, "ca", certificate)))
	for _, raw := range []string{`{"username":"me","password":"x"}`, `{"token":"x"}`,
		`{"token_url":"https://x","client_id":"x","client_secret":"y","scopes":["z"]}`,
		`{"proxy":"http://x:3128","proxy_username":"me","proxy_password":""}`, `{"token":"a","token":"b"}`, `null`} {
		f.Add([]byte(raw))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		a, err := Parse(raw)
		if err != nil {
			var invalid *bellhop.Error
			if !errors.As(err, &invalid) || invalid.Code != bellhop.CodeInvalid {
				t.Errorf("%v", err)
			}
			return
		}
		logins := 0
		for _, s := range []string{a.Username, a.Token, a.TokenURL} {
			if s != "" {
				logins++
			}
		}
		if logins > 1 ||
			strings.ContainsAny(a.Username+a.Password+a.Token+a.Proxy+a.ProxyUsername+a.ProxyPassword, "\r\n\x00") {
			t.Errorf("accepted %q", raw)
		}
		if (a.Certificate == "") != (a.PrivateKey == "") || a.ProxyUsername != "" && a.Proxy == "" {
			t.Errorf("accepted %q", raw)
		}
	})
}
