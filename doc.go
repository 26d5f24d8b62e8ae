// Package bellhop is the vocabulary of the webhook gateway of the same name:
// the nouns that every room of the house passes to the next.
//
// A [Source] is a URL that a provider calls. One call is a [Request]; it carries
// none, one or many [Event]s. A [Destination] says by its [Match] which events it
// wants; each of those is a [Delivery], and each try of a delivery is an [Attempt].
//
// The package is pure: it opens no file, no connection and reads no clock.
package bellhop
