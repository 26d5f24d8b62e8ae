package api

import (
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/danielgtaylor/huma/v2"
)

// This file has an example of each body of a request and of an answer, for the OpenAPI document. They are values of
// the Go types, so that they have exactly their members; a test validates each against its schema.

// The nouns of the examples: the video "media" is encoded by a provider, and the shop's billing is told.
const (
	exampleSource      = "src_01h455vb4pex5vsknk08"
	exampleDestination = "dst_01h455vb4pex5vsknk09"
	exampleEvent       = "evt_01h455vb4pex5vsknk10"
	exampleDelivery    = "dlv_01h455vb4pex5vsknk1200"
	exampleLease       = "lse_01h455vb4pex5vsknk1200_1_M5XW4Z3FNZ2GK3TUOR2GK4TBNF"
	exampleConnection  = "con_01h455vb4pex5vsknk11"
	exampleCursor      = "01h455vb4pex57q2m"
)

var (
	exampleMoment = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	exampleAt     = client.Time{Time: exampleMoment}
	exampleLater  = client.Time{Time: exampleMoment.Add(time.Hour)}
	exampleMask   = map[string]any{"set": true, "set_at": "2026-11-22T10:00:00.000Z"}
)

// exampleDeclared is a source in a configuration.
var exampleDeclared = client.NewSource{Name: "shop", Provider: "standardwebhooks",
	Settings: client.Settings{"secret": "whsec_c2lnbmluZyBrZXkgb2YgdGhlIGV4YW1wbGU="}}

// listOfOne returns the example of a list, with one entry and a further page.
func listOfOne[T any](item T) List[T] {
	next := exampleCursor
	return List[T]{Data: []T{item}, Next: &next}
}

// wholeList returns the example of a list that has no further page.
func wholeList[T any](item T) List[T] { return List[T]{Data: []T{item}} }

// examples returns one value of each type that is a body, or a part of which the document shows as a body.
func examples() []any {
	source := client.Source{ID: exampleSource, Name: "media", Provider: "ams",
		URL:       "https://hooks.example.com/in/media",
		Settings:  client.Settings{"signing_key": exampleMask, "account_id": "6f1d4c3e-6a0b-4d3a-9b43-1c2f6d0e8a11"},
		CreatedAt: exampleAt, UpdatedAt: exampleAt}
	failures := bellhop.DefaultBreaker.Failures
	match := client.Match{Sources: []string{"media"}, Types: []string{"ams.*"},
		Where: "data.Properties.NewState == 'Finished'"}
	destination := client.Destination{ID: exampleDestination, Name: "billing", Type: "http",
		URL:      "https://billing.example.com/hooks",
		Settings: client.Settings{"format": "standard", "secret": exampleMask}, Match: match, Timeout: "5s",
		Concurrency: 16,
		Rate:        &client.Rate{PerSecond: 10, Burst: 10}, Order: "none",
		Retry:     client.Retry{Schedule: client.Schedule{"5s", "5m", "30m"}},
		Breaker:   client.Breaker{Failures: &failures, For: "10s", DisableAfter: "120h"},
		Handshake: "none", Tenants: []string{}, State: "active", CreatedAt: exampleAt, UpdatedAt: exampleAt}
	event := client.Event{ID: exampleEvent, Type: "ams.JobStateChange", Subject: "transforms/encode/jobs/job-17",
		Source: "media", SourceID: exampleSource, ProviderID: "d6b7c5a4-0a55-4f43-a4cf-2d9b7d0b1f0a", Time: exampleAt,
		ReceivedAt: exampleAt, ContentType: "application/json", BodyBytes: 21,
		BodySHA256: "4f1b6c0e0a5d2e0c0d9a8b7c6d5e4f30211203f4e5d6c7b8a99081726354a5b6"}
	attempt := client.Attempt{Number: 1, StartedAt: exampleAt, DurationMS: 12.5, Status: 503, Error: "status",
		Detail: "answered 503 Service Unavailable", Reply: "try later"}
	delivery := client.Delivery{ID: exampleDelivery, EventID: exampleEvent, DestinationID: exampleDestination,
		Destination: "billing", State: "pending", Attempts: 1, NextAt: exampleLater, CreatedAt: exampleAt,
		UpdatedAt: exampleAt, Last: &attempt}
	request := client.Request{ID: "req_01h455vb4pex5vsknk12", Source: "media", SourceID: exampleSource,
		Outcome: "refused",
		Status:  401, Reason: "signature_mismatch", Detail: "signature does not match", Method: "POST",
		Target:     "/in/media",
		RemoteAddr: "192.0.2.7:51234", BodyBytes: 21, ReceivedAt: exampleAt}
	repair := client.Repair{ID: "rpr_01h455vb4pex5vsknk13", Kind: "replay", State: "running",
		Filter: client.RepairFilter{SourceIDs: []string{exampleSource}, Type: "ams.*", Since: exampleAt}, Rate: 200,
		LookedAt: 1200, Changed: 900, PositionAt: exampleAt, CreatedAt: exampleLater, UpdatedAt: exampleLater,
		StartsAt: exampleLater}
	login := client.Login{Kind: "browser", State: "waiting", ExpiresAt: exampleLater,
		URL:         "https://hooks.example.com/connect/work?ticket=…",
		RedirectURI: "https://hooks.example.com/connect/callback"}
	connection := client.Connection{ID: exampleConnection, Name: "work", Provider: "graph",
		Settings: client.Settings{"tenant": "contoso.example", "client_id": "9a1c5b0e-7f3d-4f8e-8f1b-0d3f6f3f2a10",
			"client_secret": exampleMask}, State: "ready", Account: "ada@contoso.example", ExpiresAt: exampleLater,
		UsedAt: exampleAt, RedirectURI: "https://hooks.example.com/connect/callback", CreatedAt: exampleAt,
		UpdatedAt: exampleAt}
	gap := client.Gap{ID: "gap_01h455vb4pex5vsknk14", From: exampleAt, To: exampleLater,
		Reason: "the registration expired", State: "filled", Since: exampleAt, Until: exampleLater, Found: 3,
		Folded: 1}
	subscription := client.Subscription{ID: "sub_01h455vb4pex5vsknk15", Name: "calendar", Provider: "graph",
		Source: "calendar", SourceID: exampleSource, Connection: "work", ConnectionID: exampleConnection,
		Resource: "/me/events", ChangeTypes: []string{"created", "updated"}, Settings: client.Settings{},
		State:    "active",
		RemoteID: "7f105c7d-2dc5-4530-97cd-4e7ae6534c07", URL: "https://hooks.example.com/in/calendar",
		ExpiresAt: exampleLater, RenewAt: exampleLater, Gaps: []client.Gap{gap}, CreatedAt: exampleAt,
		UpdatedAt: exampleAt}
	size := int64(1 << 20)
	file := client.File{ID: "fil_01h455vb4pex5vsknk16", Name: "call-1/0.mp4", State: "whole", Size: size, Total: &size,
		SHA256:      "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
		ContentType: "video/mp4", Source: "calls", EventID: exampleEvent, Destination: "recordings",
		DestinationID: exampleDestination, CreatedAt: exampleAt, UpdatedAt: exampleLater}
	call := client.SubscriptionCall{At: exampleAt, Call: "renew", Done: true, Outcome: "renewed", Duration: "1.2s"}
	remote := client.RemoteSubscription{RemoteID: subscription.RemoteID, Resource: subscription.Resource,
		ChangeTypes: subscription.ChangeTypes, Origin: "https://hooks.example.com", ExpiresAt: exampleLater,
		Owner:        "ours",
		Subscription: "calendar"}
	setting := client.Setting{Name: "signing_key", Title: "Signing key",
		Doc: "The key of the event notifications, in Base64", Kind: "text", Secret: true, Required: true,
		Choices: []string{}, Many: true, Make: "base64"}
	known := client.Provider{Name: "ams", Title: "Azure Media Services", Summary: "Signed notifications of jobs",
		Links: []string{"https://learn.microsoft.com/azure/media-services/"}, Settings: []client.Setting{setting},
		Setup: []string{"Create a signing key of 64 random bytes in Base64."}, Sends: true,
		Paste:        []client.Paste{{Title: "In .NET", Text: `context.NotificationEndPoints.Create("bellhop", …)`}},
		SendSettings: []client.Setting{setting}, Subscribes: true, SubscriptionSettings: []client.Setting{},
		Resource: "the name of the notification endpoint", ChangeTypes: []string{}, Connector: "ams",
		Samples: []client.SampleType{{Type: "ams.JobStateChange", Title: "A job has finished"}}}
	kind := client.DestinationType{Name: "slack", Title: "Slack", Summary: "Messages to an incoming webhook",
		Links: []string{}, Settings: []client.Setting{}, Access: []client.Setting{}, Setup: []string{}, NeedsURL: true,
		SecretURL: true}
	connector := client.Connector{Name: "ams", Title: "Azure Media Services", Summary: "Calls with a token",
		Links: []string{}, Settings: []client.Setting{setting}, Setup: []string{}}
	rate := 50.0
	choice := client.Choice{Destination: "billing", Error: "timeout", Range: client.Range{Since: exampleMoment},
		Pace: client.Pace{Rate: &rate}}
	tenant := client.Tenant{ID: "ten_01h455vb4pex5vsknk18", Name: "acme", CreatedAt: exampleAt, UpdatedAt: exampleAt,
		Limits: client.TenantLimits{Events: &client.Rate{PerSecond: 100, Burst: 200}, StoredBytes: 10 << 30,
			Destinations: 20}}
	key := client.Key{ID: "key_01h455vb4pex5vsknk17", Name: "ci", Scope: "read", CreatedAt: exampleAt,
		ExpiresAt: exampleLater, LastUsedAt: exampleAt, LastAddress: "192.0.2.7"}
	portalLink := client.PortalLink{ID: "plk_01h455vb4pex5vsknk19", Tenant: "acme", Rights: "retry",
		FrameAncestors: []string{"https://app.example.com"}, Key: "shop", KeyID: key.ID, CreatedAt: exampleAt,
		OpenUntil: client.Time{Time: exampleMoment.Add(5 * time.Minute)}, ExpiresAt: exampleLater}
	body := json.RawMessage(`{"invoice":17,"paid":true}`)

	return []any{
		client.Answer{Token: "M5XW4Z3FNZ2GK3TUOR2GK4TBNF", Status: 200, Body: "taken"},
		client.NewPull{Max: 10, Wait: "20s"},
		client.Pulled{Data: []client.Lease{{Token: exampleLease, EndsAt: exampleLater, DeliveryID: exampleDelivery,
			Attempt: 1, EventID: exampleEvent, Type: "invoice.paid", Source: "media", Time: exampleAt,
			ReceivedAt:  exampleAt,
			ContentType: "application/json", Headers: map[string][]string{"Content-Type": {"application/json"}},
			Body: string(body)}}},
		client.Ack{Token: exampleLease}, client.Nack{Token: exampleLease, Delay: "30s", Detail: "the printer is off"},
		client.Extension{Token: exampleLease, For: "1m"}, client.Extended{EndsAt: exampleLater},
		client.NewSource{Name: "media", Provider: "ams",
			Settings: client.Settings{"signing_key": "c2lnbmluZyBrZXkgb2YgdGhlIGV4YW1wbGU=",
				"account_id": "6f1d4c3e-6a0b-4d3a-9b43-1c2f6d0e8a11"}},
		source, listOfOne(source),
		client.NewSample{Type: "ams.JobStateChange"},
		client.Sample{Request: client.PreviewedRequest{Method: http.MethodPost, URL: source.URL,
			Headers: map[string][]string{"Ms-Signature": {"sha256=4F1B6C0E"}}, Body: `{"EventType":1}`, BodyBytes: 15},
			Status: http.StatusOK, DurationMS: 3.1, EventIDs: []string{exampleEvent}},
		client.SourceRotation{Setting: "signing_key"}, client.DroppedSecret{Setting: "signing_key"},
		client.RotatedSource{Source: source, Setting: "signing_key", Secret: "c2lnbmluZyBrZXkgb2YgdGhlIGV4YW1wbGU="},
		client.NewDestination{Name: "billing", URL: "https://billing.example.com/hooks",
			Settings: client.Settings{"format": "standard", "secret": "whsec_c2VjcmV0IG9mIHRoZSBleGFtcGxlLCBsb25n"},
			Match:    &match, Retry: &client.Retry{Schedule: client.Schedule{"5s", "5m", "30m"}}},
		destination, listOfOne(destination),
		client.PreviewRequest{Destination: client.NameOr[client.NewDestination](`"billing"`),
			Event: client.NameOr[client.SampleEvent](`{"type":"invoice.paid","data":{"invoice":17}}`)},
		client.Preview{Matches: true, Request: &client.PreviewedRequest{Method: http.MethodPost,
			URL:     "https://billing.example.com/hooks",
			Headers: map[string][]string{"Content-Type": {"application/json"}},
			Body:    string(body), BodyBytes: len(body)},
			Signature: map[string][]string{"Webhook-Signature": {"v1,…"}}},
		client.TryRequest{Destination: client.NameOr[client.NewDestination](
			`{"name":"new","url":"https://billing.example.com/hooks","settings":{"format":"raw"}}`),
			Event: client.NameOr[client.SampleEvent](`"` + exampleEvent + `"`)},
		client.Try{Preview: client.Preview{Matches: true, Signature: map[string][]string{}}, Attempt: &attempt,
			State:  "pending",
			NextAt: exampleLater},
		client.MatchRequest{Match: &match, Limit: 1000},
		client.MatchedEvents{LookedAt: 1000, Wanted: 31, Excluded: map[string]int{"where": 781, "type": 188},
			Complete:   true,
			SearchedTo: exampleAt, Events: []client.MatchedEvent{{ID: exampleEvent, Type: "ams.JobStateChange",
				Subject: "transforms/encode/jobs/job-17", Source: "media", ReceivedAt: exampleAt, Reason: "where"}}},
		client.Trial{EventID: exampleEvent, DeliveryID: exampleDelivery},
		client.Rotation{Grace: "24h"}, client.RotatedDestination{Destination: destination, Secret: "whsec_…"},
		client.NewEvent{Type: "invoice.paid", Subject: "invoices/17", Data: body},
		event, listOfOne(event),
		client.EventDetail{Event: event, Headers: map[string][]string{"Content-Type": {"application/json"}},
			Data: body},
		client.EventChain{Data: []client.ChainEvent{{Event: event, Deliveries: []client.Delivery{delivery}}},
			Complete: true},
		client.ReplayTo{Destination: "billing"},
		client.Replayed{Deliveries: []client.NewDelivery{{ID: exampleDelivery, DestinationID: exampleDestination,
			Destination: "billing"}}},
		client.NewReplay{Source: "media", Type: "ams.*", Range: client.Range{Since: exampleMoment},
			Pace: client.Pace{Rate: &rate}},
		client.NewRetry{State: "dead", Choice: choice}, client.NewCancel{State: "pending", Choice: choice},
		repair, listOfOne(repair), client.RepairCount{Events: 1200, Deliveries: 900, Complete: true},
		delivery, listOfOne(delivery), client.DeliveryDetail{Delivery: delivery, History: []client.Attempt{attempt}},
		request, listOfOne(request),
		client.RequestDetail{Request: request, Headers: map[string][]string{"Content-Type": {"application/json"}},
			Body: string(body)},
		client.NewVerification{Secret: "c2lnbmluZyBrZXkgb2YgdGhlIGV4YW1wbGU="},
		client.Verdict{Outcome: "refused", Status: 401, Reason: "signature_mismatch", Detail: "signature does not " +
			"match",
			Missing: []client.Missing{{Part: "body", Detail: "the request was refused before its body was read"}},
			Cause:   "The source has another secret than the sender.", Advice: "Copy the secret at the provider."},
		client.NewConnection{Name: "work", Provider: "graph",
			Settings: client.Settings{"tenant": "contoso.example", "client_id": "9a1c5b0e-7f3d-4f8e-8f1b-0d3f6f3f2a10",
				"client_secret": "the secret of the app"}},
		connection, listOfOne(connection),
		client.LoginRequest{Device: true}, login,
		client.ConnectionTest{OK: true, Account: "ada@contoso.example", Grant: "user", ExpiresAt: exampleLater,
			Permissions: []client.Permission{{Name: "Calendars.Read", For: "events of calendars", Granted: true}},
			Duration:    "132ms"},
		client.NewSubscription{Name: "calendar", Source: "calendar", Connection: "work", Resource: "/me/events",
			ChangeTypes: []string{"created", "updated"}},
		subscription, listOfOne(subscription), wholeList(call), wholeList(remote),
		client.NewFill{Since: exampleMoment}, client.SubscriptionFill{Done: true, Gaps: []client.Gap{gap}},
		client.SubscriptionSync{Checked: 4, Found: 4, Doubted: []string{}, Errors: []string{}},
		file, listOfOne(file), wholeList(known), wholeList(kind), wholeList(connector),
		client.NewKey{Name: "ci", Scope: "read", ExpiresAt: exampleLater}, key, listOfOne(key),
		client.NewTenant{Name: "acme", Limits: tenant.Limits}, tenant, listOfOne(tenant),
		client.CreatedKey{Key: key, Text: "bhk_…"}, client.AdminRotation{Grace: "10m"},
		client.RotatedAdmin{Key: "bhk_…", OldUntil: exampleLater},
		client.SignInLink{URL: "https://hooks.example.com/ui/open/…", LocalURL: "http://127.0.0.1:8080/ui/open/…",
			ExpiresAt: exampleLater},
		client.NewPortalLink{Tenant: "acme", Rights: "retry", ExpiresIn: "1h",
			FrameAncestors: []string{"app.example.com"}}, portalLink, listOfOne(portalLink),
		client.CreatedPortalLink{PortalLink: portalLink, URL: "https://hooks.example.com/ui/portal/open/…",
			LocalURL: "http://127.0.0.1:8080/ui/portal/open/…"},
		client.Config{Settings: client.Settings{"retain": "90d"}, Sources: []client.NewSource{exampleDeclared}},
		client.ConfigRequest{Config: client.Config{Sources: []client.NewSource{exampleDeclared}}, Prune: true},
		client.ConfigPlan{Changes: []client.ConfigChange{{Noun: "destination", Name: "billing", ID: exampleDestination,
			Change: "update", Members: []client.MemberChange{{Path: "timeout", Before: "5s", After: "10s"},
				{Path: "settings.secret", Secret: true}}}},
			Left: []client.ConfigChange{{Noun: "source", Name: "media", ID: exampleSource, Change: "delete"}}, Same: 3,
			Settings: []client.SettingChange{{Name: "retain", After: "90d"}},
			Warnings: []client.FieldError{{Path: "sources[0].settings.secret",
				Message: "has fewer than 16 characters, so it may be guessed; use a longer random text"}}},
		client.ServerInfo{Version: "v1.2.3", Commit: "8f76d16", Go: "go1.26.1", StartedAt: exampleAt,
			URL: "http://127.0.0.1:8080", APIURL: "http://127.0.0.1:8080", PublicURL: "https://hooks.example.com",
			MetricsURL: "http://127.0.0.1:8080/metrics", UIURL: "https://hooks.example.com/ui/",
			Data: "/var/lib/bellhop", AdminKey: "admin.key",
			Settings: []client.ServerSetting{{Name: "retain", Group: "Storage", Doc: "how long events are kept",
				Kind: "length", Value: "90d", Default: "30d", Set: true, Changed: true, Origin: "file",
				Place: "bellhop.yaml:3"}}},
		client.Backup{At: exampleAt, Bytes: 1 << 26, To: "s3://backups/bellhop.tar.zst"},
		client.Standby{On: true, Since: exampleAt, Why: "it was restored from a backup"},
		client.LogLevel{Level: "debug"},
		client.Checkup{At: exampleAt, State: "warning", TookMS: 132.5, Checks: []client.Check{{Name: "keys",
			Title: "Keys", State: "warning", Message: "1 key has ended or ends soon", TookMS: 0.3,
			Remedy: "make another for whoever uses it: bellhop keys create NAME --scope SCOPE",
			Nouns:  []client.CheckedNoun{{Noun: "key", ID: key.ID, Name: "ci", Message: "ends in 3 d"}}}}},
		listOfOne(client.AuditEntry{At: exampleAt, Key: "ada", KeyID: key.ID, Action: "paused", Noun: "destination",
			NounID: exampleDestination, Name: "billing"}),
		client.Series{Step: "1m", Since: exampleAt, Until: exampleLater,
			Data: []client.Span{{At: exampleAt,
				Counts: client.Counts{Accepted: 412, Refused: 3, Delivered: 809, Failed: 2}}},
			Sources: []client.NounCounts{{ID: exampleSource, Name: "media",
				Counts: client.Counts{Accepted: 412, Refused: 3}}},
			Destinations: []client.NounCounts{{ID: exampleDestination, Name: "billing",
				Counts: client.Counts{Delivered: 809, Failed: 2}}}},
		client.Stats{Sources: 3, Destinations: 5, Events: 120000, DatabaseBytes: 1 << 28, NextDueAt: exampleLater,
			OldestPendingAt: exampleAt, RequestsRefused: 17,
			Deliveries: map[string]int64{"pending": 12, "leased": 1, "delivered": 119000, "dead": 3, "cancelled": 0},
			Latency: client.Latencies{Since: exampleAt, Accept: client.Latency{Count: 412, P50MS: 2.1, P99MS: 9.5},
				Attempt:  client.Latency{Count: 811, P50MS: 12.4, P99MS: 130},
				Delivery: client.Latency{Count: 809, P50MS: 15.2, P99MS: 160}}},
		client.Problem{Type: "about:blank", Title: "Unprocessable Entity", Status: http.StatusUnprocessableEntity,
			Detail: "settings.signing_key: required", Code: bellhop.CodeInvalid,
			Errors: []client.FieldError{{Path: "settings.signing_key", Message: "required"}}},
	}
}

// patchExamples are the bodies of the operations that take a merge patch.
var patchExamples = map[string]map[string]any{
	"update-source":       {"disabled": true, "expect_every": "24h"},
	"update-destination":  {"timeout": "10s", "rate": map[string]any{"per_second": 5}},
	"update-connection":   {"name": "home"},
	"update-tenant":       {"limits": map[string]any{"destinations": 50}},
	"update-subscription": {"change_types": []string{"created"}},
}

// addExamples adds the examples to the schemas of the document, and to the merge patches.
func addExamples(document *huma.OpenAPI) {
	schemas := document.Components.Schemas.Map()
	for _, example := range examples() {
		schema := schemas[huma.DefaultSchemaNamer(reflect.TypeOf(example), "")]
		if schema != nil {
			schema.Examples = []any{example}
		}
	}
	for _, item := range document.Paths {
		if item.Patch == nil || patchExamples[item.Patch.OperationID] == nil {
			continue
		}
		for _, content := range item.Patch.RequestBody.Content {
			content.Example = patchExamples[item.Patch.OperationID]
		}
	}
}
