package boro

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

type receiver struct {
	verifier     *verifier // nil if nothing is checked
	prefix, path string    // what a proxy in front took away from the path, or the whole path that Boro knows
	now          func() time.Time
}

// Receive verifies the signature, then reads the notification.
func (r *receiver) Receive(_ context.Context, req *provider.Request) (provider.Receipt, error) {
	n, err := r.read(req)
	if err != nil {
		return provider.Receipt{}, fmt.Errorf("boro: %w", err)
	}
	key := n.repeatKey()
	if key == "" && r.verifier != nil { // a message without a number: one that is caught and sent again has the same signature
		key = provider.RepeatKey(req.Header.Get("Authorization"))
	}
	return provider.Receipt{Status: http.StatusOK, Events: []bellhop.Event{{
		Type:        n.eventType(),
		Subject:     n.subject(),
		ProviderID:  key,
		Time:        n.at(),
		ContentType: provider.ContentType(req.Header),
		Body:        req.Body,
	}}}, nil
}

func (r *receiver) read(req *provider.Request) (Notification, error) {
	if req.Method != http.MethodPost {
		return Notification{}, provider.ErrMethod
	}
	if r.verifier != nil {
		m := Message{Method: req.Method, URI: r.uri(req.Target), Header: req.Header, Body: req.Body}
		if err := r.verifier.verify(m, r.now()); err != nil {
			return Notification{}, err
		}
	}
	return Parse(req.Body)
}

// uri returns target as Boro knows it.
func (r *receiver) uri(target string) string {
	if r.prefix == "" && r.path == "" {
		return target
	}
	path, query, hasQuery := strings.Cut(originForm(target), "?")
	if r.path != "" {
		path = r.path
	} else {
		path = r.prefix + path
	}
	if hasQuery {
		path += "?" + query
	}
	return path
}
