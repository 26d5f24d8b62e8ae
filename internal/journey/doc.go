// Package journey tests the program from outside: it builds the binary, starts it, sends to it, receives from it,
// kills it, takes its disk and its peace away, and then counts.
//
// Every run keeps a ledger of what was sent, what was answered 2xx and what arrived. The gateway dies in these tests
// and the test does not, so the ledger is in memory. When a run is over, check compares the ledger with what the
// gateway's API lists, by the names that docs and issues use:
//
//	L  what was answered 2xx is stored
//	T  each stored event has one delivery for each destination that wanted it, delivered in the end
//	B  the bytes are the same when sent, stored and received
//	P  nothing is stored that was never sent
//	U  what its sender gave an id is stored once
//	X  what arrived twice did so because of a kill, under the same ids, and not often
//	S  each delivery is in exactly one state, and none is missing from the sum
//
// All traffic stays on the loopback interface. The package has no code but tests.
package journey
