package sns_test

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"reflect"
	"slices"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider/sns"
)

// TestMutants changes the samples in one to four places and has nothing accepted of which a signed member differs.
func TestMutants(t *testing.T) {
	const mutants = 10_000
	random := rand.New(rand.NewPCG(3, 17))
	r := open(t, func(req *http.Request) *http.Response {
		if req.URL.String() != certURL {
			return answer(404, "")
		}
		return answer(200, certificate)
	}, onlyOrders)
	var good [][]byte
	for _, name := range []string{"notification", "notification-without-subject", "subscription-confirmation",
		"unsubscribe-confirmation"} {
		good = append(good, []byte(sample(name)))
	}
	accepted := 0
	for range mutants {
		from := good[random.IntN(len(good))]
		body := slices.Clone(from)
		for range 1 + random.IntN(4) {
			body = mutate(random, body, good[random.IntN(len(good))])
		}
		receipt, err := r.Receive(context.Background(), request(body))
		if err != nil {
			continue
		}
		accepted++ // a member that is not signed, or a blank
		if !slices.ContainsFunc(good, func(g []byte) bool {
			return reflect.DeepEqual(signedMembers(body),
				signedMembers(g))
		}) {
			t.Fatalf("accepted as %+v: %s", receipt, body)
		}
	}
	if accepted > mutants/2 {
		t.Errorf("%d of %d mutants mean the same", accepted, mutants)
	}
}

func signedMembers(body []byte) map[string]any {
	var m map[string]any
	if json.Unmarshal(body, &m) != nil {
		return nil
	}
	for _, name := range []string{"UnsubscribeURL", "SigningCertURL", "SignatureVersion", "Signature"} {
		delete(m, name)
	}
	if m["Type"] == "Notification" {
		delete(m, "Token")
		delete(m, "SubscribeURL")
	} else {
		delete(m, "Subject")
	}
	for name := range m {
		if !slices.Contains([]string{"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "Token",
			"SubscribeURL"}, name) || m[name] == nil {
			delete(m, name)
		}
	}
	return m
}

func mutate(random *rand.Rand, body, other []byte) []byte {
	i := random.IntN(len(body) + 1)
	switch random.IntN(6) {
	case 0:
		if i < len(body) {
			body[i] ^= 1 << random.IntN(8)
		}
		return body
	case 1:
		return slices.Insert(body, i, byte(random.IntN(256)))
	case 2:
		return slices.Delete(body, min(i, len(body)-1), min(i+1+random.IntN(3), len(body)))
	case 3: // a part of another message at the same place
		j := min(i+random.IntN(200), len(body), len(other))
		if i < j {
			copy(body[i:j], other[i:j])
		}
		return body
	case 4:
		return append(body[:i:i], other[min(i, len(other)):]...)
	}
	return body[:max(1, i)]
}

func FuzzVerify(f *testing.F) {
	for _, name := range []string{"notification", "subscription-confirmation"} {
		f.Add([]byte(sample(name)))
	}
	f.Add([]byte(`{"Type":"Notification"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		if sns.Verify(body, &key.PublicKey) == nil {
			again, err := sns.Sign(body, key)
			var m map[string]any
			if err != nil || json.Unmarshal(body, &m) != nil || m["Signature"] != again {
				t.Errorf("verifies, but is not what we sign: %v", err)
			}
		}
	})
}
