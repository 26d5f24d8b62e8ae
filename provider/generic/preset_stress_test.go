//go:build stress

package generic_test

import (
	"testing"

	"github.com/bellhop-gateway/bellhop/provider/providertest"
)

// TestStressPresetMutants is TestPresetMutants with more requests.
func TestStressPresetMutants(t *testing.T) { presetMutants(t, providertest.ManyMutants) }
