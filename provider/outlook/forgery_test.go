package outlook_test

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/provider/outlook"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The forgery list's sections 9 and 10, by its names; section 15 is in providertest. Decided otherwise, or elsewhere:
//
//	C02  state in the body         not looked at: the header is Outlook's place for it
//	C06  and C07                   answered 403 rather than 401, as any state that is known to differ
//	C09  good and bad items        there are none: one header stands for all items
//	C11  1,001 items               taken: the bound is 5,000
//	C12  unknown SubscriptionId    taken: a source knows states, not subscriptions
//	C14  tenantId                  Outlook sends none
//	C17  constant time             signature.EqualToken's, which this is
//	V11  headers of the reply      the door's, the same for each handshake
//	V13  nobody asked for it       answered: the service may ask at any time, and the page says so
//	V20  to V32                    other systems' handshakes
//	R04  replay at any later time  a repeat of its SubscriptionId and SequenceNumber; nothing grows old
//	R05  replay to another source  taken where both have one state: it does not cover the URL
var forgeries = []struct {
	name   string
	target string // "" is /in/mail
	change func(req *provider.Request)
	body   string // "" is one notification
	want   error
	events int
	reply  string
}{
	{name: "C01 control", events: 1},
	{name: "C01 header in lower case", change: func(req *provider.Request) { req.Header = http.Header{}; req.Header.Set("clientstate", state) }, events: 1},
	{name: "C02 state in the body", change: without, body: strings.Replace(batchOf(item(1, "a")), `"Id"`, `"clientState":"`+state+`","Id"`, 1), want: signature.ErrMissing},
	{name: "C04 missing", change: without, want: signature.ErrMissing},
	{name: "C04 empty", change: with(""), want: signature.ErrMissing},
	{name: "C06 prefix", change: with(state[:35]), want: provider.ErrForbidden},
	{name: "C06 longer", change: with(state + "0"), want: provider.ErrForbidden},
	{name: "C07 upper case", change: with(strings.ToUpper(state)), want: provider.ErrForbidden},
	{name: "two headers", change: with(state, state), want: signature.ErrMalformed},
	{name: "two in one", change: with(state + ", " + state), want: provider.ErrForbidden},
	{name: "in the query", target: "/in/mail?ClientState=" + state, change: without, want: signature.ErrMissing},
	{name: "in another header", change: func(req *provider.Request) {
		without(req)
		req.Header.Set("Client-State",
			state)
	}, want: signature.ErrMissing},
	{name: "state before body", change: with("x"), body: "no JSON", want: provider.ErrForbidden},
	{name: "method before state", change: func(req *provider.Request) { without(req); req.Method = "PUT" },
		want: provider.ErrMethod},
	{name: "C10 no items", body: `{"value":[]}`},
	{name: "C11 null", body: `{"value":null}`},
	{name: "C11 missing", body: `{}`, want: provider.ErrBody},
	{name: "C11 a text", body: `{"value":"[]"}`, want: provider.ErrBody},
	{name: "C11 most items", body: batchOf(slices.Repeat([]string{item(1, "a")}, provider.MaxItems)...),
		events: provider.MaxItems},
	{name: "C11 one more", body: batchOf(slices.Repeat([]string{item(1, "a")}, provider.MaxItems+1)...),
		want: provider.ErrBody},
	{name: "C19 handshake with notifications", target: "/in/mail?validationToken=x", reply: "x"},

	{name: "V01 control", target: "/in/mail?validationToken=abc", change: without, reply: "abc"},
	{name: "V02 lower case", target: "/in/mail?validationtoken=abc", change: without, reply: "abc"},
	{name: "V03 GET", target: "/in/mail?validationToken=abc", change: method("GET"), want: provider.ErrMethod},
	{name: "V03 HEAD", target: "/in/mail?validationToken=abc", change: method("HEAD"), want: provider.ErrMethod},
	{name: "V05 line break", target: "/in/mail?validationToken=%0d%0aX:%20y", change: without, want: provider.ErrBody},
	{name: "V06 NUL", target: "/in/mail?validationToken=%00", change: without, want: provider.ErrBody},
	{name: "V06 C1", target: "/in/mail?validationToken=%C2%85", change: without, want: provider.ErrBody},
	{name: "V06 U+2028", target: "/in/mail?validationToken=%E2%80%A8", change: without, want: provider.ErrBody},
	{name: "V07 1 MiB", target: "/in/mail?validationToken=" + strings.Repeat("a", 1<<20), change: without,
		want: provider.ErrBody},
	{name: "V08 empty", target: "/in/mail?validationToken=", change: without, want: provider.ErrBody},
	{name: "V10 in the body", change: without, body: "validationToken=abc", want: signature.ErrMissing},
	{name: "V12 Accept", target: "/in/mail?validationToken=%3Cb%3E",
		change: func(req *provider.Request) { without(req); req.Header.Set("Accept", "text/html") }, reply: "<b>"},
	{name: "V15 escaped plus", target: "/in/mail?validationToken=abc%2Bdef", change: without, reply: "abc+def"},
	{name: "V16 plus", target: "/in/mail?validationToken=abc+def", change: without, reply: "abc def"},
	{name: "handshake, beside a query", target: "/in/mail?x=1&validationToken=abc", change: without, reply: "abc"},
	{name: "handshake, state right", target: "/in/mail?validationToken=abc", reply: "abc"},
	{name: "handshake, state empty", target: "/in/mail?validationToken=abc", change: with(""), reply: "abc"},
	{name: "handshake, state wrong", target: "/in/mail?validationToken=abc", change: with("x"),
		want: provider.ErrForbidden},
	{name: "handshake, state twice", target: "/in/mail?validationToken=abc", change: with(state, state),
		want: signature.ErrMalformed},

	{name: "N01 member twice", body: batchOf(`{"SubscriptionId":"a","SubscriptionId":"b","ChangeType":"Created"}`), want: provider.ErrBody},
	{name: "N01 value twice", body: `{"value":[],"value":[]}`, want: provider.ErrBody},
	{name: "N12 byte order mark", body: "\uFEFF" + batchOf(), want: provider.ErrBody},
}

func TestForgery(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			if c.body == "" {
				c.body = batchOf(item(1, "a"))
			}
			req := request(state, []byte(c.body))
			if c.target != "" {
				req.Target = c.target
			}
			if c.change != nil {
				c.change(req)
			}
			receipt, err := open(t, nil).Receive(context.Background(), req)
			if !errors.Is(err, c.want) || len(receipt.Events) != c.events || len(receipt.Refused) > 0 {
				t.Fatalf("got %d events, %v, want %d, %v", len(receipt.Events), err, c.events, c.want)
			}
			if c.reply != "" && (receipt.Reply == nil || receipt.Reply.Status != 200 ||
				string(receipt.Reply.Body) != c.reply) {
				t.Errorf("replies %+v, want %q", receipt.Reply, c.reply)
			}
			if c.reply == "" && err == nil && receipt.Status != 200 {
				t.Errorf("answers %d", receipt.Status)
			}
		})
	}
}

func without(req *provider.Request) { req.Header.Del(outlook.StateHeader) }

func with(states ...string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header[outlook.StateHeader] = states }
}

func method(name string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Method = name }
}

func open(t testing.TB, more map[string]any) provider.Receiver {
	t.Helper()
	return providertest.Open(t, outlook.Provider{}, providertest.Settings(map[string]any{"client_state": state}, more))
}

// What an item needs, and what is made of the rest.
func TestItems(t *testing.T) {
	for _, c := range []struct{ item, eventType, subject, id string }{
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":3,"Resource":"r"}`, "outlook.Created", "r", "a:3"},
		{`{"subscriptionid":"a","CHANGETYPE":"Created","sequenceNumber":3,"resource":"r"}`, "outlook.Created", "r", "a:3"},
		{`{"subscriptionId":"x","SubscriptionId":"a","ChangeType":"Created","changeType":"x"}`, "outlook.Created", "a", ""}, // N02
		{`{"\u017fubscriptionId":"x","SubscriptionId":"a","ChangeType":"Created"}`, "outlook.Created", "a", ""},             // N03
		{`{"\u017fubscriptionId":"a","ChangeType":"Created"}`, "", "", ""},
		{`{"SubscriptionId":"a","ChangeType":"Acknowledgment","SequenceNumber":0}`, "outlook.Acknowledgment", "a", "a:0"},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":null}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":-1}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":1.0}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":"1"}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":2147483647}`, "outlook.Created", "a", "a:2147483647"},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":9223372036854775807}`, "outlook.Created", "a", "a:9223372036854775807"},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":9223372036854775808}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"gap:a","ChangeType":"Created","SequenceNumber":5}`, "outlook.Created", "gap:a", "gap:a:5"},
		{`{"SubscriptionId":"a","ChangeType":"Gap","SequenceNumber":4,"FirstMissing":5,"LastMissing":6}`, "outlook.Gap", "a", "gap:a:5-6"},
		{`{"SubscriptionId":"a","ChangeType":"Gap","SequenceNumber":4,"FirstMissing":6,"LastMissing":5}`, "outlook.Gap", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","Resource":1}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"two words"}`, "", "", ""},
		{`{"SubscriptionId":"a","ChangeType":""}`, "", "", ""},
		{`{"SubscriptionId":"a","ChangeType":1}`, "", "", ""},
		{`{"SubscriptionId":"a"}`, "", "", ""},
		{`{"SubscriptionId":"","ChangeType":"Created"}`, "", "", ""},
		{`{"SubscriptionId":null,"ChangeType":"Created"}`, "", "", ""},
		{`{"SubscriptionId":5,"ChangeType":"Created"}`, "", "", ""},
		{`null`, "", "", ""}, {`[]`, "", "", ""}, {`"a"`, "", "", ""}, {`{}`, "", "", ""},
	} {
		for _, value := range []string{"value", "Value"} {
			receipt, err := open(t, nil).Receive(context.Background(), request(state, []byte(`{"`+value+`": [`+c.item+`]}`)))
			switch {
			case err != nil || receipt.Status != 200:
				t.Errorf("%s: %+v, %v", c.item, receipt, err)
			case c.eventType == "":
				if len(receipt.Events) > 0 || len(receipt.Refused) != 1 || !errors.Is(receipt.Refused[0].Err, provider.ErrBody) {
					t.Errorf("%s: %+v, want a refusal", c.item, receipt)
				}
			case len(receipt.Events) != 1 || len(receipt.Refused) > 0:
				t.Errorf("%s: %+v", c.item, receipt)
			default:
				if ev := receipt.Events[0]; ev.Type != c.eventType || ev.Subject != c.subject || ev.ProviderID != c.id ||
					string(ev.Body) != c.item {
					t.Errorf("%s: %+v", c.item, ev)
				}
			}
		}
	}
}

// The bodies of events are parts of the request's, not copies.
func TestBodies(t *testing.T) {
	body := []byte(batchOf(item(1, "first"), item(2, "second")))
	receipt, err := open(t, nil).Receive(context.Background(), request(state, body))
	if err != nil || len(receipt.Events) != 2 {
		t.Fatal(receipt, err)
	}
	start := strings.Index(string(body), item(2, "second"))
	if &receipt.Events[1].Body[0] != &body[start] {
		t.Error("the second body is a copy")
	}
}

// Section 17: whatever becomes of the header, no other than the state gets through.
func TestMutants(t *testing.T) {
	random := rand.New(rand.NewPCG(17, 2026))
	long := strings.Repeat("x", microsoft.MaxClientStateLength)
	valid := []string{state, otherState, long, "~"}
	states := map[string]any{"client_state": valid}
	r, body := open(t, states), []byte(batchOf(item(1, "a")))
	for tried := 0; tried < 10_000; {
		values := []string{providertest.Mutant(random, valid)}
		if random.IntN(8) == 0 {
			values = append(values, valid[random.IntN(len(valid))])
		} else if slices.Contains(valid, values[0]) {
			continue
		}
		req := request("", body)
		with(values...)(req)
		if receipt, err := r.Receive(context.Background(), req); err == nil || len(receipt.Events) > 0 {
			t.Fatalf("PCG 17, 2026: %q is accepted", values)
		}
		tried++
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(state, otherState)
	f.Add("", "")
	f.Add(state+"\x00", "a")
	f.Fuzz(func(t *testing.T, value, want string) {
		err := outlook.Verify(http.Header{outlook.StateHeader: {value}}, want)
		if (err == nil) != (value == want && value != "") {
			t.Errorf("%q where %q is wanted: %v", value, want, err)
		}
	})
}
