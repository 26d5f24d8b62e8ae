//go:build !linux

package disk

// deviceName returns "": these systems do not say which device a folder is on.
func deviceName(string, string) string { return "" }
