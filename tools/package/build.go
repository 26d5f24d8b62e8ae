package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

const releaseRoom = "github.com/bellhop-gateway/bellhop/internal/release"

// build compiles the program for t.
func (j *job) build(t target) error {
	fmt.Println("build", t)
	flags := []string{"-s", "-w"} // in a fixed order: the build notes them in the program
	for _, v := range [][2]string{{"version", j.version}, {"commit", j.commit}, {"committedAt", j.committedAt},
		{"modified", j.modified}} {
		flags = append(flags, "-X", releaseRoom+"."+v[0]+"="+v[1])
	}
	// The linker notes the repository by the flags above: what the toolchain would note differs between a repository and
	// an archive of it.
	args := append([]string{"build", "-buildvcs=false"}, strings.Fields(j.flags)...)
	args = append(args, "-ldflags", strings.Join(flags, " "), "-o", j.binary(t), "./cmd/bellhop")
	c := exec.Command("go", args...)
	c.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+t.os, "GOARCH="+t.arch)
	c.Stdout, c.Stderr = os.Stdout, os.Stderr
	err := c.Run()
	if err != nil {
		return fmt.Errorf("go build for %s: %w", t, err)
	}
	return nil
}

// binary returns the path of the program for t.
func (j *job) binary(t target) string { return filepath.Join(j.folder(t), program(t)) }

func (j *job) folder(t target) string { return filepath.Join(j.work, t.os+"_"+t.arch) }

func program(t target) string {
	if t.os == "windows" {
		return "bellhop.exe"
	}
	return "bellhop"
}

// shells are the files that make a shell complete commands, by the names of the shells.
var shells = map[string]string{"bash": "bellhop.bash", "zsh": "_bellhop", "fish": "bellhop.fish"}

// host is this machine.
var host = target{runtime.GOOS, runtime.GOARCH}

// texts writes what the program itself makes: completions, and pages of the manual. It builds the program for this
// machine if that is no target.
func (j *job) texts() error {
	if _, err := os.Stat(j.binary(host)); err != nil {
		err := j.build(host)
		if err != nil {
			return err
		}
	}
	folder := filepath.Join(j.work, "completions")
	err := os.Mkdir(folder, 0o755)
	if err != nil {
		return err
	}
	for shell, file := range shells {
		text, err := j.ask("completion", shell)
		if err != nil {
			return err
		}
		err = os.WriteFile(filepath.Join(folder, file), []byte(text), 0o644)
		if err != nil {
			return err
		}
	}
	return j.manual()
}
