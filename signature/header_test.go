package signature_test

import (
	"testing"

	"github.com/bellhop-gateway/bellhop/signature"
)

func TestSingle(t *testing.T) {
	good := must(github.Sign(key32, []byte(body)))
	bad := must(github.Sign(sequence(31), []byte(body)))
	for _, c := range []struct {
		name  string
		lines []string
		want  error // of Single, or else of Verify
	}{
		{"G01 control", []string{"X-Sig: " + good}, nil},
		{"G02 absent", []string{"X-Other: " + good}, signature.ErrMissing},
		{"G03 empty", []string{"X-Sig:"}, signature.ErrMissing},
		{"G54 blanks around it", []string{"x-sig: \t " + good + "  "}, nil},
		{"G54 blank inside", []string{"X-Sig: sha256= " + good[7:]}, signature.ErrMalformed},
		{"G56 good, then bad", []string{"X-Sig: " + good, "X-Sig: " + bad}, signature.ErrMalformed},
		{"G57 bad, then good", []string{"X-Sig: " + bad, "X-Sig: " + good}, signature.ErrMalformed},
		{"G58 twice the same", []string{"X-Sig: " + good, "x-sig: " + good}, signature.ErrMalformed},
		{"G58 empty, then good", []string{"X-Sig:", "X-Sig: " + good}, signature.ErrMalformed},
		{"G59 two in one line", []string{"X-Sig: " + good + "," + bad}, signature.ErrMalformed},
	} {
		t.Run(c.name, func(t *testing.T) {
			value, err := signature.Single(headers(t, c.lines...), "X-Sig")
			if err == nil {
				err = github.Verify(value, [][]byte{key32}, []byte(body))
			}
			wantError(t, err, c.want)
		})
	}
}

func TestRefusal(t *testing.T) {
	for err, want := range map[error]string{
		signature.ErrMissing:   "signature_missing",
		signature.ErrMismatch:  "signature_mismatch",
		signature.ErrExpired:   "signature_expired",
		signature.ErrMalformed: "signature_malformed",
		signature.ErrKey:       "signature_key",
	} {
		if got := err.(*signature.Error).Code(); got != want || err.Error() == "" {
			t.Errorf("%v has code %q", err, got)
		}
	}
}

func TestEqualToken(t *testing.T) {
	for _, c := range []struct {
		name, got string
		want      []string
		equal     bool
	}{
		{"same", "s3cret", []string{"s3cret"}, true},
		{"second of two", "s3cret", []string{"other", "s3cret"}, true},
		{"both of two", "s3cret", []string{"s3cret", "s3cret"}, true},
		{"prefix", "s3cre", []string{"s3cret"}, false},
		{"longer", "s3cret\x00", []string{"s3cret"}, false},
		{"case", "S3CRET", []string{"s3cret"}, false},
		{"empty against none", "", nil, false},
		{"empty against empty", "", []string{""}, false},
		{"empty against one", "", []string{"s3cret"}, false},
	} {
		if got := signature.EqualToken(c.got, c.want...); got != c.equal {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

func TestDecodeKey(t *testing.T) {
	for _, c := range []struct {
		text string
		enc  signature.KeyEncoding
		want string
		err  error
	}{
		{"grüße", signature.Text, "grüße", nil},
		{" blank ", signature.Text, " blank ", nil},
		{"00fFaB", signature.KeyHex, "\x00\xff\xab", nil},
		{"AP+r", signature.KeyBase64, "\x00\xff\xab", nil},
		{"AP9=", signature.KeyBase64, "\x00\xff", nil}, // stray bits, as people's keys have them
		{"", signature.Text, "", signature.ErrKey},
		{"", signature.KeyHex, "", signature.ErrKey},
		{"", signature.KeyBase64, "", signature.ErrKey},
		{"abc", signature.KeyHex, "", signature.ErrKey},
		{"zz", signature.KeyHex, "", signature.ErrKey},
		{"AP8", signature.KeyBase64, "", signature.ErrKey},
		{"AP-r", signature.KeyBase64, "", signature.ErrKey},
		{"AP+r\n", signature.KeyBase64, "", signature.ErrKey},
		{"AP+r", "base32", "", signature.ErrKey},
	} {
		got, err := signature.DecodeKey(c.text, c.enc)
		if string(got) != c.want {
			t.Errorf("%q as %s: %q", c.text, c.enc, got)
		}
		wantError(t, err, c.err)
	}
}
