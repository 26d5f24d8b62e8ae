package stripe

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "stripe",
		Title:   "Stripe",
		Summary: "Snapshot and thin events of Stripe accounts, signed with HMAC-SHA256 and the time in Stripe-Signature.",
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
	{Name: "secret", Title: "Signing secret", Required: true, Secret: true, Example: "whsec_8dUq2kV0cXn5sYbLr3TzHfWe6GmJpA1o",
		Doc: "The signing secret that Stripe shows for the endpoint, whsec_ included. A list of up to 4 while it is being rolled."},
	{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
		Doc: "How far the time of a request may be from now, either way: 1s to 1h. Default: 5m."},
	{Name: "livemode", Title: "Live mode", Example: "true", Kind: provider.KindFlag,
		Doc: "true takes only events of live mode, false only those of test mode and sandboxes; others are answered 403, which Stripe takes for a failure. Default: both are taken."},
}

var sendingSettings = []provider.Setting{
	{Name: "secret", Title: "Signing secret", Required: true, Secret: true, Example: "whsec_8dUq2kV0cXn5sYbLr3TzHfWe6GmJpA1o",
		Doc: "The signing secret that the receiver knows, as it is. With a list of up to 4, while it is being rolled, each makes a signature."},
	{Name: "api_version", Title: "API version", Example: "2025-09-30.clover",
		Doc: "The api_version of events that did not come from Stripe. Stripe's libraries for .NET, Java and Go expect their own. Default: null."},
	{Name: "livemode", Title: "Live mode", Example: "true", Kind: provider.KindFlag,
		Doc: "The livemode of events that did not come from Stripe. Default: false."},
}

var setup = []string{
	"In the Stripe Dashboard, open **Workbench**, then **Webhooks** and **Add destination**. Choose the account, or the connected accounts, whose events are wanted, the API version and the event types.",
	"Choose **Webhook endpoint** as the type of the destination and type `https://YOUR-HOST/in/SOURCE` as its URL. Create it.",
	"On the page of the new endpoint, reveal the **signing secret** (`whsec_…`) and set it as `secret` of the source, as it is. Live mode, test mode and each sandbox have endpoints and secrets of their own.",
	"Send a test event from that page, or with Stripe's command line tool: `stripe trigger payment_intent.succeeded`. It shows up as an event `stripe.payment_intent.succeeded`.",
	"With `stripe listen --forward-to http://127.0.0.1:8080/in/SOURCE`, the secret is the one that this command prints.",
	"To roll the secret, choose **Roll secret** at Stripe and let the old one expire later; set both as a list, and the new one alone once the old one has expired. Stripe signs with both until then.",
}

var sendSetup = []string{
	"Any receiver of Stripe's webhooks can be the destination's URL. Set its signing secret as `secret`: Stripe's form is `whsec_` and letters and digits, but any text will do that both sides know.",
	"An event that came from Stripe arrives there with its own bytes, signed anew for each attempt.",
	"Any other event arrives as an event of Stripe's API: `id` and `type` are the event's, `created` its time, and `data.object` its body where that is a JSON object, else an object `bellhop.body` with the body as `data` or, where it is not JSON, `data_base64`. Characters of a type that Stripe's types do not have become `_`.",
	"If the receiver uses Stripe's library for .NET, Java or Go, set `api_version` to the one that the library is made for: they may refuse events of another.",
}

var notes = []string{
	"**Types** are `stripe.` and Stripe's word: `stripe.invoice.paid`, and of thin events `stripe.v1.billing.meter.error_report_triggered`.",
	"**The subject** is the id of the object that the event is about: `data.object.id`, and `related_object.id` of thin events. Some objects, such as a balance, have none.",
	"**Thin events** only name the object; whoever wants more fetches it from Stripe by the event's id.",
	"**Repeats** are told by the event's `id`. Stripe may make two events of one change; compare `type` and subject where that matters.",
	"**Order** is not kept by Stripe. Compare `created`, or fetch the object.",
	"**Stripe tries again** for up to three days in live mode, a few times over some hours in a sandbox, with a new time and signature each time. Anything but 2xx is a failure, redirects included.",
	"**The signature** is over the time and the body. Only `v1` counts; `v0`, which Stripe sends along for test events, and other names are passed over. Up to 16 signatures are tried, with up to 4 secrets. A header that can be read in two ways, such as one with two times, is refused, though some of Stripe's libraries take it.",
	"**The clock** of the machine must be right to within the tolerance. Stripe's libraries look at the past only; Bellhop refuses a time in the future as well.",
	"**Connect**: an endpoint of live mode also gets the test events of connected accounts. Do not set `livemode` there, since Stripe repeats what is refused, and in the end disables the endpoint; match `data.livemode == true` instead. `data.account` is the connected account.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"id":"evt_by_hand_1","object":"event","type":"invoice.paid","data":{"object":{"id":"in_1"}}}'
NOW=$(date +%s)
MAC=$(printf %s "$NOW.$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
curl -i "$URL" -H "Stripe-Signature: t=$NOW,v1=$MAC" -H 'Content-Type: application/json' --data-binary "$BODY"`
