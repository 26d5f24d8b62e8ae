package interop

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The two directions of a check.
const (
	deliver = "Bellhop → client"
	receive = "client → Bellhop"
)

// A row is one line of the table that is printed at the end.
type row struct{ client, direction, what, result string }

var table struct {
	sync.Mutex
	rows []row
}

// show runs one check of a client as a subtest and puts its result into the table.
func show(t *testing.T, client, direction, what string, check func(t *testing.T)) {
	t.Helper()
	t.Run(what, func(t *testing.T) {
		defer func() {
			result := "ok"
			if t.Failed() {
				result = "FAILED"
			}
			table.Lock()
			defer table.Unlock()
			table.rows = append(table.rows, row{client, direction, what, result})
		}()
		check(t)
	})
}

// printTable prints what was shown, clients together, as it stands in docs/INTEROP.md.
func printTable() {
	if len(table.rows) == 0 {
		return
	}
	slices.SortStableFunc(table.rows, func(a, b row) int { return strings.Compare(a.client, b.client) })
	fmt.Println("\n| client | direction | what | result |\n|---|---|---|---|")
	failed := 0
	for _, r := range table.rows {
		fmt.Printf("| %s | %s | %s | %s |\n", r.client, r.direction, r.what, r.result)
		if r.result != "ok" {
			failed++
		}
	}
	fmt.Printf("\n%d checks, %d failed\n", len(table.rows), failed)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.command != nil {
		shared.stop()
	}
	printTable()
	os.Exit(code)
}
