package bellhop

import (
	"slices"
	"strconv"
	"strings"
)

// This file has the words by which attempts are chosen for their errors, in lists, retries and cancels. They are those
// of [Outcomes]: the code of an error ("timeout"), a status ("429") or a class of statuses ("5xx"); and [AnyError].

// AnyError selects every attempt that failed.
const AnyError = "any"

// AttemptErrors are the codes that an [Attempt] may have as its error, besides those of actions. docs/ERRORS.md says
// what each means.
var AttemptErrors = []string{"status", "timeout", "dns", "connection_refused", "connection_reset", "connection_closed",
	"tls", "proxy", "blocked_address", "bad_url", "bad_reply", "network", "local", "cancelled", "render", "skipped",
	"settings", "token", "signed_out", "action", "reply", "unfinished", "damaged"}

// CheckError returns a [CodeInvalid] error for the path "error" unless text can choose attempts. further are the codes
// of actions.
func CheckError(text string, further []string) error {
	if text == "" || text == AnyError || isStatus(text) || slices.Contains(AttemptErrors, text) ||
		slices.Contains(further, text) {
		return nil
	}
	rest, named := strings.CutPrefix(text, "status:")
	if named && isStatus(rest) {
		return Invalid("error", "write the status alone: "+rest)
	}
	return Invalid("error",
		`use the code of an error such as timeout, a status such as 429, a class of statuses such as 5xx,`+
			` or any; the codes are `+strings.Join(AttemptErrors, ", ")+", and those of actions")
}

// ErrorStatuses returns the statuses of replies that text chooses, from one up to and without another; ok is false if
// it is no status and no class of statuses.
func ErrorStatuses(text string) (from, below int, ok bool) {
	if !isStatus(text) {
		return 0, 0, false
	}
	if text[1:] == "xx" {
		from = int(text[0]-'0') * 100
		return from, from + 100, true
	}
	from, err := strconv.Atoi(text)
	return from, from + 1, err == nil
}
