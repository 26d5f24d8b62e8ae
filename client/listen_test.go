package client

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
)

// TestListen: a client takes deliveries by a POST, comes back after an interruption, and answers with the token.
func TestListen(t *testing.T) {
	const message = "event: delivery\n" + `data: {"kind":"delivery","delivery":{"token":"t1",` +
		`"delivery_id":"dlv_1","attempt":2,"event_id":"evt_1"}}` + "\n\n"
	c, script := serveStream(t, "event: live\ndata: {\"kind\":\"live\"}\n\n", "502|<html>", message)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var got StreamDelivery
	kinds := ""
	for item, err := range c.Listen(ctx, "de/v") {
		if err != nil {
			t.Fatal(err)
		}
		kinds += item.Kind + " "
		if item.Delivery != nil {
			got = *item.Delivery
			break
		}
	}
	if kinds != "live interrupted delivery " ||
		got != (StreamDelivery{Token: "t1", DeliveryID: "dlv_1", Attempt: 2, EventID: "evt_1"}) {
		t.Errorf("%s%+v", kinds, got)
	}
	for _, r := range script.requests() {
		if r.Method != http.MethodPost || r.URL.EscapedPath() != "/api/v1/destinations/de%2Fv/listen" {
			t.Errorf("%s %s", r.Method, r.URL)
		}
	}
}

// TestAnswer: an answer is sent with its body as text, or in Base64 if it is not UTF-8.
func TestAnswer(t *testing.T) {
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = append(asked, r.Method+" "+r.URL.Path+" "+string(body))
		w.Header().Set(Header, APIVersion)
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	c := New(server.URL, "k", nil)
	for body, want := range map[string]string{"taken": `"body":"taken"`, "a\xff": `"body_base64":"Yf8="`} {
		asked = nil
		a := Answer{Token: "t1", Status: 200}
		a.SetBody([]byte(body))
		if err := c.Answer(t.Context(), "dlv_1", a); err != nil {
			t.Error(err)
		}
		line := `POST /api/v1/deliveries/dlv_1/answer {"token":"t1","status":200,` + want + `}`
		if len(asked) != 1 || asked[0] != line {
			t.Errorf("%q, want %s", asked, line)
		}
	}
}
