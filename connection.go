package bellhop

import (
	"encoding/json"
	"time"
)

// A Connection is who we are at a provider's API: an account there, with the keys or tokens by which it is proven.
type Connection struct {
	ID       string // "con_…"
	Name     string // unique among connections
	Provider string // name of the connector that calls the API: "graph", "oauth2"
	Tenant   string // the tenant that the connection belongs to; "" is none

	// Settings are those of the connector, secrets included. They are stored encrypted and shown with secrets
	// masked. Tokens are stored beside them, encrypted too, and are never shown.
	Settings json.RawMessage

	State     ConnectionState
	Reason    string    // why State is not ready, with the remedy; of a ready one: a warning, or ""
	Account   string    // the account at the provider, as the provider names it; "" while it is unknown
	ExpiresAt time.Time // when the present access token ends; zero if there is none
	UsedAt    time.Time // when the API was called last, to the minute; zero is never

	CreatedAt time.Time
	UpdatedAt time.Time   // of name and settings; neither tokens nor State change it
	SecretsAt SecretTimes // when each secret among Settings was set
}

// A ConnectionState says whether calls can be made in the name of a connection.
type ConnectionState string

// The states.
const (
	// ConnectionReady: the authority granted a token at the latest request and the API takes it, as far as is known;
	// or the calls are signed by a key.
	ConnectionReady ConnectionState = "ready"
	// ConnectionSignedOut: the authority refused for good, or nobody has signed in. A person has to act: Reason
	// says how.
	ConnectionSignedOut ConnectionState = "signed_out"
	// ConnectionFailing: the latest request for a token failed, and is made again by itself; or the API refuses the
	// tokens, until a call succeeds.
	ConnectionFailing ConnectionState = "failing"
)

// A ConnectionOutcome is what a sign-in, a refresh of the tokens or a sign-out made of a connection.
type ConnectionOutcome struct {
	ID        string
	Version   time.Time // UpdatedAt of the connection whose settings were used
	State     ConnectionState
	Reason    string
	Account   string
	ExpiresAt time.Time
	Tokens    []byte // in the clear; nil leaves the stored tokens, and empty deletes them
}

// TypeConnectionSignedOut is the type of the gateway's own event about a connection that was signed out by its
// authority. The subject is the connection's name.
const TypeConnectionSignedOut = "bellhop.connection.signed_out"

// Bounds of the texts of a Connection.
const (
	MaxConnectionReason  = 1000 // bytes
	MaxConnectionAccount = 255
)
