package generic

import (
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A queryHandshake asks, by GET and in the query, whether the URL is ours. Nobody signs it.
type queryHandshake struct {
	parameter string // holds the challenge
	token     string // the parameter that has to hold one of settings.verify_token; "" if anyone may ask
	member    string // of the JSON object that answers with the signature of the challenge; "" answers with the challenge itself, as text
}

// asks reports whether req is the handshake.
func (q *queryHandshake) asks(req *provider.Request) bool {
	return q != nil && req.Method == http.MethodGet && len(provider.Query(req.Target, q.parameter)) > 0
}

// answer returns the reply to a request that asks.
func (q *queryHandshake) answer(req *provider.Request, tokens []string, scheme scheme) (*provider.Reply, error) {
	if q.token != "" {
		got := provider.Query(req.Target, q.token)
		if len(got) != 1 || !signature.EqualToken(got[0], tokens...) {
			return nil, fmt.Errorf("%w: %s is not settings.verify_token", provider.ErrForbidden, q.token)
		}
	}
	challenges := provider.Query(req.Target, q.parameter)
	if len(challenges) > 1 {
		return nil, fmt.Errorf("%w: %s is there twice", provider.ErrBody, q.parameter)
	}
	if q.member == "" {
		return echo(challenges[0])
	}
	m := scheme.(*mac)
	return answerSigned(challenges[0], m.keys[0], m.hmac, "", q.member)
}

// A bodyHandshake is a request like any other, and signed like any other, whose body holds a challenge.
type bodyHandshake struct {
	header    string // holds word, or the request is no handshake; "" if a member does
	member    path
	word      string
	challenge path // the member of the body with the challenge

	// The members of the JSON object that answers: the challenge, and its HMAC-SHA256 in hex. "" answers with the
	// challenge itself, as text.
	plain, signed string
}

// answer returns the reply to a request that p proves; nil if it is no handshake.
func (b *bodyHandshake) answer(req *provider.Request, p proof) (*provider.Reply, error) {
	if b == nil || b.header != "" && single(req.Header, b.header) != b.word {
		return nil, nil
	}
	values, err := find(req.Body, b.member, b.challenge)
	if err != nil {
		return nil, err
	}
	if word, _ := strictjson.Text(values[0]); b.header == "" && word != b.word {
		return nil, nil
	}
	challenge, ok := strictjson.Text(values[1])
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: a handshake without its challenge", provider.ErrBody)
	case b.signed == "":
		return echo(challenge)
	}
	return answerSigned(challenge, p.key, signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex}, b.plain, b.signed)
}

// echo answers with the challenge itself.
func echo(challenge string) (*provider.Reply, error) {
	if !provider.PlainToken(challenge) {
		return nil, fmt.Errorf("%w: a challenge that is empty, longer than 4 KiB or no plain text", provider.ErrBody)
	}
	return &provider.Reply{Status: http.StatusOK, Body: []byte(challenge)}, nil
}

// answerSigned answers with a JSON object: the challenge in the member plain, unless that is "", and its HMAC in signed.
func answerSigned(challenge string, key []byte, hmac signature.HMAC, plain, signed string) (*provider.Reply, error) {
	if !signable(challenge) {
		return nil, fmt.Errorf("%w: a challenge that is not 1 to 256 letters, digits or any of .+/=_-", provider.ErrBody)
	}
	value, err := hmac.Sign(key, []byte(challenge))
	if err != nil {
		return nil, err
	}
	members := map[string]string{signed: value}
	if plain != "" {
		members[plain] = challenge
	}
	body, err := json.Marshal(members)
	return &provider.Reply{Status: http.StatusOK, ContentType: "application/json", Body: body}, err
}

// signable reports whether a challenge may be signed for whoever asks. The key is the one that signs events, so that the
// answer to a challenge would do as the signature of an event that reads the same. None can: whoever has challenges
// signed sends JSON objects, alone or behind "v0:" and a time, and neither a brace nor a colon is let through here.
func signable(challenge string) bool {
	return challenge != "" && len(challenge) <= 256 && provider.Alphanumeric(challenge, "+/=_-.")
}
