package bellhop

import "net/http"

// A Sampled is what a source made of a sample: a request that the gateway made itself, as the provider of the source
// would.
type Sampled struct {
	Status    int // of the answer
	Header    http.Header
	Body      []byte
	EventIDs  []string // of the events that are stored
	Duplicate bool     // the source had the event already
	RequestID string   // of the record, if the request is on record: it was refused, or is a handshake
	Reason    string   // the code of the refusal; "" if it was accepted
	Detail    string   // of the refusal, in words
}
