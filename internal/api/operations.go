package api

import (
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/danielgtaylor/huma/v2"
)

// This file completes the OpenAPI document: what each operation does, and the errors that it can answer. The library
// uses none of it: it is for readers and generators.

// tags describe the nouns, in the order of the document.
var tags = []*huma.Tag{
	{Name: "sources", Description: "URLs that providers call, with the secrets that prove their requests"},
	{Name: "destinations", Description: "Where events go: match, credentials, limits, retries and state"},
	{Name: "events", Description: "Stored events"},
	{Name: "deliveries", Description: "Events owed to destinations, with their attempts"},
	{Name: "repairs", Description: "Replays, retries and cancels of many"},
	{Name: "subscriptions", Description: "Registrations at providers, which ask them to call sources"},
	{Name: "files", Description: "Files that actions keep, such as recordings"},
	{Name: "requests", Description: "Requests on record: refused ones, handshakes, and those with several events"},
	{Name: "connections", Description: "Who we are at the APIs of providers: sign-in and tokens"},
	{Name: "keys", Description: "Keys of this API, each with a scope"},
	{Name: "portal-links", Description: "Links to the portals of tenants"},
	{Name: "sign-in-links", Description: "Links that sign a person in to the pages"},
	{Name: "tenants", Description: "Customers, whose nouns are kept apart"},
	{Name: "stream", Description: "What happens, as it happens"},
	{Name: "config", Description: "All nouns at once, as a configuration file declares them"},
	{Name: "settings", Description: "How the server was started"},
	{Name: "doctor", Description: "How well the server is"},
	{Name: "backup", Description: "Copies of everything that the server keeps"},
	{Name: "standby", Description: "Whether a restored server waits for its operator"},
	{Name: "log-level", Description: "What the server writes into its log"},
	{Name: "stats", Description: "How much is stored"},
	{Name: "audit", Description: "Who changed what"},
	{Name: "series", Description: "How much happened over time"},
	{Name: "providers", Description: "The systems that the gateway speaks with, and their settings"},
	{Name: "destination-types", Description: "What the type of a destination can be, and its settings"},
	{Name: "connectors", Description: "The systems at whose API there can be connections, and their settings"},
}

// operationTexts describe the operations by their ids.
var operationTexts = map[string]string{
	"list-sources": "Returns one page of the sources, newest first.",
	"create-source": "Checks the settings as the provider does, and stores a source. Its url is for the provider to " +
		"call.",
	"show-source":   "Returns one source. Secrets are masked.",
	"update-source": "Changes the given members by a JSON merge patch (RFC 7386). The provider cannot be changed.",
	"delete-source": "Deletes a source. Requests to its URL are answered 404 from then on; its events stay. It is a " +
		"conflict as long as deliveries of its events are pending, unless force is set.",
	"sample-source": "Sends a source what its provider would send: an event of that type, or the handshake, signed " +
		"with the first secret of the source. The door takes it as a request from outside: the event is stored, " +
		"with the header Bellhop-Sample, and delivered. GET /providers lists the samples. The answer has the " +
		"request, with secrets masked, and what the source made of it, also if it was refused. It is a conflict if " +
		"only the provider itself can make an authentic request.",
	"rotate-source-secret": "Puts a new secret in front of the one that the source has. Both are accepted, until " +
		"the old one is dropped: so nothing is refused while the provider still has it. An older one is accepted " +
		"no more.",
	"drop-source-secret": "Leaves the source the newest secret of a setting. It is a conflict if it has no other.",

	"list-destinations": "Returns one page of the destinations, newest first.",
	"create-destination": "Checks and stores a destination. If its type has a handshake, the " +
		"receiver is asked to agree.",
	"show-destination":   "Returns one destination. Secrets are masked.",
	"update-destination": "Changes the given members by a JSON merge patch (RFC 7386). The type cannot be changed.",
	"delete-destination": "Deletes a destination. Its pending deliveries are cancelled; its finished deliveries stay.",
	"pause-destination":  "Sends nothing more until it is resumed. Events are stored for it meanwhile.",
	"resume-destination": "Makes a paused, disabled or expired destination active again, or asks its receiver again.",
	"preview-destination": "Returns the request that a stored or a new destination would get for a stored event " +
		"or a sample, and whether its match wants it. Nothing is stored or sent.",
	"try-destination": "Sends a stored event, a sample or a test event once to the values of a destination, " +
		"which are checked as those of a new one, or to a stored destination, whatever its match says. The answer " +
		"has the request, with secrets masked, and what came back within 25 seconds. Nothing is stored, no " +
		"handshake is made, and no limit counts.",
	"match-events": "Looks at the newest stored events, 1000 at most and for 2 seconds at most, and says which of " +
		"them a destination with this match would want, and why not the others. Nothing is sent or stored.",
	"test-destination": "Sends a test event to an active destination, whatever its match says.",
	"listen-destination": "Sends the deliveries of a destination of type listen as server-sent events, until the " +
		"client goes: each is an attempt that ends with its answer (POST /deliveries/{id}/answer), at its until, " +
		"or when the client goes. The client reads the event by its event_id. Several clients share the deliveries.",
	"pull-destination": "Leases deliveries of a destination of type pull that are due, and waits for the first " +
		"one if there is none. Each is an attempt that ends with its ack or nack. A lease that ends before is a " +
		"failed attempt, timeout. Concurrency, rate and order of the destination hold. Clients that " +
		"wait share what comes.",
	"rotate-destination-secret": "Replaces the secret that signs deliveries. The old one signs too until the grace " +
		"time ends.",

	"list-events": "Returns one page of the events, newest first, without headers and bodies.",
	"publish-event": "Stores an event and its deliveries. It is on disk when the answer arrives. With an " +
		"Idempotency-Key it is stored once. Types that begin with bellhop. are refused.",
	"show-event-chain": "Returns the events that caused this one, the event itself, and those that actions " +
		"published because of it, each with its deliveries: a cause comes before what it has caused, and depth " +
		"counts from the first. At most 250 events; complete is false if there are more, or if a cause was deleted.",
	"show-event":     "Returns one event with its headers, and with its body if that is JSON.",
	"get-event-body": "Returns the body byte for byte.",
	"replay-event":   "Creates new deliveries of one event, for one destination or for each that wants it now.",
	"replay-events": "Starts a repair that creates new deliveries of the events that the filter selects, or counts " +
		"them.",

	"list-deliveries": "Returns one page of the deliveries, those of the newest event first.",
	"show-delivery":   "Returns one delivery with all of its attempts.",
	"retry-delivery":  "Makes a pending, dead or cancelled delivery due now. Its retry schedule begins anew.",
	"cancel-delivery": "Ends a pending delivery.",
	"answer-delivery": "Ends the attempt that the token names with the answer of a program, or with status 0 " +
		"and the reason in detail if it gave none. The answer decides as one to a request of the gateway does.",
	"ack-delivery": "Ends the lease that the token names: the delivery is delivered. That is on disk when the " +
		"answer arrives.",
	"nack-delivery": "Ends the lease that the token names: the attempt has failed. The next one is due after the " +
		"delay, or by the retry schedule; after the last one the delivery is dead.",
	"extend-delivery": "Makes the lease that the token names end after a time from now. No lease lasts longer " +
		"than 12 hours.",
	"retry-deliveries":  "Starts a repair that makes the deliveries that the filter selects due, or counts them.",
	"cancel-deliveries": "Starts a repair that ends the pending deliveries that the filter selects, or counts them.",

	"list-repairs":  "Returns one page of the repairs, newest first. The latest thousand are kept.",
	"show-repair":   "Returns one repair and how far it is.",
	"cancel-repair": "Ends a running repair, whose changes so far stay, or one that waits, which has changed nothing.",

	"list-subscriptions": "Returns one page of the subscriptions, newest first.",
	"create-subscription": "Checks and stores a subscription, and makes its registration at the provider. Its state " +
		"says whether that succeeded: a failed or pending one is tried again, and reason says what to do.",
	"show-subscription": "Returns one subscription. Its client state is never shown.",
	"update-subscription": "Changes the given members by a JSON merge patch (RFC 7386). Unless only name or " +
		"expect_every change, the provider gets a new registration, and then the old one is deleted.",
	"delete-subscription": "Deletes a subscription and its registration at the provider. It is a conflict if the " +
		"provider cannot be reached; the deletion is tried again.",
	"renew-subscription":  "Renews the registration now, or makes one if there is none.",
	"pause-subscription":  "Ends the registration at the provider until it is resumed. The pause is a gap.",
	"resume-subscription": "Makes the registration of a paused subscription again.",
	"fill-subscription": "Asks the provider for what was missed: in the gaps that are not filled or, with since, " +
		"from then on. Waits for half a minute at most: a fill that is not done goes on, and the " +
		"gaps show how far it is.",
	"list-subscription-calls": "Returns the latest 100 calls of the provider's API for a subscription, newest first.",
	"sync-subscriptions": "Compares all subscriptions with their providers: lost registrations are made again, and " +
		"registrations with our URL and client state of no subscription are deleted.",
	"list-remote-subscriptions": "Returns the registrations that the provider shows to a connection, ours and " +
		"foreign ones.",

	"list-files":  "Returns one page of the files that actions keep, newest first.",
	"show-file":   "Returns one file. Of a partial one, size says how far it is.",
	"delete-file": "Deletes a file with its bytes. It is a conflict while the file is being written.",
	"get-file-content": "Returns the bytes of a whole file, or the ranges that are asked for. The ETag is the " +
		"SHA-256 of the file, so that a download that was cut off goes on with Range and If-Range.",

	"list-requests": "Returns one page of the requests on record, newest first, without headers and bodies.",
	"show-request":  "Returns one request with its headers and, as far as it was kept, its body.",

	"verify-request": "Has the source of a request on record verify it again, as if it came in when it did: " +
		"with its present settings, or with the secret of the body, which is neither kept nor logged. Nothing is " +
		"published or stored. Of a refused request, the record may lack what proves it: then the outcome is " +
		"unknown, and missing says what lacks.",

	"list-connections": "Returns one page of the connections, newest first. Tokens are never shown.",
	"create-connection": "Checks and stores a connection. Unless a user has to sign in, a token is asked for at " +
		"once, and the state of the answer is what came of it.",
	"show-connection": "Returns one connection, and how far its latest sign-in is. Secrets are masked.",
	"update-connection": "Changes the given members by a JSON merge patch (RFC 7386). The provider cannot be " +
		"changed. Tokens of another account, authority or API are not used any more.",
	"delete-connection": "Deletes a connection with its tokens.",
	"login-connection": "Begins the sign-in of a user, and answers which page to open: our start page, whose " +
		"link can be used once within 10 minutes, or for a device code the authority's page and the code to enter " +
		"there. A connection on the client's own behalf gets a token at once.",
	"test-connection": "Makes the cheapest authentic call, and answers who we are, until when, and which " +
		"permissions are missing. A refused connection is tried again. The answer to a failed " +
		"test is 200 with ok false.",
	"logout-connection": "Has the authority revoke the tokens of a connection, if it has an endpoint for that, " +
		"and forgets them. reason says whether they were revoked. " +
		"The connection's calls fail until somebody signs in again.",

	"list-keys": "Returns one page of the keys, newest first, without their texts.",
	"create-key": "Makes a key. Its text is in this answer alone: the server keeps a hash of it. Unless expires_at " +
		"is given, the key works until it is revoked.",
	"show-key":   "Returns one key without its text.",
	"delete-key": "Revokes a key: once the answer arrives, the key is refused.",
	"rotate-admin-key": "Replaces the admin key in the data folder of the server, and answers with the new one. The " +
		"old one ends at once, or after grace. It is a conflict if the environment of the server gives the admin key.",
	"create-sign-in-link": "Makes a link that signs a person in to the pages as the holder of the key of this " +
		"request: once, within 5 minutes. The session ends with the key.",
	"list-portal-links": "Returns one page of the links to portals that have not ended, newest first, without their " +
		"URLs. One that nobody has opened within 5 minutes has ended.",
	"create-portal-link": "Makes a link to the portal of a tenant, for somebody without a key. Its URL is in this " +
		"answer alone, and can be opened once, within 5 minutes: the page asks for a click before. The session that " +
		"it begins ends after expires_in, after an hour without use, and with the link or the key of this request. " +
		"It is a conflict if the server has no pages.",
	"show-portal-link":   "Returns one link to a portal without its URL.",
	"delete-portal-link": "Revokes a link to a portal: once the answer arrives, its session has ended.",
	"follow-stream": "Sends what happens as server-sent events, until the client goes: events and requests once " +
		"they are on disk, attempts once they are recorded, and changes of nouns. With the id of the last message " +
		"it goes on after that; a message of kind gap says what cannot be told again. A client that reads too " +
		"slowly is dropped, with a message of kind end, and can come back.",

	"list-tenants":  "Returns one page of the tenants, newest first. A key of one tenant sees that one.",
	"create-tenant": "Creates a tenant. Nouns and keys that name it belong to it, and its name stays as it is.",
	"show-tenant":   "Returns one tenant.",
	"update-tenant": "Changes limits by a JSON merge patch (RFC 7386). A limit that is lower than what is used ends " +
		"nothing, and refuses what comes.",
	"delete-tenant": "Deletes a tenant. It is a conflict while a source, destination, connection, subscription or " +
		"key belongs to it. Its events stay until they are too old.",

	"export-config": "Returns all nouns as a configuration, and the settings with which the server was started, " +
		"without values that are the default. Secrets are masked; a URL with a secret in it has an ellipsis in " +
		"place of that.",
	"plan-config": "Compares a configuration with the nouns of the server, and returns what apply would change; of " +
		"its settings of serve, what the next start of the server with them would change. " +
		"Nothing is stored. Nouns that the configuration does not have stay, unless prune is set and a " +
		"configuration made them.",
	"apply-config": "Makes the nouns of the server those of a configuration, in one transaction: all of it is " +
		"stored, or nothing. A noun is the one of the same name. A secret that is masked, and the URL …, stay as " +
		"they are stored. Calls of receivers and providers that follow are made afterwards.",

	"check-server": "Looks at the server itself: the clock, the data folder, the disk and its syncs, open " +
		"files, the public URL and its certificate, keys, secrets, connections and subscriptions that end or fail, " +
		"silent sources, destinations, deliveries and repairs. Each check says what was found and what to do. The " +
		"checks run at the same time and take 9 seconds at most; one checkup runs at a time.",
	"show-settings": "Returns the program, its addresses, and every setting of serve with its value and where that " +
		"came from: the default, a flag, a variable of the environment, or a line of the configuration file. Of a " +
		"secret it says whether it is set.",
	"show-backup": "Returns the backup that was noted last, with at null if none was.",
	"note-backup": "Notes a backup that was kept: so the server knows how old the latest one is. `bellhop backup` " +
		"notes its own. One that is older than the latest changes nothing.",
	"get-backup-archive": "Returns everything that the server keeps, as one archive that `bellhop restore` reads, " +
		"while the server goes on serving. What was stored before the request is in it. The archive begins at once; " +
		"its rest follows when the database is copied. One backup is made at a time. With keys it holds " +
		"secrets: whoever has it can read all that the server keeps.",
	"show-standby": "Returns whether the server is in standby: it was restored from a backup, accepts events, and " +
		"sends nothing.",
	"resume-server": "Ends a standby: deliveries go out from then on, and subscriptions are renewed. Do that once " +
		"the server of the backup does not run any more. Without a standby it changes nothing.",
	"show-log-level": "Returns what the server writes into its log.",
	"set-log-level":  "Changes what the server writes into its log, until its next start.",
	"list-audit": "Returns one page of the changes that holders of keys have made, newest first: of nouns, repairs, " +
		"replays, and of single deliveries and files. The latest 10,000 are kept. No value of a setting is in them.",
	"show-series": "Counts events, refused requests, deliveries and failed attempts in each span of a period that " +
		"ends now: in minutes up to 3 hours, in ten minutes up to 48 hours, and in hours up to 30 days. The nouns " +
		"with the most are counted one by one, 100 of each kind at most. A crash loses the counts of a minute.",
	"show-stats":     "Counts what is stored. It takes about a second for ten million events.",
	"list-providers": "Returns all providers with the settings of their sources, destinations and subscriptions.",
	"list-destination-types": "Returns what the type of a destination can be, with its settings: http, pull, each " +
		"provider that sends, and each action.",
	"list-connectors": "Returns the systems at whose API there can be connections, with their settings.",
}

// complete describes the operations of the document and the errors that each can answer.
func complete(document *huma.OpenAPI, publicURL string) {
	document.Tags = tags
	document.Servers = []*huma.Server{{URL: strings.TrimSuffix(publicURL, "/"), Description: "This gateway"}}
	if publicURL == "" {
		document.Servers[0].URL = "/"
	}
	for path, item := range document.Paths {
		for _, o := range []*huma.Operation{item.Get, item.Post, item.Patch, item.Delete} {
			if o == nil {
				continue
			}
			if o.Description = operationTexts[o.OperationID]; o.Description == "" {
				panic("bellhop: the operation " + o.OperationID + " has no description")
			}
			describeTag(o)
			for _, p := range o.Parameters {
				if p.Schema.Type == huma.TypeArray {
					p.Style = "form" // the default, which not every tool knows
				}
			}
			o.Description += " Scope: " + wide(scopeOf(o)) + "."
			problem := o.Responses["default"]
			for status, text := range errorsOf(o, path) {
				answer := *problem
				answer.Description = text
				o.Responses[strconv.Itoa(status)] = &answer
			}
			describeKey(o)
		}
	}
}

// hasParameter reports whether an operation has a parameter or a header of that name.
func hasParameter(o *huma.Operation, name string) bool {
	return slices.ContainsFunc(o.Parameters, func(p *huma.Param) bool { return p.Name == name })
}

// describeTag adds to an operation that shows a noun with its tag what If-None-Match does.
func describeTag(o *huma.Operation) {
	shown := o.Responses["200"]
	if o.Method != http.MethodGet || shown == nil || shown.Headers["ETag"] == nil {
		return
	}
	o.Parameters = append(o.Parameters, &huma.Param{Name: "If-None-Match", In: "header",
		Description: "The ETag of an earlier answer: if this one were the same, it is 304 without a body",
		Schema:      &huma.Schema{Type: huma.TypeString}})
	o.Responses["304"] = &huma.Response{Description: "The answer is still the one that If-None-Match names"}
}

// nounParameters are the parameters that name a noun.
var nounParameters = []string{"source", "destination", "connection"}

// namesNouns are the operations whose body names nouns that have to be there.
var namesNouns = map[string]bool{
	"match-events": true, "preview-destination": true, "try-destination": true, "replay-events": true,
	"retry-deliveries": true, "cancel-deliveries": true,
}

// errorsOf returns the errors that an operation can answer, by status, besides those of the server.
func errorsOf(o *huma.Operation, path string) map[int]string {
	errs := map[int]string{
		http.StatusUnauthorized:    "The API key is missing, wrong, expired or revoked",
		http.StatusForbidden:       "The scope of the API key does not include " + string(scopeOf(o)),
		http.StatusTooManyRequests: "Too many wrong API keys from this address; Retry-After says when to try again",
		http.StatusUnprocessableEntity: "A value or a parameter cannot be accepted; errors names it and says what " +
			"to write instead",
	}
	if o.RequestBody != nil {
		errs[http.StatusBadRequest] = "The body is not JSON, or a name occurs twice in an object"
		errs[http.StatusRequestEntityTooLarge] = "The body is larger than 2 MiB"
		if o.MaxBodyBytes > MaxConfigBytes {
			errs[http.StatusRequestEntityTooLarge] = "The body is larger than 16 MiB"
		}
		errs[http.StatusUnsupportedMediaType] = "The body is not of the type application/json"
	}
	if strings.Contains(path, "{id}") {
		errs[http.StatusNotFound] = "There is none with this id or name"
	} else if namesNouns[o.OperationID] || slices.ContainsFunc(nounParameters, func(name string) bool {
		return hasParameter(o, name)
	}) {
		errs[http.StatusNotFound] = "There is no noun of an id or a name in the request"
	}
	if hasParameter(o, "If-Match") {
		errs[http.StatusPreconditionFailed] = "It has changed since the answer whose ETag If-Match names"
	}
	switch o.OperationID {
	case "follow-stream":
		errs[http.StatusServiceUnavailable] = "Too many clients follow the stream; Retry-After says when to try again"
	case "listen-destination":
		errs[http.StatusConflict] = "The destination is of another type"
		errs[http.StatusServiceUnavailable] = "Too many clients listen; Retry-After says when to try again"
	case "answer-delivery":
		errs[http.StatusConflict] = "No attempt of the delivery waits for this answer"
	case "get-backup-archive":
		errs[http.StatusConflict] = "Another backup is under way"
		errs[http.StatusServiceUnavailable] = "The disk of the data folder has no room for a copy of the database"
	case "list-remote-subscriptions":
		errs[http.StatusConflict] = "The provider has no list, or refuses it"
		errs[http.StatusServiceUnavailable] = "The provider cannot be reached; Retry-After says when to try again"
	case "pull-destination":
		errs[http.StatusConflict] = "The destination is of another type"
		errs[http.StatusServiceUnavailable] = "Too many pulls wait; Retry-After says when to try again"
	case "ack-delivery", "nack-delivery", "extend-delivery":
		errs[http.StatusConflict] = "The attempt was acked or nacked already, or is one of another delivery"
		errs[http.StatusGone] = "The lease has ended; detail says why, and what becomes of the delivery"
	}
	if o.OperationID == "verify-request" {
		errs[http.StatusServiceUnavailable] = "The provider could not verify it now, which says " +
			"nothing about the request"
	}
	if o.OperationID == "get-file-content" {
		errs[http.StatusConflict] = "The file is partial, or its bytes are not those that were kept"
		errs[http.StatusRequestedRangeNotSatisfiable] = "The file does not have these bytes"
	}
	if o.Method != http.MethodGet && o.OperationID != "preview-destination" &&
		o.OperationID != "match-events" && o.OperationID != "test-connection" {
		errs[http.StatusConflict] = "A name is taken, or the present state does not allow it"
	}
	return errs
}
