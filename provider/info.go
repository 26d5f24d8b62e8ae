package provider

import "time"

// Info describes a provider or an action: its settings, and how the server treats its sources and destinations unless
// they say otherwise. What its reference page says beside that is its [Guide].
type Info struct {
	Name         string // lower case, one word
	Title        string // as the system calls itself
	Summary      string // one sentence: what it sends and how it proves it
	Links        []string
	Settings     []Setting // of a source
	SendSettings []Setting // of a destination; nil if the provider does not send
	Key          string    // the setting that the CLI's --key sets

	// Of requests at a source.

	MediaTypes   []string // of its bodies, if they are not application/json
	MaxBodyBytes int64    // default; 0 is bellhop.DefaultMaxBodyBytes

	// Of destinations of this type.

	MaxLifetime time.Duration // the longest time until a destination expires; 0 is any
	Schedule    string        // default schedule of retries, by the name of a preset; "" is the default preset
	Rate        float64       // default, in deliveries a second; 0 is any
	SecretURL   bool          // the URL is a secret, since it is all that a sender needs: only its end is ever shown
	Handshake   string        // in a destination, the handshake of its [Handshaker]: "validation-token"; "" is none

	// Of destinations whose type is an [Action].

	Concurrency int           // default number of attempts at a time; 0 is bellhop.DefaultConcurrency
	Timeout     time.Duration // default timeout of an attempt; 0 is bellhop.DefaultTimeout
	MaxTimeout  time.Duration // the longest timeout of an attempt; 0 is bellhop.MaxTimeout, as for http
	Errors      []string      // the codes that ActionResult.Error may have
}

// Kind is the kind of a setting's value.
type Kind string

// The kinds.
const (
	KindText     Kind = "" // a JSON string
	KindFlag     Kind = "true or false"
	KindNumber   Kind = "number"         // whole
	KindDuration Kind = "length of time" // a JSON string such as "5m"
	KindList     Kind = "list"           // of texts
	KindObjects  Kind = "list of objects"
	KindObject   Kind = "object"         // of texts
	KindDocument Kind = "text or object" // a text, or an object in its place
)

// String returns the word for k in forms and pages.
func (k Kind) String() string {
	if k == KindText {
		return "text"
	}
	return string(k)
}

// A Setting is one key of the settings object of a source or destination.
type Setting struct {
	Name     string // as in JSON
	Title    string
	Doc      string // its meaning, its unit or form, its default
	Example  string
	Kind     Kind
	Secret   bool // kept encrypted, never shown
	Signs    bool // of a destination's secret: it only makes signatures and is never sent itself
	Required bool

	// What the schema of the value says beside its kind.

	Choices     []string  // of a text, or of each text of a list: the only values; nil is any. "" is the default
	Format      string    // of a text: a format of JSON Schema, such as "uri"; "" is any
	Many        bool      // of a text: it may be a list of texts, too
	Least, Most int       // of a number; 0 and 0 is any
	Members     []Setting // of the object of a KindDocument: its only members; nil is any

	// Make says how whoever fills in the setting may make a value of it: a secret that both sides agree on. "" is not
	// at all, because the system makes it.
	Make Make
}

// A Make is a way to make a secret of random bytes.
type Make string

// The ways.
const (
	MakeText     Make = "text"     // of letters, digits, - and _
	MakeHex      Make = "hex"      // 32 bytes
	MakeBase64   Make = "base64"   // 64 bytes
	MakeStandard Make = "standard" // a secret of Standard Webhooks: whsec_ and 32 bytes in Base64
)

// A Guider is a provider with a reference page.
type Guider interface {
	Guide() Guide // constant
}

// GuideOf returns the guide of p; the zero Guide if p is not a [Guider].
func GuideOf(p Provider) Guide {
	if g, ok := p.(Guider); ok {
		return g.Guide()
	}
	return Guide{}
}

// A Guide is what the reference page of a provider says beside its [Info]. The server never reads it.
type Guide struct {
	Setup     []string // steps to take at the provider so that it calls a source, in Markdown
	Paste     []Paste  // texts to paste at the provider, in place of some of these steps
	SendSetup []string // steps to take so that a destination of this type has something to call
	Notes     []string // facts about its events, repeats, handshakes and limits, in Markdown
	Recipe    Recipe
	ByHand    string  // a few lines of shell that make an authentic request to a source; "" if only the system can
	Tables    []Table // further tables of the page

	// HandshakeWhen says when the handshake of Info is made by default, in Markdown: [HandshakeAlways], "where X is
	// set"; "" is never.
	HandshakeWhen string
}

// A Paste is a text that sets the provider up: a command, or a piece of a program. In it stand
// https://YOUR-HOST/in/SOURCE for the URL of the source, and {name} for the value of its setting of that name.
type Paste struct{ Title, Text string }

// HandshakeAlways says that the handshake is made before anything is sent, unless a destination says otherwise.
const HandshakeAlways = "always"

// A Recipe completes the commands of a reference page, so that they work as they are printed. Its fields are flags,
// written as for a shell. FILE is a file with the value of the setting that --key sets.
type Recipe struct {
	Source      string // after: bellhop sources create SOURCE --provider NAME
	Destination string // after: bellhop destinations create DESTINATION --type NAME --url URL
	Send        string // after: bellhop send NAME --to URL, where URL is a source made by this recipe
	Query       string // of the two URLs: "code=SECRET"; mostly ""
}

// A Table is a table of a reference page. Its cells are Markdown.
type Table struct {
	Title string
	Text  string // introduces the table
	Head  []string
	Rows  [][]string
}
