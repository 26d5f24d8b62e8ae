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
	"time"

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
		callAPI(method, api.URL+"/api/"+path, body, &out)
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

// A job is submitted and moves through its states by itself, until its output asset has the files that an encoder
// writes.
func ExampleNew() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	account := ams.New(host, tokens, ams.Options{AnyToken: true, Pace: time.Millisecond})
	host.Add(tokens, account)
	api := httptest.NewServer(host)
	defer api.Close()
	call := func(method, path, body string) (out struct {
		Id    string
		State int
		Value []struct{ Id, Name string }
	}) {
		callAPI(method, api.URL+"/api/"+path, body, &out)
		return out
	}
	asset := account.AddAsset("walk", "walk.mp4")
	processor := call("GET", "MediaProcessors?$filter=Name%20eq%20'Media%20Encoder%20Standard'", "").Value[0].Id
	const body = "<taskBody><inputAsset>JobInputAsset(0)</inputAsset>" +
		"<outputAsset>JobOutputAsset(0)</outputAsset></taskBody>"
	job := call("POST", "Jobs",
		fmt.Sprintf(`{"Name": "Nightly", "InputMediaAssets@odata.bind": ["%s/api/Assets('%s')"],
		"Tasks": [{"MediaProcessorId": %q, "Configuration": "Adaptive Streaming", "TaskBody": %q}]}`, api.URL, asset,
			processor, body)).Id
	for call("GET", "Jobs('"+job+"')", "").State != 3 {
		time.Sleep(time.Millisecond)
	}
	output := call("GET", "Jobs('"+job+"')/OutputMediaAssets", "").Value[0]
	fmt.Println(output.Name)
	for _, file := range call("GET", "Assets('"+output.Id+"')/Files", "").Value[:4] {
		fmt.Println(file.Name)
	}
	// Output:
	// JobOutputAsset(0)_Nightly
	// walk_1920x1080_4500.mp4
	// walk_640x360_800.mp4
	// walk.ism
	// walk.ismc
}

// callAPI makes a call of the account's API and reads the answer.
func callAPI(method, url, body string, out any) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		fmt.Println(err)
		return
	}
	req.Header.Set("X-Ms-Version", "2.19")
	req.Header.Set("Accept", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	json.NewDecoder(res.Body).Decode(out)
}
