package main

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

func TestSplitCommand(t *testing.T) {
	for text, want := range map[string][]string{
		"":                              nil,
		"  a  b ":                       {"a", "b"},
		`a --data '{"b c": 1}' d`:       {"a", "--data", `{"b c": 1}`, "d"},
		"a '' b":                        {"a", "", "b"},
		"--types='x y'":                 {"--types=x y"},
		"'tasks/News DASH' --to=$OTHER": {"tasks/News DASH", "--to=$OTHER"},
	} {
		if got := splitCommand(text); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
}

// TestStories: each command of the stories is one that a user can run, and each variable that it uses is set before.
func TestStories(t *testing.T) {
	known := append([]string{"SERVER", "STANDINS", "RECEIVER", "CHANNEL"}, demoSecrets...)
	variable := regexp.MustCompile(`\$(\w+)`)
	for _, story := range stories {
		if len(story.steps) == 0 {
			t.Errorf("%s: it has no steps", story.title)
		}
		for _, step := range story.steps {
			args := splitCommand(step.command)
			if !slices.Contains([]string{"bellhop", "curl"}, args[0]) || step.text == "" {
				t.Errorf("%s: %s", story.title, step.command)
			}
			if args[0] == "bellhop" {
				if command, _, err := newRootCommand(&env{getenv: noEnv}).Find(args[1:]); err != nil ||
					command.Name() == "bellhop" {
					t.Errorf("%s: there is no such command: %v", step.command, err)
				}
			}
			for _, name := range variable.FindAllStringSubmatch(step.command, -1) {
				if !slices.Contains(known, name[1]) {
					t.Errorf("%s: nothing sets $%s", step.command, name[1])
				}
			}
			if want, err := regexp.Compile(step.want); err != nil || step.keep != "" && want.NumSubexp() != 1 {
				t.Errorf("%s: want %s: %v", step.command, step.want, err)
			}
			if step.keep != "" {
				known = append(known, step.keep)
			}
		}
	}
}

func TestExcerpt(t *testing.T) {
	long := strings.Repeat("x", 300) + "here" + strings.Repeat("y", 300)
	for _, tt := range []struct{ text, find, want string }{
		{"one\n two   three \nfour", "three", "two three"},
		{"one", "one", "one"},
		{long, "here", "here"},
	} {
		i := strings.Index(tt.text, tt.find)
		if got := excerpt(tt.text, i, i+len(tt.find)); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}
