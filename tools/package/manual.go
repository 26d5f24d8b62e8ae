package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// manual writes the pages of the manual, compressed: one for the program, and one for each of its commands. Each page is
// the help that the program itself prints, so that the two cannot differ.
func (j *job) manual() error {
	folder := filepath.Join(j.work, "man1")
	err := os.Mkdir(folder, 0o755)
	if err != nil {
		return err
	}
	// What a shell asks for to complete a command: the name, a tab, and what it does.
	commands, err := j.ask("__complete", "")
	if err != nil {
		return err
	}
	pages := []string{"\tA webhook gateway"}
	for line := range strings.Lines(commands) {
		name, _, ok := strings.Cut(line, "\t")
		if ok && name != "help" {
			pages = append(pages, strings.TrimSpace(line))
		}
	}
	for _, p := range pages {
		name, title, _ := strings.Cut(p, "\t")
		help, err := j.ask(strings.Fields("help " + name)...)
		if err != nil {
			return err
		}
		page := "bellhop"
		see := "the commands of bellhop, each by a page of its own, such as bellhop\\-serve(1)"
		if name != "" {
			page, see = "bellhop-"+name, "bellhop(1)"
		}
		text := fmt.Sprintf(".TH %s 1 %s \"bellhop %s\" \"Bellhop\"\n.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n.nf\n%s.fi\n"+
			".SH SEE ALSO\n%s\n", strings.ToUpper(roff(page)), j.at.Format("2006-01-02"), roff(j.version[1:]), roff(page),
			roff(title), roff(help), see)
		var out bytes.Buffer
		zipped, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
		if err != nil {
			return err
		}
		_, err = zipped.Write([]byte(text))
		if err != nil {
			return err
		}
		err = zipped.Close()
		if err != nil {
			return err
		}
		err = os.WriteFile(filepath.Join(folder, page+".1.gz"), out.Bytes(), 0o644)
		if err != nil {
			return err
		}
	}
	return nil
}

// ask runs the program for this machine, and returns what it prints.
func (j *job) ask(args ...string) (string, error) {
	out, err := exec.Command(j.binary(host), args...).Output()
	if err != nil {
		return "", fmt.Errorf("bellhop %s: %w", strings.Join(args, " "), err)
	}
	return string(out), nil
}

// roff returns text so that a page of the manual shows it as it is.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "`", `\(ga`, "'", `\(aq`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") {
			lines[i] = `\&` + line // otherwise it is an instruction
		}
	}
	return strings.Join(lines, "\n")
}
