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

// SignStandard returns the webhook-signature of one attempt: an entry for each key, separated by blanks. Entries
// of shared secrets ("v1,…") precede those of Ed25519 keys ("v1a,…"), since old receivers know only the former.
// The request must carry id as webhook-id and at, in whole Unix seconds, as webhook-timestamp. All attempts to
// send a message have the same id; each has its own time.
//
// It returns ErrKey if there are no keys, too many, or a public one. It returns ErrMalformed if id is empty, too
// long, or has a dot or control bytes, or if at is before 1970.
// Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md
func SignStandard(keys []StandardKey, id string, at time.Time, body []byte) (value string, err error) {
	if checkID(id) != nil || at.Unix() < 0 || at.Unix() > MaxUnix {
		return "", ErrMalformed
	}
	if len(keys) == 0 || len(keys) > MaxStandardEntries {
		return "", keyError("the number of signing keys must be 1 to 16")
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
// the id, timestamp and body as received. It ignores entries of an unknown version, of a version without a key,
// and malformed ones.
//
// It returns ErrMissing if id, timestamp or value is empty, ErrMalformed if the id, the timestamp or the number of
// entries is not valid, ErrExpired if [CheckTime] refuses the timestamp, and ErrMismatch if no entry matches.
// An id with a dot is malformed, as the specification says: otherwise bytes could move between id and body.
func VerifyStandard(
	id, timestamp, value string,
	body []byte,
	keys []StandardKey,
	now time.Time,
	tolerance time.Duration,
) error {
	if err := checkStandard(id, timestamp, value, now, tolerance); err != nil {
		return err
	}
	text := signedText{id, timestamp, body}
	for _, k := range keys {
		if s := k.scheme(); s != nil && s.matches(text, value) {
			return nil
		}
	}
	return ErrMismatch
}

// checkStandard is the part of VerifyStandard that needs neither a key nor the body.
func checkStandard(id, timestamp, value string, now time.Time, tolerance time.Duration) error {
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
	return CheckAge(at, now, tolerance)
}

// VerifyStandardHeader is [VerifyStandard] with the three headers of a request, each of which must occur once:
// webhook-id, webhook-timestamp and webhook-signature or, if the request has none of these, svix-id,
// svix-timestamp and svix-signature. It returns the id, by which the receiver recognizes repeats.
func VerifyStandardHeader(
	h http.Header,
	body []byte,
	keys []StandardKey,
	now time.Time,
	tolerance time.Duration,
) (id string, err error) {
	id, timestamp, value, err := readStandardHeader(h)
	if err != nil {
		return "", err
	}
	if err := VerifyStandard(id, timestamp, value, body, keys, now, tolerance); err != nil {
		return "", err
	}
	return id, nil
}

// CheckStandardHeader is the part of [VerifyStandardHeader] that does not need the body. It returns the same error if
// no body could be valid under h: also ErrMismatch, if none of the entries could be a signature of one of keys.
func CheckStandardHeader(h http.Header, keys []StandardKey, now time.Time, tolerance time.Duration) error {
	id, timestamp, value, err := readStandardHeader(h)
	if err == nil {
		err = checkStandard(id, timestamp, value, now, tolerance)
	}
	if err != nil {
		return err
	}
	for _, k := range keys {
		if s := k.scheme(); s != nil && s.readable(value) {
			return nil
		}
	}
	return ErrMismatch
}

// readStandardHeader returns the three headers of a request, all of one family.
func readStandardHeader(h http.Header) (id, timestamp, value string, err error) {
	names := standardNames
	if !names.anyIn(h) {
		names = svixNames
	}
	if id, err = Single(h, names.id); err != nil {
		return "", "", "", err
	}
	if timestamp, err = Single(h, names.timestamp); err != nil {
		return "", "", "", err
	}
	value, err = Single(h, names.signature)
	return id, timestamp, value, err
}

// headerNames are the canonical header names of one family. Names of two families are never mixed.
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

// Versions of the entries of a webhook-signature: the text before the comma.
const (
	versionSymmetric = "v1"
	versionEd25519   = "v1a"
)

// signedText is the text that Standard Webhooks sign: the id, the timestamp and the body, separated by dots.
type signedText struct {
	id, timestamp string
	body          []byte
}

// head appends the text before the body to dst.
func (t signedText) head(dst []byte) []byte {
	dst = append(dst, t.id...)
	dst = append(dst, '.')
	dst = append(dst, t.timestamp...)
	return append(dst, '.')
}

// whole returns the whole text, for Ed25519, which cannot sign piece by piece.
func (t signedText) whole() []byte {
	b := make([]byte, 0, len(t.id)+len(t.timestamp)+len(t.body)+2)
	return append(t.head(b), t.body...)
}

// A standardScheme signs and verifies with one key, of one kind.
type standardScheme interface {
	prefix() string  // of the text of a key of this kind
	version() string // of its entries
	signs() bool
	appendEntry(dst []byte, text signedText) []byte // "version,base64"
	matches(text signedText, value string) bool     // whether any entry of value is a signature of text
	// whether any entry of value has the version and the form of the scheme
	readable(value string) bool
}

// anyEntry reports whether decodeEntry reads any entry of value into sig.
func anyEntry(sig []byte, value, version string) bool {
	for entry := range strings.SplitSeq(value, " ") {
		if decodeEntry(sig, entry, version) {
			return true
		}
	}
	return false
}

// decodeEntry reads the signature of an entry into sig. It reports whether the entry has that version and a
// signature of len(sig) bytes.
func decodeEntry(sig []byte, entry, version string) bool {
	label, text, ok := strings.Cut(entry, ",")
	return ok && label == version && Base64.decode(sig, text)
}
