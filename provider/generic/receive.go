package generic

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

type receiver struct {
	scheme       scheme
	reader       *reader
	methods      []string
	verifyTokens []string
	preset       preset // the zero preset has no handshake
}

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string {
	if t, ok := r.scheme.(*token); ok {
		return []string{t.header}
	}
	return nil
}

// Receive verifies a request and makes one event of it, or answers the handshake of a preset.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("generic: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(req *provider.Request) (provider.Receipt, error) {
	if r.preset.query.asks(req) {
		reply, err := r.preset.query.answer(req, r.verifyTokens, r.scheme)
		return provider.Receipt{Reply: reply}, err
	}
	if !slices.Contains(r.methods, req.Method) {
		return provider.Receipt{}, &provider.MethodError{Allow: r.methods}
	}
	proof, err := r.scheme.verify(req)
	if err != nil {
		return provider.Receipt{}, err
	}
	if reply, err := r.preset.body.answer(req, proof); reply != nil || err != nil {
		return provider.Receipt{Reply: reply}, err
	}
	kind, id, err := r.reader.read(req, proof)
	if err != nil {
		return provider.Receipt{}, err
	}
	return provider.Receipt{Status: r.preset.status(), Events: []bellhop.Event{{
		Type:        kind,
		ProviderID:  provider.RepeatKey(id),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

// DefaultType is the type of an event that nothing names.
const DefaultType = "generic.received"

// A reader finds an event's type and the id by which repeats are known.
type reader struct {
	eventType  string // fixed; "" is to be found
	typeHeader string
	typeField  path
	idHeader   string
	idField    path
	repeat     string // what an event without an id is known by
	mustBeJSON bool   // the owner said which members there are
	preset     *preset
}

// The ways to know a repeat that has no id.
const (
	repeatSignature = "signature"
	repeatBody      = "body"
	repeatNone      = "none"
)

func newReader(s settings, p *preset) (*reader, error) {
	r := &reader{eventType: s.Type, typeHeader: s.TypeHeader, typeField: parsePath(s.TypeField), idHeader: s.IDHeader, idField: parsePath(s.IDField),
		mustBeJSON: s.TypeField != "" || s.IDField != "" || p != nil && p.object, preset: p}
	if s.Type == "" && s.TypeHeader == "" && s.TypeField == "" {
		r.typeField = path{"type"}
	}
	var typeErr error
	if s.Type != "" && !provider.Word(s.Type) {
		typeErr = bellhop.Invalid("type", "use 1 to 255 letters, digits, dots, dashes, slashes and underscores")
	}
	repeat, repeatErr := provider.OneOf("repeat", s.Repeat, repeatSignature, repeatSignature, repeatBody, repeatNone)
	r.repeat = repeat
	return r, bellhop.Join("", typeErr, repeatErr, checkOne(s), checkHeader("type_header", s.TypeHeader), checkHeader("id_header", s.IDHeader))
}

// checkOne refuses two answers to one question.
func checkOne(s settings) error {
	switch {
	case s.Type != "" && s.TypeHeader != "", s.Type != "" && s.TypeField != "":
		return bellhop.Invalid("type", "there is type_header or type_field too; keep one of them")
	case s.TypeHeader != "" && s.TypeField != "":
		return bellhop.Invalid("type_header", "there is type_field too; keep one of them")
	case s.IDHeader != "" && s.IDField != "":
		return bellhop.Invalid("id_header", "there is id_field too; keep one of them")
	case s.Repeat != "" && (s.IDHeader != "" || s.IDField != ""):
		return bellhop.Invalid("repeat", "repeats are known by id_header or id_field; remove those, or this")
	}
	return nil
}

// read returns the type and the id of an authentic request; either may be the default or "". It returns
// provider.ErrBody if members are wanted of a body that has none, and signature.ErrMalformed for two ids in headers.
func (r *reader) read(req *provider.Request, p proof) (kind, id string, err error) {
	kind = r.eventType
	if r.typeHeader != "" {
		kind = single(req.Header, r.typeHeader)
	}
	if r.mustBeJSON || len(r.typeField) > 0 {
		values, err := find(req.Body, r.typeField, r.idField)
		switch {
		case err != nil && r.mustBeJSON:
			return "", "", err
		case err == nil && len(r.typeField) > 0:
			kind, _ = strictjson.Text(values[0])
		}
		if err == nil {
			id = textOrNumber(values[1])
		}
	}
	if r.idHeader != "" {
		if id, err = signature.Optional(req.Header, r.idHeader); err != nil {
			return "", "", fmt.Errorf("%s: %w", r.idHeader, err)
		}
	}
	if id == "" {
		id = r.repeatKey(req.Body, p)
	}
	return r.name(kind, req.Header), id, nil
}

// repeatKey returns what an event without an id is known by.
func (r *reader) repeatKey(body []byte, p proof) string {
	switch r.repeat {
	case repeatSignature:
		return p.repeat
	case repeatBody:
		sum := sha256.Sum256(body)
		return hex.EncodeToString(sum[:])
	}
	return ""
}

// name returns kind, or what there is in its place, as a type.
func (r *reader) name(kind string, h http.Header) string {
	if r.preset != nil {
		return r.preset.eventType(kind, h)
	}
	if !provider.Word(kind) {
		return DefaultType
	}
	return kind
}

// single returns the value of a header that is there once, else "".
func single(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// A path leads to a member of a JSON object: names, from the outside to the inside. None leads nowhere.
type path []string

var unescapePointer = strings.NewReplacer("~1", "/", "~0", "~")

// parsePath reads the name of a member or, if it begins with a slash, a JSON Pointer (RFC 6901), such as
// "/event/id". Pointers lead through objects only.
func parsePath(text string) path {
	pointer, ok := strings.CutPrefix(text, "/")
	switch {
	case text == "":
		return nil
	case !ok:
		return path{text}
	}
	names := strings.Split(pointer, "/")
	for i, name := range names {
		names[i] = unescapePointer.Replace(name)
	}
	return names
}

// find returns the values of the members of body that paths lead to, nil for each that is not there. The whole body
// is checked as [strictjson.Object] does, in one go for all paths.
func find(body []byte, paths ...path) ([][]byte, error) {
	values := make([][]byte, len(paths))
	err := strictjson.Object(body, func(name, value []byte) {
		for i, p := range paths {
			if len(p) > 0 && p[0] == string(name) {
				values[i] = value
			}
		}
	})
	if err != nil {
		return nil, err
	}
	for i, p := range paths {
		if len(p) > 1 {
			values[i] = descend(values[i], p[1:])
		}
	}
	return values, nil
}

// descend is find for one path within value, which was checked before.
func descend(value []byte, p path) []byte {
	if len(value) == 0 || value[0] != '{' {
		return nil
	}
	found, err := find(value, p)
	if err != nil {
		return nil
	}
	return found[0]
}

// textOrNumber returns a JSON text, a JSON number as it is written, and "" for anything else.
func textOrNumber(value []byte) string {
	if text, ok := strictjson.Key(value); ok {
		return text
	}
	if len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		return string(value)
	}
	return ""
}

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
