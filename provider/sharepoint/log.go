package sharepoint

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// A ChangeKind says what happened to an item of a list.
type ChangeKind string

// The kinds.
const (
	Added    ChangeKind = "added"
	Updated  ChangeKind = "updated"
	Deleted  ChangeKind = "deleted"
	Renamed  ChangeKind = "renamed"
	Moved    ChangeKind = "moved"
	Restored ChangeKind = "restored"
)

// kinds are the numbers of ChangeType. The others are of no item.
var kinds = map[int]ChangeKind{
	1: Added, 2: Updated, 3: Deleted, 4: Renamed, 5: Moved, 6: Moved, 7: Restored, 15: Updated,
}

// A Change is one entry of a list's log.
type Change struct {
	Kind   ChangeKind
	ItemID int
	At     time.Time // zero if the log does not say
	Token  string    // the position after the change
	Raw    json.RawMessage
}

// A Log is the change log of one list, which keeps 60 days. Positions in it are change tokens. Calls about one list go
// one after another.
// Source: https://learn.microsoft.com/en-us/sharepoint/dev/schema/changelog-guidance
type Log struct {
	api   provider.API
	now   func() time.Time
	path  string // of the list
	list  string // its id, in lower case; "" while it is not known
	limit int    // how many changes a page has at most
	anew  bool   // the token of the call before was of no use
}

// openLog returns the log of the list at a path or URL of the API. list is its id, or "".
func openLog(env provider.Env, api provider.API, path, list string) *Log {
	return &Log{api: api, now: env.Now, path: path, list: strings.ToLower(list), limit: fetchLimit}
}

// OpenLog returns the log of a list: its title, its id or its URL, as the resource of a subscription has it. site is
// the path of its site. The error is bellhop.CodeInvalid with the path "resource".
func OpenLog(env provider.Env, api provider.API, list, site string) (*Log, error) {
	path, err := listPath(list, site)
	if err != nil {
		return nil, err
	}
	id := ""
	if guid := strings.Trim(list, "{}"); provider.IsGUID(guid) {
		id = guid
	}
	return openLog(env, api, path, id), nil
}

// maxTokenAge is the age at which a change token is not used any more: the log keeps 60 days, and a token from before
// that finds nothing and is no error.
const maxTokenAge = 55 * 24 * time.Hour

// oldestStart is the age of the oldest change token that a walk begins at, so that it is not too old when it is used.
const oldestStart = maxTokenAge - time.Hour

// fetchLimit is how many changes one page has at most, as a rule.
const fetchLimit = 1000

// List returns the id of the list.
func (l *Log) List(ctx context.Context) (string, error) {
	if l.list == "" {
		if _, err := l.Latest(ctx); err != nil {
			return "", err
		}
	}
	return l.list, nil
}

// Latest returns the position of now.
func (l *Log) Latest(ctx context.Context) (token string, err error) {
	var out struct {
		ID      string `json:"Id"`
		Current struct{ StringValue string }
	}
	var whole map[string]json.RawMessage
	err = l.call(ctx, http.MethodGet, l.path+"?$select=Id,CurrentChangeToken", nil, &whole)
	if err != nil {
		return "", err
	}
	json.Unmarshal(whole["Id"], &out.ID) // a wrong form is reported below
	json.Unmarshal(whole["CurrentChangeToken"], &out.Current)
	if !provider.IsGUID(out.ID) {
		return "", &provider.APIError{Kind: provider.APIForeign, Message: "the answer has no id of the list"}
	}
	l.list = strings.ToLower(out.ID)
	if _, err := readToken(out.Current.StringValue, l.list); err != nil {
		return l.tokenAt(l.now()), nil
	}
	return out.Current.StringValue, nil
}

// TokenAt returns the position of a time, of the last 55 days.
func (l *Log) TokenAt(ctx context.Context, at time.Time) (string, error) {
	if _, err := l.List(ctx); err != nil {
		return "", err
	}
	if oldest := l.now().Add(-oldestStart); at.Before(oldest) {
		at = oldest
	}
	return l.tokenAt(at), nil
}

func (l *Log) tokenAt(at time.Time) string { return fmt.Sprintf("1;3;%s;%d;-1", l.list, ticksAt(at)) }

// Tick is the unit of the times in change tokens, which count from the year 1.
const (
	tick         = 100 * time.Nanosecond
	ticksTo1970  = 621355968000000000
	latestSecond = 253402300799 // the year 9999
)

func ticksAt(t time.Time) int64 {
	return ticksTo1970 + t.Unix()*int64(time.Second/tick) + int64(t.Nanosecond())/100
}

// readToken returns the time of a change token, which must be of the list.
func readToken(token, list string) (time.Time, error) {
	parts := strings.Split(token, ";")
	if len(parts) != 5 || parts[0] != "1" || parts[1] != "3" {
		return time.Time{}, errors.New("the change token is none of a list")
	}
	ticks, err := strconv.ParseInt(parts[3], 10, 64)
	_, notNumber := strconv.ParseInt(parts[4], 10, 64)
	seconds := (ticks - ticksTo1970) / int64(time.Second/tick)
	switch {
	case err != nil || notNumber != nil || seconds < 0 || seconds > latestSecond:
		return time.Time{}, errors.New("the change token cannot be read")
	case !strings.EqualFold(parts[2], list):
		return time.Time{}, errors.New("the change token is of another list")
	}
	return time.Unix(seconds, (ticks-ticksTo1970)%int64(time.Second/tick)*int64(tick)).UTC(), nil
}

// A LogPage is one page of a log.
type LogPage struct {
	Changes []Change
	Token   string // the position after the page
	Last    bool
	Wait    time.Duration
	// Lost says in words that the token was of no use: it was too old, of another list, or refused. Token is a new
	// start then, of 55 days ago at the earliest.
	Lost string
}

// Next returns the page after token.
func (l *Log) Next(ctx context.Context, token string) (page LogPage, err error) {
	if _, err := l.List(ctx); err != nil {
		return page, err
	}
	at, err := readToken(token, l.list)
	if err != nil {
		return l.restart(err.Error()), nil
	}
	if age := l.now().Sub(at); age > maxTokenAge {
		return l.restart(fmt.Sprintf("the change token is %d days old, and the log keeps 60", int(age.Hours()/24))),
			nil
	}
	changes, answer, err := l.ask(ctx, token)
	var refused *provider.APIError
	if errors.As(err, &refused) && isTokenError(refused) && !l.anew {
		return l.restart("SharePoint refuses the change token: " + refused.Error()), nil
	}
	if err != nil {
		return page, err
	}
	l.anew = false
	page = LogPage{Token: token, Last: len(changes) == 0, Wait: microsoft.Pause(answer)}
	for _, raw := range changes {
		var in struct {
			ChangeToken struct{ StringValue string }
			ChangeType  int
			ItemID      int `json:"ItemId"`
			Time        string
		}
		if json.Unmarshal(raw, &in) != nil {
			return LogPage{}, &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
				Message: "a change in the answer has another form than SharePoint's"}
		}
		if _, err := readToken(in.ChangeToken.StringValue, l.list); err != nil {
			return LogPage{}, &provider.APIError{Kind: provider.APIForeign, Status: answer.Status,
				Message: err.Error()}
		}
		page.Token = in.ChangeToken.StringValue
		if kind, ok := kinds[in.ChangeType]; ok && in.ItemID != 0 {
			page.Changes = append(page.Changes, Change{Kind: kind, ItemID: in.ItemID, At: microsoft.ParseTime(in.Time),
				Token: page.Token, Raw: raw})
		}
	}
	if !page.Last && page.Token == token {
		return LogPage{}, &provider.APIError{Kind: provider.APIEndless,
			Message: "SharePoint answers the same changes again and again"}
	}
	return page, nil
}

// restart returns the page of a token that is of no use. If SharePoint refuses the new one, too, that is an error.
func (l *Log) restart(why string) LogPage {
	l.anew = true
	return LogPage{Token: l.tokenAt(l.now().Add(-oldestStart)), Lost: why}
}

// isTokenError reports whether SharePoint refuses a change token. It has no code of its own for that.
func isTokenError(e *provider.APIError) bool {
	text := strings.ToLower(e.Message)
	return (e.Status == http.StatusBadRequest || e.Status == http.StatusInternalServerError) &&
		(strings.Contains(text, "changetoken") || strings.Contains(text, "change token") ||
			strings.Contains(text, "change log"))
}

// ask makes one call of GetChanges.
func (l *Log) ask(ctx context.Context, token string) ([]json.RawMessage, provider.Answer, error) {
	query := map[string]any{"Item": true, "Add": true, "Update": true, "SystemUpdate": true, "DeleteObject": true,
		"Restore": true, "Move": true, "Rename": true, "FetchLimit": l.limit,
		"ChangeTokenStart": map[string]string{"StringValue": token}}
	var out struct {
		Value []json.RawMessage `json:"value"`
	}
	answer, err := l.do(ctx, http.MethodPost, l.path+"/getchanges", map[string]any{"query": query}, &out)
	if err == nil && out.Value == nil {
		err = microsoft.Lacks(answer, http.MethodGet, "value") // it only reads
	}
	return out.Value, answer, err
}

// Item returns the fields of an item. The error is of APIGone if there is none any more.
func (l *Log) Item(ctx context.Context, id int) (json.RawMessage, error) {
	answer, err := l.do(ctx, http.MethodGet, l.path+"/items("+strconv.Itoa(id)+")", nil, &struct{}{})
	return answer.Body, err
}

func (l *Log) call(ctx context.Context, method, path string, in, out any) error {
	_, err := l.do(ctx, method, path, in, out)
	return err
}

// logPageBytes bounds the body of an answer: a change has about 400 bytes.
const logPageBytes = 8 << 20

func (l *Log) do(ctx context.Context, method, path string, in, out any) (provider.Answer, error) {
	call := provider.Call{Method: method, Path: path, MaxBytes: logPageBytes,
		Header: http.Header{"Accept": {"application/json;odata=nometadata"}}}
	answer, err := microsoft.Ask(ctx, l.api, l.now, call, in, out)
	return answer, refine(err)
}
