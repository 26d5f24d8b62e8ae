//go:build !linux

package pgtest

import "os"

// parent returns the folder for the folder of a server.
func parent(Options) string { return os.TempDir() }
