package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/bellhop-gateway/bellhop/client"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// notOfTheAPI are the flags that the program itself reads: how it reaches a server, how it prints, and the values of
// --set, --access and --key, whose paths have names.
var notOfTheAPI = []string{"server", "api-key", "data", "json", "help", "watch", "dry-run", "no-wait", "set", "access",
	"unset", "key", "no-source", "no-browser", "history", "output", "force", "asset", "wait", "chain", "forward",
	"position", "exec", "make", "once", "ack", "max", "nack-delay",
	"prune", "without-keys", "without-files", "exit-code", "secrets", "troubled"}

// TestEveryFlagHasAPath: each flag of a command that calls the API is one that an error of the API can name.
func TestEveryFlagHasAPath(t *testing.T) {
	var named []string
	for _, flags := range flagsOfPath {
		named = append(named, flags...)
	}
	own := []string{"serve", "send", "verify", "providers", "bench", "bench-relay", "prove", "demo", "emulate",
		"version", "ready", "restore", "help", "test"}
	walkCommands(newRootCommand(&env{getenv: noEnv}), func(c *cobra.Command) {
		if slices.Contains(own, c.Name()) || c.HasParent() && c.Parent().Name() == "emulate" {
			return
		}
		c.Flags().VisitAll(func(f *pflag.Flag) {
			if !slices.Contains(named, f.Name) && !slices.Contains(notOfTheAPI, f.Name) {
				t.Errorf("%s: --%s is in no path of flagsOfPath", c.CommandPath(), f.Name)
			}
		})
	})
	for path, flags := range flagsOfPath {
		for _, flag := range flags {
			found := false
			walkCommands(newRootCommand(&env{getenv: noEnv}), func(c *cobra.Command) {
				found = found || c.Flags().Lookup(flag) != nil
			})
			if !found {
				t.Errorf("%s: no command has --%s", path, flag)
			}
		}
	}
}

func TestInFlagWords(t *testing.T) {
	for _, c := range []struct{ args, path, message, want string }{
		{"destinations create x --url http://x --types a,ams.*Change", "match.types[1]", "wrong",
			"--types 'ams.*Change': wrong"},
		{"destinations create x --url http://u:p@x", "url", "wrong", "--url: wrong"},
		{"destinations create x --url http://x --secret abc", "settings.secret", "wrong", "--secret: wrong"},
		{"destinations create x --type slack --set secret=abc", "settings.secret", "wrong", "--set secret: wrong"},
		{"destinations create x --url http://x --access token=abc", "access.token", "wrong", "--access token: wrong"},
		{"destinations create x --url http://x --outcome 700=dead", "retry.outcomes.700", "wrong",
			"--outcome 700: wrong"},
		{"destinations create x --url http://x --format template", "settings.template",
			`required in format template: {"body": "an expression", "headers": {…}}`,
			"--template: required with --format template: an expression, such as 'data.text'"},
		{"destinations create x --url http://x --failing-for 9h", "breaker.for", "wrong", "--failing-for 9h0m0s: " +
			"wrong"},
		{"destinations create api", "name", "wrong", "the name api: wrong"},
		{"destinations create x --url http://x --format template --template now", "settings.template.body",
			"unknown name now",
			"--template: unknown name now"},
		{"destinations update x --name api", "name", "wrong", "--name api: wrong"},
		{"sources create x --provider ams --key abc", "settings.signing_key", "wrong", "--key: wrong"},
		{"sources create x --provider ams --key abc", "settings.account_id", "required", "--set account_id: required"},
		{"sources create x --provider ams --set a=abc", "settings.a", "unknown here; see /openapi.json",
			"--set a: unknown here"},
		{"events publish bellhop.x", "type", "wrong", "the type bellhop.x: wrong"},
		{"events list --type a**", "type", "wrong", "--type 'a**': wrong"},
		{"replay --all --to nobody", "destination", "wrong", "--to nobody: wrong"},
		{"deliveries retry --all --rate 600/m", "rate", "wrong", "--rate 10: wrong"},
		{"stats", "unheard.of", "wrong", "unheard.of: wrong"},
	} {
		found, rest, err := newRootCommand(&env{getenv: noEnv}).Find(strings.Fields(c.args))
		if err == nil {
			err = found.ParseFlags(rest)
		}
		if err != nil {
			t.Fatal(err)
		}
		refused := &client.Error{Detail: "whole", Errors: []client.FieldError{{Path: c.path, Message: c.message}}}
		if got := inFlagWords(found, refused); got != c.want {
			t.Errorf("%s: %s: got %q, want %q", c.args, c.path, got, c.want)
		}
	}
}
