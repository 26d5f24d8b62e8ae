package boro

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/boro"
)

// timeFormat is that of the times in a notification: with milliseconds and the offset of the server.
const timeFormat = "2006-01-02T15:04:05.000-07:00"

// order is that of the members of a notification; others follow.
var order = []string{"version", "sequenceId", "referenceNumber", "project_name", "probe_name", "task_uri", "task_name",
	"subtask_uri", "subtask_description", "trigger", "status", "level", "time", "time_end", "duration", "pid", "count",
	"count_by_pids", "profile_name", "links", "details"}

// A notification is the body of a message, by member.
type notification map[string]any

// encode writes the notification with its members in their order.
func (n notification) encode() ([]byte, error) {
	names := slices.DeleteFunc(slices.Clone(order), func(name string) bool { return n[name] == nil })
	for _, name := range slices.Sorted(maps.Keys(n)) {
		if n[name] != nil && !slices.Contains(order, name) {
			names = append(names, name)
		}
	}
	var b strings.Builder
	for i, name := range names {
		key, keyErr := json.Marshal(name)
		value, err := json.Marshal(n[name])
		if keyErr != nil || err != nil {
			return nil, fmt.Errorf("data.%s cannot be written as JSON", name)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(string(key) + ":" + string(value))
	}
	return []byte("{" + b.String() + "}"), nil
}

// alarm lets an alarm of a task begin, end, or be one moment, and has the profiles post it. The caller holds s.mu.
func (s *System) alarm(task string, e emulator.Event) (notified int, err error) {
	statuses := []string{boro.StatusActive, boro.StatusCleared, boro.StatusEvent}
	i := slices.IndexFunc(statuses, func(status string) bool { return strings.EqualFold(status, e.ChangeType) })
	if i < 0 {
		return 0, fmt.Errorf("change type %q of a task %w; there are %s", e.ChangeType, emulator.ErrUnknown,
			strings.Join(statuses, ", "))
	}
	only := ""
	if value, ok := e.Data["profile"]; ok {
		only = fmt.Sprint(value)
		if !slices.ContainsFunc(s.profiles, func(p *profile) bool { return p.ID == only }) {
			return 0, fmt.Errorf("profile %q %w", only, emulator.ErrUnknown)
		}
	}
	n, err := s.notification(task, statuses[i], e.Data)
	if err != nil {
		return 0, err
	}
	for _, p := range s.profiles {
		if p.Off || only != "" && p.ID != only || p.URL == "" && e.To == "" {
			continue
		}
		told := maps.Clone(n)
		maps.Copy(told, e.Data)
		delete(told, "profile")
		told["sequenceId"], told["profile_name"] = p.sequence+1, p.Name
		if told["links"] == nil {
			told["links"] = linksTo(task, told, p)
		}
		body, err := told.encode()
		if err != nil {
			return notified, err
		}
		sent, err := s.post(p, e.To, body)
		if err != nil {
			return notified, err
		}
		p.sequence += int64(sent)
		notified += sent
	}
	return notified, nil
}

// notification returns what all profiles say of an alarm of a task, and keeps which alarms are active. The caller
// holds s.mu.
func (s *System) notification(task, status string, data map[string]any) (notification, error) {
	now := s.now().In(s.opts.Zone)
	n := notification{"version": "1.1", "project_name": s.opts.Project, "probe_name": s.opts.Probe, "task_name": task,
		"task_uri": "http://origin.example.net:8080/live/" + url.PathEscape(strings.ToLower(task)) + ".mpd",
		"trigger":  "Timestamp Discontinuity", "status": status, "level": "major", "time": now.Format(timeFormat)}
	if status == boro.StatusEvent {
		n["trigger"], n["level"], n["count"] = "CC error", "warning", 17
	}
	text := func(name string) string {
		if value, ok := data[name]; ok {
			return fmt.Sprint(value)
		}
		return fmt.Sprint(n[name])
	}
	key := task + "\n" + text("subtask_uri") + "\n" + text("trigger")
	known, active := s.alarms[key]
	switch status {
	case boro.StatusActive:
		if !active {
			s.reference++
			known = alarm{s.reference, now, map[string]any{}}
			s.alarms[key] = known
		}
		maps.Copy(known.data, data)
	case boro.StatusCleared:
		if !active && data["referenceNumber"] == nil {
			return nil, fmt.Errorf("an active alarm %q of task %q %w; let it begin first, or name its referenceNumber",
				text("trigger"), task, emulator.ErrUnknown)
		}
		if !active {
			known = alarm{began: now}
		}
		delete(s.alarms, key)
		maps.Copy(n, known.data)
		delete(n, "profile")
		n["status"] = status
		n["time_end"], n["duration"], n["count"] = now.Format(timeFormat), lasted(now.Sub(known.began)), 3
	default:
		return n, nil
	}
	n["time"], n["referenceNumber"] = known.began.In(s.opts.Zone).Format(timeFormat), known.reference
	return n, nil
}

// lasted writes a length of time for people: "1 s", "2 min 5 s".
func lasted(d time.Duration) string {
	seconds := int(d.Round(time.Second) / time.Second)
	if seconds < 60 {
		return fmt.Sprintf("%d s", max(seconds, 1))
	}
	if seconds < 3600 {
		return fmt.Sprintf("%d min %d s", seconds/60, seconds%60)
	}
	return fmt.Sprintf("%d h %d min", seconds/3600, seconds/60%60)
}

// linksTo returns links to pages of the product.
func linksTo(task string, n notification, p *profile) []map[string]string {
	const project = "http://boro.example.com/projects/7"
	links := []map[string]string{{"type": "task", "href": project + "/apps/41/tasks/" + url.PathEscape(task)}}
	if n["subtask_uri"] != nil {
		links = append(links, map[string]string{"type": "subtask", "href": project + "/apps/41/tasks/" +
			url.PathEscape(task) + "/1"})
	}
	return append(links, map[string]string{"type": "profile", "href": project + "/profiles?notif_id=" +
		url.QueryEscape(p.ID)})
}
