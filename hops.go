package bellhop

import "strconv"

// HopsHeader counts how many gateways an event has gone through, so that one that goes in circles is stopped.
const HopsHeader = "Bellhop-Hops"

// MaxHops is how many gateways an event may have gone through when it arrives.
const MaxHops = 8

// Hops returns the count in h; 0 if there is none, MaxHops if it cannot be read.
func Hops(h Header) int {
	return ParseHops(h.Get(HopsHeader))
}

// ParseHops returns the count that text, a value of [HopsHeader], says.
func ParseHops(text string) int {
	if text == "" {
		return 0
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 || n > MaxHops {
		return MaxHops
	}
	return n
}
