// Package bellhop is the vocabulary of the webhook gateway of the same name: the nouns that its packages pass to one
// another. It is pure: it opens no file and no connection, and it reads no clock.
//
// Each thing has one word, the same in Go, SQL, JSON, logs and pages:
//
//	provider     an outside system that calls us, or that we call in its dialect; also the package that understands it
//	source       one inbound URL of one provider, with its secrets
//	request      one HTTP call at a source: none, one or many events
//	handshake    a provider's proof exchange at a source, or ours at a destination; answered, never an event
//	signature    the proof on a request, or the one we put on a delivery
//	event        the smallest thing stored, matched and delivered; never changed afterwards
//	batch        several events in one request, from a provider or to a destination
//	destination  where events go; has its match, secret, limits, retry schedule and state
//	match        the part of a destination that says which events it wants
//	delivery     one event owed to one destination
//	lane         one destination's queue in memory, and the attempts under way for it
//	lease        a lane's claim to a delivery: while it lasts, no other lane and no claim takes the delivery
//	attempt      one try of a delivery: its reply and its duration
//	retry        the next attempt of the same delivery
//	replay       new deliveries of a stored event, which keeps its id
//	repair       a replay, retry or cancel of many events or deliveries, chosen by a filter, done in steps
//	connection   who we are at a provider's API: an account there, with its keys or tokens
//	subscription our registration at a provider, which asks it to call a source; most expire
//	gap          a span of time in which a subscription may have missed something
//	file         bytes that an action kept: a recording, an asset
//	key          lets a program call the HTTP API, within its scope
//	tenant       one customer, whose nouns are kept apart from those of all others
//	portal       the pages for the people of one tenant; a portal link lets somebody in without a key, for a visit
package bellhop
