package connection

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"

	"github.com/bellhop-gateway/bellhop"
	"github.com/prometheus/client_golang/prometheus"
)

// A notice is the body of the event that a connection was signed out. It has no URL and no secret.
type notice struct {
	Connection noticeConnection `json:"connection"`
	Reason     string           `json:"reason"`
	Account    string           `json:"account,omitempty"`
}

type noticeConnection struct {
	ID       string `json:"id"`
	Name     string `json:"name"`
	Provider string `json:"provider"`
}

// announce publishes the event that noun is being signed out by its authority. Its id is the same for the same
// state of the connection, so that a repeat after a crash is folded.
func (m *Manager) announce(ctx context.Context, noun bellhop.Connection, o bellhop.ConnectionOutcome) {
	if m.opts.Announce == nil {
		return
	}
	body, err := json.Marshal(notice{noticeConnection{noun.ID, noun.Name, noun.Provider}, o.Reason, noun.Account})
	if err == nil {
		state := sha256.Sum256([]byte(noun.ExpiresAt.String() + noun.UpdatedAt.String() + o.Reason))
		err = m.opts.Announce(ctx, bellhop.Event{Type: bellhop.TypeConnectionSignedOut, Subject: noun.Name,
			Tenant: noun.Tenant, ProviderID: noun.ID + " " + hex.EncodeToString(state[:8]),
			Fingerprint: bellhop.FingerprintByID, Time: m.now(), ContentType: "application/json", Body: body})
	}
	if err != nil {
		m.log.Error("announcement.failed", "type", bellhop.TypeConnectionSignedOut, "connection_id", noun.ID, "error",
			err, "meaning", "destinations that match events of "+bellhop.SourceSelf+" do not hear of it")
	}
}

// metrics are those of the connections. No label has the name of a connection: there may be many.
type metrics struct {
	requests *prometheus.CounterVec
}

func newMetrics(to prometheus.Registerer, count func(bellhop.ConnectionState) float64) *metrics {
	m := &metrics{requests: prometheus.NewCounterVec(prometheus.CounterOpts{
		Name: "bellhop_connection_token_requests_total",
		Help: "Requests for tokens by provider and result: granted, failed, which is tried again, or refused for " +
			"good.",
	}, []string{"provider", "result"})}
	if to == nil {
		return m
	}
	to.MustRegister(m.requests)
	for _, state := range []bellhop.ConnectionState{bellhop.ConnectionReady, bellhop.ConnectionSignedOut,
		bellhop.ConnectionFailing} {
		to.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: "bellhop_connections",
			Help: "Connections by state.", ConstLabels: prometheus.Labels{"state": string(state)}},
			func() float64 { return count(state) }))
	}
	return m
}
