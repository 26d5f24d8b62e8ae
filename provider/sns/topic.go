package sns

import (
	"net/url"
	"regexp"
	"strings"
)

// A topic is one that is taken, and where SNS is at home in its region.
type topic struct {
	region string
	domain string // "amazonaws.com", or that of China
}

var arnForm = regexp.MustCompile(`^arn:(aws|aws-cn|aws-us-gov):sns:([a-z]{2}(?:-[a-z]+)+-[0-9]+):[0-9]{12}:[A-Za-z0-9_-]{1,256}(?:\.fifo)?$`)

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

// host is that of SNS for the topic. It is compared as a whole, for not every host of the form sns.WORD.amazonaws.com is
// SNS: sns.s3.amazonaws.com is whatever somebody keeps in a bucket called "sns".
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
	if err != nil || u.Scheme != "https" || u.Host != t.host() || u.User != nil || u.Opaque != "" || strings.Contains(text, "#") {
		return nil, false
	}
	return u, true
}

// certifies reports whether text can be where a certificate of SNS is published.
func (t topic) certifies(text string) bool {
	u, ok := t.owns(text)
	return ok && u.RawQuery == "" && !u.ForceQuery && strings.HasSuffix(u.Path, ".pem") && u.EscapedPath() == u.Path
}

// confirms reports whether text can be what SNS wants called to confirm a subscription to the topic of that ARN.
func (t topic) confirms(text, arn string) bool {
	u, ok := t.owns(text)
	if !ok || u.Path != "/" {
		return false
	}
	q := u.Query()
	return len(q["Action"]) == 1 && q.Get("Action") == "ConfirmSubscription" && len(q["TopicArn"]) == 1 && q.Get("TopicArn") == arn
}

// names are those that SNS gives its certificates in the region: "sns.amazonaws.com" in the older ones, names of their
// own in those that were opened later, in China and for the government, where one certificate does for both regions.
// Source: https://github.com/aws/aws-sdk-java-v2, services-custom/sns-message-manager, SnsHostProvider
func (t topic) names() []string {
	names := []string{"sns." + t.domain, "sns-signing." + t.region + "." + t.domain, "sns-" + t.region + "." + t.domain}
	if strings.HasPrefix(t.region, "us-gov-") {
		names = append(names, "sns-us-gov-west-1."+t.domain)
	}
	return names
}
