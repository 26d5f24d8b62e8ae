package providertest

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"hash"
	"net/http"
	"net/url"
	"reflect"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// testProof removes, repeats, truncates and extends each header and parameter of the proof.
func (s *suite) testProof(t *testing.T) {
	if s.Proves == ProvesNothing {
		t.Skip("requests have no proof")
	}
	good := s.signed(s.samples[0].body)
	for _, name := range s.Headers {
		t.Run(name, func(t *testing.T) { s.tamper(t, good, header{name}) })
	}
	for _, name := range s.Parameters {
		t.Run(name, func(t *testing.T) { s.tamper(t, good, parameter{name}) })
	}
	t.Run("no header and no parameter", func(t *testing.T) {
		bare := clone(good)
		bare.Header, bare.Target = http.Header{}, "/in/test"
		if s.Proves == ProvesBody || len(s.Headers)+len(s.Parameters) > 0 {
			s.refuse(t, s.open(t, s.good(), Now), bare)
		}
	})
}

// A proofPart is a header or a parameter that carries a part of the proof.
type proofPart interface {
	get(req *provider.Request) string
	set(req *provider.Request, values ...string)
}

type header struct{ name string }

func (h header) get(req *provider.Request) string { return req.Header.Get(h.name) }
func (h header) set(req *provider.Request, values ...string) {
	req.Header.Del(h.name)
	for _, v := range values {
		req.Header.Add(h.name, v)
	}
}

type parameter struct{ name string }

func (p parameter) get(req *provider.Request) string {
	u, _ := url.Parse(req.Target)
	return u.Query().Get(p.name)
}

func (p parameter) set(req *provider.Request, values ...string) {
	u, _ := url.Parse(req.Target)
	q := u.Query()
	q[p.name] = values
	u.RawQuery = q.Encode()
	req.Target = u.String()
}

func (s *suite) tamper(t *testing.T, good *provider.Request, at proofPart) {
	r := s.open(t, s.good(), Now)
	s.accept(t, r, good)
	v := at.get(good)
	if v == "" {
		t.Fatal("the request that Sign returns has no such header or parameter")
	}
	huge := strings.Repeat(canary, 10_000)
	for name, values := range map[string][]string{
		"missing":             nil,
		"empty":               {""},
		"blank":               {" "},
		"repeated":            {v, v},
		"good, then bad":      {v, canary},
		"bad, then good":      {canary, v},
		"empty, and good":     {"", v},
		"truncated":           {v[:len(v)-1]},
		"last character only": {v[len(v)-1:]},
		"prefix added":        {"x" + v},
		"suffix added":        {v + "x"},
		"twice in one value":  {v + v},
		"second in a list":    {canary + "," + v},
		"another value":       {canary},
		"huge":                {huge},
		"good, then huge":     {v + huge},
		"NUL":                 {v + "\x00"},
		"not UTF-8":           {"\xff\xfe" + v},
	} {
		t.Run(name, func(t *testing.T) {
			req := clone(good)
			at.set(req, values...)
			if name == "NUL" || strings.HasSuffix(name, "huge") { // such a value may also be refused as malformed
				s.refuse(t, r, req, http.StatusBadRequest)
				return
			}
			s.refuse(t, r, req)
		})
	}
}

// testBody checks that a signature is not valid for another body: G19 to G29 and R12 of the forgery list.
func (s *suite) testBody(t *testing.T) {
	if s.Proves != ProvesBody {
		t.Skip("a proof does not cover the body")
	}
	r := s.open(t, s.good(), Now)
	body := s.samples[0].body
	good := s.signed(body)
	other := func(name string, body []byte) {
		t.Helper()
		req := clone(good)
		req.Body = body
		if !bytes.Equal(body, good.Body) {
			t.Run(name, func(t *testing.T) { s.refuse(t, r, req) })
		}
	}
	for i := range body {
		tampered := bytes.Clone(body)
		tampered[i] ^= 1 << (i % 8)
		req := clone(good)
		req.Body = tampered
		s.refuse(t, r, req)
		req.Body = body[:i]
		s.refuse(t, r, req)
	}
	for i := range 8 * min(64, len(body)) {
		tampered := bytes.Clone(body)
		tampered[i/8] ^= 1 << (i % 8)
		req := clone(good)
		req.Body = tampered
		s.refuse(t, r, req)
	}
	for _, tail := range []string{"\n", " ", "\x00", "x", canary} {
		other(fmt.Sprintf("%q appended", tail), append(bytes.Clone(body), tail...))
	}
	other("byte order mark added", append([]byte("\uFEFF"), body...))
	other("CRLF", bytes.ReplaceAll(body, []byte("\n"), []byte("\r\n")))
	other("LF", bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n")))
	other("blanks removed", bytes.ReplaceAll(body, []byte(" "), nil))
	other("repeated", append(bytes.Clone(body), body...))
	other("empty", nil)
}

// MAC describes a signature that is an HMAC-SHA256 of the body in one header.
type MAC struct {
	Header string
	Scheme signature.HMAC
	Key    func(secret string) []byte // the bytes that a secret stands for
}

// testMAC tests section 3 of the forgery list, under its names. Proof, Body and Secrets test the other forgeries of
// that section.
func (s *suite) testMAC(t *testing.T) {
	if s.MAC == nil {
		t.Skip("the signature is not an HMAC of the body")
	}
	key, body := s.MAC.Key(s.Secrets[0]), s.samples[0].body
	sum := mac(sha256.New, key, body)
	good := s.MAC.value(sum)
	prefix := s.MAC.Scheme.Prefix
	digits := strings.TrimPrefix(good, prefix)

	forged := map[string]string{
		"G04 only the prefix":       prefix,
		"G08 prefix added":          "xx" + good,
		"G09 two signatures":        s.MAC.value(make([]byte, 32)) + good,
		"G12 last digit removed":    good[:len(good)-1],
		"G13 invalid digit":         good[:len(good)-1] + "~",
		"G14 31 bytes":              s.MAC.value(sum[:31]),
		"G16 no bytes":              prefix + "====",
		"G17 33 bytes":              s.MAC.value(append(bytes.Clone(sum), 0)),
		"G36 another key":           s.MAC.value(mac(sha256.New, s.MAC.Key(s.Secrets[1]), body)),
		"G41 empty key":             s.MAC.value(mac(sha256.New, nil, body)),
		"G42 null as key":           s.MAC.value(mac(sha256.New, []byte("null"), body)),
		"G42 undefined as key":      s.MAC.value(mac(sha256.New, []byte("undefined"), body)),
		"G42 changeme as key":       s.MAC.value(mac(sha256.New, []byte("changeme"), body)),
		"G43 SHA-1":                 s.MAC.value(mac(sha1.New, key, body)),
		"G44 SHA-512":               s.MAC.value(mac(sha512.New, key, body)),
		"G44 SHA-512 truncated":     s.MAC.value(mac(sha512.New, key, body)[:32]),
		"G46 hash of key and body":  s.MAC.value(plainHash(key, body)),
		"G46 hash of body":          s.MAC.value(plainHash(body)),
		"G47 key and body swapped":  s.MAC.value(mac(sha256.New, body, key)),
		"G48 of the URL":            s.MAC.value(mac(sha256.New, key, []byte(s.signed(body).Target))),
		"G52 line break":            good[:len(good)/2] + "\n" + good[len(good)/2:],
		"G54 blank inside":          prefix + " " + digits,
		"G54 leading blank":         " " + good,
		"G59 a list, good first":    good + "," + s.MAC.value(make([]byte, 32)),
		"G59 a list, good last":     s.MAC.value(make([]byte, 32)) + "," + good,
		"G59 a list, blank between": good + " " + good,
	}
	if prefix != "" {
		forged["G06 another prefix"] = strings.Replace(prefix, "256", "1", 1) + "x" + digits
		forged["G06 no prefix"] = digits
		forged["G07 prefix in another case"] = swapCase(prefix) + digits
	}
	if secret := []byte(s.Secrets[0]); !bytes.Equal(secret, key) {
		forged["G39 key not decoded"] = s.MAC.value(mac(sha256.New, secret, body))
	}
	switch s.MAC.Scheme.Encoding {
	case signature.Hex, signature.UpperHex:
		forged["G49 base64"] = prefix + base64.StdEncoding.EncodeToString(sum)
	case signature.Base64:
		forged["G49 hex"] = prefix + hex.EncodeToString(sum)
		forged["G51 no padding"] = strings.TrimRight(good, "=")
		forged["G53 unused bits set"] = good[:len(good)-2] + string(good[len(good)-2]+1) + "="
	}
	r := s.open(t, s.good(), Now)
	refuse := func(t *testing.T, value string) {
		req := s.signed(body)
		req.Header.Set(s.MAC.Header, value)
		s.refuse(t, r, req)
	}
	for name, value := range forged {
		t.Run(name, func(t *testing.T) { refuse(t, value) })
	}
	t.Run("G18 one bit", func(t *testing.T) {
		for bit := range 256 {
			flipped := bytes.Clone(sum)
			flipped[bit/8] ^= 1 << (bit % 8)
			refuse(t, s.MAC.value(flipped))
		}
	})
	t.Run("G63 in the query", func(t *testing.T) {
		req := s.signed(body)
		req.Header.Del(s.MAC.Header)
		req.Target = "/in/test?" + url.Values{s.MAC.Header: {good}}.Encode()
		s.refuse(t, r, req)
	})
	t.Run("G01 and G11 mixed case", func(t *testing.T) { s.testCaseOfDigits(t, r, body, prefix, digits) })
}

// testCaseOfDigits checks that a signature in the other letter case is refused or, in an encoding without regard to
// case, gives the same receipt.
func (s *suite) testCaseOfDigits(t *testing.T, r provider.Receiver, body []byte, prefix, digits string) {
	want := s.accept(t, r, s.signed(body))
	other := s.signed(body)
	other.Header.Set(s.MAC.Header, prefix+swapCase(digits))
	if s.MAC.Scheme.Encoding != signature.Hex {
		s.refuse(t, r, other)
		return
	}
	if got := s.accept(t, r, other); !reflect.DeepEqual(got, want) {
		t.Errorf("the signature in the other case gives another receipt: %+v", got)
	}
}

func (m *MAC) value(sum []byte) string {
	text := hex.EncodeToString(sum)
	switch m.Scheme.Encoding {
	case signature.UpperHex:
		text = strings.ToUpper(text)
	case signature.Base64:
		text = base64.StdEncoding.EncodeToString(sum)
	case signature.Base64URL:
		text = base64.RawURLEncoding.EncodeToString(sum)
	}
	return m.Scheme.Prefix + text
}

func mac(newHash func() hash.Hash, key, message []byte) []byte {
	h := hmac.New(newHash, key)
	h.Write(message)
	return h.Sum(nil)
}

func plainHash(parts ...[]byte) []byte {
	sum := sha256.Sum256(bytes.Join(parts, nil))
	return sum[:]
}

func swapCase(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		}
		return r
	}, text)
}
