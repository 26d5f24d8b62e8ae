package ams_test

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/ams"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	receiver "github.com/bellhop-gateway/bellhop/provider/ams"
)

// A receiver registers with a signing key, and is told of a job's state by a notification that the key signs.
func Example() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	host.Add(tokens, ams.New(host, tokens, ams.Options{AnyToken: true}))
	api := httptest.NewServer(host)
	defer api.Close()
	call := func(method, path, body string) (out struct{ Value string }) {
		req, _ := http.NewRequest(method, api.URL+"/api/"+path, strings.NewReader(body))
		req.Header.Set("X-Ms-Version", "2.19")
		req.Header.Set("Accept", "application/json")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return out
		}
		defer res.Body.Close()
		json.NewDecoder(res.Body).Decode(&out)
		return out
	}

	key := []byte("a signing key of 64 bytes, or of any other length up to 214")
	states := make(chan string, 2)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		var n struct{ Properties map[string]string }
		json.Unmarshal(body, &n)
		states <- fmt.Sprint(n.Properties["State"], n.Properties["NewState"], " ", receiver.Verify(r.Header, body,
			key))
	}))
	defer hook.Close()

	id := call("GET", "GetProtectionKeyId?contentKeyType=2", "").Value
	text := call("GET", "GetProtectionKey?protectionKeyId='"+id+"'", "").Value
	der, _ := base64.StdEncoding.DecodeString(text)
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		fmt.Println(err)
		return
	}
	sealed, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, certificate.PublicKey.(*rsa.PublicKey), key, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	call("POST", "NotificationEndPoints", fmt.Sprintf(`{"Name": "mine", "EndPointType": 3, "EndPointAddress": %q,
		"CredentialType": 1, "EncryptedEndPointCredential": %q, "ProtectionKeyType": 0, "ProtectionKeyId": %q}`,
		hook.URL, base64.StdEncoding.EncodeToString(sealed), id))
	fmt.Println(<-states)

	host.Happen(emulator.Event{Resource: "jobs", ChangeType: "Finished"})
	fmt.Println(<-states)
	// Output:
	// Registered <nil>
	// Finished <nil>
}
