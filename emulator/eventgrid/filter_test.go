package eventgrid

import (
	"encoding/json"
	"strings"
	"testing"
)

// TestFilters compares one event with filters. Each is written as the service takes it.
func TestFilters(t *testing.T) {
	t.Parallel()
	ev := event{id: "7", topic: "/t", subject: "/Cars/Red", kind: "Car.Sold", dataVersion: "1",
		data: json.RawMessage(`{"n":5,"color":"Red","new":true,"tags":["a","b"],"nothing":null,"deep":{"n":1.5}}`)}
	for filterText, want := range map[string]bool{
		`{}`:                                    true,
		`{"includedEventTypes":["car.sold"]}`:   true,
		`{"includedEventTypes":["All"]}`:        true,
		`{"includedEventTypes":[]}`:             false,
		`{"includedEventTypes":["Car.Bought"]}`: false,
		`{"subjectBeginsWith":"/cars","subjectEndsWith":"RED"}`:       true,
		`{"subjectBeginsWith":"/cars","isSubjectCaseSensitive":true}`: false,
		`{"subjectEndsWith":"Red","isSubjectCaseSensitive":true}`:     true,
		advanced(
			`"NumberIn","key":"data.n","values":[1,5]`): true,
		advanced(
			`"NumberIn","key":"data.color","values":[1,5]`): false,
		advanced(
			`"NumberNotIn","key":"data.n","values":[5]`): false,
		advanced(
			`"NumberNotIn","key":"data.missing","values":[5]`): true,
		advanced(
			`"NumberLessThan","key":"data.n","value":5`): false,
		advanced(
			`"NumberLessThanOrEquals","key":"data.n","value":5`): true,
		advanced(
			`"NumberGreaterThan","key":"data.deep.n","value":1`): true,
		advanced(
			`"NumberGreaterThanOrEquals","key":"data.n","value":5.5`): false,
		advanced(
			`"NumberInRange","key":"data.n","values":[[1,2],[5,6]]`): true,
		advanced(
			`"NumberNotInRange","key":"data.n","values":[[1,6]]`): false,
		advanced(
			`"BoolEquals","key":"data.new","value":true`): true,
		advanced(
			`"BoolEquals","key":"data.n","value":true`): false,
		advanced(
			`"StringIn","key":"data.color","values":["blue","RED"]`): true,
		advanced(
			`"StringNotIn","key":"data.color","values":["red"]`): false,
		advanced(
			`"StringBeginsWith","key":"subject","values":["/cars"]`): true,
		advanced(
			`"StringNotBeginsWith","key":"Subject","values":["/c"]`): false,
		advanced(
			`"StringEndsWith","key":"eventType","values":["SOLD"]`): true,
		advanced(
			`"StringNotEndsWith","key":"type","values":["x"]`): true,
		advanced(
			`"StringContains","key":"source","values":["t"]`): true,
		advanced(
			`"StringNotContains","key":"topic","values":["t"]`): false,
		advanced(
			`"StringContains","key":"data.tags","values":["a"]`): false,
		advanced(
			`"StringNotContains","key":"data.tags","values":["a"]`): true,
		advanced(
			`"IsNullOrUndefined","key":"data.nothing"`): true,
		advanced(
			`"IsNullOrUndefined","key":"data.n"`): false,
		advanced(
			`"IsNotNull","key":"data.deep"`): true,
		advanced(
			`"IsNotNull","key":"data.n.m"`): false,
		advanced(
			`"StringIn","key":"dataVersion","values":["1"]`): true,
		`{"enableAdvancedFilteringOnArrays":true,` +
			advanced(`"StringIn","key":"data.tags","values":["b"]`)[1:]: true,
		`{"enableAdvancedFilteringOnArrays":true,` +
			advanced(`"StringNotIn","key":"data.tags","values":["b"]`)[1:]: false,
	} {
		var f filter
		err := json.Unmarshal([]byte(filterText), &f)
		if err == nil {
			err = f.compile()
		}
		if err != nil || f.matches(&ev) != want {
			t.Errorf("%s: %v, want %v; %v", filterText, !want, want, err)
		}
	}
}

// advanced returns a filter with one advanced filter.
func advanced(rest string) string { return `{"advancedFilters":[{"operatorType":` + rest + `}]}` }

func TestFilterBounds(t *testing.T) {
	t.Parallel()
	many := strings.TrimSuffix(strings.Repeat(`{"operatorType":"IsNotNull","key":"data.a"},`, 26), ",")
	values := strings.TrimSuffix(strings.Repeat(`1,`, 26), ",")
	for _, text := range []string{`{"advancedFilters":[` + many + `]}`,
		advanced(`"NumberIn","key":"data.a","values":[` + values + `]`),
		advanced(`"StringIn","key":"data.a","values":[]`),
		advanced(`"StringIn","key":"","values":["a"]`), advanced(`"NumberInRange","key":"data.a","values":[1]`),
		advanced(`"NumberLessThan","key":"data.a"`), advanced(`"BoolEquals","key":"data.a","value":1`),
		advanced(`"StringIn","key":"data.a","values":["` + strings.Repeat("a", 513) + `"]`),
		advanced(`"NumberNear","key":"data.a","value":1`)} {
		var f filter
		if err := json.Unmarshal([]byte(text), &f); err != nil || f.compile() == nil {
			t.Errorf("%.80s is taken, %v", text, err)
		}
	}
}

func TestNameFilter(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"":                       true,
		"name eq 'Recordings-1'": true,
		"Name NE 'recordings-1'": false,
		"contains(namE, 'CORD') and name ne 'other'":  true,
		"contains(name,'x') or contains(name,'ding')": true,
		"not (contains(name,'x') or name eq 'y')":     true,
		"not contains(name, 'rec') and name eq 'y'":   false,
		"name eq 'it''s'":                              false,
		"(name eq 'a' or name eq 'recordings-1')":      true,
		"name eq 'a' or name eq 'b' and name eq 'c'":   false,
		"not not contains ( name , 'recordings-1'  ) ": true,
	} {
		f, err := parseNameFilter(text)
		if err != nil || f("recordings-1") != want {
			t.Errorf("%s: %v, want %v", text, err, want)
		}
	}
	for _, text := range []string{"label eq 'a'", "name", "name eq", "name eq 'a", "name eq 'a' name",
		"contains(name)", "contains(name,'a'", "(name eq 'a'", "nameeq 'a'", "not", strings.Repeat("(", 40) +
			"name eq 'a'",
		"name gt 'a'", strings.Repeat("a", 2000)} {
		if _, err := parseNameFilter(text); err == nil {
			t.Errorf("%.40s is taken", text)
		}
	}
}

func FuzzNameFilter(f *testing.F) {
	for _, text := range []string{"contains(name,'x') or not name eq 'y'", "((name ne 'a''b'))", "'", "not("} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		filter, err := parseNameFilter(text)
		if err == nil {
			filter("name") // which must not panic
		}
	})
}

func FuzzFilter(f *testing.F) {
	f.Add(advanced(`"NumberIn","key":"data.n","values":[1,5]`), `{"n":5}`)
	f.Add(advanced(`"StringNotBeginsWith","key":"data.a.b","values":["x"]`), `{"a":[1]}`)
	f.Add(`{"enableAdvancedFilteringOnArrays":true,`+advanced(`"IsNotNull","key":"a"`)[1:], `[]`)
	f.Fuzz(func(t *testing.T, text, data string) {
		var filter filter
		if json.Unmarshal([]byte(text), &filter) != nil || filter.compile() != nil {
			return
		}
		ev, err := gridEvent(json.RawMessage(`{"id":"1","subject":"s","eventType":"t","data":`+data+`}`), "/t", "")
		if err == nil {
			filter.matches(&ev)
		}
	})
}

func TestPaths(t *testing.T) {
	t.Parallel()
	const of = "/providers/Microsoft.EventGrid/"
	for path, want := range map[string]string{
		account + of + "eventSubscriptions/abc": account + of + "eventSubscriptions/abc",
		"/" + account + "/" + of + "EVENTSUBSCRIPTIONS/abc/getFullUrl": account + of + "eventSubscriptions/abc " +
			"getfullurl",
		topicAt + of + "eventSubscriptions/abc": topicAt + of + "eventSubscriptions/abc",
		topicAt + "/eventSubscriptions/abc":     topicAt + "/eventSubscriptions/abc",
		"/subscriptions/1" + of + "systemTopics/t/eventSubscriptions/abc": "/subscriptions/1" + of +
			"systemTopics/t/eventSubscriptions/abc",
		topicAt:               topicAt,
		topicAt + "/listKeys": topicAt + " listkeys",
		"/subscriptions/1" + of + "locations/we/operationsStatus/Q": "/subscriptions/1 operationsstatus",
		"/providers/Microsoft.Management/managementGroups/m" + of +
			"topics": "/providers/Microsoft.Management/managementGroups/m" + of + "topics/",
		"/subscriptions": "", "/subscriptions/1": "",
	} {
		got, ok := targetOf(path)
		if text := strings.TrimSuffix(got.id()+" "+got.action, " "); !ok || text != want {
			t.Errorf("%s: %q, want %q", path, text, want)
		}
	}
	for _, path := range []string{"/", "", "/me/events", "/subscriptions/1/2/3/4", "/v1.0/subscriptions/1",
		account + of + "eventSubscriptions/a/b/c", account + of + "domains/d", account + of + "topics/a/b/c/d"} {
		if got, ok := targetOf(path); ok {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func FuzzPaths(f *testing.F) {
	f.Add(path("abc"))
	f.Add("/subscriptions/1//providers/microsoft.eventgrid/locations/x/topicTypes/y/eventSubscriptions")
	f.Add("/providers/microsoft.eventgrid/eventsubscriptions/eventsubscriptions")
	f.Fuzz(func(t *testing.T, path string) {
		got, ok := targetOf(path)
		topicPath(path)
		validationPath(path)
		resourceType(path)
		if !ok || got.kind != subscriptionKind {
			return
		}
		again, ok := targetOf(got.id())
		if !ok || key(again.scope, again.name) != key(got.scope, got.name) {
			t.Errorf("%q is %+v, and its id %+v", path, got, again)
		}
	})
}

func FuzzPublished(f *testing.F) {
	f.Add(`{"id":"1","subject":"s","eventType":"t","data":{"a":1}}`)
	f.Add(`{"id":"1","source":"s","specversion":"1.0","type":"t","data_base64":"AA=="}`)
	f.Fuzz(func(t *testing.T, text string) {
		for _, read := range []func(json.RawMessage) (event, error){cloudEvent,
			func(item json.RawMessage) (event, error) { return gridEvent(item, "/t", "") }} {
			ev, err := read(json.RawMessage(text))
			if err == nil && (!json.Valid(ev.inGrid(nil)) || !json.Valid(ev.inCloud(extra{"deadLetterReason": "x"}))) {
				t.Errorf("%s becomes what is not JSON", text)
			}
		}
	})
}
