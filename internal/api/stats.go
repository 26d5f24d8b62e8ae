package api

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
)

// Stats counts what there is.
type Stats struct {
	Sources         int64            `json:"sources"`
	Destinations    int64            `json:"destinations"`
	Events          int64            `json:"events" doc:"Kept"`
	Deliveries      map[string]int64 `json:"deliveries" doc:"By state; final ones since the server started"`
	OldestPendingAt Time             `json:"oldest_pending_at" doc:"When the oldest delivery still owed was due"`
	DatabaseBytes   int64            `json:"database_bytes"`
	RequestsRefused int64            `json:"requests_refused" doc:"Since the server started"`
}

func (s *server) stats() {
	handle(s, op{http.MethodGet, "/stats", "show-stats", "Count what there is", 0}, s.showStats)
}

func (s *server) showStats(ctx context.Context, _ *struct{}) (*bodyOf[Stats], error) {
	counted, err := s.Store.Stats(ctx)
	if err != nil {
		return nil, err
	}
	out := Stats{
		Sources: counted.Sources, Destinations: counted.Destinations, Events: counted.Events,
		Deliveries:      make(map[string]int64),
		OldestPendingAt: Time(counted.OldestPendingAt), DatabaseBytes: counted.DatabaseBytes, RequestsRefused: counted.RequestsRefused,
	}
	for _, state := range []bellhop.DeliveryState{bellhop.DeliveryPending, bellhop.DeliveryLeased, bellhop.DeliveryDelivered,
		bellhop.DeliveryDead, bellhop.DeliveryCancelled} {
		out.Deliveries[string(state)] = counted.Deliveries[state]
	}
	return &bodyOf[Stats]{out}, nil
}
