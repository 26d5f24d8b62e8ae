package graph_test

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	mathrand "math/rand/v2"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

func TestContentVectors(t *testing.T) {
	for _, v := range readContents() {
		t.Run(v.Name, func(t *testing.T) {
			key, certificate := v.parse()
			got, err := graph.Unseal(v.Content, key)
			switch {
			case v.Valid && (err != nil || string(got) != v.Plaintext):
				t.Errorf("got %q, %v", got, err)
			case !v.Valid && (!errors.Is(err, signature.ErrMismatch) || got != nil):
				t.Errorf("got %q, %v", got, err)
			case !v.Valid:
				return
			}
			sealed, err := graph.Seal(rand.Reader, []byte(v.Plaintext), certificate, v.Content.CertificateID)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := graph.Unseal(sealed, key); err != nil || string(got) != v.Plaintext {
				t.Errorf("sealed content reads %q, %v", got, err)
			}
			if sealed.CertificateID != v.Content.CertificateID ||
				sealed.CertificateThumbprint != v.Content.CertificateThumbprint {
				t.Errorf("got %+v", sealed)
			}
		})
	}
}

// TestPublishedContent reads the notification of a Teams message that Microsoft publishes with its SDK. The key is
// also given as a setting, with the lines that openssl writes around a key from a PKCS #12 file.
// Source: https://github.com/microsoftgraph/msgraph-sdk-dotnet-core, IDecryptableContentExtensionsTests.cs; see the
// file.
func TestPublishedContent(t *testing.T) {
	var file struct{ Vectors []contentVector }
	readJSON("testdata/published-content.json", &file)
	v := file.Vectors[0]
	got, err := graph.Unseal(v.Content, parseKey(v.Key))
	if err != nil || string(got) != v.Plaintext {
		t.Fatalf("got %q, %v", got, err)
	}
	var message struct {
		ETag string
		Body struct{ ContentType, Content string }
	}
	err = json.Unmarshal(got, &message)
	if err != nil || message.ETag != "1625126194597" || message.Body.Content != "Hello World" ||
		message.Body.ContentType != "text" {
		t.Errorf("got %+v, %v", message, err)
	}
	const around = "Bag Attributes\n    friendlyName: richnotificationsapp.com\nKey Attributes: <No Attributes>\n"
	settings := providertest.JSON(map[string]any{"client_state": state, "app_id": app,
		"certificates": map[string]string{v.Content.CertificateID: around + v.Key + v.certificate()}})
	if _, err := (graph.Provider{}).Open(provider.Env{}, []byte(settings)); err != nil {
		t.Errorf("as a setting: %v", err)
	}
}

// With the same key, data and signature equal those of the vector (J43: the initialization vector is a part of the
// key).
func TestSealKnownAnswer(t *testing.T) {
	v := readContents()[0]
	_, certificate := v.parse()
	key, err := hex.DecodeString("2791db4b52ef8955b7914885980c78bf70f09dac555cb4fe1ccc54c1492dfb25")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := graph.Seal(io.MultiReader(bytes.NewReader(key), rand.Reader), []byte(v.Plaintext), certificate,
		certificateID)
	if err != nil || sealed.Data != v.Content.Data || sealed.DataSignature != v.Content.DataSignature {
		t.Errorf("got %+v, %v", sealed, err)
	}
	if _, err := graph.Seal(bytes.NewReader(key[:31]), nil, certificate, ""); err == nil {
		t.Error("sealed with a short key")
	}
}

func TestSealSizes(t *testing.T) {
	key, certificate := readContents()[0].parse()
	random := mathrand.NewChaCha8([32]byte{2})
	for _, size := range []int{0, 1, 15, 16, 17, 31, 32, 4096, 1 << 20} {
		plain := bytes.Repeat([]byte{0x10}, size)
		sealed, err := graph.Seal(random, plain, certificate, "")
		if err != nil {
			t.Fatal(err)
		}
		if got, err := graph.Unseal(sealed, key); err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: got %d, %v", size, len(got), err)
		}
	}
}

// TestUnsealMalformed changes one member at a time: J37, J38, J41 of the forgery list, and others.
func TestUnsealMalformed(t *testing.T) {
	v := readContents()[0]
	key, _ := v.parse()
	data, _ := base64.StdEncoding.DecodeString(v.Content.Data)
	encoded := func(b []byte) string { return base64.StdEncoding.EncodeToString(b) }
	for name, c := range map[string]struct {
		change func(c *graph.EncryptedContent)
		want   error
	}{
		"control":              {func(*graph.EncryptedContent) {}, nil},
		"J38 no dataSignature": {func(c *graph.EncryptedContent) { c.DataSignature = "" }, signature.ErrMissing},
		"no data":              {func(c *graph.EncryptedContent) { c.Data = "" }, signature.ErrMissing},
		"no dataKey":           {func(c *graph.EncryptedContent) { c.DataKey = "" }, signature.ErrMissing},
		"J37 zeros": {func(c *graph.EncryptedContent) { c.DataSignature = encoded(make([]byte, 32)) },
			signature.ErrMismatch},
		"J37 cut": {func(c *graph.EncryptedContent) { c.DataSignature = c.DataSignature[4:] },
			signature.ErrMalformed},
		"J37 not Base64": {func(c *graph.EncryptedContent) { c.DataSignature = strings.Repeat("-", 44) },
			signature.ErrMalformed},
		"J41 not whole blocks": {func(c *graph.EncryptedContent) { c.Data = encoded(data[:len(data)-1]) },
			signature.ErrMalformed},
		"J41 one block short": {func(c *graph.EncryptedContent) { c.Data = encoded(data[:len(data)-16]) },
			signature.ErrMismatch},
		"one block more": {func(c *graph.EncryptedContent) {
			c.Data = encoded(append(data[:len(data):len(data)], make([]byte, 16)...))
		}, signature.ErrMismatch},
		"a bit": {func(c *graph.EncryptedContent) {
			c.Data = encoded(append([]byte{data[0] ^ 1},
				data[1:]...))
		}, signature.ErrMismatch},
		"data not Base64": {func(c *graph.EncryptedContent) { c.Data = "~" }, signature.ErrMalformed},
		"data with a line break": {func(c *graph.EncryptedContent) { c.Data = c.Data[:8] + "\n" + c.Data[8:] },
			signature.ErrMalformed},
		"dataKey not Base64":        {func(c *graph.EncryptedContent) { c.DataKey = "~" }, signature.ErrMalformed},
		"dataKey with a line break": {func(c *graph.EncryptedContent) { c.DataKey += "\n" }, signature.ErrMalformed},
		"dataKey short": {func(c *graph.EncryptedContent) { c.DataKey = encoded(make([]byte, 255)) },
			signature.ErrMismatch},
		"dataKey long": {func(c *graph.EncryptedContent) { c.DataKey = encoded(make([]byte, 4096)) },
			signature.ErrMismatch},
		"dataKey of zeros": {func(c *graph.EncryptedContent) { c.DataKey = encoded(make([]byte, 256)) },
			signature.ErrMismatch},
		"another name, same content":  {func(c *graph.EncryptedContent) { c.CertificateID = "" }, nil},
		"another thumbprint, as well": {func(c *graph.EncryptedContent) { c.CertificateThumbprint = "" }, nil},
	} {
		content := v.Content
		c.change(&content)
		if got, err := graph.Unseal(content, key); !errors.Is(err, c.want) || err != nil && got != nil {
			t.Errorf("%s: got %q, %v, want %v", name, got, err, c.want)
		}
	}
}

func FuzzUnseal(f *testing.F) {
	for _, v := range readContents() {
		f.Add(v.Content.Data, v.Content.DataSignature, v.Content.DataKey)
	}
	known := map[string]bool{}
	for _, v := range readContents() {
		known[v.Plaintext] = true
	}
	key := parseKey(readContents()[0].Key)
	f.Fuzz(func(t *testing.T, data, sig, dataKey string) {
		got, err := graph.Unseal(graph.EncryptedContent{Data: data, DataSignature: sig, DataKey: dataKey}, key)
		if err == nil && !known[string(got)] {
			t.Errorf("decrypted content that was not encrypted: %q", got)
		}
	})
}
