package bench

import (
	"fmt"
	"slices"
	"time"
)

// A comparison is two ways to run a gateway that take turns.
type comparison struct {
	name     string
	about    string   // what it shows, in a line of help
	heading  string   // of the column that names the sides
	flags    []string // of the command, beyond those that every comparison has
	defaults Options
	seeded   bool // there are so many destinations that they are made once, and each run begins with a copy

	minRate, minFanout int

	sides   func(o Options) [2]side
	verdict func(r *Report) string // in a clause: what the second side was to the first
}

// A side is one of the two.
type side struct {
	name    string
	gateway gateway
	loads   []load // the first is what is measured, the second what the gateway is troubled with meanwhile
}

// A load is events of one source and what becomes of them.
type load struct {
	source       string // they are posted to /in/ and this
	events       int    // 0 is as many as there is time for until the other load has drained
	rate         int    // a second; 0 is as fast as they are answered
	destinations int
	concurrency  int  // attempts at a time, of each destination
	spread       bool // each event goes to one of the destinations, by its type; else to all
	held         bool // the destinations are paused until all is accepted: everything comes due at once

	where    string
	envelope bool // format envelope; else raw, or standard if signed
	batch    int  // events in a request, at most; 0 is one

	hangs bool          // the receiver takes requests and answers none
	delay time.Duration // before each answer
}

// commonFlags are those of every comparison.
var commonFlags = []string{"against", "events", "connections", "size", "runs", "dir", "json"}

// comparisons are in the order of help. The first is what is measured unless another is asked for.
var comparisons = []comparison{relayComparison, whereComparison, fanoutComparison, batchComparison, hangingComparison, outageComparison}

// Comparisons lists the names.
func Comparisons() (names []string) {
	for _, c := range comparisons {
		names = append(names, c.name)
	}
	return names
}

// About says in a line for each comparison what it shows, and with which flags of its own.
func About() (lines [][2]string) {
	for _, c := range comparisons {
		about := c.about
		for i, flag := range c.flags {
			about += []string{" (--", ", --"}[min(i, 1)] + flag
		}
		if len(c.flags) > 0 {
			about += ")"
		}
		lines = append(lines, [2]string{c.name, about})
	}
	return lines
}

// find returns the comparison of a name that has been checked.
func find(name string) *comparison {
	return &comparisons[slices.IndexFunc(comparisons, func(c comparison) bool { return c.name == name })]
}

func (c *comparison) takes(flag string) bool {
	return slices.Contains(commonFlags, flag) || slices.Contains(c.flags, flag)
}

func (c *comparison) idle(flag string) error {
	return fmt.Errorf("--%s: does nothing with --against %s; leave it out", flag, c.name)
}
