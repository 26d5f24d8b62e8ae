package api

import (
	"cmp"
	"context"
	"net/http"
	"reflect"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/danielgtaylor/huma/v2"
)

func (s *server) repairs() {
	handle(s, op{http.MethodGet, "/repairs", "list-repairs", "List repairs", 0}, s.listRepairs)
	handle(s, op{http.MethodGet, "/repairs/{id}", "show-repair", "Show a repair and its progress", 0}, s.showRepair)
	handle(s, op{http.MethodPost, "/repairs/{id}/cancel", "cancel-repair",
		"End a running or waiting repair; its changes so far stay", 0}, s.cancelRepair)
	handleRepair(s, op{http.MethodPost, "/events/replay", "replay-events",
		"Make new deliveries of many events", http.StatusAccepted}, s.replayEvents)
	handleRepair(s, op{http.MethodPost, "/deliveries/retry", "retry-deliveries",
		"Make many deliveries due", http.StatusAccepted}, s.retryDeliveries)
	handleRepair(s, op{http.MethodPost, "/deliveries/cancel", "cancel-deliveries",
		"Cancel many pending deliveries", http.StatusAccepted}, s.cancelDeliveries)
	handle(s, op{http.MethodPost, "/events/{id}/replay", "replay-event",
		"Make new deliveries of an event", http.StatusAccepted}, s.replayEvent)
}

// handleRepair is handle for an operation that answers with a repair, or with a count if it is a dry run.
func handleRepair[I any](s *server, o op, handler func(context.Context, *I) (*begunOutput, error)) {
	response := func(description string, of reflect.Type) *huma.Response {
		schema := s.huma.OpenAPI().Components.Schemas.Schema(of, true, "")
		content := map[string]*huma.MediaType{"application/json": {Schema: schema}}
		return &huma.Response{Description: description, Content: content}
	}
	h := o.huma()
	begun := response("The repair, which runs, or waits until its starts_at", reflect.TypeFor[client.Repair]())
	h.Responses = map[string]*huma.Response{"202": begun}
	register(s, h, handler)
	// Added afterwards, because the library documents problems only for an operation with one answer.
	h.Responses["200"] = response("What the repair would do: the answer to a dry run",
		reflect.TypeFor[client.RepairCount]())
}

type begunOutput struct {
	Status   int
	Location string `header:"Location"`
	Body     any    // a client.RepairCount or a client.Repair
}

func (s *server) replayEvents(ctx context.Context, in *struct{ Body client.NewReplay }) (*begunOutput, error) {
	b := in.Body
	filter := bellhop.RepairFilter{
		Type: b.Type, Where: b.Where, DestinationID: b.Destination, Missed: b.Missed, Since: b.Since, Until: b.Until,
	}
	return s.beginRepair(ctx, b.Pace,
		catalog.RepairOrder{Kind: bellhop.RepairReplay, Source: b.Source, Filter: filter})
}

func (s *server) retryDeliveries(ctx context.Context, in *struct{ Body client.NewRetry }) (*begunOutput, error) {
	state := cmp.Or(bellhop.DeliveryState(in.Body.State), bellhop.DeliveryDead)
	return s.repairDeliveries(ctx, bellhop.RepairRetry, state, in.Body.Choice)
}

func (s *server) cancelDeliveries(ctx context.Context, in *struct{ Body client.NewCancel }) (*begunOutput, error) {
	return s.repairDeliveries(ctx, bellhop.RepairCancel, bellhop.DeliveryPending, in.Body.Choice)
}

// repairDeliveries begins a retry or a cancel of the deliveries of that state among the chosen ones.
func (s *server) repairDeliveries(
	ctx context.Context, kind bellhop.RepairKind, state bellhop.DeliveryState, c client.Choice,
) (*begunOutput, error) {
	return s.beginRepair(ctx, c.Pace, catalog.RepairOrder{Kind: kind, Filter: bellhop.RepairFilter{
		DestinationID: c.Destination, EventID: c.Event, State: state, Error: c.Error, Since: c.Since, Until: c.Until,
	}})
}

// beginRepair starts a repair, or counts what it would do.
func (s *server) beginRepair(ctx context.Context, pace client.Pace, o catalog.RepairOrder) (*begunOutput, error) {
	o.Rate, o.All, o.StartIn = pace.Rate, pace.All, startIn(pace.StartIn)
	if pace.DryRun {
		count, err := s.Catalog.CountRepair(ctx, o)
		return &begunOutput{Status: http.StatusOK, Body: client.RepairCount{Events: count.Events,
			Deliveries: count.Deliveries, Complete: count.Complete,
			SearchedTo: client.Time{Time: count.SearchedTo}}}, err
	}
	r, err := s.Catalog.BeginRepair(ctx, o)
	if err != nil {
		return nil, err
	}
	return &begunOutput{Status: http.StatusAccepted, Location: Prefix + "/repairs/" + r.ID, Body: repairJSON(r)}, nil
}

// startIn reads how long a repair waits before it begins; "" is not at all. A text that is no length of time becomes
// one that the catalog refuses at its field.
func startIn(text string) time.Duration {
	if text == "" {
		return 0
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return -1
	}
	return d
}

type replayEventInput struct {
	ID   string `path:"id" doc:"Id of the event"`
	Body *client.ReplayTo
}

func (s *server) replayEvent(ctx context.Context, in *replayEventInput) (*bodyOf[client.Replayed], error) {
	destination := ""
	if in.Body != nil {
		destination = in.Body.Destination
	}
	made, err := s.Catalog.Replay(ctx, in.ID, destination)
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(made))
	for i, d := range made {
		ids[i] = d.DestinationID
	}
	names, err := s.Store.DestinationNames(ctx, ids)
	if err != nil {
		return nil, err
	}
	out := client.Replayed{Deliveries: []client.NewDelivery{}}
	for _, d := range made {
		name, ok := names[d.DestinationID]
		if !ok && bellhop.TenantOf(ctx) != "" {
			continue // to a destination of another, which takes the events of this tenant too
		}
		out.Deliveries = append(out.Deliveries, client.NewDelivery{ID: d.DeliveryID, DestinationID: d.DestinationID,
			Destination: name})
	}
	return &bodyOf[client.Replayed]{out}, nil
}

// listRepairsInput narrows a list of repairs.
type listRepairsInput struct {
	Kind  string `query:"kind" enum:"replay,retry,cancel" doc:"Only those of this kind"`
	State string `query:"state" enum:"waiting,running,done,cancelled,failed" doc:"Only those in this state"`
	Owned
	Period
	Paging
}

func (s *server) listRepairs(ctx context.Context, in *listRepairsInput) (*listOutput[client.Repair], error) {
	query := bellhop.RepairQuery{Kind: bellhop.RepairKind(in.Kind), State: bellhop.RepairState(in.State),
		Tenant: in.Tenant, Since: in.Since, Until: in.Until}
	list, next, err := s.Store.Repairs(ctx, query, in.page())
	if err != nil {
		return nil, err
	}
	return listOf(list, next, repairJSON), nil
}

func (s *server) showRepair(ctx context.Context, in *one) (*tagged[client.Repair], error) {
	r, err := s.Store.Repair(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return taggedBy(r.UpdatedAt, repairJSON(r)), nil
}

func (s *server) cancelRepair(ctx context.Context, in *one) (*bodyOf[client.Repair], error) {
	r, err := s.Catalog.CancelRepair(ctx, in.ID)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.Repair]{repairJSON(r)}, nil
}

// repairJSON returns r in its JSON form.
func repairJSON(r bellhop.Repair) client.Repair {
	f := r.Filter
	return client.Repair{
		ID: r.ID, Kind: string(r.Kind), State: string(r.State), Reason: r.Reason, Rate: r.Rate,
		Filter: client.RepairFilter{
			SourceIDs: f.SourceIDs, Type: f.Type, Where: f.Where, EventID: f.EventID, DestinationID: f.DestinationID,
			Missed: f.Missed,
			State:  string(f.State), Error: f.Error, Tenant: f.Tenant,
			Since: client.Time{Time: f.Since}, Until: client.Time{Time: f.Until},
		},
		LookedAt: r.LookedAt, Changed: r.Changed, Skipped: r.Skipped, PositionAt: client.Time{Time: r.PositionAt},
		CreatedAt: client.Time{Time: r.CreatedAt}, UpdatedAt: client.Time{Time: r.UpdatedAt},
		StartsAt: client.Time{Time: r.StartsAt},
	}
}
