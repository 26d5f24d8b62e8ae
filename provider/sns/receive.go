package sns

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

type receiver struct {
	topics       map[string]topic // by ARN
	version      string           // the only accepted SignatureVersion; "" accepts both
	certificates *certificates
	client       *http.Client
}

// Receive verifies a message and returns it as one event, or confirms a subscription.
//
// It checks the topic before the signature, against the usual order: verifying needs the certificate, and a sender
// that names no accepted topic must not make us fetch one. Topics are not secret.
func (r *receiver) Receive(ctx context.Context, req *provider.Request) (provider.Receipt, error) {
	m, topic, err := r.verify(ctx, req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("sns: %w", err)
	}
	if m["Type"] == typeSubscribe {
		return r.confirm(m, topic)
	}
	return provider.Receipt{Status: http.StatusOK, Events: []bellhop.Event{{
		Type:        "sns." + m["Type"],
		Subject:     provider.Subject(m["TopicArn"]),
		ProviderID:  provider.RepeatKey(m["MessageId"]),
		Time:        provider.Time(m["Timestamp"]),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

func (r *receiver) verify(ctx context.Context, req *provider.Request) (message, topic, error) {
	if req.Method != http.MethodPost {
		return nil, topic{}, provider.ErrMethod
	}
	m, err := parse(req.Content())
	if err != nil {
		return nil, topic{}, err
	}
	proof, err := m.proof()
	if err != nil {
		return nil, topic{}, err
	}
	t, err := m.pin(r.topics)
	switch {
	case err != nil:
		return nil, t, err
	case r.version != "" && m["SignatureVersion"] != r.version:
		return nil, t, fmt.Errorf("%w: the SignatureVersion is not that of settings.signature_version",
			signature.ErrMalformed)
	}
	key, err := r.certificates.key(ctx, m["SigningCertURL"])
	if err != nil {
		return nil, t, err
	}
	return m, t, proof.verify(key)
}

// pin returns the topic of m, which must be in topics, if m names a certificate at the host of SNS in the topic's
// region.
func (m message) pin(topics map[string]topic) (topic, error) {
	t, ours := topics[m["TopicArn"]]
	switch {
	case !ours:
		return t, fmt.Errorf("%w: the topic is not one of settings.topics", provider.ErrForbidden)
	case !t.certifies(m["SigningCertURL"]):
		return t, fmt.Errorf("%w: the SigningCertURL is not at SNS in the region of the topic", signature.ErrMalformed)
	}
	return t, nil
}

// confirm answers a SubscriptionConfirmation and then calls its SubscribeURL.
func (r *receiver) confirm(m message, t topic) (provider.Receipt, error) {
	url := m["SubscribeURL"]
	if !t.confirms(url, m["TopicArn"]) {
		return provider.Receipt{}, fmt.Errorf("sns: %w: the SubscribeURL does not confirm at SNS in the region "+
			"of the topic", provider.ErrBody)
	}
	return provider.Receipt{Reply: &provider.Reply{Status: http.StatusOK, Then: func(ctx context.Context) error {
		_, err := get(ctx, r.client, url)
		return err
	}}}, nil
}

// maxAnswerBytes bounds an answer of SNS; a certificate has 2 KiB.
const maxAnswerBytes = 64 << 10

// get returns the document at url. Its errors do not contain the URL, which may have a token in it.
func get(ctx context.Context, client *http.Client, url string) ([]byte, error) {
	if client == nil {
		return nil, errors.New("no HTTP client is available")
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, errors.New("its URL is invalid")
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, errors.New("SNS does not answer")
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("SNS answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswerBytes+1))
	switch {
	case err != nil:
		return nil, errors.New("the answer of SNS broke off")
	case len(body) > maxAnswerBytes:
		return nil, errors.New("the answer of SNS is longer than 64 KiB")
	}
	return body, nil
}

// The types of a message.
const (
	typeNotification = "Notification"
	typeSubscribe    = "SubscriptionConfirmation"
	typeUnsubscribe  = "UnsubscribeConfirmation"
)

// A message maps the members of a body to their texts. A member that is null is absent.
type message map[string]string

// members lists the members that are read. All are texts.
var members = []string{"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "Token",
	"SubscribeURL", "SignatureVersion", "Signature", "SigningCertURL"}

// parse parses body. A body that SNS does not send is signature.ErrMalformed, because the signature is part of the
// body.
func parse(body []byte) (message, error) {
	wanted := make([]*strictjson.Member, len(members))
	for i, name := range members {
		wanted[i] = &strictjson.Member{Name: name}
	}
	if strictjson.FindAll(body, wanted...) != nil {
		return nil, fmt.Errorf("%w: not a JSON object, or a member is repeated", signature.ErrMalformed)
	}
	m := make(message, len(members))
	for _, member := range wanted {
		if member.Value == nil || member.Is("null") {
			continue
		}
		text, ok := strictjson.Text(member.Value)
		if !ok {
			return nil, fmt.Errorf("%w: %s is not a text", signature.ErrMalformed, member.Name)
		}
		m[member.Name] = text
	}
	return m, nil
}

// signed lists the signed members for each type, in their order.
var signed = map[string][]string{
	typeNotification: {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"},
	typeSubscribe:    {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
	typeUnsubscribe:  {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
}

// text returns the signed text: for each member its name and its value, each on a line, without escapes. Only
// Subject may be absent.
//
// A Message may contain lines that look like members. They cannot be taken for members: Message comes first, and
// no other member may contain a line end, so the text, read from its end, has one meaning.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
func (m message) text() ([]byte, error) {
	names, ok := signed[m["Type"]]
	if !ok {
		return nil, fmt.Errorf("%w: the Type is unknown", signature.ErrMalformed)
	}
	var b []byte
	for _, name := range names {
		value, ok := m[name]
		switch {
		case !ok && name == "Subject":
			continue
		case !ok:
			return nil, fmt.Errorf("%w: no %s", signature.ErrMalformed, name)
		case name != "Message" && strings.ContainsFunc(value, unicode.IsControl):
			return nil, fmt.Errorf("%w: control characters in %s", signature.ErrMalformed, name)
		}
		b = append(append(b, name...), '\n')
		b = append(append(b, value...), '\n')
	}
	return b, nil
}

// A topic is the region of an accepted topic and the domain of SNS there.
type topic struct {
	region string
	domain string // "amazonaws.com", or "amazonaws.com.cn" in China
}

var arnForm = regexp.MustCompile(
	`^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-[0-9]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?$`)

func parseTopic(arn string) (t topic, ok bool) {
	m := arnForm.FindStringSubmatch(arn)
	if m == nil {
		return topic{}, false
	}
	t = topic{region: m[2], domain: "amazonaws.com"}
	if m[1] == "aws-cn" {
		t.domain += ".cn"
	}
	return t, true
}

// host returns the host of SNS for the topic. It is compared as a whole, because not every host of the form
// sns.WORD.amazonaws.com is SNS: sns.s3.amazonaws.com serves a bucket that is called "sns".
func (t topic) host() string { return "sns." + t.region + "." + t.domain }

// topicAt is the inverse of host, for a URL that a topic owns.
func topicAt(text string) topic {
	u, err := url.Parse(text)
	if err != nil {
		return topic{}
	}
	region, domain, _ := strings.Cut(strings.TrimPrefix(u.Host, "sns."), ".")
	return topic{region: region, domain: domain}
}

// owns returns text as a URL if it is an https URL at the host of SNS, without a port, a user or a fragment.
func (t topic) owns(text string) (u *url.URL, ok bool) {
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" || u.Host != t.host() || u.User != nil || u.Opaque != "" ||
		strings.Contains(text, "#") {
		return nil, false
	}
	return u, true
}

// certifies reports whether text can be the URL of a certificate of SNS.
func (t topic) certifies(text string) bool {
	u, ok := t.owns(text)
	return ok && u.RawQuery == "" && !u.ForceQuery && strings.HasSuffix(u.Path, ".pem") && u.EscapedPath() == u.Path
}

// confirms reports whether text can be the URL that confirms a subscription to the topic of that ARN.
func (t topic) confirms(text, arn string) bool {
	u, ok := t.owns(text)
	if !ok || u.Path != "/" {
		return false
	}
	q := u.Query()
	return len(q["Action"]) == 1 && q.Get("Action") == "ConfirmSubscription" && len(q["TopicArn"]) == 1 &&
		q.Get("TopicArn") == arn
}

// names returns the host names that SNS's certificates for the region bear: "sns.amazonaws.com" in older regions,
// and names with the region in newer ones, in China and in the government regions, where one certificate serves
// both.
// Source: https://github.com/aws/aws-sdk-java-v2, services-custom/sns-message-manager, SnsHostProvider
func (t topic) names() []string {
	names := []string{"sns." + t.domain, "sns-signing." + t.region + "." + t.domain, "sns-" + t.region + "." +
		t.domain}
	if strings.HasPrefix(t.region, "us-gov-") {
		names = append(names, "sns-us-gov-west-1."+t.domain)
	}
	return names
}
