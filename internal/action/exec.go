package action

import (
	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// Exec runs a command for each event. See docs/EXEC.md.
type Exec struct {
	Allowed bool                                      // by whoever started the server; without it no destination can be opened
	Lookup  func(name string) (value string, ok bool) // of the server's environment: os.LookupEnv
}

// Info describes destinations of type exec.
func (Exec) Info() provider.Info {
	return provider.Info{
		Name: "exec", Title: "A command", Concurrency: 4, Errors: []string{errorExit, errorSignal, errorStart},
		Summary: "Runs a command on the server's machine, with the event's body on its standard input and its fields in the environment.",
		SendSettings: []provider.Setting{
			{Name: "command", Title: "Command", Example: `["/usr/local/bin/paid","--json"]`, Kind: provider.KindList, Required: true,
				Doc: "The program, by its whole path or a name to look up in PATH, and its arguments. No shell reads them."},
			{Name: "dir", Title: "Folder", Example: "/var/lib/paid",
				Doc: "Where it runs: a whole path. The folder that the server runs in if not given."},
			{Name: "env", Title: "Environment", Example: `{"API_TOKEN":"…"}`, Kind: provider.KindObject, Secret: true,
				Doc: "Variables for it, in addition to PATH, HOME, LANG and TZ of the server and those that tell of the event."},
		},
	}
}

// OpenAction checks d's settings, and that the command is there.
func (x Exec) OpenAction(_ provider.ActionEnv, d bellhop.Destination) (provider.Performer, error) {
	if !x.Allowed {
		return nil, bellhop.Invalid("type", "exec is off, for it runs commands as the server's user; whoever starts the server permits it with --allow-exec")
	}
	s, err := readSettings(d.Settings)
	if err != nil {
		return nil, bellhop.Join("settings", err)
	}
	return &command{path: s.path, args: s.Command, dir: s.Dir, environ: x.environ(s.Env)}, nil
}
