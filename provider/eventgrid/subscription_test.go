package eventgrid

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// scope is the resource of the recorded answers.
const scope = "/subscriptions/5b4b650e-28b9-4790-b3ab-ddbd88d727c4/resourceGroups/media/providers/" +
	"Microsoft.Communication/communicationServices/fabrikam-calls"

// registered is the registration that the recorded answers fit.
var registered = provider.Registration{Resource: "//" + scope[1:] + "/",
	URL:         "https://hooks.example.com/in/recordings",
	ClientState: "a state", Source: []byte(`{"query_secret":["s3cret","old"]}`),
	Settings: []byte(`{"event_types":["Microsoft.Communication.RecordingFileStatusUpdated"]}`)}

// inBubble runs test with the calls of a recorded API. Time passes by itself.
func inBubble(t *testing.T, api *providertest.RecordedAPI, test func(t *testing.T, calls provider.Subscriptions)) {
	synctest.Test(t, func(t *testing.T) {
		test(t, Provider{}.OpenSubscriptions(provider.Env{Now: time.Now}, api))
	})
}

const operationAt = "https://management.azure.com/subscriptions/1/providers/Microsoft.EventGrid/locations/we/" +
	"operationsStatus/9f1e7c20?api-version=2022-06-15"

// awaited are the headers of an accepted change.
var awaited = []string{"Azure-AsyncOperation", operationAt, "Retry-After", "10"}

const inProgress = "arm-operation-in-progress.json"

func TestCreate(t *testing.T) {
	t.Parallel()
	api := (&providertest.RecordedAPI{}).Answer(201, `{}`, awaited...).AnswerFile(t, 200, inProgress,
		"Retry-After", "3").
		Answer(200, `{"id":"/a/eventSubscriptions/b","name":"b","properties":{"provisioningState":"Creating"}}`).
		Answer(200, `{"status":"Succeeded"}`).AnswerFile(t, 200, "arm-get-succeeded.json")
	inBubble(t, api, func(t *testing.T, calls provider.Subscriptions) {
		start := time.Now()
		made, err := calls.Create(t.Context(), registered)
		if err != nil || made.Pending || made.ID != "recordings" || made.URL != registered.URL ||
			made.Resource != scope {
			t.Errorf("created %+v, %v", made, err)
		}
		if waited := time.Since(start); waited != 13*time.Second {
			t.Errorf("the pauses are %v", waited)
		}
	})
	name := Provider{}.RegistrationName(registered)
	at := scope + "/providers/Microsoft.EventGrid/eventSubscriptions/" + name + "?api-version=2022-06-15"
	providertest.CheckCalls(t, api.Calls(), "PUT "+at+` {"properties":{"labels":["bellhop:recordings"],"destination":`+
		`{"endpointType":"WebHook","properties":{"endpointUrl":"https://hooks.example.com/in/recordings?code=s3cret",`+
		`"maxEventsPerBatch":1,"preferredBatchSizeInKilobytes":64}},"filter":{"includedEventTypes":`+
		`["Microsoft.Communication.RecordingFileStatusUpdated"],"isSubjectCaseSensitive":false,`+
		`"enableAdvancedFilteringOnArrays":false},"eventDeliverySchema":"EventGridSchema","retryPolicy":`+
		`{"maxDeliveryAttempts":30,"eventTimeToLiveInMinutes":1440}}}`,
		"GET "+operationAt, "GET "+at, "GET "+operationAt, "GET "+at)
	if len(name) < 3 || len(name) > 64 || strings.Contains(name, "state") {
		t.Errorf("the name is %s", name)
	}
}

// TestCreateFails shows a failed handshake, which comes with status 200: what failed is deleted again.
func TestCreateFails(t *testing.T) {
	t.Parallel()
	api := (&providertest.RecordedAPI{}).Answer(201, `{}`, awaited...).AnswerFile(t, 200, "arm-operation-failed.json").
		Answer(204, "")
	inBubble(t, api, func(t *testing.T, calls provider.Subscriptions) {
		_, err := calls.Create(t.Context(), registered)
		providertest.CheckAPIError(t, err, provider.APIError{Kind: provider.APIHandshake,
			Code: "ResourceOperationFailure"})
		if err == nil || !strings.Contains(err.Error(), "response code NotFound") ||
			strings.Contains(err.Error(), "/in/recordings") {
			t.Errorf("the error is %v", err)
		}
	})
	if list := api.Calls(); len(list) != 3 || !strings.HasPrefix(list[2], "DELETE ") {
		t.Errorf("the calls are %v", list)
	}
}

// TestAwait shows what is returned while the outcome is open: in a manual action, after a passing failure, and when
// the time is over.
func TestAwait(t *testing.T) {
	t.Parallel()
	manual := (&providertest.RecordedAPI{}).Answer(201, `{}`, awaited...).AnswerFile(t, 200, inProgress).
		AnswerFile(t, 200, "arm-get-awaiting-manual-action.json")
	passing := (&providertest.RecordedAPI{}).Answer(201, `{}`, awaited...).Answer(503, `{"error":{"code":"x"}}`)
	slow := (&providertest.RecordedAPI{}).Answer(201, `{}`, "Retry-After", "14")
	for range 9 {
		slow.Answer(200, `{"id":"/a","name":"b","properties":{"provisioningState":"Creating"}}`, "Retry-After", "14")
	}
	for name, tt := range map[string]struct {
		api  *providertest.RecordedAPI
		want string
	}{"manual": {manual, "Open the validation URL"}, "passing": {passing, "validates"}, "slow": {slow, "validates"}} {
		inBubble(t, tt.api, func(t *testing.T, calls provider.Subscriptions) {
			ctx, cancel := context.WithTimeout(t.Context(), 45*time.Second)
			defer cancel()
			got, err := calls.Create(ctx, registered)
			if err != nil || !got.Pending || !strings.Contains(got.Waiting, tt.want) || got.ID == "" ||
				ctx.Err() != nil {
				t.Errorf("%s: %+v, %v, %v", name, got, err, ctx.Err())
			}
		})
	}
}

func TestGet(t *testing.T) {
	t.Parallel()
	full := `{"endpointUrl":"https://hooks.example.com/in/recordings?code=s3cret"}`
	other := registered
	other.Settings = []byte(`{"event_types":["A.B"],"schema":"cloudevents","max_events":2,"max_attempts":3,` +
		`"subject_ends_with":"x","dead_letter_account":"/subscriptions/1/providers/Microsoft.Storage/storageAccounts/b",` +
		`"dead_letter_container":"dead"}`)
	for name, tt := range map[string]struct {
		r    provider.Registration
		full string
		want string
	}{
		"same":           {registered, full, ""},
		"another secret": {registered, strings.Replace(full, "s3cret", "old", 1), "the secret in the URL"},
		"settings":       {other, full, "batches, filter, retry policy, dead letters, schema"},
	} {
		api := (&providertest.RecordedAPI{}).AnswerFile(t, 200, "arm-get-succeeded.json").Answer(200, tt.full)
		inBubble(t, api, func(t *testing.T, calls provider.Subscriptions) {
			got, err := calls.Get(t.Context(), "recordings", tt.r)
			if err != nil || got.Differs != tt.want || got.Pending {
				t.Errorf("%s: differs in %q, want %q; %v", name, got.Differs, tt.want, err)
			}
		})
	}
	forbidden := (&providertest.RecordedAPI{}).AnswerFile(t, 200, "arm-get-succeeded.json").
		AnswerFile(t, 403, "arm-error-403.json")
	inBubble(t, forbidden, func(t *testing.T, calls provider.Subscriptions) {
		if got, err := calls.Get(t.Context(), "recordings", registered); err != nil || got.Differs != "" {
			t.Errorf("a secret that may not be read: %+v, %v", got, err)
		}
	})
}

func TestSubscriptionFailures(t *testing.T) {
	t.Parallel()
	providertest.CheckFailures(t, Provider{}, registered, []providertest.Failure{
		{Name: "rights", Status: 403, Body: "arm-error-403.json", Want: provider.APIError{Kind: provider.APIForbidden,
			Code: "AuthorizationFailed", Permission: "Microsoft.EventGrid/eventSubscriptions/write", Remedy: "yes"}},
		{Name: "the resource provider", Status: 409,
			Body: `{"error":{"code":"MissingSubscriptionRegistration","message":"x"}}`,
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "MissingSubscriptionRegistration",
				Remedy: "yes"}},
		{Name: "quota", Status: 409, Body: `{"error":{"code":"Conflict","message":"Quota limit reached."}}`,
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "Conflict", Remedy: "yes"}},
		{Name: "another change", Status: 409, Body: `{"error":{"code":"Conflict","message":"x"}}`,
			Want: provider.APIError{Kind: provider.APITemporary, Code: "Conflict", Remedy: "yes"}},
		{Name: "no resource", Status: 404, Body: `{"error":{"code":"ResourceGroupNotFound","message":"x"}}`,
			Want: provider.APIError{Kind: provider.APIInvalid, Code: "ResourceGroupNotFound", Remedy: "yes"}},
		{Name: "throttled", Status: 429, Body: `{"error":{"code":"TooManyRequests","message":"x"}}`,
			Header: []string{"Retry-After", "17"}, Want: provider.APIError{Kind: provider.APITemporary,
				Code: "TooManyRequests", RetryAfter: 17 * time.Second}},
		{Name: "the page of a proxy", Status: 403, Body: "<html>", Want: provider.APIError{Kind: provider.APIForeign}},
	})
}

func TestCheckRegistration(t *testing.T) {
	t.Parallel()
	check := func(r provider.Registration, source string) (provider.Terms, string) {
		terms, err := Provider{}.CheckRegistration(r, json.RawMessage(source))
		if err != nil {
			return terms, err.Error()
		}
		return terms, ""
	}
	r := registered
	r.Settings = []byte(`{"expires":"48h"}`)
	if terms, text := check(r, `{"query_secret":"a-long-secret"}`); text != "" || terms.Longest != 48*time.Hour {
		t.Errorf("%+v, %s", terms, text)
	}
	for settings, want := range map[string]string{
		`{"schema":"xml"}`:                                           "settings.schema",
		`{"max_events":5001}`:                                        "settings.max_events",
		`{"preferred_kilobytes":-1}`:                                 "settings.preferred_kilobytes",
		`{"max_attempts":31}`:                                        "settings.max_attempts",
		`{"time_to_live":"25h"}`:                                     "settings.time_to_live",
		`{"expires":"soon"}`:                                         "settings.expires",
		`{"event_types":[""]}`:                                       "settings.event_types[0]",
		`{"advanced_filters":{"key":"a"}}`:                           "settings.advanced_filters",
		`{"advanced_filters":[{"key":"a"}]}`:                         "settings.advanced_filters[0]",
		`{"dead_letter_container":"a"}`:                              "settings.dead_letter_container",
		`{"dead_letter_account":"/a/b","dead_letter_container":"a"}`: "settings.dead_letter_account",
		`{"topic":"x"}`:                                              "settings.topic",
	} {
		r.Settings = []byte(settings)
		if _, text := check(r, ""); !strings.Contains(text, want+": ") {
			t.Errorf("%s: %q, want %s", settings, text, want)
		}
	}
	for resource, want := range map[string]string{"": "required", "/": "required",
		"https://portal.azure.com/x": "begins with",
		"/me/events":                 "begins with", "/subscriptions/1/../2": "is no resource id",
		"/subscriptions/1?x": "is no resource id",
		scope + "/providers/Microsoft.EventGrid/eventSubscriptions/x": "this is an event subscription"} {
		if _, text := check(provider.Registration{Resource: resource}, ""); !strings.Contains(
			text, "resource: "+want) &&
			!strings.Contains(text, want) {
			t.Errorf("%q: %q", resource, text)
		}
	}
	if _, text := check(registered, `{"query_secret":"a-long-secret","subscriptions":["x"]}`); !strings.Contains(text,
		"source: its setting subscriptions") {
		t.Errorf("a source with subscriptions of its own: %q", text)
	}
}

// FuzzScope shows that a resource id that is taken leads below the API and nowhere else.
func FuzzScope(f *testing.F) {
	for _, text := range []string{scope, "//subscriptions//1/", "/providers/a/%2e%2e/", "/subscriptions/a?b",
		"subscriptions/\x00"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := scopeOf(text)
		if err != nil {
			return
		}
		at := pathOf(provider.Registration{Resource: text}, "name")
		lower := strings.ToLower(at)
		if !strings.HasPrefix(lower, "/subscriptions/") && !strings.HasPrefix(lower, "/providers/") ||
			strings.Contains(at, "//") || strings.Contains(at, "/../") || strings.ContainsAny(at, "?#\\ ") ||
			got == "" {
			t.Errorf("%q leads to %s", text, at)
		}
	})
}

// FuzzEventSubscription reads whatever comes as an event subscription or an operation.
func FuzzEventSubscription(f *testing.F) {
	f.Add(
		`{"id":"/a/providers/Microsoft.EventGrid/eventSubscriptions/b","name":"b","properties":{"provisioningState":"x"}}`)
	f.Add(`{"properties":{"destination":{"endpointType":"WebHook","properties":{"endpointBaseUrl":"https://a"}},` +
		`"filter":{"advancedFilters":[{"key":"a"}]},"retryPolicy":{},"deadLetterDestination":{},"labels":["a"]}}`)
	f.Add(
		`{"status":"Failed","error":{"code":"a","message":"b","details":[{"message":"validation https://a/b?c=d"}]}}`)
	f.Fuzz(func(t *testing.T, text string) {
		var e eventSubscription
		if json.Unmarshal([]byte(text), &e) == nil {
			want := wished(registered, nil)
			(&subscriptions{}).remote(e)
			want.differs(&e.Properties, registered.URL)
		}
		var op operation
		if json.Unmarshal([]byte(text), &op) == nil && len(op.failure().Message) > 2*provider.MaxAPIText {
			t.Errorf("the message has %d bytes", len(op.failure().Message))
		}
	})
}
