package slack

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:  "slack",
		Title: "Slack",
		Summary: "Events, slash commands and interactions of a Slack app, signed with HMAC-SHA256. Sends messages " +
			"to an incoming webhook.",
		Links: []string{
			"https://docs.slack.dev/authentication/verifying-requests-from-slack",
			"https://docs.slack.dev/apis/events-api",
			"https://docs.slack.dev/interactivity/implementing-slash-commands",
			"https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks",
			"https://docs.slack.dev/reference/block-kit",
		},
		Key: "signing_secret",
		Settings: []provider.Setting{
			{Name: "signing_secret", Title: "Signing secret", Required: true, Secret: true,
				Example: "0a1b2c3d4e5f60718293a4b5c6d7e8f9",
				Many:    true,
				Doc: "The app's signing secret, as shown. Blanks and line breaks around it are removed. A token of " +
					"the app (xoxb-…, xapp-…) is refused. A list of up to 4 while it is being replaced."},
			{Name: "tolerance", Title: "Tolerance", Example: "5m", Kind: provider.KindDuration,
				Doc: "The largest accepted difference between the timestamp of a call and now: 1s to 1h. Default: " +
					"5m. A call exactly as old is accepted."},
		},
		SendSettings: []provider.Setting{
			{Name: "colour", Title: "Colour", Example: "attachment", Choices: colourings,
				Doc: "attachment shows messages beside a coloured bar: red, green and yellow for Boro's Active, " +
					"Cleared and Event, grey for others. none shows no bar. Default: none."},
			{Name: "channel", Title: "Channel", Example: "#alarms",
				Doc: "The channel to post to. Only legacy webhooks, which belong to no app, use it. Default: the " +
					"channel of the webhook."},
			{Name: "username", Title: "User name", Example: "Bellhop",
				Doc: "The name to post under. Only legacy webhooks, which belong to no app, use it. Default: the " +
					"name of the webhook."},
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
			"Create an app at <https://api.slack.com/apps>, or open an existing one.",
			"Under *Basic Information*, *App Credentials*, show the *Signing Secret* and set it as " +
				"`signing_secret` of the source. Save the source first, because Slack checks the URL at once.",
			"For events: under *Event Subscriptions*, switch *Enable Events* on and enter " +
				"`https://YOUR-HOST/in/SOURCE` as *Request URL*. The page then shows *Verified*. Choose the events " +
				"under *Subscribe to bot events*, and save.",
			"For slash commands: under *Slash Commands*, create the command with the same URL as *Request URL*.",
			"For buttons, shortcuts and dialogues: under *Interactivity & Shortcuts*, switch *Interactivity* on " +
				"and enter the same URL.",
			"Under *Install App*, install the app to the workspace, again after each change of its events, and " +
				"invite it to its channels.",
		},
		SendSetup: []string{
			"Create an app at <https://api.slack.com/apps>, or open one.",
			"Under *Incoming Webhooks*, switch *Activate Incoming Webhooks* on, click *Add New Webhook to " +
				"Workspace* and choose the channel.",
			"Copy the *Webhook URL*, which begins with `https://hooks.slack.com/services/`, and set it as the " +
				"destination's `url`. Keep it secret: everybody who has it can post to the channel.",
		},
		Notes: []string{
			"**Types.** Events of the Events API keep their name: `slack.app_mention`, `slack.message`. A slash " +
				"command is `slack.command`. An interaction has the type in its payload: `slack.block_actions`, " +
				"`slack.view_submission`. A signed call without a usable name, in JSON or as a " +
				"form, is `slack.event`.",
			"**Subjects.** The id of the channel; without a channel that of the user, otherwise " +
				"that of the workspace.",
			"**Bodies** are stored as received. Slash commands and interactions are forms, so `data` is nil in " +
				"`where`; give each command a source of its own to tell them apart.",
			"**Repeats** are recognized by `event_id`, or by `trigger_id` for commands and interactions. Slack " +
				"retries an event up to three times, with *X-Slack-Retry-Num*; a repeat is answered 200. Calls " +
				"without an id, such as a closed dialogue, are recognized by their signature.",
			"**Handshake.** The challenge of a Request URL is repeated as text, and the check of the URL's " +
				"certificate is answered, only if they are signed with the secret of this " +
				"source. Neither is an event.",
			"**Answers.** Every accepted call is answered 200 with an empty body, which shows nothing to the " +
				"author of a command. Slack waits 3 seconds. To answer with text, post to the " +
				"`response_url` in the body.",
			"**Messages** show any event: its type, subject, source, time, and the first 20 members of its body, " +
				"or its text. A member that is an object of links, such as `urls` of `ams.asset.published`, is " +
				"shown as buttons. A " +
				"notification of Boro is shown with its state, stream, times and links. Text beyond Slack's limits " +
				"is " +
				"cut, with an ellipsis. No content of an event can mention people or channels.",
			"**Rate.** Slack accepts about one message per second and webhook, so this is the default `rate` of a " +
				"destination. After a 429 it waits as long as Slack asks.",
			"**Failures.** After a 400 the delivery is dead. 404, 410, and 403 with one of Slack's codes such as " +
				"`team_disabled` disable the destination. 200 is success with any text, because other systems that " +
				"accept such messages do not answer `ok`; only a web page is a failure. The reply is " +
				"stored with the attempt.",
			"**Duplicates.** Slack has no message ids: a message whose answer was lost is sent again and shown twice.",
			"**Buttons** that open a page may show a warning if the app has no URL for interactivity. The page " +
				"opens nevertheless.",
		},
	}
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
SECRET=$(cat FILE)
BODY='{"type":"event_callback","event_id":"EvByHand1","event":{"type":"app_mention","channel":"C1","text":"hello"}}'
NOW=$(date +%s)
MAC=$(printf %s "v0:$NOW:$BODY" | openssl dgst -sha256 -hmac "$SECRET" -r | cut -d' ' -f1)
curl -i "$URL" -H "X-Slack-Request-Timestamp: $NOW" -H "X-Slack-Signature: v0=$MAC" -H 'Content-Type: application/json' --data-binary "$BODY"`
