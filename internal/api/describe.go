package api

import (
	"fmt"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// describe sets the descriptions of the members of schemas, which are in the document under their names.
func describe(schemas map[string]*huma.Schema) {
	for _, d := range descriptions {
		for name := range strings.FieldsSeq(d.schemas) {
			for member, text := range d.members {
				p := schemas[name].Properties[member]
				if p == nil {
					panic(fmt.Sprintf("bellhop: schema %s has no member %s to describe", name, member))
				}
				p.Description = text
			}
		}
	}
}

// descriptions describe members of the JSON forms of package client to the readers of the OpenAPI document.
// Schemas that share members share their descriptions.
var descriptions = []struct {
	schemas string // their names, separated by spaces
	members map[string]string
}{
	{"ListSource ListDestination ListEvent ListDelivery ListRequest ListRepair ListProvider ListDestinationType " +
		"ListConnector ListSubscription ListSubscriptionCall ListRemoteSubscription ListConnection ListFile ListKey " +
		"ListTenant ListAuditEntry ListPortalLink", map[string]string{
		"next": "The cursor of the next page; null on the last page",
	}},
	{"Problem", map[string]string{
		"type":   "Always about:blank; code is more specific",
		"detail": "What is wrong, where, and what to do",
		"code": "The kind of error: invalid, malformed, unauthorized, forbidden, not_found, conflict, gone, " +
			"changed, too_large, limited, unavailable, internal",
		"errors": "The values that are not accepted",
	}},
	{"FieldError", map[string]string{
		"path":    "The path in the JSON that was sent, or the name of the parameter",
		"message": "What is wrong and what to write instead",
	}},

	{"NewSource", map[string]string{
		"name":           "Unique among sources; the last part of the source's URL",
		"provider":       "The provider that reads the source's requests; GET /providers lists them",
		"settings":       "The settings of the provider, secrets included",
		"max_body_bytes": "Largest body accepted. Default: 0, which is the provider's default, mostly 1 MiB",
		"disabled":       "Whether the source answers as if it did not exist",
	}},
	{"NewVerification", map[string]string{
		"secret":  "Takes the place of the source's own for this call. It is not kept. Default: the source's",
		"setting": "The setting that secret is for. Default: the only secret of the source, or the main one",
	}},
	{"Verdict", map[string]string{
		"outcome": "unknown if the record does not have enough of the request to tell",
		"status":  "That the source would answer; 0 if the outcome is unknown",
		"reason":  "Of a refusal: a short code",
		"detail":  "Of a refusal: in words",
		"events":  "Number of events that the request carries",
		"missing": "What the record lacks; a verdict that is not unknown does not need it",
		"cause":   "The likely cause of this refusal, or of the one on record",
		"advice":  "What to do",
	}},

	{"NewSource Source RotatedSource", map[string]string{
		"retention": "How long, and how many bytes of, its events are kept. The oldest ones go first, and none " +
			"whose delivery is pending. Default: what the server says",
		"reply": "What a request whose events are stored is answered with. Default: the " +
			"provider's status without a body",
	}},
	{"Source", map[string]string{
		"followed": "In the answer to a new name: the destinations whose match named the old name, " +
			"and has the new one now",
		"url": "The URL for the provider to call",
		"url_query": "The query that the provider has to add to the URL, with the name of a setting in place of its " +
			"secret: code={query_secret}; mostly empty",
		"settings":       "The settings of the provider. Of a secret: whether it is set, and since when",
		"max_body_bytes": "Largest body accepted; 0 is the provider's default",
	}},

	{"NewSample", map[string]string{
		"type": "The type of a sample of the provider, or handshake. Default: the provider's first sample",
	}},
	{"SampleType", map[string]string{
		"type": "Of the event that a source makes of it; handshake is the handshake of the system",
	}},
	{"Sample", map[string]string{
		"request":    "What was sent, with an ellipsis in place of each secret",
		"status":     "Of the answer",
		"body":       "Of the answer",
		"event_ids":  "The events that are stored",
		"request_id": "The request on record, if it was refused or is a handshake; mostly empty",
		"reason":     "Of a refusal: a short code",
		"detail":     "Of a refusal, or of a handshake with which the provider would not be content: in words",
		"cause":      "The likely cause of a refusal",
		"advice":     "What to do about a refusal",
		"handshake":  "Of a handshake: whether the provider would be content with the answer",
	}},
	{"SourceRotation", map[string]string{
		"secret":  "The new secret. Default: one that the gateway makes, where both sides agree on it, and shows once",
		"setting": "The setting that holds the secret. Default: the only one that is set, or the main one",
	}},
	{"DroppedSecret", map[string]string{
		"setting": "The setting that holds the secret. Default: the only one that is set, or the main one",
	}},
	{"RotatedSource", map[string]string{
		"followed": "Not in this answer",
		"setting":  "The setting that holds the secret",
		"secret":   "The new secret, if the gateway made it; it is not shown again",
		"url":      "The URL for the provider to call",
		"url_query": "The query that the provider has to add to the URL, with the name of a setting in place of its " +
			"secret: code={query_secret}; mostly empty",
		"settings":       "The settings of the provider. Of a secret: whether it is set, and since when",
		"max_body_bytes": "Largest body accepted; 0 is the provider's default",
	}},

	{"NewDestination DestinationPatch", map[string]string{
		"name": "Unique among destinations",
		"type": "http (the default); a provider that sends, for its dialect; or an action, which does its work " +
			"here: exec runs a command; or listen or pull, for whoever takes its deliveries by " +
			"POST /destinations/{id}/listen or …/pull",
		"url":      "Where events go; an action and type pull have none",
		"settings": "The settings of the type, secrets included",
		"access":   "How the destination is reached and how the gateway signs in there, secrets included",
		"match":    "The events that the destination wants. Default: all",
		"timeout": "Longest duration of one attempt, 10ms to 5m; of type pull the length of a lease, 1s to 12h. " +
			"Default: 5s, or 30s for listen and pull",
		"concurrency": "Most attempts at the same time. Default: 16, 4 for exec, 1 for listen, or 100 for pull",
		"rate":        "Most attempts a second, retries included. Default: the rate of the type, mostly no limit",
		"batch":       "Several events in one request, for types and formats with batches. Default: one event each",
		"order": "The events that wait for one another and are delivered in order: those of the same source, or of " +
			"the same subject. Default: none. A change applies to events accepted afterwards; " +
			"pending deliveries keep their order",
		"breaker":    "When a failing destination gets one attempt at a time, and when it is disabled",
		"expires_at": "When the destination expires and gets no more events; a PATCH renews it. Default: never",
		"handshake": "Whether the receiver has to agree before the first delivery: none, or the handshake of the " +
			"type (validation-token, eventgrid, cloudevents). Default: that of the type",
		"paused": "Whether its deliveries wait until it is resumed, from the first event on. A destination of a " +
			"configuration is created paused; one that is there already stays as it is. Default: false",
	}},
	{"DestinationPatch", map[string]string{
		"keep_secrets": "Whether stored secrets may be sent to another scheme, host or port: otherwise a change of " +
			"url, access.token_url or access.proxy to such an address is refused, unless it gives or removes the " +
			"secrets that are sent there. Default: false",
	}},
	{"Source RotatedSource Destination RotatedDestination", map[string]string{
		"warnings": "In the answer to a change: the weaknesses of the values that were accepted, such as secrets " +
			"that are sent over plain http",
	}},
	{"Destination RotatedDestination", map[string]string{
		"settings": "The settings of the type. Of a secret: whether it is set, and since when",
		"access": "How the destination is reached and how the gateway signs in there. Of a secret: whether it is " +
			"set, and since when. null: directly, without signing in",
		"rate":         "Most attempts a second; null is no limit",
		"batch":        "Several events in one request; null is one event in each request",
		"expires_at":   "When the destination expires; null is never",
		"granted_rate": "The rate that the receiver allowed when it agreed; null is no limit",
		"state_reason": "Why the destination is not active",
		"closed": "Why the destination cannot be opened: its events are kept, and nothing is sent; absent if it " +
			"can be opened",
		"held_back":     "Why no attempt begins, or only single ones, and until when; null if attempts begin as usual",
		"match_error":   "The last failure of the where of the match since the start; null if it has not failed",
		"failing_since": "The first failure since which the breaker is open; null while it is closed",
	}},
	{"RotatedDestination", map[string]string{
		"secret": "The new secret, if the gateway made it; it is not shown again",
	}},
	{"Rotation", map[string]string{
		"secret": "The new secret. Default: one that the gateway makes and shows in this answer only",
		"grace":  "How long the old secret signs too, 0s to 720h. Default: 24h",
	}},
	{"StreamItem", map[string]string{
		"id":   "Not in an answer: clients put the id of the message here",
		"kind": "What happened, or live, gap, skipped or end, which are about the stream itself",
		"at":   "When it happened",
	}},
	{"StreamEvent", map[string]string{
		"deliveries": "How many deliveries there are, one for each destination that wants it",
	}},
	{"StreamAttempt", map[string]string{
		"type": "The type of the event", "subject": "The subject of the event",
		"state": "The state of the delivery after the attempt", "next_at": "When the next attempt is due",
		"status": "Of the reply; 0 without a reply", "error": "A short code; empty on success",
		"detail": "The error in words",
	}},
	{"StreamChange", map[string]string{
		"state": "After the change; empty of a source and of what was deleted", "reason": "The reason of the state",
	}},
	{"StreamDelivery", map[string]string{
		"token": "Names the attempt; its answer has the same", "attempt": "The number of the attempt, from 1",
		"until": "When the attempt ends without an answer",
	}},
	{"NewPull", map[string]string{
		"max":  "Most deliveries in the answer. Default: 10",
		"wait": "How long to wait for the first delivery, at most 30s. Default: not at all",
	}},
	{"Lease", map[string]string{
		"token":   "Names the lease, for ack, nack and extend",
		"ends_at": "When the lease ends unless it is extended", "attempt": "The number of the attempt, from 1",
		"content_type": "Of the event as received",
		"headers":      "Those of a request in the format of the destination, signature included",
		"body":         "The body in the format of the destination, if it is UTF-8",
		"body_base64":  "The same, if it is not UTF-8",
	}},
	{"Ack Nack Extension", map[string]string{"token": "Of the lease"}},
	{"Nack", map[string]string{
		"delay":  "Until the next attempt, at most 24h. Default: by the retry schedule",
		"detail": "Why, in words; at most 500 bytes",
	}},
	{"Extension", map[string]string{"for": "From now on, at most 12h. Default: the timeout of the destination"}},
	{"Answer", map[string]string{
		"token": "Of the delivery in the stream", "status": "Of the program's answer; 0 if there was none",
		"retry_after": "The header of that name", "body": "The beginning of the program's answer, at most 4096 bytes",
		"body_base64": "The same, if it is not UTF-8", "detail": "Without an answer: why, in words",
	}},
	{"StreamSkipped", map[string]string{"count": "How many messages were left out before this one"}},
	{"StreamGap", map[string]string{
		"kinds": "The kinds that may be missing; if none is listed, any",
		"since": "From when on; null if that is not known",
	}},
	{"Match", map[string]string{
		"sources": "Names or ids of sources",
		"types":   "Event types, which may end in *",
		"where": "An expression over data, type, subject, source, headers and time, in the " +
			"language of expr-lang.org",
	}},
	{"Retry", map[string]string{
		"schedule": "The waits before each retry (30s, 5m, 2h), or a preset: default, " +
			"sharepoint, eventgrid, day, none",
		"max_age": "Oldest age at which a delivery is tried again, counted from its event or its " +
			"replay. Default: no limit",
		"outcomes": "The outcome of a reply, by status (404), class (4xx) or error (timeout): " +
			"delivered, retry, dead or disable",
	}},
	{"PreviewRequest", map[string]string{
		"destination": "Name or id of a destination, or the values of a new one",
		"event":       "Id of an event, or a sample of one",
	}},
	{"SampleEvent", map[string]string{
		"source":  "Name or id of a source. Default: api",
		"time":    "When the event happened. Default: now",
		"headers": "Headers of the request that carried the event",
		"data":    "The body, as JSON",
		"body":    "The body, as text; takes the place of data",
	}},
	{"Preview", map[string]string{
		"matches":     "Whether the destination wants the event",
		"why":         "The part of the match that does not want the event",
		"match_error": "Why the where could not be evaluated",
		"request":     "What would be sent if the event matched; left out if nothing would",
		"signature":   "The headers of the request that sign it",
		"error":       "Why the request could not be rendered: such a delivery is dead",
		"skipped":     "Why the destination's own filter does not want the event: such a delivery is cancelled",
	}},
	{"PreviewedRequest", map[string]string{
		"way":         "How the request gets there, in words; empty is directly, without signing in",
		"body":        "The beginning of the body, up to 256 KiB, if it is UTF-8",
		"body_base64": "The same, if it is not UTF-8",
		"body_bytes":  "Length of the whole body",
	}},
	{"TryRequest", map[string]string{
		"destination": "The values of a destination, or the name or id of a stored one",
		"changes": "Of a stored destination, for this attempt alone: a JSON merge patch, as PATCH " +
			"/destinations/{id} takes it",
		"event": "Id of an event, or a sample of one. Default: a test event, as test sends it",
	}},
	{"Try", map[string]string{
		"attempt": "The attempt, if one was made",
		"state":   "That a delivery would have after this attempt; left out if none was made",
		"next_at": "When the next attempt would be due, if the state is pending",
		"handshake": "The handshake that creating the destination makes, and a try does not; " +
			"left out if there is none",
	}},
	{"MatchRequest", map[string]string{
		"destination": "Name or id of a stored destination, whose match and tenants are meant " +
			"where none are given here",
		"match":   "Default: that of the destination, or every event",
		"tenant":  "The tenant that the destination would belong to",
		"tenants": "Further tenants whose events it would get",
		"limit":   "How many events to look at, from the newest one on. Default: 100",
	}},
	{"MatchedEvents", map[string]string{
		"looked_at":   "Number of events looked at",
		"wanted":      "Number of those that the destination would want",
		"excluded":    "Number of the others by the reason",
		"complete":    "Whether there was time to look at as many as were asked for",
		"searched_to": "When the last event looked at came in; null if there is none",
		"events":      "Newest first",
	}},
	{"MatchedEvent", map[string]string{
		"reason": "The part of the match that excludes it, where_fails if the where cannot be evaluated, or " +
			"tenant; empty if it is wanted",
		"detail": "Of a where that fails: the error",
	}},
	{"Trial", map[string]string{
		"delivery_id": "GET /deliveries/{id} shows the result",
	}},

	{"NewEvent", map[string]string{
		"subject": "What the event is about",
		"data":    "Any JSON; delivered byte for byte",
		"time":    "When the event happened",
		"tenant":  "A label that keeps the events of one customer from those of another",
	}},
	{"Event EventDetail ChainEvent StreamEvent", map[string]string{
		"source": "Name of the source; api for a published event",
		"provider_id": "The provider's id of the event, or the Idempotency-Key. A repeat has the same id and body, " +
			"and is not stored again",
		"caused_by": "Id of the event for which an action made this one; empty if no action did",
		"sample":    "True if the gateway made the event itself, to try its source; else left out",
		"conflicts_with": "Id of the first event of the source with the same provider_id and another body; empty if " +
			"there is none. Both are stored and delivered",
		"time":            "When the event happened, as the provider says",
		"body_sha256":     "In hexadecimal",
		"delivery_counts": "Its deliveries by state, up to 100 of them, in a list with count_deliveries",
	}},
	{"ChainEvent", map[string]string{
		"depth":      "How many events lie between it and the first of the chain, and itself; 0 is the first",
		"deliveries": "Its deliveries, oldest first, 50 at most",
	}},
	{"EventChain", map[string]string{
		"data":     "The events, each before those that it has caused",
		"complete": "Whether they are all",
	}},
	{"EventDetail", map[string]string{
		"headers": "Headers of the request that carried the event, without those that carry secrets",
		"data":    "The body, if it is JSON of at most 256 KiB; GET …/body returns every body",
	}},

	{"Delivery DeliveryDetail", map[string]string{
		"destination": "Name of the destination, also of a deleted one",
		"attempts":    "Number of attempts so far",
		"next_at":     "Of a pending delivery: when the next attempt is due",
		"last":        "The latest attempt, if there was one",
		"updated_at":  "When the state last changed",
	}},
	{"DeliveryDetail", map[string]string{
		"history": "The attempts, oldest first",
	}},
	{"Attempt", map[string]string{
		"status":       "Of the reply; 0 without a reply",
		"error":        "A short code; empty on success",
		"detail":       "The error in words",
		"reply":        "The beginning of the body of the reply, if it is UTF-8",
		"reply_base64": "The same, if it is not UTF-8",
	}},

	{"Request RequestDetail", map[string]string{
		"source":       "Name of the source, also of a deleted one; empty if there was none",
		"source_id":    "Empty if there was no source with the name in the path",
		"request_name": "Of a request without a source: the name in the path, at most 128 bytes of it",
		"status":       "Of the answer",
		"reason":       "Of a refusal: a short code",
		"detail":       "Of a refusal: in words",
		"target":       "Path and query, without the values of the query",
		"body_bytes":   "Length of the whole body, as far as it was read",
		"events":       "Number of events accepted",
	}},
	{"RequestDetail", map[string]string{
		"headers":     "As received, without those that carry secrets",
		"body":        "As received, if it is UTF-8; the beginning, if the request was refused",
		"body_base64": "The same, if it is not UTF-8",
	}},

	{"NewSource Source", map[string]string{
		"expect_every": "How long the source may be silent before bellhop.source.silent is " +
			"published. Default: for ever",
	}},
	{"Source", map[string]string{
		"silent_since": "Since when nothing came, if that is longer than expect_every allows",
	}},
	{"NewSubscription Subscription", map[string]string{
		"name":         "Unique among subscriptions",
		"resource":     "What is watched, in the provider's words",
		"change_types": "Kinds of change, in lower case; of a provider that has none, empty",
		"settings":     "Of the provider: see its page",
		"expect_every": "How long it may be silent before bellhop.source.silent is published. Default: for ever",
	}},
	{"NewSubscription", map[string]string{
		"provider":   "Default: that of the source",
		"source":     "Name or id of the source that the provider is to call",
		"connection": "Name or id of the connection in whose name the provider is asked",
	}},
	{"Subscription", map[string]string{
		"source":        "Name; empty if it was deleted",
		"connection":    "Name; empty if it was deleted",
		"reason":        "Why it is not active, and what to do",
		"remote_id":     "The provider's id of the registration; empty if there is none",
		"url":           "The URL that the provider calls",
		"expires_at":    "When the registration expires unless it is renewed",
		"renew_at":      "When the next call is due",
		"last_event_at": "When the latest notification came",
		"lost_at":       "Since when notifications may be lost, while they may be",
		"gaps":          "The latest 20 spans of time in which notifications may have been missed, newest first",
	}},
	{"SubscriptionCall", map[string]string{
		"status":    "Of the answer, if it is an error; 0 without one",
		"done":      "Whether the call had its effect",
		"outcome":   "In words; empty while the call is under way",
		"handshake": "The handshake that came meanwhile, and how it was answered, in words; empty if none came",
	}},
	{"SubscriptionSync", map[string]string{
		"checked": "Number of subscriptions with a registration",
		"found":   "Number of them in the lists of providers",
		"doubted": "Names of those that providers are asked for one by one",
		"strays":  "Number of registrations that are ours, but of no subscription: they are deleted",
		"errors":  "Lists that could not be read, in sentences",
	}},
	{"Gap", map[string]string{
		"reason":  "Why notifications may have been missed",
		"state":   "open: it is going to be filled; filling; filled; unknown: outcome says what cannot be known",
		"outcome": "What a fill waits for, or what is not known, in words",
		"since":   "From when on the provider was asked for what has changed; null if it was not",
		"until":   "When it was asked last",
		"found":   "Number of changes that the provider told",
		"folded":  "Number of them whose notifications had come, or that were found before",
	}},
	{"SubscriptionFill", map[string]string{
		"done": "Whether none of the gaps is being filled any more; otherwise the fill goes on",
		"gaps": "The gaps that the call is about, oldest first",
	}},
	{"NewFill", map[string]string{
		"since": "Fill a gap from then until now; by default the gaps that are not filled",
	}},
	{"RemoteSubscription", map[string]string{
		"origin": "Scheme and host of the URL that the provider calls",
		"owner": "ours; lost: it has our URL and client state, but is of no subscription; " +
			"foreign: it is left alone",
		"subscription": "The name of ours",
	}},

	{"Repair", map[string]string{
		"reason":      "Why the repair failed or was cancelled",
		"rate":        "Most deliveries made due in a second; 0 is no limit",
		"looked_at":   "Number of events or deliveries examined, among those that the fields of the filter choose",
		"changed":     "Number of deliveries made, made due or cancelled",
		"skipped":     "Number of deliveries not made or changed, because the event was gone or the state had changed",
		"position_at": "How far the repair is: the time of the events that it has reached, from old to new",
		"created_at":  "The repair leaves later events and deliveries alone",
		"starts_at":   "When it takes its first step; until then it is waiting",
	}},
	{"RepairCount", map[string]string{
		"events":     "Of a replay: number of events",
		"deliveries": "Number of deliveries to be made, made due or cancelled",
		"complete":   "false if there was no time to count all: the numbers are lower bounds",
		"searched_to": "How far it counted, if it is not complete: the time of the events that it has reached, from " +
			"old to new; otherwise null",
	}},
	{"NewReplay NewRetry NewCancel", map[string]string{
		"since":   "Only events received at this time or later",
		"until":   "Only events received before this time",
		"rate":    "Most deliveries made due in a second. Default: 200. 0 is no limit",
		"all":     "Must be true if nothing narrows the choice",
		"dry_run": "Count what the repair would do, and change nothing",
		"start_in": "How long the repair waits before it begins, at most 1h. Default: not at all. One that is " +
			"cancelled before it begins has changed nothing",
	}},
	{"NewReplay", map[string]string{
		"missed": "Only events that the destination wants by its match and has no delivery of",
		"source": "Name or id of the source. A name that no source has means the deleted ones that had it; if a " +
			"source has it, deleted ones are chosen by id",
		"type": "The whole type, or a prefix and *. The gateway's own events are chosen only if it begins with " +
			"bellhop., or if the source is bellhop",
		"where": "An expression over the event that must be true, as in a match",
		"destination": "Name or id of the only destination, whatever its match says. Default: " +
			"each that wants the event",
	}},
	{"NewRetry NewCancel", map[string]string{
		"destination": "Name or id of the destination",
		"event":       "Id of the event",
		"error": "How the latest attempt failed: the code of an error such as timeout, a status such as 429, a " +
			"class such as 5xx, or any",
	}},
	{"NewRetry", map[string]string{"state": "Default: dead"}},
	{"NewCancel", map[string]string{"state": "Only pending deliveries can be cancelled"}},
	{"ReplayTo", map[string]string{
		"destination": "Name or id of the only destination, whatever its match says. Default: each " +
			"that wants the event now",
	}},
	{"Replayed", map[string]string{
		"deliveries": "Empty if no destination wants the event now",
	}},

	{"NewConnection ConnectionPatch", map[string]string{
		"name":     "Unique among connections",
		"provider": "The provider whose API is called, or oauth2 for any API with OAuth 2",
		"settings": "The settings of the connection, secrets included",
	}},
	{"ConnectionPatch", map[string]string{
		"keep_secrets": "Whether stored secrets, or the tokens that they bring, may be sent to another scheme, " +
			"host or port: otherwise a change of such a URL is refused, unless it gives or removes the " +
			"secrets. Default: false",
	}},
	{"Connection", map[string]string{
		"settings": "The settings of the connection. Of a secret: whether it is set, and since when",
		"state": "ready; signed_out: the authority refused for good or nobody has signed in, and a person has to " +
			"act; failing: the request for a token failed and is made again by itself, or the API refuses the " +
			"tokens until a call succeeds",
		"reason":       "Why the state is not ready, and what to do; of a ready connection: a warning",
		"account":      "Who we are at the provider, as it says; empty while that is unknown",
		"expires_at":   "When the present access token ends; it is renewed before. null: there is none",
		"used_at":      "When the API was called last, to the minute; null is never",
		"redirect_uri": "The URL to register at the authority; empty if no user signs in by a browser",
		"login":        "The latest sign-in that was begun since the server started; left out if there was none",
		"warnings": "In the answer to a change: the weaknesses of the values that were accepted, such as secrets " +
			"that are sent over plain http",
	}},
	{"Login", map[string]string{
		"kind":       "How the user signs in; none if nobody has to",
		"state":      "How far the sign-in is",
		"reason":     "Why the sign-in failed, and what to do",
		"expires_at": "When the link, or the code, can no longer be used",
		"url": "The page for the browser to open, in the answer that begins the sign-in only. It can be " +
			"used once",
		"redirect_uri":     "The URL to register at the authority before the first sign-in",
		"user_code":        "Of a device code: what the user enters",
		"verification_uri": "Of a device code: the page where the user enters it",
	}},
	{"LoginRequest", map[string]string{
		"device": "Whether the user signs in by a device code, on any device. Default: by a browser that can reach " +
			"this server",
	}},
	{"ConnectionTest", map[string]string{
		"ok":          "Whether the call succeeded",
		"reason":      "Why the call failed, and what to do; of a good one: a warning",
		"account":     "Who we are at the provider",
		"grant":       "On whose behalf calls are made: of a user, of the client itself, or by a key",
		"expires_at":  "When the present access token ends",
		"permissions": "The permissions that calls may need; empty if the token does not name its own",
	}},
	{"Permission", map[string]string{
		"name":    "As the provider calls it",
		"for":     "What it is needed for",
		"granted": "Whether the account has it",
	}},

	{"File", map[string]string{
		"name": "Path of the file in the storage; unique among files",
		"state": "partial: its download goes on, or waits for its next attempt; whole: it " +
			"does not change any more",
		"size":           "Bytes that are kept so far",
		"total":          "Bytes that were announced; null if nobody said",
		"sha256":         "In hexadecimal, once the file is whole; empty before",
		"source":         "Name of the source of the event",
		"event_id":       "The event that the file was made for",
		"destination":    "Name of the destination that made it, also of a deleted one",
		"destination_id": "Id of the destination that made it",
		"updated_at":     "When size or state last changed",
		"expires_at": "When the file is deleted, whatever happens to its event; null: it is " +
			"deleted with its event",
		"due_at": "When the provider deletes its own copy, so the download must be over before; null if not known",
	}},

	{"NewKey Key CreatedKey", map[string]string{
		"name":       "Unique among keys",
		"scope":      "What the key may do: each operation names its scope. operate includes read and publish",
		"tenant":     "The tenant whose nouns the key sees; empty is everything",
		"expires_at": "From when on the key is refused; null is never",
	}},
	{"Key CreatedKey", map[string]string{
		"last_used_at": "The latest request that was accepted with the key; null is never",
		"last_address": "The IP address of that request; behind a proxy, that of the proxy",
	}},
	{"CreatedKey", map[string]string{
		"key": "The key to send as Authorization: Bearer KEY. It is in this answer alone",
	}},
	{"DeclaredKey", map[string]string{
		"name":       "Unique among keys",
		"scope":      "What the key may do: each operation names its scope. operate includes read and publish",
		"tenant":     "The tenant whose nouns the key sees; empty is everything",
		"expires_at": "From when on the key is refused; null is never",
		"key": "The text of the key, as 'bellhop config key' makes it. Default: that of the present key; for a new " +
			"one the server makes a text, and the answer has it. Another text revokes the present key",
	}},
	{"Config ConfigRequest", map[string]string{
		"settings": "Settings of bellhop serve, by the names of its flags. They are compared, and take effect at " +
			"the next start of a server that has them in its file",
		"tenants":       "Customers, whose nouns are kept apart",
		"connections":   "Who we are at the APIs of providers",
		"sources":       "URLs that providers call, with the secrets that prove their requests",
		"destinations":  "Where events go",
		"subscriptions": "Registrations at providers",
		"keys":          "Keys of the API",
	}},
	{"ConfigRequest", map[string]string{
		"prune": "Whether the nouns are deleted that a configuration made and this one does not have. Default: false",
	}},
	{"ConfigPlan", map[string]string{
		"settings": "The settings of serve that the next start of the server changes, if it starts with those of " +
			"the configuration; a flag or a variable of the server wins over them",
		"changes":  "What changes, or has changed",
		"left":     "The deletions that only prune makes",
		"same":     "How many nouns of the configuration are as it declares them",
		"warnings": "What is accepted but weak, by its path in the configuration",
	}},
	{"ConfigChange", map[string]string{
		"noun":    "The kind of noun: source, destination, …",
		"id":      "Empty in a plan for one that is created",
		"members": "Of a noun that is changed: what differs",
		"note":    "What follows from the change",
		"key":     "Of a key whose text the server made just now: the text. It is in this answer alone",
	}},
	{"SettingChange", map[string]string{
		"secret": "Whether it is a secret, whose values are not shown",
		"before": "null: the default",
		"after":  "null: the default",
	}},
	{"MemberChange", map[string]string{
		"secret": "Whether it is a secret, whose values are not shown",
		"before": "null: it was not set",
		"after":  "null: it is not set any more",
	}},
	{"AdminRotation", map[string]string{
		"grace": "How long the old admin key still works, unless the server is restarted: 0s to 24h. Default: 0s",
	}},
	{"RotatedAdmin", map[string]string{
		"key":       "The new admin key. It is in this answer and in the data folder of the server",
		"old_until": "Until when the old one works; null: it has ended",
	}},
	{"SignInLink", map[string]string{
		"url":        "The page that begins the session, at the address of the pages",
		"local_url":  "The same page at an address of the server's machine",
		"expires_at": "From then on the link cannot be used",
	}},

	{"NewPortalLink", map[string]string{
		"tenant":     "Whose portal it is, by name or id. Default: that of the key",
		"expires_in": "When the session of the link ends, from now on: 1m to 12h. Default: 12h",
		"frame_ancestors": "Hosts or origins whose pages may show the portal in a frame. The pages of the server " +
			"have to be reached by https. Default: none, and the portal is shown in no frame",
	}},
	{"NewPortalLink PortalLink CreatedPortalLink", map[string]string{
		"rights": "read: look at destinations, deliveries and events; retry: also retry and replay; manage: also " +
			"make, change, pause, test and delete destinations",
	}},
	{"PortalLink CreatedPortalLink", map[string]string{
		"tenant":          "Whose portal it is",
		"frame_ancestors": "The origins whose pages may show the portal in a frame",
		"key":             "The name of the key that made it",
		"key_id":          "Empty is the admin key",
		"open_until":      "From then on it cannot be opened",
		"opened_at":       "null: nobody has opened it",
		"expires_at":      "The end of its session",
	}},
	{"CreatedPortalLink", map[string]string{
		"url":       "The page that begins the session, at the address of the pages. It is in this answer alone",
		"local_url": "The same page at an address of the server's machine, where it is shown in no frame",
	}},

	{"NewSource Source NewDestination DestinationPatch Destination RotatedDestination NewConnection ConnectionPatch " +
		"Connection", map[string]string{
		"tenant": "The tenant that it belongs to; empty is none. It cannot be changed. Default: that of the key",
	}},
	{"NewDestination DestinationPatch Destination RotatedDestination", map[string]string{
		"tenants": "Further tenants whose events it gets, or [\"*\"] for all. Only a key of all tenants may set it",
	}},
	{"Subscription", map[string]string{"tenant": "The tenant of its source; empty is none"}},
	{"NewTenant Tenant", map[string]string{
		"name":   "Unique among tenants. It cannot be changed",
		"limits": "What the tenant may use; a limit that is left out is none",
	}},
	{"TenantLimits", map[string]string{
		"events":       "Events accepted at the door, over all sources of the tenant; further ones are answered 429",
		"stored_bytes": "Bytes of the bodies of stored events, and of files",
		"destinations": "Number of destinations; one more is refused with 403",
	}},

	{"Provider", map[string]string{
		"title":         "The name that the system uses for itself",
		"summary":       "What the system sends and how it proves who it is",
		"settings":      "Of a source",
		"sends":         "Whether the name can be the type of a destination",
		"send_settings": "Of such a destination",
		"setup":         "Steps to take at the system so that it calls a source, in Markdown",
		"subscribes":    "Whether the system has to be asked to call a source, by a subscription",
		"resource":      "What the resource of a subscription is, in Markdown",
		"change_types":  "That a subscription may name",
		"connector":     "Whose connections make the calls of a subscription",
	}},
	{"DestinationType", map[string]string{
		"access":     "The members of access; none of a type without requests of its own",
		"setup":      "Steps to take so that there is something to call, in Markdown",
		"secret_url": "Whether only the end of the URL is ever shown",
		"action":     "Whether it is work that is done here",
	}},
	{"Connector", map[string]string{
		"setup": "Steps to take at the system, in Markdown",
	}},
	{"Setting", map[string]string{
		"doc":     "Meaning, unit or form, and default",
		"kind":    "Of the value: text, list, true or false, number, length of time, object",
		"secret":  "Whether the value is masked in answers",
		"choices": "The only values of a text, or of the texts of a list; none is any text",
		"many":    "Whether a text may be a list of texts, too",
		"make": "How a value can be made of random bytes where both sides agree on it: text, hex (of 32 bytes), " +
			"base64 (of 64) or standard (whsec_ and Base64 of 32); empty if the system makes it",
	}},
	{"AuditEntry", map[string]string{
		"key":     "The name of the key by which it was changed, at that time",
		"key_id":  "Empty is the admin key, and for a key of a tenant also every key that is not of that tenant",
		"name":    "The name of the noun, at that time",
		"noun_id": "The id of the noun",
		"action": "created, updated, deleted, paused, resumed, replayed, retried, cancelled, rotated, or which " +
			"repair began",
	}},
	{"Backup", map[string]string{
		"at":    "What was stored by then is in it; null if no backup was noted",
		"bytes": "Of the archive",
		"to":    "Where it was kept, in words",
	}},
	{"Standby", map[string]string{
		"on":    "Whether the server sends nothing, and waits for its operator",
		"since": "Null unless it is on",
		"why":   "In words",
	}},
	{"LogLevel", map[string]string{
		"level": "Lines of this level and above are written",
	}},
	{"Checkup", map[string]string{
		"state":   "The worst of the checks; a skipped one does not count",
		"took_ms": "How long all checks took, in milliseconds",
		"checks":  "All of them, in the same order each time",
	}},
	{"Check", map[string]string{
		"title": "For people",
		"state": "warning: it works, and a person should look at it soon; failed: it does not work; skipped: it " +
			"cannot be checked, and message says why",
		"message": "What was found",
		"remedy":  "What to do; empty if there is nothing to do",
		"took_ms": "In milliseconds",
		"nouns":   "That it is about, at most 20",
	}},
	{"CheckedNoun", map[string]string{
		"noun":    "Its kind, such as destination",
		"message": "What was found of it",
	}},
	{"ServerInfo", map[string]string{
		"commit":      "Of the source code; empty if the build did not note it",
		"go":          "The version of Go that built the program",
		"url":         "Where the server is on its own machine",
		"api_url":     "Where the API is on its own machine: at url, unless it has a port of its own",
		"metrics_url": "Where the metrics are on its own machine",
		"public_url":  "Where providers reach it",
		"ui_url":      "Where people reach the pages; empty if there are none",
		"data":        "The data folder",
		"admin_key":   "The file in the data folder, or the variable of the environment, that holds the admin key",
		"settings":    "All of them, in the order of the help of serve",
	}},
	{"ServerSetting", map[string]string{
		"group":   "The heading that it belongs to",
		"doc":     "Meaning, unit and an example",
		"value":   "In the form of a configuration file; null for a secret that was given as it is",
		"default": "In the form of a configuration file",
		"in_use":  "What the server goes by, where it is not the value, such as an address that the system chose",
		"secret":  "Whether the value is never shown; a reference to it is",
		"set":     "Whether there is a value",
		"changed": "Whether the value is not the default",
		"origin":  "What gave the value",
		"place":   "The flag, the variable, or the file and its line; empty for a default",
	}},
	{"Series", map[string]string{
		"step":         "The length of a span",
		"since":        "The beginning of the first span",
		"until":        "The end of the last span, which is the present one",
		"data":         "The spans, the oldest first, also those in which nothing happened",
		"sources":      "Those with the most events and refused requests first",
		"destinations": "Those with the most deliveries and failed attempts first",
	}},
	{"Span", map[string]string{"at": "The beginning of the span"}},
	{"Span NounCounts", map[string]string{
		"accepted":  "Events that were stored; a repeat is none",
		"refused":   "Requests that were refused",
		"delivered": "Deliveries that the receiver took",
		"failed":    "Attempts that failed, whatever came of the delivery",
	}},
	{"Stats", map[string]string{
		"events":     "Stored",
		"deliveries": "By state; final states count from the start of the server",
		"oldest_pending_at": "When the oldest pending delivery was created: its event accepted, " +
			"or its replay requested",
		"next_due_at":      "When the next pending delivery is due; in the past while deliveries wait for their turn",
		"requests_refused": "Since the start of the server",
		"latency":          "How long accepting and delivering took, in the latest hour",
	}},
	{"Latencies", map[string]string{
		"since":    "An hour ago, or the start of the server if that is later",
		"accept":   "Of a request whose events were stored: from its start to the answer",
		"attempt":  "Of an attempt: from rendering the request to the end of the reply",
		"delivery": "From receiving an event to its delivery",
	}},
	{"Latency", map[string]string{
		"count":  "How many there were",
		"p50_ms": "Half took no longer; a point between bounds that double",
		"p99_ms": "99 of 100 took no longer; a point between bounds that double",
	}},
}
