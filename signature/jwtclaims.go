package signature

import (
	"bytes"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/go-jose/go-jose/v4/json"
)

// rawClaims are Claims as in JSON. The package that reads them tells names apart by case and refuses one that
// occurs twice, which the standard library's does not.
type rawClaims struct {
	Issuer          string    `json:"iss,omitempty"`
	Audience        textList  `json:"aud,omitempty"`
	TenantID        string    `json:"tid,omitempty"`
	AppID           string    `json:"appid,omitempty"`
	AuthorizedParty string    `json:"azp,omitempty"`
	NotBefore       *unixTime `json:"nbf,omitempty"`
	ExpiresAt       *unixTime `json:"exp,omitempty"`
}

func newRawClaims(c Claims) rawClaims {
	return rawClaims{c.Issuer, c.Audience, c.TenantID, c.AppID, c.AuthorizedParty, newUnixTime(c.NotBefore), newUnixTime(c.ExpiresAt)}
}

func (r rawClaims) claims() Claims {
	return Claims{r.Issuer, r.Audience, r.TenantID, r.AppID, r.AuthorizedParty, r.NotBefore.time(), r.ExpiresAt.time()}
}

// textList is one text or a list of them.
type textList []string

func (l textList) MarshalJSON() ([]byte, error) {
	if len(l) == 1 {
		return json.Marshal(l[0])
	}
	return json.Marshal([]string(l))
}

func (l *textList) UnmarshalJSON(b []byte) error {
	if bytes.HasPrefix(b, []byte(`"`)) {
		var one string
		err := json.Unmarshal(b, &one)
		*l = textList{one}
		return err
	}
	return json.Unmarshal(b, (*[]string)(l))
}

// unixTime is seconds since 1970, in JSON a number that may have a fraction.
type unixTime float64

func newUnixTime(t time.Time) *unixTime {
	if t.IsZero() {
		return nil
	}
	seconds := unixTime(t.Unix())
	return &seconds
}

func (u *unixTime) time() time.Time {
	if u == nil {
		return time.Time{}
	}
	whole, fraction := math.Modf(float64(*u))
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC()
}

func (u unixTime) MarshalJSON() ([]byte, error) { return strconv.AppendInt(nil, int64(u), 10), nil }

// UnmarshalJSON refuses what is before 1970 or after 9999, so that times can be counted with.
func (u *unixTime) UnmarshalJSON(b []byte) error {
	seconds, err := strconv.ParseFloat(string(b), 64)
	if err != nil || !(seconds >= 0 && seconds < 253402300800) {
		return errors.New("not a time")
	}
	*u = unixTime(seconds)
	return nil
}
