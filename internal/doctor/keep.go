package doctor

import (
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

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
