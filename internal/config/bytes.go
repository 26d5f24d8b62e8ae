package config

import (
	"errors"
	"strconv"
	"strings"
)

// Bytes is a number of bytes: "1048576", "500MiB", "20GiB".
type Bytes int64

// byteUnits are the units of Bytes, in the order in which they are looked for.
var byteUnits = []struct {
	unit string
	of   float64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"kB", 1e3}, {"MB", 1e6}, {"GB", 1e9},
	{"TB", 1e12}, {"B", 1}}

// parseBytes parses the text of Bytes.
func parseBytes(text string) (Bytes, error) {
	number, of := strings.TrimSpace(text), 1.0
	for _, u := range byteUnits {
		if before, ok := strings.CutSuffix(number, u.unit); ok {
			number, of = strings.TrimSpace(before), u.of
			break
		}
	}
	n, err := strconv.ParseFloat(number, 64)
	if size := n * of; err == nil && size >= 0 && size < 1<<53 {
		return Bytes(size), nil
	}
	return 0, errors.New("use a number of bytes, or a size such as 500MiB or 20GiB")
}
