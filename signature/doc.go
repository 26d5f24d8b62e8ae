// Package signature signs webhooks and verifies them, the two side by side for each scheme.
//
// [HMAC] is the family that most systems use: a keyed hash of the body, written into a header as hex or base64
// behind a prefix. [SignStandard] and [VerifyStandard] are Standard Webhooks (https://www.standardwebhooks.com),
// with shared secrets and with Ed25519. [SignJWT] and [VerifyJWT] are the tokens of an authority that publishes its
// keys (RS256). [EqualToken] is for systems that send a secret as it is.
//
// What it promises:
//   - the bytes as received are what is verified; nothing is parsed, trimmed or written anew
//   - the scheme comes from the caller, never from the request
//   - an empty key signs nothing and verifies nothing
//   - comparing takes equally long for every wrong signature
//   - work is bounded, whatever a header holds
//   - no error says anything of a key, a signature or a body
//
// It is pure: no clock, no randomness, and no network but what a [KeyFinder] uses. It does not remember what it has
// seen, so a request that was caught and is sent again within its tolerance verifies again; the caller knows repeats by
// the message's id.
package signature
