package config

import "testing"

func TestBytes(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Bytes{"0": 0, "1048576": 1 << 20, "500MiB": 500 << 20, "1.5 GiB": 3 << 29,
		"20GB": 20e9, "7B": 7, "2TiB": 2 << 40, "3kB": 3000} {
		if got, err := parseBytes(text); err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
	}
	for _, text := range []string{"", "GiB", "-1", "1e30", "NaN", "Inf", "a lot", "20 gigs", "0x10q"} {
		if got, err := parseBytes(text); err == nil {
			t.Errorf("%s: %d, want an error", text, got)
		}
	}
}
