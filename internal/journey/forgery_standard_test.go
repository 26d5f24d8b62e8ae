package journey

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestForgeriesOfStandardWebhooks runs section 4.
func TestForgeriesOfStandardWebhooks(t *testing.T) {
	g, l := forgeable(t)
	for _, name := range []string{signedSource, "second"} {
		g.source(name, "standardwebhooks", map[string]any{"secret": receivingSecret})
	}
	body := []byte(`{"type":"invoice.paid","data":{"n":1}}`)
	now := time.Now()
	at := func(id string, at time.Time) http.Header {
		h := http.Header{}
		signStandard(h, id, body, at)
		return h
	}
	// raw signs a timestamp that is none, as bytes.
	raw := func(id, timestamp string, body []byte) http.Header {
		key, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(receivingSecret, "whsec_"))
		return http.Header{"Webhook-Id": {id}, "Webhook-Timestamp": {timestamp},
			"Webhook-Signature": {"v1," + base64.StdEncoding.EncodeToString(mac(key, append([]byte(id+"."+timestamp+"."), body...)))}}
	}
	unix := func(at time.Time) string { return fmt.Sprint(at.Unix()) }
	good := at("msg_1", now)
	sig := good.Get("Webhook-Signature")
	svix := http.Header{"Svix-Id": {"msg_svix"}, "Svix-Timestamp": raw("msg_svix", unix(now), body)["Webhook-Timestamp"], "Svix-Signature": raw("msg_svix", unix(now), body)["Webhook-Signature"]}
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
		accepted("W13 bad good bad", with(at("msg_13", now), "Webhook-Signature", bad+" "+at("msg_13", now).Get("Webhook-Signature")+" "+bad), true),
		accepted("W14 16, the last good", with(at("msg_14", now), "Webhook-Signature", strings.Repeat(bad+" ", 15)+at("msg_14", now).Get("Webhook-Signature")), true),
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
		{id: "W37 an id of 1 KiB", source: signedSource, header: raw(strings.Repeat("m", 1024), unix(now), body), body: body, want: 400},
		forged("two ids", with(good, "Webhook-Id", "msg_1", "msg_1")),
		forged("another's id", with(good, "Webhook-Id", "msg_2")),
		forged("another time", with(good, "Webhook-Timestamp", unix(now.Add(time.Second)))),
	}
	// W36: the same bytes when joined, cut elsewhere.
	shifted := raw("msg_36", unix(now)[:2], append([]byte(unix(now)[2:]+"."), body...))
	fs = append(fs, forgery{id: "W36 cut elsewhere", source: signedSource, header: shifted, body: append([]byte(unix(now)[2:]+"."), body...), want: 401})
	refuse(t, g, l, fs)
}
