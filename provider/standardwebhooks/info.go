package standardwebhooks

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "standardwebhooks",
		Title:   "Standard Webhooks",
		Summary: "Every system that signs by the Standard Webhooks specification, with shared secrets or Ed25519.",
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
		Many: true,
		Doc: "The secret that the sender shows for this endpoint (whsec_…), or the sender's public key (whpk_…), " +
			"in the form in which it is shown: with or without its prefix, after `v1,` or `v1a,`, several " +
			"separated by a bar, a comma or a blank, and base64 of either alphabet, with or without padding. A " +
			"list of up to 4 while it is being replaced."},
	{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
		Doc: "The largest accepted difference between the timestamp of a request and now: 1s to 1h. Default: 5m. A " +
			"request exactly as old is accepted."},
	{Name: "header_family", Title: "Header family", Example: "svix", Choices: families,
		Doc: "The prefix of the headers: webhook (webhook-id, webhook-timestamp, webhook-signature) or svix. " +
			"Headers with the other prefix are then ignored. Default: webhook, and svix for a request " +
			"without webhook headers."},
}

var sendingSettings = []provider.Setting{
	{Name: "secret", Title: "Secret", Required: true, Secret: true, Make: provider.MakeStandard, Signs: true,
		Example: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
		Many:    true,
		Doc: "The key to sign with: a shared secret (whsec_…) or a private key (whsk_…). A list of up to 4 while it " +
			"is being replaced: each makes a signature."},
	{Name: "header_family", Title: "Header family", Example: "svix", Choices: families,
		Doc: "The prefix of the headers: webhook or svix. Default: webhook."},
}

var setup = []string{
	"At the sender, add an endpoint (some call it a webhook, or a webhook subscription) with the URL " +
		"`https://YOUR-HOST/in/SOURCE`, and choose the events.",
	"The sender shows a secret for this endpoint that begins with `whsec_`, or a public key that begins with " +
		"`whpk_`. Set it unchanged, with its prefix, as `secret` of the source.",
	"If the sender has a button for a test event, press it. The request is answered 202, and the event appears " +
		"among the events of the source.",
	"To replace the secret, set the old and the new one as a list and replace it at the sender. Once the sender no " +
		"longer signs with the old one, set the new one alone.",
}

var sendSetup = []string{
	"Agree on a secret with the receiver: `whsec_` and the Base64 of 24 to 64 random bytes, such as the output of " +
		"`echo whsec_$(openssl rand -base64 32)`. Use another secret for each destination.",
	"The receiver can verify with any library of Standard Webhooks or Svix. If it reads `svix-id` and the like by " +
		"name, set `header_family` to `svix`.",
	"With a private key (`whsk_…`) the receiver needs only the public key (`whpk_…`), but few libraries support " +
		"such signatures (`v1a`). With a `whsec_` beside it in the list both kinds of signature are sent, so every " +
		"receiver can verify one.",
	"To replace a secret, set the new and the old one as a list: each delivery is signed with both until you remove " +
		"the old one.",
}

var notes = []string{
	"**A destination of type `http`** sends Standard Webhooks too, and can set further headers. Use this type for " +
		"what `http` cannot do, such as Svix's headers.",
	"**Any body is accepted**, because its bytes are signed. If it is a JSON object, its `type` becomes the type of " +
		"the event and its `timestamp` the time of the event. Otherwise the type is `standardwebhooks.message`, " +
		"and the time is that of the attempt. A body in which a name occurs twice counts as a body without a type.",
	"**Repeats** are recognized by `webhook-id`, which is signed and the same for every attempt. An event that " +
		"came as a Standard Webhook is sent with the id that it came with, any other with its own.",
	"**Short secrets.** The specification asks for 24 to 64 bytes. Shorter and longer ones, up to 512 bytes, are " +
		"accepted, as published libraries accept them; a shorter one gets a warning.",
	"**The timestamp** is that of the attempt. It must be within the tolerance of now, so the clock of the machine " +
		"must be right. It consists of decimal digits without a sign, fraction or leading zeros; some libraries " +
		"are less strict.",
	"**Signatures** of unknown versions are ignored; at most 16 are tried, each with up to 4 keys. One that fits is " +
		"enough. A repeated header is refused.",
	"**Ids** with a dot are refused, as the specification demands; otherwise bytes could move between id and body " +
		"under the same signature.",
	"**The specification recommends** retries after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h and 24 h, " +
		"which is Bellhop's default.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"type":"invoice.paid","timestamp":"2026-11-22T10:00:00Z","data":{"id":17}}'
ID=msg_by_hand_1
NOW=$(date +%s)
HEX=$(printf %s "${SECRET#whsec_}" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
MAC=$(printf %s "$ID.$NOW.$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$HEX -binary | openssl base64 -A)
curl -i "$URL" -H "webhook-id: $ID" -H "webhook-timestamp: $NOW" -H "webhook-signature: v1,$MAC" -H 'Content-Type: application/json' --data-binary "$BODY"`
