//go:build unix

package action

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// patience is how long a test waits for what should happen at once.
const patience = 10 * time.Second

// allowed is Exec in an environment that has a secret beside what is passed on.
var allowed = Exec{Allowed: true, Lookup: func(name string) (string, bool) {
	value, ok := map[string]string{"PATH": os.Getenv("PATH"), "HOME": "/home/bell", "BELLHOP_ADMIN_KEY": "bhk_secret", "TZ": "UTC"}[name]
	return value, ok
}}

// destination is one with these settings, given as Go values.
func destination(t testing.TB, settings map[string]any) bellhop.Destination {
	t.Helper()
	raw, err := json.Marshal(settings)
	if err != nil {
		t.Fatal(err)
	}
	return bellhop.Destination{Name: "on-paid", Type: "exec", Settings: raw}
}

// open opens a destination that runs command, with more settings by name and value.
func open(t testing.TB, command []string, more ...any) provider.Performer {
	t.Helper()
	settings := map[string]any{"command": command}
	for i := 0; i < len(more); i += 2 {
		settings[more[i].(string)] = more[i+1]
	}
	p, err := allowed.OpenAction(provider.ActionEnv{}, destination(t, settings))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// shell opens a destination that has sh read script, which ends up beside what it makes.
func shell(t testing.TB, script string, more ...any) provider.Performer {
	t.Helper()
	return open(t, []string{"sh", "-c", script}, more...)
}

// perform performs p with an event of that body, and bounds it.
func perform(t testing.TB, p provider.Performer, body string) provider.ActionResult {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	return p.Perform(ctx, &bellhop.Event{ID: "evt_1", Type: "order.paid", Body: []byte(body)}, provider.AttemptInfo{DeliveryID: "dlv_1", Attempt: 1})
}

// eventually polls until what should be is.
func eventually(t testing.TB, what string, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !is(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not come to it: %s", what)
		}
	}
}

// file is what a file in dir holds; "" while there is none.
func file(dir, name string) string {
	b, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(b))
}
