//go:build stress

package sqlite

import "testing"

// The long forms of tests that also run in a short form with every go test.

func TestStressPowerCut(t *testing.T)         { powerCuts(t, 100) }
func TestStressPowerCutInReplay(t *testing.T) { powerCutsInReplay(t, 50) }
func TestStressDiskErrorOnOpen(t *testing.T)  { diskErrorOnOpen(t, 1) }
func TestStressModel(t *testing.T)            { compareWithModel(t, "300") }
func TestStressKeysThatWait(t *testing.T)     { keysThatWait(t, 100_000) }
func TestStressDiskFullOnce(t *testing.T)     { diskFullOnce(t, upTo(60)...) }

func TestStressDiskErrors(t *testing.T) {
	diskErrors(t, opSync, upTo(60)...)
	diskErrors(t, opWrite, upTo(60)...)
	diskErrors(t, opTruncate, upTo(3)...)
}

// upTo returns the numbers from 1 to n.
func upTo(n int) (all []int) {
	for i := range n {
		all = append(all, i+1)
	}
	return all
}
