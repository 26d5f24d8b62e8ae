package interop

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// exampleReceivers are the receivers of the folder examples.
var exampleReceivers = []receiverProgram{
	{language: "go", file: "receiver/main.go", command: []string{"go"}, folder: "./examples/receiver"},
	{language: "javascript", file: "node/receiver.mjs", command: []string{"node"}},
	{language: "python", file: "python/receiver.py", command: []string{"python3"}},
}

// TestExampleReceivers runs the receivers of examples as TestReceiving runs those of the page.
func TestExampleReceivers(t *testing.T) {
	for _, p := range exampleReceivers {
		t.Run(p.language, func(t *testing.T) {
			if _, err := exec.LookPath(p.command[0]); err != nil {
				t.Skipf("there is no %s", p.command[0])
			}
			code, err := os.ReadFile(filepath.Join("../examples", p.file))
			if err != nil {
				t.Fatal(err)
			}
			p.of, p.file = "examples", filepath.Base(p.file)
			p.test(t, string(code))
			if p.language != "go" {
				check(t, "examples: "+p.language, deliver, "what was answered outlives kill -9", func(t *testing.T) {
					p.testKill(t, string(code))
				})
			}
		})
	}
}

// testKill kills the receiver once it has answered an event, and starts it again: a repeat is dropped.
func (p receiverProgram) testKill(t *testing.T, code string) {
	folder := t.TempDir()
	if p.language == "javascript" {
		folder = filepath.Join(nodeFolder, "receiving-kill")
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.RemoveAll(folder) })
	}
	file := filepath.Join(folder, p.file)
	if err := os.WriteFile(file, []byte(code), 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("INBOX", filepath.Join(t.TempDir(), "inbox"))
	at, body := time.Now(), []byte(`{"n":1}`)
	header := http.Header{"Webhook-Id": {"evt_kept"}, "Webhook-Timestamp": {strconv.FormatInt(at.Unix(), 10)},
		"Webhook-Signature": {signStandard(t, "evt_kept", at, body)}}
	const first, second = `new evt_kept {"n":1}`, "repeat evt_kept"
	for _, want := range []string{first, second} {
		to, said, kill := p.run(t, file)
		if status := resend(t, to, header, body); status/100 != 2 {
			t.Errorf("answered %d", status)
		}
		got := said()
		if want == second && got == first { // the kill came before the mark that the work was done
			got = said()
		}
		if got != want {
			t.Errorf("it prints %q, want %q", got, want)
		}
		kill()
	}
}

// TestExampleCompose: the Compose file is valid, the files that it mounts are there, and each receiver has the address
// that the settings of Bellhop deliver to.
func TestExampleCompose(t *testing.T) {
	project := loadCompose(t, "../examples/compose.yaml", "WEBHOOK_SECRET="+standardSecret)
	settings, err := os.ReadFile("../examples/compose/bellhop.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"go", "node", "python"} {
		service, err := project.GetService(name)
		if err != nil {
			t.Fatal(err)
		}
		if secret := service.Environment["WEBHOOK_SECRET"]; secret == nil || *secret != standardSecret {
			t.Errorf("%s: it has not the secret", name)
		}
		if !strings.Contains(string(settings), fmt.Sprintf("url: http://%s:9000/\n", name)) {
			t.Errorf("nothing is delivered to %s", name)
		}
	}
	if _, err := cli.ProjectFromOptions(t.Context(), composeOptions(t, "../examples/compose.yaml")); err == nil ||
		!strings.Contains(err.Error(), "make one") {
		t.Errorf("without a secret: %v", err)
	}
}

// loadCompose reads a Compose file as docker compose does, with these variables, and checks that the files that it
// mounts from the repository are there.
func loadCompose(t *testing.T, file string, variables ...string) *types.Project {
	t.Helper()
	project, err := cli.ProjectFromOptions(t.Context(), composeOptions(t, file, variables...))
	if err != nil {
		t.Fatal(err)
	}
	for name, service := range project.Services {
		for _, v := range service.Volumes {
			if v.Type != types.VolumeTypeBind || strings.HasSuffix(v.Source, "/bin/bellhop") { // made by make build
				continue
			}
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	}
	return project
}

func composeOptions(t *testing.T, file string, variables ...string) *cli.ProjectOptions {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv(variables))
	if err != nil {
		t.Fatal(err)
	}
	return options
}
