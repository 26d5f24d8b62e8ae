package connection

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// tokens is what the store keeps of a connection, encrypted. No verb prints it.
type tokens struct {
	// Identity is a hash of the settings by which the tokens were asked for. Tokens of other settings are not used.
	Identity string `json:"identity"`
	ByUser   bool   `json:"by_user,omitempty"` // a user signed in, even if there is no token of the user any more

	Access   string    `json:"access,omitempty"`
	IssuedAt time.Time `json:"issued_at,omitzero"` // by our clock
	EndsAt   time.Time `json:"ends_at,omitzero"`   // of Access
	FreshTo  time.Time `json:"fresh_to,omitzero"`  // until then Access is used without a thought of refreshing it

	Refresh string `json:"refresh,omitempty"`
	// Previous is the refresh token before Refresh, until Refresh has worked once.
	Previous string `json:"previous,omitempty"`

	Scopes  []string `json:"scopes,omitempty"`
	Roles   []string `json:"roles,omitempty"`
	Account string   `json:"account,omitempty"`

	// Refused is why the API refuses these tokens, although the authority grants them; "" if it does not. New tokens
	// take it over, until a call succeeds.
	Refused string `json:"refused,omitempty"`
}

// String hides the tokens.
func (tokens) String() string { return "(tokens)" }

// GoString hides the tokens.
func (tokens) GoString() string { return "(tokens)" }

// readTokens decodes stored tokens. Without any, or with those of other settings, it returns the zero tokens.
func readTokens(raw []byte, identity string) (t tokens) {
	if json.Unmarshal(raw, &t) != nil || t.Identity != identity {
		return tokens{Identity: identity}
	}
	return t
}

// write encodes the tokens for the store.
func (t tokens) write() []byte {
	text, err := json.Marshal(t)
	if err != nil {
		panic(fmt.Sprintf("bellhop: write tokens: %v", err)) // of texts and times
	}
	return text
}

// granted returns what the tokens say about permissions.
func (t tokens) granted() provider.Granted {
	return provider.Granted{ByUser: t.ByUser, Scopes: t.Scopes, Roles: t.Roles, Account: t.Account}
}

// clockSlack is how far back the clock may be set before a token counts as issued in the future.
const clockSlack = time.Minute

// usable reports whether the access token has not ended. A token from the future is of a clock that was set back
// since, so that nothing is known about its end.
func (t tokens) usable(now time.Time) bool {
	return t.Access != "" && now.Before(t.EndsAt) && !now.Add(clockSlack).Before(t.IssuedAt)
}

// fresh reports whether the access token can be used without refreshing it.
func (t tokens) fresh(now time.Time) bool { return t.usable(now) && now.Before(t.FreshTo) }

// refreshMargin is how long before its end a token is refreshed: this, or a tenth of its life if that is less.
const refreshMargin = 5 * time.Minute

// margin returns how long before its end a token of that life is refreshed.
func margin(life time.Duration) time.Duration { return min(refreshMargin, life/10) }

// identity returns a hash of the settings that tokens belong to. Secrets, and the choice of a grant, are not of
// them: a new secret does not end a sign-in.
func identity(c provider.Connected) string {
	o := c.OAuth
	text, err := json.Marshal([]any{c.BaseURL, o.Issuer, o.AuthURL, o.TokenURL, o.ClientID, o.Scopes, o.UserScopes,
		o.Params})
	if err != nil {
		panic(fmt.Sprintf("bellhop: hash settings: %v", err)) // of texts
	}
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:16])
}

// claims are the claims of a token that show who it is for. They are not verified, and decide nothing.
type claims struct {
	Scope     string   `json:"scp"`
	Roles     []string `json:"roles"`
	UserName  string   `json:"preferred_username"`
	Principal string   `json:"upn"`
	Email     string   `json:"email"`
	Name      string   `json:"name"`
	Subject   string   `json:"sub"`
	App       string   `json:"appid"`
	Party     string   `json:"azp"`
}

// maxTokenBytes bounds a token, because it goes into a header of each request.
const maxTokenBytes = 16 << 10

// readClaims returns the claims of token; the zero claims if it is not a JSON Web Token.
func readClaims(token string) (c claims) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 || len(token) > maxTokenBytes {
		return c
	}
	payload, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(parts[1], "="))
	if err != nil || json.Unmarshal(payload, &c) != nil {
		return claims{}
	}
	return c
}

// account returns the name of the account that claims are about; "" if they name none.
func (c claims) account(byUser bool) string {
	names := []string{c.UserName, c.Principal, c.Email, c.Name, c.Subject}
	if !byUser {
		names = nil
		for _, id := range []string{c.App, c.Party} {
			if id != "" {
				names = append(names, "application "+id)
			}
		}
	}
	for _, name := range names {
		if text := plain(name, bellhop.MaxConnectionAccount); text != "" {
			return text
		}
	}
	return ""
}

// plain returns text from outside for a message: without control characters and bounded to n bytes.
func plain(text string, n int) string {
	text = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == '\u2028' || r == '\u2029' || r >= '\u202a' && r <= '\u202e' ||
			r >= '\u2066' && r <= '\u2069' {
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, ""))
	if len(text) > n {
		text = strings.ToValidUTF8(text[:n-len("…")], "") + "…"
	}
	return strings.TrimSpace(text)
}
