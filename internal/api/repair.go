package api

import (
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/danielgtaylor/huma/v2"
)

// A Repair is a replay, retry or cancel of many, chosen by a filter. It goes in steps, also across restarts.
type Repair struct {
	ID         string       `json:"id" example:"rpr_01h455vb4pex5vsknk08"`
	Kind       string       `json:"kind" enum:"replay,retry,cancel"`
	State      string       `json:"state" enum:"running,done,cancelled,failed"`
	Reason     string       `json:"reason" doc:"Why it failed or was cancelled"`
	Filter     RepairFilter `json:"filter"`
	Rate       float64      `json:"rate" doc:"Deliveries a second made due; 0 is any"`
	LookedAt   int64        `json:"looked_at" doc:"How many events or deliveries it has looked at, of those that the filter's fields choose"`
	Changed    int64        `json:"changed" doc:"Deliveries made, made due or cancelled"`
	Skipped    int64        `json:"skipped" doc:"Deliveries not made or changed: their event was gone by then, or they were in another state"`
	PositionAt Time         `json:"position_at" doc:"The time of the events that it has come to; it goes from old to new"`
	CreatedAt  Time         `json:"created_at" doc:"What came after that it leaves alone"`
	UpdatedAt  Time         `json:"updated_at"`
}

// A RepairFilter is what a repair was asked to choose.
type RepairFilter struct {
	SourceID      string `json:"source_id,omitempty"`
	Type          string `json:"type,omitempty"`
	Where         string `json:"where,omitempty"`
	EventID       string `json:"event_id,omitempty"`
	DestinationID string `json:"destination_id,omitempty"`
	State         string `json:"state,omitempty"`
	Error         string `json:"error,omitempty"`
	Since         Time   `json:"since,omitzero"`
	Until         Time   `json:"until,omitzero"`
}

// A RepairCount is what a repair would do: the answer to a dry run.
type RepairCount struct {
	Events     int64 `json:"events" doc:"Of a replay: those that it takes"`
	Deliveries int64 `json:"deliveries" doc:"Deliveries that would be made, made due or cancelled"`
	Complete   bool  `json:"complete" doc:"false if there was no time to count all; there are more, then"`
}

// A Range is the part of a repair's filter that bounds it in time.
type Range struct {
	Since time.Time `json:"since,omitzero" doc:"Only of events that came in at this moment or later"`
	Until time.Time `json:"until,omitzero" doc:"Only of events that came in before this moment"`
}

func (r Range) check() error {
	if !r.Until.IsZero() && !r.Until.After(r.Since) {
		return bellhop.Invalid("until", "must be later than since")
	}
	return nil
}

// A Pace says how a repair goes.
type Pace struct {
	Rate   *float64 `json:"rate,omitempty" minimum:"0" maximum:"100000" doc:"Deliveries a second made due, 200 if not given; 0 is as fast as can be"`
	All    bool     `json:"all,omitempty" doc:"Must be true where nothing narrows the choice"`
	DryRun bool     `json:"dry_run,omitempty" doc:"Counts what it would do, and does nothing"`
}

// check holds a rate to what there can be.
func (p Pace) check() error {
	if p.Rate != nil && *p.Rate != 0 && *p.Rate < bellhop.MinRate {
		return bellhop.Invalid("rate", "use 0, which is as fast as can be, or a number from 0.0003 (one an hour) to 100000")
	}
	return nil
}

// perSecond is the rate of a repair; a cancel makes nothing due, and goes as fast as it can.
func (p Pace) perSecond(kind bellhop.RepairKind) float64 {
	switch {
	case p.Rate != nil:
		return *p.Rate
	case kind == bellhop.RepairCancel:
		return 0
	}
	return bellhop.DefaultRepairRate
}

func (s *server) repairs() {
	handle(s, op{http.MethodGet, "/repairs", "list-repairs", "List repairs", 0}, s.listRepairs)
	handle(s, op{http.MethodGet, "/repairs/{id}", "show-repair", "Show a repair and how far it is", 0}, s.showRepair)
	handle(s, op{http.MethodPost, "/repairs/{id}/cancel", "cancel-repair", "End a running repair; what it did stays done", 0}, s.cancelRepair)
	handleRepair(s, op{http.MethodPost, "/events/replay", "replay-events", "Make new deliveries of many events", http.StatusAccepted}, s.replayEvents)
	handleRepair(s, op{http.MethodPost, "/deliveries/retry", "retry-deliveries", "Make many deliveries due", http.StatusAccepted}, s.retryDeliveries)
	handleRepair(s, op{http.MethodPost, "/deliveries/cancel", "cancel-deliveries", "Give up many pending deliveries", http.StatusAccepted}, s.cancelDeliveries)
	handle(s, op{http.MethodPost, "/events/{id}/replay", "replay-event", "Make new deliveries of an event", http.StatusAccepted}, s.replayEvent)
}

// handleRepair is handle for what answers with a repair, or with a count.
func handleRepair[I any](s *server, o op, handler func(context.Context, *I) (*begunOutput, error)) {
	response := func(description string, of reflect.Type) *huma.Response {
		schema := s.huma.OpenAPI().Components.Schemas.Schema(of, true, "")
		return &huma.Response{Description: description, Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}
	}
	h := o.huma()
	h.Responses = map[string]*huma.Response{"202": response("The repair, which has begun", reflect.TypeFor[Repair]())}
	register(s, h, handler)
	// Afterwards: the library documents problems where it is told of one answer only.
	h.Responses["200"] = response("What it would do: the answer to a dry run", reflect.TypeFor[RepairCount]())
}

type begunOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     any    // a RepairCount or a Repair
}

// beginRepair starts a repair, or counts what it would do.
func (s *server) beginRepair(ctx context.Context, kind bellhop.RepairKind, f bellhop.RepairFilter, pace Pace) (*begunOutput, error) {
	r := bellhop.Repair{ID: s.newID(bellhop.PrefixRepair), Kind: kind, Filter: f, Rate: pace.perSecond(kind), CreatedAt: s.Env.Now()}
	if pace.DryRun {
		count, err := s.Repairer.Count(ctx, r)
		return &begunOutput{Status: http.StatusOK, Body: RepairCount(count)}, err
	}
	r, err := s.Repairer.Begin(ctx, r)
	if err != nil {
		return nil, err
	}
	s.log.Info("repair.begun", "repair_id", r.ID, "kind", string(kind), "destination_id", f.DestinationID, "rate", r.Rate)
	return &begunOutput{Status: http.StatusAccepted, Location: Prefix + "/repairs/" + r.ID, Body: repairJSON(r)}, nil
}

func (s *server) listRepairs(ctx context.Context, in *Paging) (*listOutput[Repair], error) {
	list, next, err := s.Store.Repairs(ctx, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, repairJSON), nil
}

func (s *server) showRepair(ctx context.Context, in *one) (*bodyOf[Repair], error) {
	r, err := s.Store.Repair(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &bodyOf[Repair]{repairJSON(r)}, nil
}

func (s *server) cancelRepair(ctx context.Context, in *one) (*bodyOf[Repair], error) {
	r, err := s.Repairer.Cancel(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &bodyOf[Repair]{repairJSON(r)}, nil
}

func repairJSON(r bellhop.Repair) Repair {
	f := r.Filter
	return Repair{
		ID: r.ID, Kind: string(r.Kind), State: string(r.State), Reason: r.Reason, Rate: r.Rate,
		Filter: RepairFilter{SourceID: f.SourceID, Type: f.Type, Where: f.Where, EventID: f.EventID, DestinationID: f.DestinationID,
			State: string(f.State), Error: f.Error, Since: Time(f.Since), Until: Time(f.Until)},
		LookedAt: r.LookedAt, Changed: r.Changed, Skipped: r.Skipped,
		PositionAt: Time(r.PositionAt), CreatedAt: Time(r.CreatedAt), UpdatedAt: Time(r.UpdatedAt),
	}
}
