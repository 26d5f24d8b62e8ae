//go:build race

package journey

// memoryFactor is how much more memory a program with the race detector may hold.
const memoryFactor = 3
