// Package storetest is the test suite of the contract of package store, which every database behind it passes.
// It calls only the methods of the contract, so the behaviour that it shows is the behaviour that callers may
// rely on.
package storetest

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"log/slog"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/store"
)

// Retain is how long the stores that the suite opens are to keep events and requests: less than store.RetainDead.
const Retain = 12 * time.Hour

// Run runs the suite. open opens an empty store with those options; it is closed when the test ends.
func Run(t *testing.T, open func(t *testing.T, opts store.Options) store.Store) {
	for _, test := range []struct {
		name string
		run  func(w *world)
	}{
		{"AcceptKeepsEverything", acceptKeepsEverything},
		{"AcceptInOrder", acceptInOrder},
		{"AcceptFoldsRepeats", acceptFoldsRepeats},
		{"AcceptConflicts", acceptConflicts},
		{"AcceptOwed", acceptOwed},
		{"AcceptPlaces", acceptPlaces},
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
		{"Settled", settled},
		{"Progress", progressOfActions},
		{"ChangeDelivery", changeDelivery},
		{"RetryContinues", retryContinues},
		{"ReplayEvent", replayEvent},
		{"RepairSteps", repairSteps},
		{"RepairEnds", repairEnds},
		{"RepairWaits", repairWaits},
		{"RepairChooses", repairChooses},
		{"RepairDeliveries", repairDeliveries},
		{"RepairLosesGround", repairLosesGround},
		{"Sources", sources},
		{"RenameSource", renameSource},
		{"Destinations", destinations},
		{"Handshakes", handshakes},
		{"Names", names},
		{"Connections", connections},
		{"TenantNouns", tenantNouns},
		{"Narrowed", narrowed},
		{"CountsWithin", countsWithin},
		{"TenantRenames", tenantRenames},
		{"Keys", keysOfTheAPI},
		{"TooManyKeys", tooManyKeys},
		{"Sessions", sessions},
		{"SignInLinks", signInLinks},
		{"OldSessions", oldSessions},
		{"PortalLinks", portalLinks},
		{"ManyPortalLinks", manyPortalLinks},
		{"OldPortalLinks", oldPortalLinks},
		{"Subscriptions", subscriptions},
		{"SubscriptionCalls", subscriptionCalls},
		{"SourceNotes", sourceNotes},
		{"Positions", positions},
		{"Certificates", certificates},
		{"GapsToFill", gapsToFill},
		{"EventsAfter", eventsAfter},
		{"BeginFile", beginFile},
		{"SaveFile", saveFile},
		{"ListFiles", listFiles},
		{"DoomFiles", doomFiles},
		{"FilesOfDeletedEvents", filesOfDeletedEvents},
		{"DeleteSource", deleteSource},
		{"FormerSources", formerSources},
		{"FormerDestinations", formerDestinations},
		{"DeleteDestination", deleteDestination},
		{"Pages", pages},
		{"Cursors", cursors},
		{"FilterEvents", filterEvents},
		{"FilterDeliveries", filterDeliveries},
		{"FilterRequests", filterRequests},
		{"FilterNouns", filterNouns},
		{"Versions", versions},
		{"Submissions", submissions},
		{"ChangeNouns", changeNouns},
		{"ChangeNounsWholly", changeNounsWholly},
		{"ScansStop", scansStop},
		{"Tenants", tenants},
		{"Observe", observe},
		{"ObserveMany", observeMany},
		{"Arrivals", arrivals},
		{"Attempted", attempted},
		{"Notes", notes},
		{"NotesFlood", notesFlood},
		{"UnknownFlood", unknownFlood},
		{"RetainByAge", retainByAge},
		{"RetainWhatIsOwed", retainWhatIsOwed},
		{"RetainFromTheEnd", retainFromTheEnd},
		{"RetainDead", retainDead},
		{"RetainBehindYoung", retainBehindYoung},
		{"ClockSet", clockSet},
		{"RetainConflicts", retainConflicts},
		{"Stats", stats},
		{"Audit", audit},
		{"AuditOfDeliveries", auditOfDeliveries},
		{"Series", series},
		{"SeriesOfMany", seriesOfMany},
		{"Backlog", backlog},
		{"OldestPending", oldestPending},
		{"Ready", ready},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			clock := &clock{at: time.Date(2026, 3, 29, 1, 59, 59, 123456000, time.UTC)}
			w := &world{T: t, clock: clock, ctx: t.Context(), observer: &observer{}}
			w.Store = open(t, store.Options{Keys: keys(t), Now: clock.now, Elapsed: clock.elapsed, Rand: rand.Reader,
				Logger: slog.New(slog.DiscardHandler), Retain: Retain, Observer: w.observer})
			w.source = w.newSource("media")
			w.destination = w.newDestination("billing")
			test.run(w)
		})
	}
}

// keys returns a key ring with one key.
func keys(t *testing.T) store.KeyRing {
	t.Helper()
	ring, err := store.ParseKeyRing(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return ring
}
