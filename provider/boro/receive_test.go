package boro_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/boro"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

func TestParse(t *testing.T) {
	got, err := boro.Parse([]byte(providertest.ReadFile(t, "testdata/samples/cleared.json")))
	if err != nil {
		t.Fatal(err)
	}
	if string(got.CountByPIDs) == "" || got.Details != nil {
		t.Errorf("got %s and %s", got.CountByPIDs, got.Details)
	}
	got.CountByPIDs = nil
	want := boro.Notification{
		Version: "1.1", SequenceID: "666", ReferenceNumber: "9300211", Project: "Contoso Broadcast",
		Probe: "Probe North 2",
		Task:  "News DASH", TaskURI: "http://origin.example.net:8080/live/news.mpd",
		SubtaskURI:         "http://origin.example.net:8080/live/news_1080p",
		SubtaskDescription: "video(news_1080p 6 Mb/s: 1920x1080, avc1.640028)", Trigger: "Timestamp Discontinuity",
		Status: boro.StatusCleared,
		Level:  "major", Time: "2026-11-22T15:16:38.849+07:00", TimeEnd: "2026-11-22T15:16:39.743+07:00",
		Duration: "1 s", Profile: "Night shift", Count: "3",
		Links: []boro.Link{
			{Type: "task", Href: "http://boro.example.com/projects/7/apps/41/tasks/9001"},
			{Type: "subtask", Href: "http://boro.example.com/projects/7/apps/41/tasks/9002"},
			{Type: "profile", Href: "http://boro.example.com/projects/7/profiles?notif_id=265"},
		},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestParseMembers(t *testing.T) {
	for body, want := range map[string]boro.Notification{
		`{}`:                                                         {},
		`{"status":7,"level":null}`:                                  {},
		`{"pid":1001,"count":"17"}`:                                  {PID: "1001", Count: "17"},
		`{"pid":"0x3e9","count":-1}`:                                 {Count: "-1"},
		`{"sequenceId":1.5,"referenceNumber":1e3}`:                   {},
		`{"sequenceId":123456789012345678901,"pid":""}`:              {},
		`{"sequenceId":12345678901234567890}`:                        {SequenceID: "12345678901234567890"},
		`{"Status":"Active","STATUS":"Active"}`:                      {},
		"\uFEFF{\"a\":1,\"a\":{\"b\":1,\"b\":2}}":                    {},
		`{"links":{"type":"task"}}`:                                  {},
		`{"links":[1,null,{"type":"task"},{"href":1,"type":[]}]}`:    {Links: []boro.Link{{Type: "task"}, {}}},
		`{"links":[` + strings.Repeat(`{"type":"x"},`, 100) + `{}]}`: {Links: manyLinks()},
		`{"status":"\u0041ctive","unknown":[{}]}`:                    {Status: boro.StatusActive},
		`{"count_by_pids":[{"1001":3}],"details":{"source_ip":"::"}}`: {CountByPIDs: []byte(`[{"1001":3}]`),
			Details: []byte(`{"source_ip":"::"}`)},
	} {
		got, err := boro.Parse([]byte(body))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%.60s: got %+v, %v", body, got, err)
		}
	}
	for _, body := range []string{"", "null", "[]", "1", `{"status":"Active","status":"Active"}`,
		`{"links":[],"links":[]}`, "{", "\uFEFF"} {
		if _, err := boro.Parse([]byte(body)); !errors.Is(err, provider.ErrBody) {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func manyLinks() (links []boro.Link) {
	for range 32 {
		links = append(links, boro.Link{Type: "x"})
	}
	return links
}

// FuzzParse: Parse accepts body or returns provider.ErrBody, and gives the same result twice.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"active", "cleared", "event", "active-http-error-details"} {
		f.Add([]byte(providertest.ReadFile(f, "testdata/samples/"+name+".json")))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		n, err := boro.Parse(body)
		if err != nil && !errors.Is(err, provider.ErrBody) {
			t.Fatal(err)
		}
		if again, _ := boro.Parse(body); !reflect.DeepEqual(n, again) {
			t.Errorf("%+v, then %+v", n, again)
		}
	})
}

// TestPair: the Active and the Cleared of one alarm have the same subject, and neither is a repeat of the other. A
// number that is used again at another time is not a repeat either.
func TestPair(t *testing.T) {
	event := func(body string) bellhop.Event {
		receipt, err := open(t, nil).Receive(t.Context(), sign(newKey(0), providertest.Now, []byte(body)))
		if err != nil {
			t.Fatal(err)
		}
		return receipt.Events[0]
	}
	active, cleared := event(providertest.ReadFile(t, "testdata/samples/active.json")),
		event(providertest.ReadFile(t, "testdata/samples/cleared.json"))
	if active.Subject != cleared.Subject || active.Subject == "" || active.ProviderID == cleared.ProviderID {
		t.Errorf("%q and %q, %q and %q", active.Subject, cleared.Subject, active.ProviderID, cleared.ProviderID)
	}
	if d := cleared.Time.Sub(active.Time); d != 894*time.Millisecond {
		t.Errorf("cleared after %v", d)
	}
	reused := event(strings.Replace(providertest.ReadFile(t, "testdata/samples/active.json"), "2026-11-22",
		"2027-11-22", 1))
	if reused.ProviderID == active.ProviderID {
		t.Errorf("both are %q", reused.ProviderID)
	}
	if long := event(`{"sequenceId":1,"profile_name":"` + strings.Repeat("p", 600) + `"}`); len(
		long.ProviderID) != 64 {
		t.Errorf("got %q", long.ProviderID)
	}
}
