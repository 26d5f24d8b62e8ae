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

// Cases of sections 9 and 10 of the forgery list, by their numbers; section 15 is in providertest. Decided
// differently, or tested elsewhere:
//
//	C02  state in the body       ignored: Outlook sends it in the header
//	C06 and C07                  answered 403 and not 401, like any other wrong state
//	C09  good and bad items      impossible: one header is valid for all items
//	C11  1,001 items             accepted: the bound is 5,000
//	C12  unknown SubscriptionId  accepted: a source has states, not subscriptions
//	C14  tenantId                Outlook does not send it
//	C17  constant time           the comparison is signature.EqualToken
//	V11  headers of the reply    set by the server, equal for each handshake
//	V13  unexpected handshake    answered: the service may ask at any time; the notes say so
//	V20 to V32                   handshakes of other systems
//	R04  replay at a later time  recognized by SubscriptionId and SequenceNumber; a state does not expire
//	R05  at another source       accepted if both sources have the same state: it does not cover the URL
var forgeries = []struct {
	name    string
	target  string // "" is /in/mail
	change  func(req *provider.Request)
	body    string // "" is one notification
	want    error
	events  int
	refused int
	reply   string
}{
	{name: "C01 control", events: 1},
	{name: "C01 header in lower case",
		change: func(req *provider.Request) { req.Header = http.Header{}; req.Header.Set("clientstate", state) },
		events: 1},
	{name: "C02 state in the body", change: withoutState,
		body: strings.Replace(batchOf(item(1, "a")), `"Id"`, `"clientState":"`+state+`","Id"`, 1),
		want: signature.ErrMissing},
	{name: "C04 missing", change: withoutState, want: signature.ErrMissing},
	{name: "C04 empty", change: withState(""), want: signature.ErrMissing},
	{name: "C06 prefix of the state", change: withState(state[:35]), want: provider.ErrForbidden},
	{name: "C06 state and one more character", change: withState(state + "0"), want: provider.ErrForbidden},
	{name: "C07 upper case", change: withState(strings.ToUpper(state)), want: provider.ErrForbidden},
	{name: "header twice", change: withState(state, state), want: signature.ErrMalformed},
	{name: "two states in one header", change: withState(state + ", " + state), want: provider.ErrForbidden},
	{name: "state in the query", target: "/in/mail?ClientState=" + state, change: withoutState,
		want: signature.ErrMissing},
	{name: "state in another header", change: func(req *provider.Request) {
		withoutState(req)
		req.Header.Set("Client-State",
			state)
	}, want: signature.ErrMissing},
	{name: "state before body", change: withState("x"), body: "no JSON", want: provider.ErrForbidden},
	{name: "method before state", change: func(req *provider.Request) { withoutState(req); req.Method = "PUT" },
		want: provider.ErrMethod},
	{name: "C10 no items", body: `{"value":[]}`},
	{name: "C11 value is null", body: `{"value":null}`},
	{name: "C11 value missing", body: `{}`, want: provider.ErrBody},
	{name: "C11 value is a text", body: `{"value":"[]"}`, want: provider.ErrBody},
	{name: "C11 most items", body: batchOf(slices.Repeat([]string{item(1, "a")}, provider.MaxItems)...),
		events: provider.MaxItems},
	{name: "C11 one item too many", body: batchOf(slices.Repeat([]string{item(1, "a")}, provider.MaxItems+1)...),
		want: provider.ErrBody},
	{name: "C19 handshake with notifications", target: "/in/mail?validationToken=x", reply: "x"},

	{name: "V01 control", target: "/in/mail?validationToken=abc", change: withoutState, reply: "abc"},
	{name: "V02 lower case", target: "/in/mail?validationtoken=abc", change: withoutState, reply: "abc"},
	{name: "V03 GET", target: "/in/mail?validationToken=abc", change: method("GET"), want: provider.ErrMethod},
	{name: "V03 HEAD", target: "/in/mail?validationToken=abc", change: method("HEAD"), want: provider.ErrMethod},
	{name: "V05 line break", target: "/in/mail?validationToken=%0d%0aX:%20y", change: withoutState,
		want: provider.ErrBody},
	{name: "V06 NUL", target: "/in/mail?validationToken=%00", change: withoutState, want: provider.ErrBody},
	{name: "V06 C1", target: "/in/mail?validationToken=%C2%85", change: withoutState, want: provider.ErrBody},
	{name: "V06 U+2028", target: "/in/mail?validationToken=%E2%80%A8", change: withoutState, want: provider.ErrBody},
	{name: "V07 1 MiB", target: "/in/mail?validationToken=" + strings.Repeat("a", 1<<20), change: withoutState,
		want: provider.ErrBody},
	{name: "V08 empty", target: "/in/mail?validationToken=", change: withoutState, want: provider.ErrBody},
	{name: "V10 in the body", change: withoutState, body: "validationToken=abc", want: signature.ErrMissing},
	{name: "V12 Accept", target: "/in/mail?validationToken=%3Cb%3E",
		change: func(req *provider.Request) {
			withoutState(req)
			req.Header.Set("Accept", "text/html")
		}, reply: "<b>"},
	{name: "V15 escaped plus", target: "/in/mail?validationToken=abc%2Bdef", change: withoutState, reply: "abc+def"},
	{name: "V16 plus", target: "/in/mail?validationToken=abc+def", change: withoutState, reply: "abc def"},
	{name: "handshake, token after another parameter", target: "/in/mail?x=1&validationToken=abc",
		change: withoutState,
		reply:  "abc"},
	{name: "handshake, correct state", target: "/in/mail?validationToken=abc", reply: "abc"},
	{name: "handshake, empty state", target: "/in/mail?validationToken=abc", change: withState(""), reply: "abc"},
	{name: "handshake, wrong state", target: "/in/mail?validationToken=abc", change: withState("x"),
		want: provider.ErrForbidden},
	{name: "handshake, state twice", target: "/in/mail?validationToken=abc", change: withState(state, state),
		want: signature.ErrMalformed},

	{name: "N01 member twice", refused: 1, events: 1,
		body: batchOf(`{"SubscriptionId":"a","SubscriptionId":"b","ChangeType":"Created"}`, item(1, "a"))},
	{name: "N01 a member that is not read twice", events: 1,
		body: batchOf(`{"SubscriptionId":"a","ChangeType":"Created","Id":1,"Id":2,"ResourceData":{"a":1,"a":2}}`)},
	{name: "N01 value twice", body: `{"value":[],"value":[]}`, want: provider.ErrBody},
	{name: "N12 byte order mark", body: "\uFEFF" + batchOf()},
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
			if !errors.Is(err, c.want) || len(receipt.Events) != c.events || len(receipt.Refused) != c.refused {
				t.Fatalf("got %d events, %d refused, %v, want %d, %d, %v", len(receipt.Events), len(receipt.Refused),
					err, c.events, c.refused, c.want)
			}
			if c.reply != "" && (receipt.Reply == nil || receipt.Reply.Status != 200 ||
				string(receipt.Reply.Body) != c.reply) {
				t.Errorf("got reply %+v, want %q", receipt.Reply, c.reply)
			}
			if c.reply == "" && err == nil && receipt.Status != 200 {
				t.Errorf("got status %d", receipt.Status)
			}
		})
	}
}

func withoutState(req *provider.Request) { req.Header.Del(outlook.StateHeader) }

func withState(states ...string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Header[outlook.StateHeader] = states }
}

func method(name string) func(req *provider.Request) {
	return func(req *provider.Request) { req.Method = name }
}

func open(t testing.TB, more map[string]any) provider.Receiver {
	t.Helper()
	return providertest.Open(t, outlook.Provider{}, providertest.Settings(map[string]any{"client_state": state}, more))
}

// The required members of an item, and the event that its members make.
func TestItems(t *testing.T) {
	for _, c := range []struct{ item, eventType, subject, id string }{
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":3,"Resource":"r"}`, "outlook.Created",
			"r", "a:3"},
		{`{"subscriptionid":"a","CHANGETYPE":"Created","sequenceNumber":3,"resource":"r"}`, "outlook.Created",
			"r", "a:3"},
		{`{"subscriptionId":"x","SubscriptionId":"a","ChangeType":"Created","changeType":"x"}`, "outlook.Created",
			"a", ""},
		// N02
		{`{"\u017fubscriptionId":"x","SubscriptionId":"a","ChangeType":"Created"}`, "outlook.Created", "a", ""}, // N03
		{`{"\u017fubscriptionId":"a","ChangeType":"Created"}`, "", "", ""},
		{`{"SubscriptionId":"a","ChangeType":"Acknowledgment","SequenceNumber":0}`, "outlook.Acknowledgment",
			"a", "a:0"},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":null}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":-1}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":1.0}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":"1"}`, "outlook.Created", "a", ""},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":2147483647}`, "outlook.Created", "a",
			"a:2147483647"},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":9223372036854775807}`, "outlook.Created", "a",
			"a:9223372036854775807"},
		{`{"SubscriptionId":"a","ChangeType":"Created","SequenceNumber":9223372036854775808}`, "outlook.Created",
			"a", ""},
		{`{"SubscriptionId":"gap:a","ChangeType":"Created","SequenceNumber":5}`, "outlook.Created", "gap:a",
			"gap:a:5"},
		{`{"SubscriptionId":"a","ChangeType":"Gap","SequenceNumber":4,"FirstMissing":5,"LastMissing":6}`,
			"outlook.Gap", "a", "gap:a:5-6"},
		{`{"SubscriptionId":"a","ChangeType":"Gap","SequenceNumber":4,"FirstMissing":6,"LastMissing":5}`,
			"outlook.Gap", "a", ""},
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
			receipt, err := open(t, nil).Receive(context.Background(),
				request(state, []byte(`{"`+value+`": [`+c.item+`]}`)))
			switch {
			case err != nil || receipt.Status != 200:
				t.Errorf("%s: %+v, %v", c.item, receipt, err)
			case c.eventType == "":
				if len(receipt.Events) > 0 || len(receipt.Refused) != 1 ||
					!errors.Is(receipt.Refused[0].Err, provider.ErrBody) {
					t.Errorf("%s: %+v, want a refused item", c.item, receipt)
				}
			case len(receipt.Events) != 1 || len(receipt.Refused) > 0:
				t.Errorf("%s: %+v", c.item, receipt)
			default:
				if ev := receipt.Events[0]; ev.Type != c.eventType || ev.Subject != c.subject ||
					ev.ProviderID != c.id || string(ev.Body) != c.item {
					t.Errorf("%s: %+v", c.item, ev)
				}
			}
		}
	}
}

// The bodies of events are parts of the body of the request, not copies.
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

// Section 17 of the forgery list: no changed ClientState header is accepted.
func TestMutants(t *testing.T) {
	random := rand.New(rand.NewPCG(17, 2026))
	long := strings.Repeat("x", microsoft.MaxClientStateLength)
	valid := []string{state, otherState, long, "~"}
	states := map[string]any{"client_state": valid}
	r, body := open(t, states), []byte(batchOf(item(1, "a")))
	for tried := 0; tried < providertest.ManyMutants; {
		values := []string{providertest.Mutant(random, valid)}
		if random.IntN(8) == 0 {
			values = append(values, valid[random.IntN(len(valid))])
		} else if slices.Contains(valid, values[0]) {
			continue
		}
		req := request("", body)
		withState(values...)(req)
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
			t.Errorf("header %q, state %q: %v", value, want, err)
		}
	})
}
