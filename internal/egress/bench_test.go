//go:build unix

package egress

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The benchmarks post 1 KiB to a server in another process from many goroutines. cpu-ns/op is the CPU time of
// this process alone. ns/op is the elapsed time, while both processes share the machine's cores.

func BenchmarkDo(b *testing.B) { benchmarkDo(b, context.Background()) }

// BenchmarkDoCancellable: the attempts share a context that can be cancelled.
func BenchmarkDoCancellable(b *testing.B) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	benchmarkDo(b, ctx)
}

func benchmarkDo(b *testing.B, ctx context.Context) {
	c := New(Config{AllowPrivate: true})
	b.Cleanup(c.Close)
	target, err := c.Target("http://"+startSink(b)+"/hook", Route{})
	if err != nil {
		b.Fatal(err)
	}
	req := &Request{Target: target, Body: bytes.Repeat([]byte("x"), 1024), Timeout: 5 * time.Second}
	for _, h := range benchHeaders {
		req.Header = AppendHeader(req.Header, h[0], h[1])
	}
	measure(b, func() error {
		reply, err := c.Do(ctx, req)
		if err == nil && reply.Status != 200 {
			b.Error(reply.Status)
		}
		return err
	})
}

func BenchmarkNetHTTP(b *testing.B) {
	url := "http://" + startSink(b) + "/hook"
	c := &http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 256,
		DisableCompression: true}}
	b.Cleanup(c.CloseIdleConnections)
	body := bytes.Repeat([]byte("x"), 1024)
	measure(b, func() error {
		req, err := http.NewRequest("POST", url, bytes.NewReader(body))
		if err != nil {
			return err
		}
		for _, h := range benchHeaders {
			req.Header.Set(h[0], h[1])
		}
		res, err := c.Do(req)
		if err != nil {
			return err
		}
		defer res.Body.Close()
		_, err = io.ReadAll(io.LimitReader(res.Body, 4<<10))
		return err
	})
}

var benchHeaders = [][2]string{
	{"Content-Type", "application/json"},
	{"Webhook-Id", "evt_0123456789abcdefghijklmn"},
	{"Webhook-Timestamp", "1795348800"},
	{"Webhook-Signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4="},
}

func measure(b *testing.B, post func() error) {
	b.ReportAllocs()
	b.SetParallelism(16)
	b.ResetTimer()
	before := cpuTime()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := post(); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(cpuTime()-before)/float64(b.N), "cpu-ns/op")
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// startSink starts the server of TestMain and returns its address.
func startSink(b *testing.B) string {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "EGRESS_SINK=1")
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { stdin.Close(); cmd.Wait() })
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(addr)
}
