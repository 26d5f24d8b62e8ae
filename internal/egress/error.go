package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"
)

// A Class says in one word why there is no whole reply. It is kept with the attempt; callers branch on it.
type Class string

// The classes.
const (
	ClassTimeout  Class = "timeout"
	ClassDNS      Class = "dns" // the name has no address, or the lookup failed or took too long
	ClassRefused  Class = "connection_refused"
	ClassReset    Class = "connection_reset"
	ClassClosed   Class = "connection_closed" // it ended before the whole reply had come
	ClassTLS      Class = "tls"
	ClassProxy    Class = "proxy"           // the destination's proxy did not connect to it, or not as proxies do
	ClassBlocked  Class = "blocked_address" // an address, name or port that the server's settings do not permit
	ClassBadURL   Class = "bad_url"         // the URL cannot be used, whatever the settings
	ClassBadReply Class = "bad_reply"       // not HTTP, or headers too large, or framing that contradicts itself
	ClassCanceled Class = "cancelled"       // by the context, or by Client.Close
	ClassNetwork  Class = "network"         // anything else: unreachable, no more descriptors, …
)

// Classes are those that an attempt can end with.
func Classes() []Class {
	return []Class{ClassTimeout, ClassDNS, ClassRefused, ClassReset, ClassClosed, ClassTLS, ClassProxy, ClassBlocked, ClassBadURL, ClassBadReply, ClassNetwork}
}

// A Phase says how far an exchange had come.
type Phase string

// The phases, in their order.
const (
	PhaseURL    Phase = "url" // nothing was tried
	PhaseDNS    Phase = "dns"
	PhaseDial   Phase = "dial"
	PhaseProxy  Phase = "proxy"
	PhaseTLS    Phase = "tls"
	PhaseWrite  Phase = "write"
	PhaseHeader Phase = "header"
	PhaseBody   Phase = "body"
)

// An Error is why there is no whole reply. All errors of this package are of this type.
type Error struct {
	Class  Class
	Phase  Phase
	Detail string // for a person; hosts and addresses at most, never a path, a query or a header
	Sent   bool   // bytes of the request may have left: whether it was acted upon is unknown
	Err    error  // the cause, for errors.Is; may be nil
}

// Error is the class and the detail; of a URL that was refused, the detail alone.
func (e *Error) Error() string {
	if e.Phase == PhaseURL {
		return e.Detail
	}
	return string(e.Class) + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// WithoutURL removes what net/http puts around the errors of a client: the method and the whole URL.
func WithoutURL(err error) error {
	for {
		var u *url.Error
		if !errors.As(err, &u) {
			return err
		}
		err = u.Err
	}
}

// failure turns what an operation in phase returned into an Error. within is the length of the attempt.
func failure(phase Phase, where string, within time.Duration, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Class: classify(phase, err), Phase: phase, Err: err}
	switch e.Class {
	case ClassTimeout:
		e.Detail = waitingFor(phase, where, within)
	case ClassRefused:
		e.Detail = where + " does not accept connections"
	case ClassReset:
		e.Detail = where + " reset the connection" + during(phase)
	case ClassClosed:
		e.Detail = where + " closed the connection" + during(phase)
	case ClassCanceled:
		e.Detail = "given up" + during(phase)
	case ClassTLS:
		e.Detail = where + ": " + tlsDetail(err)
	case ClassBadReply:
		e.Detail = err.Error()
	default:
		e.Detail = where + ": " + innermost(err).Error()
	}
	return e
}

func classify(phase Phase, err error) Class {
	var bad badReply
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &bad):
		return ClassBadReply
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return ClassCanceled
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return ClassTimeout
	case phase == PhaseTLS, isAlert(err):
		return ClassTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case isReset(err):
		return ClassReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ClassClosed
	}
	return ClassNetwork
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isAlert reports whether err is an alert of TLS. In TLS 1.3 a server refuses our missing certificate only
// when it is first read from.
func isAlert(err error) bool {
	var op *net.OpError
	var record tls.RecordHeaderError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") || errors.As(err, &record)
}

func tlsDetail(err error) string {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return "the server does not speak TLS on this port"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), isReset(err):
		return "the server ended the connection during the TLS handshake"
	}
	return strings.TrimPrefix(err.Error(), "tls: ")
}

func waitingFor(phase Phase, where string, within time.Duration) string {
	limit := within.Round(time.Millisecond).String()
	switch phase {
	case PhaseDial:
		return "no connection to " + where + " within " + limit
	case PhaseProxy:
		return "no connection within " + limit + " (waiting for " + where + ")"
	case PhaseTLS:
		return "no reply within " + limit + " (waiting for the TLS handshake)"
	case PhaseWrite:
		return "request not taken within " + limit + " (sending it)"
	case PhaseBody:
		return "no whole reply within " + limit + " (waiting for the body)"
	}
	return "no reply within " + limit + " (waiting for headers)"
}

func during(phase Phase) string {
	switch phase {
	case PhaseDNS:
		return " while looking up the host"
	case PhaseDial:
		return " while connecting"
	case PhaseProxy:
		return " while the proxy was to connect"
	case PhaseTLS:
		return " during the TLS handshake"
	case PhaseWrite:
		return " while the request was sent"
	case PhaseHeader:
		return " before the reply's headers had come"
	case PhaseBody:
		return " before the reply's body had come"
	}
	return ""
}

// innermost drops the operations and addresses that net wraps around a cause.
func innermost(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}
