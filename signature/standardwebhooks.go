package signature

import (
	"net/http"
	"strconv"
	"strings"
	"time"
)

// StandardTolerance is how far the timestamp of a Standard Webhook may be from now, either way.
const StandardTolerance = 300 * time.Second

// Bounds of a Standard Webhook.
const (
	MaxStandardID      = 256 // bytes in a message id
	MaxStandardEntries = 16  // signatures in one header
)

const maxEntry = 93 // bytes of "v1a,…" and the blank in front of it

// SignStandard returns the webhook-signature of one attempt: an entry for each key that can sign, separated by
// blanks, shared secrets ("v1,…") before Ed25519 keys ("v1a,…"), since old receivers know only the former.
// The request must carry id as webhook-id and at, in whole Unix seconds, as webhook-timestamp. The id is the same
// for every attempt to send a message, at is not.
//
// It returns ErrKey if there are no keys, too many, or a public one, and ErrMalformed for an id that is empty, too
// long, or holds a dot or control bytes, or an at before 1970.
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func SignStandard(keys []StandardKey, id string, at time.Time, body []byte) (value string, err error) {
	if checkID(id) != nil || at.Unix() < 0 || at.Unix() > MaxUnix {
		return "", ErrMalformed
	}
	if len(keys) == 0 || len(keys) > MaxStandardEntries {
		return "", keyError("there must be 1 to 16 to sign with")
	}
	text := signedText{id, strconv.FormatInt(at.Unix(), 10), body}
	out := make([]byte, 0, len(keys)*maxEntry)
	for _, version := range []string{versionSymmetric, versionEd25519} {
		for _, k := range keys {
			scheme := k.scheme()
			if scheme == nil || !scheme.signs() {
				return "", keyError("it cannot sign")
			}
			if scheme.version() != version {
				continue
			}
			if len(out) > 0 {
				out = append(out, ' ')
			}
			out = scheme.appendEntry(out, text)
		}
	}
	return string(out), nil
}

// VerifyStandard reports whether one of the entries of value, the webhook-signature, was made with one of keys for
// the id, timestamp and body as received. Entries of an unknown version, of a version without a key, or not in
// form are passed over.
//
// It returns ErrMissing if id, timestamp or value is empty, ErrMalformed for an id, timestamp or number of
// entries that cannot be, ErrMismatch if no entry matches, and ErrExpired if one does but its timestamp is more
// than tolerance from now, in whole seconds, in the past or in the future. A tolerance of 0 is strict.
// Ids with a dot are malformed, as the specification says: without that, bytes could move between id and body.
func VerifyStandard(id, timestamp, value string, body []byte, keys []StandardKey, now time.Time, tolerance time.Duration) error {
	if err := checkID(id); err != nil {
		return err
	}
	at, err := ParseUnix(timestamp, MaxUnix)
	if err != nil {
		return err
	}
	if value == "" {
		return ErrMissing
	}
	if strings.Count(value, " ") >= MaxStandardEntries {
		return ErrMalformed
	}
	text := signedText{id, timestamp, body}
	for _, k := range keys {
		if s := k.scheme(); s != nil && s.matches(text, value) {
			return CheckAge(at, now, tolerance)
		}
	}
	return ErrMismatch
}

// VerifyStandardHeader is [VerifyStandard] with the three headers of a request, each of which must be there once.
// They are webhook-id, webhook-timestamp and webhook-signature or, where none of these is there, svix-id,
// svix-timestamp and svix-signature. It returns the id, by which the receiver knows repeats.
func VerifyStandardHeader(h http.Header, body []byte, keys []StandardKey, now time.Time, tolerance time.Duration) (id string, err error) {
	names := standardNames
	if !names.anyIn(h) {
		names = svixNames
	}
	id, err = Single(h, names.id)
	if err != nil {
		return "", err
	}
	timestamp, err := Single(h, names.timestamp)
	if err != nil {
		return "", err
	}
	value, err := Single(h, names.signature)
	if err != nil {
		return "", err
	}
	if err := VerifyStandard(id, timestamp, value, body, keys, now, tolerance); err != nil {
		return "", err
	}
	return id, nil
}

// headerNames is one family of header names, canonical. Families are never mixed.
type headerNames struct{ id, timestamp, signature string }

var (
	standardNames = headerNames{"Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"}
	svixNames     = headerNames{"Svix-Id", "Svix-Timestamp", "Svix-Signature"}
)

func (n headerNames) anyIn(h http.Header) bool {
	return len(h[n.id])+len(h[n.timestamp])+len(h[n.signature]) > 0
}

func checkID(id string) error {
	if id == "" {
		return ErrMissing
	}
	if len(id) > MaxStandardID {
		return ErrMalformed
	}
	for i := range len(id) {
		if c := id[i]; c < 0x20 || c == 0x7f || c == '.' {
			return ErrMalformed
		}
	}
	return nil
}
