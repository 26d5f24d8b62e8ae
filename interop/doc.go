// Package interop runs published clients of other projects against a live bellhop serve on loopback: what they
// send has to arrive, and what is delivered has to be read and verified by them.
//
// It is a module of its own, so that Bellhop depends on none of them, and it is no part of make test. `make interop`
// runs it; docs/INTEROP.md says what it showed.
package interop
