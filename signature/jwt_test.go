package signature_test

import (
	"context"
	"crypto"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// tokens are the tokens of testdata/validation-tokens.json, and the throw-away key that signed them.
type tokens struct {
	key     *rsa.PrivateKey
	keyID   string
	now     time.Time
	vectors map[string]string
}

func readTokens(t testing.TB) tokens {
	t.Helper()
	var file struct {
		JWKS    struct{ Keys []struct{ Kid string } }
		Now     int64
		Vectors []struct{ Name, Token string }
		Key     string `json:"test_signing_key_pem"`
	}
	b, err := os.ReadFile("testdata/validation-tokens.json")
	if err == nil {
		err = json.Unmarshal(b, &file)
	}
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode([]byte(file.Key))
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	list := map[string]string{}
	for _, v := range file.Vectors {
		list[v.Name] = v.Token
	}
	return tokens{key.(*rsa.PrivateKey), file.JWKS.Keys[0].Kid, time.Unix(file.Now, 0), list}
}

// finder is a set of keys that returns an error for the id "down".
type finder map[string]*rsa.PublicKey

var errDown = errors.New("down")

func (f finder) Key(_ context.Context, id string) (*rsa.PublicKey, error) {
	if id == "down" {
		return nil, errDown
	}
	return f[id], nil
}

func (k tokens) finder() finder { return finder{k.keyID: &k.key.PublicKey} }

// token signs header and payload unchanged, with RS256 even if header names another algorithm.
func (k tokens) token(header, payload string) string {
	text := encodeURL(header) + "." + encodeURL(payload)
	sum := sha256.Sum256([]byte(text))
	sig, err := rsa.SignPKCS1v15(nil, k.key, crypto.SHA256, sum[:])
	if err != nil {
		panic(err)
	}
	return text + "." + encodeURL(string(sig))
}

func encodeURL(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }

const goodHeader = `{"typ":"JWT","alg":"RS256","kid":"test-kid-2026"}`

func TestVerifyJWTVectors(t *testing.T) {
	k := readTokens(t)
	want := map[string]error{
		"unknown-signing-key":   signature.ErrMismatch,
		"tampered-payload":      signature.ErrMismatch,
		"alg-none":              signature.ErrMalformed,
		"hs256-with-public-key": signature.ErrMalformed,
		"expired":               signature.ErrExpired,
		"not-yet-valid":         signature.ErrExpired,
	}
	for name, token := range k.vectors {
		claims, err := signature.VerifyJWT(context.Background(), token, k.finder())
		if err == nil {
			err = claims.CheckTime(k.now, 5*time.Minute)
		}
		if !errors.Is(err, want[name]) {
			t.Errorf("%s: got %v, want %v", name, err, want[name])
		}
	}
	got, _ := signature.VerifyJWT(context.Background(), k.vectors["valid-v1-token"], k.finder())
	wantClaims := signature.Claims{
		Issuer:   "https://sts.windows.net/84bd8158-6d4d-4958-8b9f-9d6445542f95/",
		Audience: []string{"8e460676-ae3f-4b1e-8790-ee0fb5d6148f"},
		TenantID: "84bd8158-6d4d-4958-8b9f-9d6445542f95", AppID: "0bf30f3b-4a52-48df-9a82-234910c4a086",
		NotBefore: time.Unix(1795334400, 0).UTC(), ExpiresAt: time.Unix(1795363200, 0).UTC(),
	}
	if !reflect.DeepEqual(got, wantClaims) {
		t.Errorf("got %+v", got)
	}
	got, _ = signature.VerifyJWT(context.Background(), k.vectors["valid-v2-token"], k.finder())
	if got.AuthorizedParty != wantClaims.AppID || got.AppID != "" {
		t.Errorf("got %+v", got)
	}
}

// The tokens of section 12 of the forgery list, by their names in it. Claims (J02 to J06, J16 to J21) are checked by
// callers, who know the issuer; J31 to J36 are about fetching keys.
func TestVerifyJWTForgeries(t *testing.T) {
	k := readTokens(t)
	good := k.token(goodHeader, `{"exp":1}`)
	parts := strings.Split(good, ".")
	hs256 := func(key []byte) string {
		text := encodeURL(`{"alg":"HS256","kid":"test-kid-2026"}`) + "." + parts[1]
		mac := hmac.New(sha256.New, key)
		mac.Write([]byte(text))
		return text + "." + encodeURL(string(mac.Sum(nil)))
	}
	der, err := x509.MarshalPKIXPublicKey(&k.key.PublicKey)
	if err != nil {
		t.Fatal(err)
	}
	ours := `{"kty":"RSA","n":"` + encodeURL(string(k.key.N.Bytes())) + `","e":"AQAB"}`
	for name, c := range map[string]struct {
		token string
		want  error
	}{
		"J01 control": {good, nil},
		"no token":    {"", signature.ErrMissing},
		"blank":       {" ", signature.ErrMalformed},
		"J07 none": {encodeURL(`{"alg":"none","kid":"test-kid-2026"}`) + "." + parts[1] + ".",
			signature.ErrMalformed},
		"J07 none, signed": {k.token(`{"alg":"none","kid":"test-kid-2026"}`, `{}`), signature.ErrMalformed},
		"J08 NONE":         {k.token(`{"alg":"NONE","kid":"test-kid-2026"}`, `{}`), signature.ErrMalformed},
		"J08 nOnE":         {k.token(`{"alg":"nOnE","kid":"test-kid-2026"}`, `{}`), signature.ErrMalformed},
		"no alg":           {k.token(`{"kid":"test-kid-2026"}`, `{}`), signature.ErrMalformed},
		"alg a list": {k.token(`{"alg":["RS256"],"kid":"test-kid-2026"}`, `{}`),
			signature.ErrMalformed},
		"RS512":              {k.token(`{"alg":"RS512","kid":"test-kid-2026"}`, `{}`), signature.ErrMalformed},
		"PS256":              {k.token(`{"alg":"PS256","kid":"test-kid-2026"}`, `{}`), signature.ErrMalformed},
		"J09 HS256 with DER": {hs256(der), signature.ErrMalformed},
		"J09 HS256 with PEM": {hs256(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
			signature.ErrMalformed},
		"J11 kid unknown": {k.token(`{"alg":"RS256","kid":"other"}`, `{}`), signature.ErrMismatch},
		"J11 no kid":      {k.token(`{"alg":"RS256"}`, `{}`), signature.ErrMismatch},
		"J12 kid a path":  {k.token(`{"alg":"RS256","kid":"../../key"}`, `{}`), signature.ErrMismatch},
		"J12 kid SQL":     {k.token(`{"alg":"RS256","kid":"' OR 1=1 --"}`, `{}`), signature.ErrMismatch},
		"J12 kid huge": {k.token(`{"alg":"RS256","kid":"`+strings.Repeat("k", 1<<20)+`"}`, `{}`),
			signature.ErrMalformed},
		"kid a number": {k.token(`{"alg":"RS256","kid":1}`, `{}`), signature.ErrMalformed},
		"kid twice": {k.token(`{"alg":"RS256","kid":"other","kid":"test-kid-2026"}`, `{}`),
			signature.ErrMalformed},
		"J13 jku and x5u mean nothing": {
			k.token(`{"alg":"RS256","kid":"test-kid-2026","jku":"https://x.example","x5u":"https://x.example"}`, `{}`),
			nil},
		"J13 jwk is not the key": {k.token(`{"alg":"RS256","kid":"other","jwk":`+ours+`}`, `{}`),
			signature.ErrMismatch},
		"J13 jwk is not the key, no kid": {k.token(`{"alg":"RS256","jwk":`+ours+`}`, `{}`), signature.ErrMismatch},
		"J13 x5c that is none": {k.token(`{"alg":"RS256","kid":"test-kid-2026","x5c":["AAAA"]}`, `{}`),
			signature.ErrMalformed},
		"J14 crit unknown": {k.token(`{"alg":"RS256","kid":"test-kid-2026","crit":["x"],"x":1}`, `{}`),
			signature.ErrMalformed},
		"J14 crit empty": {k.token(`{"alg":"RS256","kid":"test-kid-2026","crit":[]}`, `{}`),
			signature.ErrMalformed},
		"J14 crit b64": {k.token(`{"alg":"RS256","kid":"test-kid-2026","crit":["b64"],"b64":true}`,
			`{}`), signature.ErrMalformed},
		"J14 b64": {k.token(`{"alg":"RS256","kid":"test-kid-2026","b64":false}`, `{}`),
			signature.ErrMalformed},
		"J26 aud twice":                    {k.token(goodHeader, `{"aud":"a","aud":"b"}`), signature.ErrMalformed},
		"J26 aud twice, differing in case": {k.token(goodHeader, `{"aud":"a","AUD":"b","Aud":"c"}`), nil},
		"J27 a dot behind":                 {good + ".", signature.ErrMalformed},
		"J27 four parts":                   {good + ".AAAA", signature.ErrMalformed},
		"J27 two parts":                    {parts[0] + "." + parts[1], signature.ErrMalformed},
		"J27 one part":                     {parts[0], signature.ErrMalformed},
		"J27 no payload":                   {parts[0] + ".." + parts[2], signature.ErrMismatch},
		"J28 padding":                      {good + "==", signature.ErrMalformed},
		"J28 blank in front":               {" " + good, signature.ErrMalformed},
		"J28 blank behind":                 {good + " ", signature.ErrMalformed},
		"J28 line break":                   {parts[0] + "." + parts[1] + "\n." + parts[2], signature.ErrMalformed},
		"J28 the other alphabet":           {parts[0] + "." + parts[1] + ".+" + parts[2][1:], signature.ErrMalformed},
		"J28 stray bits":                   {good[:len(good)-1] + string(good[len(good)-1]+1), signature.ErrMalformed},
		"J29 another header": {encodeURL(`{"alg":"RS256","kid":"test-kid-2026","typ":"x"}`) + "." + parts[1] +
			"." + parts[2], signature.ErrMismatch},
		"no signature": {parts[0] + "." + parts[1] + ".", signature.ErrMismatch},
		"JSON serialization": {`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` +
			parts[2] + `"}`, signature.ErrMalformed},
		"header no JSON":        {k.token(`x`, `{}`), signature.ErrMalformed},
		"header null":           {k.token(`null`, `{}`), signature.ErrMalformed},
		"claims no JSON":        {k.token(goodHeader, `x`), signature.ErrMalformed},
		"claims a list":         {k.token(goodHeader, `[]`), signature.ErrMalformed},
		"aud a number":          {k.token(goodHeader, `{"aud":1}`), signature.ErrMalformed},
		"aud a list of numbers": {k.token(goodHeader, `{"aud":["a",1]}`), signature.ErrMalformed},
		"iss a list":            {k.token(goodHeader, `{"iss":["a"]}`), signature.ErrMalformed},
		"exp a text":            {k.token(goodHeader, `{"exp":"1"}`), signature.ErrMalformed},
		"exp beyond time":       {k.token(goodHeader, `{"exp":1e300}`), signature.ErrMalformed},
		"exp before time":       {k.token(goodHeader, `{"exp":-1}`), signature.ErrMalformed},
		"keys cannot be had":    {k.token(`{"alg":"RS256","kid":"down"}`, `{}`), errDown},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := signature.VerifyJWT(context.Background(), c.token, k.finder())
			if !errors.Is(err, c.want) {
				t.Errorf("got %v, want %v", err, c.want)
			}
		})
	}
}

func TestClaims(t *testing.T) {
	k := readTokens(t)
	read := func(payload string) signature.Claims {
		t.Helper()
		c, err := signature.VerifyJWT(context.Background(), k.token(goodHeader, payload), k.finder())
		if err != nil {
			t.Fatalf("%s: %v", payload, err)
		}
		return c
	}
	if c := read(`{"aud":["a","b"]}`); !reflect.DeepEqual(c.Audience, []string{"a", "b"}) { // J17
		t.Errorf("got %q", c.Audience)
	}
	if c := read(`{"AUD":"x","aud":"a","Aud":"y"}`); !reflect.DeepEqual(c.Audience, []string{"a"}) { // N02
		t.Errorf("got %q", c.Audience)
	}
	if c := read(`{"aud":null,"exp":null,"iss":null}`); !reflect.DeepEqual(c, signature.Claims{}) {
		t.Errorf("got %+v", c)
	}
	at := time.Unix(1_795_335_300, 0)
	const leeway = 5 * time.Minute
	for payload, want := range map[string]error{
		`{"exp":1795335301,"nbf":1795335299}`: nil,
		`{"exp":1795335000}`:                  nil, // at the edge
		`{"exp":1795335300.5}`:                nil,
		`{"exp":1795334999}`:                  signature.ErrExpired, // J22
		`{"exp":1795399999,"nbf":1795335600}`: nil,
		`{"exp":1795399999,"nbf":1795335601}`: signature.ErrExpired,   // J23
		`{"nbf":1}`:                           signature.ErrMalformed, // J24
	} {
		if err := read(payload).CheckTime(at, leeway); !errors.Is(err, want) {
			t.Errorf("%s: got %v, want %v", payload, err, want)
		}
	}
}

func TestSignJWT(t *testing.T) {
	k := readTokens(t)
	for _, claims := range []signature.Claims{
		{},
		{Issuer: "i", Audience: []string{"a"}, TenantID: "t", AppID: "p", NotBefore: k.now.UTC(),
			ExpiresAt: k.now.Add(time.Hour).UTC()},
		{Audience: []string{"a", "b"}, AuthorizedParty: "p"},
	} {
		token, err := signature.SignJWT(claims, k.key, k.keyID)
		if err != nil {
			t.Fatal(err)
		}
		if again, _ := signature.SignJWT(claims, k.key, k.keyID); again != token {
			t.Error("two calls differ")
		}
		if got, err := signature.VerifyJWT(context.Background(), token, k.finder()); err != nil ||
			!reflect.DeepEqual(got,
				claims) {
			t.Errorf("got %+v, %v", got, err)
		}
	}
	small := &rsa.PrivateKey{PublicKey: rsa.PublicKey{N: new(big.Int).Lsh(big.NewInt(1), 2046), E: 3}}
	for _, key := range []*rsa.PrivateKey{nil, small} {
		if _, err := signature.SignJWT(signature.Claims{}, key, "k"); !errors.Is(err, signature.ErrKey) {
			t.Errorf("got %v", err)
		}
	}
}

// TestMutatedJWT changes good tokens in 10,000 ways. None of the results verifies.
func TestMutatedJWT(t *testing.T) {
	k := readTokens(t)
	good := []string{k.vectors["valid-v1-token"], k.vectors["valid-v2-token"], k.vectors["expired"]}
	random := rand.New(rand.NewPCG(12, 22))
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.=\n "
	for range 10_000 {
		token := []byte(good[random.IntN(len(good))])
		for range 1 + random.IntN(4) {
			if len(token) == 0 {
				break
			}
			at := random.IntN(len(token))
			switch random.IntN(5) {
			case 0:
				token[at] = alphabet[random.IntN(len(alphabet))]
			case 1:
				token = append(token[:at:at], token[at+1:]...)
			case 2:
				token = append(token[:at:at], append([]byte{alphabet[random.IntN(len(alphabet))]}, token[at:]...)...)
			case 3:
				token = token[:at+1]
			case 4:
				other := good[random.IntN(len(good))]
				token = append(token[:at:at], other[min(at, len(other)-1):]...)
			}
		}
		if text := string(token); text != good[0] && text != good[1] && text != good[2] {
			if _, err := signature.VerifyJWT(context.Background(), text, k.finder()); err == nil {
				t.Fatalf("accepted %s", text)
			}
		}
	}
}

func FuzzVerifyJWT(f *testing.F) {
	k := readTokens(f)
	for _, token := range k.vectors {
		f.Add(token)
	}
	known := map[string]bool{}
	for _, token := range k.vectors {
		known[token] = true
	}
	f.Fuzz(func(t *testing.T, token string) {
		if _, err := signature.VerifyJWT(context.Background(), token, k.finder()); err == nil && !known[token] {
			t.Errorf("accepted %q", token)
		}
	})
}

// FuzzClaims signs its input, so that VerifyJWT gets as far as the claims.
func FuzzClaims(f *testing.F) {
	k := readTokens(f)
	f.Add(`{"iss":"i","aud":["a"],"tid":"t","appid":"p","azp":"z","nbf":1,"exp":1.5}`)
	f.Add(`{"aud":"a","aud":"b"}`)
	f.Fuzz(func(t *testing.T, payload string) {
		claims, err := signature.VerifyJWT(context.Background(), k.token(goodHeader, payload), k.finder())
		if err == nil {
			claims.CheckTime(k.now, time.Minute)
		}
	})
}
