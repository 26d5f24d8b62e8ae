package standardwebhooks

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/signature"
)

// DefaultType is the type of an event whose body names no type.
const DefaultType = "standardwebhooks.message"

type receiver struct {
	keys      []signature.StandardKey
	tolerance time.Duration
	family    family // whose headers count; "" is either family
	now       func() time.Time
}

// CheckHeader implements [provider.HeaderChecker].
func (r *receiver) CheckHeader(req *provider.Request) error {
	if req.Method != http.MethodPost {
		return provider.Named("standardwebhooks", provider.ErrMethod)
	}
	h := r.family.only(req.Header)
	return refusal(h, signature.CheckStandardHeader(h, r.keys, r.now(), r.tolerance))
}

// refusal returns the error of a request with h that err refuses; nil for nil.
func refusal(h http.Header, err error) error {
	if err != nil && oddID(h) {
		err = fmt.Errorf("the id is too long or has control characters: %w", provider.ErrBody)
	}
	return provider.Named("standardwebhooks", err)
}

// oddID reports whether a refused request has an id that no sender makes. Such a request is malformed rather than
// forged.
func oddID(h http.Header) bool {
	for _, f := range [...]family{familyWebhook, familySvix} {
		id := h.Get(f.id())
		if len(id) > signature.MaxStandardID || strings.ContainsFunc(id, unicode.IsControl) {
			return true
		}
	}
	return false
}

// Receive verifies the signature and reads the type from the body.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	if req.Method != http.MethodPost {
		return provider.Receipt{}, provider.Named("standardwebhooks", provider.ErrMethod)
	}
	h := r.family.only(req.Header)
	id, err := signature.VerifyStandardHeader(h, req.Body, r.keys, r.now(), r.tolerance)
	if err != nil {
		return provider.Receipt{}, refusal(h, err)
	}
	kind, at := describe(req.Content())
	if at.IsZero() {
		at = attemptTime(h)
	}
	return provider.Receipt{Events: []bellhop.Event{{
		Type:        kind,
		ProviderID:  provider.RepeatKey(id),
		Time:        at,
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

// describe returns the type and the time in body, at the places that the specification recommends. A body that is
// not a JSON object, or has one of these members twice, is signed like any other; it has the default type and no time.
func describe(body []byte) (kind string, at time.Time) {
	typeOf, timestamp := strictjson.Member{Name: "type"}, strictjson.Member{Name: "timestamp"}
	if strictjson.FindAll(body, &typeOf, &timestamp) != nil {
		return DefaultType, time.Time{}
	}
	kind = typeOf.Text()
	if !provider.Word(kind) {
		kind = DefaultType
	}
	return kind, provider.Time(timestamp.Text())
}

// attemptTime returns the timestamp of a verified request.
func attemptTime(h http.Header) time.Time {
	text := h.Get(familyWebhook.timestamp())
	if text == "" {
		text = h.Get(familySvix.timestamp())
	}
	seconds, _ := strconv.ParseInt(text, 10, 64)
	return time.Unix(seconds, 0).UTC()
}
