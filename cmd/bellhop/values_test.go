package main

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestParseRate(t *testing.T) {
	for text, want := range map[string]float64{
		"10": 10, "0.5": 0.5, "10/s": 10, "600/m": 10, "36000/h": 10, "0": 0,
		"": -1, "/s": -1, "10/": -1, "10/d": -1, "-1": -1, "NaN": -1, "Inf": -1, "10 /s": -1, "fast": -1,
	} {
		got, err := parseRate(text)
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
}

func TestParseSize(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "1048576": 1 << 20, "512KiB": 512 << 10, "1MiB": 1 << 20, "10MB": 10_000_000, "64kB": 64000,
		"1.5MiB": 3 << 19,
		"1 MB":   1_000_000, "32M": 32 << 20, "7B": 7,
		"": -1, "MB": -1, "-1": -1, "10MX": -1, "1.5": -1, "1e400": -1, "NaN": -1, "99999999GB": -1, "1KiBB": -1,
	} {
		got, err := parseSize(text)
		if (err == nil) != (want >= 0) || err == nil && got != want {
			t.Errorf("%q: %v %v, want %v", text, got, err, want)
		}
	}
}

func TestParseExpiry(t *testing.T) {
	now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"30d": "2026-12-22T10:00:00Z", "1d12h": "2026-11-23T22:00:00Z", "2026-12-31": "2026-12-31T00:00:00Z",
		"2026-12-31 18:00": "2026-12-31T18:00:00Z", "never": "0001-01-01T00:00:00Z", "": "", "soon": "", "-1h": "",
	} {
		got, err := parseExpiry(text, now)
		if (err == nil) != (want != "") || err == nil && got.Format(time.RFC3339Nano) != want {
			t.Errorf("%q: %v %v, want %q", text, got, err, want)
		}
	}
}

// FuzzValues checks that no parser of a flag's value panics or returns a negative value.
func FuzzValues(f *testing.F) {
	for _, text := range []string{"10/s", "1.5MiB", "30d", "2026-12-31 18:00", "never", "1e308", "NaN", "K"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		rate, err := parseRate(text)
		if err == nil && !(rate >= 0) {
			t.Errorf("the rate %q is %v", text, rate)
		}
		size, err := parseSize(text)
		if err == nil && size < 0 {
			t.Errorf("the size %q is %v", text, size)
		}
		now := time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)
		_, err = parseTime(text)
		expiry, expiryErr := parseExpiry(text, now)
		if err != nil && expiryErr == nil && text != "never" && expiry.Before(now) {
			t.Errorf("the expiry %q is %v", text, expiry)
		}
	})
}

// TestMessagesAboutFlags: a wrong value is answered with the flag, the value and what to write, and no text of Go's
// parsers.
func TestMessagesAboutFlags(t *testing.T) {
	create := "destinations create x --url http://x "
	for args, want := range map[string]string{
		"sources --limit abc":      "--limit abc: use a whole number from 1 to 250",
		"sources --limit 0":        "--limit 0: use a whole number from 1 to 250",
		create + "--concurrency 0": "--concurrency 0: use a whole number from 1 to 1024",
		create + "--failures many": "--failures many: use a whole number",
		create + "--rate 10/x":     "--rate 10/x: use a number per second",
		create + "--timeout 5":     "--timeout 5: use a length of time such as 10s, 12h or 30d",
		create + "--max-age soon":  "--max-age soon: use a length of time",
		create + "--retry 5s,often": "--retry 5s,often: use default, none, sharepoint, " +
			"eventgrid, day, or waits",
		create + "--expires tomorrow":         "--expires tomorrow: use a time such as",
		create + "--secret=":                  "--secret is empty: give it a value, or leave it out",
		create + "--types=":                   "--types is empty",
		"sources create x --max-body-bytes x": "--max-body-bytes x: use a number of bytes, such as 1048576",
		"sources update x --disabled=perhaps": "--disabled perhaps: use true or false",
		"sources create x --key=":             "--key is empty",
		"events publish t --time yesterday":   "--time yesterday: use a time such as",
		"events --since yesterday":            "--since yesterday: use a time such as",
		"events --source=":                    "--source is empty",
		"sources --limit":                     "--limit needs a value",
		"serve --json":                        "'bellhop serve' has no --json",
		"help imitate":                        "no command 'bellhop imitate'",
		"imitate --help":                      "no command 'bellhop imitate'",
		"help sources nothing":                "no command 'bellhop sources nothing'",
		"sources nothing --help":              "no command 'bellhop sources nothing'",
	} {
		stdout, stderr, err := command(strings.Fields(args)...)
		if exitCode(err) != 2 || stdout != "" || !strings.HasPrefix(stderr, "bellhop: "+want) {
			t.Errorf("%s: %v, stdout %q, stderr %q", args, err, stdout, stderr)
		}
		for _, leak := range []string{"strconv", "invalid argument", "2006-01-02", "invalid syntax"} {
			if strings.Contains(stderr, leak) {
				t.Errorf("%s: %s", args, stderr)
			}
		}
	}
}

// TestWrongArguments: every command answers too few or too many arguments in the words of the program, and not in
// those of the library.
func TestWrongArguments(t *testing.T) {
	walkCommands(newRootCommand(&env{getenv: noEnv}), func(c *cobra.Command) {
		for _, args := range [][]string{nil, {"a", "b", "c", "d", "e"}} {
			err := c.ValidateArgs(args)
			if err == nil {
				continue
			}
			if exitCode(err) != 2 || strings.Contains(err.Error(), "arg(s)") {
				t.Errorf("%s with %d arguments: %v", c.CommandPath(), len(args), err)
			}
		}
	})
}

// walkCommands calls visit with each command below c that can run.
func walkCommands(c *cobra.Command, visit func(c *cobra.Command)) {
	for _, sub := range c.Commands() {
		walkCommands(sub, visit)
	}
	if c.Runnable() && c.HasParent() {
		visit(c)
	}
}

func TestVersionFlags(t *testing.T) {
	want, _, err := command("version")
	if err != nil {
		t.Fatal(err)
	}
	for _, flag := range []string{"--version", "-v"} {
		got, _, err := command(flag)
		if err != nil || got != want {
			t.Errorf("%s: %q %v", flag, got, err)
		}
	}
}
