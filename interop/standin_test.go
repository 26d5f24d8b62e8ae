package interop

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// standInCalls is the direction of a check of a stand-in.
const standInCalls = "client → stand-in"

// storageHost is a name of storage of recordings, as clients of Communication Services accept it.
const storageHost = "eu-storage.asm.skype.com"

// tenant is the tenant of the tests of stand-ins.
const tenant = "6f1d2c3b-8a47-4e5f-9b0a-2c7d41e8f930"

// A standIn is a running bellhop emulate. Those for Microsoft take the client "bellhop" by the secret "secret" or by
// identity.
type standIn struct {
	URL      string
	ca       string // file; "" over http
	client   *http.Client
	identity *clientIdentity
}

// A clientIdentity is the certificate by which a client signs in.
type clientIdentity struct {
	key         *rsa.PrivateKey
	certificate *x509.Certificate
	keyPEM      string
	certPEM     string
	thumbprint  string // SHA-256 in hex
}

// newIdentity makes a certificate once.
var newIdentity = sync.OnceValues(func() (*clientIdentity, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:   pkix.Name{CommonName: "bellhop"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	return &clientIdentity{key, certificate,
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})),
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), hex.EncodeToString(sum[:])}, nil
})

var (
	standInURL = regexp.MustCompile(` at (https?://\S+)$`)
	standInCA  = regexp.MustCompile(`^NODE_EXTRA_CA_CERTS=(\S+)$`)
)

// startStandIn starts a stand-in for Microsoft on a free port, which the end of the test stops. Over https its URL has
// the name localhost, for which clients of Graph can be told to send tokens.
func startStandIn(t *testing.T, overTLS bool, flags ...string) *standIn {
	t.Helper()
	identity, err := newIdentity()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "client.pem")
	if err := os.WriteFile(file, []byte(identity.certPEM), 0o600); err != nil {
		t.Fatal(err)
	}
	flags = append([]string{"microsoft", "--certificate", file}, flags...)
	if overTLS {
		flags = append(flags, "--tls", "--tls-name", storageHost)
	}
	s := startSystem(t, flags...)
	s.identity = identity
	if overTLS != (s.ca != "") {
		t.Fatal("the stand-in does not say which certificate to trust")
	}
	if overTLS {
		s.URL = strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
		text, err := os.ReadFile(s.ca)
		roots := x509.NewCertPool()
		if err != nil || !roots.AppendCertsFromPEM(text) {
			t.Fatalf("%s is no certificate: %v", s.ca, err)
		}
		s.client.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
	}
	return s
}

// startSystem starts bellhop emulate with flags, the first of which is the system, on a free port, until the test
// ends.
func startSystem(t *testing.T, flags ...string) *standIn {
	t.Helper()
	c := exec.Command(binary(), append([]string{"emulate", "--listen", "127.0.0.1:0"}, flags...)...)
	c.Env = environment()
	killWithTest(c)
	said, err := c.StderrPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatalf("%v; make build builds the binary", err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		if err := c.Wait(); err != nil {
			t.Errorf("the stand-in ended with %v", err)
		}
	})
	s := &standIn{client: &http.Client{Timeout: waitLimit}}
	for lines := bufio.NewScanner(said); s.URL == "" && lines.Scan(); {
		if m := standInCA.FindStringSubmatch(lines.Text()); m != nil {
			s.ca = m[1]
		}
		if m := standInURL.FindStringSubmatch(lines.Text()); m != nil {
			s.URL = m[1]
		}
	}
	if s.URL == "" {
		t.Fatal("the stand-in does not say where it is")
	}
	return s
}

// control posts to the control API.
func (s *standIn) control(t *testing.T, path string, body any) {
	t.Helper()
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	res, err := s.client.Post(s.URL+"/_control/"+path, "application/json", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if answer, _ := io.ReadAll(res.Body); res.StatusCode != http.StatusOK {
		t.Fatalf("%s: %d %s", path, res.StatusCode, answer)
	}
}

// token posts a form to the token endpoint and returns the access token.
func (s *standIn) token(t *testing.T, form url.Values) string {
	t.Helper()
	res, err := s.client.PostForm(s.URL+"/"+tenant+"/oauth2/v2.0/token", form)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || answer.Token == "" {
		t.Fatalf("no token was issued: %d, %v", res.StatusCode, err)
	}
	return answer.Token
}

// userToken returns a token of the user for a scope, by a device code.
func (s *standIn) userToken(t *testing.T, scope string) string {
	t.Helper()
	res, err := s.client.PostForm(s.URL+"/"+tenant+"/oauth2/v2.0/devicecode",
		url.Values{"client_id": {"bellhop"}, "scope": {scope}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	var device struct {
		Code string `json:"device_code"`
	}
	if err := json.NewDecoder(res.Body).Decode(&device); err != nil {
		t.Fatal(err)
	}
	return s.token(t, url.Values{"grant_type": {"device_code"}, "client_id": {"bellhop"},
		"device_code": {device.Code}})
}

// status calls the stand-in with a token and returns the status.
func (s *standIn) status(t *testing.T, path, token string) int {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+token)
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode
}

// runChecks runs a script that makes checks of its own at the stand-in, and adds each to the table. more are settings
// beside the URL. It returns how many there were.
func (s *standIn) runChecks(t *testing.T, client, file string, more settings) {
	t.Helper()
	of := settings{"url": s.URL, "ca": s.ca}
	for name, value := range more {
		of[name] = value
	}
	p := startScript(t, file, of)
	count := 0
	for line := range p.lines {
		name, _ := line["check"].(string)
		if name == "" {
			t.Fatalf("%s printed %v", file, line)
		}
		count++
		check(t, client, standInCalls, name, func(t *testing.T) {
			if line["failed"] != nil {
				t.Errorf("%s", line["failed"])
			}
		})
	}
	if count == 0 {
		t.Fatalf("%s made no check", file)
	}
}
