package provider

import (
	"encoding/json"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Fetcher is a provider whose notifications name what changed, and whose API tells what it is like now. The server
// has an action for each: destinations of type "graph.fetch" fetch what the notifications of provider graph name.
type Fetcher interface {
	Provider
	// FetchInfo is constant.
	FetchInfo() FetchInfo
	// OpenFetch checks the settings of a destination: those of FetchInfo and FetchSettings. Its errors are
	// bellhop.CodeInvalid with paths within the settings ("select").
	OpenFetch(settings json.RawMessage) (Fetch, error)
}

// FetchInfo describes the action of a Fetcher.
type FetchInfo struct {
	Summary  string    // one sentence: what it fetches
	Settings []Setting // beside connection and fold
	Width    int       // calls at a time for one FetchPlan.Share; 0 is any number
}

// FetchSettings are the settings that every fetch, and every reading of changes, has.
type FetchSettings struct {
	Connection string `json:"connection"` // name or id
	Fold       string `json:"fold"`       // a length of time, such as "1s"
}

// A Fetch is the provider's part of one destination that fetches. It does not change, and is safe for concurrent use.
type Fetch interface {
	// Common returns the settings that every fetch has.
	Common() FetchSettings
	// Plan says what is to be done for ev, which may be any event.
	Plan(ev *bellhop.Event) FetchPlan
	// Check returns nil if a is the resource of p, as the system has it at now. Otherwise it returns an *APIError: of
	// APIGone if the resource is not there any more.
	Check(a Answer, p FetchPlan, now time.Time) error
	// Version returns what changes with each change of a resource whose JSON is body, such as its ETag; "" if there is
	// nothing of that kind.
	Version(body []byte) string
}

// A FetchPlan says what is to be done for a notification. Of Skip, Refused, Gone, Content and Call one is set.
type FetchPlan struct {
	Resource string // as the notification names it
	Skip     string // why the event is none that names something to fetch
	Refused  string // why the resource is never called; it does not repeat the resource
	Gone     bool   // the notification says that the resource was deleted
	Content  []byte // the resource, in JSON, which the notification had in it
	Call     Call
	// Share names the part of the system that has a limit of its own, such as a mailbox.
	Share string
}

// FetchActionInfo describes the destinations that fetch from f, as far as f and the settings decide.
func FetchActionInfo(f Fetcher) Info {
	of, info := f.Info(), f.FetchInfo()
	return Info{Name: of.Name + ".fetch", Title: "Fetch from " + of.Title, Summary: info.Summary, Links: of.Links,
		SendSettings: append([]Setting{connectionOf(of.Name), FoldSetting}, info.Settings...)}
}

// connectionOf is the setting connection of actions that call the API of a provider.
func connectionOf(provider string) Setting {
	return Setting{Name: "connection", Title: "Connection", Example: "work", Required: true,
		Doc: "The connection of provider `" + provider + "` in whose name the calls are made, by name or id."}
}

// FoldSetting is the setting fold of actions that fetch.
var FoldSetting = Setting{Name: "fold", Title: "Fold", Kind: KindDuration, Example: "5s",
	Doc: "The time between the begins of two fetches of one resource, up to `1h`: notifications that come meanwhile " +
		"share the next fetch. `0s` fetches for each notification. Default: `1s`."}
