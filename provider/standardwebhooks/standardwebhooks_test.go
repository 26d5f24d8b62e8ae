package standardwebhooks_test

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/base64"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/standardwebhooks"
	"github.com/bellhop-gateway/bellhop/signature"
)

var secrets = [2]string{"whsec_gS1Dv2TK7Z7axpVWJVQMTv1zsy4z0as1OL20N/pEd54=",
	"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"}

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider:     standardwebhooks.Provider{},
		Settings:     func(secrets []string) string { return providertest.JSON(map[string]any{"secret": secrets}) },
		Secrets:      secrets,
		Sign:         sign,
		Headers:      []string{"webhook-id", "webhook-timestamp", "webhook-signature"},
		Window:       5 * time.Minute,
		Recordings:   recordings(t),
		SendSettings: func(secret string) string { return providertest.JSON(map[string]any{"secret": secret}) },
	}
}

// asymmetricCase returns a case whose sender signs with private keys and whose receiver has the public keys.
func asymmetricCase(t testing.TB) providertest.Case {
	c := testCase(t)
	c.Name, c.Recordings = "v1a", nil
	c.Secrets = [2]string{privateKey(0x11), privateKey(0x22)}
	c.Settings = func(secrets []string) string {
		var public []string
		for _, secret := range secrets {
			public = append(public, publicKey(secret))
		}
		return providertest.JSON(map[string]any{"secret": public})
	}
	return c
}

// privateKey returns the text of a private key whose seed consists of this byte.
func privateKey(seed byte) string {
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{seed}, ed25519.SeedSize))
	return "whsk_" + base64.StdEncoding.EncodeToString(key)
}

func publicKey(private string) string {
	key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(private, "whsk_"))
	if err != nil {
		panic(err)
	}
	return "whpk_" + base64.StdEncoding.EncodeToString(key[ed25519.SeedSize:])
}

// svixCase returns a case whose sender and receiver use the header names of Svix.
func svixCase(t testing.TB) providertest.Case {
	c := testCase(t)
	c.Name, c.Recordings = "svix", nil
	c.Settings = func(secrets []string) string {
		return providertest.JSON(map[string]any{"secret": secrets, "header_family": "svix"})
	}
	c.SendSettings = func(secret string) string {
		return providertest.JSON(map[string]any{"secret": secret, "header_family": "svix"})
	}
	c.Headers = []string{"svix-id", "svix-timestamp", "svix-signature"}
	c.Sign = func(secret string, at time.Time, body []byte) *provider.Request {
		req := sign(secret, at, body)
		rename("webhook-", "svix-", true)(req.Header)
		return req
	}
	return c
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func TestAsymmetric(t *testing.T) { providertest.Run(t, asymmetricCase(t)) }

func TestSvix(t *testing.T) { providertest.Run(t, svixCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

func BenchmarkReceive(b *testing.B) {
	body := strings.Replace(providertest.ReadFile(b, "testdata/samples/full-payload.json"), `"chunks"`,
		`"words": "`+strings.Repeat("nightly ", 95)+`", "chunks"`, 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

// sign returns a request in the form of the specification.
func sign(secret string, at time.Time, body []byte) *provider.Request {
	key, err := signature.ParseStandardKey(secret)
	if err != nil {
		panic(err)
	}
	const id = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
	sig, err := signature.SignStandard([]signature.StandardKey{key}, id, at, body)
	if err != nil {
		panic(err)
	}
	return request(map[string]string{"webhook-id": id, "webhook-timestamp": strconv.FormatInt(at.Unix(), 10),
		"webhook-signature": sig}, body)
}

func request(headers map[string]string, body []byte) *provider.Request {
	return providertest.Request("/in/billing", body, map[string]string{"Content-Type": "application/json"}, headers)
}

// recordings returns the vectors, the accepted and the refused ones.
func recordings(t testing.TB) []providertest.Recording {
	type vector struct {
		Name    string
		Secrets []string
		Now     int64
		Body    string `json:"body_utf8"`
		Headers map[string]string
	}
	var file struct {
		Vectors, Negative []vector
	}
	providertest.ReadJSON(t, "testdata/vectors.json", &file)
	refused := map[string]string{
		"too-old":           "signature_expired",
		"too-new":           "signature_expired",
		"tampered":          "signature_mismatch",
		"wrong-id":          "signature_mismatch",
		"v1a-offered-as-v1": "signature_mismatch",
	}
	var list []providertest.Recording
	for _, v := range append(file.Vectors, file.Negative...) {
		list = append(list, providertest.Recording{
			Name:     "vector-" + v.Name,
			Settings: providertest.JSON(map[string]any{"secret": v.Secrets}),
			At:       time.Unix(v.Now, 0),
			Request:  request(v.Headers, []byte(v.Body)),
			Refused:  refused[v.Name],
		})
	}
	if len(list) != 13 || len(refused) != len(file.Negative) {
		t.Fatalf("%d vectors", len(list))
	}
	return list
}

func receiveEvent(t *testing.T, req *provider.Request) bellhop.Event {
	t.Helper()
	r := providertest.Open(t, standardwebhooks.Provider{}, providertest.JSON(map[string]any{"secret": secrets[0]}))
	receipt, err := r.Receive(context.Background(), req)
	if err != nil {
		t.Fatal(err)
	}
	return receipt.Events[0]
}

func TestTypeAndTime(t *testing.T) {
	occurred := time.Date(2026, 11, 22, 8, 15, 30, 0, time.UTC)
	for body, want := range map[string]bellhop.Event{
		`{"type":"invoice.paid","timestamp":"2026-11-22T08:15:30Z"}`:      {Type: "invoice.paid", Time: occurred},
		`{"type":"invoice.paid","timestamp":"2026-11-22T09:15:30+01:00"}`: {Type: "invoice.paid", Time: occurred},
		`{"type":"invoice.paid","timestamp":1795000000}`: {Type: "invoice.paid",
			Time: providertest.Now},
		`{"type":"invoice.paid","timestamp":"yesterday"}`: {Type: "invoice.paid", Time: providertest.Now},
		`{"\u0074ype":"a\u002fb-c_D9"}`:                   {Type: "a/b-c_D9", Time: providertest.Now},
		`{"Type":"x"}`: {Type: standardwebhooks.DefaultType,
			Time: providertest.Now},
		`{"type":"two words"}`: {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"type":7}`:           {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"type":"x","timestamp":"2026-11-22T08:15:30Z","type":"y"}`: {Type: standardwebhooks.DefaultType,
			Time: providertest.Now},
		`{"type":"x"`:                      {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`[{"type":"x"}]`:                   {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		"plain words":                      {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		"":                                 {Type: standardwebhooks.DefaultType, Time: providertest.Now},
		`{"data":{"type":"inner"},"n":[]}`: {Type: standardwebhooks.DefaultType, Time: providertest.Now},
	} {
		got := receiveEvent(t, sign(secrets[0], providertest.Now, []byte(body)))
		if got.Type != want.Type || !got.Time.Equal(want.Time) || string(got.Body) != body {
			t.Errorf("%s: got %s at %v", body, got.Type, got.Time)
		}
	}
}

// R14: on every attempt, an event that came as a Standard Webhook is sent with the id that it came with, and any other
// event with its own id.
func TestMessageID(t *testing.T) {
	r := providertest.OpenSender(t, standardwebhooks.Provider{},
		providertest.JSON(map[string]any{"secret": secrets[:]}))
	for name, c := range map[string]struct {
		ev   bellhop.Event
		want string
	}{
		"Standard Webhook": {bellhop.Event{ID: "evt_1", ProviderID: "msg_1",
			Header: bellhop.Header("Webhook-Id: msg_1\n")}, "msg_1"},
		"Standard Webhook with Svix's names": {bellhop.Event{ID: "evt_1", ProviderID: "msg_1",
			Header: bellhop.Header("Svix-Id: msg_1\n")},
			"msg_1"},
		"other provider": {bellhop.Event{ID: "evt_1", ProviderID: "etag"}, "evt_1"},
		"another id in the header": {bellhop.Event{ID: "evt_1", ProviderID: "etag",
			Header: bellhop.Header("Webhook-Id: msg_1\n")}, "evt_1"},
		"id with a dot": {bellhop.Event{ID: "evt_1", ProviderID: "a.b", Header: bellhop.Header("Webhook-Id: a.b\n")},
			"evt_1"},
		"published": {bellhop.Event{ID: "evt_1"}, "evt_1"},
	} {
		for attempt := range 3 {
			at := providertest.Now.Add(time.Duration(attempt) * time.Hour)
			m, err := r.Render(&c.ev, provider.AttemptInfo{Attempt: attempt + 1, Time: at})
			if err != nil {
				t.Fatal(err)
			}
			if got := m.Header.Get("webhook-id"); got != c.want || m.Header.Get("webhook-timestamp") == "" {
				t.Errorf("%s: got %v", name, m.Header)
			}
		}
	}
}

func TestSendWithoutID(t *testing.T) {
	r := providertest.OpenSender(t, standardwebhooks.Provider{},
		providertest.JSON(map[string]any{"secret": secrets[0]}))
	if _, err := r.Render(&bellhop.Event{}, provider.AttemptInfo{Time: providertest.Now}); err == nil {
		t.Error("rendered an event without an id")
	}
}
