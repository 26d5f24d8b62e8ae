package github

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:  "github",
		Title: "GitHub",
		Summary: "Webhooks of repositories, organizations, enterprises and GitHub Apps, signed with HMAC-SHA256 in " +
			"X-Hub-Signature-256.",
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
		Paste: []provider.Paste{{Title: "By the command of GitHub",
			Text: `gh api repos/OWNER/REPO/hooks -f name=web -F active=true -f 'events[]=*' \
  -f 'config[url]=https://YOUR-HOST/in/SOURCE' -f 'config[content_type]=json' -f 'config[secret]={secret}'`}},
		Setup:     setup,
		SendSetup: sendSetup,
		Notes:     notes,
		Recipe:    provider.Recipe{Source: "--key @FILE", Destination: "--set secret=@FILE", Send: "--key @FILE"},
		ByHand:    byHand,
	}
}

var sourceSettings = []provider.Setting{
	{Name: "secret", Title: "Secret", Required: true, Secret: true, Make: provider.MakeHex,
		Example: "5f1c0e7b9a3d48e2b6c4f0a1d2938475",
		Many:    true,
		Doc: "The text under Secret in the webhook's settings at GitHub. Blanks and line breaks around it are " +
			"removed. An access token (ghp_…, github_pat_…) is refused. A list of up to 4 " +
			"while it is being replaced."},
	{Name: "allow_sha1", Title: "Allow SHA-1", Example: "true", Kind: provider.KindFlag,
		Doc: "Accepts X-Hub-Signature, an HMAC-SHA1, from an old GitHub Enterprise Server that sends no " +
			"X-Hub-Signature-256. If a request has both, only the latter counts. Default: false."},
	{Name: "repeat", Title: "Repeats", Example: "body", Choices: repeats,
		Doc: "What identifies a repeat: delivery, which is X-GitHub-Delivery and the body together; or body alone, " +
			"because X-GitHub-Delivery is not signed. Default: delivery."},
}

var sendingSettings = []provider.Setting{
	{Name: "secret", Title: "Secret", Required: true, Secret: true, Make: provider.MakeHex, Signs: true,
		Example: "5f1c0e7b9a3d48e2b6c4f0a1d2938475",
		Many:    true,
		Doc:     "The secret that the receiver has, unchanged."},
	{Name: "content_type", Title: "Content type", Example: "form", Choices: contents,
		Doc: "json or form (application/x-www-form-urlencoded, with the JSON in the field payload). Default: an " +
			"event that came from GitHub is sent in the form in which it came, any other as json."},
	{Name: "add_sha1", Title: "Add SHA-1", Example: "true", Kind: provider.KindFlag,
		Doc: "Also sends X-Hub-Signature, an HMAC-SHA1, for receivers that do not support X-Hub-Signature-256. " +
			"Default: false."},
}

var setup = []string{
	"Create a secret: a long random text, such as the output of `openssl rand -hex 32`. Set it as `secret` of the " +
		"source.",
	"At GitHub, open the repository (or the organization), then **Settings**, **Webhooks** and **Add webhook**. You " +
		"need to be its owner or an administrator. For a GitHub App, it is the **Webhook** section of the app's own " +
		"settings.",
	"Under **Payload URL**, type `https://YOUR-HOST/in/SOURCE`.",
	"Under **Content type**, choose `application/json`. Forms are accepted too, but their events are stored as the " +
		"form, so that a match cannot read `data`.",
	"Under **Secret**, paste the secret. Leave **SSL verification** enabled.",
	"Choose the events to receive. Events that no destination matches are only stored. Choose **Add webhook**.",
	"GitHub sends a ping at once. It appears as an event `github.ping`, and under **Recent Deliveries** at GitHub " +
		"with the answer 202.",
	"If you expect pushes or releases with many parts, raise the source's `max_body_bytes`: GitHub sends up to " +
		"25 MB, and the default limit of Bellhop is 1 MiB.",
}

var sendSetup = []string{
	"Any receiver of GitHub's webhooks can be the destination's URL. Set its webhook secret as `secret`.",
	"An event that came from GitHub is sent with its own name, delivery id and bytes, signed with this secret.",
	"Any other event is sent as a `repository_dispatch`, the event by which GitHub reports activity outside GitHub: " +
		"`action` is the event's type, and `client_payload` has its `id`, `type`, `source`, `subject`, `time` and " +
		"`data` (or `data_base64` if the body is not JSON). The receiver must listen for that event.",
}

var notes = []string{
	"**Types** are `github.` and the word in `X-GitHub-Event`: `github.push`, `github.pull_request`. The action, " +
		"such as opening a pull request, is in the body: match `data.action == 'opened'`. Without that header, the " +
		"type is `github.event`.",
	"**Any body** is accepted if it is signed, JSON or not, such as the `Hello, World!` of GitHub's page about " +
		"signatures. Without JSON the event has no subject.",
	"**The subject** is the repository's full name, such as `octocat/hello-world`; without a repository, the " +
		"login of the organization or the slug of the enterprise.",
	"**Only the body is signed.** `X-GitHub-Event`, `X-GitHub-Delivery` and `X-GitHub-Hook-ID` are not: an attacker " +
		"could send a captured request again with other values. Only TLS protects them, so let the source be " +
		"called by HTTPS only, and read the body before you act on a type that matters.",
	"**Repeats** are recognized by `X-GitHub-Delivery` and the body together, while the first event is stored; a " +
		"redelivery is a repeat, whatever its secret. GitHub does not sign that header, so an attacker who " +
		"captured a request, despite TLS, could send it again with another id, and it would be a new event. If " +
		"that is worse than losing an event, set `repeat` to `body`: the same bytes never make a second event. But " +
		"a few different events of GitHub can have the same bytes, such as a member who is added, removed and " +
		"added again, or two `workflow_dispatch` with the same inputs; the second is then treated as a repeat.",
	"**GitHub does not retry** a failed delivery by itself. Missed deliveries can be redelivered at GitHub, by hand " +
		"or through its API.",
	"**Time limit.** GitHub waits 10 seconds for an answer, Enterprise Server 30; Bellhop answers once the event is " +
		"on disk.",
	"**SHA-1** cannot replace SHA-256: with `allow_sha1`, a request that has X-Hub-Signature-256, even an empty or " +
		"wrong one, is verified by that header alone.",
	"**One secret for each source.** GitHub does not sign the URL, so a request to one source would be authentic at " +
		"another source with the same secret.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"zen":"Keep it logically awesome.","repository":{"full_name":"octocat/hello-world"}}'
MAC=$(printf %s "$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
curl -i "$URL" -H "X-Hub-Signature-256: sha256=$MAC" -H 'X-GitHub-Event: ping' -H 'X-GitHub-Delivery: by-hand-1' \
  -H 'Content-Type: application/json' --data-binary "$BODY"`
