//go:build race

package providertest

// ManyMutants is a usual number for [Mutants]. With the race detector each takes ten times as long, and there are
// fewer of them.
const ManyMutants = 1000
