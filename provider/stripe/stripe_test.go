package stripe_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/stripe"
)

var secrets = [2]string{"whsec_test_secret", "whsec_4uT9bWc2Yv7LhQpRz0SxNk8mEjAfGd1o"}

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider:     stripe.Provider{},
		Settings:     func(secrets []string) string { return providertest.JSON(map[string]any{"secret": secrets}) },
		Secrets:      secrets,
		Sign:         sign,
		Headers:      []string{"Stripe-Signature"},
		Window:       5 * time.Minute,
		Recordings:   recordings(t),
		SendSettings: func(secret string) string { return providertest.JSON(map[string]any{"secret": secret}) },
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := providertest.ReadFile(b, "testdata/samples/connect-customer-updated.json")
	body = strings.Replace(body, `"metadata": {}`, `"metadata": {"note": "`+strings.Repeat("nightly ", 50)+`"}`, 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

// TestMutants also moves bytes between signature, time and body. The tolerance is an hour and the times are less than
// two minutes apart, so that only the signature can be the reason for a refusal.
func TestMutants(t *testing.T) {
	r := open(t, map[string]any{"tolerance": "1h"})
	made := func(i int) []string {
		body := fmt.Sprintf(`{"id":"evt_%d","type":"test","data":{"n":1795338000.%d}}`, i, i*i)
		_, v1, _ := strings.Cut(sign(secrets[0], providertest.Now.Add(time.Duration(i)*time.Second),
			[]byte(body)).Header.Get("Stripe-Signature"), ",v1=")
		return []string{v1, fmt.Sprint(providertest.Now.Unix() + int64(i)), body}
	}
	same := func(m, v []string) bool { return m[1] == v[1] && m[2] == v[2] && strings.EqualFold(m[0], v[0]) }
	providertest.Mutants(t, providertest.ManyMutants, made, same, func(parts []string) bool {
		req := request(map[string]string{"Stripe-Signature": "t=" + parts[1] + ",v1=" + parts[0]}, []byte(parts[2]))
		_, err := r.Receive(context.Background(), req)
		return err == nil
	})
}

func open(t testing.TB, more map[string]any) provider.Receiver {
	t.Helper()
	return providertest.Open(t, stripe.Provider{}, providertest.Settings(map[string]any{"secret": secrets[0]}, more))
}

// A secret that is only the prefix is refused.
func TestBarePrefix(t *testing.T) {
	_, err := stripe.Provider{}.Open(provider.Env{}, []byte(`{"secret":["whsec_","whsec_abc"]}`))
	if err == nil || !strings.HasPrefix(err.Error(), "secret[0]: ") {
		t.Errorf("got %v", err)
	}
}

// sign returns a request in the form of Stripe's.
func sign(secret string, at time.Time, body []byte) *provider.Request {
	value, err := stripe.Sign(body, at, []byte(secret))
	if err != nil {
		panic(err)
	}
	return request(map[string]string{"Stripe-Signature": value}, body)
}

func request(headers map[string]string, body []byte) *provider.Request {
	always := map[string]string{"Content-Type": "application/json; charset=utf-8",
		"User-Agent": "Stripe/1.0 (+https://stripe.com/docs/webhooks)"}
	return providertest.Request("/in/payments", body, always, headers)
}

// recordings returns cases that the samples do not cover: a rolled secret, the signature of test mode, and the setting
// livemode.
func recordings(t testing.TB) []providertest.Recording {
	live, test := []byte(providertest.ReadFile(t, "testdata/samples/invoice-paid.json")),
		[]byte(providertest.ReadFile(t, "testdata/samples/thin-meter-error.json"))
	both, err := stripe.Sign(live, providertest.Now, []byte(secrets[0]), []byte(secrets[1]))
	if err != nil {
		t.Fatal(err)
	}
	withV0 := sign(secrets[0], providertest.Now, test)
	withV0.Header.Set("Stripe-Signature", withV0.Header.Get("Stripe-Signature")+",v0="+strings.Repeat("0a", 32))
	only := func(live bool) string {
		return providertest.JSON(map[string]any{"secret": secrets[0], "livemode": live})
	}
	return []providertest.Recording{
		{Name: "rolled-secret", Settings: providertest.JSON(map[string]any{"secret": secrets[1]}),
			Request: request(map[string]string{"Stripe-Signature": both}, live)},
		{Name: "test-mode-v0", Request: withV0},
		{Name: "live-at-live", Settings: only(true), Request: sign(secrets[0], providertest.Now, live)},
		{Name: "test-at-live", Settings: only(true), Request: sign(secrets[0], providertest.Now, test),
			Refused: "forbidden"},
		{Name: "live-at-test", Settings: only(false), Request: sign(secrets[0], providertest.Now, live),
			Refused: "forbidden"},
		{Name: "known-answer", At: time.Unix(1700000000, 0),
			Request: request(map[string]string{"Stripe-Signature": knownValue}, []byte(knownBody))},
		{Name: "known-answer-too-late", At: time.Unix(1700000301, 0),
			Request: request(map[string]string{"Stripe-Signature": knownValue}, []byte(knownBody)),
			Refused: "signature_expired"},
	}
}

// TestRepeat: a repeat may count pending_webhooks differently. Every other member tells two events apart.
func TestRepeat(t *testing.T) {
	r := open(t, nil)
	identity := func(body string) [32]byte {
		t.Helper()
		receipt, err := r.Receive(t.Context(), sign(secrets[0], providertest.Now, []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		return receipt.Events[0].Identity()
	}
	const first = `{"id":"evt_1","type":"invoice.paid","pending_webhooks":2,"data":{"object":{"id":"in_1","amount":1}}}`
	for body, repeat := range map[string]bool{
		first:                                   true,
		strings.Replace(first, `:2,`, `:1,`, 1): true,
		strings.Replace(first, `"amount":1`, `"amount":2`, 1):           false,
		strings.Replace(first, `invoice.paid`, `invoice.void`, 1):       false,
		strings.Replace(first, `"pending_webhooks":2,`, `"more":2,`, 1): false,
	} {
		if got := identity(body) == identity(first); got != repeat {
			t.Errorf("%s is a repeat: %t, want %t", body, got, repeat)
		}
	}
}
