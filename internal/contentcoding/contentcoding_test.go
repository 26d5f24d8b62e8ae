package contentcoding

import (
	"bytes"
	"compress/flate"
	"compress/gzip"
	"compress/zlib"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/zstd"

	"github.com/bellhop-gateway/bellhop"
)

// encoders make each coding; "raw" is deflate without the header of zlib.
var encoders = map[string]func(io.Writer) io.WriteCloser{
	"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
	"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
	"raw":     func(w io.Writer) io.WriteCloser { f, _ := flate.NewWriter(w, 6); return f },
	"zstd": func(w io.Writer) io.WriteCloser {
		z, _ := zstd.NewWriter(w, zstd.WithEncoderConcurrency(1))
		return z
	},
	"br": func(w io.Writer) io.WriteCloser { return brotli.NewWriter(w) },
}

func encode(t testing.TB, name string, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := encoders[name](&b)
	_, err := w.Write(content)
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func codingOf(name string) Coding {
	if name == "raw" {
		return Deflate
	}
	return Coding(name)
}

func TestOf(t *testing.T) {
	for _, c := range []struct {
		values []string
		want   Coding
		err    error
	}{
		{nil, None, nil},
		{[]string{""}, None, nil},
		{[]string{"identity"}, None, nil},
		{[]string{"UTF-8"}, None, nil},
		{[]string{" GZip\t"}, Gzip, nil},
		{[]string{"x-gzip"}, Gzip, nil},
		{[]string{"deflate"}, Deflate, nil},
		{[]string{"zstd"}, Zstd, nil},
		{[]string{"br"}, Brotli, nil},
		{[]string{"compress"}, None, ErrUnknown},
		{[]string{"gzip, br"}, None, ErrUnknown},
		{[]string{"gzip", "br"}, None, ErrUnknown},
		{[]string{"gzip;q=1"}, None, ErrUnknown},
	} {
		if got, err := Of(c.values); got != c.want || !errors.Is(err, c.err) {
			t.Errorf("%q: %q, %v", c.values, got, err)
		}
	}
}

func TestAccepts(t *testing.T) {
	for accepted, want := range map[string]bool{
		"": false, "gzip": true, "GZIP ; q=0.5": true, "x-gzip": true, "br, gzip": true, "br": false, "*": true,
		"gzip;q=0": false, "gzip;q=0.000, *": false, "*, gzip;q=0": false, "*;q=0": false, "identity": false,
	} {
		if got := Accepts(accepted, Gzip); got != want {
			t.Errorf("%q: %t", accepted, got)
		}
	}
}

func TestDecode(t *testing.T) {
	for name := range encoders {
		coding := codingOf(name)
		for _, content := range []string{"", "{}", strings.Repeat(`{"a":1}`, 3000), strings.Repeat("x", 1<<18)} {
			body, reserved := encode(t, name, []byte(content)), int64(0)
			got, err := Decode(coding, body, int64(len(content)), func(n int64) error { reserved += n; return nil })
			if err != nil || string(got) != content || got == nil {
				t.Errorf("%s of %d bytes: %d bytes, %v", name, len(content), len(got), err)
			}
			if reserved < int64(len(content)) || reserved > int64(len(content))+1 &&
				reserved > 4*int64(len(body))+firstRead {
				t.Errorf("%s of %d bytes: reserved %d", name, len(content), reserved)
			}
			if _, err := Decode(coding, body, int64(len(content))-1, nil); content != "" &&
				!errors.Is(err, ErrTooLarge) {
				t.Errorf("%s of %d bytes, one too many: %v", name, len(content), err)
			}
			for cut := 1; cut < min(len(body), 40); cut++ {
				if _, err := Decode(coding, body[:len(body)-cut], 1<<21, nil); !errors.Is(err, ErrMalformed) {
					t.Fatalf("%s of %d bytes, without the last %d: %v", name, len(content), cut, err)
				}
			}
			if _, err := Decode(coding, append(bytes.Clone(body), "<?>!"...), 1<<21, nil); !errors.Is(
				err, ErrMalformed) {
				t.Errorf("%s of %d bytes, others behind: %v", name, len(content), err)
			}
		}
		if got, err := Decode(coding, nil, 0, nil); err != nil || len(got) > 0 || got == nil {
			t.Errorf("%s of no bytes at all: %q, %v", name, got, err)
		}
		if _, err := Decode(coding, []byte(`{"not":"encoded"}`), 1<<20, nil); !errors.Is(err, ErrMalformed) {
			t.Errorf("%s of JSON: %v", name, err)
		}
	}
}

// TestBomb decodes bodies of 8 MiB within a limit of 128 KiB: no more than that is reserved.
func TestBomb(t *testing.T) {
	const limit = 128 << 10
	bomb := make([]byte, 64*limit)
	for name := range encoders {
		reserved := int64(0)
		_, err := Decode(codingOf(name), encode(t, name, bomb), limit, func(n int64) error {
			reserved += n
			return nil
		})
		if !errors.Is(err, ErrTooLarge) || reserved > limit+1 {
			t.Errorf("%s: %v, with %d bytes reserved", name, err, reserved)
		}
	}
}

func TestReserveRefuses(t *testing.T) {
	full := errors.New("full")
	if _, err := Decode(Gzip, encode(t, "gzip", []byte("{}")), 100, func(int64) error { return full }); err != full {
		t.Error(err)
	}
}

// TestWindow: a frame of zstd that asks for a window of 16 MiB is refused before any of it is allocated.
func TestWindow(t *testing.T) {
	var b bytes.Buffer
	w, err := zstd.NewWriter(&b, zstd.WithWindowSize(16<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	_, err = io.Copy(w, bytes.NewReader(make([]byte, 17<<20)))
	if err := errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(Zstd, b.Bytes(), 32<<20, nil); !errors.Is(err, ErrMalformed) {
		t.Error(err)
	}
}

func TestEvent(t *testing.T) {
	plain := &bellhop.Event{Body: []byte("{}"), Header: bellhop.Header("Content-Type: application/json\n")}
	if allocs := testing.AllocsPerRun(100, func() {
		if got, err := Event(plain, 0); err != nil || &got[0] != &plain.Body[0] {
			t.Error("a body without a coding is copied", err)
		}
	}); allocs > 0 {
		t.Errorf("%v allocations for an event without a coding", allocs)
	}
	coded := &bellhop.Event{Body: encode(t, "gzip", []byte("{}")), Header: bellhop.Header("Content-Encoding: gzip\n")}
	if got, err := Event(coded, 2); err != nil || string(got) != "{}" {
		t.Errorf("%q, %v", got, err)
	}
}

func FuzzDecode(f *testing.F) {
	names := []string{"gzip", "deflate", "raw", "zstd", "br"}
	for i, name := range names {
		f.Add(byte(i), encode(f, name, []byte(`{"a":[1,2,3],"text":"some text, some text"}`)))
		f.Add(byte(i), []byte(`{"a":1}`))
	}
	f.Fuzz(func(t *testing.T, which byte, input []byte) {
		name := names[int(which)%len(names)]
		const limit = 64 << 10
		reserved := int64(0)
		got, err := Decode(codingOf(name), input, limit, func(n int64) error { reserved += n; return nil })
		if len(got) > limit || reserved > limit+1 || int64(len(got)) > reserved {
			t.Fatalf("%d bytes, %d reserved", len(got), reserved)
		}
		if err != nil && !errors.Is(err, ErrMalformed) && !errors.Is(err, ErrTooLarge) {
			t.Fatal(err)
		}
		if len(input) > limit {
			return
		}
		if got, err := Decode(codingOf(name), encode(t, name, input), limit, nil); err != nil ||
			!bytes.Equal(got, input) {
			t.Fatalf("encoded and decoded: %v", err)
		}
	})
}
