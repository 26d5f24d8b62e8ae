package subscription_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"log/slog"
	mathrand "math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/subscription"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A year is a provider with a bad day every day: it fails one call in ten, half of them after the effect, and answers
// 429 to one in twenty. It is also the store, in memory, so that a simulated year takes seconds.
type year struct {
	provider.Provider // never called
	subscription.Store

	life time.Duration

	mu       sync.Mutex // guards the fields below
	random   *mathrand.Rand
	quiet    bool                 // no failures
	remotes  map[string]time.Time // expiries by id
	states   map[string]bellhop.SubscriptionState
	alive    time.Time
	calls    int
	renewals []time.Time
	expired  []string
	gaps     int
}

func newYear(life time.Duration) *year {
	return &year{life: life, random: mathrand.New(mathrand.NewPCG(3, 4)), remotes: map[string]time.Time{},
		states: map[string]bellhop.SubscriptionState{}}
}

// The Subscriber.

func (y *year) Info() provider.Info { return provider.Info{Name: "year"} }
func (y *year) SubscribeInfo() provider.SubscribeInfo {
	return provider.SubscribeInfo{Lists: true, Repeats: time.Hour}
}
func (y *year) CheckRegistration(provider.Registration, json.RawMessage) (provider.Terms, error) {
	return provider.Terms{Longest: y.life}, nil
}
func (y *year) OpenSubscriptions(provider.Env, provider.API) provider.Subscriptions { return y }

func (y *year) setQuiet(quiet bool) {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.quiet = quiet
}

// fail returns the failure of this call, if it fails; done reports whether it has its effect all the same.
func (y *year) fail() (err *provider.APIError, done bool) {
	y.calls++
	dice := y.random.Float64()
	switch {
	case y.quiet:
	case dice < 0.05:
		return &provider.APIError{Kind: provider.APITemporary, Status: 500, MaybeDone: true}, true
	case dice < 0.1:
		return &provider.APIError{Kind: provider.APITemporary, Status: 503}, false
	case dice < 0.15:
		return &provider.APIError{Kind: provider.APITemporary, Status: 429,
			RetryAfter: time.Duration(1+y.random.IntN(120)) * time.Second}, false
	}
	return nil, true
}

func (y *year) Create(_ context.Context, r provider.Registration) (provider.Remote, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	failure, done := y.fail()
	made := provider.Remote{ID: "r" + strconv.Itoa(len(y.remotes)), Resource: r.Resource, URL: r.URL,
		ExpiresAt: r.ExpiresAt}
	if done {
		y.remotes[made.ID] = r.ExpiresAt
	}
	if failure != nil {
		return made, failure
	}
	return made, nil
}

func (y *year) Renew(_ context.Context, id string, r provider.Registration) (provider.Remote, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if y.remotes[id].Before(time.Now()) {
		y.expired = append(y.expired, id)
	}
	failure, done := y.fail()
	if done {
		y.remotes[id] = r.ExpiresAt
	}
	if failure != nil {
		return provider.Remote{}, failure
	}
	y.renewals = append(y.renewals, time.Now())
	return provider.Remote{ID: id, ExpiresAt: r.ExpiresAt}, nil
}

func (y *year) Reauthorize(context.Context, string, provider.Registration) error { return nil }
func (y *year) Delete(context.Context, string, provider.Registration) error      { return nil }
func (y *year) ListScope(provider.Registration) string                           { return "" }

func (y *year) Get(_ context.Context, id string, _ provider.Registration) (provider.Remote, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if failure, _ := y.fail(); failure != nil {
		return provider.Remote{}, failure
	}
	return provider.Remote{ID: id, ExpiresAt: y.remotes[id]}, nil
}

func (y *year) List(context.Context, provider.Registration) ([]provider.Remote, error) {
	y.mu.Lock()
	defer y.mu.Unlock()
	if failure, _ := y.fail(); failure != nil {
		return nil, failure
	}
	list := make([]provider.Remote, 0, len(y.remotes))
	for id, expiresAt := range y.remotes {
		list = append(list, provider.Remote{ID: id, ExpiresAt: expiresAt})
	}
	return list, nil
}

// The store.

func (y *year) Subscriptions(context.Context, bellhop.SubscriptionFilter, bellhop.Page) ([]bellhop.Subscription,
	string, error) {
	return nil, "", nil
}
func (y *year) SettleCalls(context.Context, string) error { return nil }
func (y *year) SourceNotes(context.Context) (map[string]bellhop.SourceNotes, error) {
	return nil, nil
}
func (y *year) GapsToAnnounce(context.Context) ([]bellhop.Gap, error) { return nil, nil }
func (y *year) GapAnnounced(context.Context, bellhop.Gap) error       { return nil }
func (y *year) Spoken(context.Context, map[string]time.Time) error    { return nil }
func (y *year) SubscriptionCalls(context.Context, string) ([]bellhop.SubscriptionCall, error) {
	return nil, nil
}
func (y *year) Alive(_ context.Context, at time.Time) (time.Time, error) {
	before := y.alive
	y.alive = at
	return before, nil
}
func (y *year) CreateSubscription(_ context.Context, s bellhop.Subscription) error {
	return y.SaveSubscription(context.Background(), s, bellhop.SubscriptionNote{})
}
func (y *year) SaveSubscription(_ context.Context, s bellhop.Subscription, note bellhop.SubscriptionNote) error {
	y.mu.Lock()
	defer y.mu.Unlock()
	y.states[s.ID] = s.State
	if note.Gap != nil {
		y.gaps++
	}
	return nil
}

// API is never used.
func (y *year) API(context.Context, string) (provider.API, error) { return nil, nil }

func (y *year) manager(lookEvery time.Duration) *subscription.Manager {
	m := subscription.New(subscription.Options{Store: y, Connections: y, Providers: []provider.Provider{y},
		PublicURL: "https://hooks.example.com", Now: time.Now, Rand: rand.Reader, LookEvery: lookEvery,
		Jitter: mathrand.New(mathrand.NewPCG(5, 6)), Logger: slog.New(slog.DiscardHandler)})
	var sources []bellhop.Source
	for i := range 50 {
		sources = append(sources, bellhop.Source{ID: fmt.Sprint("src_", i), Name: fmt.Sprint("watch-", i),
			Provider: "year"})
	}
	m.SetSources(sources)
	return m
}

// fill creates n subscriptions at once, of connections with two hundred each.
func (y *year) fill(t testing.TB, m *subscription.Manager, n int) {
	y.setQuiet(true)
	for i := range n {
		sub := bellhop.Subscription{ID: fmt.Sprint("sub_", i), Name: fmt.Sprint("s", i), Provider: "year",
			SourceID:     fmt.Sprint("src_", i/200),
			ConnectionID: fmt.Sprint("con_", i/200), Resource: "/r", CreatedAt: time.Now(), UpdatedAt: time.Now()}
		if _, err := m.Create(t.Context(), sub); err != nil {
			t.Fatal(err)
		}
	}
	y.setQuiet(false)
}

// simulateYear lets a year pass for n subscriptions that were made at the same time, and checks that none expired and
// that the renewals are spread evenly. The manager looks at the clock each lookEvery; 0 is its usual time.
func simulateYear(t *testing.T, n int, lookEvery time.Duration) {
	synctest.Test(t, func(t *testing.T) {
		y := newYear(29 * 24 * time.Hour)
		m := y.manager(lookEvery)
		if err := m.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- m.Run(ctx) }()
		y.fill(t, m, n)
		begin := time.Now()
		time.Sleep(365 * 24 * time.Hour)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		if len(y.expired) > 0 || y.gaps > 0 || len(y.remotes) != n {
			t.Errorf("%d expired, %d gaps, %d registrations", len(y.expired), y.gaps, len(y.remotes))
		}
		for id, state := range y.states {
			if !state.Live() {
				t.Errorf("%s is %s", id, state)
			}
		}
		// From the second month on, a day has as many renewals as another, within six standard deviations.
		days := make([]int, 365)
		for _, at := range y.renewals {
			days[min(364, int(at.Sub(begin)/(24*time.Hour)))]++
		}
		settled := days[60:364]
		mean := 0
		for _, count := range settled {
			mean += count
		}
		mean /= len(settled)
		slices.Sort(settled)
		least, most := settled[0], settled[len(settled)-1]
		t.Logf("%d subscriptions, %d calls, %d renewals; of a day: mean %d, least %d, most %d", n, y.calls,
			len(y.renewals), mean, least, most)
		if bound := 6 * sqrt(mean); most-mean > bound || mean-least > bound {
			t.Errorf("renewals of a day: mean %d, least %d, most %d", mean, least, most)
		}
		if perHour := float64(y.calls) / (365 * 24); perHour > float64(n)/100 {
			t.Errorf("%.1f calls an hour", perHour)
		}
	})
}

func sqrt(n int) int {
	root := 0
	for root*root < n {
		root++
	}
	return root
}

// TestYear is a year of sixty subscriptions; TestStressYear is one of ten thousand.
func TestYear(t *testing.T) {
	t.Parallel()
	simulateYear(t, 60, 15*time.Minute)
}

// BenchmarkSweep compares 10,000 subscriptions of 50 connections with the lists of their provider, as is done once a
// day. It reports the share of one CPU that this takes.
func BenchmarkSweep(b *testing.B) {
	y := newYear(29 * 24 * time.Hour)
	m := y.manager(0)
	y.fill(b, m, 10_000)
	y.setQuiet(true)
	b.ResetTimer()
	for range b.N {
		swept, err := m.Sync(b.Context())
		if err != nil || swept.Found != 10_000 {
			b.Fatalf("%+v, %v", swept, err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)/(24*60*60)*100, "cpu-%")
}

// BenchmarkRenew renews one subscription among 10,000: two writes to a store in memory, and a call that costs nothing.
func BenchmarkRenew(b *testing.B) {
	y := newYear(29 * 24 * time.Hour)
	m := y.manager(0)
	y.fill(b, m, 10_000)
	y.setQuiet(true)
	b.ResetTimer()
	for range b.N {
		if _, err := m.Renew(b.Context(), "sub_17"); err != nil {
			b.Fatal(err)
		}
	}
}
