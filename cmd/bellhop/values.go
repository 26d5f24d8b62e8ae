package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/internal/config"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// This file reads the values of flags: lengths of time, points in time, rates, sizes and numbers. Each form is
// parsed by one function, for all commands, and flagError writes all errors about values.

// A value is a pflag.Value made of a parser and a place for its result.
type value[T any] struct {
	to    *T
	parse func(text string) (T, error)
	write func(v T) string
	kind  string // the word for the value in --help
}

func (v *value[T]) Set(text string) error {
	parsed, err := v.parse(text)
	if err == nil {
		*v.to = parsed
	}
	return err
}

// String returns the value, from which Set makes the same value. pflag also calls it for a zero value[T].
func (v *value[T]) String() string {
	if v.to == nil {
		return ""
	}
	return v.write(*v.to)
}

func (v *value[T]) Type() string { return v.kind }

// lengthFlag adds a flag whose value is a length of time, such as 10s, 12h, 30d or 1d12h.
func lengthFlag(c *cobra.Command, d *time.Duration, name string, standard time.Duration, doc string) {
	*d = standard
	c.Flags().Var(&value[time.Duration]{d, config.ParseDuration, time.Duration.String, "length"}, name, doc)
}

// lengthTextFlag is lengthFlag for a length of time that the API gets. Its text is "" if the flag is not given.
func lengthTextFlag(c *cobra.Command, text *string, name, doc string) {
	parse := func(text string) (string, error) {
		d, err := config.ParseDuration(text)
		return d.String(), err
	}
	c.Flags().Var(&value[string]{text, parse, func(text string) string { return text }, "length"}, name, doc)
}

// timeFlag adds a flag whose value is a point in time.
func timeFlag(c *cobra.Command, t *time.Time, name, doc string) {
	c.Flags().Var(&value[time.Time]{t, parseTime, timeText, "time"}, name,
		doc+", such as 2026-11-22T10:00:00Z or '2026-11-22 10:00' (UTC)")
}

// sinceFlag adds a flag whose value is a point in time, or a length of time before now.
func sinceFlag(c *cobra.Command, t *time.Time, name, doc string) {
	parse := func(text string) (time.Time, error) { return parseSince(text, time.Now()) }
	c.Flags().Var(&value[time.Time]{t, parse, timeText, "time"}, name,
		doc+", such as 2026-11-22, 2026-11-22T10:00:00Z, or 2h for two hours ago")
}

func timeText(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// timeForms are the forms of a point in time. A form without a zone is UTC.
var timeForms = []string{time.RFC3339Nano, "2006-01-02 15:04:05", "2006-01-02 15:04", "2006-01-02T15:04:05",
	"2006-01-02T15:04", time.DateOnly}

// parseTime reads a point in time in one of timeForms.
func parseTime(text string) (time.Time, error) {
	for _, form := range timeForms {
		t, err := time.Parse(form, text)
		if err == nil {
			return t, nil
		}
	}
	return time.Time{}, errors.New("use a time such as 2026-11-22T10:00:00Z, '2026-11-22 10:00' or 2026-11-22 (UTC)")
}

// parseSince reads a point in time, or a length of time before now.
func parseSince(text string, now time.Time) (time.Time, error) {
	t, err := parseTime(text)
	if err == nil {
		return t, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil {
		return t, errors.New("use a time such as 2026-11-22T10:00:00Z, '2026-11-22 10:00' or 2026-11-22 (UTC), " +
			"or how long ago, such as 90m, 2h or 3d")
	}
	return now.Add(-d), nil
}

// parseExpiry reads a point in time, a length of time from now, or "never", for which it returns the zero time.
func parseExpiry(text string, now time.Time) (time.Time, error) {
	if text == "never" {
		return time.Time{}, nil
	}
	t, err := parseTime(text)
	if err == nil {
		return t, nil
	}
	d, err := config.ParseDuration(text)
	if err != nil {
		return t, errors.New("use a time such as 2026-12-31T00:00:00Z, '2026-12-31 18:00' or 2026-12-31 (UTC), " +
			"a length of time from now such as 12h or 30d, or never")
	}
	return now.Add(d).UTC(), nil
}

// rateFlag adds a flag whose value is a rate per second. It may be given per minute or hour: 600/m, 36000/h.
func rateFlag(c *cobra.Command, perSecond *float64, name, standard, doc string) {
	write := func(v float64) string { return strconv.FormatFloat(v, 'f', -1, 64) }
	c.Flags().Var(&value[float64]{perSecond, parseRate, write, "rate"}, name, doc)
	c.Flags().Lookup(name).DefValue = standard
}

// parseRate reads a rate: "10" and "10/s" are 10 a second, "600/m" is as many, and so is "36000/h".
func parseRate(text string) (perSecond float64, err error) {
	number, unit, _ := strings.Cut(text, "/")
	n, err := strconv.ParseFloat(number, 64)
	seconds := map[string]float64{"": 1, "s": 1, "m": 60, "h": 3600}[unit]
	if err != nil || n < 0 || math.IsNaN(n) || math.IsInf(n, 0) || seconds == 0 || strings.HasSuffix(text, "/") {
		return 0, errors.New("use a number per second, such as 10 or 0.5, or another rate, such as 600/m or 1000/h")
	}
	return n / seconds, nil
}

// sizeFlag adds a flag whose value is a number of bytes, such as 1048576, 512KiB or 10MB.
func sizeFlag(c *cobra.Command, bytes *int64, name, doc string) {
	write := func(v int64) string { return strconv.FormatInt(v, 10) }
	c.Flags().Var(&value[int64]{bytes, parseSize, write, "size"}, name, doc)
}

// sizeUnits are the units of a size, in upper case. K, M and G stand for KiB, MiB and GiB.
var sizeUnits = map[string]float64{"": 1, "B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9,
	"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}

// parseSize reads a number of bytes: "1048576", "1MiB", "1.5 MB".
func parseSize(text string) (bytes int64, err error) {
	number := strings.TrimRight(text, "KMGIBkmgib ")
	unit := strings.ToUpper(strings.TrimSpace(text[len(number):]))
	n, err := strconv.ParseFloat(number, 64)
	size := n * sizeUnits[unit]
	_, known := sizeUnits[unit]
	if err != nil || !known || !(size >= 0 && size < 1<<53) || size != math.Trunc(size) {
		return 0, errors.New("use a number of bytes, such as 1048576, or a size such as 512KiB, 1MiB or 10MB")
	}
	return int64(size), nil
}

// rangeFlag adds a flag whose value is a whole number from least to most.
func rangeFlag(c *cobra.Command, n *int, name string, standard, least, most int, doc string) {
	*n = standard
	parse := func(text string) (int, error) {
		n, err := strconv.Atoi(text)
		if err != nil || n < least || n > most {
			return 0, fmt.Errorf("use a whole number from %d to %d", least, most)
		}
		return n, nil
	}
	c.Flags().Var(&value[int]{n, parse, strconv.Itoa, "int"}, name, doc)
}

// advice says what to write in place of a wrong value. The library's own errors are those of Go's parsers.
func advice(invalid *pflag.InvalidValueError) string {
	switch kind := invalid.GetFlag().Value.Type(); {
	case !errors.As(invalid.Unwrap(), new(*strconv.NumError)) && kind != "stringSlice" && kind != "bool":
		words, _, _ := strings.Cut(invalid.Unwrap().Error(), ", not \"") // flagError has the value already
		return words
	case kind == "bool":
		return "use true or false"
	case kind == "stringSlice":
		return "the quotation marks in this list do not match"
	}
	return "use a whole number"
}

// quoted returns a value as it is written in a shell: in quotation marks if it is empty or has a blank.
func quoted(value string) string {
	if value == "" || strings.ContainsAny(value, " \t\n*?'\"$&|;<>()[]{}") {
		return "'" + value + "'"
	}
	return value
}

// mayBeEmpty are the flags whose empty value has a meaning; the key is "command flag", or "flag" for all commands.
var mayBeEmpty = map[string]bool{
	"cursor": true, "subject": true,
	"update source": true, "update types": true, "update where": true, "update tenants": true,
}

// refuseEmpty returns an error for the first flag that was given without a value, as by an unset variable of a shell:
// that would silently be the default. The settings of serve may be empty.
func refuseEmpty(c *cobra.Command) (err error) {
	if c.Name() == "serve" {
		return nil
	}
	c.Flags().Visit(func(f *pflag.Flag) {
		text := f.Value.String()
		empty := text == "" || text == "[]" || text == `[""]`
		if err == nil && empty && !mayBeEmpty[f.Name] && !mayBeEmpty[c.Name()+" "+f.Name] {
			err = wrongUsage("--%s is empty: give it a value, or leave it out", f.Name)
		}
	})
	return err
}
