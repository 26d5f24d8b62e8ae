// Package errortest reads Bellhop's errors for tests. Only tests import it.
package errortest

import (
	"errors"
	"testing"

	"github.com/bellhop-gateway/bellhop"
)

// InvalidPaths returns the paths of the field errors of err, in their order. It ends the test unless err is a
// bellhop.Error with the code bellhop.CodeInvalid, and reports field errors without a message.
func InvalidPaths(t testing.TB, err error) (list []string) {
	t.Helper()
	var e *bellhop.Error
	if !errors.As(err, &e) || e.Code != bellhop.CodeInvalid {
		t.Fatalf("%v: want a CodeInvalid error", err)
	}
	for _, f := range e.Fields {
		if f.Message == "" {
			t.Errorf("%s: no message", f.Path)
		}
		list = append(list, f.Path)
	}
	return list
}
