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

// A preset describes one system: settings that the owner of a source need not find out, and the system's handshake.
type preset struct {
	name     string
	title    string
	link     string // to the system's own documentation
	setup    string // where to enter the URL, and where to find the secret
	note     string // other things to know; may be ""
	settings settings
	methods  []string // beside POST and HEAD; GET is for events in the query
	object   bool     // the body must be a JSON object, even if no setting names a member

	// notices are values of the header noticeHeader that become the event type themselves: a message about the
	// subscription, sent in place of an event of the subscribed type.
	noticeHeader string
	notices      []string

	query *queryHandshake // nil if the system has no such handshake
	body  *bodyHandshake  // nil if the system has no such handshake
}

// findPreset returns the named preset. Only a source can have a preset.
func findPreset(name, side string) (*preset, error) {
	if side != source {
		return nil, bellhop.Invalid("preset", "only a source has presets; for a destination set scheme, header "+
			"and the other settings")
	}
	i := slices.IndexFunc(presets, func(p preset) bool { return p.name == name })
	if i < 0 {
		return nil, bellhop.Invalid("preset", "use one of "+strings.Join(presetNames(), ", ")+"; some other systems, "+
			"such as sns, are providers of their own")
	}
	return &presets[i], nil
}

func presetNames() (names []string) {
	for _, p := range presets {
		names = append(names, p.name)
	}
	return names
}

// fill returns the preset's settings with the owner's settings added.
func (p *preset) fill(s settings) settings {
	filled := p.settings
	filled.Preset, filled.Secret, filled.VerifyToken, filled.URL = p.name, s.Secret, s.VerifyToken, s.URL
	filled.Methods = append([]string{http.MethodPost, http.MethodHead}, p.methods...)
	if s.Tolerance != "" {
		filled.Tolerance = s.Tolerance
	}
	return filled
}

// required returns the names of the settings that the owner must set.
func (p *preset) required() []string {
	required := []string{"secret"}
	if p.query != nil && p.query.token != "" {
		required = append(required, "verify_token")
	}
	if strings.Contains(p.settings.Template, "{url}") {
		required = append(required, "url")
	}
	return required
}

// allowed returns the names of the settings that the owner may set.
func (p *preset) allowed() []string {
	if p.settings.signsTime() || p.settings.TimestampField != "" {
		return append(p.required(), "tolerance")
	}
	return p.required()
}

// checkFit refuses settings that the preset defines, and demands those that it requires. raw is an object, since it
// was decoded into s before.
func (p *preset) checkFit(s settings, raw json.RawMessage) error {
	allowed, required := p.allowed(), p.required()
	var errs []error
	_ = strictjson.Object(raw, func(name, value []byte) {
		if key := string(name); key != "preset" && string(value) != "null" && !slices.Contains(allowed, key) {
			const format = "with preset %s, only %s can be set; remove it, or set scheme in place of preset"
			errs = append(errs, bellhop.Invalid(key, fmt.Sprintf(format, p.name, strings.Join(allowed, ", "))))
		}
	})
	if slices.Contains(required, "verify_token") {
		errs = append(errs, s.VerifyToken.Check("verify_token"))
	}
	if s.URL == "" && slices.Contains(required, "url") {
		errs = append(errs, bellhop.Invalid("url", "required: the URL that you entered in the system, without a "+
			"query, such as https://hooks.example.com/in/calls"))
	}
	return bellhop.Join("", errs...)
}

// eventType returns kind as an event type, after the name of the preset. A colon becomes a dot. If the result
// cannot be a type, it is "received" after the name of the preset.
func (p *preset) eventType(kind string, h http.Header) string {
	if p.noticeHeader != "" && slices.Contains(p.notices, single(h, p.noticeHeader)) {
		kind = single(h, p.noticeHeader)
	}
	if full := p.name + "." + strings.ReplaceAll(kind, ":", "."); kind != "" && provider.Word(full) {
		return full
	}
	return p.name + ".received"
}

// status returns the status of the answer to an event. It is 200 for all presets: every system accepts 200, and
// Dropbox repeats the request after any other status. Without a preset it is the server's default.
func (p *preset) status() int {
	if p.name == "" {
		return 0
	}
	return http.StatusOK
}

// presets are sorted by name. Each was written from the documentation in link, and has recorded requests in
// testdata/recordings.
var presets = []preset{
	{
		name: "bitbucket", title: "Bitbucket Cloud",
		link:  "https://support.atlassian.com/bitbucket-cloud/docs/manage-webhooks/",
		setup: "Repository settings → Webhooks → Add webhook: the URL, and under Secret the same text as `secret`.",
		note:  "The event key is the type, with a dot in place of its colon: `bitbucket.repo.push`.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Hub-Signature", Prefix: new("sha256="),
			TypeHeader: "X-Event-Key",
			IDHeader:   "X-Request-Uuid"},
	},
	{
		name: "dropbox", title: "Dropbox",
		link:  "https://www.dropbox.com/developers/reference/webhooks",
		setup: "App Console → your app → Webhooks: the URL. `secret` is the App secret on the same page.",
		note: "A notification names accounts, not changes, and two notifications may be equal byte for byte, so " +
			"none is treated as a repeat. Anyone can have a `challenge` echoed, as plain text of up to 4 KiB.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Dropbox-Signature", Type: "notification",
			Repeat: repeatNone},
		query: &queryHandshake{parameter: "challenge"},
	},
	{
		name: "elevenlabs", title: "ElevenLabs",
		link:  "https://elevenlabs.io/docs/agents-platform/workflows/post-call-webhooks",
		setup: "Settings → Webhooks → Create webhook: the URL. `secret` is the shared secret that is shown once.",
		note: "Events have no id: a request with the same body is a repeat. A request whose timestamp is more " +
			"than 30 minutes from now is refused, as ElevenLabs advises; `tolerance` changes that.",
		settings: settings{Scheme: schemeHMAC, Header: "Elevenlabs-Signature",
			HeaderForm: "t={timestamp},v0={signature}",
			Tolerance:  "30m", TypeField: "type", Repeat: repeatBody},
	},
	{
		name: "gitlab", title: "GitLab",
		link:  "https://docs.gitlab.com/user/project/integrations/webhooks/",
		setup: "Settings → Webhooks → Add new webhook: the URL, and under Secret token the same text as `secret`.",
		note: "The token authenticates the sender, not the body. For GitLab's signing token (`whsec_…`) use the " +
			"provider standardwebhooks. GitLab before 17.4 sends no `Idempotency-Key`, so its " +
			"repeats are not recognized.",
		settings: settings{Scheme: schemeToken, Header: "X-Gitlab-Token", TypeField: "object_kind",
			IDHeader: "Idempotency-Key"},
	},
	{
		name: "linear", title: "Linear",
		link: "https://linear.app/developers/webhooks",
		setup: "Settings → API → Webhooks → New webhook: the URL. `secret` is the Signing secret " +
			"on the webhook's page.",
		note: "A request whose `webhookTimestamp` is more than a minute from now is refused, as Linear advises; " +
			"`tolerance` changes that.",
		settings: settings{Scheme: schemeHMAC, Header: "Linear-Signature", TypeField: "type",
			IDHeader:       "Linear-Delivery",
			TimestampField: "webhookTimestamp", TimestampFormat: formatMillis, Tolerance: "1m"},
	},
	{
		name: "meta", title: "Meta (Facebook, Instagram, WhatsApp)",
		link: "https://developers.facebook.com/docs/graph-api/webhooks/getting-started/",
		setup: "App Dashboard → Webhooks: the URL as Callback URL, and under Verify token the same text as " +
			"`verify_token`, which you make up. `secret` is the App secret under App settings → Basic.",
		note: "A request may have several entries; it is one event.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Hub-Signature-256", Prefix: new("sha256="),
			TypeField: "object"},
		query: &queryHandshake{parameter: "hub.challenge", token: "hub.verify_token"},
	},
	{
		name: "paddle", title: "Paddle Billing",
		link: "https://developer.paddle.com/webhooks/signature-verification",
		setup: "Developer tools → Notifications → New destination: the URL. `secret` is the secret key of the " +
			"destination (`pdl_ntfset_…`).",
		note: "Paddle's libraries refuse a request that is older than five seconds; `tolerance` " +
			"does the same with `5s`.",
		settings: settings{Scheme: schemeHMAC, Header: "Paddle-Signature", HeaderForm: "ts={timestamp};h1={signature}",
			Template: "{timestamp}:{body}", TypeField: "event_type", IDField: "event_id"},
	},
	{
		name: "pagerduty", title: "PagerDuty",
		link: "https://docs.pagerduty.com/developer/verifying-webhook-signatures",
		setup: "Integrations → Generic Webhooks (v3) → New Webhook: the URL. `secret` is shown once, when the " +
			"subscription is created.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Pagerduty-Signature", Prefix: new("v1="), Separator: ",",
			TypeField: "/event/event_type", IDField: "/event/id"},
	},
	{
		name: "shopify", title: "Shopify",
		link: "https://shopify.dev/docs/apps/build/webhooks/verify-deliveries",
		setup: "Subscribe with the URL in `shopify.app.toml` or the Admin API; `secret` is the app's Client secret. " +
			"Or in the shop, Settings → Notifications → Webhooks: the URL; `secret` is the key that is shown there.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Shopify-Hmac-Sha256", Encoding: "base64",
			TypeHeader: "X-Shopify-Topic", IDHeader: "X-Shopify-Webhook-Id"},
	},
	{
		name: "trello", title: "Trello",
		link: "https://developer.atlassian.com/cloud/trello/guides/rest-api/webhooks/",
		setup: "`POST /1/webhooks` with the URL as `callbackURL`, and the same text as `url`. `secret` is the API " +
			"secret of the Power-Up whose key makes the webhook.",
		note: "Trello asks the URL by a HEAD request before it makes the webhook, and makes none if that is not " +
			"answered 200. The probe is answered and stores no event.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Trello-Webhook", Hash: "sha1", Encoding: "base64",
			Template: "{body}{url}", TypeField: "/action/type", IDField: "/action/id"},
	},
	{
		name: "twilio", title: "Twilio",
		link: "https://www.twilio.com/docs/usage/security",
		setup: "Enter the URL where Twilio asks for a webhook or status callback (HTTP POST or GET), and the same " +
			"text as `url`, without a query. `secret` is the Auth Token of the account.",
		note: "Twilio signs the URL and the form's parameters without separators, so an attacker can move letters " +
			"of a captured request from a name to its value. Answers are empty, so a call or message that waits " +
			"for TwiML gets none. The signature is tried for the URL with and without its port, and with the " +
			"query's quotes escaped or plain, as Twilio's libraries do. A GET is an event whose " +
			"body is its query, a form.",
		methods: []string{http.MethodGet},
		settings: settings{Scheme: schemeHMAC, Header: "X-Twilio-Signature", Hash: "sha1", Encoding: "base64",
			Template: "{url}{params}",
			Type:     "callback", IDHeader: "I-Twilio-Idempotency-Token"},
	},
	{
		name: "twitch", title: "Twitch EventSub",
		link: "https://dev.twitch.tv/docs/eventsub/handling-webhook-events/",
		setup: "Create EventSub Subscription: the URL as `transport.callback`, and the same text as `secret`, of " +
			"10 to 100 characters, as `transport.secret`.",
		note: "A revoked subscription is the event `twitch.revocation`. A request whose timestamp is more than 10 " +
			"minutes from now is refused, as Twitch advises; `tolerance` changes that.",
		settings: settings{Scheme: schemeHMAC, Header: "Twitch-Eventsub-Message-Signature", Prefix: new("sha256="),
			Template: "{id}{timestamp}{body}",
			IDHeader: "Twitch-Eventsub-Message-Id", TimestampHeader: "Twitch-Eventsub-Message-Timestamp",
			TimestampFormat: formatRFC3339, Tolerance: "10m",
			TypeField: "/subscription/type"},
		noticeHeader: "Twitch-Eventsub-Message-Type", notices: []string{"revocation"},
		body: &bodyHandshake{header: "Twitch-Eventsub-Message-Type", word: "webhook_callback_verification",
			challenge: path{"challenge"}},
	},
	{
		name: "x", title: "X (Twitter)",
		link:  "https://docs.x.com/x-api/webhooks/quickstart",
		setup: "`POST /2/webhooks` with the URL. `secret` is the app's consumer secret (API Key Secret).",
		note: "Anyone can have a `crc_token` signed with the consumer secret. A token must consist of letters, " +
			"digits and `+/=_-.`, and an event must be a JSON object, so no answer is valid as the signature of an " +
			"event. With several secrets, the first one signs the answer.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Twitter-Webhooks-Signature", Prefix: new("sha256="),
			Encoding: "base64", Type: "event"},
		object: true,
		query:  &queryHandshake{parameter: "crc_token", member: "response_token"},
	},
	{
		name: "zoom", title: "Zoom",
		link: "https://developers.zoom.us/docs/api/webhooks/",
		setup: "App Marketplace → your app → Access → Event Subscriptions: the URL, then Validate. `secret` is the " +
			"Secret Token on the same page.",
		note: "Zoom's events have no id: a request with the same body is a repeat. Zoom repeats after 5, 25 and 85 " +
			"minutes; if repeats are refused as too old, raise `tolerance`.",
		settings: settings{Scheme: schemeHMAC, Header: "X-Zm-Signature", Prefix: new("v0="),
			Template: "v0:{timestamp}:{body}", TimestampHeader: "X-Zm-Request-Timestamp",
			TypeField: "event", Repeat: repeatBody},
		body: &bodyHandshake{member: path{"event"}, word: "endpoint.url_validation",
			challenge: path{"payload", "plainToken"}, plain: "plainToken", signed: "encryptedToken"},
	},
}
