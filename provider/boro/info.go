package boro

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "boro",
		Title:   "Elecard Boro",
		Summary: "Alarms and events of Elecard Boro's stream monitoring, signed with APIAuth-HMAC-SHA256 where the profile says so.",
		Links: []string{
			"https://boro.elecard.com/docs/en/UserGuide/Introduction/description.html",
			"https://boro.elecard.com/docs/en/boro-solution-userguide/chapter.ControlAPI/Signing.Requests.html",
			"https://github.com/mgomes/api_auth",
		},
		Key:          "secret_key",
		Settings:     append(credentialSettings(false), sourceSettings...),
		SendSettings: append(credentialSettings(true), sendingSettings...),
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		ByHand: byHand,
		Recipe: provider.Recipe{
			Source:      "--key @FILE --set profile_id=265",
			Destination: "--set secret_key=@FILE --set profile_id=265",
			Send:        "--key @FILE --set profile_id=265",
		},
		Setup: []string{
			"In Boro, open the project's settings, go to *Notifications*, *Webhook*, and click *Create profile*.",
			"Switch *Enable Webhook notifications* on and put `https://YOUR-HOST/in/SOURCE` into *URL*.",
			"Switch *Sign requests* on, make a *Secret Key* (for instance with `openssl rand -hex 32`) and enter it. Set the same text as this source's `secret_key`.",
			"Save the profile. Its id is the number behind `notif_id=` in the address of the profile's page; set it as `profile_id`.",
			"Click *Send test message*. It is to appear among the source's events; if it was refused, *requests* says why.",
			"Choose the profile, the triggers and their levels for your tasks, as for any other kind of notification.",
		},
		SendSetup: []string{
			"Take the URL of a system that reads Boro's notifications.",
			"If it checks signatures, agree on a profile id and a secret key in hex, such as `openssl rand -hex 32` prints.",
		},
		Notes: []string{
			"**Types.** `boro.Active` when an alarm begins, `boro.Cleared` when it ends, `boro.Event` for a trigger that has no end. A status that is none of these is kept under its own name; what has no status, as a test message may, is `boro.Message`.",
			"**Pairs.** The Active and the Cleared of one alarm have the same subject: their `referenceNumber`. The subject of any other notification is its `task_uri`. The order in which they come is not promised, so that a Cleared may be there before its Active.",
			"**Time.** Of a Cleared it is `time_end`; of any other notification it is `time`.",
			"**Repeats** are known by `profile_name`, `sequenceId` and `time` together. Boro does not say that it repeats a notification that was not taken, nor what it takes for taken: a gap in `sequenceId` is one that was lost. A message without a number, such as a test message, is known by its signature.",
			"**Triggers** are named in the language of the server's interface. Do not rely on their text across servers.",
			"**What is signed.** Method, Content-Type with its parameters, hash of the body, path and query as Boro sent them, and Date. A proxy may change the host, but neither path nor query: where yours does, set `path_prefix` or `path`. Where the request line carries a whole URL, its scheme and host are left out. A Content-Type set among the profile's custom headers must not have a comma.",
			"**Where sources disagree.** Boro says that the key is in hex; api-auth takes the characters of a key as they are. Boro leaves open how the signature and the hash are written; api-auth writes both in Base64. If nothing of a server's is taken, try `key_encoding`, `signature_encoding` and `hash_encoding` with `auto`, then set what holds. A server need not send the hash of the body as a header: it is always computed here.",
			"**Sending.** One notification is one request. Events of other systems are sent as an Event of level `info` with the event's type as trigger and its body among the details.",
		},
	}
}

// credentialSettings are those of a source and of a destination.
func credentialSettings(toSend bool) []provider.Setting {
	many, auto := " A list of up to 4 while it is being replaced.", " Or auto, which tries both."
	if toSend {
		many, auto = "", ""
	}
	return []provider.Setting{
		{Name: "profile_id", Title: "Profile id", Example: "265",
			Doc: "The id of the notification profile in Boro. Required, unless nothing is signed."},
		{Name: "secret_key", Title: "Secret key", Secret: true, Example: "b4c5d2f0a1e89376245b8c7d6e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b",
			Doc: "The profile's secret key, in hex. Required, unless nothing is signed." + many},
		{Name: "key_encoding", Title: "Encoding of the key", Example: "raw",
			Doc: "How the secret key stands for the key's bytes: hex, or raw for the characters as they are." + auto + " Default: hex."},
	}
}

var sourceSettings = []provider.Setting{
	{Name: "signature_encoding", Title: "Encoding of the signature", Example: "auto",
		Doc: "How the signature is written: base64, hex, or auto for either. Default: base64."},
	{Name: "hash_encoding", Title: "Encoding of the body's hash", Example: "auto",
		Doc: "How the hash of the body is written where it is signed: base64, hex, or auto for either. Default: base64."},
	{Name: "tolerance", Title: "Tolerance", Example: "15m", Kind: provider.KindDuration,
		Doc: "How far the Date of a request may be from now, either way: 1s to 1h. Default: 15m."},
	{Name: "any_date", Title: "Any date", Example: "true", Kind: provider.KindFlag,
		Doc: "Takes a request whatever its Date, for a server whose clock is wrong. A caught request can be sent again then; only repeats of what is still kept are known. Default: false."},
	{Name: "path_prefix", Title: "Path prefix", Example: "/hooks",
		Doc: "What a proxy in front took away from the beginning of the path: Boro posts to /hooks/in/SOURCE, and /in/SOURCE arrives. Default: nothing."},
	{Name: "path", Title: "Path", Example: "/alarms/boro",
		Doc: "The path that Boro posts to, where a proxy in front changes it in another way. The query stays as it is. Default: the path that arrives."},
	{Name: "unauthenticated", Title: "Unauthenticated", Example: "true", Kind: provider.KindFlag,
		Doc: "Takes notifications from anybody, for a profile that does not sign. Leave profile_id and secret_key out then. Default: false."},
}

var sendingSettings = []provider.Setting{
	{Name: "headers", Title: "Custom headers", Example: `{"User-Agent":"Boro","X-Site":"north"}`, Kind: provider.KindObject,
		Doc: "Headers to send as well. They may replace Content-Type and User-Agent, but not those that frame, sign or date the request. Default: none."},
	{Name: "levels", Title: "Levels", Example: `["critical","major"]`, Kind: provider.KindList,
		Doc: "The only levels of Boro notifications to send, without regard to case; others are cancelled. Events of other systems have no level and are sent. Default: all."},
	{Name: "triggers", Title: "Triggers", Example: `["CC error"]`, Kind: provider.KindList,
		Doc: "The only triggers of Boro notifications to send, as the server names them, without regard to case; others are cancelled. Events of other systems have no trigger and are sent. Default: all."},
}

const byHand = `HOST=https://YOUR-HOST
URI=/in/SOURCE
PROFILE=265
KEY=$(cat FILE)
BODY='{"status":"Event","trigger":"By hand","profile_name":"by hand","sequenceId":1,"time":"2026-11-22T10:00:00Z"}'
DATE=$(LC_ALL=C date -u '+%a, %d %b %Y %H:%M:%S GMT')
HASH=$(printf %s "$BODY" | openssl dgst -sha256 -binary | openssl base64 -A)
SIG=$(printf %s "POST,application/json,$HASH,$URI,$DATE" | openssl dgst -sha256 -mac HMAC -macopt hexkey:$KEY -binary | openssl base64 -A)
curl -i "$HOST$URI" -H "Authorization: APIAuth-HMAC-SHA256 $PROFILE:$SIG" -H "Date: $DATE" -H 'Content-Type: application/json' --data-binary "$BODY"`
