package sender

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/github"
)

// defaultRepository is that of an event of GitHub that names none.
const defaultRepository = "octocat/hello-world"

// hookID is the id of the webhook at GitHub.
const hookID = 481516234

// composeGitHub makes an event of GitHub. The change type is the name of the event, and its action after a dot.
func composeGitHub(e emulator.Event, now time.Time) (*bellhop.Event, error) {
	repository := strings.Trim(strings.TrimPrefix(e.Resource, "/repos/"), "/")
	if repository == "" {
		repository = defaultRepository
	}
	owner, name, ok := strings.Cut(repository, "/")
	kind, action, _ := strings.Cut(e.ChangeType, ".")
	switch {
	case !ok || owner == "" || name == "" || strings.Contains(name, "/"):
		return nil, fmt.Errorf("resource %q %w; name a repository, such as %s", e.Resource, emulator.ErrUnknown,
			defaultRepository)
	case !provider.Word(kind):
		return nil, fmt.Errorf("change type %q %w; name an event of GitHub, such as push or issues.opened",
			e.ChangeType, emulator.ErrUnknown)
	}
	user := map[string]any{"login": owner, "id": numberOf(owner), "type": "User"}
	payload := map[string]any{"sender": user, "repository": map[string]any{"id": numberOf(repository), "name": name,
		"full_name": repository, "private": false, "owner": user, "html_url": "https://github.com/" + repository,
		"default_branch": "main"}}
	if action != "" {
		payload["action"] = action
	}
	maps.Copy(payload, gitHubMembers(kind, action, user, now))
	maps.Copy(payload, e.Data)
	ev := NewEvent(emulator.NewID(), "github."+kind, now, marshal(payload))
	ev.Header = bellhop.NewHeader(http.Header{github.DeliveryHeader: {ev.ID},
		"X-Github-Hook-Id":                       {strconv.Itoa(hookID)},
		"X-Github-Hook-Installation-Target-Id":   {strconv.Itoa(numberOf(repository))},
		"X-Github-Hook-Installation-Target-Type": {"repository"}}, nil)
	return ev, nil
}

// gitHubMembers returns the members that the payloads of some events have, with small contents.
func gitHubMembers(kind, action string, user map[string]any, now time.Time) map[string]any {
	at := now.UTC().Format(time.RFC3339)
	state := "open"
	if action == "closed" {
		state = "closed"
	}
	item := map[string]any{"id": 1, "number": 1, "title": "Spelling error in the README file", "state": state,
		"user": user, "created_at": at, "updated_at": at, "body": ""}
	switch kind {
	case "ping":
		return map[string]any{"zen": "Keep it logically awesome.", "hook_id": hookID, "hook": map[string]any{
			"type": "Repository", "id": hookID, "name": "web", "active": true, "events": []string{"*"},
			"config": map[string]string{"content_type": "json", "insecure_ssl": "0"}, "created_at": at}}
	case "push":
		before, after := newCommit(), newCommit()
		commit := map[string]any{"id": after, "message": "Update README.md", "timestamp": at, "added": []string{},
			"removed": []string{}, "modified": []string{"README.md"}, "author": map[string]any{"name": user["login"]}}
		return map[string]any{"ref": "refs/heads/main", "before": before, "after": after, "created": false,
			"deleted": false, "forced": false, "commits": []any{commit}, "head_commit": commit,
			"pusher": map[string]any{"name": user["login"]}}
	case "issues", "issue_comment":
		members := map[string]any{"issue": item}
		if kind == "issue_comment" {
			members["comment"] = map[string]any{"id": 1, "user": user, "created_at": at,
				"body": "You are totally right!"}
		}
		return members
	case "pull_request":
		item["merged"], item["draft"] = state == "closed", false
		item["head"] = map[string]any{"ref": "changes", "sha": newCommit()}
		item["base"] = map[string]any{"ref": "main", "sha": newCommit()}
		return map[string]any{"number": 1, "pull_request": item}
	case "release":
		return map[string]any{"release": map[string]any{"id": 1, "tag_name": "v1.0.0", "draft": false,
			"prerelease": false, "author": user, "published_at": at}}
	}
	return nil
}

// newCommit returns a random id of a commit.
func newCommit() string {
	var b [20]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// numberOf returns a number that follows from a name, as the ids of GitHub's users and repositories.
func numberOf(name string) int {
	sum := sha256.Sum256([]byte(name))
	return int(binary.BigEndian.Uint32(sum[:]) >> 1)
}

// composeStripe makes a snapshot event of Stripe: the change type is its type, and the resource the id of the changed
// object, whose kind is the last word but one of the type.
func composeStripe(e emulator.Event, now time.Time) (*bellhop.Event, error) {
	words := strings.Split(e.ChangeType, ".")
	if len(words) < 2 || !provider.Word(e.ChangeType) {
		return nil, fmt.Errorf("change type %q %w; name a type of Stripe, such as invoice.paid", e.ChangeType,
			emulator.ErrUnknown)
	}
	object := map[string]any{"object": words[len(words)-2], "id": e.Resource, "created": now.Unix(), "livemode": false}
	maps.Copy(object, e.Data)
	return NewEvent(newID("evt_1"), e.ChangeType, now, marshal(object)), nil
}

// composeStandard makes a webhook in the form that the specification of Standard Webhooks recommends. The resource is
// the member id of its data, unless they have one.
func composeStandard(e emulator.Event, now time.Time) (*bellhop.Event, error) {
	if e.ChangeType == "" || e.ChangeType == redelivered {
		return nil, fmt.Errorf("change type %q %w; name a type of event, such as invoice.paid", e.ChangeType,
			emulator.ErrUnknown)
	}
	data := map[string]any{}
	if e.Resource != "" {
		data["id"] = e.Resource
	}
	maps.Copy(data, e.Data)
	body := marshal(struct {
		Type      string         `json:"type"`
		Timestamp string         `json:"timestamp"`
		Data      map[string]any `json:"data"`
	}{e.ChangeType, now.UTC().Format(time.RFC3339Nano), data})
	return NewEvent(newID("msg_"), e.ChangeType, now, body), nil
}

// newID returns a random id of 24 letters and digits after a prefix.
func newID(prefix string) string { return prefix + rand.Text()[:24] }
