package main

// This file is what 'bellhop demo' tells. Each step is a command that a user can run.

// demoSpeed divides the pauses of the stand-ins: what they repeat after minutes is repeated after a second.
const demoSpeed = 300

// demoSystems are the stand-ins of the demonstration.
var demoSystems = []string{"microsoft", "boro", "slack"}

var stories = []story{
	{"A media job is submitted, ends, and its video is published", []step{
		{text: "a source for notifications of Media Services, with the key that signs them",
			command: `bellhop sources create media --provider ams --set signing_key=$SIGNING_KEY ` +
				`--set account_id=0f8fad5b-d9cb-469f-a165-70867728950e`},
		{text: "a connection to the account",
			command: `bellhop connections create account --provider ams --set tenant=contoso.example ` +
				`--set client_id=bellhop --set client_secret=secret --set authority=$STANDINS --set api_url=$STANDINS/api`},
		{text: "a subscription: a notification endpoint, with the key encrypted for the account",
			command: `bellhop subscriptions create encoder --source media --connection account --resource Bellhop`,
			want:    `state +active`},
		{text: "an action publishes what a finished job has made",
			command: `bellhop destinations create publish --type ams.publish --source media --set connection=account`},
		{text: "the link is delivered, signed",
			command: `bellhop destinations create cinema --url $RECEIVER --types ams.asset.published --set secret=$SECRET`},
		{text: "and shown in Slack",
			command: `bellhop destinations create cinema-channel --type slack --url $CHANNEL --types ams.asset.published`},
		{text: "somebody submits a job, and waits until it has ended",
			command: `bellhop ams submit --connection account --asset 'harbour tour' --progress --wait`,
			want:    `nb:jid:\S+`},
		{text: "the signed notifications of its states",
			command: `bellhop events --source media --type ams.JobStateChange`, want: `evt_\w+`},
		{text: "the asset is published",
			command: `bellhop events --type ams.asset.published`, want: `(evt_\w+)`, keep: "EVENT"},
		{text: "where it can be watched",
			command: `bellhop events body $EVENT`, want: `https://[^"]+m3u8-aapl\)`},
		{text: "what led to it, and what came of it",
			command: `bellhop events show $EVENT --chain`, want: `cinema delivered`},
		{text: "the message in Slack, with the link",
			command: `curl $STANDINS/messages`, want: `ams.asset.published`},
	}},
	{"A call recording is downloaded, over a connection that breaks", []step{
		{text: "a source for Event Grid's events about calls, with the code of its URL",
			command: `bellhop sources create calls --provider acs --key $CODE`},
		{text: "a connection: the access key of Communication Services, which signs each call",
			command: `bellhop connections create phone --provider acs --set endpoint=$STANDINS --set access_key=c2VjcmV0`},
		{text: "an action downloads recordings, and deletes them there afterwards",
			command: `bellhop destinations create keep --type acs.download --source calls --set connection=phone ` +
				`--set delete=after_download`},
		{text: "what was downloaded is delivered, signed",
			command: `bellhop destinations create archive --url $RECEIVER --types acs.recording.downloaded ` +
				`--set secret=$SECRET`},
		{text: "and shown in Slack",
			command: `bellhop destinations create archive-channel --type slack --url $CHANNEL ` +
				`--types acs.recording.downloaded`},
		{text: "the connection will break three times, after 300 kB each time",
			command: `bellhop emulate fault cut=3:300000 --system acs`},
		{text: "a call ends, and its recording of two parts is announced",
			command: `bellhop emulate event --system acs --to $SERVER/in/calls?code=$CODE ` +
				`--data '{"bytes":2000000,"chunks":2}'`,
			want: `notifications: 1`},
		{text: "the recording is here",
			command: `bellhop events --type acs.recording.downloaded`, want: `(evt_\w+)`, keep: "EVENT"},
		{text: "its files, with their checksums",
			command: `bellhop files list`, want: `fil_\w+.*whole`},
		{text: "after a break, only the rest was asked for",
			command: `bellhop emulate calls`, want: `"Range":"bytes=300000-"`},
		{text: "the delivery, whose signature the receiver has checked",
			command: `bellhop deliveries --destination archive --event $EVENT --state delivered`, want: `dlv_`},
		{text: "the message in Slack",
			command: `curl $STANDINS/messages`, want: `acs.recording.downloaded`},
	}},
	{"A calendar: signed in to, subscribed, and the changed event fetched", []step{
		{text: "a source for notifications of Outlook; the subscription gives it its secret",
			command: `bellhop sources create calendar --provider outlook --set subscriptions_only=true`},
		{text: "a connection: who we are at Outlook",
			command: `bellhop connections create mail --provider outlook --set tenant=contoso.example --set client_id=bellhop ` +
				`--set client_secret=secret --set authority=$STANDINS --set api_url=$STANDINS --set grant=user`},
		{text: "a user signs in; the stand-in agrees by itself",
			command: `bellhop connections login mail --device`, want: `signed in to mail`},
		{text: "a subscription, which Outlook validates by a handshake and Bellhop keeps alive",
			command: `bellhop subscriptions create events --source calendar --connection mail --resource /me/events ` +
				`--change-type created,updated`,
			want: `state +active`},
		{text: "an action fetches what a notification names",
			command: `bellhop destinations create fetch --type outlook.fetch --source calendar --set connection=mail ` +
				`--set select=Subject,Start`},
		{text: "what was fetched is delivered, signed",
			command: `bellhop destinations create planner --url $RECEIVER --types 'outlook.fetched' --set secret=$SECRET`},
		{text: "and shown in Slack",
			command: `bellhop destinations create planner-channel --type slack --url $CHANNEL --types 'outlook.fetched'`},
		{text: "somebody plans a walk in the calendar: the stand-in notifies",
			command: `bellhop emulate event --system outlook --resource /me/events --change-type created ` +
				`--data '{"Subject":"Harbour walk"}'`,
			want: `notifications: 1`},
		{text: "the delivery, whose signature the receiver has checked",
			command: `bellhop deliveries --destination planner --state delivered`, want: `(evt_\w+)`, keep: "EVENT"},
		{text: "the event as it was fetched",
			command: `bellhop events show $EVENT`, want: `Harbour walk`},
		{text: "the message in Slack",
			command: `curl $STANDINS/messages`, want: `Harbour walk`},
	}},
	{"A document library: subscribed, changed, and the changes read", []step{
		{text: "a source for notifications of SharePoint",
			command: `bellhop sources create library --provider sharepoint --set subscriptions_only=true`},
		{text: "a connection of a user, because SharePoint takes no application's secret",
			command: `bellhop connections create site --provider sharepoint --set tenant=contoso.example ` +
				`--set client_id=bellhop --set client_secret=secret --set authority=$STANDINS --set api_url=$STANDINS --set grant=user`},
		{text: "the user signs in",
			command: `bellhop connections login site --device`, want: `signed in to site`},
		{text: "a subscription of the list Documents",
			command: `bellhop subscriptions create documents --source library --connection site --resource Documents`,
			want:    `state +active`},
		{text: "an action reads the list's change log, because a notification names the list alone",
			command: `bellhop destinations create changes --type sharepoint.changes --source library --set connection=site ` +
				`--set fields=true`},
		{text: "each change is delivered, signed",
			command: `bellhop destinations create desk --url $RECEIVER --types 'sharepoint.item.*' --set secret=$SECRET`},
		{text: "and shown in Slack",
			command: `bellhop destinations create desk-channel --type slack --url $CHANNEL --types 'sharepoint.item.*'`},
		{text: "SharePoint will find us too slow once: it gives up the first attempt at once",
			command: `bellhop emulate fault impatient=1:1us --system sharepoint`},
		{text: "somebody adds a document",
			command: `bellhop emulate event --system sharepoint --resource Documents --change-type created ` +
				`--data '{"Title":"Lens"}'`,
			want: `notifications: 1`},
		{text: "SharePoint has called again",
			command: `bellhop emulate calls`, want: `"attempt":2`},
		{text: "the change, found by GetChanges",
			command: `bellhop events --type 'sharepoint.item.added'`, want: `(evt_\w+)`, keep: "EVENT"},
		{text: "the delivery, whose signature the receiver has checked",
			command: `bellhop deliveries --destination desk --event $EVENT --state delivered`, want: `dlv_`},
		{text: "the message in Slack",
			command: `curl $STANDINS/messages`, want: `sharepoint.item.added`},
	}},
	{"A stream alarm: the test message, then Active and Cleared", []step{
		{text: "a source for the notifications of a Boro profile, with the profile's secret key",
			command: `bellhop sources create alarms --provider boro --key $BORO_KEY --set profile_id=265`},
		{text: "alarms are delivered, signed",
			command: `bellhop destinations create operators --url $RECEIVER --types 'boro.*' --set secret=$SECRET`},
		{text: "and shown in Slack, in colour",
			command: `bellhop destinations create alarm-channel --type slack --url $CHANNEL --types 'boro.*' ` +
				`--set colour=attachment`},
		{text: "somebody presses \"Send test message\" in the profile",
			command: `bellhop emulate event --system boro --resource profiles/265 --change-type test`,
			want:    `notifications: 1`},
		{text: "it arrived, and its signature is right",
			command: `bellhop events --source alarms --type boro.Event`, want: `evt_`},
		{text: "a stream loses its signal",
			command: `bellhop emulate event --system boro --resource 'tasks/News DASH' --change-type Active ` +
				`--data '{"trigger":"HTTP error","level":"critical"}'`,
			want: `notifications: 1`},
		{text: "and is well again",
			command: `bellhop emulate event --system boro --resource 'tasks/News DASH' --change-type Cleared ` +
				`--data '{"trigger":"HTTP error"}'`,
			want: `notifications: 1`},
		{text: "the end of the alarm names its begin by the reference number",
			command: `bellhop events --source alarms --type boro.Cleared`, want: `(evt_\w+)`, keep: "EVENT"},
		{text: "the delivery, whose signature the receiver has checked",
			command: `bellhop deliveries --destination operators --event $EVENT --state delivered`, want: `dlv_`},
		{text: "the messages in Slack",
			command: `curl $STANDINS/messages`, want: `Cleared[^"]*`},
	}},
}
