package signature_test

import (
	"encoding/json"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// TestStandardVectors runs testdata/standard-webhooks.json: recorded requests, and some that must be refused.
func TestStandardVectors(t *testing.T) {
	type vector struct {
		Name      string
		Secrets   []string
		SecretKey string `json:"secret_key"` // the private half, where the secret is a public key
		Now       int64
		Tolerance int64  `json:"tolerance_s"`
		Body      string `json:"body_utf8"`
		Headers   map[string]string
		Valid     bool
	}
	var file struct{ Vectors, Negative []vector }
	readJSON(t, "testdata/standard-webhooks.json", &file)
	for _, v := range append(file.Vectors, file.Negative...) {
		t.Run(v.Name, func(t *testing.T) {
			h := make(http.Header)
			for name, value := range v.Headers {
				h.Set(name, value)
			}
			id, err := signature.VerifyStandardHeader(h, []byte(v.Body), standardKeys(v.Secrets...),
				time.Unix(v.Now, 0), time.Duration(v.Tolerance)*time.Second)
			if (err == nil) != v.Valid {
				t.Errorf("got %v, want valid to be %v", err, v.Valid)
			}
			if err == nil && id != v.Headers["webhook-id"] {
				t.Errorf("id %q", id)
			}
			if v.SecretKey == "" {
				return
			}
			at := time.Unix(must(strconv.ParseInt(v.Headers["webhook-timestamp"], 10, 64)), 0)
			got, err := signature.SignStandard(standardKeys(v.SecretKey), v.Headers["webhook-id"], at, []byte(v.Body))
			if err != nil || got != v.Headers["webhook-signature"] {
				t.Errorf("signed %q, %v", got, err)
			}
		})
	}
	if len(file.Vectors) != 8 || len(file.Negative) != 5 {
		t.Errorf("%d vectors and %d negative ones", len(file.Vectors), len(file.Negative))
	}
}

// TestAMSVectors runs testdata/ams.json as far as it is about the signature; the account header is the provider's.
func TestAMSVectors(t *testing.T) {
	type vector struct {
		Name    string
		Key     string `json:"signing_key_base64"`
		Body    string `json:"body_utf8"`
		Headers map[string]string
	}
	var file struct{ Vectors, Negative []vector }
	readJSON(t, "testdata/ams.json", &file)
	verify := func(v vector, scheme signature.HMAC) error {
		key := must(signature.DecodeKey(v.Key, signature.KeyBase64))
		return scheme.Verify(v.Headers["ms-signature"], [][]byte{key}, []byte(v.Body))
	}
	for _, v := range file.Vectors {
		t.Run(v.Name, func(t *testing.T) {
			wantError(t, verify(v, ams), nil)
			wantError(t, verify(v, github), nil) // lenient: either case
			got, err := ams.Sign(must(signature.DecodeKey(v.Key, signature.KeyBase64)), []byte(v.Body))
			if err != nil || got != v.Headers["ms-signature"] {
				t.Errorf("signed %q, %v", got, err)
			}
		})
	}
	want := map[string]struct{ strict, lenient error }{
		"lower-case-hex":         {signature.ErrMalformed, nil},
		"key-not-base64-decoded": {signature.ErrMismatch, signature.ErrMismatch},
		"body-reserialised":      {signature.ErrMismatch, signature.ErrMismatch},
		"account-id-mismatch":    {nil, nil},
	}
	for _, v := range file.Negative {
		t.Run(v.Name, func(t *testing.T) {
			w, ok := want[v.Name]
			if !ok {
				t.Fatal("no expectation")
			}
			wantError(t, verify(v, ams), w.strict)
			wantError(t, verify(v, github), w.lenient)
		})
	}
	if len(file.Vectors) != 3 || len(file.Negative) != len(want) {
		t.Errorf("%d vectors and %d negative ones", len(file.Vectors), len(file.Negative))
	}
}

func readJSON(t *testing.T, name string, v any) {
	t.Helper()
	if err := json.Unmarshal(must(os.ReadFile(name)), v); err != nil {
		t.Fatal(err)
	}
}
