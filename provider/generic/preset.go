package generic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// A preset is what one system does: settings that its owner need not find out, and the handshake it asks for.
type preset struct {
	name     string
	title    string
	link     string // to the system's own documentation
	setup    string // where to enter the URL, and where the secret is
	note     string // what else is worth knowing; may be ""
	settings settings
	object   bool // a body that is no JSON object is malformed, even if no member is wanted of it

	// notices are values of the header noticeHeader that are the type themselves: a message about the subscription, in
	// the place of an event of the subscribed type.
	noticeHeader string
	notices      []string

	query *queryHandshake
	body  *bodyHandshake
}

// findPreset returns the preset of that name, which only a source can have.
func findPreset(name, side string) (*preset, error) {
	if side != source {
		return nil, bellhop.Invalid("preset", "only a source has presets; to sign as that system does, set scheme, header and the rest")
	}
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	if i < 0 {
		return nil, bellhop.Invalid("preset", "there are "+strings.Join(presetNames(), ", ")+"; other systems, such as sns, may be providers of their own")
	}
	return &presets[i], nil
}

func presetNames() (names []string) {
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}

// fill returns the preset's settings, with what is left to the owner taken from s.
func (p *preset) fill(s settings) settings {
	filled := p.settings
	filled.Preset, filled.Secret, filled.VerifyToken, filled.URL = p.name, s.Secret, s.VerifyToken, s.URL
	filled.Methods = []string{http.MethodPost}
	if s.Tolerance != "" {
		filled.Tolerance = s.Tolerance
	}
	return filled
}

// needs are the settings that have to be there.
func (p *preset) needs() []string {
	needs := []string{"secret"}
	if p.query != nil && p.query.token != "" {
		needs = append(needs, "verify_token")
	}
	if strings.Contains(p.settings.Template, "{url}") {
		needs = append(needs, "url")
	}
	return needs
}

// takes are the settings that are left to the owner.
func (p *preset) takes() []string {
	if p.settings.TimestampHeader != "" || p.settings.TimestampField != "" {
		return append(p.needs(), "tolerance")
	}
	return p.needs()
}

// checkFit refuses settings that the preset says itself, and asks for those that it needs. raw was decoded into s
// before, so it is an object.
func (p *preset) checkFit(s settings, raw json.RawMessage) error {
	takes, needs := p.takes(), p.needs()
	var errs []error
	_ = strictjson.Object(raw, func(name, value []byte) {
		if key := string(name); key != "preset" && string(value) != "null" && !slices.Contains(takes, key) {
			errs = append(errs, bellhop.Invalid(key, fmt.Sprintf("preset %s leaves you only %s; remove it, or set scheme and the rest instead of preset", p.name, strings.Join(takes, ", "))))
		}
	})
	if slices.Contains(needs, "verify_token") {
		errs = append(errs, s.VerifyToken.Check("verify_token"))
	}
	if s.URL == "" && slices.Contains(needs, "url") {
		errs = append(errs, bellhop.Invalid("url", "required: the URL as you entered it there, without a query, such as https://hooks.example.com/in/calls"))
	}
	return bellhop.Join("", errs...)
}

// eventType returns kind as a type with the name of the preset before it. A colon becomes a dot; what cannot be a type
// even so is "received".
func (p *preset) eventType(kind string, h http.Header) string {
	if p.noticeHeader != "" && slices.Contains(p.notices, single(h, p.noticeHeader)) {
		kind = single(h, p.noticeHeader)
	}
	if full := p.name + "." + strings.ReplaceAll(kind, ":", "."); kind != "" && provider.Word(full) {
		return full
	}
	return p.name + ".received"
}

// status is what an event is answered with: 200, which each of them takes; Dropbox repeats after anything else. Without a
// preset it is the door's own.
func (p *preset) status() int {
	if p.name == "" {
		return 0
	}
	return http.StatusOK
}

// presets are in the order of their names. Each was written from the documentation it links to, and has its recordings in
// testdata/recordings.
var presets = []preset{
	{
		name: "bitbucket", title: "Bitbucket Cloud", link: "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
		setup:    "Repository settings → Webhooks → Add webhook: the URL, and under Secret the same text as `secret`.",
		note:     "The event key is the type, with a dot for its colon: `bitbucket.repo.push`.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Hub-Signature", Prefix: new("sha256="), TypeHeader: "X-Event-Key", IDHeader: "X-Request-Uuid"},
	},
	{
		name: "dropbox", title: "Dropbox", link: "https://www.dropbox.com/developers/reference/webhooks",
		setup:    "App Console → your app → Webhooks: the URL. `secret` is the App secret on the same page.",
		note:     "A notification names accounts, not changes, and two of them may be equal byte for byte: none is taken for a repeat. Anyone may have a `challenge` echoed, as plain text of up to 4 KiB.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Dropbox-Signature", Type: "notification", Repeat: repeatNone},
		query:    &queryHandshake{parameter: "challenge"},
	},
	{
		name: "gitlab", title: "GitLab", link: "https://docs.gitlab.com/user/project/integrations/webhooks/",
		setup:    "Settings → Webhooks → Add new webhook: the URL, and under Secret token the same text as `secret`.",
		note:     "The token proves the sender, not the body. If you use GitLab's signing token (`whsec_…`) instead, take the provider standardwebhooks. Before GitLab 17.4 there is no `Idempotency-Key`, and so repeats are not known.",
		settings: settings{Scheme: schemeToken, Header: "X-Gitlab-Token", TypeField: "object_kind", IDHeader: "Idempotency-Key"},
	},
	{
		name: "linear", title: "Linear", link: "https://linear.app/developers/webhooks",
		setup: "Settings → API → Webhooks → New webhook: the URL. `secret` is the Signing secret on the webhook's page.",
		note:  "What is older than a minute by its `webhookTimestamp` is refused, as Linear advises; `tolerance` changes that.",
		settings: settings{Scheme: schemeHMAC, Header: "Linear-Signature", TypeField: "type", IDHeader: "Linear-Delivery",
			TimestampField: "webhookTimestamp", TimestampFormat: formatMillis, Tolerance: "1m"},
	},
	{
		name: "meta", title: "Meta (Facebook, Instagram, WhatsApp)", link: "https://developers.facebook.com/docs/graph-api/webhooks/getting-started/",
		setup:    "App Dashboard → Webhooks: the URL as Callback URL, and under Verify token the same text as `verify_token`, which you make up. `secret` is the App secret under App settings → Basic.",
		note:     "A request may hold several entries; it stays one event.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Hub-Signature-256", Prefix: new("sha256="), TypeField: "object"},
		query:    &queryHandshake{parameter: "hub.challenge", token: "hub.verify_token"},
	},
	{
		name: "pagerduty", title: "PagerDuty", link: "https://docs.pagerduty.com/developer/verifying-webhook-signatures",
		setup:    "Integrations → Generic Webhooks (v3) → New Webhook: the URL. `secret` is shown once, when the subscription is made.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Pagerduty-Signature", Prefix: new("v1="), Separator: ",", TypeField: "/event/event_type", IDField: "/event/id"},
	},
	{
		name: "shopify", title: "Shopify", link: "https://shopify.dev/docs/apps/build/webhooks/verify-deliveries",
		setup:    "Subscribe with the URL in `shopify.app.toml` or the Admin API; `secret` is the app's Client secret. Or Settings → Notifications → Webhooks in the shop, with the key that is shown there.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Shopify-Hmac-Sha256", Encoding: "base64", TypeHeader: "X-Shopify-Topic", IDHeader: "X-Shopify-Webhook-Id"},
	},
	{
		name: "twilio", title: "Twilio", link: "https://www.twilio.com/docs/usage/security",
		setup: "Enter the URL where Twilio asks for a webhook or status callback (HTTP POST), and the same text as `url`, without a query. `secret` is the Auth Token of the account.",
		note:  "Twilio signs the URL and the form's parameters, run together: who caught a request can move letters from a name to its value. Answers are empty, so a call or message that waits for TwiML gets none.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Twilio-Signature", Hash: "sha1", Encoding: "base64", Template: "{url}{params}",
			Type: "callback", IDHeader: "I-Twilio-Idempotency-Token"},
	},
	{
		name: "twitch", title: "Twitch EventSub", link: "https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
		setup: "Create EventSub Subscription, with the URL as `transport.callback` and the same text as `secret` under `transport.secret`, of 10 to 100 characters.",
		note:  "A revoked subscription is the event `twitch.revocation`. What is older than 10 minutes is refused, as Twitch advises; `tolerance` changes that.",
		settings: settings{Scheme: schemeHMAC, Header: "Twitch-Eventsub-Message-Signature", Prefix: new("sha256="), Template: "{id}{timestamp}{body}",
			IDHeader: "Twitch-Eventsub-Message-Id", TimestampHeader: "Twitch-Eventsub-Message-Timestamp", TimestampFormat: formatRFC3339, Tolerance: "10m",
			TypeField: "/subscription/type"},
		noticeHeader: "Twitch-Eventsub-Message-Type", notices: []string{"revocation"},
		body: &bodyHandshake{header: "Twitch-Eventsub-Message-Type", word: "webhook_callback_verification", challenge: path{"challenge"}},
	},
	{
		name: "x", title: "X (Twitter)", link: "https://docs.x.com/x-api/webhooks/quickstart",
		setup:    "`POST /2/webhooks` with the URL. `secret` is the app's consumer secret (API Key Secret).",
		note:     "Anyone may have a `crc_token` signed with the consumer secret; it has to be letters, digits and `+/=_-.`, and an event a JSON object, so that no answer is the signature of an event. The first of several secrets is the one that answers.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Twitter-Webhooks-Signature", Prefix: new("sha256="), Encoding: "base64", Type: "event"},
		object:   true,
		query:    &queryHandshake{parameter: "crc_token", member: "response_token"},
	},
	{
		name: "zoom", title: "Zoom", link: "https://developers.zoom.us/docs/api/webhooks/",
		setup: "App Marketplace → your app → Access → Event Subscriptions: the URL, then Validate. `secret` is the Secret Token on the same page.",
		note:  "Zoom gives events no id: a request with the same body is a repeat. It repeats after 5, 25 and 85 minutes; if repeats are refused as too old, raise `tolerance`.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Zm-Signature", Prefix: new("v0="), Template: "v0:{timestamp}:{body}", TimestampHeader: "X-Zm-Request-Timestamp",
			TypeField: "event", Repeat: repeatBody},
		body: &bodyHandshake{member: path{"event"}, word: "endpoint.url_validation", challenge: path{"payload", "plainToken"}, plain: "plainToken", signed: "encryptedToken"},
	},
}
