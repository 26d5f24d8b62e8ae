package graph_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider/graph"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// TestRepeatKey tests which members identify a repeat, and which items have no key and so are never repeats.
func TestRepeatKey(t *testing.T) {
	key := func(item string) string {
		t.Helper()
		receipt, err := receive(t, settings(state, nil), notification(item))
		if err != nil || len(receipt.Events) != 1 {
			t.Fatalf("%s: %+v, %v", item, receipt, err)
		}
		return receipt.Events[0].ProviderID
	}
	item := func(more string) string {
		return `{"clientState":"` + state + `","subscriptionId":"s","resource":"r","changeType":"updated"` + more + `}`
	}
	const etag = `,"resourceData":{"@odata.etag":"e"}`
	for body, want := range map[string]string{
		item(`,"id":"1"` + etag):               "s|updated|1|e|r",
		item(`,"id":"1"`):                      "s|updated|1||r",
		item(etag):                             "s|updated||e|r",
		item(``):                               "",
		item(`,"id":1,"resourceData":[]`):      "",
		item(`,"id":"","resourceData":{}`):     "",
		item(`,"resourceData":{"id":"r"}`):     "",
		item(`,"lifecycleEvent":"missed"`):     "",
		item(`,"id":"1","lifecycleEvent":"m"`): "s|lifecycle.m|1||r",
	} {
		if got := key(body); got != want {
			t.Errorf("%s: got %q, want %q", body, got, want)
		}
	}
	if got := key(item(`,"id":"` + strings.Repeat("i", 600) + `"`)); len(got) != 64 {
		t.Errorf("a long id: got %q", got)
	}
	keys := map[string]bool{}
	for _, value := range []string{`"none"`, `"i"`, `"s"`, `"r"`, `"e"`, `"updated"`} {
		keys[key(strings.Replace(item(`,"id":"i"`+etag), ":"+value, `:"other"`, 1))] = true
	}
	if len(keys) != 6 {
		t.Errorf("six different notifications have the keys %v", keys)
	}
}

// TestContent tests the event's body for every kind of decrypted resource.
func TestContent(t *testing.T) {
	_, certificate := readContents()[0].parse()
	random := rand.NewChaCha8([32]byte{3})
	for resource, want := range map[string]string{ // "" is refused
		`{"id":"1","n":12345678901234567890,"é":"\u00e9"}`: `{"id":"1","n":12345678901234567890,"é":"\u00e9"}`,
		" {\"a\": [1]}\r\n": `{"a": [1]}`,
		`{}`:                `{}`,
		`[1]`:               `[1]`,
		`"text"`:            `"text"`,
		"{\"a\":\"\xff\"}":  "{\"a\":\"\xff\"}",
		strings.Repeat(`{"a":`, 63) + "1" + strings.Repeat("}", 63): strings.Repeat(`{"a":`, 63) + "1" +
			strings.Repeat("}",
				63),
		strings.Repeat(`{"a":`, 64) + "1" + strings.Repeat("}", 64): strings.Repeat(`{"a":`, 64) + "1" +
			strings.Repeat("}",
				64),
		"\uFEFF{}\n":               "{}",
		`{"a":1,"a":2}`:            `{"a":1,"a":2}`,
		``:                         "",
		` `:                        "",
		`x`:                        "",
		`{"a":1`:                   "",
		`{}{}`:                     "",
		`{}}`:                      "",
		`{},"x":{}`:                "", // would be a member of the item
		`{},"clientState":"x"`:     "",
		`{}},{"changeType":"x"`:    "",
		`1,"content":2`:            "",
		`{},"encryptedContent":{}`: "",
	} {
		sealed, err := graph.Seal(random, []byte(resource), certificate, certificateID)
		if err != nil {
			t.Fatal(err)
		}
		item := richItem(tenant, sealed)
		receipt, err := receive(t, settings(state, nil), rich([]string{goodToken()}, item))
		if err != nil {
			t.Fatalf("%q: %v", resource, err)
		}
		if want == "" {
			if len(receipt.Events) > 0 || len(receipt.Refused) != 1 ||
				codeOf(receipt.Refused[0].Err) != "malformed_body" {
				t.Errorf("%q: got %+v", resource, receipt)
			}
			continue
		}
		wantBody := strings.Replace(item, `"encryptedContent":`+providertest.JSON(sealed), `"content":`+want, 1)
		if len(receipt.Events) != 1 || string(receipt.Events[0].Body) != wantBody {
			t.Errorf("%q: got %+v, want %s", resource, receipt, wantBody)
		}
	}
}

// The position of encryptedContent in an item and all other bytes are kept.
func TestContentInPlace(t *testing.T) {
	more := `"changeType":"created","tenantId":"` + tenant + `","clientState":"` + state + `"`
	for item, want := range map[string]string{
		`{ "encryptedContent" : %s , "a" : [ {"encryptedContent":1} ] , ` + more +
			"}": `{ "content" : %s , "a" : [ {"encryptedContent":1} ] , ` + more + "}",
		"{" + more + `,"a":"content",` + "\t\"encrypted\\u0043ontent\"\n:\r %s\n}": "{" + more + `,"a":"content",` +
			"\t\"content\"\n:\r %s\n}",
	} {
		receipt, err := receive(t, settings(state, nil),
			rich([]string{goodToken()}, fmt.Sprintf(item, providertest.JSON(readContents()[0].Content))))
		want = fmt.Sprintf(want, readContents()[0].Plaintext)
		if err != nil || len(receipt.Events) != 1 || string(receipt.Events[0].Body) != want {
			t.Errorf("got %+v, %v\nwant %s", receipt, err, want)
		}
	}
}

// Certificates are found by id; several may be in use.
func TestCertificates(t *testing.T) {
	keys := map[string]string{}
	var items []string
	var want []string
	for _, v := range readContents() {
		if v.Valid {
			keys[v.Content.CertificateID] = v.Key
			items = append(items, richItem(tenant, v.Content))
			want = append(want, v.Plaintext)
		}
	}
	receipt, err := receive(t, settings(state, map[string]any{"certificates": keys}),
		rich([]string{goodToken()}, items...))
	if err != nil || len(receipt.Events) != 3 {
		t.Fatalf("got %+v, %v", receipt, err)
	}
	for i, ev := range receipt.Events {
		var body struct{ Content json.RawMessage }
		if err := json.Unmarshal(ev.Body, &body); err != nil || string(body.Content) != strings.TrimSpace(want[i]) {
			t.Errorf("got %s, %v, want %s", body.Content, err, want[i])
		}
	}
}

// TestMutants changes valid rich notifications and checks that they are refused. Each is decrypted.
func TestMutants(t *testing.T) {
	_, certificate := readContents()[0].parse()
	random := rand.NewChaCha8([32]byte{4})
	token := goodToken()
	r := open(t, settings(state, nil))
	providertest.Mutants(t, providertest.ManyMutants,
		func(i int) []string {
			c, err := graph.Seal(random, []byte(providertest.JSON(map[string]int{"n": i})), certificate, certificateID)
			if err != nil {
				t.Fatal(err)
			}
			return []string{state, token, c.Data, c.DataSignature, c.DataKey}
		},
		slices.Equal[[]string],
		func(parts []string) bool {
			body := providertest.JSON(map[string]any{"validationTokens": parts[1:2], "value": []any{map[string]any{
				"clientState": parts[0], "changeType": "created", "tenantId": tenant,
				"encryptedContent": graph.EncryptedContent{
					Data: parts[2], DataSignature: parts[3], DataKey: parts[4], CertificateID: certificateID}}}})
			receipt, err := r.Receive(context.Background(), request([]byte(body)))
			return err == nil && len(receipt.Events) > 0
		})
}

// FuzzContent encrypts its input. If that is accepted, the event is the item with exactly this resource, and
// arrives unchanged when it is sent on.
func FuzzContent(f *testing.F) {
	for _, resource := range []string{`{"id":"1"}`, ` [1] `, `{},"x":1`, "{\"a\":\"\xff\"}",
		strings.Repeat(`[`, 63) + strings.Repeat("]", 63)} {
		f.Add([]byte(resource))
	}
	_, certificate := readContents()[0].parse()
	f.Fuzz(func(t *testing.T, resource []byte) {
		sealed, err := graph.Seal(rand.NewChaCha8([32]byte{6}), resource, certificate, certificateID)
		if err != nil {
			t.Fatal(err)
		}
		receipt, err := receive(t, settings(state, nil), rich([]string{goodToken()}, richItem(tenant, sealed)))
		if err != nil {
			t.Fatal(err)
		}
		for i := range receipt.Events {
			ev := &receipt.Events[i]
			want := richItem(tenant, sealed)
			want = strings.Replace(want, `"encryptedContent":`+providertest.JSON(sealed),
				`"content":`+strings.Trim(string(resource), " \t\r\n"), 1)
			if string(ev.Body) != want || ev.Type != "graph.created" {
				t.Fatalf("got %s %q, want %q", ev.Type, ev.Body, want)
			}
			m, err := openSender(t, sendSettings(state, nil)).Render(ev, sending)
			if err != nil {
				t.Fatal(err)
			}
			if again := received(t, settings(state, nil), m.Body)[0]; string(again.Body) != want {
				t.Fatalf("got %q, want %q", again.Body, want)
			}
		}
	})
}
