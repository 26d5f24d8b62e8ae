package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// This file has the checks of what is the server's own: its certificate, its backups, its standby.

// OwnCertificate is a certificate that the server itself serves.
type OwnCertificate struct {
	From      string // for people: the file, or who issues it
	Names     []string
	NotBefore time.Time // zero if there is none yet
	NotAfter  time.Time // zero if there is none yet
	Fault     string    // why it could not be renewed when that was tried last; "" if it could
	FaultAt   time.Time
	Exposed   string // who else can read its key; "" if nobody can
}

// finding returns how the certificate is.
func (c OwnCertificate) finding(now time.Time) Finding {
	f := Finding{State: OK, Message: "the server's own certificate is from " + c.From}
	if len(c.Names) > 0 {
		f.Message = "the server's own certificate for " + strings.Join(c.Names, ", ") + " is from " + c.From
	}
	const remedy = "see what should renew it; the log has lines of certificate"
	// Some CAs issue certificates for a week or a day. They are renewed when a third of that is left.
	left, life := c.NotAfter.Sub(now), c.NotAfter.Sub(c.NotBefore)
	switch {
	case c.NotAfter.IsZero():
		f = Finding{State: Failed, Message: "there is no certificate yet for " + strings.Join(c.Names, ", ") +
			" from " + c.From, Remedy: remedy}
	case now.Before(c.NotBefore):
		f.State = Failed
		f.Remedy = "see whether the clock of this machine is right, or serve another certificate until then"
		f.Message += fmt.Sprintf("; clients refuse it, because it begins on %s", stamp(c.NotBefore))
	case left < min(certificateNow, life/10):
		f.State, f.Remedy = Failed, remedy
	case left < min(certificateSoon, life/4) || c.Fault != "":
		f.State, f.Remedy = Warning, remedy
	case c.Exposed != "":
		f.State, f.Remedy = Warning, "chmod 600 the file of the key, or give its group alone the right to read it"
	}
	if !c.NotAfter.IsZero() {
		f.Message += ends(c.NotAfter, now)
	}
	if c.Fault != "" {
		f.Message += fmt.Sprintf("; it could not be renewed on %s: %s", stamp(c.FaultAt), c.Fault)
	}
	if c.Exposed != "" {
		f.Message += "; " + c.Exposed
	}
	return f
}

// OwnTLS returns how the certificates of the server itself are, and the one at the public URL, if that is worse.
func OwnTLS(own []OwnCertificate, public Finding, now time.Time) Finding {
	found := Finding{State: OK}
	var messages []string
	for _, c := range own {
		f := c.finding(now)
		messages = append(messages, f.Message)
		if worse[f.State] > worse[found.State] {
			found.State, found.Remedy = f.State, f.Remedy
		}
	}
	if worse[public.State] > worse[found.State] {
		found.State, found.Remedy = public.State, public.Remedy
		messages = append(messages, "at the public URL: "+public.Message)
	}
	found.Message = strings.Join(messages, "; ")
	return found
}

// Backup looks at how old the latest backup is. every is how often there should be one; 0 says nothing of it.
func Backup(latest bellhop.Backup, every time.Duration, now time.Time) Finding {
	const remedy = "bellhop backup TO, by a timer of the system"
	age := now.Sub(latest.At)
	switch {
	case latest.At.IsZero() && every > 0:
		return Finding{State: Warning, Message: "no backup was noted, and --backup-every wants one every " +
			span(every),
			Remedy: remedy}
	case latest.At.IsZero():
		return Skip("no backup was noted", remedy+"; --backup-every says how old the latest may become")
	}
	message := fmt.Sprintf("the latest is %s old: %s in %s", span(age), SizeText(latest.Bytes), latest.To)
	if every > 0 && age > every {
		return Finding{State: Warning, Message: message + "; --backup-every wants one every " + span(every),
			Remedy: remedy}
	}
	return Finding{State: OK, Message: message}
}

// Standby looks at whether a restored server still waits.
func Standby(standby bellhop.Standby, now time.Time) Finding {
	if !standby.Is() {
		return Finding{State: OK, Message: "it delivers"}
	}
	return Finding{State: Warning, Message: fmt.Sprintf("it sends nothing since %s, because %s",
		span(now.Sub(standby.Since)), standby.Why),
		Remedy: "bellhop resume, once the server of the backup does not run any more"}
}
