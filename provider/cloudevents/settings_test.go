package cloudevents_test

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func TestSettings(t *testing.T) {
	open := func(raw string) error {
		_, err := cloudevents.Provider{}.Open(provider.Env{}, []byte(raw))
		return err
	}
	checkSettings(t, open, map[string]string{ // settings → the path of what is wrong
		`{}`:                        "bearer_token",
		`{"unauthenticated":false}`: "bearer_token",
		`{"unauthenticated":true}`:  "",
		`{"allowed_origins":["a"]}`: "",
		`{"allowed_origins":[]}`:    "bearer_token",
		`{"unauthenticated":true,"bearer_token":"t"}`:                                          "unauthenticated",
		`{"bearer_token":"t"}`:                                                                 "",
		`{"bearer_token":""}`:                                                                  "bearer_token",
		`{"bearer_token":"two words"}`:                                                         "bearer_token",
		`{"bearer_token":["t","tést"]}`:                                                        "bearer_token[1]",
		`{"bearer_token":"t","allowed_origins":["*"]}`:                                         "",
		`{"bearer_token":"t","allowed_origins":[]}`:                                            "",
		`{"bearer_token":"t","allowed_origins":["a.example",""]}`:                              "allowed_origins[1]",
		`{"bearer_token":"t","allowed_origins":["https://a.example"]}`:                         "allowed_origins[0]",
		`{"bearer_token":"t","allowed_origins":["*.a.example"]}`:                               "allowed_origins[0]",
		`{"bearer_token":"t","allowed_origins":[` + strings.Repeat(`"a",`, 100) + `"a"]}`:      "allowed_origins",
		`{"bearer_token":"t","allowed_rate":600}`:                                              "",
		`{"bearer_token":"t","allowed_rate":-1}`:                                               "allowed_rate",
		`{"bearer_token":"t","allowed_rate":1.5}`:                                              "allowed_rate",
		`{"bearer_token":"t","allowed_rate":1000000000}`:                                       "allowed_rate",
		`{"bearer_token":"t","callback_hosts":["a.example","b.example:8443","[2001:db8::1]"]}`: "",
		`{"bearer_token":"t","callback_hosts":["https://a.example"]}`:                          "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":["a.example/x"]}`:                                "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":["u@a.example"]}`:                                "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":[""]}`:                                           "callback_hosts[0]",
		`{"bearer_token":"t","callback_hosts":[":443"]}`:                                       "callback_hosts[0]",
	})
}

func TestSendSettings(t *testing.T) {
	open := func(raw string) error {
		_, err := cloudevents.Provider{}.OpenSender(provider.Env{}, []byte(raw))
		return err
	}
	checkSettings(t, open, map[string]string{
		`{}`:                                             "",
		`{"mode":"structured"}`:                          "",
		`{"mode":"Binary"}`:                              "mode",
		`{"bearer_token":["a","b"]}`:                     "bearer_token",
		`{"bearer_token":"a b"}`:                         "bearer_token",
		`{"origin":"hooks.example.com"}`:                 "",
		`{"origin":"https://hooks"}`:                     "origin",
		`{"origin":"*"}`:                                 "origin",
		`{"source":"urn:example:media"}`:                 "",
		`{"source":"two words"}`:                         "source",
		`{"source":"` + strings.Repeat("s", 1025) + `"}`: "source",
		`{"rate":120}`:                                   "",
		`{"rate":-1}`:                                    "rate",
	})
}

func checkSettings(t *testing.T, open func(raw string) error, cases map[string]string) {
	t.Helper()
	for raw, path := range cases {
		providertest.CheckPath(t, raw, open(raw), path)
	}
}

// Only a receiver that asked for batches gets them.
func TestBatcher(t *testing.T) {
	for mode, want := range map[string]bool{"structured": false, "binary": false, "batch": true} {
		r, err := cloudevents.Provider{}.OpenSender(provider.Env{}, []byte(`{"mode":"`+mode+`"}`))
		if _, ok := r.(provider.Batcher); ok != want || err != nil {
			t.Errorf("%s: %v, %v", mode, ok, err)
		}
		if _, ok := r.(provider.Handshaker); !ok {
			t.Errorf("%s: asks nobody", mode)
		}
	}
}
