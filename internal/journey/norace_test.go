//go:build !race

package journey

// memoryFactor is 1: the bounds of the tests are those of the program as it is released.
const memoryFactor = 1
