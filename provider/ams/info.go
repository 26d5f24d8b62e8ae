package ams

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	key := provider.Setting{Name: "signing_key", Title: "Signing key", Required: true, Secret: true, Many: true,
		Make: provider.MakeBase64,
		Doc: "The key that Media Services was given with the notification endpoint, in Base64. A list of up to 4 " +
			"while it is being replaced.",
		Example: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
	keyToSend := key
	keyToSend.Signs = true
	keyToSend.Doc = "The key that the receiver has, in Base64."
	const account = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	return provider.Info{
		Name:    "ams",
		Title:   "Azure Media Services",
		Summary: "Job, task and endpoint notifications of Media Services v2, signed with HMAC-SHA256 in ms-signature.",
		Links: []string{
			"https://learn.microsoft.com/en-us/azure/media-services/previous/media-services-dotnet-check-job-progress-with-webhooks",
		},
		Key: "signing_key",
		Settings: []provider.Setting{
			key,
			{Name: "account_id", Title: "Account id", Example: account,
				Doc: "The only account whose notifications are accepted, compared without regard to case. Default: " +
					"any account, if header and body name the same one."},
			{Name: "lenient", Title: "Lenient", Example: "true", Kind: provider.KindFlag,
				Doc: "Also accepts a signature in lower-case hex, which Media Services' own receiver refuses. " +
					"Default: false."},
		},
		SendSettings: []provider.Setting{
			keyToSend,
			{Name: "account_id", Title: "Account id", Example: account,
				Doc: "The account of the notifications. Required for events that did not come from Media Services. " +
					"An event that did keeps its own account, which must equal this setting if it is set."},
		},
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:     setup,
		Paste:     paste,
		SendSetup: sendSetup,
		Notes:     notes,
		ByHand:    byHand,
		Recipe: provider.Recipe{
			Source:      "--key @FILE --set account_id=GUID",
			Destination: "--set signing_key=@FILE --set account_id=GUID",
			Send:        "--key @FILE --set account_id=GUID",
		},
	}
}

var setup = []string{
	"Create a signing key of 64 random bytes in Base64, such as the output of `openssl rand -base64 64 | tr -d " +
		"'\\n'`. Set it as `signing_key` of the source, and the account's id (a GUID) as `account_id`.",
	"Create a connection to the account, as under *Connect*, and the subscription, as under *Subscribe*: Bellhop " +
		"registers the source as a notification endpoint of that name, with the key encrypted for the account's " +
		"certificate. The event `ams.NotificationEndPointRegistration` follows. The subscription's *remote id* " +
		"is the id of the endpoint.",
	"Name that endpoint in the job or task before it is submitted. Over REST, it is " +
		"`\"JobNotificationSubscriptions\": [{\"NotificationEndPointId\": ID, \"TargetJobState\": 2}]` in the job's " +
		"document; in .NET, `job.JobNotificationSubscriptions.AddNew(NotificationJobState.All, endpoint)`, or " +
		"`task.TaskNotificationSubscriptions.AddNew(NotificationJobState.All, endpoint, true)` to be notified of " +
		"its progress too. `endpoint` is that of the name in `context.NotificationEndPoints`.",
	"To replace the key, set the new one and the old one together, the new one first: `--set " +
		"'signing_key=[\"NEW\",\"OLD\"]'`. Bellhop then makes a new endpoint, whose id is another one, and deletes " +
		"the old; jobs that name the old endpoint are not told any more. Remove the old key after a day.",
	"Submit the job, or have Bellhop submit it: a destination of type `ams.encode` does so for an event, and " +
		"`ams submit` by hand. Each change of its state appears as an event `ams.JobStateChange`. A destination of " +
		"type `ams.publish` publishes what came of it.",
	"Azure has retired Media Services. Other code that sends in this form must sign with the same key, and send the " +
		"account's id in the header and in the body.",
}

var paste = []provider.Paste{
	{Title: "The notification endpoint, in .NET", Text: `var endpoint = context.NotificationEndPoints.Create("bellhop",
    NotificationEndPointType.WebHook, "https://YOUR-HOST/in/SOURCE",
    Convert.FromBase64String("{signing_key}"));`},
	{Title: "A job that tells of its states, in .NET",
		Text: `job.JobNotificationSubscriptions.AddNew(NotificationJobState.All, endpoint);
task.TaskNotificationSubscriptions.AddNew(NotificationJobState.All, endpoint, true);`},
}

var sendSetup = []string{
	"Any receiver of Media Services' notifications can be the destination's URL, such as an Azure Function made " +
		"after Microsoft's sample; its `?code=` stays a part of the URL. Set the receiver's key as `signing_key`, " +
		"and the account's id that it expects as `account_id`.",
	"An event that came from Media Services is sent with its own bytes and account, signed with this key.",
	"Any other event is sent as a document with `EventType` 0 (None). Its `Properties` are `EventName`, `EventId` " +
		"and `Subject`, and the members of the event's body as text (up to 64 members, 1024 bytes each), or the " +
		"whole body as `Body` if it is not a JSON object.",
}

var notes = []string{
	"**Types** are `ams.` and the name of the `EventType`: `ams.JobStateChange`, `ams.TaskStateChange`, " +
		"`ams.TaskProgress`, `ams.NotificationEndPointRegistration`, `ams.NotificationEndPointUnregistration`, " +
		"`ams.None`. An unknown number is accepted: `ams.EventType99`.",
	"**The subject** is the id of the task, else of the job, else of the notification endpoint.",
	"**The state** is in the body: match `data.Properties.NewState == 'Finished'`. The final states are Finished, " +
		"Error and Canceled. For a job with several tasks, only `ams.JobStateChange` says that the job has ended. " +
		"Some senders write the names of properties in camelCase (`newState`); a match is case-sensitive.",
	"**Forms.** `EventType` is a number or a name; `TimeStamp` may lack the zone, and is then UTC; the names of " +
		"properties may be in PascalCase or camelCase. A UTF-8 byte order mark before the JSON is skipped. A name " +
		"that occurs twice is refused only where Bellhop reads it.",
	"**Repeats** are recognized by the document's `ETag`, or by its bytes if it has none. No timestamp limits how " +
		"long a request is valid, so a captured request can be sent again at any time; it is a repeat while the " +
		"event is stored.",
	"**Order** is not guaranteed, and a notification may be missing; `TimeStamp` is the time of the change.",
	"**Accounts**: the header and the body must name the same account, compared without regard to case, and it must " +
		"equal `account_id` if that is set; otherwise the answer is 403. The signature is verified first, so that a " +
		"sender without the key does not learn which accounts exist.",
	"**The signature** is in upper-case hex. Media Services' own receivers compare it as text, and so does Bellhop " +
		"unless `lenient` is set. The key is the decoded Base64; a key used as text does not match.",
	"**No handshake** is made. Accepted notifications are answered 200.",
	"**The key** may have any length: Microsoft's pages mention 64 bytes, and show a key of 27.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
KEY=$(cat FILE)
ACCOUNT=GUID
BODY='{"MessageVersion":"1.1","ETag":"by-hand-1","EventType":1,"Properties":{"AccountId":"'$ACCOUNT'","NewState":"Finished"}}'
HEX=$(printf %s "$KEY" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
MAC=$(printf %s "$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$HEX -r | cut -d' ' -f1 | tr a-f A-F)
curl -i "$URL" -H "ms-signature: sha256=$MAC" -H "ms-mediaservices-accountid: $ACCOUNT" -H 'Content-Type: application/json' --data-binary "$BODY"`
