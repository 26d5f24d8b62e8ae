//go:build race

package store

// underRace says that the race detector makes everything ten times slower.
const underRace = true
