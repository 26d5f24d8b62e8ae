// Package interop runs published clients of other projects against a running bellhop serve on loopback. Bellhop must
// receive the events that they send, and they must read and verify the events that Bellhop delivers.
//
// It is a separate Go module, so that Bellhop does not depend on these clients, and it is not part of make test.
// `make interop` runs it; docs/INTEROP.md lists the results.
package interop
