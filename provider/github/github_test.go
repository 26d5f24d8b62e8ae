package github_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/github"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

var secrets = [2]string{"It's a Secret to Everybody", "c5f0c7d2a1934be08f6e"}

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider: github.Provider{},
		Settings: func(secrets []string) string { return providertest.JSON(map[string]any{"secret": secrets}) },
		Secrets:  secrets,
		Sign:     func(secret string, _ time.Time, body []byte) *provider.Request { return sign(secret, body) },
		Headers:  []string{"X-Hub-Signature-256"},
		MAC: &providertest.MAC{
			Header: "X-Hub-Signature-256",
			Scheme: signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "sha256="},
			Key:    func(secret string) []byte { return []byte(secret) },
		},
		Recordings:   recordings(t),
		SendSettings: func(secret string) string { return providertest.JSON(map[string]any{"secret": secret}) },
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := providertest.ReadFile(b, "testdata/samples/organization-member-added.json")
	body = strings.Replace(body, `"pending"`, `"`+strings.Repeat("pending ", 95)+`"`, 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

// sign returns a delivery as GitHub makes it. The body determines the name of the event.
func sign(secret string, body []byte) *provider.Request {
	sig, err := github.Sign(body, []byte(secret))
	if err != nil {
		panic(err)
	}
	name, contentType := "push", "application/json"
	switch text := string(body); {
	case strings.HasPrefix(text, "payload="):
		name, contentType = "organization", "application/x-www-form-urlencoded"
	case strings.Contains(text, `"zen"`):
		name = "ping"
	case strings.Contains(text, `"pull_request"`):
		name = "pull_request"
	case strings.Contains(text, `"membership"`):
		name = "organization"
	}
	return request(map[string]string{
		"Accept":                                 "*/*",
		"Content-Type":                           contentType,
		"User-Agent":                             "GitHub-Hookshot/8d3ae02",
		"X-GitHub-Delivery":                      "0b989ba4-242f-11e5-81e1-c7b6966d2516",
		"X-GitHub-Event":                         name,
		"X-GitHub-Hook-ID":                       "481516234",
		"X-GitHub-Hook-Installation-Target-ID":   "731200417",
		"X-GitHub-Hook-Installation-Target-Type": "repository",
		"X-Hub-Signature-256":                    sig,
	}, body)
}

func request(headers map[string]string, body []byte) *provider.Request {
	return providertest.Request("/in/code", body, headers)
}

// recordings are requests beyond the samples: of a server that signs only with SHA-1, to a source with repeat
// "body", and requests that GitHub does not send.
func recordings(t testing.TB) []providertest.Recording {
	body := []byte(providertest.ReadFile(t, "testdata/samples/ping.json"))
	with := func(more map[string]any) string {
		return providertest.Settings(map[string]any{"secret": secrets[0]}, more)
	}
	without := func(name string) *provider.Request {
		req := sign(secrets[0], body)
		req.Header.Del(name)
		return req
	}
	return []providertest.Recording{
		{Name: "enterprise-server-sha1", Settings: with(map[string]any{"allow_sha1": true}), Request: signSHA1(body)},
		{Name: "enterprise-server-sha1-not-asked-for", Request: signSHA1(body), Refused: "signature_missing"},
		{Name: "repeat-by-body", Settings: with(map[string]any{"repeat": "body"}), Request: sign(secrets[0], body)},
		{Name: "no-event-name", Request: without("X-GitHub-Event")},
		{Name: "published-test-value", Request: sign(secrets[0], []byte("Hello, World!"))},
	}
}

func signSHA1(body []byte) *provider.Request {
	req := sign(secrets[0], body)
	sig, err := github.SignSHA1(body, []byte(secrets[0]))
	if err != nil {
		panic(err)
	}
	req.Header.Set("X-Hub-Signature", sig)
	req.Header.Del("X-Hub-Signature-256")
	return req
}
