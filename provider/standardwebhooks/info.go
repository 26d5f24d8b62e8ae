package standardwebhooks

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "standardwebhooks",
		Title:   "Standard Webhooks",
		Summary: "Any system that signs as the Standard Webhooks specification says, with shared secrets or Ed25519.",
		Links: []string{
			"https://www.standardwebhooks.com",
			"https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md",
			"https://docs.svix.com/receiving/verifying-payloads/how",
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
	{Name: "secret", Title: "Secret", Required: true, Secret: true, Example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		Doc: "What the sender shows for this endpoint: a shared secret (whsec_…) or its public key (whpk_…). A list of up to 4 while it is being replaced."},
	{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
		Doc: "How far a request's timestamp may be from now, either way: 1s to 1h. Default: 5m."},
	{Name: "header_family", Title: "Header family", Example: "svix",
		Doc: "What the names of the headers begin with: webhook (webhook-id, webhook-timestamp, webhook-signature) or svix. The other's are not looked at then. Default: webhook, and svix where there is none of webhook."},
}

var sendingSettings = []provider.Setting{
	{Name: "secret", Title: "Secret", Required: true, Secret: true, Example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		Doc: "To sign with: a shared secret (whsec_…) or a private key (whsk_…). With a list of up to 4, while it is being replaced, each makes a signature."},
	{Name: "header_family", Title: "Header family", Example: "svix",
		Doc: "What the names of the headers begin with: webhook or svix. Default: webhook."},
}

var setup = []string{
	"At the sender, add an endpoint (some call it a webhook, or a webhook subscription) with the URL `https://YOUR-HOST/in/SOURCE`, and choose the events to be told of.",
	"The sender shows a secret for this endpoint that begins with `whsec_`, or a public key that begins with `whpk_`. Set it as `secret` of the source, as it is: the prefix belongs to it.",
	"If the sender has a button for a test event, press it. It is answered 202 and shows up among the events of the source.",
	"To replace the secret, set the old and the new one as a list, replace it at the sender, and set the new one alone once nothing is signed with the old one any more.",
}

var sendSetup = []string{
	"Agree on a secret with the receiver: `whsec_` and the Base64 of 24 to 64 random bytes, such as the output of `echo whsec_$(openssl rand -base64 32)`. Each destination should have one of its own.",
	"The receiver verifies with any library of Standard Webhooks or Svix. For receivers that read `svix-id` and the like by name, set `header_family` to `svix`.",
	"With a private key (`whsk_…`), the receiver needs only the public one (`whpk_…`), but few libraries know such signatures (`v1a`). With a `whsec_` beside it in the list, both kinds are sent, and receivers of either kind are content.",
	"To replace a secret, set the new and the old one as a list: each delivery is signed with both until the old one is taken out.",
}

var notes = []string{
	"**A destination of type `http`** sends Standard Webhooks too, with headers of its own choice; this type is for what that does not do, such as the names of Svix.",
	"**Any body is taken**, for its bytes are signed. Where it is a JSON object, its `type` becomes the event's type and its `timestamp` the event's time; else the type is `standardwebhooks.message` and the time that of the attempt. A body in which a name occurs twice counts as one without a type.",
	"**Repeats** are told by `webhook-id`, which the sender keeps for every attempt and which is signed. What came as a Standard Webhook is sent on under the id it came with, anything else under its own.",
	"**The timestamp** is that of the attempt and must be within the tolerance of now, either way: the clock of the machine must be right. It is decimal digits without a sign, a fraction or leading zeros; some libraries are less strict.",
	"**Signatures** of unknown versions are passed over; at most 16 are tried, with up to 4 keys. One that fits is enough. A header that is there twice is refused.",
	"**Ids** with a dot are refused, as the specification says, since bytes could move between id and body without it.",
	"**The sender's retries** are recommended to be after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, which is also what Bellhop does.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"type":"invoice.paid","timestamp":"2026-11-22T10:00:00Z","data":{"id":17}}'
ID=msg_by_hand_1
NOW=$(date +%s)
HEX=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
MAC=$(printf %s "$ID.$NOW.$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$HEX -binary | openssl base64 -A)
curl -i "$URL" -H "webhook-id: $ID" -H "webhook-timestamp: $NOW" -H "webhook-signature: v1,$MAC" -H 'Content-Type: application/json' --data-binary "$BODY"`
