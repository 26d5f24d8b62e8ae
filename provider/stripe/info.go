package stripe

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:  "stripe",
		Title: "Stripe",
		Summary: "Snapshot and thin events of Stripe accounts, signed with HMAC-SHA256 and the " +
			"time in Stripe-Signature.",
		Links: []string{
			"https://docs.stripe.com/webhooks",
			"https://docs.stripe.com/webhooks/signature",
			"https://docs.stripe.com/event-destinations",
		},
		Key:          "secret",
		Settings:     sourceSettings,
		SendSettings: sendingSettings,
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:     setup,
		SendSetup: sendSetup,
		Notes:     notes,
		Recipe:    provider.Recipe{Source: "--key @FILE", Destination: "--set secret=@FILE", Send: "--key @FILE"},
		ByHand:    byHand,
	}
}

var sourceSettings = []provider.Setting{
	{Name: "secret", Title: "Signing secret", Required: true, Secret: true,
		Example: "whsec_8dUq2kV0cXn5sYbLr3TzHfWe6GmJpA1o",
		Many:    true,
		Doc: "The signing secret that Stripe shows for the endpoint, including whsec_. Blanks and line breaks " +
			"around it are removed. A key of Stripe's API (sk_…, rk_…, pk_…) and the id of an endpoint (we_…) are " +
			"refused. A list of up to 4 while it is being rolled."},
	{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
		Doc: "The largest accepted difference between the time of a request and now: 1s to 1h. Default: 5m. A " +
			"request exactly as old is accepted."},
	{Name: "livemode", Title: "Live mode", Example: "true", Kind: provider.KindFlag,
		Doc: "With true, only events of live mode are accepted; with false, only those of test mode and sandboxes. " +
			"Others are answered 403, which Stripe counts as a failure. Default: both are accepted."},
}

var sendingSettings = []provider.Setting{
	{Name: "secret", Title: "Signing secret", Required: true, Secret: true, Make: provider.MakeStandard, Signs: true,
		Example: "whsec_8dUq2kV0cXn5sYbLr3TzHfWe6GmJpA1o",
		Many:    true,
		Doc: "The signing secret that the receiver has, unchanged. A list of up to 4 while it is being rolled: each " +
			"secret makes a signature."},
	{Name: "api_version", Title: "API version", Example: "2025-09-30.clover",
		Doc: "The api_version of events that did not come from Stripe. Stripe's libraries for .NET, Java and Go " +
			"expect their own version. Default: null."},
	{Name: "livemode", Title: "Live mode", Example: "true", Kind: provider.KindFlag,
		Doc: "The livemode of events that did not come from Stripe. Default: false."},
}

var setup = []string{
	"In the Stripe Dashboard, open **Workbench**, then **Webhooks** and **Add destination**. Choose the account " +
		"or the connected accounts, the API version and the event types.",
	"Choose **Webhook endpoint** as the type of the destination and type `https://YOUR-HOST/in/SOURCE` as its URL. " +
		"Create it.",
	"On the page of the new endpoint, reveal the **signing secret** (`whsec_…`) and set it unchanged as `secret` of " +
		"the source. Live mode, test mode and each sandbox have endpoints and secrets of their own.",
	"Send a test event from that page, or with Stripe's command line tool: `stripe trigger " +
		"payment_intent.succeeded`. It appears as an event `stripe.payment_intent.succeeded`.",
	"With `stripe listen --forward-to http://127.0.0.1:8080/in/SOURCE`, the secret is the one " +
		"that this command prints.",
	"To roll the secret, choose **Roll secret** at Stripe and let the old secret expire later. Set both secrets " +
		"as a list; Stripe signs with both until the old one has expired. Then set the new one alone.",
}

var sendSetup = []string{
	"Any receiver of Stripe's webhooks can be the destination's URL. Set its signing secret as `secret`. Stripe's " +
		"secrets are `whsec_` with letters and digits, but any text works if both sides have the same.",
	"An event that came from Stripe is sent with its own bytes, signed anew for each attempt.",
	"Any other event is sent as an event of Stripe's API: `id` and `type` are those of the event, `created` is its " +
		"time, and `data.object` is its body if that is a JSON object. Otherwise `data.object` is an object " +
		"`bellhop.body` that has the body as `data`, or as `data_base64` if it is not JSON. Characters that " +
		"Stripe's types do not have are replaced by `_` in the type.",
	"If the receiver uses Stripe's library for .NET, Java or Go, set `api_version` to the version that the " +
		"library is made for; it may refuse events of another version.",
}

var notes = []string{
	"**Types** are `stripe.` and Stripe's type: `stripe.invoice.paid`, and " +
		"`stripe.v1.billing.meter.error_report_triggered` for a thin event.",
	"**Without a type.** A signed JSON object without a type that is a word, such as a fixture of a library, is the " +
		"event `stripe.event`. Without an `id`, its signature identifies repeats.",
	"**The subject** is the id of the object of the event: `data.object.id`, or `related_object.id` of a thin " +
		"event. Some objects, such as a balance, have no id.",
	"**Thin events** only name the object. Fetch it from Stripe by the event's id.",
	"**Repeats** are recognized by the event's `id` and its members; `pending_webhooks`, which a retry may count " +
		"differently, is left out. Stripe may send two events for one change; if that matters, " +
		"compare `type` and subject.",
	"**Order** is not guaranteed by Stripe. Compare `created`, or fetch the object.",
	"**Retries** by Stripe go on for up to three days in live mode, and for some hours in a sandbox, each with " +
		"a new time and signature. Every answer other than 2xx is a failure, redirects included.",
	"**The signature** covers the time and the body. Only `v1` counts; `v0`, which Stripe adds to test events, and " +
		"other names are ignored. Up to 16 signatures are tried, each with up to 4 secrets. An ambiguous header, " +
		"such as one with two times, is refused, although some of Stripe's libraries accept it.",
	"**The clock** of the machine must be right to within the tolerance. Stripe's libraries check only for times in " +
		"the past; Bellhop also refuses times in the future.",
	"**Connect**: an endpoint of live mode also gets the test events of connected accounts. Do not set " +
		"`livemode` on its source, because Stripe repeats refused events and finally disables the endpoint. Match " +
		"`data.livemode == true` in its place. `data.account` is the connected account.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"id":"evt_by_hand_1","object":"event","type":"invoice.paid","data":{"object":{"id":"in_1"}}}'
NOW=$(date +%s)
MAC=$(printf %s "$NOW.$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
curl -i "$URL" -H "Stripe-Signature: t=$NOW,v1=$MAC" -H 'Content-Type: application/json' --data-binary "$BODY"`
