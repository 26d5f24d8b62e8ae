package storetest

import (
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// submissions shows that of several submissions with one key one begins, and that its answer is kept for a day.
func submissions(w *world) {
	sub := bellhop.Submission{Key: [32]byte{1}, Request: [32]byte{2}}
	began := w.clock.now()
	begin := func(sub bellhop.Submission) (bellhop.Submission, bool) {
		w.Helper()
		first, begun, err := w.BeginSubmission(w.ctx, sub)
		w.must(err)
		return first, begun
	}
	const count = 8
	begun := make([]bool, count)
	var wait sync.WaitGroup
	for i := range count {
		wait.Go(func() { _, begun[i] = begin(sub) })
	}
	wait.Wait()
	winners := 0
	for _, won := range begun {
		if won {
			winners++
		}
	}
	w.equal("submissions that begin at once", winners, 1)

	w.clock.pass(time.Hour)
	other := sub
	other.Request, sub.BegunAt = [32]byte{3}, began
	first, again := begin(other)
	w.equal("without an answer", first, sub)
	w.equal("begun again", again, false)

	w.must(w.EndSubmission(w.ctx, sub.Key, 201, []byte("answer")))
	first, _ = begin(other)
	sub.Status, sub.Answer = 201, []byte("answer")
	w.equal("with an answer", first, sub)

	failed := bellhop.Submission{Key: [32]byte{4}}
	begin(failed)
	w.must(w.DropSubmission(w.ctx, failed.Key))
	_, again = begin(failed)
	w.equal("begun again after it was dropped", again, true)
	w.refused("the answer to no submission", w.EndSubmission(w.ctx, [32]byte{9}, 200, nil), bellhop.CodeNotFound)

	w.clock.pass(bellhop.KeepSubmissions - time.Hour - time.Microsecond)
	_, again = begin(other)
	w.equal("begun again within a day", again, false)
	w.clock.pass(time.Microsecond)
	_, again = begin(other)
	w.equal("begun again after a day", again, true)

	w.clock.pass(bellhop.KeepSubmissions)
	w.sweep("a submission that nobody repeats is deleted", func() bool {
		// Its answer can be stored as long as it is there.
		return w.EndSubmission(w.ctx, failed.Key, 200, nil) != nil
	})
}
