package graph

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "graph",
		Title:   "Microsoft Graph",
		Summary: "Change, lifecycle and rich notifications: each repeats a clientState; rich ones are proven by tokens of Microsoft Entra and decrypted.",
		Links: []string{
			"https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
			"https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data",
			"https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events",
			"https://learn.microsoft.com/en-us/graph/api/resources/changenotification",
		},
		Key:          "client_state",
		Handshake:    "validation-token",
		MaxBodyBytes: 4 << 20, // of rich notifications, whose size nobody publishes
		Settings:     sourceSettings,
		SendSettings: destinationSettings,
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Setup:     setup,
		SendSetup: sendSetup,
		Notes:     notes,
		Recipe:    provider.Recipe{Source: "--key @FILE", Destination: "--set client_state=@FILE", Send: "--key @FILE"},
		ByHand:    byHand,
	}
}

const (
	exampleState  = "5b0c7e9e-58f5-4c0e-9d0b-6f7d2a1c3e84"
	exampleApp    = "24d3b144-21ae-4080-943f-7067b395b913"
	exampleTenant = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	exampleKeys   = `{"keys":[{"kty":"RSA","kid":"my-key","n":"yr2F...","e":"AQAB"}]}`
)

var sourceSettings = []provider.Setting{
	{Name: "client_state", Title: "Client state", Secret: true, Example: exampleState,
		Doc: "The `clientState` given with the subscription: 1 to 255 printable ASCII characters (Graph takes up to 128), compared byte for byte in every item. " +
			"A list of up to 4 while it is being replaced, or where several subscriptions call this source. Required unless `unauthenticated` is set."},
	{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
		Doc: "Takes items of anyone who knows the URL, for subscriptions that were made without a `clientState`. Rich items still need their validation tokens. Default: false."},
	{Name: "tenant_ids", Title: "Tenant ids", Kind: provider.KindList, Example: `["` + exampleTenant + `"]`,
		Doc: "The only tenants whose items are taken. Default: any."},
	{Name: "app_id", Title: "Application id", Example: exampleApp,
		Doc: "The application that made the subscriptions, which validation tokens must be for; a list where several call this source. Required to take rich notifications."},
	{Name: "certificates", Title: "Certificates", Kind: provider.KindObject, Secret: true,
		Example: `{"bellhop-2026": "-----BEGIN PRIVATE KEY-----\n..."}`,
		Doc: "For each `encryptionCertificateId` that a subscription names, the private key of its certificate: PEM (PKCS #8 or PKCS #1, not encrypted), RSA of 2048 to 4096 bits. " +
			"Up to 16. Default: none; content stays encrypted."},
	{Name: "publisher_app_id", Title: "Publisher's application id", Example: PublisherAppID,
		Doc: "The application that validation tokens must have been issued to. Default: `" + PublisherAppID + "`, which publishes Graph's change notifications."},
	{Name: "keys_url", Title: "Keys URL", Example: KeysURL,
		Doc: "Where the keys that sign validation tokens are published: an https URL, or http on this machine. Default: `" + KeysURL + "`."},
	{Name: "keys", Title: "Keys", Example: exampleKeys,
		Doc: "The keys themselves, in place of `keys_url`: a JSON Web Key Set, or an object of public keys in PEM by their ids (`kid`); as JSON or as text that is JSON. For systems that sign as Microsoft Entra does, and for servers without a way out. Default: those at `keys_url`."},
}

var destinationSettings = []provider.Setting{
	{Name: "client_state", Title: "Client state", Secret: true, Required: true, Example: exampleState,
		Doc: "The text that the receiver expects as `clientState`: 1 to 255 printable ASCII characters."},
	{Name: "subscription_id", Title: "Subscription id", Example: "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
		Doc: "The `subscriptionId` of events that did not come from Graph. Default: `" + zeroGUID + "`."},
	{Name: "tenant_id", Title: "Tenant id", Example: exampleTenant,
		Doc: "The `tenantId` of events that did not come from Graph. Default: `" + zeroGUID + "`."},
	{Name: "encryption_certificate", Title: "Encryption certificate", Example: "-----BEGIN CERTIFICATE-----\n...",
		Doc: "The receiver's certificate, for which content is encrypted: PEM, RSA of 2048 to 4096 bits. Required to send rich notifications, with the four settings below. Default: none; notifications are plain."},
	{Name: "encryption_certificate_id", Title: "Encryption certificate id", Example: "bellhop-2026",
		Doc: "The name under which the receiver knows the certificate. Default: none."},
	{Name: "token_key", Title: "Token key", Secret: true, Example: "-----BEGIN PRIVATE KEY-----\n...",
		Doc: "The private key that signs validation tokens: PEM (PKCS #8 or PKCS #1, not encrypted), RSA of 2048 to 4096 bits. The receiver has to know its public half. Default: none."},
	{Name: "token_key_id", Title: "Token key id", Example: "my-key",
		Doc: "The `kid` under which the receiver knows the public half of `token_key`. Default: none."},
	{Name: "app_id", Title: "Application id", Example: exampleApp,
		Doc: "The receiver's application, which validation tokens are for. Default: none."},
	{Name: "publisher_app_id", Title: "Publisher's application id", Example: PublisherAppID,
		Doc: "The application that validation tokens name as the publisher. Default: `" + PublisherAppID + "`, which receivers expect of Graph."},
}

var setup = []string{
	"Choose a client state, a random text of up to 128 characters such as a new GUID, and set it as the source's `client_state`. Do so first: the source is called while the subscription is being made.",
	"Register an application in Microsoft Entra, if there is none yet, with a permission for what you subscribe to (`Mail.Read`, `ChannelMessage.Read.All`, ...), and get an access token for `https://graph.microsoft.com/.default`.",
	"For rich notifications only: make a key and a certificate, `openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 365 -subj /CN=bellhop`. " +
		"Choose a name for it, such as `bellhop-2026`. Set the source's `certificates` to the key under that name, and its `app_id` to the application's id: " +
		"`bellhop sources create SOURCE --provider graph --key @FILE --set app_id=GUID --set \"certificates={\\\"bellhop-2026\\\":\\\"$(awk '{printf \"%s\\\\n\", $0}' key.pem)\\\"}\"`.",
	"Send `POST https://graph.microsoft.com/v1.0/subscriptions` with `Authorization: Bearer TOKEN` and the JSON body " +
		"`{\"changeType\":\"created,updated\",\"notificationUrl\":\"https://YOUR-HOST/in/SOURCE\",\"lifecycleNotificationUrl\":\"https://YOUR-HOST/in/SOURCE\"," +
		"\"resource\":\"me/mailFolders('Inbox')/messages\",\"expirationDateTime\":\"2026-11-28T18:23:45Z\",\"clientState\":\"YOUR-STATE\"}`. " +
		"Graph calls each of the two URLs with a token at once; Bellhop answers that within the 10 seconds allowed. `lifecycleNotificationUrl` cannot be added later.",
	"For rich notifications, that body has three more members: `\"includeResourceData\":true`, `\"encryptionCertificate\":\"...\"`, which is the Base64 text of `cert.pem` without its first and last line and on one line, " +
		"and `\"encryptionCertificateId\":\"bellhop-2026\"`. Mail, events and contacts must name their properties in `resource` with `$select`.",
	"Renew before `expirationDateTime` is over, when a quarter of the time is left: `PATCH .../subscriptions/ID` with `{\"expirationDateTime\":\"...\"}`. How far ahead it may be depends on the resource, from an hour to 30 days.",
	"Do the same when `graph.lifecycle.reauthorizationRequired` comes. After `graph.lifecycle.subscriptionRemoved`, subscribe anew; after that and after `graph.lifecycle.missed`, read everything anew that the subscription is about.",
	"To replace a certificate, add the new one to `certificates` under another name, `PATCH` the subscription with it, and remove the old one a day later: what was encrypted for it may come for another 4 hours.",
}

var sendSetup = []string{
	"Have a receiver of Graph's notifications: it answers a POST with `?validationToken=` with status 200 and the decoded token as plain text, and any other POST with a status from 200 to 299 once it has kept what came.",
	"Agree on a client state, and set it as the destination's `client_state`. The receiver compares it with that of each item.",
	"For content, get the receiver's certificate, its name there, and its application's id, and set `encryption_certificate`, `encryption_certificate_id` and `app_id`.",
	"Then make a key that signs tokens, `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out token.pem`, set it as `token_key`, and choose a `token_key_id`.",
	"Give the receiver the key's public half, `openssl pkey -in token.pem -pubout`. Another Bellhop takes it as the `keys` of its `graph` source: `{\"YOUR-TOKEN-KEY-ID\": \"-----BEGIN PUBLIC KEY-----...\"}`. A receiver that insists on Microsoft's own keys can be sent plain notifications only.",
}

var notes = []string{
	"An event's type is `graph.` and the `changeType`: `graph.created`, `graph.updated`, `graph.deleted`. Its subject is the `resource`. " +
		"Of the subscription itself tell `graph.lifecycle.reauthorizationRequired`, `graph.lifecycle.subscriptionRemoved` and `graph.lifecycle.missed`, with its id as the subject. A notification has no time of its own.",
	"A rich notification becomes the same event as a plain one: its body is the item as it came, but for `encryptedContent`, in whose place stands `content`, the decrypted resource as Graph wrote it. An item that comes with a `content` of its own is refused, so that no event has one that tokens did not vouch for.",
	"`graph.sealed.created` and so on are rich notifications for a certificate that is not among `certificates`. They are kept as they came. Match `graph.sealed.*` to hear of it, add the key, and have your receivers or another Bellhop decrypt them.",
	"A repeat is known by subscription, change, resource, `id` and `@odata.etag` together, and a rich one that has neither of the last two by its signature. " +
		"An item without any of these is kept each time it comes, and so are lifecycle events: two updates of one file look alike, and to drop the second would lose it.",
	"An item with another client state is refused by itself, recorded, and the request is answered 202: otherwise Graph would repeat the others too. The same goes for an item that cannot be read, whose tenant is not in `tenant_ids`, or whose `dataSignature` does not hold.",
	"Validation tokens speak for a whole request, so that one that is wrong refuses all of it with 401. Microsoft's pages say to answer 202 and to discard it; but Graph repeats for 4 hours what is refused, and so a mistake in `app_id` or in a clock loses nothing if it is mended by then. " +
		"Where the keys cannot be had, or `app_id` is not set, the answer is 503.",
	"A token is taken if Entra's key signed it (RS256, nothing else), it holds now give or take 5 minutes, is for `app_id`, comes from `https://sts.windows.net/TENANT/` or `https://login.microsoftonline.com/TENANT/v2.0` with the tenant of an item, and was issued to `publisher_app_id`. " +
		"That last rule is missing in Microsoft's own sample: without it, any application of the tenant could speak as Graph. National clouds have other issuers, whose tokens are not taken.",
	"Keys are fetched when the first token comes, and again after an hour, or when a token names a key that is not there, at most every 5 minutes. While they cannot be fetched, those of the last day do.",
	"Tokens that come with plain items are checked too, where `app_id` is set.",
	"The handshake is answered at any time and without a client state, for both URLs. The token comes back as it is, not escaped for HTML as Microsoft's pages advise: it would not be the same token. The answer says that it is plain text.",
	"A request may hold 5,000 items. Graph calls an endpoint slow that needs more than 10 seconds too often, and then drops notifications.",
	"Anyone who once saw a plain notification can send others like it: the client state does not cover the item, and nothing in it grows old. Look at what changed through the API. The stored item and what is delivered in the `raw` format have the client state in them.",
	"Sending: an event that came from Graph keeps its bytes, but for `clientState`, which becomes the destination's, and `content`, which is encrypted again, for the destination's certificate; without one, such an event cannot be sent.",
	"Sending: any other event becomes a notification of type `created`, `updated` or `deleted`, after the last word of its type, with its id as the notification's. Of its body, a plain notification has nothing; " +
		"a rich one has it in its content as `data` or, where JSON cannot hold it, `dataBase64`.",
	"Sending: Graph itself repeats for up to 4 hours and takes no answer for final. Here the usual schedule applies, and 410 ends it.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
STATE=$(cat FILE)
curl -i -X POST "$URL?validationToken=ring"; echo
curl -i "$URL" -H 'Content-Type: application/json' --data-binary '{"value":[{"id":"by-hand-1","subscriptionId":"7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
  "changeType":"created","resource":"me/messages/1","tenantId":"7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67","clientState":"'"$STATE"'"}]}'`
