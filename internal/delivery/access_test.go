package delivery

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"math/big"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/access"
	"github.com/bellhop-gateway/bellhop/internal/outbound"
	"github.com/bellhop-gateway/bellhop/provider"
)

// withAccess returns a change of a destination that sets its access.
func withAccess(members map[string]any) func(*bellhop.Destination) {
	raw, _ := json.Marshal(members)
	return func(d *bellhop.Destination) { d.Access = raw }
}

// TestAccessHeader: every request to a destination has its access header: events, batches and handshakes of all
// types.
func TestAccessHeader(t *testing.T) {
	for want, members := range map[string]map[string]any{
		"Basic bWU6cGE6c3M=": {"username": "me", "password": "pa:ss"},
		"Basic bWU6":         {"username": "me", "password": ""},
		"Bearer abc":         {"token": "abc"},
		"":                   {},
	} {
		inBubble(t, func(t *testing.T) {
			r := newRig(t, withPicky)
			plain, batch, dialect := r.network.receiver("plain"), r.network.receiver("batch"),
				r.network.receiver("dialect")
			dialect.will(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Welcome", "1") })
			access := withAccess(members)
			r.destination(plain, access)
			r.destination(batch, access, func(d *bellhop.Destination) {
				d.Settings, d.Batch = []byte(`{"format":"envelope"}`),
					bellhop.Batch{MaxEvents: 2, MaxWait: time.Minute}
			})
			d := r.destination(dialect, access, func(d *bellhop.Destination) { d.Type, d.Settings = "picky", nil })
			r.acceptMany(2)
			synctest.Wait()
			if _, err := r.opener.Handshake(t.Context(), d, "", func(bellhop.Rate) error { return nil }); err != nil {
				t.Error(err)
			}
			if len(plain.got()) != 2 || len(batch.got()) != 1 || len(dialect.got()) != 3 {
				t.Errorf("got %d, %d, %d requests", len(plain.got()), len(batch.got()), len(dialect.got()))
			}
			for _, to := range []*receiver{plain, batch, dialect} {
				for _, c := range to.got() {
					if got := strings.Join(c.header.Values("Authorization"), "|"); got != want {
						t.Errorf("%s got %q, want %q", to.name, got, want)
					}
				}
			}
		})
	}
}

// TestAccessProxy: deliveries and handshakes go through the proxy. Only the proxy gets the proxy's credentials, in
// the Proxy-Authorization header.
func TestAccessProxy(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var to, proxy *receiver
		r := newRig(t, withPicky, func(r *rig) {
			to, proxy = r.network.receiver("to"), r.network.receiver("proxy")
			r.proxies = []string{"http://" + proxy.address}
		})
		var asked []string // the requests at the proxy, in order
		proxy.will(func(w http.ResponseWriter, req *http.Request) {
			asked = append(asked, req.Method+" "+req.RequestURI+" "+req.Host+" "+req.Header.Get("Proxy-Authorization")+
				" "+req.Header.Get("Authorization"))
			w.Header().Set("X-Welcome", "1")
		})
		d := r.destination(to, withAccess(map[string]any{"proxy": "http://" + proxy.address, "proxy_username": "me",
			"proxy_password": "x", "token": "abc"}),
			func(d *bellhop.Destination) {
				d.Type, d.Settings, d.URL = "picky", nil, "http://hooks.example.com/in?a=b"
			})
		r.acceptMany(1)
		synctest.Wait()
		if _, err := r.opener.Handshake(t.Context(), d, "", func(bellhop.Rate) error { return nil }); err != nil {
			t.Error(err)
		}
		want := "PUT http://hooks.example.com/in?a=b hooks.example.com Basic bWU6eA== Bearer abc\n" +
			"OPTIONS http://hooks.example.com/in?a=b?knock=1 hooks.example.com Basic bWU6eA== Bearer abc"
		if got := strings.Join(asked, "\n"); got != want {
			t.Errorf("the proxy was asked\n%s\nwant\n%s", got, want)
		}
		proxy.will(status(407))
		r.acceptMany(1)
		synctest.Wait()
		if got := r.deliveries()[0].Last; got == nil || got.Error != "proxy" || !strings.Contains(got.Detail, "407") ||
			got.Status != 0 {
			t.Errorf("recorded %+v", got)
		}
		if len(to.got()) > 0 {
			t.Error("the destination was asked directly")
		}
	})
}

// issue returns a certificate for a receiver's address with its key, also in PEM. Without a parent it is self-signed.
func issue(t *testing.T, parent *tls.Certificate) (made tls.Certificate, certificate, key string) {
	t.Helper()
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1)},
		IsCA:        parent == nil, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature}
	signer, by := k, template
	if parent != nil {
		signer, by = parent.PrivateKey.(*ecdsa.PrivateKey), parent.Leaf
	}
	der, err := x509.CreateCertificate(rand.Reader, template, by, k.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(k)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: k, Leaf: leaf},
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE",
			Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER}))
}

// TestAccessTLS: a server that requires a client certificate, and whose own certificate is signed by a private
// authority, gets deliveries and handshakes. Without these settings it gets neither, and the attempt's detail says
// why.
func TestAccessTLS(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, withPicky)
		authority, ca, _ := issue(t, nil)
		server, _, _ := issue(t, &authority)
		_, certificate, key := issue(t, &authority)
		pool := x509.NewCertPool()
		pool.AddCert(authority.Leaf)
		to := r.network.secure("to", &tls.Config{Certificates: []tls.Certificate{server},
			ClientAuth: tls.RequireAnyClientCert, ClientCAs: pool})
		to.will(func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("X-Welcome", "1") })
		nobody := func(bellhop.Rate) error { return nil }
		d := r.destination(to, func(d *bellhop.Destination) { d.Type, d.Settings = "picky", nil })
		for _, step := range []struct {
			access map[string]any
			detail string // "" means success
		}{
			{nil, "unknown authority"},
			{map[string]any{"ca": ca}, "certificate required"},
			{map[string]any{"ca": ca, "certificate": certificate, "private_key": key}, ""},
			{map[string]any{"certificate": certificate, "private_key": key}, "unknown authority"},
		} {
			r.update(d.ID, withAccess(step.access))
			d, _ := r.store.Destination(t.Context(), d.ID)
			before := len(to.got())
			_, err := r.opener.Handshake(t.Context(), d, "", nobody)
			r.acceptMany(1)
			time.Sleep(time.Second)
			got := r.deliveries()[0]
			if step.detail == "" {
				if err != nil || got.State != bellhop.DeliveryDelivered || len(to.got()) < before+2 {
					t.Errorf("%v, %+v, %d arrived", err, got.Last, len(to.got())-before)
				}
			} else if err == nil || !strings.Contains(err.Error(), step.detail) || got.Last == nil ||
				got.Last.Error != "tls" || !strings.Contains(got.Last.Detail, step.detail) {
				t.Errorf("%v, %+v, want %s", err, got.Last, step.detail)
			}
		}
	})
}

// TestAccessPage: DESIGN.md describes every member of an access object.
func TestAccessPage(t *testing.T) {
	page, err := os.ReadFile("DESIGN.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "## Who we are at a destination")
	for _, s := range access.Settings {
		if !strings.Contains(section, "`"+s.Name+"`") {
			t.Errorf("the page does not say what %s does", s.Name)
		}
	}
}

// TestTwoAuthorizations: if a provider makes an Authorization header for some events, a destination with access
// settings fails on those events before a request is sent.
func TestTwoAuthorizations(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, func(r *rig) { r.providers = append(r.providers, sometimes{}) })
		to := r.network.receiver("to")
		r.destination(to, withAccess(map[string]any{"token": "abc"}), func(d *bellhop.Destination) {
			d.Type,
				d.Settings = "sometimes", nil
		})
		r.acceptMany(1)
		synctest.Wait()
		if got := r.only(); len(to.got()) != 0 || got.Last == nil || got.Last.Error != outbound.ErrorRender {
			t.Errorf("%d arrived; recorded %+v", len(to.got()), got.Last)
		}
	})
}

type sometimes struct{ picky }

func (sometimes) Info() provider.Info {
	return provider.Info{Name: "sometimes", SendSettings: []provider.Setting{}}
}

func (sometimes) OpenSender(provider.Env, json.RawMessage) (provider.Renderer, error) {
	return sometimesRenderer{}, nil
}

type sometimesRenderer struct{}

func (sometimesRenderer) Render(ev *bellhop.Event, _ provider.AttemptInfo) (provider.OutboundRequest, error) {
	h := http.Header{}
	if ev.Type != "bellhop.probe" {
		h["authorization"] = []string{"mine"}
	}
	return provider.OutboundRequest{Header: h, Body: ev.Body}, nil
}
