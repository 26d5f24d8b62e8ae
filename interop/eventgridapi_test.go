package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/eventgrid/armeventgrid"
)

// azureAccount is the Azure subscription of the tests.
const azureAccount = "5b4b650e-28b9-4790-b3ab-ddbd88d727c4"

const (
	armScope  = "https://management.azure.com/.default"
	gridScope = "https://eventgrid.azure.net/.default"
)

// appToken returns a token of the client of its own for a scope.
func (s *standIn) appToken(t *testing.T, scope string) string {
	t.Helper()
	return s.token(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"bellhop"},
		"client_secret": {"secret"}, "scope": {scope}})
}

// eventGridSource creates a source of provider eventgrid, and returns it with its URL and the secret in it.
func eventGridSource(t *testing.T, g *gateway) (source, string) {
	t.Helper()
	const secret = "a-secret-of-the-interop-tests"
	hook := g.newSource(t, "eventgrid", settings{"query_secret": secret})
	return hook, hook.URL + "?code=" + secret
}

func TestNpmArmEventgrid(t *testing.T) {
	g := sharedGateway(t)
	s := startStandIn(t, true, "--speed", "20")
	client := npmVersion(t, "@azure/arm-eventgrid") + ", https"
	hook, address := eventGridSource(t, g)
	s.runChecks(t, client, "arm-eventgrid.mjs", settings{"hook": address, "token": s.appToken(t, armScope)})
	checkArrived(t, client, hook, 4) // two events, and two notices of deletion
}

func TestNpmAzureEventgridTopics(t *testing.T) {
	g := sharedGateway(t)
	for _, c := range []struct {
		name    string
		overTLS bool
		want    int // events
	}{{"http", false, 4}, {"https", true, 5}} {
		t.Run(c.name, func(t *testing.T) {
			s := startStandIn(t, c.overTLS, "--speed", "20")
			for schema, input := range map[string]string{"EventGrid": "EventGridSchema",
				"CloudEvent": "CloudEventSchemaV1_0"} {
				client := npmVersion(t, "@azure/eventgrid") + ", " + c.name + ", " + schema
				hook, address := eventGridSource(t, g)
				endpoint, key := s.newTopic(t, strings.ToLower(schema), input, address)
				of := settings{"endpoint": endpoint, "key": key, "schema": schema}
				if c.overTLS {
					of["token"] = s.appToken(t, gridScope)
				}
				s.runChecks(t, client, "eventgrid-topic.mjs", of)
				checkArrived(t, client, hook, c.want)
			}
		})
	}
}

// newTopic makes a topic with an event subscription for a source, and returns its endpoint and a key.
func (s *standIn) newTopic(t *testing.T, name, schema, hook string) (endpoint, key string) {
	t.Helper()
	topic := "/subscriptions/" + azureAccount + "/resourceGroups/shop/providers/Microsoft.EventGrid/topics/" + name
	sub := topic + "/providers/Microsoft.EventGrid/eventSubscriptions/all-events"
	var made struct{ Properties struct{ Endpoint string } }
	s.manage(t, http.MethodPut, topic,
		settings{"location": "westeurope", "properties": settings{"inputSchema": schema}}, &made)
	var keys struct{ Key1 string }
	s.manage(t, http.MethodPost, topic+"/listKeys", nil, &keys)
	s.manage(t, http.MethodPut, sub, settings{"properties": settings{"eventDeliverySchema": schema,
		"destination": settings{"endpointType": "WebHook", "properties": settings{"endpointUrl": hook}}}}, nil)
	var shown struct {
		Properties struct{ ProvisioningState string }
	}
	if !waitFor(func() bool {
		s.manage(t, http.MethodGet, sub, nil, &shown)
		return shown.Properties.ProvisioningState == "Succeeded"
	}) {
		t.Fatalf("the event subscription is %s", shown.Properties.ProvisioningState)
	}
	return made.Properties.Endpoint, keys.Key1
}

// manage calls Azure Resource Manager and decodes the answer into out, which may be nil.
func (s *standIn) manage(t *testing.T, method, path string, in, out any) {
	t.Helper()
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequest(method, s.URL+path+"?api-version=2022-06-15", bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+s.appToken(t, armScope))
	res, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	if err == nil && out != nil {
		err = json.Unmarshal(answer, out)
	}
	if err != nil || res.StatusCode > 299 {
		t.Fatalf("%s %s: %d %s, %v", method, path, res.StatusCode, answer, err)
	}
}

// aToken is a credential that has a token already.
type aToken string

func (a aToken) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: string(a), ExpiresOn: time.Now().Add(time.Hour)}, nil
}

func TestGoArmEventgrid(t *testing.T) {
	g := sharedGateway(t)
	for name, overTLS := range map[string]bool{"http": false, "https": true} {
		t.Run(name, func(t *testing.T) {
			s := startStandIn(t, overTLS, "--speed", "20")
			client := moduleVersion(t,
				"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/eventgrid/armeventgrid") + ", " + name
			hook, address := eventGridSource(t, g)
			options := &arm.ClientOptions{DisableRPRegistration: true,
				ClientOptions: azcore.ClientOptions{Transport: s.client,
					InsecureAllowCredentialWithHTTP: !overTLS, Cloud: cloud.Configuration{
						Services: map[cloud.ServiceName]cloud.ServiceConfiguration{cloud.ResourceManager: {
							Endpoint: s.URL, Audience: "https://management.azure.com"}}}}}
			manageByGo(t, client, s, options, address)
			checkArrived(t, client, hook, 4) // two events, and two notices of deletion
		})
	}
}

// done waits for the end of a long-running operation.
func done[T any](poller *runtime.Poller[T], err error) (T, error) {
	var zero T
	if err != nil {
		return zero, err
	}
	return poller.PollUntilDone(context.Background(), &runtime.PollUntilDoneOptions{Frequency: time.Second})
}

// wantStatus checks that err is an answer with a status and a code.
func wantStatus(t *testing.T, err error, status int, code string) {
	t.Helper()
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) || answer.StatusCode != status || code != "" && answer.ErrorCode != code {
		t.Errorf("the error is %v, want %d %s", err, status, code)
	}
}

// manageByGo makes the checks of armeventgrid.
func manageByGo(t *testing.T, client string, s *standIn, options *arm.ClientOptions, hook string) {
	ctx := context.Background()
	credential := aToken(s.appToken(t, armScope))
	subs, err := armeventgrid.NewEventSubscriptionsClient(azureAccount, credential, options)
	if err != nil {
		t.Fatal(err)
	}
	topics, err := armeventgrid.NewTopicsClient(azureAccount, credential, options)
	if err != nil {
		t.Fatal(err)
	}
	const scope = "subscriptions/" + azureAccount + "/resourceGroups/media/providers/Microsoft.Communication/" +
		"communicationServices/calls"
	wanted := func(endpoint string, schema armeventgrid.EventDeliverySchema) armeventgrid.EventSubscription {
		return armeventgrid.EventSubscription{Properties: &armeventgrid.EventSubscriptionProperties{
			EventDeliverySchema: to.Ptr(schema), ExpirationTimeUTC: to.Ptr(time.Now().Add(48 * time.Hour)),
			Filter: &armeventgrid.EventSubscriptionFilter{
				IncludedEventTypes: []*string{to.Ptr("Microsoft.Communication.RecordingFileStatusUpdated")}},
			Destination: &armeventgrid.WebHookEventSubscriptionDestination{
				EndpointType: to.Ptr(armeventgrid.EndpointTypeWebHook),
				Properties: &armeventgrid.WebHookEventSubscriptionDestinationProperties{EndpointURL: to.Ptr(endpoint),
					DeliveryAttributeMappings: []armeventgrid.DeliveryAttributeMappingClassification{
						&armeventgrid.StaticDeliveryAttributeMapping{Name: to.Ptr("X-Hush"),
							Type: to.Ptr(armeventgrid.DeliveryAttributeMappingTypeStatic),
							Properties: &armeventgrid.StaticDeliveryAttributeMappingProperties{
								Value:    to.Ptr("hush-hush"),
								IsSecret: to.Ptr(true)}}}}}}}
	}
	names := map[string]armeventgrid.EventDeliverySchema{"recordings": armeventgrid.EventDeliverySchemaEventGridSchema,
		"cloud": armeventgrid.EventDeliverySchemaCloudEventSchemaV10}
	check(t, client, standInCalls, "create in both schemas: the handshake of a source, and the "+
		"poller ends with Succeeded",
		func(t *testing.T) {
			for name, schema := range names {
				made, err := done(subs.BeginCreateOrUpdate(ctx, scope, name, wanted(hook, schema), nil))
				if err != nil {
					t.Fatal(err)
				}
				destination := made.Properties.Destination.(*armeventgrid.WebHookEventSubscriptionDestination).
					Properties
				if *made.Properties.ProvisioningState != armeventgrid.EventSubscriptionProvisioningStateSucceeded ||
					*made.Properties.EventDeliverySchema != schema || destination.EndpointURL != nil ||
					*destination.EndpointBaseURL != strings.Split(hook, "?")[0] {
					t.Errorf("%s: %+v, %+v", name, made.Properties, destination)
				}
			}
		})
	check(t, client, standInCalls, "read: no secret; GetFullURL and GetDeliveryAttributes show them",
		func(t *testing.T) {
			read, err := subs.Get(ctx, scope, "cloud", nil)
			if err != nil {
				t.Fatal(err)
			}
			header := read.Properties.Destination.(*armeventgrid.WebHookEventSubscriptionDestination).Properties.
				DeliveryAttributeMappings[0].(*armeventgrid.StaticDeliveryAttributeMapping)
			full, err := subs.GetFullURL(ctx, scope, "cloud", nil)
			if err != nil || *full.EndpointURL != hook || header.Properties.Value != nil {
				t.Errorf("the URL is %v, and the header %+v: %v", full.EndpointURL, header.Properties, err)
			}
			headers, err := subs.GetDeliveryAttributes(ctx, scope, "cloud", nil)
			if err != nil || len(headers.Value) != 1 ||
				*headers.Value[0].(*armeventgrid.StaticDeliveryAttributeMapping).Properties.Value != "hush-hush" {
				t.Errorf("the headers are %+v: %v", headers.Value, err)
			}
		})
	check(t, client, standInCalls, "update: labels and expiry", func(t *testing.T) {
		until := time.Now().Add(72 * time.Hour).UTC().Truncate(time.Second)
		changed, err := done(subs.BeginUpdate(ctx, scope, "recordings", armeventgrid.EventSubscriptionUpdateParameters{
			Labels: []*string{to.Ptr("changed")}, ExpirationTimeUTC: &until}, nil))
		if err != nil {
			t.Fatal(err)
		}
		if len(changed.Properties.Labels) != 1 || *changed.Properties.Labels[0] != "changed" ||
			!changed.Properties.ExpirationTimeUTC.Equal(until) {
			t.Errorf("it is %+v", changed.Properties)
		}
	})
	check(t, client, standInCalls, "list: in pages of one, of the resource and of the Azure subscription",
		func(t *testing.T) {
			found, pages := map[string]bool{}, 0
			ofResource := subs.NewListByResourcePager("media", "Microsoft.Communication", "communicationServices",
				"calls", &armeventgrid.EventSubscriptionsClientListByResourceOptions{Top: to.Ptr[int32](1)})
			for ; ofResource.More(); pages++ {
				page, err := ofResource.NextPage(ctx)
				if err != nil {
					t.Fatal(err)
				}
				for _, sub := range page.Value {
					found[*sub.Name] = true
				}
			}
			all, err := subs.NewListGlobalBySubscriptionPager(nil).NextPage(ctx)
			if err != nil || len(found) != 2 || pages != 2 || len(all.Value) != 2 {
				t.Errorf("%v in %d pages; all are %d: %v", found, pages, len(all.Value), err)
			}
		})
	check(t, client, standInCalls, "a handshake that is refused: the failure at the status URL, which is answered 200",
		func(t *testing.T) {
			_, err := done(subs.BeginCreateOrUpdate(ctx, scope, "refused",
				wanted(strings.Replace(hook, "code=", "code=x", 1), names["recordings"]), nil))
			if err == nil || !strings.Contains(err.Error(), "Webhook validation handshake failed") {
				t.Errorf("the error is %v", err)
			}
			if _, err := done(subs.BeginDelete(ctx, scope, "refused", nil)); err != nil {
				t.Error(err)
			}
		})
	check(t, client, standInCalls, "AwaitingManualAction: it polls until somebody opens the validation URL",
		func(t *testing.T) {
			receiver := listen(t, func(w http.ResponseWriter, _ call) { w.WriteHeader(http.StatusOK) })
			poller, err := subs.BeginCreateOrUpdate(ctx, scope, "manual", wanted(receiver.URL, names["recordings"]),
				nil)
			if err != nil {
				t.Fatal(err)
			}
			var asked []struct {
				Data struct{ ValidationURL string }
			}
			if err := json.Unmarshal(receiver.next().body, &asked); err != nil {
				t.Fatal(err)
			}
			if _, err := poller.Poll(ctx); err != nil || poller.Done() {
				t.Errorf("it does not wait: %v", err)
			}
			res, err := s.client.Get(asked[0].Data.ValidationURL)
			if err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusOK {
				t.Fatalf("the validation URL: %v", err)
			}
			made, err := done(poller, nil)
			if err != nil ||
				*made.Properties.ProvisioningState != armeventgrid.EventSubscriptionProvisioningStateSucceeded {
				t.Errorf("it ends with %v", err)
			}
			if _, err := done(subs.BeginDelete(ctx, scope, "manual", nil)); err != nil {
				t.Error(err)
			}
			receiver.next() // the notice of the deletion
		})
	check(t, client, standInCalls, "400, 403 and 404 with their codes; 429 after which it repeats",
		func(t *testing.T) {
			past := wanted(hook, names["recordings"])
			past.Properties.ExpirationTimeUTC = to.Ptr(time.Unix(0, 0))
			_, err := done(subs.BeginCreateOrUpdate(ctx, scope, "past", past, nil))
			wantStatus(t, err, http.StatusBadRequest, "InvalidRequest")
			_, err = subs.Get(ctx, scope, "nobody", nil)
			wantStatus(t, err, http.StatusNotFound, "ResourceNotFound")
			s.control(t, "fault", settings{"fault": "error", "value": "AuthorizationFailed", "system": "eventgrid"})
			_, err = subs.Get(ctx, scope, "cloud", nil)
			wantStatus(t, err, http.StatusForbidden, "AuthorizationFailed")
			s.control(t, "fault", settings{"fault": "throttle", "value": "1", "system": "eventgrid"})
			if _, err = subs.Get(ctx, scope, "cloud", nil); err != nil {
				t.Errorf("after 429: %v", err)
			}
		})
	check(t, client, standInCalls, "topics: create, keys, another key, delete", func(t *testing.T) {
		made, err := done(topics.BeginCreateOrUpdate(ctx, "shop", "orders",
			armeventgrid.Topic{Location: to.Ptr("westeurope"),
				Properties: &armeventgrid.TopicProperties{
					InputSchema: to.Ptr(armeventgrid.InputSchemaCloudEventSchemaV10)}}, nil))
		if err != nil {
			t.Fatal(err)
		}
		if *made.Properties.Endpoint != s.URL+"/topics/orders/api/events" {
			t.Errorf("the endpoint is %s", *made.Properties.Endpoint)
		}
		keys, err := topics.ListSharedAccessKeys(ctx, "shop", "orders", nil)
		if err != nil {
			t.Fatal(err)
		}
		after, err := done(topics.BeginRegenerateKey(ctx, "shop", "orders",
			armeventgrid.TopicRegenerateKeyRequest{KeyName: to.Ptr("key1")}, nil))
		if err != nil || *after.Key1 == *keys.Key1 || *after.Key2 != *keys.Key2 {
			t.Errorf("the keys are the same: %v", err)
		}
		if _, err := done(topics.BeginDelete(ctx, "shop", "orders", nil)); err != nil {
			t.Error(err)
		}
		_, err = topics.Get(ctx, "shop", "orders", nil)
		wantStatus(t, err, http.StatusNotFound, "")
	})
	check(t, client, standInCalls, "what happens in the resource is delivered in both schemas; delete",
		func(t *testing.T) {
			s.control(t, "event", settings{"system": "eventgrid", "resource": "/" + scope, "change_type": "created"})
			for name := range names {
				if _, err := done(subs.BeginDelete(ctx, scope, name, nil)); err != nil {
					t.Error(err)
				}
				_, err := subs.Get(ctx, scope, name, nil)
				wantStatus(t, err, http.StatusNotFound, "ResourceNotFound")
			}
		})
}
