//go:build stress && linux

package journey

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/client"
	emulated "github.com/bellhop-gateway/bellhop/emulator/acs"
	"github.com/bellhop-gateway/bellhop/provider/acs"
)

// The aims of downloads on an idle machine. A test that misses one says so, and does not fail: another machine, or one
// with other work, has other figures.
const (
	leastRate     = 0.8 // of that of curl
	mostCPU       = 1.5 // of that of curl
	leastCorridor = 0.8 // of the events delivered a second without downloads
)

// A cost is what it took to download one file.
type cost struct{ took, cpu time.Duration }

func (c cost) rate(size int64) float64 { return float64(size) / c.took.Seconds() / (1 << 20) }

// TestStressDownloadRate downloads the same recording by Bellhop, by curl, and by curl followed by sync, in turn, and
// compares what it costs. Bellhop hashes the file and makes it durable; curl leaves it in memory, and with sync makes
// it durable too, which shows what the disk allows. STRESS is four times the number of rounds; with fewer than three
// rounds the recording has 150 MB in place of 1.5 GB.
func TestStressDownloadRate(t *testing.T) {
	rounds, size := max(1, stress(t)/4), int64(150_000_000)
	if rounds >= 3 {
		size = 1_500_000_000
	}
	curl, err := exec.LookPath("curl")
	if err != nil {
		skipAloud(t, "there is no curl")
	}
	c := &comparison{t: t, curl: curl, size: size, out: filepath.Join(t.TempDir(), "curl")}
	c.sum = hashOf(t, emulated.Content{Seed: 7, Size: size, Format: "Mp4"})
	c.s, c.g = startRecordings(t), newGateway(t)
	c.hook = c.g.keepRecordings(c.s, 1)
	c.byBellhop() // the first one is not measured
	c.location = c.s.latestContent()

	var rates, durables, cpus []float64
	for n := range rounds {
		var ours, theirs, durable cost
		parts := []func(){func() { ours = c.byBellhop() }, func() { theirs = c.byCurl(false) },
			func() { durable = c.byCurl(true) }}
		for i := range parts {
			syscall.Sync() // nothing of the part before is still to be written
			parts[(n+i)%len(parts)]()
		}
		rates = append(rates, theirs.took.Seconds()/ours.took.Seconds())
		durables = append(durables, durable.took.Seconds()/ours.took.Seconds())
		cpus = append(cpus, ours.cpu.Seconds()/theirs.cpu.Seconds())
		t.Logf("round %d: Bellhop %.0f MiB/s, CPU %.2f s; curl %.0f MiB/s, CPU %.2f s; curl and sync %.0f MiB/s; "+
			"rate %.2f of curl's, %.2f of that with sync, CPU %.2f of curl's", n+1, ours.rate(size),
			ours.cpu.Seconds(), theirs.rate(size), theirs.cpu.Seconds(), durable.rate(size), rates[n],
			durables[n], cpus[n])
	}
	for _, list := range [][]float64{rates, durables, cpus} {
		slices.Sort(list)
	}
	rate, durable, cpu := rates[rounds/2], durables[rounds/2], cpus[rounds/2]
	t.Logf("medians of %d rounds of %d MB: rate %.2f of that of curl, %.2f of that of curl and "+
		"sync, CPU %.2f of curl's",
		rounds, size/1_000_000, rate, durable, cpu)
	if rate < leastRate {
		missed(t, "the rate is %.2f of that of curl, the aim is %v", rate, leastRate)
	}
	if cpu > mostCPU {
		missed(t, "the CPU is %.2f of that of curl, the aim is %v", cpu, mostCPU)
	}
}

// A comparison downloads one recording again and again.
type comparison struct {
	t        *testing.T
	s        *standIn
	g        *gateway
	hook     string // the URL to notify
	location string // path of the content at the stand-in
	curl     string // path of the program
	out      string // the file that it writes
	size     int64
	sum      string // SHA-256 of the recording
}

// byBellhop downloads the recording by acs.download, checks the file, and deletes it.
func (c *comparison) byBellhop() cost {
	c.t.Helper()
	before, ok := cpuTime(c.g.pid)
	if !ok {
		skipAloud(c.t, "the CPU time of a process cannot be read")
	}
	begun := time.Now()
	c.s.control("event", map[string]any{"to": c.hook, "data": map[string]any{"bytes": c.size, "seed": 7}})
	// Looking at the folder costs the gateway nothing; asking its API does.
	eventually(c.t, 10*time.Minute, "the file has its name", func() bool {
		found, _ := filepath.Glob(filepath.Join(c.g.dir, "files", "*", "0.mp4"))
		return len(found) == 1
	})
	took := time.Since(begun)
	var files []client.File
	eventually(c.t, patience, "the file is whole", func() bool {
		files = c.g.wholeFiles()
		return len(files) == 1
	})
	after, _ := cpuTime(c.g.pid)
	if f := files[0]; f.SHA256 != c.sum || f.Size != c.size {
		c.t.Fatalf("Bellhop has %d bytes of hash %s, want %d of %s", f.Size, f.SHA256, c.size, c.sum)
	}
	settle(c.t, c.g, patience) // the event is published: nobody uses the file any more
	if err := c.g.client().DeleteFile(c.t.Context(), files[0].ID); err != nil {
		c.t.Fatal(err)
	}
	return cost{took, after - before}
}

// byCurl downloads the recording by curl, makes it durable if that is asked for, checks the file, and deletes it.
func (c *comparison) byCurl(durable bool) cost {
	c.t.Helper()
	at, err := url.Parse(c.s.url)
	if err != nil {
		c.t.Fatal(err)
	}
	r := acs.Request{Method: http.MethodGet, Target: c.location, Host: at.Host, Header: http.Header{}}
	if err := acs.Sign(r, []byte("secret"), time.Now()); err != nil {
		c.t.Fatal(err)
	}
	args := []string{"--silent", "--show-error", "--fail", "--noproxy", "*", "--output", c.out}
	for name := range r.Header {
		args = append(args, "--header", name+": "+r.Header.Get(name))
	}
	command := exec.Command(c.curl, append(args, c.s.url+c.location)...)
	dieWithUs(command)
	begun := time.Now()
	said, err := command.CombinedOutput()
	if err != nil {
		c.t.Fatalf("curl: %v: %s", err, said)
	}
	f, err := os.Open(c.out)
	if err == nil && durable {
		err = f.Sync()
	}
	took := time.Since(begun)
	if err != nil {
		c.t.Fatal(err)
	}
	sum := sha256.New()
	n, err := io.Copy(sum, f)
	f.Close()
	if got := hex.EncodeToString(sum.Sum(nil)); err != nil || n != c.size || got != c.sum {
		c.t.Fatalf("curl has %d bytes of hash %s, want %d of %s: %v", n, got, c.size, c.sum, err)
	}
	if err := os.Remove(c.out); err != nil {
		c.t.Fatal(err)
	}
	return cost{took, command.ProcessState.UserTime() + command.ProcessState.SystemTime()}
}

// cpuTime returns how much processor time a process has used, of its own and of the system for it. The system counts
// it in hundredths of a second.
func cpuTime(pid int) (used time.Duration, ok bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, rest, found := strings.Cut(string(text), ") ") // what is before is the name, which may have blanks
	fields := strings.Fields(rest)
	if err != nil || !found || len(fields) < 13 {
		return 0, false
	}
	for _, field := range fields[11:13] { // utime and stime: proc_pid_stat(5)
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, false
		}
		used += time.Duration(ticks) * (time.Second / 100)
	}
	return used, true
}

// TestStressDownloadCorridor compares how many events a second are delivered alone, and beside four downloads that do
// not end. Each half of a round has a gateway of its own. STRESS is four times the number of rounds; with fewer than
// three rounds a half lasts 2 s in place of 6 s.
func TestStressDownloadCorridor(t *testing.T) {
	rounds, length := max(1, stress(t)/4), 2*time.Second
	if rounds >= 3 {
		length = 6 * time.Second
	}
	var delivered atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		delivered.Add(1)
	}))
	defer receiver.Close()
	half := func(downloads int) (rate, downloaded float64) {
		t.Helper()
		s, g := startRecordings(t), newGateway(t)
		defer func() {
			g.kill()
			if err := os.RemoveAll(g.dir); err != nil {
				t.Error(err)
			}
		}()
		g.source(plainSource, "generic", map[string]any{"scheme": "none"})
		g.destination(client.NewDestination{Name: "fast", URL: receiver.URL, Settings: map[string]any{"format": "raw"},
			Match: &client.Match{Sources: []string{plainSource}}})
		hook := g.keepRecordings(s, max(1, downloads))
		for i := range downloads {
			s.control("event",
				map[string]any{"to": hook, "data": map[string]any{"bytes": int64(1) << 40, "seed": 10 + i}})
		}
		began, before := time.Now(), g.partialBytes(t, downloads)
		end := time.Now().Add(warmUp + length)
		rate, _ = g.measure(&delivered, func() bool { return time.Now().After(end) })
		after := g.partialBytes(t, downloads)
		return rate, float64(after-before) / time.Since(began).Seconds() / (1 << 20)
	}
	var alone, beside, ratios []float64
	for n := range rounds {
		var with, without, downloaded float64
		halves := []func(){func() { with, downloaded = half(4) }, func() { without, _ = half(0) }}
		if n%2 == 1 {
			slices.Reverse(halves)
		}
		for _, half := range halves {
			syscall.Sync()
			half()
		}
		t.Logf("round %d: %.0f/s beside four downloads of %.0f MiB/s in all, %.0f/s without: %.2f", n+1, with,
			downloaded, without, with/without)
		alone, beside, ratios = append(alone, without), append(beside, with), append(ratios, with/without)
	}
	for _, list := range [][]float64{alone, beside, ratios} {
		slices.Sort(list)
	}
	middle := rounds / 2
	t.Logf("medians of %d rounds: %.0f/s beside four downloads, %.0f/s without, ratio %.2f (%.2f)", rounds,
		beside[middle], alone[middle], ratios[middle], ratios)
	if ratios[middle] < leastCorridor {
		missed(t, "delivered/s beside four downloads is %.2f of that without, the aim is %v", ratios[middle],
			leastCorridor)
	}
}

// partialBytes waits until so many downloads are under way, and returns how many bytes of them are here. None is
// whole.
func (g *gateway) partialBytes(t *testing.T, downloads int) (bytes int64) {
	t.Helper()
	eventually(t, patience, "the downloads go on", func() bool {
		list, err := g.client().Files(context.Background(), client.FileFilter{State: "partial"},
			client.Page{Limit: 250})
		bytes = 0
		for _, f := range list.Data {
			if f.Size == 0 {
				return false
			}
			bytes += f.Size
		}
		return err == nil && len(list.Data) == downloads
	})
	return bytes
}

// latestContent returns the path of the latest call for the content of a file.
func (s *standIn) latestContent() string {
	s.t.Helper()
	calls := s.calls()
	if len(calls) == 0 {
		s.t.Fatal("no file was downloaded")
	}
	return calls[len(calls)-1].URL
}
