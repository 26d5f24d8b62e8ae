package signature_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

var benchBody = bytes.Repeat([]byte("0123456789abcdef"), 64) // 1 KiB

// BenchmarkSHA256 is the hashing that every other benchmark here contains.
func BenchmarkSHA256(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		sha256.Sum256(benchBody)
	}
}

func BenchmarkHMACSign(b *testing.B) {
	b.ReportAllocs()
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		if _, err := github.Sign(key32, benchBody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkHMACVerify(b *testing.B) {
	value := must(github.Sign(key32, benchBody))
	keys := [][]byte{key32}
	b.ReportAllocs()
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		if err := github.Verify(value, keys, benchBody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkSignStandard(b *testing.B) {
	keys := []signature.StandardKey{newKey(b)}
	at := time.Unix(1700000000, 0)
	b.ReportAllocs()
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		if _, err := signature.SignStandard(keys, "evt_0123456789abcdefghjk", at, benchBody); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkVerifyStandard(b *testing.B) {
	benchVerify(b, newKey(b))
}

func BenchmarkVerifyStandardEd25519(b *testing.B) {
	benchVerify(b, must(signature.ParseStandardKey(privateText)))
}

func benchVerify(b *testing.B, key signature.StandardKey) {
	keys := []signature.StandardKey{key}
	at := time.Unix(1700000000, 0)
	value := must(signature.SignStandard(keys, "evt_0123456789abcdefghjk", at, benchBody))
	b.ReportAllocs()
	b.SetBytes(int64(len(benchBody)))
	for b.Loop() {
		if err := signature.VerifyStandard("evt_0123456789abcdefghjk", "1700000000", value, benchBody, keys, at,
			signature.StandardTolerance); err != nil {
			b.Fatal(err)
		}
	}
}

func newKey(tb testing.TB) signature.StandardKey {
	tb.Helper()
	return must(signature.ParseStandardKey(signature.NewStandardSecret(rand.Reader)))
}
