package cloudevents

import (
	"encoding/base64"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The rules for attributes of version 1.0, in any mode. An event that breaks one is refused, because its sender learns
// of it by the status, and receivers that follow the specification would refuse the event later.
// Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md#context-attributes

// checkMembers checks the names and values of an event in the JSON format, apart from the required attributes. null
// is an absent attribute.
func checkMembers(item []byte) error {
	fault := ""
	err := strictjson.Object(item, func(name, value []byte) {
		if fault == "" && string(value) != "null" {
			fault = faultOfMember(string(name), value)
		}
	})
	if err == nil && fault != "" {
		err = fmt.Errorf("%w: %s", provider.ErrBody, fault)
	}
	return err
}

// faultOfMember says what is wrong with a member, or "". It repeats nothing of the member.
func faultOfMember(name string, value []byte) string {
	text, isText := strictjson.Text(value)
	switch name {
	case "specversion", "id", "source", "type", "data":
		return ""
	case "data_base64":
		if _, err := base64.StdEncoding.DecodeString(text); err != nil || !isText {
			return "data_base64 is not Base64"
		}
		return ""
	case "subject", "time", "datacontenttype", "dataschema":
		if !isText {
			return name + " is not a text"
		}
		return faultOfText(name, text)
	}
	switch {
	case !isAttributeName(name):
		return "the name of an attribute has characters other than a to z and 0 to 9"
	case isText || string(value) == "true" || string(value) == "false":
		return ""
	}
	if _, err := strconv.ParseInt(string(value), 10, 32); err != nil {
		return "an extension is not a text, a boolean or a whole number of 32 bits"
	}
	return ""
}

// faultOfText says what is wrong with the text of an optional attribute, or "". An empty subject is no fault: Event
// Grid sends one in place of none.
func faultOfText(name, text string) string {
	switch name {
	case "time":
		if _, err := time.Parse(time.RFC3339, strings.ToUpper(text)); err != nil {
			return "time is not a time in the form of RFC 3339"
		}
	case "datacontenttype":
		if kind, _, err := mime.ParseMediaType(text); err != nil || !strings.Contains(kind, "/") {
			return "datacontenttype is not a media type"
		}
	case "dataschema":
		if u, err := url.Parse(text); err != nil || !u.IsAbs() {
			return "dataschema is not an absolute URI"
		}
	}
	return ""
}

// checkHeaders checks the names and values of the attributes of a binary event, apart from the required ones.
func checkHeaders(h http.Header) error {
	for header, values := range h {
		name, ok := strings.CutPrefix(header, headerPrefix)
		if !ok {
			continue
		}
		name = strings.ToLower(name)
		if !isAttributeName(name) {
			return fmt.Errorf("%w: the name of a ce- header has characters other than letters and digits",
				provider.ErrBody)
		}
		text, err := DecodeHeaderValue(values[0])
		if err != nil {
			continue // an extension in an unknown encoding is kept with the headers, and is not sent on
		}
		if fault := faultOfText(name, text); fault != "" {
			return fmt.Errorf("%w: %s", provider.ErrBody, fault)
		}
	}
	return nil
}
