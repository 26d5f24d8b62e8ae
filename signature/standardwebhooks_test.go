package signature_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

// now is the time at which the tests of Standard Webhooks receive, and which they sign by default.
var now = time.Unix(1700000000, 0)

// sent is a Standard Webhook as it arrives.
type sent struct{ id, timestamp, value, body string }

func (s sent) verify(keys ...signature.StandardKey) error {
	return signature.VerifyStandard(s.id, s.timestamp, s.value, []byte(s.body), keys, now, signature.StandardTolerance)
}

// entry signs any id and timestamp, also those that SignStandard refuses.
func entry(id, timestamp, body string) string {
	h := hmac.New(sha256.New, fromBase64(strings.TrimPrefix(secretText, "whsec_")))
	fmt.Fprintf(h, "%s.%s.%s", id, timestamp, body)
	return "v1," + base64.StdEncoding.EncodeToString(h.Sum(nil))
}

// TestStandardSignatures varies webhook-signature. The ids are those of the catalogue of forgeries.
func TestStandardSignatures(t *testing.T) {
	good := must(signature.SignStandard(standardKeys(secretText), "msg_1", now, []byte(body)))
	goodEd := must(signature.SignStandard(standardKeys(privateText), "msg_1", now, []byte(body)))
	bad := "v1," + strings.Repeat("A", 43) + "="
	mac := strings.TrimPrefix(good, "v1,")
	public := fromBase64(strings.TrimPrefix(publicText, "whpk_"))
	confused := hmac.New(sha256.New, public)
	confused.Write([]byte("msg_1.1700000000." + body))

	for _, c := range []struct {
		name, value string
		want        error // with the secret and the public key
	}{
		{"control", good, nil},
		{"control Ed25519", goodEd, nil},
		{"both kinds", good + " " + goodEd, nil},
		{"W03 signature empty", "", signature.ErrMissing},
		{"W07 nothing behind the comma", "v1,", signature.ErrMismatch},
		{"W08 no comma", "v1", signature.ErrMismatch},
		{"W08 no version", mac, signature.ErrMismatch},
		{"W09 unknown version", "v2," + mac, signature.ErrMismatch},
		{"W09 version in another case", "V1," + mac, signature.ErrMismatch},
		{"W11 Ed25519 labelled v1", "v1," + strings.TrimPrefix(goodEd, "v1a,"), signature.ErrMismatch},
		{"W11 HMAC labelled v1a", "v1a," + mac, signature.ErrMismatch},
		{"W12 public key as secret", "v1," + base64.StdEncoding.EncodeToString(confused.Sum(nil)),
			signature.ErrMismatch},
		{"W13 list: bad good bad", bad + " " + good + " " + bad, nil},
		{"W13 list: unknown, broken, good", "v9,x v1 ,, " + good, nil},
		{"W14 list of 16, good last", strings.Repeat(bad+" ", 15) + good, nil},
		{"W16 list of 17, good first", good + strings.Repeat(" "+bad, 16), signature.ErrMalformed},
		{"W16 list of 10000", strings.Repeat(bad+" ", 9999) + good, signature.ErrMalformed},
		{"W17 double blank", bad + "  " + good, nil},
		{"W17 blank in front", " " + good, nil},
		{"W18 comma between", bad + "," + good, signature.ErrMismatch},
		{"W18 comma behind", good + ",", signature.ErrMismatch},
		{"W19 tab between", bad + "\t" + good, signature.ErrMismatch},
		{"base64 for URLs", strings.NewReplacer("+", "-", "/", "_").Replace(entry("msg_1", "1700000000", body)), nil},
		{"no padding", strings.TrimRight(good, "="), signature.ErrMismatch},
		{"stray bits", strayBits(good), signature.ErrMismatch},
		{"line break", good[:20] + "\n" + good[20:], signature.ErrMismatch},
		{"hex", "v1,93709958f25a5b0657d131fb8cbbc4008a573b2e33ee5f357eb2421440aafc38", signature.ErrMismatch},
		{"W43 Ed25519 malleated", malleate(goodEd), signature.ErrMismatch},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := sent{"msg_1", "1700000000", c.value, body}.verify(standardKeys(secretText, publicText)...)
			wantError(t, err, c.want)
		})
	}
}

// malleate adds the group order to S. Verifiers that do not check that S is below it accept the result as another
// signature of the same message.
func malleate(entry string) string {
	order := [32]byte{0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14,
		31: 0x10}
	sig := fromBase64(strings.TrimPrefix(entry, "v1a,"))
	carry := 0
	for i := range 32 {
		sum := int(sig[32+i]) + int(order[i]) + carry
		sig[32+i], carry = byte(sum), sum>>8
	}
	return "v1a," + base64.StdEncoding.EncodeToString(sig)
}

// TestStandardText varies the signed text: id, timestamp and body.
func TestStandardText(t *testing.T) {
	signed := func(id, timestamp string) sent { return sent{id, timestamp, entry(id, timestamp, body), body} }
	for _, c := range []struct {
		name string
		sent
		want error
	}{
		{"control", signed("msg_1", "1700000000"), nil},
		{"W01 id missing", signed("", "1700000000"), signature.ErrMissing},
		{"W02 timestamp missing", signed("msg_1", ""), signature.ErrMissing},
		{"W21 300 s ago", signed("msg_1", "1699999700"), nil},
		{"W22 301 s ago", signed("msg_1", "1699999699"), signature.ErrExpired},
		{"W23 299 s ahead", signed("msg_1", "1700000299"), nil},
		{"W23 300 s ahead", signed("msg_1", "1700000300"), nil},
		{"W24 301 s ahead", signed("msg_1", "1700000301"), signature.ErrExpired},
		{"timestamp 0", signed("msg_1", "0"), signature.ErrExpired},
		{"timestamp of 11 digits", signed("msg_1", "99999999999"), signature.ErrExpired},
		{"W26 leading zeros", signed("msg_1", "0001700000000"), signature.ErrMalformed},
		{"W26 one leading zero", signed("msg_1", "01700000000"), signature.ErrMalformed},
		{"W26 two zeros", signed("msg_1", "00"), signature.ErrMalformed},
		{"W27 letters behind", signed("msg_1", "1700000000abc"), signature.ErrMalformed},
		{"W28 a fraction", signed("msg_1", "1700000000.5"), signature.ErrMalformed},
		{"W29 an exponent", signed("msg_1", "1.7e9"), signature.ErrMalformed},
		{"W31 negative", signed("msg_1", "-1"), signature.ErrMalformed},
		{"W31 plus sign", signed("msg_1", "+1700000000"), signature.ErrMalformed},
		{"W31 blank", signed("msg_1", " 1700000000"), signature.ErrMalformed},
		{"W31 underscore", signed("msg_1", "1_700000000"), signature.ErrMalformed},
		{"W31 digits of another script", signed("msg_1", "١٧٠٠٠٠٠٠٠٠"), signature.ErrMalformed},
		{"W32 largest int64", signed("msg_1", "9223372036854775807"), signature.ErrMalformed},
		{"W33 one more", signed("msg_1", "9223372036854775808"), signature.ErrMalformed},
		{"W33 wraps to now", signed("msg_1", "18446744075409551616"), signature.ErrMalformed},
		{"W34 milliseconds", signed("msg_1", "1700000000000"), signature.ErrMalformed},
		{"W36 boundary moved", sent{"msg_1", "17", entry("msg_1", "1700000000", body), "00000000." + body},
			signature.ErrExpired},
		{"W36 boundary moved into the id",
			sent{"msg_1.1700000000", "1700000001", entry("msg_1", "1700000000", "1700000001."+body),
				body}, signature.ErrMalformed},
		{"W37 id of 256 bytes", signed(strings.Repeat("a", 256), "1700000000"), nil},
		{"W37 id of 257 bytes", signed(strings.Repeat("a", 257), "1700000000"), signature.ErrMalformed},
		{"W37 id of 1 KiB", signed(strings.Repeat("a", 1024), "1700000000"), signature.ErrMalformed},
		{"W38 line break in the id", signed("msg\r\n_1", "1700000000"), signature.ErrMalformed},
		{"W38 NUL in the id", signed("msg\x00", "1700000000"), signature.ErrMalformed},
		{"W38 escape in the id", signed("msg\x1b[31m", "1700000000"), signature.ErrMalformed},
		{"W38 DEL in the id", signed("msg\x7f", "1700000000"), signature.ErrMalformed},
		{"other body", sent{"msg_1", "1700000000", entry("msg_1", "1700000000", body), body + " "},
			signature.ErrMismatch},
		{"other id", sent{"msg_2", "1700000000", entry("msg_1", "1700000000", body), body}, signature.ErrMismatch},
		{"other timestamp", sent{"msg_1", "1700000001", entry("msg_1", "1700000000", body), body},
			signature.ErrMismatch},
		{"expired and forged", sent{"msg_1", "1600000000", entry("msg_1", "1700000000", body), body},
			signature.ErrExpired},
	} {
		t.Run(c.name, func(t *testing.T) { wantError(t, c.verify(standardKeys(secretText)...), c.want) })
	}
	t.Run("W36 boundary moved, with any tolerance", func(t *testing.T) {
		err := signature.VerifyStandard("msg_1", "17", entry("msg_1", "1700000000", body), []byte("00000000."+body),
			standardKeys(secretText), now, math.MaxInt64)
		wantError(t, err, signature.ErrMismatch)
	})
}

// TestCheckStandardHeader: the headers alone are refused with the error of the whole request, if no body can be valid.
func TestCheckStandardHeader(t *testing.T) {
	keys := standardKeys(secretText)
	good := func() http.Header {
		return http.Header{"Webhook-Id": {"msg_1"}, "Webhook-Timestamp": {"1700000000"},
			"Webhook-Signature": {entry("msg_1", "1700000000", body)}}
	}
	for _, c := range []struct {
		name, header string
		values       []string
		want         error
	}{
		{"control", "Webhook-Id", []string{"msg_1"}, nil},
		{"no id", "Webhook-Id", nil, signature.ErrMissing},
		{"id with a dot", "Webhook-Id", []string{"msg.1"}, signature.ErrMalformed},
		{"no timestamp", "Webhook-Timestamp", nil, signature.ErrMissing},
		{"two timestamps", "Webhook-Timestamp", []string{"1700000000", "1700000000"}, signature.ErrMalformed},
		{"301 s ago", "Webhook-Timestamp", []string{"1699999699"}, signature.ErrExpired},
		{"no signature", "Webhook-Signature", nil, signature.ErrMissing},
		{"31 bytes", "Webhook-Signature", []string{"v1,AAAA"}, signature.ErrMismatch},
		{"of another version", "Webhook-Signature", []string{"v1a," + entry("", "", "")[3:]}, signature.ErrMismatch},
		{"of another body", "Webhook-Signature", []string{"v2,x " + entry("", "", "")}, nil},
	} {
		h := good()
		h[c.header] = c.values
		if err := signature.CheckStandardHeader(h, keys, now, signature.StandardTolerance); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.name, err)
		}
		_, err := signature.VerifyStandardHeader(h, []byte(body), keys, now, signature.StandardTolerance)
		if c.want != nil && !errors.Is(err, c.want) {
			t.Errorf("%s, with the body: %v", c.name, err)
		}
	}
}

// TestStandardHeader varies the names and numbers of the headers.
func TestStandardHeader(t *testing.T) {
	const id, at = "webhook-id: msg_1", "webhook-timestamp: 1700000000"
	good := "webhook-signature: " + entry("msg_1", "1700000000", body)
	bad := "webhook-signature: v1," + strings.Repeat("A", 43) + "="
	svix := func(line string) string { return strings.Replace(line, "webhook", "svix", 1) }
	for _, c := range []struct {
		name  string
		lines []string
		want  error
	}{
		{"control", []string{id, at, good}, nil},
		{"any case", []string{"WEBHOOK-ID: msg_1", at, good}, nil},
		{"W01 id missing", []string{at, good}, signature.ErrMissing},
		{"W02 timestamp missing", []string{id, good}, signature.ErrMissing},
		{"W03 signature missing", []string{id, at}, signature.ErrMissing},
		{"W03 none at all", []string{"X-Other: 1"}, signature.ErrMissing},
		{"W04 svix names", []string{svix(id), svix(at), svix(good)}, nil},
		{"W06 svix id, the rest webhook", []string{svix(id), at, good}, signature.ErrMissing},
		{"W06 webhook id, the rest svix", []string{id, svix(at), svix(good)}, signature.ErrMissing},
		{"W06 webhook forged, svix good", []string{id, at, bad, svix(id), svix(at), svix(good)},
			signature.ErrMismatch},
		{"W06 webhook good, svix forged", []string{id, at, good, svix(id), svix(at), svix(bad)}, nil},
		{"W06 webhook id empty, svix good", []string{"webhook-id:", svix(id), svix(at), svix(good)},
			signature.ErrMissing},
		{"W39 id empty", []string{"webhook-id:", at, good}, signature.ErrMissing},
		{"id twice", []string{id, id, at, good}, signature.ErrMalformed},
		{"timestamp twice", []string{id, at, at, good}, signature.ErrMalformed},
		{"signature twice", []string{id, at, bad, good}, signature.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := signature.VerifyStandardHeader(headers(t, c.lines...), []byte(body), standardKeys(secretText),
				now, signature.StandardTolerance)
			wantError(t, err, c.want)
			if (err == nil) != (got == "msg_1") {
				t.Errorf("id %q", got)
			}
		})
	}
	_, err := signature.VerifyStandardHeader(http.Header(nil), nil, nil, now, 0)
	wantError(t, err, signature.ErrMissing)
}

func TestStandardTolerance(t *testing.T) {
	s := sent{"msg_1", "1700000000", entry("msg_1", "1700000000", body), body}
	for _, c := range []struct {
		now       time.Time
		tolerance time.Duration
		want      error
	}{
		{now, 0, nil},
		{now.Add(1), 0, signature.ErrExpired},
		{now.Add(signature.StandardTolerance), signature.StandardTolerance, nil},
		{now.Add(signature.StandardTolerance + 1), signature.StandardTolerance, signature.ErrExpired},
		{now.Add(time.Second), 0, signature.ErrExpired},
		{now.Add(-time.Second), 0, signature.ErrExpired},
		{now, -time.Minute, signature.ErrExpired},
		{now.AddDate(200, 0, 0), 1<<63 - 1, nil},
		{time.Time{}, signature.StandardTolerance, signature.ErrExpired},
	} {
		err := signature.VerifyStandard(s.id, s.timestamp, s.value, []byte(s.body), standardKeys(secretText), c.now,
			c.tolerance)
		wantError(t, err, c.want)
	}
}

func TestStandardKeysInTurn(t *testing.T) {
	other := "whsec_" + base64.StdEncoding.EncodeToString(key32)
	value := must(signature.SignStandard(standardKeys(privateText, other, secretText), "msg_1", now, []byte(body)))
	versions := []string{}
	for e := range strings.SplitSeq(value, " ") {
		versions = append(versions, e[:strings.Index(e, ",")])
	}
	if got := strings.Join(versions, " "); got != "v1 v1 v1a" {
		t.Errorf("entries %s", got)
	}
	s := sent{"msg_1", "1700000000", value, body}
	for _, key := range []string{other, secretText, publicText, privateText} {
		wantError(t, s.verify(standardKeys(key)...), nil)
		wantError(t, s.verify(newKey(t), signature.StandardKey{}, standardKeys(key)[0]), nil)
	}
	wantError(t, s.verify(), signature.ErrMismatch)
	wantError(t, s.verify(signature.StandardKey{}), signature.ErrMismatch)
	wantError(t, s.verify(newKey(t)), signature.ErrMismatch)
}

func TestSignStandardRefuses(t *testing.T) {
	keys := standardKeys(secretText)
	for _, c := range []struct {
		name string
		keys []signature.StandardKey
		id   string
		at   time.Time
		want error
	}{
		{"no keys", nil, "msg_1", now, signature.ErrKey},
		{"zero key", []signature.StandardKey{{}}, "msg_1", now, signature.ErrKey},
		{"public key", standardKeys(secretText, publicText), "msg_1", now, signature.ErrKey},
		{"17 keys", make([]signature.StandardKey, 17), "msg_1", now, signature.ErrKey},
		{"id empty", keys, "", now, signature.ErrMalformed},
		{"id with a dot", keys, "msg.1", now, signature.ErrMalformed},
		{"id too long", keys, strings.Repeat("a", 257), now, signature.ErrMalformed},
		{"line break in the id", keys, "a\r\nb", now, signature.ErrMalformed},
		{"before 1970", keys, "msg_1", time.Unix(-1, 0), signature.ErrMalformed},
		{"zero time", keys, "msg_1", time.Time{}, signature.ErrMalformed},
		{"12 digits", keys, "msg_1", time.Unix(100_000_000_000, 0), signature.ErrMalformed},
	} {
		value, err := signature.SignStandard(c.keys, c.id, c.at, nil)
		if value != "" {
			t.Errorf("%s: signed", c.name)
		}
		wantError(t, err, c.want)
	}
}

// TestStandardConcurrent uses one key from many goroutines, which share its keyed hashes.
func TestStandardConcurrent(t *testing.T) {
	keys := standardKeys(secretText)
	done := make(chan error)
	for i := range 8 {
		go func() {
			var err error
			for j := 0; j < 500 && err == nil; j++ {
				body := fmt.Appendf(nil, "%d %d", i, j)
				var value string
				if value, err = signature.SignStandard(keys, "msg_1", now, body); err == nil {
					err = signature.VerifyStandard("msg_1", "1700000000", value, body, keys, now, 0)
				}
			}
			done <- err
		}()
	}
	for range 8 {
		wantError(t, <-done, nil)
	}
}

// TestStandardBitFlips flips each bit of a signature of each kind, and of id, timestamp and body.
func TestStandardBitFlips(t *testing.T) {
	for _, pair := range [][2]string{{secretText, secretText}, {privateText, publicText}} {
		value := must(signature.SignStandard(standardKeys(pair[0]), "msg_1", now, []byte(body)))
		version, text, _ := strings.Cut(value, ",")
		keys := standardKeys(pair[1])
		for i := range len(fromBase64(text)) * 8 {
			forged := version + "," + base64.StdEncoding.EncodeToString(flip(fromBase64(text), i))
			wantError(t, sent{"msg_1", "1700000000", forged, body}.verify(keys...), signature.ErrMismatch)
		}
		for i := range len("msg_1.1700000000."+body) * 8 {
			s := string(flip([]byte("msg_1.1700000000."+body), i))
			if (sent{s[:5], s[6:16], value, s[17:]}).verify(keys...) == nil && s[5] == '.' && s[16] == '.' {
				t.Errorf("bit %d does not matter", i)
			}
		}
	}
}
