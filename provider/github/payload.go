package github

import (
	"bytes"
	"fmt"
	"net/url"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

// formStart is what the body of a form begins with. Whether it is one is told by what is signed, which the content
// type is not.
const formStart = "payload="

// A payload is what this package reads of a body.
type payload struct {
	json    []byte // the object
	form    bool   // it came in a form
	subject string
}

// readPayload reads a body: a JSON object, or a form whose only field is one. Anything else is provider.ErrBody.
func readPayload(body []byte) (payload, error) {
	p := payload{json: body}
	if field, ok := bytes.CutPrefix(body, []byte(formStart)); ok {
		text, err := url.QueryUnescape(string(field))
		if err != nil || bytes.IndexByte(field, '&') >= 0 {
			return payload{}, fmt.Errorf("%w: not a form with one field, payload", provider.ErrBody)
		}
		p.json, p.form = []byte(text), true
	}
	subject, err := readSubject(p.json)
	p.subject = subject
	return p, err
}

// readSubject returns what an event is about: the repository or, where there is none, the organization or enterprise.
func readSubject(object []byte) (string, error) {
	var repository, organization, enterprise []byte
	err := strictjson.Object(object, func(name, value []byte) {
		switch string(name) {
		case "repository":
			repository = value
		case "organization":
			organization = value
		case "enterprise":
			enterprise = value
		}
	})
	if err != nil {
		return "", err
	}
	for _, of := range [...]struct {
		object []byte
		member string
	}{{repository, "full_name"}, {organization, "login"}, {enterprise, "slug"}} {
		if text := strictjson.FindText(of.object, of.member); text != "" {
			return provider.Subject(text), nil
		}
	}
	return "", nil
}
