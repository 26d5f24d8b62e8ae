package journey

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/prove"
	"github.com/bellhop-gateway/bellhop/provider/ams"
)

// A forgery is one request at a source: one that the gateway has to refuse, or a genuine one as a control. The
// letter of an id says what it concerns: G any HMAC, W Standard Webhooks, A Media Services, K tokens, E and L
// HTTP, R replays.
type forgery struct {
	id     string
	source string
	target string // follows the URL of the source: "?code=…"
	header http.Header
	body   []byte
	want   int
	fresh  bool // accepted as a new event; otherwise nothing is stored
}

// refuse sends fs to g. It checks each status; that only fresh requests are stored and delivered; that all
// refusals with the same status look the same; and that each refusal is on record.
func refuse(t *testing.T, g *gateway, l *ledger, fs []forgery) {
	t.Helper()
	looks := map[int]string{}
	want := map[string][]int{} // statuses of refusals, by source
	stored := 0
	for _, f := range fs {
		status, look := f.send(t, g)
		if status != f.want {
			t.Errorf("%s at %s: answered %d, want %d", f.id, f.source, status, f.want)
		}
		if f.fresh {
			stored++
		}
		if n := len(listEvents(t, g.client())); n != stored {
			t.Errorf("%s at %s: %d events are stored now, want %d", f.id, f.source, n, stored)
			stored = n
		}
		if status/100 == 2 {
			continue
		}
		want[f.source] = append(want[f.source], status)
		if looks[status] == "" {
			looks[status] = look
		}
		if looks[status] != look {
			t.Errorf("%s at %s: this %d does not look like others:\n%s\n%s", f.id, f.source, status, look,
				looks[status])
		}
		if sent := string(f.body); len(sent) > 8 && strings.Contains(look, sent) {
			t.Errorf("%s: the answer contains the body", f.id)
		}
	}
	settle(t, g, patience)
	if n := len(l.ArrivedAt("all")); n != stored {
		t.Errorf("%d arrived, want the %d that were accepted", n, stored)
	}
	for _, source := range slices.Sorted(maps.Keys(want)) {
		checkRecord(t, g, source, want[source])
	}
	t.Logf("%d requests: %d accepted, %d refused, each %d byte for byte the same, each on record", len(fs), stored,
		sum(want), slices.Sorted(maps.Keys(looks)))
}

// sum counts the elements of all lists.
func sum(m map[string][]int) (n int) {
	for _, list := range m {
		n += len(list)
	}
	return n
}

// send returns the status, and all of the answer that the sender sees but for the date.
func (f forgery) send(t *testing.T, g *gateway) (status int, look string) {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, g.in(f.source)+f.target, bytes.NewReader(f.body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header = f.header
	res, err := probing.Do(req)
	if err != nil {
		t.Fatalf("%s: %v", f.id, err)
	}
	defer res.Body.Close()
	answer, _ := io.ReadAll(res.Body)
	res.Header.Del("Date")
	return res.StatusCode, fmt.Sprintf("%v %s", res.Header, answer)
}

// checkRecord compares the recorded refusals of a source with the statuses that were answered.
func checkRecord(t *testing.T, g *gateway, source string, statuses []int) {
	t.Helper()
	var kept []client.Request
	if !poll(patience, func() bool { kept = refusals(t, g, source); return len(kept) >= len(statuses) }) {
		t.Errorf("source %s: %d refusals are on record, want %d", source, len(kept), len(statuses))
		return
	}
	for i, r := range kept { // newest first
		if want := statuses[len(statuses)-1-i]; r.Status != want || r.Reason == "" || r.Detail == "" ||
			r.RemoteAddr == "" {
			t.Errorf("source %s: on record is %+v, answered was %d", source, r, want)
		}
	}
}

// refusals returns the recorded refusals of a source, newest first.
func refusals(t *testing.T, g *gateway, source string) []client.Request {
	t.Helper()
	c := g.client()
	return everything(t, func(ctx context.Context, page client.Page) (client.List[client.Request], error) {
		return c.Requests(ctx, client.RequestFilter{Source: source, Outcome: "refused"}, page)
	})
}

// forgeable starts a gateway with a destination that wants every event.
func forgeable(t *testing.T) (*gateway, *ledger) {
	t.Helper()
	l := newLedger()
	g := newGateway(t)
	r := newReceiver(t, l, nil)
	r.destination(g, "all", "raw")
	return g, l
}

// with returns a copy of h with other values for name, whose case is kept. Without values it removes name.
func with(h http.Header, name string, values ...string) http.Header {
	h = h.Clone()
	delete(h, name)
	if len(values) > 0 {
		h[name] = values
	}
	return h
}

// mac returns the HMAC-SHA256 of text.
func mac(key, text []byte) []byte {
	m := hmac.New(sha256.New, key)
	m.Write(text)
	return m.Sum(nil)
}

// flip returns a copy of b with one bit changed.
func flip(b []byte, bit int) []byte {
	b = slices.Clone(b)
	b[bit/8] ^= 1 << (bit % 8)
	return b
}

// TestForgeriesOfHMAC tries a generic source: the HMAC-SHA256 in hex, after "sha256=".
func TestForgeriesOfHMAC(t *testing.T) {
	t.Parallel()
	const name, prefix, secret = "X-Sig", "sha256=", "a-secret-of-the-owner"
	g, l := forgeable(t)
	settings := map[string]any{"scheme": "hmac", "header": name, "prefix": prefix, "secret": secret}
	g.source("hmac", "generic", settings)
	g.source("other", "generic", map[string]any{"scheme": "hmac", "header": name, "prefix": prefix,
		"secret": "another-owner's-secret"})
	g.source("rotated", "generic", map[string]any{"scheme": "hmac", "header": name, "prefix": prefix,
		"secret": []string{"the-new-secret", secret}})

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
		{id: "G37 the secret before", source: "rotated", header: signed(prefix + hexed), body: body, want: 202,
			fresh: true},
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
		forged("G24 keys in another order", signed(prefix+hexed),
			[]byte(`{"type":"test","id":"evt_1","data":{"n":1,"e":"\u00e9"}}`+"\r\n")),
		forged("G26 unescaped", signed(prefix+hexed), bytes.ReplaceAll(body, []byte(`\u00e9`), []byte("é"))),
		forged("G27 byte order mark", signed(prefix+hexed), append([]byte("\xef\xbb\xbf"), body...)),
		forged("G29 empty body", signed(prefix+hexed), nil),
		forged("G36 another's key", signed(prefix+hex.EncodeToString(mac([]byte("another-owner's-secret"), body))),
			body),
		forged("G41 empty key", signed(prefix+hex.EncodeToString(mac(nil, body))), body),
		forged("G42 a sample key", signed(prefix+hex.EncodeToString(mac([]byte("changeme"), body))), body),
		forged("G43 as long as SHA-1", signed(prefix+hexed[:40]), body),
		forged("G44 as long as SHA-512", signed(prefix+hexed+hexed), body),
		forged("G46 key in front", signed(prefix+fmt.Sprintf("%x", sha256.Sum256(append([]byte(secret), body...)))),
			body),
		forged("G47 key and body swapped", signed(prefix+hex.EncodeToString(mac(body, []byte(secret)))), body),
		forged("G48 the URL signed", signed(prefix+hex.EncodeToString(mac([]byte(secret), []byte("/in/hmac")))), body),
		forged("G49 Base64", signed(prefix+base64.StdEncoding.EncodeToString(good)), body),
		forged("G54 a blank inside", signed(prefix+hexed[:32]+" "+hexed[32:]), body),
		forged("G56 twice, good first", signed(prefix+hexed, prefix+strings.Repeat("0", 64)), body),
		forged("G57 twice, bad first", signed(prefix+strings.Repeat("0", 64), prefix+hexed), body),
		forged("G58 twice, the same", signed(prefix+hexed, prefix+hexed), body),
		forged("G59 joined by a comma", signed(prefix+hexed+","+prefix+strings.Repeat("0", 64)), body),
		{id: "G63 in the query", source: "hmac", target: "?X-Sig=" + prefix + hexed + "&sig=" + hexed,
			header: http.Header{}, body: body, want: 401},
		{id: "L01 gzip that is none, signed as sent", source: "hmac",
			header: with(signed(prefix+hex.EncodeToString(mac([]byte(secret),
				[]byte("\x1f\x8bnot inflated")))), "Content-Encoding", "gzip"), body: []byte("\x1f\x8bnot inflated"),
			want: 400},
		{id: "L04 encoded twice", source: "hmac", header: with(signed(prefix+hexed), "Content-Encoding", "gzip, br"),
			body: body, want: 415},
		{id: "G32 binary", source: "hmac", header: signed(prefix + hex.EncodeToString(mac([]byte(secret),
			[]byte("\x00\x01\xfe\xff")))), body: []byte("\x00\x01\xfe\xff"), want: 202, fresh: true},
		{id: "no such source", source: "nobody", header: signed(prefix + hexed), body: body, want: 404},
	}
	for _, bit := range []int{0, 7, 100, 255} {
		fs = append(fs, forged(fmt.Sprintf("G18 bit %d", bit), signed(prefix+hex.EncodeToString(flip(good, bit))),
			body))
	}
	for _, bit := range []int{0, 9, 200, 8*len(body) - 1} {
		fs = append(fs, forged(fmt.Sprintf("G19 bit %d", bit), signed(prefix+hexed), flip(body, bit)))
	}
	refuseKnown(t, g, l, fs)
	refuseTrailer(t, g, prefix+hexed, body)
}

// refuseKnown is refuse, but also takes requests to sources that do not exist. Those leave no record.
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

// refuseTrailer is G64: a signature in the trailer of a chunked body does not count.
func refuseTrailer(t *testing.T, g *gateway, value string, body []byte) {
	t.Helper()
	const head = "POST /in/hmac HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sig\r\n\r\n"
	text := fmt.Sprintf(head+"%x\r\n%s\r\n0\r\nX-Sig: %s\r\n\r\n", len(body), body, value)
	k := say(t, g, abuser, strings.NewReader(text), 1, either)
	if !k.is(401) {
		t.Errorf("G64 a signature in the trailer: %v", k)
	}
}

// TestForgeriesOfStandardWebhooks tries a source of Standard Webhooks.
func TestForgeriesOfStandardWebhooks(t *testing.T) {
	t.Parallel()
	g, l := forgeable(t)
	for _, name := range []string{signedSource, "second"} {
		g.source(name, "standardwebhooks", map[string]any{"secret": prove.SenderSecret})
	}
	body := []byte(`{"type":"invoice.paid","data":{"n":1}}`)
	now := time.Now()
	at := func(id string, at time.Time) http.Header {
		h := http.Header{}
		prove.SignStandard(h, id, body, at)
		return h
	}
	// raw signs any text as the timestamp.
	raw := func(id, timestamp string, body []byte) http.Header {
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(prove.SenderSecret, "whsec_"))
		return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp},
			"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac(key,
				append([]byte(id+"."+timestamp+"."), body...)))}}
	}
	unix := func(at time.Time) string { return fmt.Sprint(at.Unix()) }
	good := at("msg_1", now)
	sig := good.Get("Webhook-Signature")
	svix := http.Header{"Svix-Id": {"msg_svix"}, "Svix-Timestamp": raw("msg_svix", unix(now),
		body)["Webhook-Timestamp"],
		"Svix-Signature": raw("msg_svix", unix(now), body)["Webhook-Signature"]}
	both := svix.Clone()
	maps.Copy(both, with(good, "Webhook-Signature", "v1,"+base64.StdEncoding.EncodeToString(make([]byte, 32))))
	bad := "v1," + base64.StdEncoding.EncodeToString(make([]byte, 32))

	forged := func(id string, h http.Header) forgery {
		return forgery{id: id, source: signedSource, header: h, body: body, want: 401}
	}
	accepted := func(id string, h http.Header, fresh bool) forgery {
		return forgery{id: id, source: signedSource, header: h, body: body, want: 202, fresh: fresh}
	}
	fs := []forgery{
		accepted("control", good, true),
		accepted("W41 again", at("msg_1", now.Add(time.Second)), false),
		{id: "W42 at another source", source: "second", header: good, body: body, want: 202, fresh: true},
		accepted("W04 svix names", svix, true),
		accepted("W13 bad good bad", with(at("msg_13", now), "Webhook-Signature",
			bad+" "+at("msg_13", now).Get("Webhook-Signature")+" "+bad), true),
		accepted("W14 16, the last good", with(at("msg_14", now), "Webhook-Signature",
			strings.Repeat(bad+" ", 15)+at("msg_14", now).Get("Webhook-Signature")), true),
		accepted("W21 old, but not too old", at("msg_21", now.Add(-290*time.Second)), true),
		accepted("W23 ahead, but not too far", at("msg_23", now.Add(290*time.Second)), true),
		forged("W01 no id", with(good, "Webhook-Id")),
		forged("W02 no timestamp", with(good, "Webhook-Timestamp")),
		forged("W03 no signature", with(good, "Webhook-Signature")),
		forged("W06 both families, one forged", both),
		forged("W07 v1, alone", with(good, "Webhook-Signature", "v1,")),
		forged("W08 no comma", with(good, "Webhook-Signature", "v1")),
		forged("W09 v2", with(good, "Webhook-Signature", "v2"+sig[2:])),
		forged("v1a with an HMAC", with(good, "Webhook-Signature", "v1a"+sig[2:])),
		forged("W16 10,000 entries", with(good, "Webhook-Signature", strings.Repeat("v1,x ", 10_000)+sig)),
		forged("W18 commas between", with(good, "Webhook-Signature", bad+","+sig)),
		forged("W19 a tab between", with(good, "Webhook-Signature", bad+"\t"+sig)),
		forged("W22 too old", at("msg_22", now.Add(-310*time.Second))),
		forged("W24 too far ahead", at("msg_24", now.Add(310*time.Second))),
		forged("W26 leading zeros", raw("msg_26", "000"+unix(now), body)),
		forged("W27 letters behind", raw("msg_27", unix(now)+"abc", body)),
		forged("W28 a fraction", raw("msg_28", unix(now)+".5", body)),
		forged("W29 an exponent", raw("msg_29", "1.7e9", body)),
		forged("W31 negative", raw("msg_31", "-1", body)),
		forged("W32 the largest number", raw("msg_32", "9223372036854775807", body)),
		forged("W33 larger", raw("msg_33", "9223372036854775808", body)),
		forged("W34 milliseconds", raw("msg_34", unix(now)+"000", body)),
		forged("W39 empty id", raw("", unix(now), body)),
		forged("an id with a dot", raw("msg.1", unix(now), body)),
		{id: "W37 an id of 1 KiB", source: signedSource, header: raw(strings.Repeat("m", 1024), unix(now), body),
			body: body, want: 400},
		forged("two ids", with(good, "Webhook-Id", "msg_1", "msg_1")),
		forged("another's id", with(good, "Webhook-Id", "msg_2")),
		forged("another time", with(good, "Webhook-Timestamp", unix(now.Add(time.Second)))),
	}
	// W36: id, timestamp and body are cut at another place, and joined they are the same bytes.
	shifted := raw("msg_36", unix(now)[:2], append([]byte(unix(now)[2:]+"."), body...))
	fs = append(fs, forgery{id: "W36 cut elsewhere", source: signedSource, header: shifted,
		body: append([]byte(unix(now)[2:]+"."), body...), want: 401})
	refuse(t, g, l, fs)
}

// TestForgeriesOfMediaServices tries a source of Azure Media Services.
func TestForgeriesOfMediaServices(t *testing.T) {
	t.Parallel()
	const account = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	g, l := forgeable(t)
	key := []byte("media-services-signing-key-of-64-bytes")
	text := base64.StdEncoding.EncodeToString(key)
	g.source("media", "ams", map[string]any{"signing_key": text, "account_id": account})

	notice := func(etag, eventType, properties string) []byte {
		const format = `{"MessageVersion":"1.1","ETag":%q,"EventType":%s,"TimeStamp":"2026-11-22T08:15:30.1234567Z",` +
			`"Properties":%s}`
		return fmt.Appendf(nil, format, etag, eventType, properties)
	}
	properties := `{"JobId":"nb:jid:UUID:1","NewState":"Finished","OldState":"Processing","AccountId":"` + account +
		`"}`
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
	otherAccount := notice("etag3", "1",
		strings.ReplaceAll(properties, account, "00000000-0000-0000-0000-000000000000"))
	refuse(t, g, l, []forgery{
		with200("A01", body, true),
		with200("again", body, false),
		{id: "A05 account in other case", source: "media",
			header: with(good, ams.AccountHeader, strings.ToUpper(account)),
			body:   body, want: 200},
		with200("A08 TaskStateChange", notice("etag8", "4", properties), true),
		with200("A10 an unknown type", notice("etag10", "99", properties), true),
		with200("A11 a registration", notice("etag11", "2", properties), true),
		forged("A02 lower-case hex", 401, with(good, ams.SignatureHeader, "sha256="+strings.ToLower(sig[7:])), body),
		forged("A03 no account header", 403, with(good, ams.AccountHeader), body),
		forged("A03 another account in the header", 403, with(good, ams.AccountHeader,
			"00000000-0000-0000-0000-000000000000"), body),
		forged("another account in both", 403, with(headers(otherAccount), ams.AccountHeader,
			"00000000-0000-0000-0000-000000000000"), otherAccount),
		forged("A06 no account in the body", 403, headers(noAccount), noAccount),
		forged("A07 Properties null", 400, headers(noProperties), noProperties),
		forged("A12 two account headers", 401, with(good, ams.AccountHeader, account, account), body),
		forged("two signatures", 401, with(good, ams.SignatureHeader, sig, sig), body),
		forged("no signature", 401, with(good, ams.SignatureHeader), body),
		forged("no signature, another account", 401,
			http.Header{ams.AccountHeader: {"00000000-0000-0000-0000-000000000000"}}, body),
		forged("G39 key undecoded", 401, with(good, ams.SignatureHeader,
			"sha256="+strings.ToUpper(hex.EncodeToString(mac([]byte(text), body)))), body),
		forged("G41 empty key", 401, with(good, ams.SignatureHeader,
			"sha256="+strings.ToUpper(hex.EncodeToString(mac(nil, body)))), body),
		forged("another body", 401, good, notice("etag2", "1", properties)),
		forged("N01 a name twice", 400, headers([]byte(`{"ETag":"1","ETag":"2"}`)), []byte(`{"ETag":"1","ETag":"2"}`)),
		forged("N13 null", 400, headers([]byte("null")), []byte("null")),
		forged("N04 too deep", 400, headers(bytes.Repeat([]byte(`{"a":`), 10001)),
			bytes.Repeat([]byte(`{"a":`), 10001)),
		forged("not JSON, not signed", 401, with(good, ams.SignatureHeader), []byte("hello, world")),
	})
}

// TestForgeriesOfTokens tries a token in a header, Basic authentication and a secret in the URL.
func TestForgeriesOfTokens(t *testing.T) {
	t.Parallel()
	const secret = "s3cret/with+signs="
	g, l := forgeable(t)
	g.source("token", "generic", map[string]any{"scheme": "token", "secret": secret})
	g.source("header", "generic", map[string]any{"scheme": "token", "header": "X-Token", "secret": secret})
	g.source("basic", "generic", map[string]any{"scheme": "basic", "username": "bell", "secret": secret})
	g.source("query", "generic", map[string]any{"scheme": "query", "secret": secret})
	encoded := "s3cret%2Fwith%2Bsigns%3D"
	basic := func(pair string) string { return base64.StdEncoding.EncodeToString([]byte(pair)) }
	auth := func(values ...string) http.Header { return http.Header{"Authorization": values} }

	body := []byte("a body of whoever it was")
	at := func(id, source, target string, h http.Header, want int) forgery {
		return forgery{id: id, source: source, target: target, header: h, body: body, want: want, fresh: want == 202}
	}
	refuse(t, g, l, []forgery{
		at("control", "token", "", auth("Bearer "+secret), 202),
		at("K04 case of the scheme", "token", "", auth("bEaReR "+secret), 202),
		at("none", "token", "", http.Header{}, 401),
		at("empty", "token", "", auth(""), 401),
		at("scheme alone", "token", "", auth("Bearer "), 401),
		at("scheme missing", "token", "", auth(secret), 401),
		at("a prefix of it", "token", "", auth("Bearer "+secret[:5]), 401),
		at("in other case", "token", "", auth("Bearer "+strings.ToUpper(secret)), 401),
		at("K05 Basic", "token", "", auth("Basic "+basic("bell:"+secret)), 401),
		at("K06 twice", "token", "", auth("Bearer "+secret, "Bearer "+secret), 401),
		at("K09 in the query", "token", "?token="+encoded, http.Header{}, 401),
		at("K13 from a trusted address, it says", "token", "", http.Header{"X-Forwarded-For": {"127.0.0.1"}}, 401),

		at("control", "header", "", http.Header{"X-Token": {secret}}, 202),
		at("twice", "header", "", http.Header{"X-Token": {secret, secret}}, 401),
		at("none", "header", "", auth("Bearer "+secret), 401),

		at("control", "basic", "", auth("Basic "+basic("bell:"+secret)), 202),
		at("K04 case of the scheme", "basic", "", auth("bAsIc "+basic("bell:"+secret)), 202),
		at("K01 a prefix of the password", "basic", "", auth("Basic "+basic("bell:"+secret[:5])), 401),
		at("another user", "basic", "", auth("Basic "+basic("ball:"+secret)), 401),
		at("no colon", "basic", "", auth("Basic "+basic("bell")), 401),
		at("K03 not Base64", "basic", "", auth("Basic !!!"), 401),
		at("K05 Bearer", "basic", "", auth("Bearer "+basic("bell:"+secret)), 401),
		at("K06 twice", "basic", "", auth("Basic "+basic("bell:"+secret), "Basic "+basic("bell:"+secret)), 401),

		at("control", "query", "?code="+encoded, http.Header{}, 202),
		at("none", "query", "", http.Header{}, 401),
		at("empty", "query", "?code=", http.Header{}, 401),
		at("E03 twice", "query", "?code="+encoded+"&code="+encoded, http.Header{}, 401),
		at("good, then bad", "query", "?code="+encoded+"&code=x", http.Header{}, 401),
		at("in other case", "query", "?Code="+encoded, http.Header{}, 401),
		at("a blank for the plus", "query", "?code=s3cret/with+signs=", http.Header{}, 401),
		at("in a header", "query", "", http.Header{"Code": {secret}}, 401),
	})
}
