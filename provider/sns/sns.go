// Package sns receives the messages of Amazon SNS to HTTP and HTTPS endpoints.
//
// SNS posts one JSON object per message: a Notification, or a message that confirms a subscription or its end. One
// member is an RSA signature over some of the others, and another is the URL of the signing certificate. The
// sender chooses that URL, so it is pinned: it must be at the host of SNS in the region of the topic. Every AWS
// account can have SNS sign messages for its own topics, so a source lists the topics that it accepts.
//
// A subscription is confirmed by a call to SNS, once the message that asks for it is verified and its topic is
// accepted. The package does not send: only SNS has the key.
//
// Without the server, call [Verify] with the key that [KeyFor] fetches. To confirm subscriptions and cache
// certificates, use [Provider.Open] with an Env that has Now and Client. [Sign] is for tests.
//
// Sources:
//   - https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html
//   - https://docs.aws.amazon.com/sns/latest/dg/http-notification-json.html
//   - https://docs.aws.amazon.com/sns/latest/dg/http-subscription-confirmation-json.html
//   - https://docs.aws.amazon.com/sns/latest/dg/http-unsubscribe-confirmation-json.html
package sns

import (
	"encoding/json"
	"fmt"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Provider receives SNS messages.
type Provider struct{}

var _ provider.Provider = Provider{}

// Info implements [provider.Provider].
func (Provider) Info() provider.Info {
	return provider.Info{
		Name:    "sns",
		Title:   "Amazon SNS",
		Summary: "Notifications of Amazon SNS topics, signed with RSA; subscriptions are confirmed automatically.",
		Links: []string{
			"https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html",
			"https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
		},
		Key: "topics",
		Settings: []provider.Setting{
			{Name: "topics", Title: "Topics", Required: true, Kind: provider.KindList,
				Example: `["arn:aws:sns:eu-central-1:111122223333:orders"]`,
				Doc: "The whole ARNs of the accepted topics, up to 100. There is no default, because every AWS " +
					"account can have SNS sign messages for its own topics."},
			{Name: "signature_version", Title: "Signature version", Example: "2", Choices: versions,
				Doc: "1 accepts only messages signed with SHA-1, 2 only messages signed with SHA-256, which a " +
					"topic sends if its attribute SignatureVersion is 2. Default: both."},
		},
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Recipe: provider.Recipe{Source: `--set 'topics=["arn:aws:sns:eu-central-1:111122223333:orders"]'`},
		Setup: []string{
			"Create the source with the command below, with the ARNs of one or several topics.",
			"Let the topic sign with SHA-256: `aws sns set-topic-attributes --topic-arn ARN --attribute-name " +
				"SignatureVersion --attribute-value 2`. You may then set `signature_version` to `2`.",
			"Subscribe: `aws sns subscribe --topic-arn ARN --protocol https --notification-endpoint " +
				"https://YOUR-HOST/in/SOURCE`. Leave raw message delivery off, because raw messages are not signed.",
			"SNS asks for a confirmation at once, and Bellhop confirms. `bellhop requests --source SOURCE --outcome " +
				"handshake` shows the result; `aws sns list-subscriptions-by-topic --topic-arn ARN` then shows an " +
				"ARN in place of PendingConfirmation.",
		},
		Notes: []string{
			"A request cannot be made by hand or by `bellhop send`, because only SNS has the key. To try a source, " +
				"publish: `aws sns publish --topic-arn ARN --message hello`.",
			"The event is the whole JSON object of SNS; its member `Message` is the published text. The type is " +
				"`sns.Notification` or, at the end of a subscription, `sns.UnsubscribeConfirmation`. The subject " +
				"is the ARN of the topic.",
			"Repeats are recognized by `MessageId`. Old messages are accepted, because SNS repeats for as long " +
				"as the delivery policy of the subscription says.",
			"The signature covers Message, MessageId, Subject, SubscribeURL, Timestamp, Token, TopicArn and Type. " +
				"It does not cover UnsubscribeURL and the headers of the request, so they are not used.",
			"Certificates are fetched only from `sns.REGION.amazonaws.com` (`.com.cn` in China), where REGION is " +
				"the region of the topic; this server must be able to reach that host by HTTPS. They are cached " +
				"until they expire; at most 10 are fetched per minute. While a certificate cannot be fetched, " +
				"messages are answered 503, and SNS repeats them. SNS publishes the certificate without its " +
				"issuers, so the TLS connection to that host is its proof.",
			"Topics of AWS's secret regions and of its European Sovereign Cloud have other " +
				"hosts and are not accepted.",
		},
	}
}

type settings struct {
	Topics           []string `json:"topics"`
	SignatureVersion string   `json:"signature_version"`
}

const maxTopics = 100

// Open implements [provider.Provider].
func (Provider) Open(env provider.Env, raw json.RawMessage) (provider.Receiver, error) {
	var s settings
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return nil, err
	}
	topics, err := readTopics(s.Topics)
	if err := bellhop.Join("", err, checkVersion(s.SignatureVersion)); err != nil {
		return nil, err
	}
	return &receiver{topics: topics, version: s.SignatureVersion, certificates: newCertificates(env),
		client: provider.NoRedirects(env.Client)}, nil
}

func readTopics(arns []string) (map[string]topic, error) {
	if len(arns) == 0 || len(arns) > maxTopics {
		return nil, bellhop.Invalid("topics", "required: the ARNs of 1 to 100 topics")
	}
	topics := map[string]topic{}
	var errs []error
	for i, arn := range arns {
		t, ok := parseTopic(arn)
		if !ok {
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("topics[%d]", i),
				"use the whole ARN of a topic, such as arn:aws:sns:eu-central-1:111122223333:orders"))
		}
		topics[arn] = t
	}
	return topics, bellhop.Join("", errs...)
}

// versions are the values of the setting signature_version.
var versions = []string{"1", "2"}

func checkVersion(version string) error {
	_, err := provider.OneOf("signature_version", version, "", versions...)
	return err
}
