package ui

import (
	"net/http"
	"net/http/httptest"
	"net/url"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// Nouns that a person makes, of the tests.
var (
	testSecret   = map[string]any{"set": true, "set_at": "2026-11-03T10:00:00.000Z"}
	testSecrets  = map[string]any{"set": true, "set_at": "2026-11-03T10:00:00.000Z", "count": 2}
	testProvider = client.Provider{Name: "ams", Title: "Azure Media Services",
		Summary: "Signed `notifications` of jobs.",
		Setup:   []string{"Create a *signing key*.", "Use `https://YOUR-HOST/in/SOURCE`, see <https://example.com/>."},
		Settings: []client.Setting{
			{Name: "signing_key", Title: "Signing key", Doc: "The key, in **Base64**.", Kind: "text", Secret: true,
				Required: true, Many: true,
				Make: "base64"},
			{Name: "account_id", Title: "Account id", Doc: "The only account.", Kind: "text"},
			{Name: "lenient", Title: "Lenient", Doc: "Also lower case.", Kind: "true or false"},
			{Name: "levels", Title: "Levels", Doc: "One a line.", Kind: "list"},
			{Name: "headers", Title: "Headers", Doc: "Further headers.", Kind: "object"},
			{Name: "limit", Title: "Limit", Doc: "A number.", Kind: "number"},
			{Name: "format", Title: "Format", Doc: "Of the body.", Kind: "text", Choices: []string{"", "raw",
				"standard"}},
			{Name: "rules", Title: "Rules", Doc: "In order.", Kind: "list of objects"},
			{Name: "template", Title: "Template", Doc: "An expression.", Kind: "text or object"},
			{Name: "certificates", Title: "Certificates", Doc: "Keys in PEM.", Kind: "object", Secret: true},
		}, Sends: true, Samples: []client.SampleType{{Type: "ams.JobStateChange", Title: "A job has finished"},
			{Type: "handshake", Title: "The handshake"}},
		Paste: []client.Paste{{Title: "In .NET",
			Text: "Create(\"https://YOUR-HOST/in/SOURCE\",\n  \"{signing_key}\");"}},
		Subscribes: true, Resource: "the name of the `endpoint`", ChangeTypes: []string{"created"},
		Connector: "graph", SubscriptionSettings: []client.Setting{{Name: "replace", Title: "Replace",
			Kind: "true or false"}}}
	testSource = client.Source{ID: "src_1", Name: "media", Provider: "ams", URL: "https://hooks.example.com/in/media",
		URLQuery: "code={query_secret}", Settings: client.Settings{"signing_key": testSecrets, "account_id": "acc-1",
			"levels": []any{"critical", "major"}, "headers": map[string]any{"X-Site": "north"}, "unknown": true,
			"certificates": map[string]any{"old": testSecret}},
		MaxBodyBytes: 1 << 20, ExpectEvery: "24h", SilentSince: at(30 * 60 * 60 * 1e9),
		Tenant: "acme", Reply: &client.Reply{Status: 201}, CreatedAt: at(0),
		UpdatedAt: at(0), Warnings: []string{"signing_key is short"}}
	testSample = client.Sample{Request: client.PreviewedRequest{Method: "POST",
		URL:     "https://hooks.example.com/in/media?code=…",
		Headers: map[string][]string{"Ms-Signature": {"sha256=AB"}}, Body: `{"EventType":1}`}, Status: 200, DurationMS: 3.2, EventIDs: []string{"evt_1"}, Body: "taken"}
	testSampleRefused = client.Sample{Request: client.PreviewedRequest{Method: "OPTIONS",
		URL: "https://hooks.example.com/in/media"}, Status: 401, DurationMS: 3.2, EventIDs: []string{},
		RequestID: "req_1", Reason: "signature_mismatch", Detail: "it differs",
		Cause:  "The source has another secret.",
		Advice: "Copy it at the provider.", Handshake: "not_agreed"}
	testDisabled = client.Source{ID: "src_2", Name: "calls", Provider: "gone",
		URL:      "https://hooks.example.com/in/calls",
		Disabled: true, Settings: client.Settings{}, CreatedAt: at(0), UpdatedAt: at(0)}
)

var (
	testTypes = []client.DestinationType{
		{Name: "http", Title: "HTTP", Summary: "A `POST`.", NeedsURL: true, Settings: []client.Setting{
			{Name: "format", Title: "Format", Kind: "text", Choices: []string{"raw", "standard"}},
			{Name: "secret", Title: "Secret", Doc: "Signs.", Kind: "text", Secret: true, Many: true, Make: "standard"},
			{Name: "headers", Title: "Headers", Kind: "object", Secret: true}},
			Access: []client.Setting{{Name: "username", Title: "Username", Kind: "text"},
				{Name: "password", Title: "Password", Kind: "text", Secret: true}}},
		{Name: "slack", Title: "Slack", Summary: "Messages.", NeedsURL: true, SecretURL: true,
			Setup: []string{"Create an app."}, Settings: []client.Setting{{Name: "colour", Title: "Colour",
				Kind: "text", Choices: []string{"attachment", "none"}}}},
		{Name: "boro", Title: "Elecard Boro", Summary: "Notifications.", NeedsURL: true, Settings: []client.Setting{
			{Name: "profile_id", Title: "Profile id", Kind: "text"},
			{Name: "secret_key", Title: "Secret key", Kind: "text", Secret: true, Many: true, Make: "hex"},
			{Name: "key_encoding", Title: "Encoding of the key", Kind: "text", Choices: []string{"hex", "raw"}},
			{Name: "headers", Title: "Custom headers", Kind: "object"},
			{Name: "levels", Title: "Levels", Kind: "list"}, {Name: "triggers", Title: "Triggers", Kind: "list"}}},
		{Name: "exec", Title: "A command", Summary: "Runs here.", Action: true,
			Settings: []client.Setting{{Name: "command", Title: "Command", Kind: "list", Required: true}}},
	}
	testWhole = client.Destination{ID: "dst_1", Name: "billing", Type: "http",
		URL: "https://billing.example.com/hooks",
		Settings: client.Settings{"format": "standard", "secret": testSecret,
			"headers": map[string]any{"X-Site": testSecret}},
		Access: client.Access{"username": "ada", "password": testSecret},
		Match: client.Match{Sources: []string{"media"}, Types: []string{"ams.*", "b"},
			Where: "data.amount > 100"},
		Timeout: "5s", Concurrency: 16, Rate: &client.Rate{PerSecond: 2.5, Burst: 5},
		Batch: &client.Batch{MaxEvents: 10, MaxWait: "1s"}, Order: "source",
		Retry:     client.Retry{Schedule: client.Schedule{"5s", "5m"}, MaxAge: "24h"},
		Handshake: "none", Tenant: "acme", Tenants: []string{"globex"}, State: "active", FailingSince: at(0),
		ExpiresAt: at(-24 * 60 * 60 * 1e9), CreatedAt: at(0), UpdatedAt: at(0), Warnings: []string{"secret is short"}}
	testSlack = client.Destination{ID: "dst_3", Name: "alarms", Type: "slack", URL: "https://hooks.slack.com/…abcd",
		State: "disabled", StateReason: "answered 410", CreatedAt: at(0), UpdatedAt: at(0)}
	testProfile = client.Destination{ID: "dst_4", Name: "north", Type: "boro", URL: "https://north.example/hook",
		Settings: client.Settings{"profile_id": "265", "secret_key": testSecret, "levels": []any{"critical"},
			"headers": map[string]any{"X-Site": "north", "X-Area": "2"}},
		Match: client.Match{Types: []string{"boro.*"}},
		State: "active", CreatedAt: at(0), UpdatedAt: at(0)}
	testMatched = client.MatchedEvents{LookedAt: 3, Wanted: 1, Excluded: map[string]int{"type": 1, "where_fails": 1},
		Complete: true, Events: []client.MatchedEvent{{ID: "evt_1", Type: "invoice.paid", Source: "media",
			Wanted:     true,
			ReceivedAt: at(0)}, {ID: "evt_2", Type: "b", Subject: "s", Source: "media", Reason: "type",
			ReceivedAt: at(0)},
			{ID: "evt_3", Type: "b", Source: "media", Reason: "where_fails", Detail: "data is nil",
				ReceivedAt: at(0)}}}
	testTry = client.Try{Preview: client.Preview{Request: &client.PreviewedRequest{Method: "POST",
		URL: "https://billing.example.com/hooks", Headers: map[string][]string{"Content-Type": {"application/json"}},
		Body: `{"test":true}`}}, Attempt: &testAttempts[0], State: "pending", Handshake: "validation-token"}
)

var (
	testRepair = client.Repair{ID: "rpr_1", Kind: "replay", State: "running", Reason: "it waits", Rate: 200,
		LookedAt: 1200,
		Changed:  900, Skipped: 3, PositionAt: at(0), CreatedAt: at(0), UpdatedAt: at(0), StartsAt: at(0),
		Filter: client.RepairFilter{
			SourceIDs: []string{"src_1"}, Type: "a.*", Where: "data.x", DestinationID: "dst_1", Error: "timeout",
			EventID: "evt_1", State: "dead", Tenant: "acme", Since: at(0), Until: at(0)}}
	testWaiting = client.Repair{ID: "rpr_3", Kind: "retry", State: "waiting", Rate: 200, CreatedAt: at(1e9),
		UpdatedAt: at(1e9), StartsAt: at(-9e9)}
	testDone    = client.Repair{ID: "rpr_2", Kind: "cancel", State: "done", CreatedAt: at(0), UpdatedAt: at(0)}
	testVerdict = client.Verdict{Outcome: "refused", Status: 401, Reason: "signature_mismatch", Detail: "it differs",
		Events: 2, Missing: []client.Missing{{Part: "body", Detail: "only 64 KiB are on record"}},
		Cause: "The source has another secret.", Advice: "Copy it at the provider."}
)

var (
	testConnector = client.Connector{Name: "graph", Title: "Microsoft Graph", Summary: "Calls with a `token`.",
		Setup: []string{"Register an application."}, Settings: []client.Setting{
			{Name: "tenant", Title: "Directory", Kind: "text", Required: true},
			{Name: "client_secret", Title: "Client secret", Kind: "text", Secret: true}}}
	testConnection = client.Connection{ID: "con_1", Name: "work", Provider: "graph", Tenant: "acme",
		Settings: client.Settings{"tenant": "contoso", "client_secret": testSecret}, State: "signed_out",
		Reason: "nobody has signed in", Account: "ada@contoso.example", ExpiresAt: at(0), UsedAt: at(0),
		RedirectURI: "https://hooks.example.com/connect/callback", Login: &client.Login{Kind: "browser",
			State:  "failed",
			Reason: "consent was refused"}, CreatedAt: at(0), UpdatedAt: at(0),
		Warnings: []string{"the secret is short"}}
	testSubscription = client.Subscription{ID: "sub_1", Name: "calendar", Provider: "graph", Source: "media",
		SourceID: "src_1", Connection: "work", ConnectionID: "con_1", Tenant: "acme", Resource: "/me/events",
		ChangeTypes: []string{"created", "updated"}, Settings: client.Settings{"immutable_ids": true},
		ExpectEvery: "24h",
		State:       "active", Reason: "renewal failed once", RemoteID: "7f10",
		URL:       "https://hooks.example.com/in/media",
		ExpiresAt: at(0), RenewAt: at(0), LastEventAt: at(0), LostAt: at(0),
		Gaps: []client.Gap{{ID: "gap_1", From: at(0),
			To: at(0), Reason: "it had expired", State: "open", Outcome: "waits", Found: 3, Folded: 1}},
		CreatedAt: at(0),
		UpdatedAt: at(0)}
	testCall = client.SubscriptionCall{At: at(0), Call: "create", Status: 201, Done: true, Outcome: "created",
		Handshake: "the validation token was answered in 4 ms", Duration: "132ms"}
)

var (
	total    = int64(2048)
	testFile = client.File{ID: "fil_1", Name: "call-1/0.mp4", State: "whole", Size: 2048, Total: &total,
		SHA256: "9f86d081", ContentType: "video/mp4", Source: "calls", EventID: "evt_1", Destination: "recordings",
		DestinationID: "dst_1", CreatedAt: at(0), UpdatedAt: at(0), ExpiresAt: at(0), DueAt: at(0)}
	testPart = client.File{ID: "fil_2", Name: "call-2/0.mp4", State: "partial", Size: 512, Total: &total,
		EventID:       "evt_1",
		DestinationID: "dst_1", CreatedAt: at(0), UpdatedAt: at(0)}
	testKey = client.Key{ID: "key_1", Name: "ci", Scope: "read", Tenant: "acme", CreatedAt: at(0), ExpiresAt: at(0),
		LastUsedAt: at(0), LastAddress: "192.0.2.7"}
	testTenant = client.Tenant{ID: "ten_1", Name: "acme", Limits: client.TenantLimits{
		Events: &client.Rate{PerSecond: 50}, StoredBytes: 1 << 30, Destinations: 5}, CreatedAt: at(0)}
)

// fillNouns answers the calls about nouns that a person makes.
func (r *rig) fillNouns() {
	for call, value := range map[string]any{
		"GET /providers":     listOf{Data: []client.Provider{testProvider}},
		"GET /sources":       listOf{Data: []client.Source{testSource, testDisabled}},
		"GET /sources/src_1": testSource,
		"GET /sources/src_2": testDisabled,

		"POST /sources/src_1/sample": testSample,
		"POST /sources/src_1/rotate-secret": client.RotatedSource{Source: testSource, Setting: "signing_key",
			Secret: "made"},
		"POST /sources/src_1/drop-secret": client.RotatedSource{Source: testSource, Setting: "signing_key"},

		"GET /destination-types":   listOf{Data: testTypes},
		"GET /destinations/dst_1":  testWhole,
		"GET /destinations/dst_3":  testSlack,
		"GET /destinations/dst_4":  testProfile,
		"POST /destinations/match": testMatched,

		"GET /files":         listOf{Data: []client.File{testFile, testPart}},
		"GET /files/fil_1":   testFile,
		"GET /files/fil_2":   testPart,
		"GET /keys":          listOf{Data: []client.Key{testKey}},
		"GET /keys/key_1":    testKey,
		"GET /tenants":       listOf{Data: []client.Tenant{testTenant, {ID: "ten_2", Name: "globex"}}},
		"GET /tenants/ten_1": testTenant,

		"GET /portal-links":       listOf{Data: []client.PortalLink{testPortalLink}},
		"GET /portal-links/plk_1": testPortalLink,

		"GET /connectors":                  listOf{Data: []client.Connector{testConnector}},
		"GET /connections":                 listOf{Data: []client.Connection{testConnection}},
		"GET /connections/con_1":           testConnection,
		"GET /subscriptions":               listOf{Data: []client.Subscription{testSubscription}},
		"GET /subscriptions/sub_1":         testSubscription,
		"GET /subscriptions/sub_1/history": listOf{Data: []client.SubscriptionCall{testCall}},

		"GET /repairs":                listOf{Data: []client.Repair{testWaiting, testRepair, testDone}},
		"GET /repairs/rpr_1":          testRepair,
		"GET /repairs/rpr_3":          testWaiting,
		"POST /events/replay":         client.RepairCount{Events: 12, Deliveries: 1204, Complete: true},
		"POST /deliveries/retry":      client.RepairCount{Deliveries: 7, SearchedTo: at(60 * 60 * 1e9)},
		"POST /deliveries/cancel":     client.RepairCount{Complete: true},
		"POST /requests/req_1/verify": testVerdict,
	} {
		r.api.set(call, value)
	}
}

// nounPaths are pages with what strangers may have stored in these nouns.
var nounPaths = []string{
	"/ui/sources", "/ui/sources/src_1", "/ui/sources/src_1/setup", "/ui/sources/src_1/edit",
	"/ui/sources/src_1/delete",
	"/ui/destinations", "/ui/destinations/dst_1", "/ui/destinations/dst_1/edit", "/ui/destinations/dst_1/match",
	"/ui/destinations/dst_1/rotate", "/ui/subscriptions/sub_1/edit", "/ui/tenants/ten_1/edit",
	"/ui/destinations/dst_1/delete", "/ui/repairs", "/ui/repairs/rpr_1",
	"/ui/connections", "/ui/connections/con_1", "/ui/connections/con_1/edit", "/ui/connections/con_1/delete",
	"/ui/subscriptions", "/ui/subscriptions/sub_1", "/ui/subscriptions/sub_1/delete",
	"/ui/profiles", "/ui/profiles/dst_4", "/ui/files", "/ui/files/fil_1", "/ui/files/fil_1/delete",
	"/ui/keys", "/ui/keys/key_1/delete",
	"/ui/tenants",
	"/ui/tenants/ten_1/delete", "/ui/settings?doctor=1", "/ui/portal-links", "/ui/portal-links/plk_1/delete",
	"/ui/portal/", "/ui/portal/destinations/dst_1", "/ui/portal/destinations/dst_1/delete", "/ui/portal/deliveries",
	"/ui/portal/deliveries/dlv_1", "/ui/portal/deliveries/dlv_2", "/ui/portal/events",
	"/ui/portal/events/evt_1?body=pretty", "/ui/portal/events/evt_1?body=raw", "/ui/portal/types",
	"/ui/portal/open/operator",
}

// fillHostile answers the calls about nouns that a person makes with text in every field.
func (r *rig) fillHostile(text string) {
	list := func(data ...any) []byte { return raw(listOf{Data: data}) }
	source := filled(testSource, text)
	source.URLQuery = testSource.URLQuery // that of the provider, whose description is part of the program too
	source.Settings = hostileSettings(testSource.Settings, text)
	destination := filled(testWhole, text)
	destination.Settings = hostileSettings(testWhole.Settings, text)
	profile := filled(testProfile, text)
	profile.Type, profile.Settings = "boro", hostileSettings(testProfile.Settings, text)
	profile.Settings["headers"] = map[string]any{"X-Site": text}
	matched := filled(testMatched, text)
	connection, subscription := filled(testConnection, text), filled(testSubscription, text)
	connection.Settings = hostileSettings(testConnection.Settings, text)
	login := *connection.Login
	login.State = "failed"
	connection.Login = &login
	server := filled(testServer, text)
	server.Settings[0].Value, server.Settings[0].InUse = text, []any{text}
	for call, value := range map[string]any{
		"GET /destination-types":   list(testTypes[0], testTypes[1], testTypes[2], testTypes[3]),
		"GET /destinations/dst_1":  raw(destination),
		"GET /destinations/dst_4":  raw(profile),
		"POST /destinations/match": raw(matched),

		"GET /settings": raw(server),
		"GET /doctor":   raw(filled(testCheckup, text)),
		"GET /standby":  client.Standby{On: true, Since: at(0), Why: text},

		"GET /files":         list(filled(testFile, text), filled(testPart, text)),
		"GET /files/fil_1":   raw(filled(testFile, text)),
		"GET /keys":          list(filled(testKey, text)),
		"GET /keys/key_1":    raw(filled(testKey, text)),
		"GET /tenants":       list(filled(testTenant, text)),
		"GET /tenants/ten_1": raw(filled(testTenant, text)),

		"GET /portal-links":       list(filled(testPortalLink, text)),
		"GET /portal-links/plk_1": raw(filled(testPortalLink, text)),

		"GET /connectors":                  list(testConnector),
		"GET /connections":                 list(connection),
		"GET /connections/con_1":           raw(connection),
		"GET /subscriptions":               list(subscription),
		"GET /subscriptions/sub_1":         raw(subscription),
		"GET /subscriptions/sub_1/history": list(filled(testCall, text)),

		"GET /repairs":       list(filled(testRepair, text)),
		"GET /repairs/rpr_1": raw(filled(testRepair, text)),

		"GET /providers":     list(testProvider),
		"GET /sources":       list(source),
		"GET /sources/src_1": raw(source),
	} {
		r.api.set(call, value)
	}
}

// hostileSettings returns settings with text in place of each text, and in place of the name of a member.
func hostileSettings(settings client.Settings, text string) client.Settings {
	hostile := client.Settings{"zz" + text: text}
	for name, value := range settings {
		switch value := value.(type) {
		case string:
			hostile[name] = text
		case []any:
			hostile[name] = []any{text, "plain"}
		default:
			hostile[name] = value
		}
	}
	return hostile
}

// httpForm is a request with a form that was read.
func httpForm(values url.Values) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "/ui/", nil)
	r.PostForm = values
	return r
}

// testOutcomes say what answers mean.
var testOutcomes = map[string]bellhop.Outcome{"404": bellhop.OutcomeDead, "4xx": bellhop.OutcomeRetry}
