package slack

import (
	"cmp"
	"net/url"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/boro"
)

// Lengths in characters at which parts of an alarm are cut, so that no block exceeds its limit.
const (
	maxName = 500
	maxURI  = 1500
)

// asAlarm reads ev as a notification of Boro's.
func asAlarm(ev *bellhop.Event) (boro.Notification, bool) {
	if !strings.HasPrefix(ev.Type, "boro.") {
		return boro.Notification{}, false
	}
	n, err := boro.Parse(ev.Body)
	return n, err == nil && plain(n.Status, maxName) != ""
}

// describeAlarm shows a notification as people know it: its state, the stream, who registered it, and the links to it.
func describeAlarm(n *boro.Notification) content {
	title := plain(n.Status, maxName)
	if trigger := plain(n.Trigger, maxName); trigger != "" {
		title += ": " + trigger
	}
	c := content{title: title, text: mrkdwn(title, maxName), fallback: title, colour: colours[n.Status]}
	if level := mrkdwn(n.Level, maxLabel); level != "" {
		c.text += " (" + level + ")"
	}
	if task := plain(n.Task, maxName); task != "" {
		c.text += " on " + mrkdwn(task, maxName)
		c.fallback += " on " + task
	}
	c.blocks = append(c.blocks, header(title), section(alarmLine(n)))
	c.blocks = append(c.blocks, alarmFields(n).blocks()...)
	if text := representation(n); text != "" {
		c.blocks = append(c.blocks, section(text))
	}
	if buttons := alarmButtons(n.Links); len(buttons) > 0 {
		c.blocks = append(c.blocks, block{Type: "actions", Elements: buttons})
	}
	if line := alarmContext(n); line != "" {
		c.blocks = append(c.blocks, footer(line))
	}
	return c
}

var (
	colours = map[string]string{boro.StatusActive: "#d00000", boro.StatusCleared: "#2eb67d", boro.StatusEvent: "#ecb22e"}
	emoji   = map[string]string{boro.StatusActive: ":red_circle:", boro.StatusCleared: ":large_green_circle:", boro.StatusEvent: ":large_yellow_circle:"}
)

func alarmLine(n *boro.Notification) string {
	line := cmp.Or(emoji[n.Status], ":white_circle:") + " *" + cmp.Or(mrkdwn(n.Trigger, maxName), mrkdwn(n.Status, maxName)) + "*"
	if uri := code(n.TaskURI, maxURI); uri != "" {
		line += " on " + uri
	}
	return line
}

func alarmFields(n *boro.Notification) (f fields) {
	began := "Time"
	if n.Status == boro.StatusActive || n.Status == boro.StatusCleared {
		began = "Started"
	}
	for _, field := range [...]struct{ label, value string }{
		{"Project", n.Project}, {"Probe", n.Probe}, {"Task", n.Task}, {"Level", n.Level},
		{began, n.Time}, {"Ended", n.TimeEnd}, {"Duration", n.Duration}, {"Errors", n.Count},
	} {
		f.add(field.label, mrkdwn(field.value, maxName))
	}
	return f
}

// representation tells which of a stream's representations it is.
func representation(n *boro.Notification) string {
	description, uri := mrkdwn(n.SubtaskDescription, maxName), code(n.SubtaskURI, maxURI)
	if description == "" && uri == "" {
		return ""
	}
	return strings.Join(slices.DeleteFunc([]string{"*Representation*", description, uri}, func(s string) bool { return s == "" }), "\n")
}

// alarmButtons makes a button of each link that a browser can follow, one of a type: two would have one action_id,
// which Slack refuses.
func alarmButtons(links []boro.Link) (buttons []element) {
	seen := map[string]bool{}
	for _, link := range links {
		kind := plain(link.Type, maxButton-len("Open "))
		if kind == "" || seen[kind] || !followable(link.Href) || len(buttons) == maxButtons {
			continue
		}
		seen[kind] = true
		buttons = append(buttons, element{Type: "button", Text: textObject{Type: "plain_text", Text: "Open " + kind}, URL: link.Href, ActionID: "open_" + kind})
	}
	return buttons
}

// followable reports whether href is a URL that Slack takes for a button.
func followable(href string) bool {
	u, err := url.Parse(href)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "" && len(href) <= maxURL &&
		provider.Visible(href) && !strings.ContainsAny(href, "\"<>\\^`{|}")
}

func alarmContext(n *boro.Notification) string {
	var parts []string
	for _, part := range [...]struct{ label, value string }{
		{"sequence ", n.SequenceID}, {"reference ", n.ReferenceNumber}, {"profile ", mrkdwn(n.Profile, maxName)},
	} {
		if part.value != "" {
			parts = append(parts, part.label+part.value)
		}
	}
	return strings.Join(parts, " | ")
}
