// Package storetest is the suite that every database behind the store passes. It calls what the rooms call, and
// nothing else, so what it shows is what they may rely on.
package storetest

import (
	"context"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Store is what the rooms together use of the store.
//
// Results and notes take effect in the order in which they are handed over.
type Store interface {
	Accept(ctx context.Context, req *bellhop.Request, events []bellhop.Event, owed []bellhop.NewDelivery) (bellhop.Accepted, error)
	Claim(ctx context.Context, destinationID string, limit int, maxBytes int64) ([]bellhop.Delivery, error)
	NextDue(ctx context.Context, destinationID string) (time.Time, bool, error)
	Record(r bellhop.Result) error
	Release(ctx context.Context, deliveryIDs []string) error
	Note(req bellhop.Request)

	Sources(ctx context.Context, page bellhop.Page) ([]bellhop.Source, string, error)
	Source(ctx context.Context, idOrName string) (bellhop.Source, error)
	CreateSource(ctx context.Context, s bellhop.Source) error
	UpdateSource(ctx context.Context, s bellhop.Source) error
	DeleteSource(ctx context.Context, id string) error

	Destinations(ctx context.Context, page bellhop.Page) ([]bellhop.Destination, string, error)
	Destination(ctx context.Context, idOrName string) (bellhop.Destination, error)
	CreateDestination(ctx context.Context, d bellhop.Destination) error
	UpdateDestination(ctx context.Context, d bellhop.Destination) error
	RestartDestination(ctx context.Context, d bellhop.Destination) error
	ExplainUnverified(ctx context.Context, destinationID, reason string, refused bool) error
	SetDestinationState(ctx context.Context, id string, state bellhop.DestinationState, reason string) error
	EndDestination(ctx context.Context, id string, updatedAt time.Time, state bellhop.DestinationState, reason string) (bool, error)
	SetFailing(ctx context.Context, id string, since time.Time) error
	DeleteDestination(ctx context.Context, id string) error
	AskHandshake(ctx context.Context, destinationID string, token [32]byte, until time.Time, asked bellhop.Rate) error
	AgreeHandshake(ctx context.Context, token [32]byte, granted *bellhop.Rate) (destinationID string, err error)

	Events(ctx context.Context, f bellhop.EventFilter, page bellhop.Page) ([]bellhop.Event, string, error)
	Event(ctx context.Context, id string) (bellhop.Event, error)
	Deliveries(ctx context.Context, f bellhop.DeliveryFilter, page bellhop.Page) ([]bellhop.Delivery, string, error)
	Delivery(ctx context.Context, id string) (bellhop.Delivery, error)
	Attempts(ctx context.Context, deliveryID string) ([]bellhop.Attempt, error)
	RetryDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
	CancelDelivery(ctx context.Context, id string) (bellhop.Delivery, error)
	ReplayEvent(ctx context.Context, eventID string, owed []bellhop.NewDelivery) error
	Repairs(ctx context.Context, page bellhop.Page) ([]bellhop.Repair, string, error)
	RunningRepairs(ctx context.Context) ([]bellhop.Repair, error)
	Repair(ctx context.Context, id string) (bellhop.Repair, error)
	CreateRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	ScopeRepair(ctx context.Context, r bellhop.Repair) (bellhop.Repair, error)
	EndRepair(ctx context.Context, id string, state bellhop.RepairState, reason string) (bellhop.Repair, error)
	Choose(ctx context.Context, r bellhop.Repair, limit int, whole bool) (chosen []bellhop.Chosen, at int64, err error)
	StepRepair(ctx context.Context, r bellhop.Repair, step bellhop.RepairStep) (bellhop.Repair, error)
	Requests(ctx context.Context, f bellhop.RequestFilter, page bellhop.Page) ([]bellhop.Request, string, error)
	Request(ctx context.Context, id string) (bellhop.Request, error)
	Stats(ctx context.Context) (bellhop.Stats, error)

	Ready(ctx context.Context) error
	Run(ctx context.Context) error // sweeps at once, then from time to time
}

// Retain is how long the stores that the suite opens are to keep events and requests.
const Retain = 24 * time.Hour

// Run runs the suite. open opens an empty store that takes its time from now and keeps things for [Retain]; it is
// closed when the test ends.
func Run(t *testing.T, open func(t *testing.T, now func() time.Time) Store) {
	for _, test := range []struct {
		name string
		run  func(w *world)
	}{
		{"AcceptKeepsEverything", acceptKeepsEverything},
		{"AcceptInOrder", acceptInOrder},
		{"AcceptFoldsRepeats", acceptFoldsRepeats},
		{"AcceptOwed", acceptOwed},
		{"AcceptRequest", acceptRequest},
		{"AcceptRefuses", acceptRefuses},
		{"AcceptBodies", acceptBodies},
		{"ClaimInOrder", claimInOrder},
		{"ClaimBounds", claimBounds},
		{"ClaimOnce", claimOnce},
		{"ClaimOfKeys", claimOfKeys},
		{"ClaimOfKeysAtRandom", claimOfKeysAtRandom},
		{"NextDue", nextDue},
		{"Release", release},
		{"RecordStates", recordStates},
		{"RecordAttempts", recordAttempts},
		{"RecordFences", recordFences},
		{"SpareAttempts", spareAttempts},
		{"RecordMistake", recordMistake},
		{"ChangeDelivery", changeDelivery},
		{"RetryContinues", retryContinues},
		{"ReplayEvent", replayEvent},
		{"RepairSteps", repairSteps},
		{"RepairEnds", repairEnds},
		{"RepairChooses", repairChooses},
		{"RepairDeliveries", repairDeliveries},
		{"RepairLosesGround", repairLosesGround},
		{"Sources", sources},
		{"Destinations", destinations},
		{"Handshakes", handshakes},
		{"Names", names},
		{"DeleteSource", deleteSource},
		{"DeleteDestination", deleteDestination},
		{"Pages", pages},
		{"Cursors", cursors},
		{"FilterEvents", filterEvents},
		{"FilterDeliveries", filterDeliveries},
		{"FilterRequests", filterRequests},
		{"Notes", notes},
		{"NotesFlood", notesFlood},
		{"RetainByAge", retainByAge},
		{"RetainWhatIsOwed", retainWhatIsOwed},
		{"Stats", stats},
		{"Ready", ready},
	} {
		t.Run(test.name, func(t *testing.T) {
			clock := &clock{at: time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC)}
			w := &world{T: t, clock: clock, ctx: t.Context()}
			w.Store = open(t, clock.now)
			w.source = w.newSource("media")
			w.destination = w.newDestination("billing")
			test.run(w)
		})
	}
}
