package github

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "github",
		Title:   "GitHub",
		Summary: "Webhooks of repositories, organizations, enterprises and GitHub Apps, signed with HMAC-SHA256 in X-Hub-Signature-256.",
		Links: []string{
			"https://docs.github.com/en/webhooks/using-webhooks/creating-webhooks",
			"https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries",
			"https://docs.github.com/en/webhooks/webhook-events-and-payloads",
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
	{Name: "secret", Title: "Secret", Required: true, Secret: true, Example: "5f1c0e7b9a3d48e2b6c4f0a1d2938475",
		Doc: "The text typed under Secret in the webhook's settings at GitHub, as it is. A list of up to 4 while it is being replaced."},
	{Name: "allow_sha1", Title: "Allow SHA-1", Example: "true", Kind: provider.KindFlag,
		Doc: "Takes X-Hub-Signature, an HMAC-SHA1, from an old GitHub Enterprise Server that sends no X-Hub-Signature-256. Where both come, only the latter counts. Default: false."},
	{Name: "repeat", Title: "Repeats", Example: "body",
		Doc: "What tells that a request came before: delivery, which is X-GitHub-Delivery and the body together, or body alone, since X-GitHub-Delivery is not signed. Default: delivery."},
}

var sendingSettings = []provider.Setting{
	{Name: "secret", Title: "Secret", Required: true, Secret: true, Example: "5f1c0e7b9a3d48e2b6c4f0a1d2938475",
		Doc: "The secret that the receiver knows, as it is."},
	{Name: "content_type", Title: "Content type", Example: "form",
		Doc: "json or form (application/x-www-form-urlencoded, with the JSON in the field payload). Default: an event that came from GitHub goes out as it came, any other as json."},
	{Name: "add_sha1", Title: "Add SHA-1", Example: "true", Kind: provider.KindFlag,
		Doc: "Sends X-Hub-Signature, an HMAC-SHA1, beside X-Hub-Signature-256, for receivers that know no other. Default: false."},
}

var setup = []string{
	"Make up a secret: a long random text, such as the output of `openssl rand -hex 32`. Set it as `secret` of the source.",
	"At GitHub, open the repository (or the organization), then **Settings**, **Webhooks** and **Add webhook**. You need to be its owner or an administrator. For a GitHub App, it is the **Webhook** section of the app's own settings.",
	"Under **Payload URL**, type `https://YOUR-HOST/in/SOURCE`.",
	"Under **Content type**, choose `application/json`. Forms are taken too, but their events are kept as the form that came, so that a match cannot look into `data`.",
	"Under **Secret**, paste the secret. Leave **SSL verification** enabled.",
	"Choose the events to be told of; those that no destination wants are only kept. Choose **Add webhook**.",
	"GitHub sends a ping at once: it shows up as an event `github.ping`, and under **Recent Deliveries** at GitHub with the answer 202.",
	"If pushes or releases with many parts are expected, raise the source's `max_body_bytes`: GitHub sends up to 25 MB, and Bellhop takes 1 MiB where the source does not say otherwise.",
}

var sendSetup = []string{
	"Any receiver of GitHub's webhooks can be the destination's URL. Set its webhook secret as `secret`.",
	"An event that came from GitHub arrives there with its own name, delivery id and bytes, signed with this secret.",
	"Any other event arrives as a `repository_dispatch`, which is how GitHub tells of what happens outside of it: `action` is the event's type, and `client_payload` has its `id`, `type`, `source`, `subject`, `time` and `data` (or `data_base64` where the body is not JSON). Let the receiver listen for that event.",
}

var notes = []string{
	"**Types** are `github.` and the word in `X-GitHub-Event`: `github.push`, `github.pull_request`. What happened to the pull request is in the body: match `data.action == 'opened'`. Without that header, the type is `github.event`.",
	"**The subject** is the repository's full name, such as `octocat/hello-world`; where there is no repository, the login of the organization or the slug of the enterprise.",
	"**Only the body is signed.** `X-GitHub-Event`, `X-GitHub-Delivery` and `X-GitHub-Hook-ID` are not: whoever caught a request could send it again with others. Nothing but TLS protects them, so let the source be called by HTTPS only, and look at the body before acting on a type that matters.",
	"**Repeats** are told by `X-GitHub-Delivery` and the body together, for as long as the first event is kept: a redelivery is one, whatever its secret. GitHub does not sign that header, so whoever caught a request, TLS and all, could send it again under another id, and make a new event of it. Where that matters more than losing one, set `repeat` to `body`: the same bytes never make a second event. But a few of GitHub's events can be the same byte for byte and still be two, such as a member who is added, removed and added again, or two `workflow_dispatch` with the same inputs; the second is then taken for a repeat.",
	"**GitHub does not try again** by itself when a delivery fails. What was missed can be redelivered at GitHub, by hand or through its API.",
	"**Answer in time.** GitHub waits 10 seconds, Enterprise Server 30; Bellhop answers once the event is on disk.",
	"**SHA-1** is never a way around SHA-256: with `allow_sha1`, a request that has X-Hub-Signature-256, even an empty or wrong one, is judged by it alone.",
	"Use a secret of its own for each source: GitHub signs no address, so that a request to one source would be authentic at another with the same secret.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"zen":"Keep it logically awesome.","repository":{"full_name":"octocat/hello-world"}}'
MAC=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
curl -i "$URL" -H "X-Hub-Signature-256: sha256=$MAC" -H 'X-GitHub-Event: ping' -H 'X-GitHub-Delivery: by-hand-1' \
  -H 'Content-Type: application/json' --data-binary "$BODY"`
