// Package sns understands the messages of Amazon SNS to HTTP and HTTPS endpoints.
//
// SNS posts one JSON object per message: a Notification, or the confirmation of a subscription or of its end. A member of
// it is the RSA signature of some of the others, under a certificate that SNS publishes at the URL in another member.
// That URL is the sender's word, so it is pinned: it must be at the host of SNS in the region of the topic. Anyone with
// an AWS account has SNS sign what he likes, for topics of his own; so the topics that are taken have to be named.
//
// A subscription is confirmed by calling back, once the message that asks for it is known to be authentic and its topic
// to be one of ours. There is nothing to send: only SNS has the key.
//
// Without the server: [Verify], with the key that [KeyFor] fetches. Confirming a subscription, and keeping certificates,
// is what [Provider.Open] is for, in an Env with Now and Client. [Sign] is for tests.
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
		Summary: "Notifications of Amazon SNS topics, signed with RSA; subscriptions are confirmed by themselves.",
		Links: []string{
			"https://docs.aws.amazon.com/sns/latest/dg/sns-http-https-endpoint-as-subscriber.html",
			"https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message.html",
		},
		Key: "topics",
		Settings: []provider.Setting{
			{Name: "topics", Title: "Topics", Required: true, Kind: provider.KindList, Example: `["arn:aws:sns:eu-central-1:111122223333:orders"]`,
				Doc: "The ARNs of the topics that are taken, up to 100, each whole. There is no default, because any AWS account can have SNS sign messages for its own topics."},
			{Name: "signature_version", Title: "Signature version", Example: "2",
				Doc: "1 takes only messages signed with SHA-1, 2 only those with SHA-256, which a topic sends if its attribute SignatureVersion is 2. Default: either."},
		},
	}
}

// Guide implements [provider.Guider].
func (Provider) Guide() provider.Guide {
	return provider.Guide{
		Recipe: provider.Recipe{Source: `--set 'topics=["arn:aws:sns:eu-central-1:111122223333:orders"]'`},
		Setup: []string{
			"Make the source by the command below, with the ARN of the topic, or those of several.",
			"Have the topic sign with SHA-256: `aws sns set-topic-attributes --topic-arn ARN --attribute-name SignatureVersion --attribute-value 2`. You may then set `signature_version` to `2`.",
			"Subscribe: `aws sns subscribe --topic-arn ARN --protocol https --notification-endpoint https://YOUR-HOST/in/SOURCE`. Leave raw message delivery off, since raw messages are not signed.",
			"SNS asks for a confirmation at once, and gets it. `bellhop requests --source SOURCE --outcome handshake` shows whether that went well; `aws sns list-subscriptions-by-topic --topic-arn ARN` shows an ARN instead of PendingConfirmation.",
		},
		Notes: []string{
			"No request can be made by hand or by `bellhop send`, for only SNS has the key. To try a source, publish: `aws sns publish --topic-arn ARN --message hello`.",
			"The event is SNS's whole JSON object; what was published is the text in its member `Message`. Its type is `sns.Notification` or, when somebody ends the subscription, `sns.UnsubscribeConfirmation`; its subject is the topic's ARN.",
			"Repeats are known by `MessageId`. There is no window for old messages, since SNS repeats for as long as the subscription's delivery policy says.",
			"Signed are Message, MessageId, Subject, SubscribeURL, Timestamp, Token, TopicArn and Type. UnsubscribeURL and the headers of the request are not, and nothing depends on them.",
			"Certificates are fetched from `sns.REGION.amazonaws.com` (`.com.cn` in China), where REGION is that of the topic, and nowhere else; this server must be able to reach it by HTTPS. They are kept until they expire; at most 10 are fetched in a minute. While one cannot be had, messages are answered 503, and SNS repeats them. SNS publishes the certificate without its issuers, so what vouches for it is the TLS connection to that host.",
			"Topics of AWS's secret regions and of its European Sovereign Cloud have other hosts and are not taken.",
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
	return &receiver{topics: topics, version: s.SignatureVersion, certificates: newCertificates(env), client: provider.NoRedirects(env.Client)}, nil
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
			errs = append(errs, bellhop.Invalid(fmt.Sprintf("topics[%d]", i), "use the whole ARN of a topic, such as arn:aws:sns:eu-central-1:111122223333:orders"))
		}
		topics[arn] = t
	}
	return topics, bellhop.Join("", errs...)
}

func checkVersion(version string) error {
	switch version {
	case "", "1", "2":
		return nil
	}
	return bellhop.Invalid("signature_version", "use 1 or 2, or leave it out")
}
