package eventgrid_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// transport answers every request, and records it.
type transport struct {
	requests []*http.Request
	status   int
	header   http.Header
	err      error
}

func (tr *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	tr.requests = append(tr.requests, req)
	if tr.err != nil {
		return nil, tr.err
	}
	return &http.Response{StatusCode: tr.status, Header: tr.header, Body: io.NopCloser(strings.NewReader("ok")),
		Request: req}, nil
}

// validateManually sends a validation with this URL to a source with manual validation. It returns the function to
// call after the answer.
func validateManually(t testing.TB, tr *transport, cloud, validationURL string) (then func(context.Context) error,
	err error) {
	t.Helper()
	r, err := eventgrid.Provider{}.Open(provider.Env{Client: &http.Client{Transport: tr}},
		[]byte(providertest.JSON(values{"query_secret": secrets[0], "validation": "manual", "cloud": cloud})))
	if err != nil {
		t.Fatal(err)
	}
	receipt, err := r.Receive(context.Background(), validation(providertest.JSON([]values{{
		"id": "1", "eventType": eventgrid.ValidationType, "data": values{"validationCode": "512d",
			"validationUrl": validationURL},
	}})))
	if err != nil {
		return nil, err
	}
	if receipt.Reply.Status != 200 || len(receipt.Reply.Body) > 0 || receipt.Reply.Then == nil {
		t.Fatalf("answered with %+v", receipt.Reply)
	}
	return receipt.Reply.Then, nil
}

// V25 of the forgery list, and the cases about validation URLs in the list of outbound URLs (S…).
var validationURLs = []struct {
	url  string
	want bool
}{
	{"https://rp-eastus2.eventgrid.azure.net:553/eventsubscriptions/s/validate?id=0&token=dGVzdA%3D%3D", true},
	{"https://rp-eastus2.eventgrid.azure.net/eventsubscriptions/s/validate?id=0", true},
	{"https://rp-eastus2.eventgrid.azure.net:443/x", true},
	{"https://RP-EastUS2.EventGrid.Azure.NET:553/x", true},
	{"HTTPS://rp-eastus2.eventgrid.azure.net:553/x", true},
	{"", false},
	{"http://rp-eastus2.eventgrid.azure.net:553/eventsubscriptions/s/validate?id=0", false}, // S437
	{"https://evil-eventgrid.azure.net/x", false},                                           // S439
	{"https://eventgrid.azure.net@127.0.0.1/x", false},                                      // S440
	{"https://user@rp-eastus2.eventgrid.azure.net/x", false},
	{"https://a.eventgrid.azure.net@evil.test/x", false},
	{"https://evil.test/#.eventgrid.azure.net", false}, // S442
	{"https://evil.test#.eventgrid.azure.net", false},
	{"https://rp-eastus2.eventgrid.azure.net:22/x", false},   // S443
	{"https://RP-EASTUS2.EVENTGRID.AZURE.NET.:553/x", false}, // S445: a trailing dot
	{"https://rp-eastus2.eventgrid.azure.us:553/x", false},   // S436: the other cloud
	{"https://eventgrid.azure.net:553/x", false},             // not a subdomain
	{"https://.eventgrid.azure.net/x", false},
	{"https://a..eventgrid.azure.net/x", false},
	{"https://evil.test/.eventgrid.azure.net", false},
	{"https://evil.test?.eventgrid.azure.net", false},
	{`https://evil.test\.eventgrid.azure.net/x`, false},
	{"https://evil.test%2f.eventgrid.azure.net/x", false},
	{"https://evil.test%00.eventgrid.azure.net/x", false},
	{"https://a.eventgrid.azure.net.evil.test/x", false},
	{"https://a.eventgrid\u3002azure.net/x", false},  // an ideographic full stop
	{"https://a.\u0435ventgrid.azure.net/x", false},  // a Cyrillic letter
	{"https://a.eventgrid.azure.net\u2024/x", false}, // a one dot leader
	{"https://a.eventgrid.azure.net:0443/x", false},
	{"https://a.eventgrid.azure.net:/x", false},
	{"https://a.eventgrid.azure.net:553:553/x", false},
	{"https://[::1].eventgrid.azure.net/x", false},
	{"https://[::ffff:7f00:1%25.eventgrid.azure.net]/x", false}, // an IPv6 zone
	{"https:/a.eventgrid.azure.net/x", false},
	{"https:a.eventgrid.azure.net/x", false},
	{"//a.eventgrid.azure.net/x", false},
	{"file://a.eventgrid.azure.net/etc/passwd", false},
	{" https://a.eventgrid.azure.net/x", false},
	{"https://a.eventgrid.azure.net/x\n", false},
	{"https://a.eventgrid.azure.net/x y", false},
	{"https://a.eventgrid.azure.net/" + strings.Repeat("x", 2048), false},
}

func TestValidationURL(t *testing.T) {
	for _, c := range validationURLs {
		tr := &transport{status: 200}
		then, err := validateManually(t, tr, "public", c.url)
		if (err == nil) != c.want || err != nil && !errors.Is(err, provider.ErrBody) {
			t.Errorf("%q: got %v", c.url, err)
		}
		if len(tr.requests) > 0 {
			t.Errorf("%q: called before the answer", c.url)
		}
		if err == nil {
			if err := then(context.Background()); err != nil || len(tr.requests) != 1 ||
				tr.requests[0].Method != "GET" {
				t.Errorf("%q: %v, called %d times", c.url, err, len(tr.requests))
			}
		}
	}
	// S436
	if _, err := validateManually(t, &transport{}, "government", "https://rp.eventgrid.azure.us:553/x"); err != nil {
		t.Errorf("URL of the cloud in the settings: %v", err)
	}
}

// Automatic validation calls no URL.
func TestValidationURLNotCalled(t *testing.T) {
	req := validation(providertest.JSON([]values{{"id": "1", "eventType": eventgrid.ValidationType,
		"data": values{"validationCode": "512d", "validationUrl": "http://169.254.169.254/"}}}))
	receipt, err := open(t, values{"query_secret": secrets[0]}).Receive(context.Background(), req)
	if err != nil || receipt.Reply == nil || receipt.Reply.Then != nil {
		t.Errorf("got %+v, %v", receipt.Reply, err)
	}
}

func TestConfirm(t *testing.T) {
	const to = "https://rp.eventgrid.azure.net:553/x?token=cAnArY"
	for _, c := range []struct {
		name string
		tr   *transport
		want string
	}{
		{"200", &transport{status: 200}, ""},
		{"202", &transport{status: 202}, ""},
		{"expired", &transport{status: 400}, "answered 400"},
		{"redirect", &transport{status: 302, header: http.Header{"Location": {"http://127.0.0.1/"}}}, "answered 302"},
		{"no answer", &transport{err: errors.New("no route")}, "no route"},
	} {
		then, err := validateManually(t, c.tr, "", to)
		if err != nil {
			t.Fatal(err)
		}
		err = then(context.Background())
		if (err == nil) != (c.want == "") || err != nil &&
			(!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "cAnArY")) {
			t.Errorf("%s: %v", c.name, err)
		}
		if len(c.tr.requests) != 1 {
			t.Errorf("%s: %d calls", c.name, len(c.tr.requests))
		}
	}
	receipt, err := open(t, values{"unauthenticated": true, "validation": "manual"}).Receive(context.Background(),
		validation(providertest.ReadFile(t, "testdata/handshake/subscription-validation-request.json")))
	if err != nil || receipt.Reply.Then(context.Background()) == nil {
		t.Errorf("without an HTTP client: %v", err)
	}
}

// FuzzValidationURL checks that only Event Grid is called.
func FuzzValidationURL(f *testing.F) {
	for _, c := range validationURLs {
		f.Add(c.url)
	}
	f.Fuzz(func(t *testing.T, text string) {
		tr := &transport{status: 200}
		then, err := validateManually(t, tr, "", text)
		if err != nil {
			return
		}
		_ = then(context.Background())
		for _, req := range tr.requests {
			if u := req.URL; u.Scheme != "https" || u.User != nil ||
				!strings.HasSuffix(strings.ToLower(u.Hostname()), ".eventgrid.azure.net") {
				t.Errorf("%q calls %s", text, (&url.URL{Scheme: u.Scheme, Host: u.Host}).String())
			}
		}
	})
}
