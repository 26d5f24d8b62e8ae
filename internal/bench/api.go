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
	"strings"
	"time"
)

// An api is the little that we need of Bellhop's API.
type api struct {
	url, key string
	client   *http.Client
}

// openAPI reads the key that a process made in its folder.
func openAPI(p *process) (*api, error) {
	key, err := os.ReadFile(filepath.Join(p.dir, "admin.key"))
	if err != nil {
		return nil, err
	}
	client := &http.Client{Timeout: 30 * time.Second, Transport: newTransport(1)}
	return &api{url: p.url + "/api/v1", key: strings.TrimSpace(string(key)), client: client}, nil
}

func (a *api) close() { a.client.CloseIdleConnections() }

// create makes a noun and returns its id.
func (a *api) create(ctx context.Context, path string, noun any) (id string, err error) {
	var made struct{ ID string }
	err = a.call(ctx, http.MethodPost, path, noun, &made)
	return made.ID, err
}

// pending counts the deliveries that are still owed.
func (a *api) pending(ctx context.Context) (int64, error) {
	var stats struct{ Deliveries map[string]int64 }
	err := a.call(ctx, http.MethodGet, "/stats", nil, &stats)
	return stats.Deliveries["pending"] + stats.Deliveries["leased"], err
}

// call sends in as JSON, unless it is nil, and reads the reply into out, unless that is nil.
func (a *api) call(ctx context.Context, method, path string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	if in == nil {
		body = nil
	}
	req, err := http.NewRequestWithContext(ctx, method, a.url+path, bytes.NewReader(body))
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
	reply, err := io.ReadAll(io.LimitReader(res.Body, 64<<10))
	if err != nil {
		return err
	}
	if res.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %s: %s", method, path, res.Status, bytes.TrimSpace(reply))
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(reply, out); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}
