package sharepoint_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
)

// The client states of the tests, which the samples have.
const (
	state      = "A0A354EC-97D4-4D83-9DDB-144077ADB449"
	otherState = "second-subscription-state"
)

func testCase(t testing.TB) providertest.Case {
	return providertest.Case{
		Provider: sharepoint.Provider{},
		Settings: func(secrets []string) string {
			return providertest.JSON(map[string]any{"client_state": secrets})
		},
		Secrets:      [2]string{state, otherState},
		Sign:         sign,
		Proves:       providertest.ProvesSender,
		NoRepeats:    true,
		Recordings:   recordings(t),
		SendSettings: func(secret string) string { return providertest.JSON(map[string]any{"client_state": secret}) },
		HandshakeSource: func(secret string) string {
			return providertest.JSON(map[string]any{"client_state": secret, "strict_handshake": true})
		},
	}
}

func TestProvider(t *testing.T) { providertest.Run(t, testCase(t)) }

func FuzzReceive(f *testing.F) { providertest.Fuzz(f, testCase(f)) }

// BenchmarkReceive receives one notification of 1 KiB.
func BenchmarkReceive(b *testing.B) {
	body := batchOf(item(state))
	body = strings.Replace(body, "/sites/x", "/sites/"+strings.Repeat("x", 1024-len(body)+1), 1)
	providertest.Benchmark(b, testCase(b), []byte(body))
}

var stateMember = regexp.MustCompile(`("clientState": *)(null|"[^"\\]*")`)

// sign puts state into the header and into the clientState of items that have this member.
func sign(state string, _ time.Time, body []byte) *provider.Request {
	req := request(stateMember.ReplaceAllString(string(body), `${1}"`+state+`"`))
	req.Header.Set("ClientState", state)
	return req
}

// request returns a request in the form of those of SharePoint, without the ClientState header.
func request(body string) *provider.Request {
	h := http.Header{"Content-Type": {"application/json"}}
	return &provider.Request{Method: "POST", Target: "/in/lists", Header: h, Body: []byte(body),
		ReceivedAt: providertest.Now}
}

// recordings returns the vectors, and the unchanged samples under several settings.
func recordings(t testing.TB) []providertest.Recording {
	var vectors struct {
		List []struct {
			Name, Method string
			Query        string `json:"raw_query"`
		} `json:"validation_token"`
	}
	providertest.ReadJSON(t, "testdata/handshakes.json", &vectors)
	if len(vectors.List) != 1 {
		t.Fatalf("%d vectors", len(vectors.List))
	}
	v := vectors.List[0]
	handshake := &provider.Request{Method: v.Method, Target: "/in/lists?" + v.Query, Header: http.Header{}}
	withHeader := &provider.Request{Method: v.Method, Target: handshake.Target,
		Header: http.Header{sharepoint.StateHeader: {state}}}
	mixed := request(providertest.ReadFile(t, "testdata/samples/notification-batch.json"))
	null := request(providertest.ReadFile(t, "testdata/samples/notification-null-client-state.json"))
	strict := providertest.JSON(map[string]any{"client_state": state, "strict_handshake": true})
	return []providertest.Recording{
		{Name: "vector-" + v.Name, Request: handshake},
		{Name: "handshake-strict", Settings: strict, Request: withHeader},
		{Name: "handshake-strict-without-state", Settings: strict, Request: handshake, Refused: "signature_missing"},
		{Name: "batch-one-state-known", Request: mixed},
		{Name: "batch-both-states-known",
			Settings: providertest.JSON(map[string]any{"client_state": []string{otherState, state}}), Request: mixed},
		{Name: "null-client-state", Request: null},
		{Name: "null-client-state-unauthenticated", Settings: `{"unauthenticated":true}`, Request: null},
	}
}

// item returns a notification with this client state.
func item(state any) string {
	return providertest.JSON(map[string]any{
		"subscriptionId": "a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7", "clientState": state,
		"expirationDateTime": "2027-05-20T17:27:00.0000000Z",
		"resource":           "5c77031a-9621-4dfc-bb5d-57803a94e91d",
		"tenantId":           "4e2a1952-1ed1-4da3-85a6-7f0d4a2f0c11",
		"siteUrl":            "/sites/x", "webId": "dbc5a806-e4d4-46e5-951c-6344d70b62fa",
	})
}

func batchOf(items ...string) string { return `{"value":[` + strings.Join(items, ",") + `]}` }
