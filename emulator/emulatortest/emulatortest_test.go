package emulatortest_test

import (
	"testing"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/graph"
)

// TestStart shows a test with a Rig: an application that may read calendars alone subscribes to them, is refused at
// messages, and is notified again after its receiver has failed.
func TestStart(t *testing.T) {
	t.Parallel()
	rig := emulatortest.Start(t, func(host *emulator.Host) []emulator.System {
		tokens := entra.New(host, entra.Options{Key: emulatortest.Key(),
			Clients: []entra.Client{{ID: "calendar-app", Secret: "s", Roles: []string{"Calendars.Read"}}}})
		return []emulator.System{tokens, graph.New(host, tokens, graph.Options{})}
	})
	rig.Token = rig.AppToken("calendar-app", "s", "https://graph.microsoft.com/.default")
	wanted := map[string]any{"changeType": "created", "notificationUrl": rig.HookURL, "resource": "me/events",
		"expirationDateTime": rig.Now().AddDate(0, 0, 1)}
	made := rig.Call("POST", "/v1.0/subscriptions", wanted)
	if made.Status != 201 {
		t.Fatalf("answered %d %s", made.Status, made.Text)
	}
	wanted["resource"] = "me/messages"
	if refused := rig.Call("POST", "/v1.0/subscriptions", wanted); refused.Status != 403 {
		t.Errorf("answered %d %s", refused.Status, refused.Text)
	}
	rig.RefuseNext(500, 404)
	rig.Host.Happen(emulator.Event{Resource: "/me/events", ChangeType: "created"})
	if n := rig.Next(); len(n.Items) != 1 || n.Items[0]["subscriptionId"] != made.JSON["id"] {
		t.Errorf("the notification is %v", n.Body)
	}
	rig.Pass(25 * 60 * 60e9)
	if late := rig.Call("GET", "/v1.0/subscriptions", nil); late.Status != 401 {
		t.Errorf("after a day the token is taken: %d", late.Status)
	}
}
