package interop

import (
	"cmp"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// fuzzRounds is how often TestAPIFuzz asks each operation, unless the environment variable APIFUZZ says.
const fuzzRounds = "100"

// TestAPIFuzz makes requests from the OpenAPI document of a gateway, as `make apifuzz` does, in a long run.
func TestAPIFuzz(t *testing.T) {
	rounds := cmp.Or(os.Getenv("APIFUZZ"), fuzzRounds)
	check(t, "requests made from the OpenAPI document", "client → API", rounds+" rounds", func(t *testing.T) {
		c := exec.Command("make", "-C", "..", "apifuzz", "STRESS="+rounds, "ARGS=")
		for _, v := range environment() {
			if !strings.HasPrefix(v, "MAKE") && !strings.HasPrefix(v, "MFLAGS=") { // ARGS of make interop are in these
				c.Env = append(c.Env, v)
			}
		}
		out, err := c.CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	})
}
