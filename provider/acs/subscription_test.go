package acs_test

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/acs"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// TestSubscribe shows that a registration without event types is for recordings, by a connection of eventgrid.
func TestSubscribe(t *testing.T) {
	t.Parallel()
	if got := (acs.Provider{}).SubscribeInfo().Connector; got != "eventgrid" {
		t.Errorf("the connections are those of %q", got)
	}
	for settings, want := range map[string]string{
		`{}`:                      `"includedEventTypes":["Microsoft.Communication.RecordingFileStatusUpdated"]`,
		`{"event_types":["A.B"]}`: `"includedEventTypes":["A.B"]`,
	} {
		api := (&providertest.RecordedAPI{}).Answer(400, `{"error":{"code":"InvalidRequest","message":"no"}}`)
		calls := acs.Provider{}.OpenSubscriptions(provider.Env{Now: time.Now}, api)
		_, err := calls.Create(t.Context(), provider.Registration{Resource: "/subscriptions/1/x", ClientState: "state",
			URL: "https://hooks.example.com/in/r", Settings: []byte(settings)})
		if got := api.Calls(); err == nil || len(got) != 1 || !strings.Contains(got[0], want) {
			t.Errorf("%s: %v, %v", settings, got, err)
		}
	}
}
