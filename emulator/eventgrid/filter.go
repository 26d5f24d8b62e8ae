package eventgrid

import (
	"encoding/json"
	"slices"
	"strings"
)

// A filter says which events a subscription gets. Texts are compared without regard to case, except the subject if the
// filter says so.
// Source: https://learn.microsoft.com/azure/event-grid/event-filtering
type filter struct {
	SubjectBeginsWith string           `json:"subjectBeginsWith,omitempty"`
	SubjectEndsWith   string           `json:"subjectEndsWith,omitempty"`
	EventTypes        []string         `json:"includedEventTypes,omitempty"` // nil is all
	CaseSensitive     bool             `json:"isSubjectCaseSensitive"`
	Arrays            bool             `json:"enableAdvancedFilteringOnArrays,omitempty"`
	Advanced          []advancedFilter `json:"advancedFilters,omitempty"` // an event has to pass all
}

// An advancedFilter compares one member of an event.
type advancedFilter struct {
	Operator string          `json:"operatorType"`
	Key      string          `json:"key"` // "subject", "data.color"
	Value    json.RawMessage `json:"value,omitempty"`
	Values   json.RawMessage `json:"values,omitempty"`

	holds func(v any) bool // of one value, by the operator without "Not"
}

// Bounds of a filter.
const (
	maxAdvanced = 25 // filters, and values of all of them
	maxText     = 512
)

// Operators that look at whether there is a value.
const (
	isNull    = "IsNullOrUndefined"
	isNotNull = "IsNotNull"
)

// compile checks a filter and makes its comparisons.
func (f *filter) compile() error {
	if len(f.Advanced) > maxAdvanced {
		return invalid("The number of advanced filters cannot exceed %d.", maxAdvanced)
	}
	total := 0
	for i := range f.Advanced {
		n, err := f.Advanced[i].compile()
		if err != nil {
			return err
		}
		total += n
	}
	if total > maxAdvanced {
		return invalid("The number of advanced filter values cannot exceed %d across all filters.", maxAdvanced)
	}
	return nil
}

// compile makes the comparison of one filter, and returns how many values it has.
func (a *advancedFilter) compile() (values int, err error) {
	wrong := func() error { return invalid("The advanced filter on '%s' with %s is not valid.", a.Key, a.Operator) }
	if a.Key == "" || len(a.Key) > maxText {
		return 0, invalid("The key of an advanced filter cannot be empty.")
	}
	numbers := func(raw json.RawMessage) (list []float64) {
		if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
			err = wrong()
		}
		return list
	}
	one := func() (n float64) {
		if a.Value == nil || json.Unmarshal(a.Value, &n) != nil {
			err = wrong()
		}
		return n
	}
	switch base := strings.Replace(a.Operator, "Not", "", 1); {
	case a.Operator == isNull || a.Operator == isNotNull:
		return 0, nil
	case base == "NumberIn":
		list := numbers(a.Values)
		a.holds = number(func(n float64) bool { return slices.Contains(list, n) })
		values = len(list)
	case base == "NumberInRange":
		var list [][2]float64
		if json.Unmarshal(a.Values, &list) != nil || len(list) == 0 {
			return 0, wrong()
		}
		a.holds = number(func(n float64) bool {
			return slices.ContainsFunc(list, func(r [2]float64) bool { return r[0] <= n && n <= r[1] })
		})
		values = len(list)
	case a.Operator == "BoolEquals":
		var want bool
		if json.Unmarshal(a.Value, &want) != nil {
			return 0, wrong()
		}
		a.holds = func(v any) bool { got, ok := v.(bool); return ok && got == want }
		values = 1
	case strings.HasPrefix(a.Operator, "Number"):
		compare := numberComparisons[a.Operator]
		if compare == nil {
			return 0, wrong()
		}
		bound := one()
		a.holds = number(func(n float64) bool { return compare(n, bound) })
		values = 1
	default:
		compare := textComparisons[base]
		var list []string
		if compare == nil || json.Unmarshal(a.Values, &list) != nil || len(list) == 0 ||
			slices.ContainsFunc(list, func(text string) bool { return len(text) > maxText }) {
			return 0, wrong()
		}
		for i := range list {
			list[i] = strings.ToLower(list[i])
		}
		a.holds = func(v any) bool {
			got, ok := v.(string)
			got = strings.ToLower(got)
			return ok && slices.ContainsFunc(list, func(want string) bool { return compare(got, want) })
		}
		values = len(list)
	}
	return values, err
}

func number(holds func(n float64) bool) func(v any) bool {
	return func(v any) bool { n, ok := v.(float64); return ok && holds(n) }
}

var numberComparisons = map[string]func(a, b float64) bool{
	"NumberLessThan":            func(a, b float64) bool { return a < b },
	"NumberLessThanOrEquals":    func(a, b float64) bool { return a <= b },
	"NumberGreaterThan":         func(a, b float64) bool { return a > b },
	"NumberGreaterThanOrEquals": func(a, b float64) bool { return a >= b },
}

var textComparisons = map[string]func(got, want string) bool{
	"StringIn":         func(got, want string) bool { return got == want },
	"StringBeginsWith": strings.HasPrefix,
	"StringEndsWith":   strings.HasSuffix,
	"StringContains":   strings.Contains,
}

// matches reports whether a subscription with this filter gets an event.
func (f *filter) matches(ev *event) bool {
	subject, begin, end := ev.subject, f.SubjectBeginsWith, f.SubjectEndsWith
	if !f.CaseSensitive {
		subject, begin, end = strings.ToLower(subject), strings.ToLower(begin), strings.ToLower(end)
	}
	included := f.EventTypes == nil ||
		slices.ContainsFunc(f.EventTypes, func(kind string) bool {
			return equalFold(kind, ev.kind) || equalFold(kind, "All")
		})
	if !included || !strings.HasPrefix(subject, begin) || !strings.HasSuffix(subject, end) {
		return false
	}
	for i := range f.Advanced {
		if !f.Advanced[i].matches(ev, f.Arrays) {
			return false
		}
	}
	return true
}

// matches compares one member of an event. A member that is not there, and a list unless lists are compared by their
// elements, passes the operators with "Not" alone.
func (a *advancedFilter) matches(ev *event, arrays bool) bool {
	v := ev.lookup(a.Key)
	switch a.Operator {
	case isNull:
		return v == nil
	case isNotNull:
		return v != nil
	}
	values := []any{v}
	if list, ok := v.([]any); ok {
		values = nil
		if arrays {
			values = list
		}
	}
	return slices.ContainsFunc(values, a.holds) != strings.Contains(a.Operator, "Not")
}
