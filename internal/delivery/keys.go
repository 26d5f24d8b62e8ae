package delivery

import (
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/signature"
)

// signingKeys are what a destination's requests are signed with: all of them or, once until is over, the first alone. A zero
// until is never over.
type signingKeys struct {
	keys  []signature.StandardKey
	until time.Time
}

// at returns the keys that sign at now.
func (k signingKeys) at(now time.Time) []signature.StandardKey {
	if len(k.keys) > 1 && !k.until.IsZero() && !now.Before(k.until) {
		return k.keys[:1]
	}
	return k.keys
}

func readKeys(s httpSettings) (signingKeys, error) {
	if len(s.Secret) == 0 && s.Format != FormatStandard {
		return signingKeys{}, nil
	}
	if len(s.Secret) == 0 {
		return signingKeys{}, bellhop.Invalid("secret", `required to sign in format standard: "whsec_" and 24 to 64 random bytes in Base64; or choose another format`)
	}
	if err := s.Secret.Check("secret"); err != nil {
		return signingKeys{}, err
	}
	keys := make([]signature.StandardKey, len(s.Secret))
	for i, text := range s.Secret {
		key, err := signature.ParseStandardKey(text)
		if err == nil {
			_, err = signature.SignStandard([]signature.StandardKey{key}, "probe", time.Unix(0, 0), nil)
		}
		if err != nil {
			return signingKeys{}, bellhop.Invalid(s.Secret.Path("secret", i), err.Error())
		}
		keys[i] = key
	}
	until, err := readUntil(s.SecretUntil)
	return signingKeys{keys, until}, err
}

// readUntil reads the setting secret_until; "" is the zero time.
func readUntil(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	until, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return until, bellhop.Invalid("secret_until", `use a time such as "2026-11-22T10:00:00Z": until then every secret signs, and afterwards the first alone`)
	}
	return until, nil
}
