package backup

import (
	"bytes"
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"testing"
	"testing/iotest"
	"time"
)

var at = time.Date(2026, 12, 1, 2, 3, 4, 0, time.UTC)

// archive returns an archive with two members, one of which is long.
func archive(t testing.TB) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := NewWriter(&out, Manifest{Bellhop: "test", Schema: 1, Store: "abc", At: at, Keys: true})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("0123456789abcdef", 1<<10)
	for name, text := range map[string]string{"bellhop.db": long, "files/a/b": "recorded"} {
		if err := w.Add(name, int64(len(text)), at, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

type member struct{ bytes.Buffer }

func (*member) Close() error { return nil }

// extract returns the members of an archive.
func extract(r io.Reader) (map[string]string, Manifest, error) {
	members := map[string]*member{}
	m, err := Extract(context.Background(), r, nil, func(name string, _ int64) (io.WriteCloser, error) {
		members[name] = &member{}
		return members[name], nil
	})
	texts := map[string]string{}
	for name, b := range members {
		texts[name] = b.String()
	}
	return texts, m, err
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	texts, m, err := extract(bytes.NewReader(archive(t)))
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"bellhop.db": strings.Repeat("0123456789abcdef", 1<<10), "files/a/b": "recorded"}
	if !maps.Equal(texts, want) {
		t.Errorf("other members came out: %d", len(texts))
	}
	if m.Bellhop != "test" || !m.At.Equal(at) || !m.Keys || m.Format != Format {
		t.Errorf("manifest %+v", m)
	}
}

// TestCutShort shows that an archive that ends anywhere before its end is refused, and mostly by that name.
func TestCutShort(t *testing.T) {
	t.Parallel()
	whole := archive(t)
	for n := range whole {
		_, _, err := extract(bytes.NewReader(whole[:n]))
		if n > 200 && !errors.Is(err, ErrShort) || err == nil {
			t.Fatalf("after %d of %d bytes: %v", n, len(whole), err)
		}
	}
}

// TestChanged shows that a changed bit is noticed, unless it changes nothing of what comes out, such as the mode of a
// member.
func TestChanged(t *testing.T) {
	t.Parallel()
	whole := archive(t)
	want, _, err := extract(bytes.NewReader(whole))
	noticed := 0
	for i := range whole {
		changed := bytes.Clone(whole)
		changed[i] ^= 0x10
		got, _, err := extract(bytes.NewReader(changed))
		if err == nil && !maps.Equal(got, want) {
			t.Errorf("a bit of byte %d of %d was changed, and other members came out", i, len(whole))
		}
		if err != nil {
			noticed++
		}
	}
	if err != nil || noticed < len(whole)/2 {
		t.Errorf("%d of %d changes were noticed: %v", noticed, len(whole), err)
	}
}

// TestRefusals shows what is said about archives that this program did not write so.
func TestRefusals(t *testing.T) {
	t.Parallel()
	build := func(m Manifest, names ...string) []byte {
		var out bytes.Buffer
		w, err := NewWriter(&out, m)
		for _, name := range names {
			err = errors.Join(err, w.Add(name, 1, at, strings.NewReader("x")))
		}
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		return out.Bytes()
	}
	broken := errors.New("the disk is gone")
	for name, c := range map[string]struct {
		in   io.Reader
		want error
	}{
		"nothing":               {strings.NewReader(""), ErrShort},
		"a text":                {strings.NewReader("this is no archive at all, and long enough"), ErrNone},
		"a name twice":          {bytes.NewReader(build(Manifest{}, "a", "a")), ErrChanged},
		"a name that leads out": {bytes.NewReader(build(Manifest{}, "files/../../a")), ErrChanged},
		"an absolute name":      {bytes.NewReader(build(Manifest{}, "/etc/passwd")), ErrChanged},
		"a reader that fails":   {io.MultiReader(bytes.NewReader(archive(t)[:100]), iotest.ErrReader(broken)), broken},
	} {
		texts, _, err := extract(c.in)
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
		for made := range texts {
			if !isMember(made) {
				t.Errorf("%s: %s was created", name, made)
			}
		}
	}
}

// FuzzExtract shows that no archive makes Extract panic, or create what leads out of a folder, and that what it
// accepts it accepts again when it is written anew.
func FuzzExtract(f *testing.F) {
	whole := archive(f)
	f.Add(whole)
	f.Add(whole[:len(whole)/2])
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, in []byte) {
		texts, m, err := extract(bytes.NewReader(in))
		for name := range texts {
			if !isMember(name) {
				t.Fatalf("created %q", name)
			}
		}
		if err != nil {
			return
		}
		var out bytes.Buffer
		w, err := NewWriter(&out, m)
		for name, text := range texts {
			err = errors.Join(err, w.Add(name, int64(len(text)), at, strings.NewReader(text)))
		}
		if err := errors.Join(err, w.Close()); err != nil {
			t.Fatal(err)
		}
		if again, _, err := extract(&out); err != nil || !maps.Equal(texts, again) {
			t.Errorf("written anew: %v", err)
		}
	})
}
