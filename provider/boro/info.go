package boro

import "github.com/bellhop-gateway/bellhop/provider"

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:  "boro",
		Title: "Elecard Boro",
		Summary: "Alarms and events of Elecard Boro's stream monitoring, signed with APIAuth-HMAC-SHA256 where the " +
			"profile says so.",
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
			"Switch *Sign requests* on, make a *Secret Key* (for example with `openssl rand -hex 32`) and enter " +
				"it. Set the same text as `secret_key` of the source.",
			"Save the profile. Its id is the number after `notif_id=` in the address of the profile's page; set " +
				"it as `profile_id`.",
			"Click *Send test message*. It appears among the events of the source; if it was " +
				"refused, *requests* says why.",
			"Choose the profile, the triggers and their levels for your tasks, as for other kinds of notifications.",
		},
		SendSetup: []string{
			"Use the URL of a system that receives Boro's notifications.",
			"If that system checks signatures, agree on a profile id and a secret key in hex, such as the output " +
				"of `openssl rand -hex 32`.",
		},
		Notes: []string{
			"**Types.** `boro.Active` when an alarm begins, `boro.Cleared` when it ends, `boro.Event` for a " +
				"trigger that has no end. Another status keeps its own name. A message without a status, such as a " +
				"test message, is `boro.Message`.",
			"**Pairs.** The Active and the Cleared of one alarm have the same subject: their `referenceNumber`. " +
				"The subject of any other notification is its `task_uri`. Their order is not guaranteed: a Cleared " +
				"may arrive before its Active.",
			"**Time** is `time_end` for a Cleared, and `time` for any other notification.",
			"**Repeats** are recognized by `profile_name`, `sequenceId` and `time` together. Boro's documentation " +
				"mentions neither retries nor which answers count as success: a gap in `sequenceId` is a lost " +
				"notification. A message without a number, such as a test message, is recognized by its signature.",
			"**Triggers** have names in the language of the server's interface. Do not rely on " +
				"their text across servers.",
			"**The signature** covers the method, the Content-Type with its parameters, the hash of the body, the " +
				"path and query as Boro sent them, and Date. A reverse proxy may change the host; if it changes " +
				"the path, set `path_prefix` or `path`. If the request line has a whole URL, its scheme and host " +
				"are left out. A Content-Type among the custom headers of the profile must not contain a comma.",
			"**Encodings.** Boro says that the key is in hex; api-auth uses the characters of a key unchanged. " +
				"Boro does not say how the signature and the hash are encoded; api-auth encodes both in Base64. If " +
				"every request of a server is refused, set `key_encoding`, `signature_encoding` and " +
				"`hash_encoding` to `auto`, then to the values that work. A server need not send the hash of the " +
				"body in a header; Bellhop always computes it.",
			"**Sending.** A request has one notification. An event of another system is sent as an Event of level " +
				"`info`, with the type of the event as trigger and its body in the details.",
		},
	}
}

// credentialSettings returns the settings that sources and destinations share.
func credentialSettings(toSend bool) []provider.Setting {
	many, auto := " A list of up to 4 while it is being replaced.", " Or auto, which tries both."
	encodings := keyEncodings
	if toSend {
		many, auto, encodings = "", "", sendKeyEncodings
	}
	return []provider.Setting{
		{Name: "profile_id", Title: "Profile id", Example: "265",
			Doc: "The id of the notification profile in Boro. Required, unless requests are not signed."},
		{Name: "secret_key", Title: "Secret key", Secret: true, Make: provider.MakeHex, Signs: toSend,
			Example: "b4c5d2f0a1e89376245b8c7d6e9f0a1b2c3d4e5f60718293a4b5c6d7e8f90a1b",
			Many:    true,
			Doc: "The secret key of the profile, in hex: in either case, also after 0x, or with blanks or colons " +
				"between the digits. Required, unless requests are not signed." + many},
		{Name: "key_encoding", Title: "Encoding of the key", Example: "raw", Choices: encodings,
			Doc: "The encoding of the secret key: hex, or raw if its characters are the key." + auto +
				" Default: hex."},
	}
}

var sourceSettings = []provider.Setting{
	{Name: "signature_encoding", Title: "Encoding of the signature", Example: "auto", Choices: textEncodings,
		Doc: "The encoding of the signature: base64, hex, or auto for either. Default: base64."},
	{Name: "hash_encoding", Title: "Encoding of the body's hash", Example: "auto", Choices: textEncodings,
		Doc: "The encoding of the signed hash of the body: base64, hex, or auto for either. Default: base64."},
	{Name: "tolerance", Title: "Tolerance", Example: "15m", Kind: provider.KindDuration,
		Doc: "The largest accepted difference between the Date of a request and now: 1s to 1h. Default: 15m. A " +
			"request exactly as old is accepted."},
	{Name: "any_date", Title: "Any date", Example: "true", Kind: provider.KindFlag,
		Doc: "Accepts a request whatever its Date, for a server whose clock is wrong. A captured request can then " +
			"be sent again; it is recognized only while the event is stored. Default: false."},
	{Name: "path_prefix", Title: "Path prefix", Example: "/hooks",
		Doc: "The prefix that a reverse proxy removes from the path: Boro posts to /hooks/in/SOURCE, and Bellhop " +
			"gets /in/SOURCE. Default: none."},
	{Name: "path", Title: "Path", Example: "/alarms/boro",
		Doc: "The path that Boro posts to, if a reverse proxy changes it in another way. The query stays as it is. " +
			"Default: the path of the request."},
	{Name: "unauthenticated", Title: "Unauthenticated", Example: "true", Kind: provider.KindFlag,
		Doc: "Accepts notifications from anybody, for a profile that does not sign. Then leave profile_id and " +
			"secret_key out. Default: false."},
}

var sendingSettings = []provider.Setting{
	{Name: "headers", Title: "Custom headers", Example: `{"User-Agent":"Boro","X-Site":"north"}`,
		Kind: provider.KindObject,
		Doc: "Further headers. They may replace Content-Type and User-Agent, but not the headers that frame, " +
			"sign or date the request. Default: none."},
	{Name: "levels", Title: "Levels", Example: `["critical","major"]`, Kind: provider.KindList,
		Doc: "The levels of Boro notifications to send, in any letter case; deliveries of others are cancelled. " +
			"Events of other systems have no level and are sent. Default: all."},
	{Name: "triggers", Title: "Triggers", Example: `["CC error"]`, Kind: provider.KindList,
		Doc: "The triggers of Boro notifications to send, as the server names them, in any letter case; " +
			"deliveries of others are cancelled. Events of other systems have no trigger and are sent. Default: all."},
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
