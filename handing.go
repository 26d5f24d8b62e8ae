package bellhop

import "time"

// TypeListen is the type of destinations whose deliveries wait for somebody who listens, with a program of their own.
const TypeListen = "listen"

// A Handing is a delivery in the hands of a listener: an attempt that waits for the answer of the listener's program.
type Handing struct {
	Token      string // names the attempt; an answer has the same
	DeliveryID string
	Attempt    int // from 1
	Event      EventLabel
	Until      time.Time // when the attempt ends without an answer
}

// The codes of attempts of destinations of type listen.
const (
	ErrorUnanswered   = "unanswered"    // the program cannot be reached, or gave no answer
	ErrorListenerGone = "listener_gone" // the listener went away with the delivery in its hands
)

// MaxAnswerDetail bounds Answer.Detail, in bytes.
const MaxAnswerDetail = 500

// An Answer is what the program of a listener answered to an event, or why it did not.
type Answer struct {
	Token      string // of the Handing
	Status     int    // of the HTTP answer, 100 to 999; 0 without one
	RetryAfter string // the header of that name
	Body       []byte // the beginning of the answer: at most MaxReplyBytes
	Detail     string // without an answer: the reason in words, at most MaxAnswerDetail bytes
}

// Check returns an error of CodeInvalid for each member of a that cannot be accepted.
func (a *Answer) Check() error {
	var statusErr, bodyErr, detailErr error
	if a.Status != 0 && (a.Status < 100 || a.Status > 999) {
		statusErr = Invalid("status", "must be the status of an HTTP answer, or 0 if there was none")
	}
	if len(a.Body) > MaxReplyBytes {
		bodyErr = Invalid("body", "is longer than "+Count(MaxReplyBytes, "byte")+": send the beginning of the answer")
	}
	if len(a.Detail) > MaxAnswerDetail {
		detailErr = Invalid("detail", "is longer than "+Count(MaxAnswerDetail, "byte"))
	}
	return Join("", statusErr, bodyErr, detailErr)
}
