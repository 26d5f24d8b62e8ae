package sharepoint_test

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
	"github.com/bellhop-gateway/bellhop/provider/sharepoint"
	"github.com/bellhop-gateway/bellhop/signature"
)

// Cases of sections 9 and 10 of the forgery list, by their numbers; section 15 is in providertest. Decided
// differently, or tested elsewhere:
//
//	C04 to C07, C16              only the item is refused; the request is answered 200, as SharePoint asks
//	C11  1,001 items             accepted: the bound is 5,000
//	C12  unknown subscriptionId  accepted: a source has states, not subscriptions
//	C14  another tenantId        accepted: a sender that has the state could send the right tenant too
//	C17  constant time           the comparison is signature.EqualToken
//	V11  headers of the reply    set by the server, equal for each handshake
//	V13  unexpected handshake    answered: the service may ask at any time; the notes say so
//	V20 to V32                   handshakes of other systems
//	R01 and R04, repeats         new events: a notification has no id, and receivers ask the list for its changes
//	R05  at another source       accepted if both sources have the same state: it does not cover the URL
var forgeries = []struct {
	name     string
	settings map[string]any // in addition to client_state
	target   string         // "" is /in/lists
	header   []string       // values of ClientState
	method   string         // "" is POST
	body     string         // "" is one good notification
	want     error
	events   int
	refused  []error // the errors of refused items
	reply    string
}{
	{name: "C01 header and item", header: []string{state}, events: 1},
	{name: "C01 header alone", header: []string{state}, body: batchOf(item(nil)), events: 1},
	{name: "C01 header alone, item empty", header: []string{state}, body: batchOf(item("")), events: 1},
	{name: "C01 header alone, item without", header: []string{state}, body: batchOf(withoutState), events: 1},
	{name: "C02 item alone", events: 1},
	{name: "C02 item, empty header", header: []string{""}, events: 1},
	{name: "C04 state is null", body: batchOf(item(nil)), refused: []error{signature.ErrMissing}},
	{name: "C04 empty state", body: batchOf(item("")), refused: []error{signature.ErrMissing}},
	{name: "C04 state absent", body: batchOf(withoutState), refused: []error{signature.ErrMissing}},
	{name: "C05 state absent, unauthenticated", settings: map[string]any{"client_state": nil, "unauthenticated": true},
		body: batchOf(withoutState), events: 1},
	{name: "C05 any state, unauthenticated", settings: map[string]any{"client_state": nil, "unauthenticated": true},
		header: []string{"x"}, body: batchOf(item("y"), item(1)), events: 2},
	{name: "C06 prefix of the state", body: batchOf(item(state[:35])), refused: []error{provider.ErrForbidden}},
	{name: "C06 state and one more character", body: batchOf(item(state + "9")),
		refused: []error{provider.ErrForbidden}},
	{name: "C07 lower case", body: batchOf(item(strings.ToLower(state))), refused: []error{provider.ErrForbidden}},
	{name: "C09 bad item, good item", body: batchOf(item("x"), item(state)), events: 1,
		refused: []error{provider.ErrForbidden}},
	{name: "C09 good item, bad item", body: batchOf(item(state), item("x")), events: 1,
		refused: []error{provider.ErrForbidden}},
	{name: "C09 header good, item bad", header: []string{state}, body: batchOf(item("x")),
		refused: []error{provider.ErrForbidden}},
	{name: "C09 header bad, item good", header: []string{"x"}, want: provider.ErrForbidden},
	{name: "header twice", header: []string{state, state}, want: signature.ErrMalformed},
	{name: "header before body", header: []string{"x"}, body: "no JSON", want: provider.ErrForbidden},
	{name: "method before state", header: []string{"x"}, method: "PUT", want: provider.ErrMethod},
	{name: "C10 no items", body: `{"value":[]}`},
	{name: "C11 value is null", body: `{"value":null}`},
	{name: "C11 value missing", body: `{}`, want: provider.ErrBody},
	{name: "C11 value is a text", body: `{"value":"[]"}`, want: provider.ErrBody},
	{name: "C11 most items", header: []string{state},
		body: batchOf(slices.Repeat([]string{withoutState}, provider.MaxItems)...), events: provider.MaxItems},
	{name: "C11 one item too many", header: []string{state},
		body: batchOf(slices.Repeat([]string{withoutState}, provider.MaxItems+1)...), want: provider.ErrBody},
	{name: "C15 state of 255 characters", settings: map[string]any{"client_state": longState},
		body: batchOf(item(longState)), events: 1},
	{name: "C16 state is a number", body: batchOf(item(1)), refused: []error{provider.ErrForbidden}},
	{name: "C16 state is a number, header good", header: []string{state}, body: batchOf(item(1)),
		refused: []error{provider.ErrForbidden}},
	{name: "C16 array of the state", header: []string{state}, body: batchOf(item([]string{state})),
		refused: []error{provider.ErrForbidden}},
	{name: "C16 state is false", body: batchOf(item(false)), refused: []error{provider.ErrForbidden}},
	{name: "C19 handshake with notifications", target: "/in/lists?validationtoken=x", reply: "x"},
	{name: "state outside value", body: `{"clientState":"` + state + `","value":[` + item(nil) + `]}`,
		refused: []error{signature.ErrMissing}},
	{name: "state in a nested object",
		body:    batchOf(strings.Replace(item(nil), `"resource"`, `"x":{"clientState":"`+state+`"},"resource"`, 1)),
		refused: []error{signature.ErrMissing}},
	{name: "state before subscriptionId", body: batchOf(`{"clientState":"x"}`),
		refused: []error{provider.ErrForbidden}},
	{name: "no subscriptionId", body: batchOf(`{"clientState":"` + state + `"}`), refused: []error{provider.ErrBody}},
	{name: "items are not objects", header: []string{state}, body: batchOf("null", "1", "[]"),
		refused: []error{provider.ErrBody, provider.ErrBody, provider.ErrBody}},

	{name: "V01 control", target: "/in/lists?validationtoken=abc", reply: "abc"},
	{name: "V02 camel case", target: "/in/lists?validationToken=abc", reply: "abc"},
	{name: "V03 GET", target: "/in/lists?validationtoken=abc", method: "GET", want: provider.ErrMethod},
	{name: "V05 line break", target: "/in/lists?validationtoken=%0d%0aX:%20y", want: provider.ErrBody},
	{name: "V06 NUL", target: "/in/lists?validationtoken=%00", want: provider.ErrBody},
	{name: "V06 C1", target: "/in/lists?validationtoken=%C2%85", want: provider.ErrBody},
	{name: "V06 U+2028", target: "/in/lists?validationtoken=%E2%80%A8", want: provider.ErrBody},
	{name: "V07 1 MiB", target: "/in/lists?validationtoken=" + strings.Repeat("a", 1<<20), want: provider.ErrBody},
	{name: "V08 empty", target: "/in/lists?validationtoken=", want: provider.ErrBody},
	{name: "V10 in the body", body: "validationtoken=abc", want: provider.ErrBody},
	{name: "V15 escaped plus", target: "/in/lists?validationtoken=abc%2Bdef", reply: "abc+def"},
	{name: "V16 plus", target: "/in/lists?validationtoken=abc+def", reply: "abc def"},
	{name: "handshake, correct state", target: "/in/lists?validationtoken=abc", header: []string{state}, reply: "abc"},
	{name: "handshake, wrong state", target: "/in/lists?validationtoken=abc", header: []string{"x"},
		want: provider.ErrForbidden},
	{name: "handshake, state twice", target: "/in/lists?validationtoken=abc", header: []string{state, state},
		want: signature.ErrMalformed},
	{name: "strict handshake", settings: strict, target: "/in/lists?validationtoken=abc", header: []string{state},
		reply: "abc"},
	{name: "strict handshake, no state", settings: strict, target: "/in/lists?validationtoken=abc",
		want: signature.ErrMissing},
	{name: "strict handshake, empty state", settings: strict, target: "/in/lists?validationtoken=abc",
		header: []string{""}, want: signature.ErrMissing},
	{name: "strict_handshake does not affect notifications", settings: strict, events: 1},

	{name: "N01 state twice",
		body:    batchOf(`{"subscriptionId":"a","clientState":"x","clientState":"`+state+`"}`, item(state)),
		refused: []error{provider.ErrBody}, events: 1},
	{name: "N01 a member that is not read twice", events: 1,
		body: batchOf(`{"subscriptionId":"a","clientState":"` + state + `","webId":"a","webId":{"a":1,"a":2}}`)},
	{name: "N02 state in another case", body: batchOf(`{"subscriptionId":"a","ClientState":"` + state + `"}`),
		refused: []error{signature.ErrMissing}},
	{name: "N02 state in another case and in its own",
		body:    batchOf(`{"subscriptionId":"a","ClientState":"` + state + `","clientState":"x"}`),
		refused: []error{provider.ErrForbidden}},
	{name: "N12 byte order mark", body: "\uFEFF" + batchOf()},
}

const withoutState = `{"subscriptionId":"a8e6d5e6-9f7f-497a-b97f-8ffe8f559dc7",` +
	`"resource":"5c77031a-9621-4dfc-bb5d-57803a94e91d"}`

var (
	longState = strings.Repeat("s", microsoft.MaxClientStateLength)
	strict    = map[string]any{"strict_handshake": true}
)

func TestForgery(t *testing.T) {
	for _, c := range forgeries {
		t.Run(c.name, func(t *testing.T) {
			if c.body == "" {
				c.body = batchOf(item(state))
			}
			req := request(c.body)
			req.Header[sharepoint.StateHeader] = c.header
			if c.target != "" {
				req.Target = c.target
			}
			if c.method != "" {
				req.Method = c.method
			}
			receipt, err := open(t, c.settings).Receive(context.Background(), req)
			if !errors.Is(err, c.want) || len(receipt.Events) != c.events || len(receipt.Refused) != len(c.refused) {
				t.Fatalf("got %d events, %d refused, %v; want %d, %d, %v", len(receipt.Events), len(receipt.Refused),
					err, c.events, len(c.refused), c.want)
			}
			for i, want := range c.refused {
				if got := receipt.Refused[i].Err; !errors.Is(got, want) {
					t.Errorf("item refused with %v, want %v", got, want)
				}
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

func open(t testing.TB, more map[string]any) provider.Receiver {
	t.Helper()
	return providertest.Open(t, sharepoint.Provider{},
		providertest.Settings(map[string]any{"client_state": state}, more))
}

func TestSettings(t *testing.T) {
	for raw, path := range map[string]string{
		`{}`: "client_state", `{"unauthenticated":false}`: "client_state", `{"client_state":"é"}`: "client_state",
		`{"client_state":"a","unauthenticated":true}`:      "unauthenticated",
		`{"unauthenticated":true,"strict_handshake":true}`: "strict_handshake",
		`{"client_state":["a","` + longState + `x"]}`:      "client_state[1]",
		`{"client_state":["a","b","c","d","e"]}`:           "client_state",
		`{"client_state":"a","strict_handshake":"yes"}`:    "strict_handshake",
		`{"client_state":"a","no_such":true}`:              "no_such",
	} {
		_, err := sharepoint.Provider{}.Open(provider.Env{}, []byte(raw))
		providertest.CheckPath(t, raw, err, path)
	}
}

// The indices of the refused items are reported, and the bodies of events are parts of the body of the request, not
// copies.
func TestMixedItems(t *testing.T) {
	req := request(batchOf(item("x"), item(state), "null", item(state)))
	receipt, err := open(t, nil).Receive(context.Background(), req)
	if err != nil || len(receipt.Events) != 2 || len(receipt.Refused) != 2 || receipt.Refused[0].Index != 0 ||
		receipt.Refused[1].Index != 2 {
		t.Fatalf("%+v, %v", receipt, err)
	}
	start := bytes.LastIndex(req.Body, []byte(item(state)))
	if &receipt.Events[1].Body[0] != &req.Body[start] {
		t.Error("the last body is a copy")
	}
	if receipt.Events[1].ProviderID != "" {
		t.Error("the event has a ProviderID, so that two changes would be one event")
	}
}

// Section 17 of the forgery list: no changed state in the header or in an item is accepted.
func TestMutants(t *testing.T) {
	random := rand.New(rand.NewPCG(17, 2026))
	valid := []string{state, otherState, longState, "~"}
	r := open(t, map[string]any{"client_state": valid})
	for tried := 0; tried < providertest.ManyMutants; {
		mutant := providertest.Mutant(random, valid)
		if mutant == "" || slices.Contains(valid, mutant) {
			continue
		}
		good := valid[random.IntN(len(valid))]
		var req *provider.Request
		switch random.IntN(4) {
		case 0:
			req = request(batchOf(item(mutant)))
		case 1:
			req = request(batchOf(item(mutant)))
			req.Header[sharepoint.StateHeader] = []string{good}
		case 2:
			req = request(batchOf(item(good)))
			req.Header[sharepoint.StateHeader] = []string{mutant}
		default:
			req = request(batchOf(item(good)))
			req.Header[sharepoint.StateHeader] = []string{good, mutant}
		}
		if receipt, err := r.Receive(context.Background(), req); err == nil &&
			(len(receipt.Events) > 0 || len(receipt.Refused) != 1) {
			t.Fatalf("PCG 17, 2026: %q is accepted: %s", mutant, req.Body)
		}
		tried++
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(state, otherState)
	f.Add("", "")
	f.Add(state+"\x00", "a")
	f.Fuzz(func(t *testing.T, value, want string) {
		equal := value == want && value != ""
		if err := sharepoint.VerifyHeader(http.Header{sharepoint.StateHeader: {value}}, want); (err == nil) != equal {
			t.Errorf("header %q, state %q: %v", value, want, err)
		}
		if err := sharepoint.VerifyItem(value, want); (err == nil) != equal {
			t.Errorf("item %q, state %q: %v", value, want, err)
		}
	})
}
