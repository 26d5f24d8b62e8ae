// Package action is the work that destinations can do here instead of sending an event somewhere: each kind of it is a
// [provider.Action], which the engine performs as it makes any attempt.
//
// [Exec] runs a command. It promises that a command gets the event's bytes on its standard input, sees nothing of the
// server's environment that it was not given, and ends within its destination's timeout together with what it started;
// that what it says takes a bounded place; and that nothing runs unless whoever started the server permits it.
// docs/EXEC.md tells people how to use it, and what it means to allow it.
package action
