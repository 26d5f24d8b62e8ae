package sns_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/sns"
	"github.com/bellhop-gateway/bellhop/signature"
)

// newCertificate returns a certificate for public that the key of the tests signed, after change.
func newCertificate(t *testing.T, public any, change func(*x509.Certificate)) string {
	t.Helper()
	c := &x509.Certificate{SerialNumber: big.NewInt(7), DNSNames: []string{"sns.amazonaws.com"},
		NotBefore: providertest.Now.Add(-time.Hour), NotAfter: providertest.Now.Add(time.Hour)}
	change(c)
	der, err := x509.CreateCertificate(rand.NewChaCha8([32]byte{1}), c, c, public, key)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

func TestCertificates(t *testing.T) {
	same := func(*x509.Certificate) {}
	named := func(names ...string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.DNSNames = names }
	}
	ecdsaKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.NewChaCha8([32]byte{2}))
	if err != nil {
		t.Fatal(err)
	}
	small := &rsa.PublicKey{N: new(big.Int).SetBit(big.NewInt(1), 1023, 1), E: 65537}
	good := newCertificate(t, key.Public(), same)
	for _, c := range []struct {
		name   string
		answer *http.Response
		want   error
	}{
		{"control", answer(200, good), nil},
		{"white space around it", answer(200, "\n"+good+"\n\n"), nil},
		{"name of the region", answer(200, newCertificate(t, key.Public(),
			named("sns-signing.eu-central-1.amazonaws.com"))), nil},
		{"older name of the region", answer(200, newCertificate(t, key.Public(),
			named("x.example", "sns-eu-central-1.amazonaws.com"))), nil},
		{"name of another service", answer(200, newCertificate(t, key.Public(), named("s3.amazonaws.com"))),
			provider.ErrUnavailable},
		{"name of another region", answer(200, newCertificate(t, key.Public(),
			named("sns-signing.eu-west-1.amazonaws.com"))), provider.ErrUnavailable},
		{"no name", answer(200, newCertificate(t, key.Public(), named())), provider.ErrUnavailable},
		{"expired a second ago", answer(200, newCertificate(t, key.Public(),
			func(c *x509.Certificate) { c.NotAfter = providertest.Now.Add(-time.Second) })), signature.ErrExpired},
		{"in its last second", answer(200, newCertificate(t, key.Public(),
			func(c *x509.Certificate) { c.NotAfter = providertest.Now })), nil},
		{"valid in a second", answer(200, newCertificate(t, key.Public(),
			func(c *x509.Certificate) { c.NotBefore = providertest.Now.Add(time.Second) })), signature.ErrExpired},
		{"another key", answer(200, newCertificate(t,
			&rsa.PublicKey{N: new(big.Int).Add(key.N, big.NewInt(2)), E: 65537}, same)), signature.ErrMismatch},
		{"key of 1024 bits", answer(200, newCertificate(t, small, same)), provider.ErrUnavailable},
		{"ECDSA key", answer(200, newCertificate(t, ecdsaKey.Public(), same)), provider.ErrUnavailable},
		{"Ed25519 key", answer(200, newCertificate(t, ed25519.PublicKey(make([]byte, 32)), same)),
			provider.ErrUnavailable},
		{"two certificates", answer(200, good+good), provider.ErrUnavailable},
		{"text after it", answer(200, good+"x"), provider.ErrUnavailable},
		{"a private key", answer(200, mustRead("testdata/key.pem")), provider.ErrUnavailable},
		{"HTML", answer(200, "<html>"), provider.ErrUnavailable},
		{"PEM without a certificate", answer(200, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
			provider.ErrUnavailable},
		{"empty", answer(200, ""), provider.ErrUnavailable},
		{"64 KiB of white space after it", answer(200, good+strings.Repeat(" ", 64<<10)), provider.ErrUnavailable},
		{"status 404", answer(404, good), provider.ErrUnavailable},
		{"status 201", answer(201, good), provider.ErrUnavailable},
		{"redirect", &http.Response{StatusCode: 301, Header: http.Header{"Location": {certURL}}, Body: http.NoBody},
			provider.ErrUnavailable},
		{"no answer", nil, provider.ErrUnavailable},
	} {
		r := open(t, func(*http.Request) *http.Response { return c.answer }, onlyOrders)
		if _, err := r.Receive(context.Background(), request([]byte(sample("notification")))); !errors.Is(
			err, c.want) {
			t.Errorf("%s: got %v, want %v", c.name, err, c.want)
		}
	}
}

// TestFetchesOnce: a certificate is fetched once, when it is first needed, even if concurrent requests need it.
func TestFetchesOnce(t *testing.T) {
	var fetches atomic.Int32
	r := open(t, func(*http.Request) *http.Response {
		fetches.Add(1)
		return answer(200, certificate)
	}, onlyOrders)
	var group sync.WaitGroup
	for range 16 {
		group.Go(func() {
			if _, err := r.Receive(context.Background(), request([]byte(sample("notification")))); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if fetches.Load() != 1 {
		t.Errorf("%d fetches", fetches.Load())
	}
}

// TestFetchLimit: a sender that names many URLs causes at most 10 fetches a minute, and messages with a cached
// certificate are still accepted.
func TestFetchLimit(t *testing.T) {
	fetches, now := 0, providertest.Now
	env := provider.Env{Now: func() time.Time { return now },
		Client: &http.Client{Transport: transport(func(r *http.Request) *http.Response {
			fetches++
			if r.URL.String() != certURL {
				return answer(403, "<Error/>")
			}
			return answer(200, certificate)
		})}}
	r, err := sns.Provider{}.Open(env, []byte(onlyOrders))
	if err != nil {
		t.Fatal(err)
	}
	receive := func(url string) error {
		_, err := r.Receive(context.Background(),
			request(changed("notification", map[string]any{"SigningCertURL": url})))
		return err
	}
	if err := receive(certURL); err != nil {
		t.Fatal(err)
	}
	flood := func(want int) {
		t.Helper()
		for i := range 50 {
			if err := receive(fmt.Sprintf("https://sns.eu-central-1.amazonaws.com/%d.pem", i)); !errors.Is(err,
				provider.ErrUnavailable) {
				t.Errorf("%d: %v", i, err)
			}
		}
		if fetches != want {
			t.Errorf("%d fetches, want %d", fetches, want)
		}
		if err := receive(certURL); err != nil {
			t.Error(err)
		}
	}
	flood(10)
	now = now.Add(59 * time.Second)
	flood(10)
	now = now.Add(time.Second)
	flood(20)
	now = now.Add(-time.Hour) // the clock was set back
	flood(30)
}

// TestCacheLimit: at most 16 certificates are cached, and one that was removed is fetched again.
func TestCacheLimit(t *testing.T) {
	now, last := providertest.Now, ""
	env := provider.Env{Now: func() time.Time { return now },
		Client: &http.Client{Transport: transport(func(r *http.Request) *http.Response {
			last = r.URL.String()
			return answer(200, certificate)
		})}}
	r, err := sns.Provider{}.Open(env, []byte(onlyOrders))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 18 {
		now = now.Add(time.Minute)
		url := fmt.Sprintf("https://sns.eu-central-1.amazonaws.com/%d.pem", i%17)
		if _, err := r.Receive(context.Background(),
			request(changed("notification", map[string]any{"SigningCertURL": url}))); err != nil || last != url {
			t.Errorf("%d: %v, fetched %s", i, err, last)
		}
	}
}

// TestCanceledWait: a request that waits for a fetch of another request stops waiting when its context ends.
func TestCanceledWait(t *testing.T) {
	started, release := make(chan struct{}), make(chan struct{})
	r := open(t, func(*http.Request) *http.Response {
		close(started)
		<-release
		return answer(200, certificate)
	}, onlyOrders)
	ctx, cancel := context.WithCancel(context.Background())
	first := make(chan error)
	go func() {
		_, err := r.Receive(ctx, request([]byte(sample("notification"))))
		first <- err
	}()
	<-started
	cancel() // the fetch goes on, because other requests may wait for it
	if _, err := r.Receive(ctx, request([]byte(sample("notification")))); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("the request that waits: %v", err)
	}
	close(release)
	if err := <-first; err != nil {
		t.Errorf("the request that fetches: %v", err)
	}
}

func TestNoNetwork(t *testing.T) {
	r := providertest.Open(t, sns.Provider{}, onlyOrders)
	if _, err := r.Receive(context.Background(), request([]byte(sample("notification")))); !errors.Is(err,
		provider.ErrUnavailable) {
		t.Error(err)
	}
}

func TestKeyFor(t *testing.T) {
	fetched := 0
	client := &http.Client{Transport: transport(func(*http.Request) *http.Response {
		fetched++
		return answer(200, certificate)
	})}
	body := []byte(sample("notification"))
	for _, c := range []struct {
		name    string
		body    []byte
		now     time.Time
		topics  []string
		want    error
		fetches int
	}{
		{"accepted topic", body, providertest.Now, []string{invoices, orders}, nil, 1},
		{"another topic", body, providertest.Now, []string{invoices}, provider.ErrForbidden, 0},
		{"certificate at another host", []byte(strings.Replace(string(body),
			"https://sns.eu-central-1.amazonaws.com/Simple", "https://sns.evil.example/Simple", 1)), providertest.Now,
			[]string{orders}, signature.ErrMalformed, 0},
		{"no message", []byte("{"), providertest.Now, []string{orders}, signature.ErrMalformed, 0},
		{"certificate expired", body, time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), []string{orders},
			signature.ErrExpired, 1},
	} {
		fetched = 0
		key, err := sns.KeyFor(context.Background(), client, c.body, c.now, c.topics...)
		if !errors.Is(err, c.want) || fetched != c.fetches || (err == nil && sns.Verify(c.body, key) != nil) {
			t.Errorf("%s: %v, %d fetched", c.name, err, fetched)
		}
	}
	if _, err := sns.KeyFor(context.Background(), client, body, providertest.Now); err == nil {
		t.Error("accepted without topics")
	}
}

// TestMutants changes the samples in one to four places. A mutant may be accepted only if its signed members are those
// of a sample.
func TestMutants(t *testing.T) {
	const mutants = providertest.ManyMutants
	random := rand.New(rand.NewPCG(3, 17))
	r := open(t, func(req *http.Request) *http.Response {
		if req.URL.String() != certURL {
			return answer(404, "")
		}
		return answer(200, certificate)
	}, onlyOrders)
	var good [][]byte
	for _, name := range []string{"notification", "notification-without-subject", "subscription-confirmation",
		"unsubscribe-confirmation"} {
		good = append(good, []byte(sample(name)))
	}
	accepted := 0
	for range mutants {
		from := good[random.IntN(len(good))]
		body := slices.Clone(from)
		for range 1 + random.IntN(4) {
			body = mutate(random, body, good[random.IntN(len(good))])
		}
		receipt, err := r.Receive(context.Background(), request(body))
		if err != nil {
			continue
		}
		accepted++ // the change is in a member that is not signed, or in white space
		if !slices.ContainsFunc(good, func(g []byte) bool {
			return reflect.DeepEqual(signedMembers(body),
				signedMembers(g))
		}) {
			t.Fatalf("accepted as %+v: %s", receipt, body)
		}
	}
	if accepted > mutants/2 {
		t.Errorf("%d of %d mutants are accepted", accepted, mutants)
	}
}

func signedMembers(body []byte) map[string]any {
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	for _, name := range []string{"UnsubscribeURL", "SigningCertURL", "SignatureVersion", "Signature"} {
		delete(m, name)
	}
	if m["Type"] == "Notification" {
		delete(m, "Token")
		delete(m, "SubscribeURL")
	} else {
		delete(m, "Subject")
	}
	for name := range m {
		if !slices.Contains([]string{"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "Token",
			"SubscribeURL"}, name) || m[name] == nil {
			delete(m, name)
		}
	}
	return m
}

func mutate(random *rand.Rand, body, other []byte) []byte {
	i := random.IntN(len(body) + 1)
	switch random.IntN(6) {
	case 0:
		if i < len(body) {
			body[i] ^= 1 << random.IntN(8)
		}
		return body
	case 1:
		return slices.Insert(body, i, byte(random.IntN(256)))
	case 2:
		return slices.Delete(body, min(i, len(body)-1), min(i+1+random.IntN(3), len(body)))
	case 3: // a part of another message at the same place
		j := min(i+random.IntN(200), len(body), len(other))
		if i < j {
			copy(body[i:j], other[i:j])
		}
		return body
	case 4:
		return append(body[:i:i], other[min(i, len(other)):]...)
	}
	return body[:max(1, i)]
}

func FuzzVerify(f *testing.F) {
	for _, name := range []string{"notification", "subscription-confirmation"} {
		f.Add([]byte(sample(name)))
	}
	f.Add([]byte(`{"Type":"Notification"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if sns.Verify(body, &key.PublicKey) == nil {
			again, err := sns.Sign(body, key)
			var m map[string]any
			if err != nil || json.Unmarshal(body, &m) != nil || m["Signature"] != again {
				t.Errorf("Verify accepts a signature that Sign does not make: %v", err)
			}
		}
	})
}
