package outlook_test

import (
	"cmp"
	"context"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/bellhop-gateway/bellhop/provider"
)

// keys receives a request with these numbers of a subscription, and returns the ProviderIDs of its events without the
// name of the subscription.
func keys(t testing.TB, r provider.Receiver, subscription string, batch ...int) string {
	t.Helper()
	var list []string
	for _, ev := range receive(t, r, numbered(subscription, batch...)).Events {
		list = append(list, strings.Replace(ev.ProviderID, subscription+":", "", 1))
	}
	return strings.Join(list, " ")
}

func numbered(subscription string, batch ...int) string {
	var items []string
	for _, n := range batch {
		items = append(items, fmt.Sprintf(`{"SubscriptionId":"%s","ChangeType":"Created","SequenceNumber":%d}`,
			subscription, n))
	}
	return batchOf(items...)
}

func receive(t testing.TB, r provider.Receiver, body string) provider.Receipt {
	t.Helper()
	receipt, err := r.Receive(context.Background(), request(state, []byte(body)))
	if err != nil || len(receipt.Refused) > 0 {
		t.Fatalf("%s: %+v, %v", body, receipt, err)
	}
	return receipt
}

func TestGaps(t *testing.T) {
	for _, c := range []struct {
		name    string
		batches [][]int
		all     string
		batch   string // "" is the same as all
		none    string // "" is the same as all
	}{
		{name: "none", batches: [][]int{{1}, {2}, {3, 4}}, all: "1|2|3 4"},
		{name: "first number is not checked", batches: [][]int{{7}, {8}}, all: "7|8"},
		{name: "within a request", batches: [][]int{{4, 7}}, all: "4 gap:5-6 7", none: "4 7"},
		{name: "between requests", batches: [][]int{{1}, {4}, {5}}, all: "1|gap:2-3 4|5", batch: "1|4|5",
			none: "1|4|5"},
		{name: "within a request and between requests", batches: [][]int{{1}, {4, 7}, {8}},
			all: "1|gap:2-3 4 gap:5-6 " +
				"7|8", batch: "1|4 gap:5-6 7|8",
			none: "1|4 7|8"},
		{name: "a repeated request", batches: [][]int{{1}, {4}, {5}, {4}}, all: "1|gap:2-3 4|5|gap:2-3 4",
			batch: "1|4|5|4", none: "1|4|5|4"},
		{name: "missing numbers arrive late", batches: [][]int{{1}, {4}, {2}, {3}, {5}}, all: "1|gap:2-3 4|2|3|5",
			batch: "1|4|2|3|5", none: "1|4|2|3|5"},
		{name: "lower and equal numbers", batches: [][]int{{5, 5, 3, 4, 6}}, all: "5 5 3 4 6"},
		{name: "missing number arrives late in the request", batches: [][]int{{5, 7, 6}}, all: "5 gap:6-6 7 6",
			none: "5 7 6"},
		{name: "from 0", batches: [][]int{{0}, {1}, {3}}, all: "0|1|gap:2-2 3", batch: "0|1|3", none: "0|1|3"},
	} {
		for _, setting := range []struct{ gaps, want string }{{"", c.all}, {"all", c.all},
			{"batch", cmp.Or(c.batch, c.all)}, {"none", cmp.Or(c.none, c.all)}} {
			r := open(t, map[string]any{"gaps": setting.gaps})
			var got []string
			for _, batch := range c.batches {
				got = append(got, keys(t, r, "sub==", batch...))
			}
			if got := strings.Join(got, "|"); got != setting.want {
				t.Errorf("%s, gaps %q: got %s, want %s", c.name, setting.gaps, got, setting.want)
			}
		}
	}
}

func TestGapSettings(t *testing.T) {
	for _, raw := range []string{`{"client_state":"x","gaps":"some"}`, `{"client_state":"x","unauthenticated":true}`,
		`{"gaps":"all"}`, `{"unauthenticated":false}`} {
		if _, err := (testCase(t).Provider).Open(provider.Env{}, []byte(raw)); err == nil {
			t.Errorf("%s is accepted", raw)
		}
	}
}

// Gaps are detected for each subscription separately.
func TestGapsOfTwoSubscriptions(t *testing.T) {
	r := open(t, nil)
	items := func(text string) string { return strings.TrimSuffix(strings.TrimPrefix(text, `{"value":[`), `]}`) }
	mixed := batchOf(items(numbered("a", 1)), items(numbered("b", 9)), items(numbered("a", 2)),
		items(numbered("b", 11)))
	var got []string
	for _, ev := range receive(t, r, mixed).Events {
		got = append(got, ev.ProviderID)
	}
	if want := []string{"a:1", "b:9", "a:2", "gap:b:10-10", "b:11"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := keys(t, r, "a", 3) + "|" + keys(t, r, "b", 14); got != "3|gap:12-13 14" {
		t.Errorf("then %s", got)
	}
}

// A forwarded gap keeps its numbers and its key.
func TestForwardedGap(t *testing.T) {
	r := open(t, nil)
	first := receive(t, r, numbered("a", 1, 4))
	var items []string
	for _, ev := range first.Events {
		items = append(items, string(ev.Body))
	}
	again := receive(t, open(t, nil), batchOf(items...))
	if len(again.Events) != 3 || !reflect.DeepEqual(first, again) {
		t.Errorf("received %+v, want %+v", again, first)
	}
}

// The memory is bounded: it forgets the subscriptions that have been quiet the longest, and then accepts their next
// number without a check.
func TestMemoryIsBounded(t *testing.T) {
	r := open(t, nil)
	keys(t, r, "first", 1)
	for i := range 4095 {
		keys(t, r, strconv.Itoa(i), 1)
	}
	if got := keys(t, r, "first", 3); got != "gap:2-2 3" {
		t.Errorf("after 4,096 subscriptions: %s", got)
	}
	for i := range 3 * 4096 {
		keys(t, r, "other"+strconv.Itoa(i), 1)
	}
	if got := keys(t, r, "first", 9); got != "9" {
		t.Errorf("after many more subscriptions: %s", got)
	}
	long := strings.Repeat("s", 100_000)
	if got := keys(t, r, long, 1); len(got) != 64 {
		t.Errorf("key of a long subscription: %.100s", got)
	}
	if got := receive(t, r, numbered(long, 3)).Events[0]; len(got.ProviderID) != 64 || len(got.Subject) != 1024 ||
		got.Type != "outlook.Gap" {
		t.Errorf("gap of a long subscription: %+v", got)
	}
}

// FuzzGaps: a request that is repeated at once makes the same events, and one that is repeated later makes no new
// ones.
func FuzzGaps(f *testing.F) {
	f.Add([]byte{1, 2, 4, 0, 7, 3, 0, 9})
	f.Add([]byte{200, 1, 0, 200, 0, 100, 150})
	f.Fuzz(func(t *testing.T, numbers []byte) {
		r := open(t, nil)
		var requests []string
		for batch := range strings.SplitSeq(string(numbers[:min(len(numbers), 64)]), "\x00") {
			var list []int
			for i := range len(batch) {
				list = append(list, int(batch[i]))
			}
			requests = append(requests, numbered("a", list...))
		}
		seen := map[string]bool{}
		for _, req := range requests {
			first := receive(t, r, req)
			if again := receive(t, r, req); !reflect.DeepEqual(first, again) {
				t.Fatalf("%s: the repeat made %+v, the request %+v", req, again, first)
			}
			for _, ev := range first.Events {
				seen[ev.ProviderID] = true
			}
		}
		for _, req := range requests {
			for _, ev := range receive(t, r, req).Events {
				if !seen[ev.ProviderID] {
					t.Errorf("%s: %s is new", req, ev.ProviderID)
				}
			}
		}
	})
}

// A gap that concurrent requests find has one key.
func TestConcurrentGaps(t *testing.T) {
	r := open(t, nil)
	keys(t, r, "a", 1)
	var group sync.WaitGroup
	for range 8 {
		group.Go(func() {
			if got := keys(t, r, "a", 5); got != "gap:2-4 5" {
				t.Errorf("got %s", got)
			}
		})
	}
	group.Wait()
}
