package main

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// The image holds the program, the certificates of the authorities that Mozilla trusts, a user, and an empty folder
// for data: no shell, no libraries. It is made here and not by a builder of images, because those start from an image
// that they fetch.

const (
	imageUser = 65532 // as "nonroot" of other images
	imageData = "var/lib/bellhop/"
	imagePath = "usr/bin/bellhop"
)

// image writes the images for all Linux targets as one OCI layout, in a tar.
func (j *job) image() error {
	var index v1.ImageIndex = mutate.IndexMediaType(empty.Index, types.OCIImageIndex)
	for _, t := range j.targets {
		if t.os != "linux" {
			continue
		}
		image, err := j.imageFor(t)
		if err != nil {
			return fmt.Errorf("for %s: %w", t, err)
		}
		index = mutate.AppendManifests(index, mutate.IndexAddendum{Add: image,
			Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: t.os, Architecture: t.arch}}})
	}
	folder := filepath.Join(j.work, "oci")
	to, err := layout.Write(folder, empty.Index)
	if err != nil {
		return err
	}
	// Tools that read a layout choose the image by the first name; Docker gives it the second one.
	tag := strings.ReplaceAll(strings.TrimPrefix(j.version, "v"), "+", "-")
	err = to.AppendIndex(index, layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": tag,
		"io.containerd.image.name":          "docker.io/library/bellhop:" + tag,
	}))
	if err != nil {
		return err
	}
	return j.tarFolder(folder, j.name("oci")+".tar")
}

// imageFor returns the image for t.
func (j *job) imageFor(t target) (v1.Image, error) {
	binary, err := os.ReadFile(j.binary(t))
	if err != nil {
		return nil, err
	}
	base, err := j.layer([]file{
		{"etc/", 0o755, nil},
		{"etc/group", 0o644, fmt.Appendf(nil, "root:x:0:\nbellhop:x:%d:\n", imageUser)},
		{"etc/passwd", 0o644, fmt.Appendf(nil, "root:x:0:0:root:/root:/sbin/nologin\n"+
			"bellhop:x:%d:%[1]d:Bellhop:/var/lib/bellhop:/sbin/nologin\n", imageUser)},
		{"etc/ssl/", 0o755, nil},
		{"etc/ssl/certs/", 0o755, nil},
		{"etc/ssl/certs/ca-certificates.crt", 0o644, authorities()},
		{"tmp/", 0o1777, nil},
		{"var/", 0o755, nil},
		{"var/lib/", 0o755, nil},
		{imageData, 0o700, nil},
	})
	if err != nil {
		return nil, err
	}
	program, err := j.layer([]file{{"usr/", 0o755, nil}, {"usr/bin/", 0o755, nil}, {imagePath, 0o755, binary}})
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	image, err = mutate.Append(image,
		mutate.Addendum{Layer: base, History: v1.History{Created: v1.Time{Time: j.at}, CreatedBy: "certificates, user"}},
		mutate.Addendum{Layer: program, History: v1.History{Created: v1.Time{Time: j.at}, CreatedBy: "bellhop"}})
	if err != nil {
		return nil, err
	}
	config, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = t.os, t.arch, v1.Time{Time: j.at}
	config.Config = v1.Config{
		User:         fmt.Sprintf("%d:%[1]d", imageUser),
		Entrypoint:   []string{"/" + imagePath},
		Cmd:          []string{"serve", "--listen", ":8080"}, // a file of settings can have another address
		WorkingDir:   "/" + strings.TrimSuffix(imageData, "/"),
		Env:          []string{"PATH=/usr/bin", "BELLHOP_DATA=/var/lib/bellhop"},
		ExposedPorts: map[string]struct{}{"8080/tcp": {}},
		Volumes:      map[string]struct{}{"/var/lib/bellhop": {}},
		StopSignal:   "SIGTERM",
		// Of the OCI format this is no part; Docker and Podman go by it.
		Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "/" + imagePath, "ready"}, Interval: 30 * time.Second,
			Timeout: 5 * time.Second, StartPeriod: 30 * time.Second, Retries: 3},
		Labels: map[string]string{
			"org.opencontainers.image.title":       "Bellhop",
			"org.opencontainers.image.description": "A webhook gateway: it receives, keeps and delivers every event.",
			"org.opencontainers.image.licenses":    "Apache-2.0",
			"org.opencontainers.image.source":      "https://github.com/bellhop-gateway/bellhop",
			"org.opencontainers.image.version":     strings.TrimPrefix(j.version, "v"),
			"org.opencontainers.image.revision":    j.commit,
			"org.opencontainers.image.created":     j.at.Format(time.RFC3339),
		},
	}
	return mutate.ConfigFile(image, config)
}

// layer returns files as a layer of an image.
func (j *job) layer(files []file) (v1.Layer, error) {
	var out bytes.Buffer
	err := writeTar(&out, files, j.at)
	if err != nil {
		return nil, err
	}
	return tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(out.Bytes())), nil
	}, tarball.WithMediaType(types.OCILayer))
}

// authorities returns the certificates of authorities in PEM. Those that are trusted under conditions only are left
// out, because a file of certificates cannot say the conditions.
func authorities() []byte {
	var out bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			pem.Encode(&out, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate})
		}
	}
	return out.Bytes()
}

// tarFolder writes the files of a folder into a tar of the results.
func (j *job) tarFolder(folder, name string) error {
	var files []file
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err != nil || path == folder {
			return err
		}
		inside, err := filepath.Rel(folder, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			files = append(files, file{filepath.ToSlash(inside) + "/", 0o755, nil})
			return nil
		}
		data, err := os.ReadFile(path)
		files = append(files, file{filepath.ToSlash(inside), 0o644, data})
		return err
	})
	if err != nil {
		return err
	}
	var out bytes.Buffer
	err = writeTar(&out, files, j.at)
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(j.out, name), out.Bytes(), 0o644)
}
