package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Names of the gateways in reports.
const (
	relayName   = "relay"
	bellhopName = "bellhop"
)

// A gateway is a kind of process that can be measured.
type gateway struct {
	name string
	// args are those it is started with, to use the folder dir and deliver to to+"0", to+"1", ….
	args func(o Options, dir, to string) []string
	// prepare tells it, once it is ready, what it was not told when it was started.
	prepare func(ctx context.Context, o Options, p *process, to, secret string) error
}

// queueBytes bounds the bodies that the relay holds.
const queueBytes = 256 << 20

var relayGateway = gateway{
	name: relayName,
	args: func(o Options, dir, to string) []string {
		queue := min(queueBytes/o.Size, o.Events*o.Fanout)
		return []string{"bench-relay", "--dir", dir, "--to", to, "--fanout", strconv.Itoa(o.Fanout), "--queue", strconv.Itoa(queue)}
	},
	prepare: func(context.Context, Options, *process, string, string) error { return nil },
}

var bellhopGateway = gateway{
	name: bellhopName,
	args: func(_ Options, dir, _ string) []string {
		return []string{"serve", "--data", dir, "--listen", "127.0.0.1:0", "--allow-private"}
	},
	prepare: createNouns,
}

// createNouns makes the source and the destinations through the API.
func createNouns(ctx context.Context, o Options, p *process, to, secret string) error {
	key, err := os.ReadFile(filepath.Join(p.dir, "admin.key"))
	if err != nil {
		return err
	}
	a := api{url: p.url + "/api/v1", key: strings.TrimSpace(string(key)), client: &http.Client{Timeout: 10 * time.Second, Transport: newTransport(1)}}
	defer a.client.CloseIdleConnections()
	type object = map[string]any
	source := object{"name": "bench", "provider": "generic", "settings": object{"scheme": "none"}}
	format := object{"format": "raw"}
	if o.Sign {
		source = object{"name": "bench", "provider": "standardwebhooks", "settings": object{"secret": secret}}
		format = object{"format": "standard", "secret": secret}
	}
	if err := a.create(ctx, "/sources", source); err != nil {
		return err
	}
	for i := range o.Fanout {
		n := strconv.Itoa(i)
		err := a.create(ctx, "/destinations", object{"name": "bench-" + n, "type": "http", "url": to + n, "settings": format,
			"match": object{"sources": []string{"bench"}}, "concurrency": attemptsAtOnce,
			"retry": object{"schedule": []string{"1s", "1s", "2s", "5s"}}}) // within defaultPatience
		if err != nil {
			return err
		}
	}
	return nil
}

// An api is the little that we need of Bellhop's API.
type api struct {
	url, key string
	client   *http.Client
}

func (a *api) create(ctx context.Context, path string, noun any) error {
	body, err := json.Marshal(noun)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, a.url+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+a.key)
	req.Header.Set("Content-Type", "application/json")
	res, err := a.client.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	reply, err := io.ReadAll(io.LimitReader(res.Body, 1<<10))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusCreated {
		return fmt.Errorf("create in %s: %s: %s", path, res.Status, bytes.TrimSpace(reply))
	}
	return nil
}
