package storetest

import (
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// keysOfTheAPI shows that keys are stored, read, listed and deleted whole, and that their uses are stored.
func keysOfTheAPI(w *world) {
	at := w.clock.now()
	reader := bellhop.Key{ID: "key_1", Name: "reader", Scope: bellhop.ScopeRead, Tenant: "acme",
		Hash: bellhop.HashKey("one"), CreatedAt: at, ExpiresAt: at.Add(time.Hour)}
	ci := bellhop.Key{ID: "key_2", Name: "ci", Scope: bellhop.ScopePublish, Hash: bellhop.HashKey("two"),
		CreatedAt: at.Add(time.Second)}
	w.must(w.CreateKey(w.ctx, reader))
	w.must(w.CreateKey(w.ctx, ci))
	read := func(idOrName string) bellhop.Key {
		w.Helper()
		got, err := w.Key(w.ctx, idOrName)
		w.must(err)
		return got
	}
	w.equal("by id", read("key_1"), reader)
	w.equal("by name", read("ci"), ci)

	for what, k := range map[string]bellhop.Key{
		"a taken name": {ID: "key_3", Name: "ci", Scope: bellhop.ScopeRead, CreatedAt: at},
		"a taken id":   {ID: "key_2", Name: "other", Scope: bellhop.ScopeRead, CreatedAt: at},
	} {
		w.refused(what, w.CreateKey(w.ctx, k), bellhop.CodeConflict)
	}
	if err := w.CreateKey(w.ctx, bellhop.Key{ID: "key_3", Name: "root", Scope: "root", CreatedAt: at}); err == nil {
		w.Error("a key with an unknown scope was stored")
	}

	w.must(w.UseKeys(w.ctx, map[string]bellhop.KeyUse{
		"key_1": {At: at.Add(time.Minute), Address: "2001:db8::1"}, "key_unknown": {At: at},
	}))
	reader.LastUsedAt, reader.LastAddress = at.Add(time.Minute), "2001:db8::1"
	w.equal("after its use", read("reader"), reader)
	w.equal("another key after that", read("ci"), ci)

	for what, c := range map[string]struct {
		filter bellhop.KeyFilter
		want   []bellhop.Key
	}{
		"all, newest first": {bellhop.KeyFilter{}, []bellhop.Key{ci, reader}},
		"of a scope":        {bellhop.KeyFilter{Scope: bellhop.ScopeRead}, []bellhop.Key{reader}},
		"of no scope":       {bellhop.KeyFilter{Scope: bellhop.ScopeAdmin}, nil},
	} {
		list, next, err := w.Keys(w.ctx, c.filter, bellhop.Page{})
		w.must(err)
		w.equal(what, list, c.want)
		w.equal(what+": the next page", next, "")
	}
	first, next, err := w.Keys(w.ctx, bellhop.KeyFilter{}, bellhop.Page{Limit: 1})
	w.must(err)
	rest, end, err := w.Keys(w.ctx, bellhop.KeyFilter{}, bellhop.Page{Limit: 1, Cursor: next})
	w.must(err)
	w.equal("page by page", append(first, rest...), []bellhop.Key{ci, reader})
	w.equal("after the last page", end, "")

	w.must(w.DeleteKey(w.ctx, "key_1"))
	w.refused("delete it again", w.DeleteKey(w.ctx, "key_1"), bellhop.CodeNotFound)
	w.refused("read it", second(w.Key(w.ctx, "key_1")), bellhop.CodeNotFound)
	w.refused("read it by name", second(w.Key(w.ctx, "reader")), bellhop.CodeNotFound)
	reader.ID = "key_4"
	w.must(w.CreateKey(w.ctx, reader))
}

// tooManyKeys shows that the number of keys is bounded, and that a deleted one makes room.
func tooManyKeys(w *world) {
	id := func(i int) string { return fmt.Sprintf("%s%020d", bellhop.PrefixKey, i) }
	create := func(i int) error {
		return w.CreateKey(w.ctx, bellhop.Key{ID: id(i), Name: fmt.Sprint("k", i), Scope: bellhop.ScopeRead,
			CreatedAt: w.clock.now()})
	}
	const writers = 100 // at the same time, so that many share a commit
	for i := 0; i < bellhop.MaxKeys; i += writers {
		created := make(chan error, writers)
		for j := range writers {
			go func() { created <- create(i + j) }()
		}
		for range writers {
			w.must(<-created)
		}
	}
	w.refused("one more", create(bellhop.MaxKeys), bellhop.CodeConflict)
	w.must(w.DeleteKey(w.ctx, id(7)))
	w.must(create(bellhop.MaxKeys))
}
