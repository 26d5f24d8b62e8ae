package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/datadir"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/spf13/cobra"
)

// This file is for whatever starts and watches servers: containers and scripts ask whether one is ready.

const (
	readyTimeout = 5 * time.Second        // of one question
	readyPause   = 100 * time.Millisecond // between two questions of --wait
)

// A readiness asks one server whether it is ready.
type readiness struct {
	server, data, dir string
	client            *http.Client
}

func newReadyCommand(e *env) *cobra.Command {
	asked := readiness{dir: e.dir, client: egress.NewLocal()}
	var wait time.Duration
	c := &cobra.Command{
		Use:   "ready",
		Short: "Ask whether a server is ready for requests",
		Long: `Ask whether a server is ready for requests: GET /readyz, which needs no key. Exit status 1 says that
it is not, or that no server runs. Containers use it as their health check, and scripts to wait for a
server that they have started.`,
		Example: `  bellhop ready
  bellhop ready --data /var/lib/bellhop --wait 30s
  bellhop ready --server https://hooks.example.com`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			err := checkServerURL(asked.server)
			if err != nil {
				return err
			}
			err = asked.wait(c.Context(), wait)
			if err != nil {
				return err
			}
			fmt.Fprintln(e.stderr, "ready")
			return nil
		},
	}
	c.Flags().StringVar(&asked.server, "server", "",
		"URL of the server (default: the server that runs in the data folder)")
	c.Flags().StringVar(&asked.data, "data", defaultData, "data folder of a server on this machine")
	c.Flags().SetAnnotation("data", ofTheServer, []string{})
	c.Flags().DurationVar(&wait, "wait", 0, "how long to ask again until the server is ready, such as 30s")
	return c
}

// wait asks until the server is ready or until d is over, and once at least. It returns the last answer.
func (r readiness) wait(ctx context.Context, d time.Duration) error {
	end := time.Now().Add(d)
	for {
		err := r.ask(ctx)
		if err == nil || !time.Now().Add(readyPause).Before(end) {
			return err
		}
		err = pauseFor(ctx, readyPause)
		if err != nil {
			return err
		}
	}
}

// ask asks once. Its error says why the server is not ready.
func (r readiness) ask(ctx context.Context) error {
	server := strings.TrimSuffix(r.server, "/")
	if server == "" {
		local, err := datadir.ReadServer(within(r.dir, r.data), r.data != defaultData)
		if err != nil {
			return err
		}
		if local.URL == "" {
			return fmt.Errorf("no server is running in %s", r.data)
		}
		server = local.URL
	}
	ctx, cancel := context.WithTimeout(ctx, readyTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/readyz", nil)
	if err != nil {
		return err
	}
	resp, err := r.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	switch {
	case err != nil:
		return fmt.Errorf("%s/readyz: %w", server, err)
	case resp.StatusCode == http.StatusOK && strings.Contains(string(body), `"ready"`):
		return nil
	case resp.StatusCode == http.StatusServiceUnavailable:
		return fmt.Errorf("%s is not ready: its log says why (readiness.failed)", server)
	}
	return fmt.Errorf("%s/readyz: the answer, of status %d, is not Bellhop's: is it another program?", server,
		resp.StatusCode)
}
