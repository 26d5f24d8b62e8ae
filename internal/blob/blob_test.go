package blob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// A place is an empty storage of a test, with what the test may do to it behind its back.
type place struct {
	Storage
	put  func(name, text string) // puts bytes of somebody else under a name
	list func() []string         // everything that is there: names, and ids of partial files behind "partial/"
}

// places returns a place of each kind.
func places(t *testing.T) map[string]place {
	return map[string]place{"folder": newFolder(t), "bucket": newBucket(t).place}
}

// inEach runs a test in a place of each kind.
func inEach(t *testing.T, test func(t *testing.T, p place)) {
	t.Helper()
	t.Parallel()
	for kind, p := range places(t) {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			test(t, p)
		})
	}
}

// testPart is the size of a part of a bucket in tests.
const testPart = 64 << 10

func newFile(name string) File { return File{ID: "fil_1", Name: name, ContentType: "video/mp4"} }

// add appends parts to f, with a sync after each, and returns f as it is then.
func (p place) add(t *testing.T, f File, parts ...string) File {
	t.Helper()
	w, err := p.Append(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range parts {
		n, err := w.Write([]byte(part))
		if err != nil || n != len(part) {
			t.Fatalf("wrote %d of %d bytes: %v", n, len(part), err)
		}
		if f.Upload, err = w.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		f.Size += int64(n)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return f
}

// finish finishes f and returns it as it is then.
func (p place) finish(t *testing.T, f File) File {
	t.Helper()
	if err := p.Finish(t.Context(), f); err != nil {
		t.Fatal(err)
	}
	f.Whole, f.Upload = true, ""
	return f
}

// read returns the bytes of f from an offset on.
func (p place) read(t *testing.T, f File, offset int64) string {
	t.Helper()
	r, err := p.Open(t.Context(), f)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Seek(offset, io.SeekStart); err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(r)
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func (p place) has(t *testing.T, what string, want ...string) {
	t.Helper()
	got := p.list()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("%s: there are %q, want %q", what, got, want)
	}
}

// someBytes returns n bytes that do not repeat.
func someBytes(n int) string {
	b := make([]byte, n)
	rand.NewChaCha8([32]byte{1}).Read(b)
	return string(b)
}

// TestFile: a file is written in several calls, gets its name when it is finished, and is read and removed.
func TestFile(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		if err := p.Check(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.has(t, "after the check")
		f := p.add(t, newFile("call-1/0.mp4"), "hello, ", "world")
		f = p.add(t, f, "!")
		p.has(t, "partial", "partial/fil_1")
		if there, err := p.Exists(t.Context(), f.Name); there || err != nil {
			t.Errorf("the name of a partial file exists: %t %v", there, err)
		}
		f = p.finish(t, f)
		p.has(t, "whole", "call-1/0.mp4")
		if there, err := p.Exists(t.Context(), f.Name); !there || err != nil {
			t.Errorf("the name of a whole file exists: %t %v", there, err)
		}
		if got := p.read(t, f, 0); got != "hello, world!" {
			t.Errorf("read %q", got)
		}
		if got := p.read(t, f, 7); got != "world!" {
			t.Errorf("read from 7 on %q", got)
		}
		if got := p.read(t, f, f.Size); got != "" {
			t.Errorf("read from the end on %q", got)
		}
		if err := p.Verify(t.Context(), f); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := p.Remove(t.Context(), f); err != nil {
				t.Fatal(err)
			}
			p.has(t, "removed")
		}
	})
}

// TestFinishAgain: Finish can be repeated, whether its caller learned of the first one or not, also for an empty file.
func TestFinishAgain(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		for name, parts := range map[string][]string{"some": {"abc"}, "empty": nil,
			"large": {someBytes(testPart + 3)}} {
			f := newFile(name)
			f.ID = "fil_" + name
			f = p.add(t, f, parts...)
			for range 3 {
				if err := p.Finish(t.Context(), f); err != nil {
					t.Errorf("%s: %v", name, err)
				}
			}
			f.Whole = true
			if got := p.read(t, f, 0); got != strings.Join(parts, "") {
				t.Errorf("%s: read %d bytes", name, len(got))
			}
		}
		p.has(t, "finished", "some", "empty", "large")
	})
}

// TestFinishUnwritten: an empty file that nobody wrote can be finished.
func TestFinishUnwritten(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		f := p.finish(t, newFile("empty"))
		p.finish(t, newFile("empty"))
		if got := p.read(t, f, 0); got != "" {
			t.Errorf("read %q", got)
		}
	})
}

// TestCutOff: bytes beyond the size that the caller knows are cut off, and size 0 begins anew.
func TestCutOff(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		known := p.add(t, newFile("a"), "1234")
		p.add(t, known, "567890") // and the caller did not learn of it
		f := p.add(t, known, "x")
		f = p.finish(t, f)
		if got := p.read(t, f, 0); got != "1234x" {
			t.Errorf("read %q", got)
		}

		again := newFile("b")
		known = p.add(t, again, someBytes(testPart+10))
		p.add(t, known, someBytes(testPart))
		again.Upload = known.Upload
		f = p.finish(t, p.add(t, again, "anew"))
		if got := p.read(t, f, 0); got != "anew" {
			t.Errorf("read %d bytes", len(got))
		}
		p.has(t, "both", "a", "b")
	})
}

// TestParts: whatever the pieces in which a large file is written, synced and taken up again, its bytes are right.
func TestParts(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		whole := someBytes(3*testPart + 12345)
		for name, steps := range map[string][]int{
			"at once": {len(whole)}, "by parts": {testPart, testPart, testPart, 12345},
			"across parts": {testPart / 3, testPart / 3, testPart, testPart, 1},
			"to a part":    {5, testPart - 5, 2 * testPart},
		} {
			f := newFile(name)
			f.ID = "fil_" + strings.ReplaceAll(name, " ", "_")
			for _, n := range append(steps, len(whole)) {
				f = p.add(t, f, whole[f.Size:min(len(whole), int(f.Size)+n)])
			}
			f = p.finish(t, f)
			if got := p.read(t, f, 0); got != whole {
				t.Errorf("%s: read %d other bytes", name, len(got))
			}
			if got := p.read(t, f, 2*testPart-1); got != whole[2*testPart-1:] {
				t.Errorf("%s: read %d other bytes from an offset on", name, len(got))
			}
		}
		p.has(t, "all", "at once", "by parts", "across parts", "to a part")
	})
}

// TestUnsynced: what was not synced before the end is gone, and the file goes on before it.
func TestUnsynced(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		whole := someBytes(2 * testPart)
		f := p.add(t, newFile("a"), whole[:100])
		w, err := p.Append(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, whole[100:testPart+7]); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		f = p.finish(t, p.add(t, f, whole[100:]))
		if got := p.read(t, f, 0); got != whole {
			t.Errorf("read %d other bytes", len(got))
		}
		p.has(t, "the file", "a")
	})
}

// TestLost: bytes that are not there are an error, and never zeros.
func TestLost(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		f := p.add(t, newFile("a"), "1234")
		more := f
		more.Size = 5
		if _, err := p.Append(t.Context(), more); !errors.Is(err, ErrLost) {
			t.Errorf("append after 5 of 4 bytes: %v", err)
		}
		if err := p.Finish(t.Context(), more); !errors.Is(err, ErrLost) {
			t.Errorf("finish with 5 of 4 bytes: %v", err)
		}
		other := newFile("other")
		other.ID, other.Size, other.Upload = "fil_2", 2*testPart, "none"
		if _, err := p.Append(t.Context(), other); !errors.Is(err, ErrLost) {
			t.Errorf("append to nothing: %v", err)
		}
		f = p.finish(t, f)
		p.put("a", "12345")
		if err := p.Verify(t.Context(), f); !errors.Is(err, ErrLost) || !strings.Contains(err.Error(), "5 bytes") {
			t.Errorf("verify a changed file: %v", err)
		}
		if _, err := p.Open(t.Context(), f); !errors.Is(err, ErrLost) {
			t.Errorf("open a changed file: %v", err)
		}
		other.Whole = true
		if err := p.Verify(t.Context(), other); !errors.Is(err, ErrLost) {
			t.Errorf("verify nothing: %v", err)
		}
	})
}

// TestTaken: nothing is written over bytes of somebody else, and they are not removed with a file.
func TestTaken(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		p.put("dir/a", "theirs")
		if there, err := p.Exists(t.Context(), "dir/a"); !there || err != nil {
			t.Errorf("exists: %t %v", there, err)
		}
		for _, text := range []string{"ours", "sixsix"} { // the second has the length of theirs
			f := p.add(t, newFile("dir/a"), text)
			if err := p.Finish(t.Context(), f); !errors.Is(err, ErrTaken) || !strings.Contains(err.Error(), "move") {
				t.Errorf("finish: %v", err)
			}
			if err := p.Remove(t.Context(), f); err != nil {
				t.Error(err)
			}
			p.has(t, "after that", "dir/a")
		}
	})
}

// TestRemovePartial: a partial file leaves nothing.
func TestRemovePartial(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		f := p.add(t, newFile("a"), someBytes(testPart+5))
		if err := p.Remove(t.Context(), f); err != nil {
			t.Fatal(err)
		}
		p.has(t, "removed")
		if err := p.Remove(t.Context(), File{ID: "fil_9"}); err != nil {
			t.Errorf("remove an id: %v", err)
		}
	})
}

// TestWalk: a walk visits everything, also in many folders, and ends when it is told to.
func TestWalk(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		var want []string
		for i := range 2*walkStep + 1 {
			name := fmt.Sprintf("d%d/e%d/f%d", i%3, i%5, i)
			p.put(name, "x")
			want = append(want, name)
		}
		p.add(t, newFile("a"), "1")
		p.has(t, "by its list", append(want, "partial/fil_1")...)
		var got []string
		err := p.Walk(t.Context(), func(entries []Entry) error {
			if len(entries) > walkStep {
				t.Errorf("%d at a time", len(entries))
			}
			for _, e := range entries {
				if e.ModifiedAt.IsZero() {
					t.Errorf("%v has no time", e)
				}
				if e.ID != "" {
					e.Name = "partial/" + e.ID
				}
				got = append(got, e.Name)
			}
			return nil
		})
		slices.Sort(got)
		slices.Sort(want)
		if err != nil || !slices.Equal(got, append(want, "partial/fil_1")) {
			t.Errorf("visited %d, want %d: %v", len(got), len(want)+1, err)
		}
		enough := errors.New("enough")
		if err := p.Walk(t.Context(), func([]Entry) error { return enough }); !errors.Is(err, enough) {
			t.Errorf("told to end: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := p.Walk(ctx, func([]Entry) error { return nil }); err == nil {
			t.Error("a walk does not end with its context")
		}
	})
}

// TestSeek: a reader goes to any offset, back and forth.
func TestSeek(t *testing.T) {
	inEach(t, func(t *testing.T, p place) {
		f := p.finish(t, p.add(t, newFile("a"), "0123456789"))
		r, err := p.Open(t.Context(), f)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		two := make([]byte, 2)
		for _, c := range []struct {
			offset int64
			whence int
			want   string
		}{{8, io.SeekStart, "89"}, {-4, io.SeekEnd, "67"}, {-5, io.SeekCurrent, "34"}, {0, io.SeekCurrent, "56"},
			{0, io.SeekStart, "01"}} {
			if _, err := r.Seek(c.offset, c.whence); err != nil {
				t.Fatal(err)
			}
			if _, err := io.ReadFull(r, two); err != nil || string(two) != c.want {
				t.Errorf("at %d of %d: %q %v", c.offset, c.whence, two, err)
			}
		}
		if end, err := r.Seek(0, io.SeekEnd); end != f.Size || err != nil {
			t.Errorf("its end is %d: %v", end, err)
		}
		if n, err := r.Read(two); n != 0 || err != io.EOF {
			t.Errorf("read at the end: %d %v", n, err)
		}
		if _, err := r.Seek(-1, io.SeekStart); err == nil {
			t.Error("it goes before the begin")
		}
		var all bytes.Buffer
		if _, err := r.Seek(1, io.SeekStart); err != nil {
			t.Fatal(err)
		}
		if _, err := io.Copy(&all, r); err != nil || all.String() != "123456789" {
			t.Errorf("read %q %v", &all, err)
		}
	})
}
