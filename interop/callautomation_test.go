package interop

import (
	"net/url"
	"testing"
)

// TestNpmCallAutomation downloads recordings from the stand-in with two versions of the client: the newest accepts
// locations over https and at names of Microsoft alone, the one before any.
func TestNpmCallAutomation(t *testing.T) {
	t.Run("http", func(t *testing.T) {
		s := startStandIn(t, false)
		s.runChecks(t, npmVersion(t, "call-automation-http"), "call-automation.mjs",
			settings{"module": "call-automation-http", "storage": s.URL, "openRange": false})
	})
	t.Run("https", func(t *testing.T) {
		s := startStandIn(t, true)
		u, err := url.Parse(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		s.runChecks(t, npmVersion(t, "@azure/communication-call-automation"), "call-automation.mjs",
			settings{"module": "@azure/communication-call-automation", "storage": "https://" + storageHost + ":" +
				u.Port(),
				"openRange": true})
	})
}
