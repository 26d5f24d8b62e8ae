package acs_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

var (
	keyText   = base64.StdEncoding.EncodeToString(key)
	renderEnv = provider.Env{Now: func() time.Time { return providertest.Now },
		Rand: bytes.NewReader(bytes.Repeat([]byte("x"), 4096))}
)

// TestSigned checks that a destination with an access key signs every request, in either schema, also the
// handshake.
func TestSigned(t *testing.T) {
	for url, host := range map[string]string{
		"https://Receiver.example./in/recordings?code=a%20b&x=": "receiver.example",
		"https://receiver.example:443":                          "receiver.example",
		"https://receiver.example:8443/":                        "receiver.example:8443",
		"http://[0:0::1]:8080/a":                                "[::1]:8080",
	} {
		for _, schema := range []string{"eventgrid", "cloudevents"} {
			at := provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1, Time: providertest.Now, URL: url}
			for what, m := range renderAll(t, `{"schema":"`+schema+`","access_key":"`+keyText+`"}`, at) {
				checkSigned(t, schema+" "+what+" "+url, m, url, host)
			}
		}
	}
}

// renderAll returns every kind of request that a destination with these settings sends.
func renderAll(t *testing.T, settings string, at provider.AttemptInfo) map[string]provider.OutboundRequest {
	t.Helper()
	r, err := acs.Provider{}.OpenSender(renderEnv, json.RawMessage(settings))
	if err != nil {
		t.Fatal(err)
	}
	ev := &bellhop.Event{ID: "evt_1", Type: "order.paid", Source: "shop", ReceivedAt: providertest.Now,
		ContentType: "application/json", Body: []byte(`{"a":1}`)}
	one, err1 := r.Render(ev, at)
	two, err2 := r.(provider.Batcher).RenderBatch([]*bellhop.Event{ev, ev}, at)
	handshake, err3 := r.(provider.Handshaker).Handshake(at)
	if err := errors.Join(err1, err2, err3); err != nil {
		t.Fatal(err)
	}
	if r.(provider.ReplyJudge).Judge(400, nil) != bellhop.OutcomeDead {
		t.Error("Judge differs from Event Grid's")
	}
	return map[string]provider.OutboundRequest{"one": one, "two": two, "handshake": handshake.Request}
}

// checkSigned writes m to a wire as net/http does, reads it, and verifies its signature.
func checkSigned(t *testing.T, what string, m provider.OutboundRequest, url, host string) {
	t.Helper()
	method := m.Method
	if method == "" {
		method = "POST"
	}
	req, err := http.NewRequest(method, url, bytes.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header, req.Host = m.Header, host
	var wire bytes.Buffer
	if err := req.Write(&wire); err != nil {
		t.Fatal(err)
	}
	got, err := http.ReadRequest(bufio.NewReader(&wire))
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(got.Body)
	arrived := acs.Request{Method: got.Method, Target: got.RequestURI, Host: got.Host, Header: got.Header, Body: body}
	v := acs.Verifier{Keys: [][]byte{key}}
	if err := v.Verify(arrived, providertest.Now); err != nil {
		t.Errorf("%s: %v", what, err)
	}
	arrived.Body = append(body, ' ')
	if err := v.Verify(arrived, providertest.Now); !errors.Is(err, signature.ErrMismatch) {
		t.Errorf("%s: with another body: %v", what, err)
	}
	if strings.Contains(wire.String(), keyText) {
		t.Errorf("%s: the key is sent", what)
	}
}

func TestUnsigned(t *testing.T) {
	for what, m := range renderAll(t, `{}`,
		provider.AttemptInfo{Time: providertest.Now, URL: "https://receiver.example"}) {
		if m.Header.Get("Authorization") != "" {
			t.Errorf("%s is signed", what)
		}
	}
}

func TestAccessKeySettings(t *testing.T) {
	for settings, path := range map[string]string{
		`{"access_key":"secret, no base64"}`:                                             "access_key",
		`{"access_key":""}`:                                                              "access_key",
		`{"access_key":5}`:                                                               "access_key",
		`{"access_key":["` + keyText + `","` + keyText + `"]}`:                           "access_key",
		`{"access_key":"` + keyText + `","access_key":"` + keyText + `"}`:                "",
		`{"accesskey":"` + keyText + `"}`:                                                "accesskey",
		`{"access_key":"` + keyText + `","schema":"odd"}`:                                "schema",
		`{"access_key":"` + keyText + `","header":"authorization","header_secret":"x"}`:  "header",
		`{"access_key":"` + keyText + `","header":"x-ms-date","header_secret":"secret"}`: "header",
	} {
		_, err := acs.Provider{}.OpenSender(renderEnv, json.RawMessage(settings))
		var invalid *bellhop.Error
		if !errors.As(err, &invalid) || invalid.Code != bellhop.CodeInvalid || invalid.Fields[0].Path != path {
			t.Errorf("%s: %v, want an error at %q", settings, err, path)
		} else if strings.Contains(err.Error(), keyText) || strings.Contains(err.Error(), "no base64") {
			t.Errorf("%s: the error contains the key: %v", settings, err)
		}
	}
}
