package doctor

import (
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// TestOwnTLS: the worst certificate decides, and the one at the public URL if it is worse than all.
func TestOwnTLS(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	own := func(left time.Duration, fault string) OwnCertificate {
		c := OwnCertificate{From: "cert.pem", Names: []string{"a.example"}, NotAfter: now.Add(left),
			NotBefore: now.Add(left - 90*24*time.Hour), Fault: fault}
		if fault != "" {
			c.FaultAt = now.Add(-time.Hour)
		}
		return c
	}
	const day = 24 * time.Hour
	good := Finding{State: OK, Message: "fine"}
	for name, c := range map[string]struct {
		own     []OwnCertificate
		public  Finding
		state   State
		message string
	}{
		"good": {[]OwnCertificate{own(60*day, "")}, good, OK,
			"the server's own certificate for a.example is from cert.pem; the certificate ends in"},
		"not renewed": {[]OwnCertificate{own(60*day, "no such file")}, good, Warning,
			"could not be renewed on 2026-03-01"},
		"soon": {[]OwnCertificate{own(10*day, "")}, good, Warning, "ends in"},
		"now":  {[]OwnCertificate{own(2*day, "")}, good, Failed, "ends in"},
		"of a day": {[]OwnCertificate{{From: "ca.example", NotBefore: now.Add(-16 * time.Hour),
			NotAfter: now.Add(8 * time.Hour)}}, good, OK, "ends in 8 h"},
		"of a day, late": {[]OwnCertificate{{From: "ca.example", NotBefore: now.Add(-20 * time.Hour),
			NotAfter: now.Add(4 * time.Hour)}}, good, Warning, "ends in 4 h"},
		"ended": {[]OwnCertificate{own(-day, "")}, good, Failed, "ended on 2026-02-28"},
		"early": {[]OwnCertificate{{From: "cert.pem", NotBefore: now.Add(day), NotAfter: now.Add(60 * day)}}, good,
			Failed, "because it begins on 2026-03-02"},
		"a key for all": {[]OwnCertificate{{From: "cert.pem", NotBefore: now.Add(-day), NotAfter: now.Add(60 * day),
			Exposed: "everybody can read it"}}, good, Warning, "; everybody can read it"},
		"none yet": {[]OwnCertificate{{From: "ca.example", Names: []string{"a.example"}}}, good, Failed,
			"no certificate yet for a.example"},
		"one of two": {[]OwnCertificate{own(60*day, ""), own(10*day, "")}, good, Warning, "; the server's own"},
		"the public": {[]OwnCertificate{own(60*day, "")}, Finding{State: Failed, Message: "bad", Remedy: "mend it"},
			Failed, "at the public URL: bad"},
		"not reachable": {[]OwnCertificate{own(60*day, "")}, Skip("no", ""), OK, "own certificate"},
	} {
		f := OwnTLS(c.own, c.public, now)
		expect(t, name, f, c.state, c.message)
		if (f.Remedy == "") != (f.State == OK) {
			t.Errorf("%s: the remedy is %q", name, f.Remedy)
		}
	}
}

// TestKept: the backups and the standby.
func TestKept(t *testing.T) {
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
