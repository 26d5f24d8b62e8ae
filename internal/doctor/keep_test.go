package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

func TestKeep(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	old := bellhop.Backup{At: now.Add(-48 * time.Hour), Bytes: 3 << 30, To: "s3://backups/b"}
	for name, c := range map[string]struct {
		got   Finding
		state State
		want  string
	}{
		"no backup":             {Backup(bellhop.Backup{}, 0, now), Skipped, "no backup was noted"},
		"no backup, and wanted": {Backup(bellhop.Backup{}, time.Hour, now), Warning, "wants one every 60 min"},
		"an old one":            {Backup(old, 24*time.Hour, now), Warning, "in s3://backups/b; --backup-every wants"},
		"young enough":          {Backup(old, 72*time.Hour, now), OK, "in s3://backups/b"},
		"nobody says how old":   {Backup(old, 0, now), OK, "in s3://backups/b"},
		"in standby": {Standby(bellhop.Standby{Since: now.Add(-time.Hour), Why: "it was restored"}, now), Warning,
			"it sends nothing since 60 min, because it was restored"},
		"not in standby": {Standby(bellhop.Standby{}, now), OK, "it delivers"},
	} {
		if c.got.State != c.state || !strings.Contains(c.got.Message, c.want) ||
			(c.got.State != OK) != (c.got.Remedy != "") {
			t.Errorf("%s: %+v", name, c.got)
		}
	}
}
