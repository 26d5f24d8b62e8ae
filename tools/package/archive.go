package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"time"
)

// A file is one of an archive.
type file struct {
	name string // with slashes
	mode int64
	data []byte
}

// archive writes the program for t with the pages that belong to it: a zip for Windows, a tar for other systems.
func (j *job) archive(t target) error {
	binary, err := os.ReadFile(j.binary(t))
	if err != nil {
		return err
	}
	name := j.name(t.os, t.arch)
	files := []file{{path.Join(name, program(t)), 0o755, binary}}
	for _, page := range []string{"README.md", "LICENSE", "CHANGELOG.md"} {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		files = append(files, file{path.Join(name, page), 0o644, text})
	}
	var out bytes.Buffer
	if t.os == "windows" {
		err = writeZip(&out, files, j.at)
		name += ".zip"
	} else {
		err = writeTarGz(&out, files, j.at)
		name += ".tar.gz"
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(j.out, name), out.Bytes(), 0o644)
}

func writeTarGz(w io.Writer, files []file, at time.Time) error {
	zipped, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	err = writeTar(zipped, files, at)
	if err != nil {
		return err
	}
	return zipped.Close()
}

// writeTar writes files that belong to root. A name with a slash at its end is a folder.
func writeTar(w io.Writer, files []file, at time.Time) error {
	out := tar.NewWriter(w)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: at, Typeflag: tar.TypeReg,
			Format: tar.FormatUSTAR}
		if f.name[len(f.name)-1] == '/' {
			h.Typeflag = tar.TypeDir
		}
		if f.name == imageData {
			h.Uid, h.Gid = imageUser, imageUser
		}
		err := out.WriteHeader(h)
		if err != nil {
			return err
		}
		_, err = out.Write(f.data)
		if err != nil {
			return err
		}
	}
	return out.Close()
}

func writeZip(w io.Writer, files []file, at time.Time) error {
	out := zip.NewWriter(w)
	for _, f := range files {
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(f.mode))
		to, err := out.CreateHeader(h)
		if err != nil {
			return err
		}
		_, err = to.Write(f.data)
		if err != nil {
			return err
		}
	}
	return out.Close()
}

// sumsFile has the form of sha256sum: `sha256sum -c SHA256SUMS` checks the files beside it.
const sumsFile = "SHA256SUMS"

// sums writes the checksums of all results, in the order of their names.
func (j *job) sums() error {
	entries, err := os.ReadDir(j.out)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(j.out, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&out, "%x  %s\n", sha256.Sum256(data), e.Name())
	}
	os.Stdout.Write(out.Bytes())
	return os.WriteFile(filepath.Join(j.out, sumsFile), out.Bytes(), 0o644)
}
