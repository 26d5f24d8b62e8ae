package client

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"strings"
	"testing"
)

// TestMakeSecret: a secret has the form and the bytes that its setting asks for.
func TestMakeSecret(t *testing.T) {
	random := bytes.Repeat([]byte{0xa5}, 64)
	standard := func(text string) ([]byte, error) {
		return base64.StdEncoding.DecodeString(strings.TrimPrefix(text, "whsec_"))
	}
	for kind, c := range map[string]struct {
		decode func(string) ([]byte, error)
		length int
	}{
		"text": {base64.RawURLEncoding.DecodeString, 32}, "hex": {hex.DecodeString, 32},
		"base64": {base64.StdEncoding.DecodeString, 64}, "standard": {standard, 32},
	} {
		text, err := Setting{Make: kind}.MakeSecret(bytes.NewReader(random))
		if err != nil {
			t.Fatal(err)
		}
		got, err := c.decode(text)
		if err != nil || !bytes.Equal(got, random[:c.length]) || strings.HasPrefix(text,
			"whsec_") != (kind == "standard") {
			t.Errorf("%s: %s: %v", kind, text, err)
		}
		if _, err := (Setting{Make: kind}).MakeSecret(bytes.NewReader(random[:10])); err == nil {
			t.Errorf("%s: made of too few bytes", kind)
		}
	}
	if text, err := (Setting{Name: "secret"}).MakeSecret(bytes.NewReader(random)); err == nil {
		t.Errorf("a secret that the other side makes: %s", text)
	}
}
