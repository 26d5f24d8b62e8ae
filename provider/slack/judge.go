package slack

import (
	"bytes"
	"net/http"
	"slices"

	"github.com/bellhop-gateway/bellhop"
)

// The codes by which Slack says that a webhook may not post where it should. A 403 without such a code is another's, a
// proxy's perhaps, and passes.
// Source: https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks
var forbidden = []string{"action_prohibited", "posting_to_general_channel_denied", "team_disabled", "invalid_token"}

// Judge implements [provider.ReplyJudge]. Slack answers in plain text: "ok", or the code of an error.
//
//	200           taken, unless it is a web page: then not Slack answered
//	400           the message is wrong, and will be
//	403           with one of Slack's codes, the webhook is of no more use
//	404, 410      there is no such webhook any more, or its channel is archived
//	anything else as the status says anywhere: 429 after Retry-After, 5xx by the schedule
//
// Systems that take Slack's messages answer 200 with other words than "ok". Sending again would show a message twice.
func (r *renderer) Judge(status int, body []byte) bellhop.Outcome {
	body = bytes.TrimSpace(body)
	switch status {
	case http.StatusOK:
		if bytes.HasPrefix(body, []byte("<")) {
			return bellhop.OutcomeRetry
		}
		return bellhop.OutcomeDelivered
	case http.StatusBadRequest:
		return bellhop.OutcomeDead
	case http.StatusForbidden:
		if slices.Contains(forbidden, string(body)) {
			return bellhop.OutcomeDisable
		}
	case http.StatusNotFound, http.StatusGone:
		return bellhop.OutcomeDisable
	}
	return ""
}
