package deploy

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The names in the files of the proxies.
const (
	hooksName = "hooks.example.com"
	pagesName = "bellhop.example.com"
)

// TestProxies: events of providers come in and are delivered through nginx and through Caddy, by TLS, and the rest of
// the server is not to be seen.
func TestProxies(t *testing.T) {
	proxies := map[string]func(t *testing.T, listen, server string){"nginx": startNginx, "caddy": startCaddy}
	for name, begin := range proxies {
		t.Run(name, func(t *testing.T) {
			if _, err := exec.LookPath(name); err != nil {
				if os.Getenv("CI") == "true" {
					t.Fatalf("there is no %s", name)
				}
				t.Skipf("there is no %s: Debian's package of that name has it", name)
			}
			front := freeAddress(t)
			s := startServer(t, "--public-url", "https://"+hooksName, "--ui-url", "https://"+pagesName,
				"--trusted-proxies", "localhost", "--allow", "localhost")
			begin(t, front, s.address(t))
			c := clientOf(front)
			await(t, func() bool {
				resp, err := c.Get("https://" + hooksName + "/")
				return err == nil && resp.Body.Close() == nil && resp.StatusCode == http.StatusNotFound
			})

			got := receive(t)
			s.bellhop(t, "sources", "create", "shop", "--provider", "generic", "--set", "scheme=token", "--set",
				"header=X-Token", "--key", "a-token-of-the-deploy-check")
			s.bellhop(t, "destinations", "create", "billing", "--url", got.url, "--source", "shop")

			// The signature of some providers covers the path, the query and the bytes, so all of them come as they are.
			body := `{"type":"invoice.paid",   "data":{"n":"a/b%2F"}}`
			status := c.post(t, "https://"+hooksName+"/in/shop?a=%2F&b=c+d", body)
			if status != http.StatusAccepted {
				t.Fatalf("the event is answered %d", status)
			}
			if arrived := <-got.bodies; arrived != body {
				t.Errorf("delivered %q", arrived)
			}
			if out := s.bellhop(t, "events", "--source", "shop"); !strings.Contains(out, "invoice.paid") {
				t.Errorf("the events are %s", out)
			}
			if status := c.post(t, "https://"+hooksName+"/in/shop", strings.Repeat("x", 3<<20)); status != 413 {
				t.Errorf("a body of 3 MiB is answered %d", status)
			}
			if status := c.post(t, "https://"+hooksName+"/in/shop", strings.Repeat("x", 33<<20)); status != 413 {
				t.Errorf("a body of 33 MiB is answered %d", status)
			}
			if status := c.get(t, "https://"+pagesName+"/ui/"); status != http.StatusSeeOther { // to the sign-in
				t.Errorf("the pages are answered %d", status)
			}
			for _, hidden := range []string{hooksName + "/ui/", hooksName + "/api/v1/events", hooksName + "/metrics",
				hooksName + "/", pagesName + "/api/v1/events", pagesName + "/in/shop", pagesName + "/metrics"} {
				if status := c.get(t, "https://"+hidden); status != http.StatusNotFound {
					t.Errorf("%s is answered %d", hidden, status)
				}
			}
		})
	}
}

// startNginx starts nginx with the file as it is, but for the port, the server and the certificates.
func startNginx(t *testing.T, listen, server string) {
	text, err := os.ReadFile(folder + "/nginx/bellhop.conf")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	conf := strings.NewReplacer("listen 443 ", "listen "+listen+" ", "127.0.0.1:8080", server, "/etc/ssl/", dir+"/").
		Replace(string(text))
	for _, name := range []string{hooksName, pagesName} {
		certify(t, dir, name)
	}
	whole := "pid " + dir + "/pid;\nerror_log stderr;\nevents {}\nhttp {\naccess_log off;\n" +
		"client_body_temp_path " + dir + "/body;\nproxy_temp_path " + dir + "/proxy;\nfastcgi_temp_path " + dir +
		"/f;\nuwsgi_temp_path " + dir + "/u;\nscgi_temp_path " + dir + "/s;\n" + conf + "}\n"
	if os.Getuid() == 0 {
		whole = "user root;\n" + whole // the temporary folder is not for others
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(whole), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("nginx", "-t", "-c", file).CombinedOutput()
	if err != nil {
		t.Fatalf("nginx -t: %v\n%s", err, out)
	}
	start(t, &bytes.Buffer{}, os.Environ(), "nginx", "-c", file, "-g", "daemon off;")
}

// startCaddy starts Caddy with the file as it is. Its own authority makes the certificates, because none of the
// internet can.
func startCaddy(t *testing.T, listen, server string) {
	text, err := os.ReadFile(folder + "/caddy/Caddyfile")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	file := filepath.Join(dir, "Caddyfile")
	options := "{\n\tlocal_certs\n\tskip_install_trust\n\tadmin off\n\tauto_https disable_redirects\n" +
		"\tdefault_bind 127.0.0.1\n}\n"
	if err := os.WriteFile(file, []byte(options+string(text)), 0o600); err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(listen)
	if err != nil {
		t.Fatal(err)
	}
	env := append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "BELLHOP="+server,
		"HOOKS_SITE=https://"+hooksName+":"+port, "PAGES_SITE=https://"+pagesName+":"+port)
	adapt := exec.Command("caddy", "adapt", "--config", file, "--validate")
	adapt.Env = env
	if out, err := adapt.CombinedOutput(); err != nil {
		t.Fatalf("caddy adapt: %v\n%s", err, out)
	}
	start(t, &bytes.Buffer{}, env, "caddy", "run", "--config", file, "--adapter", "caddyfile")
}

// certify writes a certificate for name that it signs itself, and its key.
func certify(t *testing.T, dir, name string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		DNSNames: []string{name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{".pem": {Type: "CERTIFICATE", Bytes: cert},
		".key": {Type: "PRIVATE KEY", Bytes: private}} {
		if err := os.WriteFile(filepath.Join(dir, name+file), pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A webClient reaches every name at one address, and believes every certificate.
type webClient struct{ http.Client }

func clientOf(address string) *webClient {
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return &webClient{http.Client{Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DialContext: dial, ForceAttemptHTTP2: true,
			TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}}
}

func (c *webClient) get(t *testing.T, url string) int {
	t.Helper()
	return c.send(t, http.MethodGet, url, "")
}

func (c *webClient) post(t *testing.T, url, body string) int {
	t.Helper()
	return c.send(t, http.MethodPost, url, body)
}

func (c *webClient) send(t *testing.T, method, url, body string) int {
	t.Helper()
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Token", "a-token-of-the-deploy-check")
	req.Header.Set("Accept", "text/html")
	resp, err := c.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode
}

// A receiver keeps the bodies that are delivered to it.
type receiver struct {
	url    string
	bodies chan string
}

func receive(t *testing.T) receiver {
	t.Helper()
	r := receiver{bodies: make(chan string, 10)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		body, _ := io.ReadAll(req.Body) // a body that is cut short is not the one that the test waits for
		r.bodies <- string(body)
	})}
	go s.Serve(listener)
	t.Cleanup(func() { s.Close() })
	r.url = "http://" + listener.Addr().String() + "/"
	return r
}

// address returns the host and port of the server.
func (s *server) address(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.data, "server.json"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "http://")
	address, _, _ := strings.Cut(rest, `"`)
	return address
}

// freeAddress returns an address of loopback where nobody listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "127.0.0.1:" + strconv.Itoa(l.Addr().(*net.TCPAddr).Port)
}

// await calls done until it returns true.
func await(t *testing.T, done func() bool) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); !done(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited for 30 seconds in vain")
		}
	}
}
