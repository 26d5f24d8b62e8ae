package signature_test

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

func TestParseStandardKey(t *testing.T) {
	secret := func(n int) string { return "whsec_" + base64.StdEncoding.EncodeToString(sequence(n)) }
	for _, c := range []struct {
		name, text string
		ok         bool
	}{
		{"symmetric", secretText, true},
		{"symmetric without prefix", strings.TrimPrefix(secretText, "whsec_"), true},
		{"24 bytes", secret(24), true},
		{"75 bytes", secret(75), true},
		{"private", privateText, true},
		{"public", publicText, true},
		{"empty", "", false},
		{"W46 not base64", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLa!!", false},
		{"W46 no padding", strings.TrimRight(secret(32), "="), true},
		{"W46 base64 for URLs", "whsec_" + strings.Repeat("_-", 16), true},
		{"W46 line break behind", secretText + "\n", true},
		{"W46 blank in front", " " + secretText, true},
		{"W46 two alphabets", "whsec_" + strings.Repeat("_+", 16), false},
		{"W46 quotes", `"` + secretText + `"`, false},
		{"W47 only the prefix", "whsec_", false},
		{"W47 only the prefixes", "v1,whsec_", false},
		{"W48 1 byte", secret(1), true}, // as in the published libraries
		{"W48 8 bytes", secret(8), true},
		{"W48 23 bytes", secret(23), true},
		{"W48 76 bytes", secret(76), true},
		{"W48 512 bytes", secret(512), true},
		{"W48 513 bytes", secret(513), false},
		{"a key of an API", "sk_live_51Mabcdefghijklmnopqrstuvwxyz", false},
		{"a key of an API for tests", "testsk_51Mabcdefghijklmnopqrstuvwxyz", false},
		{"two keys", secretText + " " + secret(32), false},
		{"prefix twice", "whsec_" + secretText, false},
		{"prefix in another case", "WHSEC_" + secretText[6:], false},
		{"only the prefix, private", "whsk_", false},
		{"only the prefix, public", "whpk_", false},
		{"public key of 31 bytes", "whpk_" + base64.StdEncoding.EncodeToString(sequence(31)), false},
		{"private key without its public half", "whsk_" + base64.StdEncoding.EncodeToString(sequence(32)), false},
		{"private key with another public half", "whsk_" + base64.StdEncoding.EncodeToString(sequence(64)), false},
		{"private key labelled whsec", "whsec_" + privateText[len("whsk_"):], true}, // 64 bytes: nothing tells
		{"private key labelled whpk", "whpk_" + privateText[len("whsk_"):], false},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := signature.ParseStandardKey(c.text)
			if (err == nil) != c.ok || err != nil && !errors.Is(err, signature.ErrKey) {
				t.Errorf("got %v, want ok to be %v", err, c.ok)
			}
			if _, rest, _ := strings.Cut(c.text, "_"); err != nil && len(rest) > 5 &&
				strings.Contains(err.Error(), rest) {
				t.Errorf("repeats the key: %v", err)
			}
		})
	}
}

// TestStandardKeyForms signs with a key in its plain form, and verifies with each form in which products show that
// key, alone or together with others.
func TestStandardKeyForms(t *testing.T) {
	const id, body = "msg_1", `{"type":"a"}`
	at := time.Unix(1_700_000_000, 0)
	odd := "whsec_" + base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xfb, 0xff, 0x3e}, 11)[:32])
	sign := func(text string) string {
		keys := []signature.StandardKey{must(signature.ParseStandardKey(text))}
		return must(signature.SignStandard(keys, id, at, []byte(body)))
	}
	bare, other := strings.TrimPrefix(odd, "whsec_"), "whsec_"+base64.StdEncoding.EncodeToString(sequence(32))
	url := strings.NewReplacer("+", "-", "/", "_", "=", "").Replace(bare)
	if !strings.ContainsAny(bare, "+/") || !strings.HasSuffix(bare, "=") {
		t.Fatal("the key does not tell the alphabets apart")
	}
	for _, c := range []struct {
		text string
		keys int
	}{
		{odd, 1}, {bare, 1}, {"v1," + odd, 1}, {"v1, " + odd, 1}, {"whsec_" + url, 1}, {url, 1},
		{"whsec_" + strings.TrimRight(bare, "="), 1},
		{"  " + odd + "\r\n", 1},
		{"v1," + odd + "|v1," + other, 2}, {other + " " + odd, 2}, {other + "," + odd, 2},
		{other + "\n" + odd + "\n", 2},
		{"v1," + other + "|" + odd + "|v1a," + publicText + ":" + privateText, 4},
		{strings.TrimPrefix(other, "whsec_") + "|" + bare, 2},
	} {
		keys, err := signature.ParseStandardKeys(c.text)
		if err != nil || len(keys) != c.keys {
			t.Errorf("%s: %d keys, %v, want %d", c.text, len(keys), err, c.keys)
			continue
		}
		for key, want := range map[string]error{odd: nil, "whsec_AAAA": signature.ErrMismatch} {
			err := signature.VerifyStandard(id, fmt.Sprint(at.Unix()), sign(key), []byte(body), keys, at, time.Minute)
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", c.text, err, want)
			}
		}
	}
	for _, text := range []string{"", " ", "|", "v1", "v1,", "v1,|v1,", odd + "|!", strings.Repeat(other+"|", 17)} {
		if _, err := signature.ParseStandardKeys(text); !errors.Is(err, signature.ErrKey) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestStandardKeyKinds(t *testing.T) {
	secret := func(n int) string { return base64.StdEncoding.EncodeToString(sequence(n)) }
	for text, want := range map[string][3]bool{
		secret(23): {true, false, false}, secret(24): {}, privateText: {false, true, false},
		publicText: {false, false, true},
	} {
		k := must(signature.ParseStandardKey(text))
		if got := [3]bool{k.Short(), k.Private(), k.Public()}; got != want {
			t.Errorf("%s: short, private, public: %v, want %v", k, got, want)
		}
	}
	if k := (signature.StandardKey{}); k.Short() || k.Private() || k.Public() {
		t.Error("the zero key is of a kind")
	}
}

// TestSmallOrderKeys is W44. For each such key, a signature made without a private key is valid for many messages.
func TestSmallOrderKeys(t *testing.T) {
	identity, highest := "01"+strings.Repeat("00", 31), strings.Repeat("ff", 30)
	weak := []string{}
	for _, y := range []string{
		strings.Repeat("00", 32), identity,
		"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
		"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
		"ec" + highest + "7f", "ed" + highest + "7f", "ee" + highest + "7f",
	} {
		signed := must(hex.DecodeString(y))
		signed[31] |= 0x80
		weak = append(weak, y, hex.EncodeToString(signed))
	}
	forgery := append(must(hex.DecodeString(identity)), make([]byte, 32)...) // R is the identity, S is 0
	forgeable := 0
	for _, text := range weak {
		key := must(hex.DecodeString(text))
		for i := range 256 {
			if ed25519.Verify(key, []byte{byte(i)}, forgery) {
				forgeable++
				break
			}
		}
		_, err := signature.ParseStandardKey("whpk_" + base64.StdEncoding.EncodeToString(key))
		if !errors.Is(err, signature.ErrKey) {
			t.Errorf("%s is accepted", text)
		}
	}
	if forgeable < 10 { // the rest are encodings that crypto/ed25519 refuses by itself
		t.Errorf("only %d of %d keys are forgeable", forgeable, len(weak))
	}
}

func TestNewStandardSecret(t *testing.T) {
	text := signature.NewStandardSecret(bytes.NewReader(key32))
	if want := "whsec_" + base64.StdEncoding.EncodeToString(key32); text != want {
		t.Errorf("%q, want %q", text, want)
	}
	must(signature.ParseStandardKey(text))
	defer func() {
		if recover() == nil {
			t.Error("no panic without randomness")
		}
	}()
	signature.NewStandardSecret(bytes.NewReader(nil))
}

// TestStandardKeyIsRedacted prints keys in every known way and looks for their bytes.
func TestStandardKeyIsRedacted(t *testing.T) {
	for _, text := range []string{secretText, privateText, publicText} {
		key := must(signature.ParseStandardKey(text))
		kind, rest, _ := strings.Cut(text, "_")
		inside := struct{ keys []signature.StandardKey }{[]signature.StandardKey{key}}
		var log bytes.Buffer
		slog.New(slog.NewJSONHandler(&log, nil)).Info("key", "key", key, "inside", inside)
		slog.New(slog.NewTextHandler(&log, nil)).Info("key", "key", key, "inside", inside)
		printed := []string{key.String(), string(must(json.Marshal(key))), log.String(), fmt.Sprint(inside)}
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%t", "%o", "%08b"} {
			printed = append(printed, fmt.Sprintf(verb, key), fmt.Sprintf(verb, &key), fmt.Sprintf(verb, inside))
		}
		raw := fromBase64(rest)
		for _, p := range printed {
			for _, secret := range []string{rest[:8], string(raw[:8]), hex.EncodeToString(raw[:8]),
				strings.Trim(fmt.Sprint(raw[:8]), "[]")} {
				if strings.Contains(strings.ToLower(p), strings.ToLower(secret)) {
					t.Errorf("the key shows: %s", p)
				}
			}
		}
		if want := kind + "_(redacted)"; key.String() != want || fmt.Sprintf("%d", key) != want {
			t.Errorf("prints as %s", key)
		}
	}
	if got := (signature.StandardKey{}).String(); got != "(redacted)" {
		t.Errorf("the zero key prints as %s", got)
	}
}
