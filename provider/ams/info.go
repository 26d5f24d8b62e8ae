package ams

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	key := provider.Setting{Name: "signing_key", Title: "Signing key", Required: true, Secret: true,
		Doc:     "The key given to Media Services with the notification endpoint, in Base64. A list of up to 4 while it is being replaced.",
		Example: "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}
	keyToSend := key
	keyToSend.Doc = "The key that the receiver knows, in Base64."
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
				Doc: "The only account whose notifications are taken, compared without regard to case. Default: any account that header and body agree on."},
			{Name: "lenient", Title: "Lenient", Example: "true", Kind: provider.KindFlag,
				Doc: "Takes a signature in lower-case hex too, which Media Services' own receiver refuses. Default: false."},
		},
		SendSettings: []provider.Setting{
			keyToSend,
			{Name: "account_id", Title: "Account id", Example: account,
				Doc: "The account to send as. Required for events that did not come from Media Services; those that did keep their own, which must be this one if it is set."},
		},
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:     setup,
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
	"Make a signing key of 64 random bytes in Base64, such as the output of `openssl rand -base64 64 | tr -d '\\n'`. Set it as `signing_key` of the source, and the account's id (a GUID) as `account_id`.",
	"Register the source as a notification endpoint with the account: in .NET, `context.NotificationEndPoints.Create(\"Bellhop\", NotificationEndPointType.WebHook, \"https://YOUR-HOST/in/SOURCE\", Convert.FromBase64String(signingKey))`. Over REST, it is a POST to `NotificationEndPoints` with `EndPointType` 3, `CredentialType` 1 and the key encrypted with the account's certificate.",
	"Name that endpoint in the job or task before it is submitted: `job.JobNotificationSubscriptions.AddNew(NotificationJobState.All, endpoint)`, or `task.TaskNotificationSubscriptions.AddNew(NotificationJobState.All, endpoint, true)` to be told of its progress as well.",
	"Submit the job. Each change of its state shows up as an event `ams.JobStateChange`.",
	"Azure has retired Media Services. What still sends this way is code of its shape: have it sign with the same key, and send the account's id in header and body.",
}

var sendSetup = []string{
	"Any receiver of Media Services' notifications can be the destination's URL, such as an Azure Function made after Microsoft's sample; its `?code=` stays part of the URL. Set the key that it knows as `signing_key`, and the account's id that it expects as `account_id`.",
	"An event that came from Media Services arrives there with its own bytes and account, signed with this key.",
	"Any other event arrives as a document with `EventType` 0 (None): its `Properties` have `EventName`, `EventId` and `Subject`, and the members of the event's body as text as far as they fit (64 of them, 1024 bytes each), or the whole body as `Body` where it is not a JSON object.",
}

var notes = []string{
	"**Types** are `ams.` and the name of the `EventType`: `ams.JobStateChange`, `ams.TaskStateChange`, `ams.TaskProgress`, `ams.NotificationEndPointRegistration`, `ams.NotificationEndPointUnregistration`, `ams.None`. A number that is not known is kept as well: `ams.EventType99`.",
	"**The subject** is the id of the task, else of the job, else of the notification endpoint.",
	"**Which state** is in the body: match `data.Properties.NewState == 'Finished'`. Final are Finished, Error and Canceled. Of a job with several tasks, only `ams.JobStateChange` tells that it is done. Some senders write the names of properties in camelCase (`newState`); a match tells them apart.",
	"**Repeats** are told by the document's `ETag`, or by its bytes where it has none. No time is signed, so a caught request never goes stale; it stays a repeat for as long as the event is kept.",
	"**Order** is not kept, and a notification may be missing; `TimeStamp` is when it happened.",
	"**Accounts**: the account of the header and that of the body must be the same, compared without regard to case, and that of `account_id` if it is set; else the answer is 403. The signature is looked at first, so that nobody without the key learns which accounts there are.",
	"**The signature** is in upper-case hex. Media Services' own receivers compare it as text, and so does Bellhop unless `lenient` is set. The key is what its Base64 stands for; a key used as text makes a mismatch.",
	"**No handshake** is made. Accepted notifications are answered 200.",
	"**The key** may have any length: Microsoft's pages speak of 64 bytes, and show one of 27.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
KEY=$(cat FILE)
ACCOUNT=GUID
BODY='{"MessageVersion":"1.1","ETag":"by-hand-1","EventType":1,"Properties":{"AccountId":"'$ACCOUNT'","NewState":"Finished"}}'
HEX=$(printf %s "$KEY" | openssl base64 -d -A | od -An -v -tx1 | tr -d ' \n')
MAC=$(printf %s "$BODY" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$HEX -r | cut -d' ' -f1 | tr a-f A-F)
curl -i "$URL" -H "ms-signature: sha256=$MAC" -H "ms-mediaservices-accountid: $ACCOUNT" -H 'Content-Type: application/json' --data-binary "$BODY"`
