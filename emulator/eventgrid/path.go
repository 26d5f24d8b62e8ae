package eventgrid

import (
	"slices"
	"strings"
)

// A kind is what a target is.
type kind int

// The kinds.
const (
	accountKind      kind = iota // Azure subscriptions, or one of them
	groupKind                    // a resource group
	providerKind                 // the resource provider Microsoft.EventGrid of an Azure subscription
	subscriptionKind             // an event subscription
	listKind                     // event subscriptions
	operationKind                // a long-running operation
	topicKind                    // a topic, or topics
)

// A target is what a path of the management API names. Words are in lower case, names and scope as given.
type target struct {
	kind kind
	// scope is the resource that has the event subscriptions, the topics or the like: "/subscriptions/ID/…", without a
	// slash at its end and without doubled ones.
	scope  string
	name   string // of the event subscription, topic or operation; "" is all
	action string // "getfullurl"; "" is none

	nested    bool   // the event subscription is below its topic, in place of beside it
	location  string // of an operation or a list; "" is any
	topicType string // of a list: "Microsoft.Storage.StorageAccounts"; "" is any
}

// namespace is the resource provider, in lower case, and its real spelling.
const (
	namespace       = "microsoft.eventgrid"
	namespaceProper = "Microsoft.EventGrid"
)

// id returns the resource id that a target has.
func (t target) id() string {
	switch {
	case t.kind == subscriptionKind && t.nested:
		return t.scope + "/eventSubscriptions/" + t.name
	case t.kind == subscriptionKind:
		return t.scope + "/providers/" + namespaceProper + "/eventSubscriptions/" + t.name
	case t.kind == topicKind:
		return t.scope + "/providers/" + namespaceProper + "/topics/" + t.name
	}
	return t.scope
}

// segmentsOf returns the parts of a path between slashes. Empty ones are left out: a scope that begins or ends with a
// slash doubles one.
func segmentsOf(path string) []string {
	return slices.DeleteFunc(strings.Split(path, "/"), func(part string) bool { return part == "" })
}

// scopeOf returns the segments as a resource id.
func scopeOf(segments []string) string {
	if len(segments) == 0 {
		return ""
	}
	return "/" + strings.Join(segments, "/")
}

// canonical returns a resource id in the form in which ids are compared.
func canonical(id string) string { return strings.ToLower(scopeOf(segmentsOf(id))) }

// targetOf reads a path of the management API; ok is false for any other path.
func targetOf(path string) (t target, ok bool) {
	segments := segmentsOf(path)
	lower := segmentsOf(strings.ToLower(path))
	if len(lower) != len(segments) || len(lower) == 0 || lower[0] != "subscriptions" && lower[0] != "providers" {
		return t, false
	}
	at := -1 // of the last "providers/microsoft.eventgrid", since a topic can be the scope
	for i := range len(lower) - 1 {
		if lower[i] == "providers" && lower[i+1] == namespace {
			at = i
		}
	}
	if at < 0 {
		return accountTarget(segments, lower)
	}
	scope, rest, names := segments[:at], lower[at+2:], segments[at+2:]
	t.scope = scopeOf(scope)
	if j := slices.Index(rest, "eventsubscriptions"); j >= 0 {
		return eventTarget(t, segments[:at+2+j], rest, names, j)
	}
	switch {
	case len(rest) == 0 || len(rest) == 1 && rest[0] == "register":
		t.kind = providerKind
		if len(rest) == 1 {
			t.action = rest[0]
		}
		return t, true
	case rest[0] == "locations" && len(rest) == 4 && (rest[2] == "operationsstatus" || rest[2] == "operationresults"):
		t.kind, t.location, t.action, t.name = operationKind, rest[1], rest[2], rest[3]
		return t, true
	case rest[0] == "topics" && len(rest) <= 3:
		t.kind = topicKind
		t.name, t.action = nth(names, 1), nth(rest, 2)
		return t, true
	}
	return t, false
}

// eventTarget completes a target with event subscriptions, which are at place j of the parts behind the provider.
// before is all that is before them.
func eventTarget(t target, before, rest, names []string, j int) (target, bool) {
	switch rest[0] {
	case "eventsubscriptions":
	case "locations", "topictypes":
		t.kind = listKind
		for i := 0; i+1 < j; i += 2 {
			switch rest[i] {
			case "locations":
				t.location = rest[i+1]
			case "topictypes":
				t.topicType = rest[i+1]
			}
		}
		return t, j == len(rest)-1 && j%2 == 0
	default:
		t.scope, t.nested = scopeOf(before), true
		if j%2 != 0 {
			return t, false
		}
	}
	t.kind, t.name, t.action = subscriptionKind, nth(names, j+1), nth(rest, j+2)
	if t.name == "" {
		t.kind = listKind
	}
	return t, len(rest) <= j+3
}

// accountTarget reads a path without Event Grid.
func accountTarget(segments, lower []string) (t target, ok bool) {
	t.name = nth(segments, 1)
	switch {
	case lower[0] != "subscriptions" || len(lower) > 4:
		return t, false
	case len(lower) == 4 && lower[2] == "resourcegroups":
		t.kind, t.scope, t.name = groupKind, scopeOf(segments), segments[3]
		return t, true
	}
	return t, len(lower) <= 2
}

// nth returns the n-th part, or "" if there are fewer.
func nth(parts []string, n int) string {
	if n < len(parts) {
		return parts[n]
	}
	return ""
}

// topicPath reads the path at which a topic is published to. The name is "" if the host has it.
func topicPath(path string) (name string, ok bool) {
	parts := segmentsOf(path)
	if len(parts) == 4 && equalFold(parts[0], "topics") {
		name, parts = parts[1], parts[2:]
	}
	return name, len(parts) == 2 && equalFold(parts[0], "api") && equalFold(parts[1], "events")
}

// validationPath reads the path of a manual validation.
func validationPath(path string) (name string, ok bool) {
	parts := segmentsOf(path)
	if len(parts) != 3 || !equalFold(parts[0], "eventsubscriptions") || !equalFold(parts[2], "validate") {
		return "", false
	}
	return parts[1], true
}

// resourceType returns the type of a resource id in lower case: "microsoft.communication/communicationservices".
func resourceType(id string) string {
	parts := segmentsOf(strings.ToLower(id))
	at := len(parts) - 1
	for at >= 0 && parts[at] != "providers" {
		at--
	}
	if at < 0 || at+2 >= len(parts) {
		return ""
	}
	kind := parts[at+1]
	for i := at + 2; i < len(parts); i += 2 {
		kind += "/" + parts[i]
	}
	return kind
}

// topicOf returns a scope as the service shows it as a topic: with the namespace of its provider in lower case.
func topicOf(scope string) string {
	parts := segmentsOf(scope)
	for i := range len(parts) - 1 {
		if equalFold(parts[i], "providers") {
			parts[i+1] = strings.ToLower(parts[i+1])
		}
	}
	return scopeOf(parts)
}

// accountOf returns the id of the Azure subscription of a scope.
func accountOf(scope string) string {
	parts := segmentsOf(scope)
	if len(parts) > 1 && equalFold(parts[0], "subscriptions") {
		return parts[1]
	}
	return DefaultSubscription
}
