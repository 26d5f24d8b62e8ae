//go:build !race

package providertest

// ManyMutants is a usual number for [Mutants].
const ManyMutants = 10_000
