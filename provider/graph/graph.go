// Package graph understands the change notifications of Microsoft Graph.
//
// Graph calls a source once per subscription with a token that has to come back. Then it posts batches of items:
// something was created, updated or deleted, or something happened to the subscription itself. Plain items are not
// signed; each repeats the clientState that was chosen with its subscription. Rich items carry the changed resource,
// encrypted for a certificate of ours. Anyone can encrypt for a certificate, so their batch has validation tokens
// too: JSON Web Tokens by which Microsoft Entra says that it is Graph that calls.
//
// Without the server: of a plain notification, [VerifyState] verifies each item. Of a rich one, [VerifyTokens] verifies
// the batch as well, with keys that [jwks.New] fetches from [KeysURL], and [Unseal] decrypts. The handshake is
// yours to answer then: the example shows it. [Provider.Open] does all of that at once.
//
// Sources:
//   - https://learn.microsoft.com/en-us/graph/change-notifications-delivery-webhooks
//   - https://learn.microsoft.com/en-us/graph/change-notifications-with-resource-data
//   - https://learn.microsoft.com/en-us/graph/change-notifications-lifecycle-events
//   - https://learn.microsoft.com/en-us/graph/api/resources/changenotification
package graph

import "github.com/bellhop-gateway/bellhop/provider"

// Provider receives and sends Graph's change notifications.
type Provider struct{}

var _ provider.Sender = Provider{}

// parameter holds the token of a handshake.
const parameter = "validationToken"

// Members of an item that are read or written in more than one place.
const (
	memberState     = "clientState"
	memberEncrypted = "encryptedContent" // as Graph sends a resource
	memberContent   = "content"          // what an event has in its place once it is decrypted
)
