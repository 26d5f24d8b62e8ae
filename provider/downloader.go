package provider

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/bellhop-gateway/bellhop"
)

// A Downloader is a provider whose events name files that its system keeps for some time, and then deletes. The server
// has an action for each: destinations of type "acs.download" download what the events of provider acs name.
type Downloader interface {
	Provider
	// DownloadInfo is constant.
	DownloadInfo() DownloadInfo
	// OpenDownload checks the settings of a destination: those of DownloadInfo and DownloadSettings. Its errors are
	// bellhop.CodeInvalid with paths within the settings ("path").
	OpenDownload(settings json.RawMessage) (Download, error)
}

// DownloadInfo describes the action of a Downloader.
type DownloadInfo struct {
	Summary  string    // one sentence: what it downloads
	Settings []Setting // beside connection, path and delete
	// Noun is what the files of an event are together: "recording". Events are "acs.recording.downloaded".
	Noun string
	// Placeholders are the values of DownloadPlan.Values and DownloadPart.Values, which the setting path may have,
	// with what each is in words.
	Placeholders []Placeholder
	Path         string // the default of the setting path: "{{recording}}/{{index}}.{{ext}}"
	// Keeps is how long the system keeps the files: 24 h.
	Keeps time.Duration
}

// A Placeholder is a value that a path may have: {{name}}.
type Placeholder struct{ Name, Doc string }

// DownloadSettings are the settings that every download has.
type DownloadSettings struct {
	Connection string `json:"connection"` // name or id
	Path       string `json:"path"`
	Delete     string `json:"delete"` // "" or DeleteAfterDownload
}

// DeleteAfterDownload is the value of DownloadSettings.Delete by which files are deleted at the system once all are
// here.
const DeleteAfterDownload = "after_download"

// Deletes are the values of DownloadSettings.Delete.
var Deletes = []string{DeleteAfterDownload, "never"}

// A Download is the provider's part of one destination that downloads. It does not change, and is safe for concurrent
// use.
type Download interface {
	// Common returns the settings that every download has.
	Common() DownloadSettings
	// Plan says what is to be done for ev, which may be any event.
	Plan(ev *bellhop.Event) DownloadPlan
	// Describe reads the answer to the call DownloadPart.Metadata, whose status is 200, and completes p: its format,
	// its values. Its *APIError is of APIForeign if the answer is no metadata, and of APIMismatch if it contradicts p.
	Describe(body []byte, p *DownloadPart) error
	// Check returns nil if head, the first bytes of a file, can be those of p, whose answer had that header. Otherwise
	// it returns an *APIError, as Describe does. head has DownloadHead bytes, or less if that is all of the file.
	Check(head []byte, h http.Header, p *DownloadPart) error
	// Refused returns the *APIError of an answer whose status is none of success. body is its beginning.
	Refused(a Answer, now time.Time) *APIError
}

// DownloadHead is how many bytes Download.Check gets.
const DownloadHead = 16

// A DownloadPlan says what is to be done for an event. Of Skip, Refused and Parts one is set.
type DownloadPlan struct {
	Skip    string // why the event is none that names files
	Refused string // why nothing is downloaded; it does not repeat what the event has
	Subject string // of the events that are published: what the files are together, as the system names it
	At      time.Time
	Parts   []DownloadPart // in the order in which they belong together
	Missing []int          // numbers of parts that the event does not name, although it names later ones
}

// A DownloadPart is one file.
type DownloadPart struct {
	Index       int               // from 0
	Format      string            // the end of its name: "mp4"; "" if only Describe knows it
	ContentType string            // "video/mp4"
	Values      map[string]string // of the placeholders of the path

	Metadata Call // is made first
	Content  Call
	Delete   Call // Method "" if the system has no such call
}

// DownloadActionInfo describes the destinations that download from d, as far as d decides.
func DownloadActionInfo(d Downloader) Info {
	of, info := d.Info(), d.DownloadInfo()
	list := ""
	for i, p := range info.Placeholders {
		if i > 0 {
			list += ", "
		}
		list += "`{{" + p.Name + "}}` (" + p.Doc + ")"
	}
	settings := []Setting{
		{Name: "connection", Title: "Connection", Example: "calls", Required: true,
			Doc: "The connection of provider `" + of.Name + "` in whose name the files are downloaded, by name " +
				"or id."},
		{Name: "path", Title: "Path", Example: info.Path,
			Doc: "The name of each file, below the storage of the server. It may have " + list + ". Default: `" +
				info.Path +
				"`."},
		{Name: "delete", Title: "Delete", Example: DeleteAfterDownload, Choices: Deletes,
			Doc: "`" + DeleteAfterDownload + "` deletes the files at the system once all of them are here and " +
				"checked. Default: the system deletes them after its time."},
	}
	return Info{Name: of.Name + ".download", Title: "Download from " + of.Title, Summary: info.Summary,
		Links:    of.Links,
		Schedule: "day", SendSettings: append(settings, info.Settings...)}
}
