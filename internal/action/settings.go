package action

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// execSettings are the settings of a destination of type exec.
type execSettings struct {
	Command []string          `json:"command"`
	Dir     string            `json:"dir"`
	Env     map[string]string `json:"env"`

	path string // of the program
}

// Bounds of the settings. Together with the fields of an event they stay below the bounds that operating systems
// set to the arguments and variables of a process.
const (
	maxTexts     = 64       // entries of command, and of env
	maxTextBytes = 16 << 10 // bytes of command in all, and of env
)

// readSettings reads and checks settings, and finds the program. Its error reports all mistakes at once, as
// bellhop.CodeInvalid with paths within the settings.
func readSettings(raw json.RawMessage) (s execSettings, err error) {
	if err := provider.DecodeSettings(raw, &s); err != nil {
		return s, err
	}
	commandErr := checkCommand(s.Command)
	if commandErr == nil {
		if s.path, err = findCommand(s.Command[0]); err != nil {
			commandErr = bellhop.Invalid("command[0]", err.Error())
		}
	}
	return s, bellhop.Join("", commandErr, checkDir(s.Dir), bellhop.Join("env", checkEnv(s.Env)))
}

func checkCommand(command []string) error {
	switch {
	case len(command) == 0 || command[0] == "":
		return bellhop.Invalid(
			"command",
			`required: the program and its arguments, such as ["/usr/local/bin/paid","--json"]`,
		)
	case len(command) > maxTexts || size(slices.Values(command)) > maxTextBytes:
		return bellhop.Invalid("command",
			fmt.Sprintf("too long: at most %d texts, of %d KiB together; put the rest into a file", maxTexts,
				maxTextBytes>>10))
	}
	for i, text := range command {
		if strings.ContainsRune(text, 0) {
			return bellhop.Invalid(fmt.Sprintf("command[%d]", i), "must not contain a NUL character")
		}
	}
	return nil
}

func checkDir(dir string) error {
	if dir == "" {
		return nil
	}
	if !filepath.IsAbs(dir) || strings.ContainsRune(dir, 0) {
		return bellhop.Invalid("dir", "must be an absolute path, such as /var/lib/paid")
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return bellhop.Invalid("dir", "the folder does not exist, or the server may not read it")
	}
	return nil
}

// variable matches the name of an environment variable.
var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,127}$`)

// reserved is the prefix of the variables that describe the event.
const reserved = "BELLHOP_"

func checkEnv(env map[string]string) error {
	if len(env) > maxTexts || size(maps.Keys(env))+size(maps.Values(env)) > maxTextBytes {
		return bellhop.Invalid("",
			fmt.Sprintf("too long: at most %d variables, of %d KiB together; put the rest into a file", maxTexts,
				maxTextBytes>>10))
	}
	var errs []error
	for _, name := range slices.Sorted(maps.Keys(env)) {
		switch {
		case !variable.MatchString(name):
			return bellhop.Invalid("", "a variable's name is letters, digits and underscores, and does "+
				"not begin with a digit")
		case strings.HasPrefix(strings.ToUpper(name), reserved):
			errs = append(errs, bellhop.Invalid(name, "names that begin with "+reserved+" describe the event; "+
				"choose another"))
		case strings.ContainsRune(env[name], 0):
			errs = append(errs, bellhop.Invalid(name, "must not contain a NUL character"))
		}
	}
	return bellhop.Join("", errs...)
}

func size(texts func(yield func(string) bool)) (n int) {
	for text := range texts {
		n += len(text)
	}
	return n
}

// findCommand returns the path of an executable program, given by its absolute path or by its name in PATH. Its
// errors are for users.
func findCommand(name string) (string, error) {
	if !filepath.IsAbs(name) && filepath.Base(name) != name {
		return "", errors.New("must be an absolute path, or a name to look up in PATH")
	}
	path, err := exec.LookPath(name)
	info, statErr := os.Stat(name)
	switch {
	case err == nil:
		return path, nil
	case errors.Is(err, exec.ErrDot):
		return "", errors.New("is found only in the folder that the server runs in; write its absolute path")
	case filepath.IsAbs(name) && statErr == nil && info.IsDir():
		return "", errors.New("is a folder, not a program")
	case errors.Is(err, fs.ErrPermission):
		return "", errors.New("is not executable, or not by the server's user")
	case filepath.IsAbs(name):
		return "", errors.New("the file does not exist")
	}
	return "", errors.New("no program of that name is in the server's PATH; write its absolute path")
}
