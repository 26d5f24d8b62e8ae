package egress

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/egress/http1"
)

// A Class says in one word why there is no whole reply. It is stored with the attempt, and callers branch on it.
type Class string

// The classes.
const (
	ClassTimeout  Class = "timeout"
	ClassDNS      Class = "dns" // the name has no address, or the lookup failed or took too long
	ClassRefused  Class = "connection_refused"
	ClassReset    Class = "connection_reset"
	ClassClosed   Class = "connection_closed" // before the whole reply had arrived
	ClassTLS      Class = "tls"
	ClassProxy    Class = "proxy"           // the destination's proxy did not connect to it, or answered wrongly
	ClassBlocked  Class = "blocked_address" // the server's settings do not permit the address, name or port
	ClassBadURL   Class = "bad_url"         // the URL cannot be used, whatever the settings
	ClassBadReply Class = "bad_reply"       // not HTTP, or headers too large
	ClassCanceled Class = "cancelled"       // by the context, or by Client.Close
	ClassLocal    Class = "local"           // this machine is short of descriptors, memory or ports: see IsLocal
	ClassNetwork  Class = "network"         // any other error: unreachable, …
)

// Classes returns the classes for which the other end, or the way to it, is the cause: all except ClassCanceled and
// ClassLocal.
func Classes() []Class {
	return []Class{
		ClassTimeout, ClassDNS, ClassRefused, ClassReset, ClassClosed, ClassTLS,
		ClassProxy, ClassBlocked, ClassBadURL, ClassBadReply, ClassNetwork,
	}
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
	PhaseWrite        = Phase(http1.PhaseWrite)
	PhaseHeader       = Phase(http1.PhaseHeader)
	PhaseBody         = Phase(http1.PhaseBody)
)

// An Error says why there is no whole reply. All errors of this package are of this type.
type Error struct {
	Class  Class
	Phase  Phase
	Detail string // for a person; may name hosts and addresses, but never a path, a query or a header
	Sent   bool   // bytes of the request may have left: whether the server acted on it is unknown
	Err    error  // the cause, for errors.Is; may be nil
}

// Error returns the class and the detail, or the detail alone if a URL was refused.
func (e *Error) Error() string {
	if e.Phase == PhaseURL {
		return e.Detail
	}
	return string(e.Class) + ": " + e.Detail
}

func (e *Error) Unwrap() error { return e.Err }

// newError turns the error of an operation in phase into an Error. where names the other end, and within is how
// long the attempt was allowed to take. An err that is an Error already is returned as it is.
func newError(phase Phase, where string, within time.Duration, err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	e := &Error{Class: classify(phase, err), Phase: phase, Err: err}
	switch e.Class {
	case ClassTimeout:
		e.Detail = timeoutDetail(phase, where, within)
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
	case ClassLocal:
		e.Detail = localDetail(err)
	default:
		e.Detail = where + ": " + rootCause(err).Error()
	}
	return e
}

// shortages are the errors of a machine that has no more descriptors, buffers, memory or local ports. The numbers are
// those of Windows: WSAEMFILE, WSAENOBUFS, WSAEADDRNOTAVAIL. Other systems do not use them.
var shortages = []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.EADDRNOTAVAIL,
	10024, 10055, 10049}

// IsLocal reports whether err comes of a shortage of this machine: descriptors, memory or local ports. It says
// nothing about the other end.
func IsLocal(err error) bool {
	var known *Error
	if errors.As(err, &known) {
		return known.Class == ClassLocal
	}
	var dns *net.DNSError // keeps nothing of its cause but the text
	isDNS := errors.As(err, &dns)
	return slices.ContainsFunc(shortages, func(s syscall.Errno) bool {
		return errors.Is(err, s) || isDNS && strings.HasSuffix(dns.Err, s.Error())
	})
}

// Local returns the error of class ClassLocal for err, of which IsLocal is true.
func Local(err error) *Error {
	var known *Error
	if errors.As(err, &known) {
		return known
	}
	return &Error{Class: ClassLocal, Phase: PhaseDial, Detail: localDetail(err), Err: err}
}

// localDetail describes a shortage of this machine.
func localDetail(err error) string {
	return "this machine is short of a resource, which is not the destination's fault: " + rootCause(err).Error()
}

// classify returns the class of an error that an operation in phase returned.
func classify(phase Phase, err error) Class {
	var protocol http1.ProtocolError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &protocol):
		return ClassBadReply
	case errors.Is(err, context.Canceled), errors.Is(err, net.ErrClosed):
		return ClassCanceled
	case IsLocal(err):
		return ClassLocal
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded),
		errors.As(err, &timeout) && timeout.Timeout():
		return ClassTimeout
	case phase == PhaseTLS, isAlert(err):
		return ClassTLS
	case errors.Is(err, syscall.ECONNREFUSED):
		return ClassRefused
	case http1.IsReset(err):
		return ClassReset
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ClassClosed
	}
	return ClassNetwork
}

// isAlert reports whether err is a TLS alert, or the reply of a server that does not speak TLS. With TLS 1.3 a
// server refuses a missing client certificate after the handshake, so that the first read of the reply returns
// the alert.
func isAlert(err error) bool {
	var op *net.OpError
	var record tls.RecordHeaderError
	return errors.As(err, &op) && (op.Op == "remote error" || op.Op == "local error") || errors.As(err, &record)
}

// tlsDetail describes err, with which a TLS handshake failed.
func tlsDetail(err error) string {
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &record):
		return "the server does not speak TLS on this port"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), http1.IsReset(err):
		return "the server ended the connection during the TLS handshake"
	}
	return strings.TrimPrefix(err.Error(), "tls: ")
}

// timeoutDetail describes a timeout in phase. where and within are as in newError.
func timeoutDetail(phase Phase, where string, within time.Duration) string {
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

// during returns the end of a message about an error in phase.
func during(phase Phase) string {
	switch phase {
	case PhaseDNS:
		return " while looking up the host"
	case PhaseDial:
		return " while connecting"
	case PhaseProxy:
		return " while the proxy was connecting"
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

// rootCause removes the operations and addresses that package net wraps around a cause.
func rootCause(err error) error {
	for {
		next := errors.Unwrap(err)
		if next == nil {
			return err
		}
		err = next
	}
}

// DescribeStatus returns an HTTP status in words: "404 Not Found", or "302: redirects are not followed".
func DescribeStatus(status int) string {
	text := strconv.Itoa(status)
	if status >= 300 && status < 400 {
		return text + ": redirects are not followed"
	}
	if name := http.StatusText(status); name != "" {
		return text + " " + name
	}
	return text
}
