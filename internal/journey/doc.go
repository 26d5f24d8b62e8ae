// Package journey tests the program from outside: it builds the binary, starts it, sends requests to it, receives
// its deliveries, kills it, fills its disk, and then counts. Tests whose names begin with TestStress are long or
// assert a rate; they are built with the tag stress, and `make stress` runs them.
//
// Each test keeps a ledger of the bodies that it sent, the requests that were answered 2xx and the deliveries that
// arrived. The ledger is in memory, because the gateway is killed and the test is not. At the end, check compares
// the ledger with the lists of the gateway's API. These are the invariants, by the letters that docs and issues
// use:
//
//	L  a body that was answered 2xx is stored
//	T  each stored event has one delivery for each destination that wants it, and the delivery is delivered in the end
//	B  the bytes that were sent, stored and received are the same
//	P  every stored event was sent
//	U  an event with a sender's id is stored once
//	X  a delivery arrives twice only because of a kill, with the same ids, and seldom
//	S  each delivery is in exactly one state, and the states add up to all deliveries
//
// All traffic stays on the loopback interface. The package consists of tests.
package journey
