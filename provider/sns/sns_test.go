package sns_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/sns"
)

// Topics take the place of secrets: a message for another topic is refused.
const (
	orders   = "arn:aws:sns:eu-central-1:123456789012:orders"
	invoices = "arn:aws:sns:eu-central-1:123456789012:invoices"
	certURL  = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-7506a1e35b36ef5a444dd1a8e7cc3ed8.pem"
)

// The certificate and its key exist for these tests only. The samples were signed with openssl.
var (
	key         = readKey()
	certificate = mustRead("testdata/certificate.pem")
)

func testCase() providertest.Case {
	return providertest.Case{
		Provider: sns.Provider{},
		Settings: func(topics []string) string { return providertest.JSON(map[string]any{"topics": topics}) },
		Secrets:  [2]string{orders, invoices},
		Sign:     func(topic string, _ time.Time, body []byte) *provider.Request { return request(sign(topic, body)) },
		// The signature proves that SNS is the sender. TestMutants and TestForgeries test which members it covers.
		Proves:     providertest.ProvesSender,
		Recordings: recordings(),
		Transport:  transport(func(r *http.Request) *http.Response { return answer(200, certificate) }),
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase()) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase()) }

func BenchmarkReceive(b *testing.B) {
	body := strings.Replace(sample("notification"), "ord_7f3", strings.Repeat("nightly ", 8), 1)
	providertest.Benchmark(b, testCase(), []byte(body))
}

// recordings returns the unchanged samples, with the signatures that openssl made, and requests that are refused.
func recordings() (list []providertest.Recording) {
	for _, name := range []string{"notification", "notification-without-subject", "subscription-confirmation",
		"unsubscribe-confirmation"} {
		list = append(list, providertest.Recording{Name: "recorded-" + name, Request: request([]byte(sample(name)))})
	}
	return append(list,
		providertest.Recording{Name: "raw", Request: request([]byte(`{"order":"ord_7f3"}`)),
			Refused: "signature_missing"},
		providertest.Recording{Name: "after the certificate", Request: request([]byte(sample("notification"))),
			At: time.Date(2027, 2, 1, 0, 0, 0, 0, time.UTC), Refused: "signature_expired"},
		providertest.Recording{Name: "before the certificate", Request: request([]byte(sample("notification"))),
			At: time.Date(2025, 12, 31, 0, 0, 0, 0, time.UTC), Refused: "signature_expired"},
	)
}

// request returns a request in the form of those of SNS.
func request(body []byte) *provider.Request {
	h := http.Header{"Content-Type": {"text/plain; charset=UTF-8"}, "X-Amz-Sns-Message-Type": {"Notification"},
		"User-Agent": {"Amazon Simple Notification Service Agent"}}
	return &provider.Request{Method: "POST", Target: "/in/orders", Header: h, Body: body, ReceivedAt: providertest.Now}
}

// sign returns body with that topic and a new signature, or unchanged if it is not a message.
func sign(topic string, body []byte) []byte {
	var m map[string]any
	if json.Unmarshal(body, &m) != nil || m == nil {
		return body
	}
	for name, value := range m {
		if text, ok := value.(string); ok {
			m[name] = strings.ReplaceAll(text, orders, topic)
		}
	}
	sig, err := sns.Sign([]byte(providertest.JSON(m)), key)
	if err != nil {
		return body
	}
	m["Signature"] = sig
	return []byte(providertest.JSON(m))
}

// changed returns a sample with other members, signed again; nil removes a member.
func changed(name string, members map[string]any) []byte {
	var m map[string]any
	if err := json.Unmarshal([]byte(sample(name)), &m); err != nil {
		panic(err)
	}
	for name, value := range members {
		if m[name] = value; value == nil {
			delete(m, name)
		}
	}
	return sign(orders, []byte(providertest.JSON(m)))
}

// A transport answers the calls to SNS. A nil response is an error of the connection.
type transport func(*http.Request) *http.Response

func (answers transport) RoundTrip(r *http.Request) (*http.Response, error) {
	resp := answers(r)
	if resp == nil {
		return nil, http.ErrServerClosed
	}
	resp.Request = r
	return resp, nil
}

// sample reads a recorded body. The confirmation of a subscription is not among the samples of providertest,
// because the call after its reply cannot be compared.
func sample(name string) string {
	if name == "subscription-confirmation" {
		return mustRead("testdata/" + name + ".json")
	}
	return mustRead("testdata/samples/" + name + ".json")
}

func readKey() *rsa.PrivateKey {
	block, _ := pem.Decode([]byte(mustRead("testdata/key.pem")))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		panic(err)
	}
	return key.(*rsa.PrivateKey)
}

func mustRead(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		panic(err)
	}
	return string(b)
}
