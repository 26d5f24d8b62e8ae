package bellhop

import "time"

// A Submission is a request to create something that its client may repeat without creating it twice: it came with an
// Idempotency-Key.
type Submission struct {
	Key     [32]byte  // SHA-256 of who sent it and of its Idempotency-Key
	Request [32]byte  // SHA-256 of what it asks for
	BegunAt time.Time // set by the store

	// Status is that of its answer, and Answer the headers and the body of that, in the form of their writer. 0 and nil
	// if there is no answer: the request is being answered, or a crash cut it off, or it failed inside.
	Status int
	Answer []byte
}

// KeepSubmissions is how long a Submission is kept from BegunAt on.
const KeepSubmissions = 24 * time.Hour
