package eventgrid_test

import (
	"encoding/base64"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

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
		for _, target := range []string{topicURL, topicURL + "?api-version=2018-01-01", strings.ToUpper(topicURL[:20]) + topicURL[20:]} {
			if err := eventgrid.VerifySAS(v.Token, target, expires.Add(-time.Nanosecond), []byte("other"), v.Key); err != nil {
				t.Errorf("%s, for %s: %v", v.Name, target, err)
			}
		}
		if err := eventgrid.VerifySAS(v.Token, topicURL, expires, v.Key); !errors.Is(err, signature.ErrExpired) {
			t.Errorf("%s, when it expires: %v", v.Name, err)
		}
		if err := eventgrid.VerifySAS(v.Token, topicURL, providertest.Now, []byte("other")); !errors.Is(err, signature.ErrMismatch) {
			t.Errorf("%s, with another key: %v", v.Name, err)
		}
	}
	if v := bad[0]; !errors.Is(eventgrid.VerifySAS(v.Token, topicURL, providertest.Now, v.Key), signature.ErrExpired) {
		t.Errorf("%s: accepted", v.Name)
	}
	v := good[0] // we write as the JavaScript client does
	if got, err := eventgrid.SignSAS(v.Resource, expiries[v.Name], v.Key); got != v.Token || err != nil {
		t.Errorf("signed as\n%s, %v, want\n%s", got, err, v.Token)
	}
}

// signSAS signs any text.
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
		{"more behind", good + "&e=1%2F1%2F2099+1%3A05%3A09+PM", topicURL, signature.ErrMalformed},
		{"more in between", sign("r=" + url.QueryEscape(topicURL) + "&x=1&e=1%2F1%2F2099+1%3A05%3A09+PM"), topicURL, signature.ErrMalformed},
		{"two expiries", sign("r=" + url.QueryEscape(topicURL) + "&e=1&e=1%2F1%2F2099+1%3A05%3A09+PM"), topicURL, signature.ErrMalformed},
		{"another order", sign("e=1%2F1%2F2099+1%3A05%3A09+PM&r=" + url.QueryEscape(topicURL)), topicURL, signature.ErrMalformed},
		{"no expiry", sign("r=" + url.QueryEscape(topicURL)), topicURL, signature.ErrMalformed},
		{"an empty expiry", sign("r=" + url.QueryEscape(topicURL) + "&e="), topicURL, signature.ErrMalformed},
		{"an expiry in seconds", sign("r=" + url.QueryEscape(topicURL) + "&e=1893456000"), topicURL, signature.ErrMalformed},
		{"an expiry with a zone", sign("r=" + url.QueryEscape(topicURL) + "&e=2027-06-15T18%3A20%3A15Z"), topicURL, nil},
		{"escapes in lower case after signing", strings.ReplaceAll(good, "%3A", "%3a"), topicURL, signature.ErrMismatch},
		{"huge", good + strings.Repeat("A", 5000), topicURL, signature.ErrMalformed},
		{"hash of a prose passage", strings.Split(good, "&s=")[0] + "&s=" + url.QueryEscape(base64.StdEncoding.EncodeToString(make([]byte, 32))), topicURL, signature.ErrMismatch},
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
	providertest.Mutants(t, sign,
		func(m, v []string) bool { return m[0] == v[0] && m[1] == v[1] },
		func(parts []string) bool {
			return eventgrid.VerifySAS(parts[0]+"&s="+url.PathEscape(parts[1]), host+"/api/events", providertest.Now, key) == nil
		})
}

// FuzzVerifySAS holds that nothing passes that was not signed.
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
