// Package journey tests the program from outside: it builds the binary, starts it, sends requests to it, receives
// its deliveries, kills it, fills its disk, and then counts. Tests whose names begin with TestStress are long or
// assert a rate; they are built with the tag stress, and `make stress` runs them.
//
// Each test keeps the ledger of package prove, which says what must hold and by which letters: the bodies that it
// sent, the requests that were answered 2xx and the deliveries that arrived.
//
// All traffic stays on the loopback interface. The package consists of tests.
package journey
