package generic

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
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
	warnings     []string
	preset       preset // the zero preset has no handshake
}

// Warnings implements [provider.Warner].
func (r *receiver) Warnings() []string { return r.warnings }

var _ provider.SecretHeaders = (*receiver)(nil)

// SecretHeaders implements [provider.SecretHeaders].
func (r *receiver) SecretHeaders() []string {
	if t, ok := r.scheme.(*token); ok {
		return []string{t.header}
	}
	return nil
}

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	return provider.Named("generic", r.checkHeader(req))
}

func (r *receiver) checkHeader(req *provider.Request) error {
	reply, err := r.answer(req)
	if reply != nil || err != nil {
		return err
	}
	if m, ok := r.scheme.(*mac); ok {
		_, err = m.readHeader(req)
	} else { // the other schemes do not look at the body
		_, err = r.scheme.verify(req)
	}
	if errors.Is(err, signature.ErrMissing) && isBare(req) {
		return nil
	}
	return err
}

// answer answers a request that needs no proof by its method and URL: the handshake of a preset, and probes. The error
// refuses the request. Otherwise both results are nil.
func (r *receiver) answer(req *provider.Request) (*provider.Reply, error) {
	switch {
	case r.preset.query.matches(req):
		return r.preset.query.answer(req, r.verifyTokens, r.scheme)
	case !slices.Contains(r.methods, req.Method):
		return nil, &provider.MethodError{Allow: r.methods}
	case req.Method == http.MethodHead, req.Method == http.MethodOptions:
		return r.probed(), nil
	}
	return nil, nil
}

// Receive verifies a request and returns one event, or answers the handshake of a preset.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	receipt, err := r.receive(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("generic: %w", err)
	}
	return receipt, nil
}

func (r *receiver) receive(req *provider.Request) (provider.Receipt, error) {
	if reply, err := r.answer(req); reply != nil || err != nil {
		return provider.Receipt{Reply: reply}, err
	}
	verified, err := r.scheme.verify(req)
	if errors.Is(err, signature.ErrMissing) && isBare(req) {
		return provider.Receipt{Reply: r.probed()}, nil
	}
	if err != nil {
		return provider.Receipt{}, err
	}
	if req.Method == http.MethodGet && len(req.Body) == 0 {
		req = r.withQuery(req)
	}
	if reply, err := r.preset.body.answer(req, verified); reply != nil || err != nil {
		return provider.Receipt{Reply: reply}, err
	}
	kind, id, err := r.reader.read(req, verified)
	if err != nil {
		return provider.Receipt{}, err
	}
	return provider.Receipt{Status: r.preset.status(), Events: []bellhop.Event{{
		Type:        kind,
		ProviderID:  provider.RepeatKey(id),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
		Fingerprint: r.reader.fingerprint(req.Content()),
	}}}, nil
}

// fingerprint returns the SHA-256 of body without the time of the attempt; zero if body has no such time.
func (r *reader) fingerprint(body []byte) [32]byte {
	if len(r.triedAt) == 0 {
		return [32]byte{}
	}
	values, err := find(body, r.triedAt)
	if err != nil || len(values[0]) == 0 {
		return [32]byte{}
	}
	return sha256.Sum256(bytes.ReplaceAll(body, values[0], nil))
}

// A probe asks, before a system registers the URL, whether something answers there. It has no proof and no data: a
// HEAD or an OPTIONS, or a GET without a query, a body and a signature. It is answered as a handshake, and stores no
// event.

// isBare reports whether req is a GET without any data.
func isBare(req *provider.Request) bool {
	return req.Method == http.MethodGet && len(req.Body) == 0 && !strings.Contains(req.Target, "?")
}

// probed returns the answer to a probe.
func (r *receiver) probed() *provider.Reply {
	return &provider.Reply{Status: http.StatusOK, Header: http.Header{"Allow": {strings.Join(r.methods, ", ")}}}
}

// withQuery returns req, an authentic GET without a body, with the parameters of its query as its body: a form, as the
// same system posts one. The parameter with the secret is left out. A signature that does not cover the URL proves
// nothing about the query; req is then returned unchanged.
func (r *receiver) withQuery(req *provider.Request) *provider.Request {
	_, text, _ := strings.Cut(req.Target, "?")
	switch s := r.scheme.(type) {
	case *mac:
		if !s.template.has(placeURL) {
			return req
		}
	case *query:
		text = s.without(text)
	}
	if text == "" {
		return req
	}
	form := *req
	form.Body = []byte(text)
	form.Header = req.Header.Clone()
	if form.Header == nil {
		form.Header = http.Header{}
	}
	form.Header.Set("Content-Type", formType)
	return &form
}

// formType is the content type of a form.
const formType = "application/x-www-form-urlencoded"

// DefaultType is the type of an event if neither the settings nor the request name one.
const DefaultType = "generic.received"

// A reader finds the type of an event and the id that identifies repeats.
type reader struct {
	eventType  string // fixed type; "" reads it from the request
	typeHeader string
	typeField  path
	idHeader   string
	idField    path
	triedAt    path   // the member with the time of the attempt, which differs between two tries; nil if there is none
	repeat     string // what identifies an event without an id
	members    bool   // the settings name members of the body
	mustBeJSON bool   // the body must be a JSON object
	preset     *preset
}

// The values of the setting repeat: what identifies an event without an id.
const (
	repeatSignature = "signature"
	repeatBody      = "body"
	repeatNone      = "none"
)

var repeats = []string{repeatSignature, repeatBody, repeatNone}

func newReader(s settings, p *preset) (*reader, error) {
	r := &reader{
		eventType:  s.Type,
		typeHeader: s.TypeHeader,
		typeField:  parsePath(s.TypeField),
		idHeader:   s.IDHeader,
		idField:    parsePath(s.IDField),
		members:    s.TypeField != "" || s.IDField != "",
		mustBeJSON: p != nil && p.object,
		preset:     p,
	}
	if s.Type == "" && s.TypeHeader == "" && s.TypeField == "" {
		r.typeField = path{"type"}
	}
	var typeErr error
	if s.Type != "" && !provider.Word(s.Type) {
		typeErr = bellhop.Invalid("type", "use 1 to 255 letters, digits, dots, dashes, slashes and underscores")
	}
	repeat, repeatErr := provider.OneOf("repeat", s.Repeat, repeatSignature, repeats...)
	r.repeat, r.triedAt = repeat, parsePath(s.TimestampField)
	return r, bellhop.Join("", typeErr, repeatErr, checkOne(s),
		checkHeader("type_header", s.TypeHeader), checkHeader("id_header", s.IDHeader))
}

// checkOne refuses two settings for the same thing.
func checkOne(s settings) error {
	switch {
	case s.Type != "" && s.TypeHeader != "", s.Type != "" && s.TypeField != "":
		return bellhop.Invalid("type", "type_header or type_field is set too; keep one of them")
	case s.TypeHeader != "" && s.TypeField != "":
		return bellhop.Invalid("type_header", "type_field is set too; keep one of them")
	case s.IDHeader != "" && s.IDField != "":
		return bellhop.Invalid("id_header", "id_field is set too; keep one of them")
	case s.Repeat != "" && (s.IDHeader != "" || s.IDField != ""):
		return bellhop.Invalid("repeat", "id_header or id_field identifies repeats; remove it, or remove this")
	}
	return nil
}

// read returns the type and the id of an authentic request; either may be the default or "". A body that is neither a
// JSON object nor a form has no members. The error is provider.ErrBody if the settings name members and the body is an
// object or a form in which their values are ambiguous, and signature.ErrMalformed if the id header occurs twice.
func (r *reader) read(req *provider.Request, v verification) (kind, id string, err error) {
	kind = r.eventType
	if r.typeHeader != "" {
		kind = single(req.Header, r.typeHeader)
	}
	if r.mustBeJSON || r.members || len(r.typeField) > 0 {
		values, err := r.find(req)
		switch {
		case err != nil && (r.mustBeJSON || r.members && (isObject(req.Content()) || isForm(req.Header))):
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
		id = r.repeatKey(req.Content(), v)
	}
	return r.name(kind, req.Header), id, nil
}

// find returns the values of the type and of the id in the body of req, as JSON. A form has the members that are its
// parameters.
func (r *reader) find(req *provider.Request) ([][]byte, error) {
	if !isForm(req.Header) || isObject(req.Content()) {
		return find(req.Content(), r.typeField, r.idField)
	}
	pairs, err := parseForm(string(req.Content()))
	values := make([][]byte, 2)
	if err != nil {
		return values, nil // not a form, whatever its content type says: it has no members
	}
	for i, p := range []path{r.typeField, r.idField} {
		for _, pair := range pairs {
			switch {
			case len(p) != 1 || pair.name != p[0]:
			case values[i] != nil:
				return nil, fmt.Errorf("%w: a parameter that the settings name occurs twice", provider.ErrBody)
			default:
				values[i], _ = json.Marshal(pair.value)
			}
		}
	}
	return values, nil
}

func isForm(h http.Header) bool {
	kind, _, _ := strings.Cut(h.Get("Content-Type"), ";")
	return strings.EqualFold(strings.Trim(kind, " \t"), formType)
}

// isObject reports whether body is a JSON object, though perhaps one in which a name is repeated.
func isObject(body []byte) bool {
	text := bytes.TrimLeft(bytes.TrimPrefix(body, []byte("\ufeff")), " \t\r\n")
	return len(text) > 0 && text[0] == '{' && json.Valid(text)
}

// repeatKey returns the text that identifies an event without an id.
func (r *reader) repeatKey(body []byte, v verification) string {
	switch r.repeat {
	case repeatSignature:
		return v.repeat
	case repeatBody:
		sum := sha256.Sum256(body)
		return hex.EncodeToString(sum[:])
	}
	return ""
}

// name returns kind as an event type, or the default type if it cannot be one.
func (r *reader) name(kind string, h http.Header) string {
	if r.preset != nil {
		return r.preset.eventType(kind, h)
	}
	if !provider.Word(kind) {
		return DefaultType
	}
	return kind
}

// single returns the value of a header that occurs once, else "".
func single(h http.Header, name string) string {
	if values := h.Values(name); len(values) == 1 {
		return values[0]
	}
	return ""
}

// A path leads to a member of a JSON object: names, from the outermost to the innermost. An empty path leads
// nowhere.
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

// find returns the values of the members of body at paths, nil for each member that is absent. It checks the body as
// [strictjson.FindAll] does, once for all paths: no member on a path may occur twice.
func find(body []byte, paths ...path) ([][]byte, error) {
	members := make([]strictjson.Member, len(paths))
	var wanted []*strictjson.Member
	for i, p := range paths {
		if len(p) > 0 {
			members[i].Name = p[0]
			wanted = append(wanted, &members[i])
		}
	}
	err := strictjson.FindAll(body, wanted...)
	if err != nil {
		return nil, err
	}
	values := make([][]byte, len(paths))
	for i, p := range paths {
		values[i] = members[i].Value
		if len(p) > 1 {
			if values[i], err = descend(values[i], p[1:]); err != nil {
				return nil, err
			}
		}
	}
	return values, nil
}

// descend is find for one path within value, which need not be an object.
func descend(value []byte, p path) ([]byte, error) {
	if !strictjson.IsObject(value) {
		return nil, nil
	}
	found, err := find(value, p)
	if err != nil {
		return nil, err
	}
	return found[0], nil
}

// textOrNumber returns the content of a JSON string, a JSON number as it is written, and "" for any other value.
func textOrNumber(value []byte) string {
	if text, ok := strictjson.Key(value); ok {
		return text
	}
	if len(value) > 0 && (value[0] == '-' || value[0] >= '0' && value[0] <= '9') {
		return string(value)
	}
	return ""
}

// A queryHandshake is an unsigned GET request that asks, with a challenge in the query, whether the URL is ours.
type queryHandshake struct {
	parameter string // the parameter with the challenge
	token     string // the parameter that must be one of settings.verify_token; "" if none is required

	// member of the JSON object in the answer that holds the signature of the challenge. "" answers with the challenge
	// itself, as text.
	member string
}

// matches reports whether req is the handshake.
func (q *queryHandshake) matches(req *provider.Request) bool {
	return q != nil && req.Method == http.MethodGet && len(provider.Query(req.Target, q.parameter)) > 0
}

// answer returns the reply to a request that matches.
func (q *queryHandshake) answer(req *provider.Request, tokens []string, scheme scheme) (*provider.Reply, error) {
	if q.token != "" {
		got := provider.Query(req.Target, q.token)
		if len(got) != 1 || !signature.EqualToken(got[0], tokens...) {
			return nil, fmt.Errorf("%w: %s is not settings.verify_token", provider.ErrForbidden, q.token)
		}
	}
	challenges := provider.Query(req.Target, q.parameter)
	if len(challenges) > 1 {
		return nil, fmt.Errorf("%w: %s occurs twice", provider.ErrBody, q.parameter)
	}
	if q.member == "" {
		return echo(challenges[0])
	}
	m := scheme.(*mac)
	return answerSigned(challenges[0], m.keys[0], m.hmac, "", q.member)
}

// A bodyHandshake is a signed request like any other whose body holds a challenge.
type bodyHandshake struct {
	header    string // the header that has the value word in a handshake; if "", the member has it
	member    path
	word      string
	challenge path // the member of the body with the challenge

	// The members of the JSON object in the answer: for the challenge, and for its HMAC-SHA256 in hex. If signed is
	// "", the answer is the challenge itself, as text.
	plain, signed string
}

// answer returns the reply to a verified request, or nil if it is not a handshake.
func (b *bodyHandshake) answer(req *provider.Request, v verification) (*provider.Reply, error) {
	if b == nil || b.header != "" && single(req.Header, b.header) != b.word {
		return nil, nil
	}
	values, err := find(req.Content(), b.member, b.challenge)
	if err != nil {
		return nil, err
	}
	if word, _ := strictjson.Text(values[0]); b.header == "" && word != b.word {
		return nil, nil
	}
	challenge, ok := strictjson.Text(values[1])
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: a handshake without a challenge", provider.ErrBody)
	case b.signed == "":
		return echo(challenge)
	}
	hmac := signature.HMAC{Hash: signature.SHA256, Encoding: signature.Hex}
	return answerSigned(challenge, v.key, hmac, b.plain, b.signed)
}

// echo answers with the challenge itself.
func echo(challenge string) (*provider.Reply, error) {
	if !provider.PlainToken(challenge) {
		return nil, fmt.Errorf("%w: the challenge is empty, longer than 4 KiB or not plain text", provider.ErrBody)
	}
	return &provider.Reply{Status: http.StatusOK, Body: []byte(challenge)}, nil
}

// answerSigned answers with a JSON object: the challenge in the member plain, unless plain is "", and its HMAC in
// the member signed.
func answerSigned(challenge string, key []byte, hmac signature.HMAC, plain, signed string) (*provider.Reply, error) {
	if !signable(challenge) {
		return nil, fmt.Errorf("%w: the challenge is not 1 to 256 letters, digits or any of .+/=_-", provider.ErrBody)
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

// signable reports whether it is safe to sign a challenge for any sender. Challenges and events are signed with the
// same key, so the answer to a challenge must not be valid as the signature of an event. It cannot be: events of
// systems with such a handshake are JSON objects, alone or after "v0:" and a time, and a challenge with a brace or
// a colon is refused.
func signable(challenge string) bool {
	return challenge != "" && len(challenge) <= 256 && provider.Alphanumeric(challenge, "+/=_-.")
}
