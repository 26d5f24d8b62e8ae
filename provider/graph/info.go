package graph

import (
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:  "graph",
		Title: "Microsoft Graph",
		Summary: "Change, lifecycle and rich notifications. Each repeats a clientState; rich notifications are also " +
			"authenticated by tokens of Microsoft Entra, and decrypted.",
		Links: []string{
			"https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks",
			"https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data",
			"https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events",
			"https://learn.microsoft.com/en-us/graph/api/resources/changenotification",
		},
		Key:          "client_state",
		Handshake:    "validation-token",
		MaxBodyBytes: 4 << 20, // for rich notifications, whose size is not documented
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
		Recipe: provider.Recipe{Source: "--key @FILE", Destination: "--set client_state=@FILE",
			Send: "--key @FILE"},
		ByHand: byHand,
	}
}

const (
	exampleState  = "5b0c7e9e-58f5-4c0e-9d0b-6f7d2a1c3e84"
	exampleApp    = "24d3b144-21ae-4080-943f-7067b395b913"
	exampleTenant = "7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"
	exampleKeys   = `{"keys":[{"kty":"RSA","kid":"my-key","n":"yr2F...","e":"AQAB"}]}`
)

var sourceSettings = []provider.Setting{
	{Name: "client_state", Title: "Client state", Secret: true, Make: provider.MakeText,
		Example: exampleState, Many: true,
		Doc: "The `clientState` of the subscription: 1 to 255 printable ASCII characters (Graph accepts up to 128), " +
			"compared byte for byte in every item. A list of up to 4 while it is being replaced, or if several " +
			"subscriptions call this source. Required unless `unauthenticated` or `subscriptions_only` is set."},
	microsoft.SubscriptionsOnly,
	{Name: "unauthenticated", Title: "Unauthenticated", Kind: provider.KindFlag, Example: "true",
		Doc: "Accepts items from anyone who knows the URL, for subscriptions without a `clientState`. Rich items " +
			"still need their validation tokens. Default: false."},
	{Name: "tenant_ids", Title: "Tenant ids", Kind: provider.KindList, Example: `["` + exampleTenant + `"]`,
		Format: "uuid",
		Doc:    "The only tenants whose items are accepted. Default: any."},
	{Name: "app_id", Title: "Application id", Example: exampleApp, Many: true, Format: "uuid",
		Doc: "The application that created the subscriptions, which is the audience of validation tokens; a list if " +
			"several call this source. Required to accept rich notifications."},
	{Name: "certificates", Title: "Certificates", Kind: provider.KindObject, Secret: true,
		Example: `{"bellhop-2026": "-----BEGIN PRIVATE KEY-----\n..."}`,
		Doc: "For each `encryptionCertificateId` of a subscription, the private key of its certificate: PEM (PKCS " +
			"#8 or PKCS #1, not encrypted), RSA of 2048 to 4096 bits. " +
			"Up to 16. Default: none; content stays encrypted."},
	{Name: "publisher_app_id", Title: "Publisher's application id", Example: PublisherAppID, Format: "uuid",
		Doc: "The application to which validation tokens must be issued. Default: `" + PublisherAppID +
			"`, which publishes Graph's change notifications."},
	{Name: "keys_url", Title: "Keys URL", Example: KeysURL, Format: "uri",
		Doc: "The URL where the keys that sign validation tokens are published: an https URL, or http on this " +
			"machine. Default: `" + KeysURL + "`."},
	{Name: "keys", Title: "Keys", Example: exampleKeys,
		Kind: provider.KindDocument,
		Doc: "The keys themselves, in place of `keys_url`: a JSON Web Key Set, or an object of PEM public keys " +
			"by id (`kid`); as JSON, or as a text that contains the JSON. For systems that sign as Microsoft Entra " +
			"does, and for servers without access to the internet. Default: the keys at `keys_url`."},
}

var destinationSettings = []provider.Setting{
	{Name: "client_state", Title: "Client state", Secret: true, Make: provider.MakeText, Required: true,
		Example: exampleState, Many: true,
		Doc: "The `clientState` that the receiver expects: 1 to 255 printable ASCII characters."},
	{Name: "subscription_id", Title: "Subscription id", Example: "7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
		Format: "uuid",
		Doc:    "The `subscriptionId` of events that did not come from Graph. Default: `" + zeroGUID + "`."},
	{Name: "tenant_id", Title: "Tenant id", Example: exampleTenant, Format: "uuid",
		Doc: "The `tenantId` of events that did not come from Graph. Default: `" + zeroGUID + "`."},
	{Name: "encryption_certificate", Title: "Encryption certificate", Example: "-----BEGIN CERTIFICATE-----\n...",
		Doc: "The receiver's certificate, for which content is encrypted: PEM, RSA of 2048 to 4096 bits. " +
			"Required to send rich notifications, with the four settings below. Default: none; " +
			"notifications are plain."},
	{Name: "encryption_certificate_id", Title: "Encryption certificate id", Example: "bellhop-2026",
		Doc: "The receiver's name for the certificate. Default: none."},
	{Name: "token_key", Title: "Token key", Secret: true, Signs: true, Example: "-----BEGIN PRIVATE KEY-----\n...",
		Doc: "The private key that signs validation tokens: PEM (PKCS #8 or PKCS #1, not encrypted), RSA of 2048 " +
			"to 4096 bits. The receiver must have its public key. Default: none."},
	{Name: "token_key_id", Title: "Token key id", Example: "my-key",
		Doc: "The receiver's `kid` for the public key of `token_key`. Default: none."},
	{Name: "app_id", Title: "Application id", Example: exampleApp, Format: "uuid",
		Doc: "The receiver's application, the audience of validation tokens. Default: none."},
	{Name: "publisher_app_id", Title: "Publisher's application id", Example: PublisherAppID, Format: "uuid",
		Doc: "The publisher that validation tokens name. Default: `" + PublisherAppID +
			"`, which receivers expect from Graph."},
}

var setup = []string{
	"Create a connection to Graph, as under *Connect*, with a permission for the resource (`Mail.Read`, " +
		"`ChannelMessage.Read.All`, ...).",
	"Create a source. For subscriptions that Bellhop keeps it needs no client state of its own: " +
		"`bellhop sources create SOURCE --provider graph --set subscriptions_only=true`. Graph must be able to " +
		"reach it at the server's `--public-url`.",
	"Create the subscription, as under *Subscribe*. Bellhop chooses its client state, answers the two handshakes " +
		"within the 10 seconds allowed, renews it, and makes a new one when it was lost.",
	"For rich notifications, set the source's `app_id` to the application's id, and add `--set " +
		"include_resource_data=true` to the subscription. Bellhop makes the certificate and replaces it every 180 " +
		"days. Mail, events and contacts must name their properties in the resource with `?$select=`.",
	"For a subscription that something else keeps: set its `clientState` as the source's `client_state` before " +
		"it is created, and the key of its certificate, if it has one, as one of `certificates`: `bellhop sources " +
		"create SOURCE --provider graph --key @FILE --set app_id=GUID --set " +
		"\"certificates={\\\"bellhop-2026\\\":\\\"$(awk '{printf \"%s\\\\n\", $0}' key.pem)\\\"}\"`. Give the " +
		"source's URL as its `notificationUrl` and its `lifecycleNotificationUrl`, which cannot be added later.",
}

var sendSetup = []string{
	"The destination is a receiver of Graph's notifications: it answers a POST with `?validationToken=` with status " +
		"200 and the decoded token as plain text, and any other POST with a status from 200 to 299 once it has " +
		"stored the items.",
	"Agree on a client state, and set it as the destination's `client_state`. The receiver compares it with the " +
		"client state of each item.",
	"To send content, get the receiver's certificate, its name there, and the id of the receiver's application, and " +
		"set `encryption_certificate`, `encryption_certificate_id` and `app_id`.",
	"Then create a key that signs tokens, `openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out " +
		"token.pem`, set it as `token_key`, and choose a `token_key_id`.",
	"Give the receiver the public key, `openssl pkey -in token.pem -pubout`. Another Bellhop accepts it as the " +
		"`keys` of its `graph` source: `{\"YOUR-TOKEN-KEY-ID\": \"-----BEGIN PUBLIC KEY-----...\"}`. A receiver " +
		"that accepts only Microsoft's own keys can be sent plain notifications only.",
}

var notes = []string{
	"**Types** are `graph.` and the `changeType`: `graph.created`, `graph.updated`, `graph.deleted`. The subject is " +
		"the `resource`. Events about the subscription itself are `graph.lifecycle.reauthorizationRequired`, " +
		"`graph.lifecycle.subscriptionRemoved` and `graph.lifecycle.missed`; their subject is its id. A " +
		"notification contains no time.",
	"**Rich notifications** become the same events as plain ones. The body is the item as it came, except that " +
		"`content`, the decrypted resource as Graph wrote it, replaces `encryptedContent`. An item that comes " +
		"with a plain `content` is refused, so every `content` was authenticated by tokens.",
	"**Encrypted content.** `graph.sealed.created` and so on are rich notifications for a certificate that is " +
		"not in `certificates`. They are stored as they came. Match `graph.sealed.*` to notice them, add the key, " +
		"and let your receivers or another Bellhop decrypt them.",
	"**Forms.** The tenant of an item is its `tenantId` or, as in the lifecycle events that Graph sends, its " +
		"`organizationId`; an item with two different ones is refused. The `resource` of a lifecycle event may be " +
		"absent or `Subscriptions/ID`. A UTF-8 byte order mark before the JSON is skipped, and stored with a body. " +
		"A name that occurs twice is refused only where Bellhop reads it, and only that item, and any other value " +
		"may be nested to any depth; `value` or `validationTokens` twice refuse the request. The handshake is a " +
		"POST with any body and any content type, and its parameter may have any letter case; a GET is answered " +
		"405, because Graph sends none and a link must not be able to make the source repeat a text.",
	"**Repeats.** Subscription, change, resource, `id` and `@odata.etag` together identify a notification; a " +
		"rich one without the last two is identified by its signature. " +
		"An item without any of these is stored each time it comes, and so are lifecycle events: two updates of " +
		"one file look the same, and dropping the second would lose it.",
	"**Refused items.** An item with another client state is refused alone and recorded, and the request is " +
		"answered 202; otherwise Graph would repeat the other items too. The same applies to an item that cannot " +
		"be read, whose tenant is not in `tenant_ids`, or whose `dataSignature` does not match.",
	"**Validation tokens** belong to a whole request, so an invalid token refuses all of it with 401. Microsoft's " +
		"pages say to answer 202 and to discard the request. But Graph repeats a refused request for 4 hours, so a " +
		"mistake in `app_id` or in a clock loses nothing if it is corrected by then. " +
		"If the keys cannot be fetched, or `app_id` is not set, the answer is 503.",
	"**A valid token** is signed by Entra's key (RS256 only), is valid now (with a leeway of 5 minutes), has " +
		"`app_id` as its audience, comes from `https://sts.windows.net/TENANT/` or " +
		"`https://login.microsoftonline.com/TENANT/v2.0` with the tenant of an item, and was issued to " +
		"`publisher_app_id`. Microsoft's own sample does not check the last rule: without it, any application of " +
		"the tenant could act as Graph. National clouds have other issuers, whose tokens are refused.",
	"**Keys** are fetched when the first token comes, and again after an hour, or when a token names an unknown " +
		"key, at most every 5 minutes. If they cannot be fetched, keys of the last day are used.",
	"**Tokens with plain items** are verified too, if `app_id` is set.",
	"**The handshake** is answered at any time and without a client state, for both URLs. The answer contains the " +
		"token unchanged, not escaped for HTML as Microsoft's pages advise, because an escaped token would be " +
		"another token. The content type of the answer is plain text.",
	"**Limits.** A request may have 5,000 items. If an endpoint often needs more than 10 seconds, Graph treats " +
		"it as slow and drops notifications.",
	"**Plain notifications are weakly authenticated.** Anyone who has seen one can send others like it: the client " +
		"state does not cover the item, and the item never expires. Read the change itself through the API. The " +
		"stored item and deliveries in the `raw` format contain the client state.",
	"**Sending an event that came from Graph**: it keeps its bytes, except that `clientState` becomes the " +
		"destination's, and `content` is encrypted for the destination's certificate. Without a certificate, an " +
		"event with `content` cannot be sent.",
	"**Sending any other event**: it becomes a notification of type `created`, `updated` or `deleted`, according to " +
		"the last word of its type, and the notification has the event's id. A plain notification contains nothing " +
		"of the event's body. A rich notification contains the body as `data` or, if it cannot be " +
		"JSON, as `dataBase64`.",
	"**Retries when sending.** Graph itself repeats for up to 4 hours after any answer. Here the usual schedule " +
		"applies, and 410 ends it.",
}

const byHand = `URL=https://YOUR-HOST/in/SOURCE
STATE=$(cat FILE)
curl -i -X POST "$URL?validationToken=ring"; echo
curl -i "$URL" -H 'Content-Type: application/json' --data-binary '{"value":[{"id":"by-hand-1","subscriptionId":"7f105c7d-2dc5-4530-97cd-4e7ae6534c07",
  "changeType":"created","resource":"me/messages/1","tenantId":"7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67","clientState":"'"$STATE"'"}]}'`
