package interop

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The directions of a check.
const (
	deliver = "Bellhop → client"
	receive = "client → Bellhop"
)

// A row is the result of one check, a row of the table that TestMain prints.
type row struct{ client, direction, check, result string }

var table struct {
	sync.Mutex // protects rows
	rows       []row
}

// check runs one check of a client as a subtest and adds its result to the table.
func check(t *testing.T, client, direction, name string, run func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) {
		defer func() {
			result := "ok"
			if t.Failed() {
				result = "FAILED"
			}
			table.Lock()
			defer table.Unlock()
			table.rows = append(table.rows, row{client, direction, name, result})
		}()
		run(t)
	})
}

// printTable prints the results of all checks as a Markdown table, grouped by client. docs/INTEROP.md sums them up.
func printTable() {
	if len(table.rows) == 0 {
		return
	}
	slices.SortStableFunc(table.rows, func(a, b row) int { return strings.Compare(a.client, b.client) })
	fmt.Println("\n| client | direction | check | result |\n|---|---|---|---|")
	failed := 0
	for _, r := range table.rows {
		fmt.Printf("| %s | %s | %s | %s |\n", r.client, r.direction, r.check, r.result)
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
