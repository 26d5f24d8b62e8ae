package bellhop_test

import (
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/bellhop-gateway/bellhop"
)

func TestPasted(t *testing.T) {
	for text, want := range map[string]string{
		"secret": "secret", " secret ": "secret", "secret\n": "secret", "secret\r\n": "secret", "\tsecret": "secret",
		"\ufeffsecret": "secret", "\ufeff\n secret\u00a0": "secret", "\u200bsecret\u2060": "secret",
		"two  words": "two  words", "\n": "", "": "", "\ufeff": "",
	} {
		if got := bellhop.Pasted(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

func TestSecretFault(t *testing.T) {
	for text, want := range map[string]string{
		"secret": "", "two words": "", "grüße": "", strings.Repeat("a", 4096): "",
		"":                        "empty",
		strings.Repeat("a", 4097): "at most 4096",
		"s\x00e\x00":              "UTF-16",
		"\xff\xfe":                "UTF-8",
		"a\ufffdb":                "UTF-8",
		"a\nb":                    "line break",
		"a\tb":                    "control character",
		"a\x7fb":                  "control character",
		"a\ufeffb":                "control character",
	} {
		got := bellhop.SecretFault(text)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%.20q: got %q, want %q", text, got, want)
		}
	}
}

func TestPastedPEM(t *testing.T) {
	const want = "-----BEGIN KEY-----\nAAAA\nBB==\n-----END KEY-----\n"
	for _, text := range []string{
		want, "\ufeff" + want, strings.ReplaceAll(want, "\n", "\r\n"), strings.ReplaceAll(want, "\n", "\r"),
		" \n\t" + strings.ReplaceAll(want, "\n", " \n\n  ") + "\u00a0", strings.ReplaceAll(want, "\n", `\n`),
		strings.ReplaceAll(want, "\n", `\r\n`), strings.TrimSpace(want),
	} {
		if got := bellhop.PastedPEM(text); got != want || bellhop.PEMFault(got) != "" {
			t.Errorf("%q: got %q, fault %q", text, got, bellhop.PEMFault(got))
		}
	}
	for text, want := range map[string]string{
		"": "", "AAAA": "", "s\x00e\x00": "UTF-16", "\xff\xfe": "UTF-8", "a\ufffdb": "UTF-8",
		"-----BEGIN KEY----- AAAA BB== -----END KEY-----": "line breaks",
	} {
		got := bellhop.PEMFault(bellhop.PastedPEM(text))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// encodeUTF16 returns text in UTF-16 behind its byte order mark.
func encodeUTF16(text string, bigEndian bool) []byte {
	var b []byte
	for _, u := range utf16.Encode([]rune("\ufeff" + text)) {
		if bigEndian {
			b = append(b, byte(u>>8), byte(u))
		} else {
			b = append(b, byte(u), byte(u>>8))
		}
	}
	return b
}

func TestFileText(t *testing.T) {
	const text = "whsec_key, grüße 🔔\r\n"
	for name, content := range map[string][]byte{
		"UTF-8": []byte(text), "UTF-8 with a mark": []byte("\ufeff" + text),
		"UTF-16, little endian": encodeUTF16(text, false), "UTF-16, big endian": encodeUTF16(text, true),
	} {
		if got, err := bellhop.FileText(content); got != text || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for name, content := range map[string][]byte{
		"UTF-16 without a mark": encodeUTF16(text, false)[2:], "Latin-1": []byte("gr\xfc\xdfe"), "binary": {1, 0, 2},
		"UTF-16 of an odd length": append(encodeUTF16(text, false), 0),
		"UTF-16, half a pair":     {0xff, 0xfe, 0x3d, 0xd8},
		"UTF-32":                  {0xff, 0xfe, 0, 0, 'a', 0, 0, 0},
	} {
		if got, err := bellhop.FileText(content); err == nil || strings.Contains(err.Error(), "whsec") {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
}

// FuzzFileText checks that a text of every encoding comes out as the same text, and that no file panics.
func FuzzFileText(f *testing.F) {
	f.Add([]byte("\xef\xbb\xbfkey\r\n"))
	f.Add([]byte("\xff\xfek\x00"))
	f.Add([]byte("\xfe\xff\xd8\x3d\xdd\x14"))
	f.Fuzz(func(t *testing.T, content []byte) {
		text, err := bellhop.FileText(content)
		if err != nil || strings.HasPrefix(text, "\ufeff") {
			return
		}
		for _, bigEndian := range []bool{false, true} {
			if again, err := bellhop.FileText(encodeUTF16(text, bigEndian)); again != text || err != nil {
				t.Errorf("%q becomes %q, %v", text, again, err)
			}
		}
		if clean := bellhop.Pasted(text); clean != bellhop.Pasted(clean) {
			t.Errorf("%q is trimmed further", clean)
		}
	})
}
