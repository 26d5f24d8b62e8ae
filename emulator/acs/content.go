package acs

import (
	"encoding/binary"
	"io"
	"strings"
)

// A Content is the content of a file, made of a seed as it is read: any part of it, at once. The same seed, size and
// format give the same bytes at all times.
type Content struct {
	Seed   uint64
	Size   int64
	Format string // "Mp4", "Mp3" or "Wav": the content begins as such a file does
}

// Reader returns the content as it can be read and sought.
func (c Content) Reader() *io.SectionReader { return io.NewSectionReader(c, 0, c.Size) }

// ReadAt implements [io.ReaderAt].
func (c Content) ReadAt(p []byte, off int64) (n int, err error) {
	switch {
	case off < 0:
		return 0, io.ErrUnexpectedEOF
	case off >= c.Size:
		return 0, io.EOF
	}
	if rest := c.Size - off; int64(len(p)) > rest {
		p, err = p[:rest], io.EOF
	}
	fill(p, c.Seed, off)
	head := heads[strings.ToLower(c.Format)]
	if off < int64(len(head)) {
		copy(p, head[off:])
	}
	return len(p), err
}

// heads are the bytes by which files begin, by their format.
var heads = map[string]string{
	"mp4": "\x00\x00\x00\x18ftypmp42\x00\x00\x00\x00mp42isom",
	"mp3": "ID3\x04\x00\x00\x00\x00\x00\x00",
	"wav": "RIFF\xff\xff\xff\xffWAVEfmt \x10\x00\x00\x00\x01\x00\x01\x00",
}

// fill fills p with the bytes of a seed from off on.
func fill(p []byte, seed uint64, off int64) {
	var b [8]byte
	n := uint64(off) / 8
	if skip := off % 8; skip > 0 && len(p) > 0 {
		binary.LittleEndian.PutUint64(b[:], word(seed, n))
		p = p[copy(p, b[skip:]):]
		n++
	}
	for ; len(p) >= 8; n++ {
		binary.LittleEndian.PutUint64(p, word(seed, n))
		p = p[8:]
	}
	binary.LittleEndian.PutUint64(b[:], word(seed, n))
	copy(p, b[:])
}

// word returns the n-th word of a seed: SplitMix64, whose state is a sum, so that any word can be made at once.
// Source: https://prng.di.unimi.it/splitmix64.c
func word(seed, n uint64) uint64 {
	z := seed + (n+1)*0x9e3779b97f4a7c15
	z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
	z = (z ^ z>>27) * 0x94d049bb133111eb
	return z ^ z>>31
}
