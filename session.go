package bellhop

import (
	"crypto/sha256"
	"fmt"
	"strings"
	"time"
)

// Bounds of the sessions of a browser and of the links that begin one.
const (
	SessionLength   = 12 * time.Hour  // after it a session has ended, however it was used
	SessionIdle     = time.Hour       // a session that was not used for so long has ended
	SignInLinkValid = 5 * time.Minute // how long a link can be used, once
	MaxSessions     = 1000            // of the pages: one more ends the oldest one; the same holds for links
)

// A Session lets a browser act as the holder of a key of the API, or as a person whom an OpenID issuer knows. The
// browser has a token of 256 random bits; kept is the hash of it. A session ends with its key, or with the rule that
// let the person in. That of a portal ends with its link, which says what the visitor may do.
type Session struct {
	Hash    [32]byte // HashToken of the token
	KeyID   string   // "" is the admin key; of a person it stands in place of one
	KeyHash [32]byte // HashKey of the text of the key; zero of a person
	Person  string   // the name that the issuer gave; "" of a key
	Rule    string   // the rule that let the person in; "" of a key
	Portal  string   // the id of the portal link that began it; "" is a session of the pages

	CreatedAt time.Time
	UsedAt    time.Time // of a recent use, at most a minute before the latest one
}

// Ended reports whether s has ended at a time because of its age or because it was not used.
func (s *Session) Ended(now time.Time) bool {
	return !now.Before(s.CreatedAt.Add(SessionLength)) || !now.Before(s.UsedAt.Add(SessionIdle))
}

// A SignInLink begins a session once, for the holder of the key that made it.
type SignInLink struct {
	Hash      [32]byte // HashToken of the token in its URL
	KeyID     string   // "" is the admin key
	KeyHash   [32]byte // HashKey of the text of the key
	ExpiresAt time.Time
}

// HashToken returns the SHA-256 of a token of a session or of a link. The token has 256 random bits, so that no slow
// hash is needed.
func HashToken(token string) [32]byte { return sha256.Sum256([]byte(token)) }

// A SignInRule lets people of an OpenID issuer in: those whose ID token has a claim of that value.
type SignInRule struct {
	Text   string // "ROLE:CLAIM=VALUE" or "ROLE@TENANT:CLAIM=VALUE"
	Scope  Scope  // read of a viewer, operate of an operator, admin of an admin
	Tenant string // the name of one; "" is every tenant
	Claim  string
	Value  string
}

// signInRoles are the scopes by the roles that rules name.
var signInRoles = map[string]Scope{"viewer": ScopeRead, "operator": ScopeOperate, "admin": ScopeAdmin}

// ParseSignInRule reads the text of a rule.
func ParseSignInRule(text string) (SignInRule, error) {
	role, claim, ok := strings.Cut(text, ":")
	role, tenant, hasTenant := strings.Cut(role, "@")
	name, value, isClaim := strings.Cut(claim, "=")
	scope := signInRoles[role]
	switch {
	case !ok || !isClaim || name == "" || value == "" || hasTenant && tenant == "":
		return SignInRule{}, fmt.Errorf("use ROLE:CLAIM=VALUE, such as operator:groups=support, or "+
			"ROLE@TENANT:CLAIM=VALUE, not %q", text)
	case scope == "":
		return SignInRule{}, fmt.Errorf("use the role viewer, operator or admin, not %q", role)
	}
	return SignInRule{text, scope, tenant, name, value}, nil
}
