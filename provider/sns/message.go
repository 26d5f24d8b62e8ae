package sns

import (
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/signature"
)

// The types of a message.
const (
	typeNotification = "Notification"
	typeSubscribe    = "SubscriptionConfirmation"
	typeUnsubscribe  = "UnsubscribeConfirmation"
)

// A message is what the members of a body say, by their names. Those that are null are not there.
type message map[string]string

// members are those that are looked at. All are texts.
var members = []string{"Type", "MessageId", "TopicArn", "Subject", "Message", "Timestamp", "Token", "SubscribeURL", "SignatureVersion", "Signature", "SigningCertURL"}

// parse reads body. That it is not what SNS sends is signature.ErrMalformed, since the signature is a part of it.
func parse(body []byte) (message, error) {
	m := make(message, len(members))
	odd := ""
	err := strictjson.Object(body, func(name, value []byte) {
		i := slices.IndexFunc(members, func(known string) bool { return known == string(name) })
		if i < 0 || string(value) == "null" {
			return
		}
		text, ok := strictjson.Text(value)
		if m[members[i]] = text; !ok {
			odd = members[i]
		}
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: no JSON object, or a member is there twice", signature.ErrMalformed)
	case odd != "":
		return nil, fmt.Errorf("%w: %s is no text", signature.ErrMalformed, odd)
	}
	return m, nil
}

// signed are the members that are signed, in their order, for each type.
var signed = map[string][]string{
	typeNotification: {"Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"},
	typeSubscribe:    {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
	typeUnsubscribe:  {"Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"},
}

// text returns what is signed: for each member its name and its value, a line each, without escapes. Only a Subject may
// be missing.
//
// A Message may have lines that look like members. Nobody can make others of them, because it comes first and no other
// member may have a line end: read from its end, the text has one meaning.
// Source: https://docs.aws.amazon.com/sns/latest/dg/sns-verify-signature-of-message-verify-message-signature.html
func (m message) text() ([]byte, error) {
	names, ok := signed[m["Type"]]
	if !ok {
		return nil, fmt.Errorf("%w: a Type that SNS does not have", signature.ErrMalformed)
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
