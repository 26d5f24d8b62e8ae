package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// A terminal runs the program in a folder on a pseudo-terminal.
type terminal struct {
	*testing.T
	dir     string
	columns int
	environ []string // variables besides those of the test
}

// run returns what the program wrote. Once that matches until, Ctrl-C is typed; "" never. The program has to end with
// the status.
func (m terminal) run(status int, until string, args ...string) string {
	m.Helper()
	master, slave := m.open()
	defer master.Close()
	ctx, cancel := context.WithTimeout(m.Context(), patience)
	defer cancel()
	c := exec.CommandContext(ctx, "bellhop", args...)
	c.Dir, c.Stdin, c.Stdout, c.Stderr = m.dir, slave, slave, slave
	c.Env = append(append(os.Environ(), "TERM=xterm", "NO_COLOR="), m.environ...)
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	err := c.Start()
	slave.Close()
	if err != nil {
		m.Fatal(err)
	}
	var out bytes.Buffer
	buf := make([]byte, 4096)
	for typed := until == ""; ; {
		n, err := master.Read(buf) // fails once the program has ended
		out.Write(buf[:n])
		if err != nil {
			break
		}
		if !typed && regexp.MustCompile(until).Match(out.Bytes()) {
			typed = true
			io.WriteString(master, "\x03")
		}
	}
	c.Wait()
	if got := c.ProcessState.ExitCode(); got != status {
		m.Errorf("%q: exit status %d, want %d\n%s", args, got, status, &out)
	}
	return strings.ReplaceAll(out.String(), "\r\n", "\n")
}

// open makes a pseudo-terminal of that many columns.
func (m terminal) open() (master, slave *os.File) {
	m.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		m.Skipf("there are no pseudo-terminals: %v", err)
	}
	number, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err == nil {
		err = unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0)
	}
	if err == nil {
		size := &unix.Winsize{Row: 24, Col: uint16(m.columns)}
		err = unix.IoctlSetWinsize(int(master.Fd()), unix.TIOCSWINSZ, size)
	}
	if err == nil {
		slave, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	}
	if err != nil {
		m.Fatal(err)
	}
	return master, slave
}

// sequence is a control sequence that sets a colour.
var sequence = regexp.MustCompile(`\x1b\[\d+m`)

// TestTerminal: on a terminal, lists fit and have colours, unless NO_COLOR forbids these, and --watch draws them again
// until Ctrl-C.
func TestTerminal(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	_, stop, err := startServer(dir, inside(os.Getenv))
	t.Cleanup(func() {
		err := stop()
		if err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	m := terminal{T: t, dir: dir, columns: 80}
	m.run(0, "", "destinations", "create", "billing", "--url",
		"http://127.0.0.1:1/hooks/of/a/customer/with/a/long/name",
		"--types", "order.paid,order.cancelled,order.delivered")
	m.run(0, "", "events", "publish", "seen", "1")

	list := m.run(0, "", "destinations")
	if !strings.Contains(list, " \x1b[32mactive\x1b[0m ") || !strings.Contains(list, "…") ||
		strings.Count(list, "\x1b") != 2 {
		t.Errorf("%q", list)
	}
	for line := range strings.Lines(sequence.ReplaceAllString(list, "")) {
		if displayWidth(strings.TrimSuffix(line, "\n")) > m.columns {
			t.Errorf("too wide: %q", line)
		}
	}
	wide := m.run(0, "", "destinations", "-o", "wide")
	if !strings.Contains(wide, "http://127.0.0.1:1/hooks/of/a/customer/with/a/long/name") ||
		strings.Contains(wide, "…") {
		t.Errorf("%q", wide)
	}
	data := m.run(0, "", "destinations", "-o", "json")
	if strings.Contains(data, "\x1b") {
		t.Errorf("%q", data)
	}
	wrong := m.run(2, "", "destinatons")
	if !strings.HasPrefix(wrong, "\x1b[31mbellhop:\x1b[0m no command") {
		t.Errorf("%q", wrong)
	}
	screen := m.run(0, `ago +api +seen|now +api +seen`, "events", "--watch")
	if !strings.HasPrefix(screen, "\x1b[H\x1b[2Jevery 2 seconds; Ctrl-C ends\n\nID ") {
		t.Errorf("%q", screen)
	}
	m.environ = []string{"NO_COLOR=1"}
	for _, args := range [][]string{{"destinations"}, {"destinations", "show", "billing"}} {
		plain := m.run(0, "", args...)
		if strings.Contains(plain, "\x1b") {
			t.Errorf("%q", plain)
		}
	}
}
