package outbound

import (
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/cloudevents"
)

// The two forms of one CloudEvent, as a source of type cloudevents stores them.
func binaryEvent() bellhop.Event {
	ev := stored()
	ev.Type, ev.Subject, ev.ProviderID = "com.example.order", "orders/17", cloudevents.RepeatKey("/shop", "order-17")
	ev.ContentType, ev.Body = "application/json", []byte(`{"n":9007199254740993}`)
	ev.Header = bellhop.Header("Bellhop-Hops: 2\nCe-Id: order-17\nCe-Region: eu\nCe-Source: /shop\nCe-Specversion: " +
		"1.0\nCe-Subject: orders/17\nCe-Time: 2026-11-22T09:59:00Z\nCe-Type: com.example.order\n")
	return ev
}

func structuredEvent() bellhop.Event {
	ev := binaryEvent()
	ev.ContentType, ev.Header = cloudevents.MediaType, bellhop.Header("Bellhop-Hops: 2\n")
	ev.Body = []byte(`{"id":"order-17","region":"eu","source":"/shop","specversion":"1.0","subject":"orders/17",` +
		`"time":"2026-11-22T09:59:00Z","type":"com.example.order","datacontenttype":"application/json",` +
		`"data":{"n":9007199254740993}}`)
	return ev
}

// TestCloudEventForms: each destination sends the same request for both forms of a CloudEvent, alone and in a batch,
// also if the binary one came compressed. Of raw and standard the headers say what the body of the other form says.
func TestCloudEventForms(t *testing.T) {
	t.Parallel()
	for name, target := range openAll(t) {
		batches := [][2][]bellhop.Event{
			{{structuredEvent()}, {binaryEvent()}},
			{{structuredEvent()}, {gzipped(t, binaryEvent())}},
			{{structuredEvent(), stored()}, {binaryEvent(), stored()}},
		}
		for i, b := range batches {
			switch {
			case len(b[0]) > 1 && target.renderBatch == nil, name == "raw", name == "standard",
				name == "cloudevents" && len(b[0]) == 1: // sends a single CloudEvent in the mode in which it came
				continue
			}
			want, got := rendered(t, name, target, b[0]...), rendered(t, name, target, b[1]...)
			if got != want || strings.HasPrefix(got, "error") {
				t.Errorf("%s, %d: binary it is sent as\n%s\nstructured as\n%s", name, i, got, want)
			}
		}
	}
}

// TestCloudEventAttributes: raw and standard pass the attributes on as headers. A header of the settings comes first,
// and ce- headers that are not of a CloudEvent stay behind.
func TestCloudEventAttributes(t *testing.T) {
	t.Parallel()
	for _, settings := range []string{
		`{"format":"raw","headers":{"ce-region":"us"}}`, `{"secret":"` + oldSecret + `","headers":{"ce-region":"us"}}`,
	} {
		target, err := opener(t).open(bellhop.Destination{Type: "http", URL: "https://example.com/hooks",
			Settings: []byte(settings)})
		if err != nil {
			t.Fatal(err)
		}
		got := rendered(t, settings, target, binaryEvent())
		for _, line := range []string{"Ce-Id: order-17", "Ce-Region: us", "Ce-Source: /shop", "Ce-Specversion: 1.0",
			"Ce-Subject: orders/17", "Ce-Time: 2026-11-22T09:59:00Z", "Ce-Type: com.example.order",
			"Content-Type: application/json", "Bellhop-Hops: 3"} {
			if strings.Count(got, line+"\r\n") != 1 {
				t.Errorf("%s: %q is not there once\n%s", settings, line, got)
			}
		}
		if strings.Contains(got, "Region: eu") || !strings.HasSuffix(got, "\r\n"+string(binaryEvent().Body)) {
			t.Errorf("%s:\n%s", settings, got)
		}
		other := binaryEvent()
		other.ProviderID = "of another system"
		if got := rendered(t, settings, target, other); strings.Contains(got, "Ce-Id") {
			t.Errorf("%s: an event of another system is sent as\n%s", settings, got)
		}
	}
}

// TestCloudEventForExpressions: expressions read each form as it was received.
func TestCloudEventForExpressions(t *testing.T) {
	t.Parallel()
	target, err := opener(t).open(bellhop.Destination{Type: "http", URL: "https://example.com/hooks",
		Settings: []byte(`{"format":"template","template":"data"}`)})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range []bellhop.Event{binaryEvent(), structuredEvent()} {
		wanted := strings.Contains(string(ev.Body), "specversion")
		if got := rendered(t, "template", target, ev); strings.Contains(got, `"specversion":`) != wanted {
			t.Errorf("%s", got)
		}
	}
}

// TestCloudEventForAction: a command gets the same from both forms.
func TestCloudEventForAction(t *testing.T) {
	t.Parallel()
	r := &recorder{}
	target, err := opener(t, func(opts *Options) { opts.Actions = []provider.Action{r} }).open(
		bellhop.Destination{Type: "chore", Timeout: bellhop.DefaultTimeout})
	if err != nil {
		t.Fatal(err)
	}
	for _, ev := range []bellhop.Event{binaryEvent(), structuredEvent()} {
		got := target.Send(t.Context(), []*bellhop.Delivery{{Event: &ev}}, began)
		if got.Outcome != bellhop.OutcomeDelivered || r.body != string(structuredEvent().Body) {
			t.Errorf("%+v with %q", got, r.body)
		}
	}
}
