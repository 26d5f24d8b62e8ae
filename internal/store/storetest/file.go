package storetest

import (
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// file returns a file of the event and destination of w as an action begins it.
func (w *world) file(name, eventID string) bellhop.File {
	return bellhop.File{ID: w.newID(bellhop.PrefixFile), Name: name, State: bellhop.FilePartial, Total: -1,
		ContentType: "video/mp4", Source: "media", EventID: eventID, DestinationID: w.destination,
		Destination: "billing",
		CreatedAt:   w.clock.now(), UpdatedAt: w.clock.now()}
}

// newEvent accepts an event that no destination wants, and returns its id.
func (w *world) newEvent() string {
	w.Helper()
	events := []bellhop.Event{w.event("", []byte(`{"chunks":2}`))}
	w.accept(events, nil)
	return events[0].ID
}

// begun begins a file and returns it.
func (w *world) begun(f bellhop.File) bellhop.File {
	w.Helper()
	rec, err := w.BeginFile(w.ctx, f)
	w.must(err)
	return rec.File
}

// fileNames lists the files that a filter selects.
func (w *world) fileNames(f bellhop.FileFilter) string {
	w.Helper()
	list, next, err := w.Files(w.ctx, f, bellhop.Page{})
	w.must(err)
	w.equal("the next page", next, "")
	var names []string
	for _, f := range list {
		names = append(names, f.Name)
	}
	return strings.Join(names, " ")
}

// recordsOf reads a whole list of records, two at a time, as text.
func (w *world) recordsOf(page func(after int64, limit int) ([]bellhop.FileRecord, int64, error)) string {
	w.Helper()
	var texts []string
	for after := int64(0); ; {
		list, last, err := page(after, 2)
		w.must(err)
		if len(list) == 0 {
			return strings.Join(texts, " ")
		}
		for _, rec := range list {
			texts = append(texts, strings.TrimSuffix(rec.Name+":"+string(rec.Doom), ":"))
		}
		after = last
	}
}

func (w *world) doomed() string {
	w.Helper()
	return w.recordsOf(func(after int64, limit int) ([]bellhop.FileRecord, int64, error) {
		return w.DoomedFiles(w.ctx, after, limit)
	})
}

var someSum = strings.Repeat("0a", 32)

// beginFile shows that a file is begun once, and that its delivery alone goes on with it.
func beginFile(w *world) {
	event, other := w.newEvent(), w.newEvent()
	f := w.file("call/0.mp4", event)
	rec, err := w.BeginFile(w.ctx, f)
	w.must(err)
	w.equal("a new file", rec, bellhop.FileRecord{File: f})
	for what, idOrName := range map[string]string{"by id": f.ID, "by name": f.Name} {
		got, err := w.File(w.ctx, idOrName)
		w.must(err)
		w.equal(what, got, f)
	}

	w.clock.pass(time.Minute)
	again := w.file("call/0.mp4", event)
	again.Total, again.ContentType, again.DueAt = 17, "", w.clock.now().Add(time.Hour)
	f.Total, f.DueAt = again.Total, again.DueAt
	w.equal("begun again with more", w.begun(again), f)
	w.equal("begun again with less", w.begun(w.file("call/0.mp4", event)), f)
	stranger := w.file("call/0.mp4", other)
	stranger.Total = 99
	w.equal("the name of another event", w.begun(stranger), f)

	w.equal("another name", w.begun(w.file("call/1.mp4", event)).Name, "call/1.mp4")
	nobody := w.file("call/2.mp4", event)
	nobody.DestinationID = "dst_unknown"
	w.refused("no such destination", second(w.BeginFile(w.ctx, nobody)), bellhop.CodeNotFound)
	nobody = w.file("call/2.mp4", event[:4]+"0000000000"+event[14:])
	w.refused("no such event", second(w.BeginFile(w.ctx, nobody)), bellhop.CodeNotFound)
	nobody.EventID = "none"
	w.refused("no event", second(w.BeginFile(w.ctx, nobody)), bellhop.CodeNotFound)
	w.refused("no such file", second(w.File(w.ctx, "call/2.mp4")), bellhop.CodeNotFound)
	known, err := w.KnownFiles(w.ctx, []string{f.ID, "call/1.mp4", "call/2.mp4", "fil_unknown"})
	w.must(err)
	w.equal("known", known, map[string]bool{f.ID: true, "call/1.mp4": true, "call/2.mp4": false, "fil_unknown": false})

	w.must(w.DeleteDestination(w.ctx, w.destination))
	got, err := w.File(w.ctx, f.ID)
	w.must(err)
	w.equal("after its destination was deleted", got, f)
}

// saveFile shows that the progress of a file is kept until it is whole.
func saveFile(w *world) {
	f := w.begun(w.file("a", w.newEvent()))
	w.clock.pass(time.Second)
	p := bellhop.FileProgress{Size: 5 << 30, Hash: []byte{1, 2, 3}, Upload: "upload é"}
	w.must(w.SaveFile(w.ctx, f.ID, p))
	f.Size, f.UpdatedAt = p.Size, w.clock.now()
	rec, err := w.FileRecord(w.ctx, f.ID)
	w.must(err)
	w.equal("saved", rec, bellhop.FileRecord{File: f, Hash: p.Hash, Upload: p.Upload})
	w.refused("another one", w.SaveFile(w.ctx, "fil_unknown", p), bellhop.CodeNotFound)
	totals, err := w.FileTotals(w.ctx)
	w.must(err)
	w.equal("totals of a partial file", totals, bellhop.FileTotals{Partial: 1, Bytes: p.Size})

	w.clock.pass(time.Second)
	expires := w.clock.now().Add(time.Hour)
	f.State, f.SHA256, f.UpdatedAt, f.ExpiresAt = bellhop.FileWhole, someSum, w.clock.now(), expires
	got, err := w.FinishFile(w.ctx, f.ID, someSum, expires)
	w.must(err)
	w.equal("whole", got, f)
	w.clock.pass(time.Second)
	got, err = w.FinishFile(w.ctx, f.ID, strings.Repeat("0b", 32), expires.Add(time.Hour))
	w.must(err)
	w.equal("finished again", got, f)
	rec, err = w.FileRecord(w.ctx, f.ID)
	w.must(err)
	w.equal("its record", rec, bellhop.FileRecord{File: f})
	w.refused("saved when it is whole", w.SaveFile(w.ctx, f.ID, p), bellhop.CodeNotFound)
	w.equal("begun when it is whole", w.begun(w.file("a", f.EventID)), f)
	totals, err = w.FileTotals(w.ctx)
	w.must(err)
	w.equal("totals of a whole file", totals, bellhop.FileTotals{Whole: 1, Bytes: p.Size})
	w.refused("no such file is finished", second(w.FinishFile(w.ctx, "fil_unknown", someSum, expires)),
		bellhop.CodeNotFound)

	own := w.file("b", f.EventID)
	own.ExpiresAt = expires.Add(-time.Minute)
	own = w.begun(own)
	got, err = w.FinishFile(w.ctx, own.ID, someSum, expires)
	w.must(err)
	w.equal("it keeps an age of its own", got.ExpiresAt, own.ExpiresAt)
}

// listFiles shows the filters and the pages of the list.
func listFiles(w *world) {
	event, other := w.newEvent(), w.newEvent()
	events := []bellhop.Event{w.event("", []byte("{}"))}
	events[0].SourceID = w.newSource("calls")
	w.accept(events, nil)
	second := w.newDestination("second")
	whole := w.begun(w.file("a", event))
	_, err := w.FinishFile(w.ctx, whole.ID, someSum, time.Time{})
	w.must(err)
	w.begun(w.file("b", event))
	f := w.file("c", other)
	f.DestinationID = second
	w.begun(f)
	w.begun(w.file("d", events[0].ID))
	for what, l := range map[string]struct {
		filter bellhop.FileFilter
		want   string
	}{
		"all, newest first": {bellhop.FileFilter{}, "d c b a"},
		"partial":           {bellhop.FileFilter{State: bellhop.FilePartial}, "d c b"},
		"whole":             {bellhop.FileFilter{State: bellhop.FileWhole}, "a"},
		"of an event":       {bellhop.FileFilter{EventID: event}, "b a"},
		"of a source":       {bellhop.FileFilter{SourceIDs: []string{events[0].SourceID}}, "d"},
		"of a destination":  {bellhop.FileFilter{DestinationIDs: []string{second}}, "c"},
		"of either":         {bellhop.FileFilter{DestinationIDs: []string{second, w.destination}}, "d c b a"},
	} {
		w.equal(what, w.fileNames(l.filter), l.want)
	}
	for what, filter := range map[string]bellhop.FileFilter{"no such event": {EventID: "evt_unknown"},
		"no such source":      {SourceIDs: []string{"src_unknown"}},
		"no such destination": {DestinationIDs: []string{"dst_x"}}} {
		_, _, err := w.Files(w.ctx, filter, bellhop.Page{})
		w.refused(what, err, bellhop.CodeNotFound)
	}
	page, next, err := w.Files(w.ctx, bellhop.FileFilter{}, bellhop.Page{Limit: 3})
	w.must(err)
	w.equal("a page", len(page), 3)
	page, next, err = w.Files(w.ctx, bellhop.FileFilter{}, bellhop.Page{Limit: 3, Cursor: next})
	w.must(err)
	w.equal("the last page", fmt.Sprint(len(page), page[0].Name, next), "1a")
	w.equal("all in order", w.recordsOf(func(after int64, limit int) ([]bellhop.FileRecord, int64, error) {
		return w.FilesAfter(w.ctx, after, limit)
	}), "a b c d")
}

// doomFiles shows which files are doomed because of their age, and that a doomed file is hidden until it is deleted.
func doomFiles(w *world) {
	owed := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}}
	pending := []bellhop.Event{w.event("", []byte("{}"))}
	w.accept(pending, owed)
	finished := []bellhop.Event{w.event("", []byte("{}"))}
	dead := []bellhop.NewDelivery{{DestinationID: w.destination, Leased: true}}
	w.accept(finished, dead)
	w.record(w.result(dead[0].DeliveryID, 1, bellhop.DeliveryDead))

	expiring := w.file("expiring", pending[0].ID)
	expiring.ExpiresAt = w.clock.now().Add(3 * time.Hour)
	w.begun(expiring)
	w.begun(w.file("owed", pending[0].ID))
	w.begun(w.file("dead", finished[0].ID))
	w.begun(w.file("gone", w.newEvent()))
	whole := w.begun(w.file("whole", finished[0].ID))
	_, err := w.FinishFile(w.ctx, whole.ID, someSum, time.Time{})
	w.must(err)
	doom := func(limit int) string {
		w.Helper()
		n, err := w.DoomFiles(w.ctx, limit)
		w.must(err)
		return fmt.Sprint(n, " ", w.doomed())
	}
	w.clock.pass(2 * time.Hour)
	w.equal("in time", doom(10), "0 ")
	w.clock.pass(time.Hour)
	w.equal("at its age", doom(10), "1 expiring:expired")
	w.clock.pass(21 * time.Hour)
	w.equal("a day later, one at a time", doom(1), "1 expiring:expired dead:abandoned")
	w.equal("the other one", doom(10), "1 expiring:expired dead:abandoned gone:abandoned")
	w.equal("nothing more", doom(10), "0 expiring:expired dead:abandoned gone:abandoned")
	w.equal("what is shown", w.fileNames(bellhop.FileFilter{}), "whole owed")

	for what, err := range map[string]error{
		"shown":    second(w.File(w.ctx, expiring.ID)),
		"record":   second(w.FileRecord(w.ctx, expiring.ID)),
		"saved":    w.SaveFile(w.ctx, expiring.ID, bellhop.FileProgress{Size: 1}),
		"finished": second(w.FinishFile(w.ctx, expiring.ID, someSum, time.Time{})),
		"doomed":   second(w.DoomFile(w.ctx, expiring.ID, bellhop.FileAsked)),
	} {
		w.refused("a doomed file is "+what, err, bellhop.CodeNotFound)
	}
	rec, err := w.BeginFile(w.ctx, w.file("expiring", pending[0].ID))
	w.must(err)
	w.equal("its name is taken", fmt.Sprint(rec.ID == expiring.ID, rec.Doom), "trueexpired")
	known, err := w.KnownFiles(w.ctx, []string{expiring.ID})
	w.must(err)
	w.equal("it is known", known[expiring.ID], true)
	w.must(w.DeleteFile(w.ctx, expiring.ID))
	w.must(w.DeleteFile(w.ctx, expiring.ID))
	w.equal("deleted", w.doomed(), "dead:abandoned gone:abandoned")
	w.equal("its name is free", w.begun(w.file("expiring", pending[0].ID)).ID != expiring.ID, true)

	w.must(w.DeleteFile(w.ctx, whole.ID))
	w.equal("a file that is not doomed stays", w.fileNames(bellhop.FileFilter{}), "expiring whole owed")
	rec, err = w.DoomFile(w.ctx, whole.ID, bellhop.FileAsked)
	w.must(err)
	w.equal("asked for", fmt.Sprint(rec.Name, rec.State, rec.Doom), "wholewholeasked")

	w.clock.set(48 * time.Hour) // not time that passed
	w.equal("after the clock was set", doom(10), "0 dead:abandoned gone:abandoned whole:asked")
}

// filesOfDeletedEvents shows that a file goes with its event, unless it has an age of its own.
func filesOfDeletedEvents(w *world) {
	event := w.newEvent()
	keep := w.file("own", event)
	keep.ExpiresAt = w.clock.now().Add(100 * Retain)
	w.begun(keep)
	w.begun(w.file("with", event))
	w.clock.pass(Retain / 2)
	w.begun(w.file("later", w.newEvent()))
	w.clock.pass(Retain/2 + time.Minute)
	w.newEvent() // the clock is trusted while events come
	w.sweep("the file of the old event is doomed", func() bool { return w.doomed() == "with:event" })
	w.equal("others stay", w.fileNames(bellhop.FileFilter{}), "later own")
	got, err := w.File(w.ctx, "own")
	w.must(err)
	w.equal("it names its event", fmt.Sprint(got.EventID == event, got.Source), "truemedia")
}
