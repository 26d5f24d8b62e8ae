package journey

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestForgeriesOfHMAC runs section 3 against a generic source: hex HMAC-SHA256 behind "sha256=".
func TestForgeriesOfHMAC(t *testing.T) {
	const name, prefix, secret = "X-Sig", "sha256=", "a-secret-of-the-owner"
	g, l := forgeable(t)
	settings := map[string]any{"scheme": "hmac", "header": name, "prefix": prefix, "secret": secret}
	g.source("hmac", "generic", settings)
	g.source("other", "generic", map[string]any{"scheme": "hmac", "header": name, "prefix": prefix, "secret": "another-owner's-secret"})
	g.source("rotated", "generic", map[string]any{"scheme": "hmac", "header": name, "prefix": prefix, "secret": []string{"the-new-secret", secret}})

	body := []byte(`{"id":"evt_1","type":"test","data":{"n":1,"e":"\u00e9"}}` + "\r\n")
	good := mac([]byte(secret), body)
	hexed := hex.EncodeToString(good)
	signed := func(value ...string) http.Header { return http.Header{name: value} }
	forged := func(id string, h http.Header, body []byte) forgery {
		return forgery{id: id, source: "hmac", header: h, body: body, want: 401}
	}
	fs := []forgery{
		{id: "G01", source: "hmac", header: signed(prefix + hexed), body: body, want: 202, fresh: true},
		{id: "R01 again", source: "hmac", header: signed(prefix + hexed), body: body, want: 202},
		{id: "G54 blanks around", source: "hmac", header: signed("  " + prefix + hexed + " "), body: body, want: 202},
		{id: "G37 the secret before", source: "rotated", header: signed(prefix + hexed), body: body, want: 202, fresh: true},
		{id: "R05 at another's source", source: "other", header: signed(prefix + hexed), body: body, want: 401},
		forged("G02 none", http.Header{}, body),
		forged("G03 empty", signed(""), body),
		forged("G04 prefix alone", signed(prefix), body),
		forged("G06 sha1=", signed("sha1="+hexed), body),
		forged("G07 SHA256=", signed("SHA256="+hexed), body),
		forged("G08 junk in front", signed("xx"+prefix+hexed), body),
		forged("G09 two prefixes", signed(prefix+strings.Repeat("0", 64)+prefix+hexed), body),
		forged("G12 odd", signed(prefix+hexed[:63]), body),
		forged("G13 no hex digit", signed(prefix+"g"+hexed[1:]), body),
		forged("G14 31 bytes", signed(prefix+hexed[:62]), body),
		forged("G17 33 bytes", signed(prefix+hexed+"00"), body),
		forged("G21 without the last byte", signed(prefix+hexed), body[:len(body)-1]),
		forged("G22 CRLF to LF", signed(prefix+hexed), bytes.ReplaceAll(body, []byte("\r\n"), []byte("\n"))),
		forged("G23 indented", signed(prefix+hexed), bytes.ReplaceAll(body, []byte(":"), []byte(": "))),
		forged("G24 keys in another order", signed(prefix+hexed), []byte(`{"type":"test","id":"evt_1","data":{"n":1,"e":"\u00e9"}}`+"\r\n")),
		forged("G26 unescaped", signed(prefix+hexed), bytes.ReplaceAll(body, []byte(`\u00e9`), []byte("é"))),
		forged("G27 byte order mark", signed(prefix+hexed), append([]byte("\xef\xbb\xbf"), body...)),
		forged("G29 empty body", signed(prefix+hexed), nil),
		forged("G36 another's key", signed(prefix+hex.EncodeToString(mac([]byte("another-owner's-secret"), body))), body),
		forged("G41 empty key", signed(prefix+hex.EncodeToString(mac(nil, body))), body),
		forged("G42 a sample key", signed(prefix+hex.EncodeToString(mac([]byte("changeme"), body))), body),
		forged("G43 as long as SHA-1", signed(prefix+hexed[:40]), body),
		forged("G44 as long as SHA-512", signed(prefix+hexed+hexed), body),
		forged("G46 key in front", signed(prefix+fmt.Sprintf("%x", sha256.Sum256(append([]byte(secret), body...)))), body),
		forged("G47 key and body swapped", signed(prefix+hex.EncodeToString(mac(body, []byte(secret)))), body),
		forged("G48 the URL signed", signed(prefix+hex.EncodeToString(mac([]byte(secret), []byte("/in/hmac")))), body),
		forged("G49 Base64", signed(prefix+base64.StdEncoding.EncodeToString(good)), body),
		forged("G54 a blank inside", signed(prefix+hexed[:32]+" "+hexed[32:]), body),
		forged("G56 twice, good first", signed(prefix+hexed, prefix+strings.Repeat("0", 64)), body),
		forged("G57 twice, bad first", signed(prefix+strings.Repeat("0", 64), prefix+hexed), body),
		forged("G58 twice, the same", signed(prefix+hexed, prefix+hexed), body),
		forged("G59 joined by a comma", signed(prefix+hexed+","+prefix+strings.Repeat("0", 64)), body),
		{id: "G63 in the query", source: "hmac", target: "?X-Sig=" + prefix + hexed + "&sig=" + hexed, header: http.Header{}, body: body, want: 401},
		{id: "L01 gzip, signed as sent", source: "hmac", header: with(signed(prefix+hex.EncodeToString(mac([]byte(secret), []byte("\x1f\x8bnot inflated")))), "Content-Encoding", "gzip"), body: []byte("\x1f\x8bnot inflated"), want: 202, fresh: true},
		{id: "L04 encoded twice", source: "hmac", header: with(signed(prefix+hexed), "Content-Encoding", "gzip, br"), body: body, want: 415},
		{id: "G32 binary", source: "hmac", header: signed(prefix + hex.EncodeToString(mac([]byte(secret), []byte("\x00\x01\xfe\xff")))), body: []byte("\x00\x01\xfe\xff"), want: 202, fresh: true},
		{id: "no such source", source: "nobody", header: signed(prefix + hexed), body: body, want: 404},
	}
	for _, bit := range []int{0, 7, 100, 255} {
		fs = append(fs, forged(fmt.Sprintf("G18 bit %d", bit), signed(prefix+hex.EncodeToString(flip(good, bit))), body))
	}
	for _, bit := range []int{0, 9, 200, 8*len(body) - 1} {
		fs = append(fs, forged(fmt.Sprintf("G19 bit %d", bit), signed(prefix+hexed), flip(body, bit)))
	}
	refuseKnown(t, g, l, fs)
	refuseTrailer(t, g, prefix+hexed, body)
}

// refuseKnown is refuse, but for requests at no source, of which nothing is on record.
func refuseKnown(t *testing.T, g *gateway, l *ledger, fs []forgery) {
	t.Helper()
	refuse(t, g, l, slices.DeleteFunc(slices.Clone(fs), func(f forgery) bool { return f.want == 404 }))
	for _, f := range fs {
		if f.want == 404 {
			if status, look := f.send(t, g); status != 404 || strings.Contains(look, f.source) {
				t.Errorf("%s: answered %d %s", f.id, status, look)
			}
		}
	}
}

// refuseTrailer is G64: a signature behind the body is none.
func refuseTrailer(t *testing.T, g *gateway, value string, body []byte) {
	t.Helper()
	k := say(t, g, abuser, fmt.Sprintf("POST /in/hmac HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sig\r\n\r\n%x\r\n%s\r\n0\r\nX-Sig: %s\r\n\r\n", len(body), body, value), 3*time.Second)
	if !k.is(401) {
		t.Errorf("G64 a signature in the trailer: %v", k)
	}
}
