//go:build stress

package graph_test

import (
	"testing"

	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// TestStressMutants is TestMutants with more notifications.
func TestStressMutants(t *testing.T) { mutants(t, providertest.ManyMutants) }
