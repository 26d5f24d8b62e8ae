package slack

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "slack",
		Title:   "Slack",
		Summary: "Events, slash commands and interactions of a Slack app, signed with HMAC-SHA256; to Slack, messages for an incoming webhook.",
		Links: []string{
			"https://docs.slack.dev/authentication/verifying-requests-from-slack",
			"https://docs.slack.dev/apis/events-api",
			"https://docs.slack.dev/interactivity/implementing-slash-commands",
			"https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
			"https://docs.slack.dev/reference/block-kit",
		},
		Key: "signing_secret",
		Settings: []provider.Setting{
			{Name: "signing_secret", Title: "Signing secret", Required: true, Secret: true, Example: "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
				Doc: "The app's signing secret, as it is shown. A list of up to 4 while it is being replaced."},
			{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
				Doc: "How far the timestamp of a call may be from now, either way: 1s to 1h. Default: 5m."},
		},
		SendSettings: []provider.Setting{
			{Name: "colour", Title: "Colour", Example: "attachment",
				Doc: "attachment shows messages beside a bar of a colour: red, green and yellow for Boro's Active, Cleared and Event, grey for the rest. none shows them without. Default: none."},
			{Name: "channel", Title: "Channel", Example: "#alarms",
				Doc: "The channel to post to. Only webhooks of the old kind, which are no app's, heed it. Default: the webhook's own."},
			{Name: "username", Title: "User name", Example: "Bellhop",
				Doc: "The name to post under. Only webhooks of the old kind, which are no app's, heed it. Default: the webhook's own."},
		},
		Rate:      1,
		SecretURL: true,
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Recipe: provider.Recipe{Source: "--key @FILE", Send: "--key @FILE"},
		ByHand: byHand,
		Setup: []string{
			"Create an app at <https://api.slack.com/apps>, or open the one that is to call.",
			"Under *Basic Information*, *App Credentials*, show the *Signing Secret* and set it as this source's `signing_secret`. Save the source first: Slack tries the URL at once.",
			"For events: under *Event Subscriptions*, switch *Enable Events* on and enter `https://YOUR-HOST/in/SOURCE` as *Request URL*. It is to say *Verified*. Then choose the events under *Subscribe to bot events*, and save.",
			"For slash commands: under *Slash Commands*, create the command with the same URL as *Request URL*.",
			"For buttons, shortcuts and dialogues: under *Interactivity & Shortcuts*, switch *Interactivity* on and enter the same URL.",
			"Under *Install App*, install the app to the workspace, again after each change of its events, and invite it to the channels that it is to see.",
		},
		SendSetup: []string{
			"Create an app at <https://api.slack.com/apps>, or open one.",
			"Under *Incoming Webhooks*, switch *Activate Incoming Webhooks* on, click *Add New Webhook to Workspace* and choose the channel.",
			"Copy the *Webhook URL*, which begins with `https://hooks.slack.com/services/`, and set it as the destination's `url`. Whoever has it can post to the channel: keep it as a secret.",
		},
		Notes: []string{
			"**Types.** Events of the Events API have their own name: `slack.app_mention`, `slack.message`. A slash command is `slack.command`, an interaction is what its payload says: `slack.block_actions`, `slack.view_submission`. What has no usable name is `slack.event`.",
			"**Subjects.** The channel's id; where there is none, the user's, and else the workspace's.",
			"**Bodies** are kept as they come. Those of slash commands and interactions are forms, so that `data` is not there for `where`; give each command a source of its own to tell them apart.",
			"**Repeats** are known by `event_id`, or by `trigger_id` for commands and interactions. Slack tries an event again up to three times, with *X-Slack-Retry-Num*, and gets 200 for what is there already. What has neither id, such as a closed dialogue, is known by its signature.",
			"**Handshake.** The challenge of a Request URL is repeated, as text, only where it is signed with this source's secret; so is the check of the URL's certificate. Neither is an event.",
			"**Answers.** All that is accepted is answered 200 with an empty body, which shows nothing to whoever gave a command. Slack waits 3 seconds. To answer in words, post to the `response_url` in the body.",
			"**Messages** are made of any event: type, subject, source, time, and the first 20 members of its body, or its text. A notification of Boro's is shown with its state, stream, times and links. Whatever exceeds Slack's limits is cut, with an ellipsis. Nothing in an event can mention people or channels.",
			"**Pace.** Slack takes about one message a second at a webhook; so a destination sends no more, unless its `rate` says otherwise. On 429 it waits as long as Slack asks.",
			"**Failures.** 400 ends the delivery. 404, 410, and 403 with one of Slack's codes such as `team_disabled`, disable the destination. 200 counts as taken whatever the words, for other systems that take such messages do not say `ok`; a web page does not, for then something else answered. The reply is on record with the attempt.",
			"**Twice.** Slack knows no ids of messages: one whose answer was lost is sent again and shown twice.",
			"**Buttons** that lead to a page may show a warning to who clicks, if the app has no URL for interactivity. The page opens all the same.",
		},
	}
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"type":"event_callback","event_id":"EvByHand1","event":{"type":"app_mention","channel":"C1","text":"hello"}}'
NOW=$(date +%s)
MAC=$(printf %s "v0:$NOW:$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
curl -i "$URL" -H "X-Slack-Request-Timestamp: $NOW" -H "X-Slack-Signature: v0=$MAC" -H 'Content-Type: application/json' --data-binary "$BODY"`
