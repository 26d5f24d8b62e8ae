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

// TestStandardVectors runs testdata/standard-webhooks.json: recorded requests, and requests that must be refused.
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

// TestAMSVectors runs the signatures of testdata/ams.json; the account header is tested in provider/ams.
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

// TestKnownAnswers compares with values that other programs computed, or that vendors published.
func TestKnownAnswers(t *testing.T) {
	hex := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex}
	slack := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex, Prefix: "v0="}
	sha1 := signature.HMAC{Hash: signature.SHA1, Encoding: signature.Hex, Prefix: "sha1="}
	sha512 := signature.HMAC{Hash: signature.SHA512, Encoding: signature.Hex}
	sha384 := signature.HMAC{Hash: signature.SHA384, Encoding: signature.Hex}
	amsText := "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKissLS4vMDEyMzQ1Njc4OTo7PD0+Pw=="
	for _, c := range []struct {
		name    string
		scheme  signature.HMAC
		key     []byte
		message []string
		want    string
	}{
		{"Azure Media Services", ams, sequence(64), []string{body},
			"sha256=93709958F25A5B0657D131FB8CBBC4008A573B2E33EE5F357EB2421440AAFC38"},
		{"Boro, content hash in base64", boro, key32,
			[]string{"POST", ",", "application/json", ",", "IYp8UF71hrP7847kvzOA3vwvarRC1x5i/KhUY3zqevo=",
				",/in/boro?x=1,", "Sun, 22 Nov 2026 00:00:00 GMT"},
			"C7awc5TxZnpEnKsg1AbHKi4hJOd7OxG3v6ljnpC2EiY="},
		{"Boro, content hash in hex", boro, key32,
			[]string{
				"POST,application/json,218a7c505ef586b3fbf38ee4bf3380defc2f6ab442d71e62fca854637cea7afa,/in/boro?x=1,Sun, 22 Nov 2026 00:00:00 GMT"},
			"Ht3qJ2qrApoD003UFJacmbOVmP1K0mtkqTLI5rBjCnQ="},
		{"GitHub", github, []byte("It's a Secret to Everybody"), []string{"Hello, World!"},
			"sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"},
		{"Stripe", hex, []byte("whsec_test_secret"), []string{"1700000000", ".", body},
			"55150e8da62ecbb24755ac56aaeb77bc8755f28c7ec24942163809aa8c1289ce"},
		{"Slack", slack, []byte("8f742231b10e8888abcd99yyyzzz85a5"), []string{"v0:", "1531420618", ":", body},
			"v0=40181a6cc297790fb74d1ad2a26db5823dda3cd7d686bbab1ff91346bda9b1b0"},
		{"RFC 2202 SHA-1, case 2", sha1, []byte("Jefe"), []string{"what do ya want ", "for nothing?"},
			"sha1=effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"},
		{"RFC 4231 SHA-384, case 2", sha384, []byte("Jefe"), []string{"what do ya want for nothing?"},
			"af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e8e2240ca5e69e2c78b3239ecfab21649"},
		{"RFC 4231 SHA-512, case 2", sha512, []byte("Jefe"), []string{"what do ya want for nothing?"},
			"164b7a7bfcf819e2e395fbe73b56e0a387bd64222e831fd610270cd7ea2505549758bf75c05a994a6d034f65f8f0e6fdcaeab1a34d4a6b4b636e070a38bce737"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var parts [][]byte
			for _, part := range c.message {
				parts = append(parts, []byte(part))
			}
			got, err := c.scheme.Sign(c.key, parts...)
			if err != nil || got != c.want {
				t.Errorf("signed %q, %v, want %q", got, err, c.want)
			}
			wantError(t, c.scheme.Verify(c.want, [][]byte{c.key}, parts...), nil)
		})
	}

	t.Run("Azure Media Services, key not decoded", func(t *testing.T) {
		const wrong = "sha256=D0F82AD7D3C178EBDEB1AAB96AFEBD4E7A2F8A428DED103ED2A10C4F63B21197"
		key := must(signature.DecodeKey(amsText, signature.KeyBase64))
		wantError(t, ams.Verify(wrong, [][]byte{key}, []byte(body)), signature.ErrMismatch)
		wantError(t, ams.Verify(wrong, [][]byte{[]byte(amsText)}, []byte(body)), nil)
	})
	t.Run("empty key", func(t *testing.T) {
		const empty = "602534555aeb4c4942e2c67a1006d4b341fb13a37e9225b170d98f932f4036e6"
		for _, keys := range [][][]byte{nil, {nil}, {{}}, {key32, {}}} {
			wantError(t, hex.Verify(empty, keys, []byte(body)), signature.ErrMismatch)
		}
	})
	t.Run("Standard Webhooks", func(t *testing.T) {
		const want = "v1,MViKSp7soG6firDHpzbs17WP2rsZsNyFi29neuFCcqs="
		at := time.Unix(1700000000, 0)
		got, err := signature.SignStandard(standardKeys(secretText), "msg_1", at, []byte(body))
		if err != nil || got != want {
			t.Errorf("signed %q, %v", got, err)
		}
		wantError(t, signature.VerifyStandard("msg_1", "1700000000", want, []byte(body), standardKeys(secretText), at,
			0),
			nil)
	})
}
