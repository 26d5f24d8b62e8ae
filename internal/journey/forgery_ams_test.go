package journey

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider/ams"
)

// TestForgeriesOfMediaServices runs section 7.
func TestForgeriesOfMediaServices(t *testing.T) {
	const account = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	g, l := forgeable(t)
	key := []byte("media-services-signing-key-of-64-bytes")
	text := base64.StdEncoding.EncodeToString(key)
	g.source("media", "ams", map[string]any{"signing_key": text, "account_id": account})

	notice := func(etag, eventType, properties string) []byte {
		return fmt.Appendf(nil, `{"MessageVersion":"1.1","ETag":%q,"EventType":%s,"TimeStamp":"2026-11-22T08:15:30.1234567Z","Properties":%s}`, etag, eventType, properties)
	}
	properties := `{"JobId":"nb:jid:UUID:1","NewState":"Finished","OldState":"Processing","AccountId":"` + account + `"}`
	headers := func(body []byte) http.Header {
		value, err := ams.Sign(body, key)
		if err != nil {
			t.Fatal(err)
		}
		return http.Header{ams.SignatureHeader: {value}, ams.AccountHeader: {account}}
	}
	with200 := func(id string, body []byte, fresh bool) forgery {
		return forgery{id: id, source: "media", header: headers(body), body: body, want: 200, fresh: fresh}
	}
	body := notice("etag1", "1", properties)
	good := headers(body)
	sig := good[ams.SignatureHeader][0]
	forged := func(id string, want int, h http.Header, body []byte) forgery {
		return forgery{id: id, source: "media", header: h, body: body, want: want}
	}
	noAccount := notice("etag6", "1", `{"JobId":"nb:jid:UUID:1"}`)
	noProperties := notice("etag7", "1", "null")
	otherAccount := notice("etag3", "1", strings.ReplaceAll(properties, account, "00000000-0000-0000-0000-000000000000"))
	refuse(t, g, l, []forgery{
		with200("A01", body, true),
		with200("again", body, false),
		{id: "A05 account in other case", source: "media", header: with(good, ams.AccountHeader, strings.ToUpper(account)), body: body, want: 200},
		with200("A08 TaskStateChange", notice("etag8", "4", properties), true),
		with200("A10 an unknown type", notice("etag10", "99", properties), true),
		with200("A11 a registration", notice("etag11", "2", properties), true),
		forged("A02 lower-case hex", 401, with(good, ams.SignatureHeader, "sha256="+strings.ToLower(sig[7:])), body),
		forged("A03 no account header", 403, with(good, ams.AccountHeader), body),
		forged("A03 another account in the header", 403, with(good, ams.AccountHeader, "00000000-0000-0000-0000-000000000000"), body),
		forged("another account in both", 403, with(headers(otherAccount), ams.AccountHeader, "00000000-0000-0000-0000-000000000000"), otherAccount),
		forged("A06 no account in the body", 403, headers(noAccount), noAccount),
		forged("A07 Properties null", 400, headers(noProperties), noProperties),
		forged("A12 two account headers", 401, with(good, ams.AccountHeader, account, account), body),
		forged("two signatures", 401, with(good, ams.SignatureHeader, sig, sig), body),
		forged("no signature", 401, with(good, ams.SignatureHeader), body),
		forged("no signature, another account", 401, http.Header{ams.AccountHeader: {"00000000-0000-0000-0000-000000000000"}}, body),
		forged("G39 key undecoded", 401, with(good, ams.SignatureHeader, "sha256="+strings.ToUpper(hex.EncodeToString(mac([]byte(text), body)))), body),
		forged("G41 empty key", 401, with(good, ams.SignatureHeader, "sha256="+strings.ToUpper(hex.EncodeToString(mac(nil, body)))), body),
		forged("another body", 401, good, notice("etag2", "1", properties)),
		forged("N01 a name twice", 400, headers([]byte(`{"ETag":"1","ETag":"2"}`)), []byte(`{"ETag":"1","ETag":"2"}`)),
		forged("N13 null", 400, headers([]byte("null")), []byte("null")),
		forged("N04 too deep", 400, headers(bytes.Repeat([]byte(`{"a":`), 10001)), bytes.Repeat([]byte(`{"a":`), 10001)),
		forged("not JSON, not signed", 401, with(good, ams.SignatureHeader), []byte("hello, world")),
	})
}
