package ams

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/microsoft"
)

// This file submits jobs. A job is created once for a delivery: its name ends in the delivery's id, and each attempt
// looks for a job of that name first.

// Defaults of the settings.
const (
	defaultProcessor     = "Media Encoder Standard"
	defaultConfiguration = "Adaptive Streaming"
	defaultJobName       = "bellhop"
)

// maxConfiguration bounds a preset, in bytes.
const maxConfiguration = 64 << 10

// The states of a job and of its task of which an encoding may be told.
var (
	jobStates  = []string{"FinalStatesOnly", "All"}
	taskStates = []string{"None", "FinalStatesOnly", "All"}
)

// encodeSettings are the settings of a destination, and the members of the data of an event ams.submit, which win over
// them.
type encodeSettings struct {
	Connection    string `json:"connection"`
	Asset         string `json:"asset"`  // of a destination an expression, of an event the id or name
	Output        string `json:"output"` // the same
	Processor     string `json:"processor"`
	Configuration string `json:"configuration"`
	JobName       string `json:"job_name"`
	Source        string `json:"source"`
	Endpoint      string `json:"endpoint"`
	JobStates     string `json:"job_states"`
	TaskStates    string `json:"task_states"`
	Progress      bool   `json:"progress"`
}

// The states that a subscription of a job or a task is told.
var targets = map[string]int{"FinalStatesOnly": 1, "All": 2, "None": 0}

// check checks the settings but the expressions, and sets the defaults.
func (s *encodeSettings) check() error {
	s.Processor = cmp.Or(s.Processor, defaultProcessor)
	s.Configuration = cmp.Or(s.Configuration, defaultConfiguration)
	s.JobName = cmp.Or(s.JobName, defaultJobName)
	var errs []error
	var err error
	s.JobStates, err = provider.OneOf("job_states", s.JobStates, "FinalStatesOnly", jobStates...)
	errs = append(errs, err)
	s.TaskStates, err = provider.OneOf("task_states", s.TaskStates, "None", taskStates...)
	errs = append(errs, err)
	if len(s.Processor) > maxName {
		errs = append(errs, bellhop.Invalid("processor", "use the name of a media processor, such as "+
			""+defaultProcessor))
	}
	if len(s.Configuration) > maxConfiguration {
		errs = append(errs, bellhop.Invalid("configuration", "at most 64 KiB"))
	}
	if len(s.JobName) > 100 || !provider.Printable(s.JobName) {
		errs = append(errs, bellhop.Invalid("job_name", "use at most 100 characters of ASCII"))
	}
	if s.Source == "" && s.Endpoint == "" {
		errs = append(errs, bellhop.Invalid("source", "required, or endpoint: without one of them nobody is told "+
			"of the end "+
			"of the job"))
	}
	if len(s.Endpoint) > maxName || !provider.Printable(s.Endpoint) {
		errs = append(errs, bellhop.Invalid("endpoint", "use the name or the id of a notification endpoint, such "+
			"as Bellhop"))
	}
	return bellhop.Join("", errs...)
}

// An encoding is the Work of one destination of type ams.encode.
type encoding struct {
	env      provider.Env
	settings encodeSettings

	making sync.Mutex // held while the endpoint is looked up and made, so that two attempts do not make two
}

func openEncoding(env provider.Env, raw json.RawMessage) (provider.Work, error) {
	e := &encoding{env: env}
	decodeErr := provider.DecodeSettings(raw, &e.settings)
	if err := bellhop.Join("", decodeErr, e.settings.check()); err != nil {
		return nil, err
	}
	return e, nil
}

// Skip implements [provider.Work]. Events of Media Services itself never ask for a job: otherwise a destination that
// matches a whole source would encode what it has encoded.
func (e *encoding) Skip(ev *bellhop.Event) string {
	switch {
	case ev.Type == typeSubmit && ev.Source != bellhop.SourceAPI:
		return "an event ams.submit counts from our own API alone"
	case strings.HasPrefix(ev.Type, typePrefix) && ev.Type != typeSubmit:
		return "it is an event of Media Services, and asks for no job"
	}
	return ""
}

// wish returns the settings for one task, with asset and output as texts. An event ams.submit has wishes of its own.
func (e *encoding) wish(t *provider.Task) (s encodeSettings, err error) {
	s = e.settings
	s.Asset, s.Output = t.Values["asset"], t.Values["output"]
	if t.Event.Type != typeSubmit {
		return s, nil
	}
	connection := s.Connection
	if json.Unmarshal(t.Event.Body, &s) != nil {
		return s, final("the data of the event has a member of a wrong type", "")
	}
	s.Connection = connection
	if err := s.check(); err != nil {
		return s, final("the data of the event: "+err.Error(), "")
	}
	return s, nil
}

// A submitted is the body of an event ams.job.submitted. Of a job that an earlier attempt has submitted it has the
// members alone that are known without a look.
type submitted struct {
	Job           string `json:"job"`
	Name          string `json:"name"`
	Asset         string `json:"asset,omitempty"`
	AssetName     string `json:"asset_name,omitempty"`
	Output        string `json:"output,omitempty"` // the name of the output asset
	Processor     string `json:"processor"`
	Version       string `json:"processor_version,omitempty"`
	Configuration string `json:"configuration"`
	Endpoint      string `json:"endpoint,omitempty"` // its id
}

// maxShownConfiguration bounds the configuration in an event, in bytes: a whole preset is left out.
const maxShownConfiguration = 255

// Do implements [provider.Work].
func (e *encoding) Do(ctx context.Context, t *provider.Task) (provider.WorkDone, error) {
	s, err := e.wish(t)
	switch {
	case err != nil:
		return provider.WorkDone{}, err
	case s.Asset == "":
		return provider.WorkDone{Skip: true, Why: "the event names no asset"}, nil
	case len(s.Asset) > maxID:
		return provider.WorkDone{}, final("the event names an asset by more than 255 bytes", "")
	}
	a := &account{now: e.env.Now, random: e.env.Rand, api: t.API}
	made := submitted{Name: s.JobName + " " + t.DeliveryID, Processor: s.Processor, Configuration: s.Configuration}
	if len(made.Configuration) > maxShownConfiguration {
		made.Configuration = ""
	}
	there, err := listOf[job](ctx, a, jobs+named(made.Name))
	if err != nil {
		return provider.WorkDone{}, err
	}
	why := ""
	if len(there) > 0 && there[0].ID != "" {
		made.Job, why = there[0].ID, "an earlier attempt had submitted the job"
	} else if err := e.submit(ctx, a, t, s, &made); err != nil {
		return provider.WorkDone{}, err
	}
	body, err := json.Marshal(made)
	if err != nil {
		panic(fmt.Sprintf("bellhop: write an event: %v", err)) // of texts
	}
	return provider.WorkDone{Why: why, Events: []provider.Made{{Key: "submitted|" + made.Job, Event: bellhop.Event{
		Type: typeSubmitted, Subject: made.Job, ContentType: "application/json", Body: body}}}}, nil
}

// submit finds what the job needs, and creates it. It fills in made.
func (e *encoding) submit(ctx context.Context, a *account, t *provider.Task, s encodeSettings, made *submitted) error {
	input, err := findAsset(ctx, a, s.Asset)
	if err != nil {
		return err
	}
	encoder, err := findProcessor(ctx, a, s.Processor)
	if err != nil {
		return err
	}
	told, err := e.findEndpoint(ctx, a, t, s)
	if err != nil {
		return err
	}
	made.Asset, made.AssetName, made.Output = input.ID, input.Name, cmp.Or(s.Output, input.Name+" encoded")
	made.Version, made.Endpoint = encoder.Version, told.ID
	document := newJob(t.BaseURL, s, *made, encoder.ID)
	call := provider.Call{Method: http.MethodPost, Path: jobs}
	call = microsoft.WithJSON(call, document)
	for _, name := range []string{"Content-Type", "Accept"} { // __metadata in a body needs both
		call.Header.Set(name, "application/json;odata=verbose")
	}
	var answer struct {
		D job `json:"d"`
	}
	err = a.send(ctx, call, &answer)
	if err == nil && answer.D.ID == "" {
		err = noID(true)
	}
	made.Job = answer.D.ID
	return err
}

// findAsset returns the asset of an id or a name.
func findAsset(ctx context.Context, a *account, idOrName string) (found asset, err error) {
	if strings.HasPrefix(idOrName, "nb:cid:") {
		err = a.do(ctx, http.MethodGet, pathOf(assets, idOrName), nil, &found)
		if err == nil && found.ID == "" {
			err = noID(false)
		}
		return found, microsoft.NothingThere(err, "the account has no asset of the id that the event names")
	}
	list, err := listOf[asset](ctx, a, assets+named(idOrName))
	switch {
	case err != nil:
		return found, err
	case len(list) == 0:
		return found, final("the account has no asset of the name that the event gives", "")
	case len(list) > 1:
		return found, final(fmt.Sprintf("the account has %d assets of the name that the event gives", len(list)),
			"name the asset by its id")
	case list[0].ID == "":
		return found, noID(false)
	}
	return list[0], nil
}

// A processor is a media processor.
type processor struct {
	ID      string `json:"Id"`
	Name    string
	Version string
}

// findProcessor returns the newest version of a media processor.
func findProcessor(ctx context.Context, a *account, name string) (newest processor, err error) {
	list, err := listOf[processor](ctx, a, processors+"()"+named(name))
	list = slices.DeleteFunc(list, func(p processor) bool { return p.ID == "" })
	switch {
	case err != nil:
		return newest, err
	case len(list) == 0:
		return newest, final("the account has no media processor of the name in the setting processor",
			"use a name such as "+defaultProcessor)
	}
	return slices.MaxFunc(list, func(a, b processor) int { return compareVersions(a.Version, b.Version) }), nil
}

// compareVersions compares versions such as 1.9.0.0 and 1.10.0.0 part by part. A part that is no number counts as 0.
func compareVersions(a, b string) int {
	x, y := strings.Split(a, "."), strings.Split(b, ".")
	for i := range max(len(x), len(y)) {
		var m, n uint64
		if i < len(x) {
			m, _ = strconv.ParseUint(x[i], 10, 63)
		}
		if i < len(y) {
			n, _ = strconv.ParseUint(y[i], 10, 63)
		}
		if order := cmp.Compare(m, n); order != 0 {
			return order
		}
	}
	return 0
}

// findEndpoint returns the notification endpoint that is told of the job. That of a source is made if it is missing,
// with the source's key, as a subscription is.
func (e *encoding) findEndpoint(ctx context.Context, a *account, t *provider.Task,
	s encodeSettings) (endpoint, error) {
	if s.Source == "" {
		return namedEndpoint(ctx, a, s.Endpoint)
	}
	src, err := t.Source(ctx, s.Source)
	if err != nil {
		return endpoint{}, err
	}
	key, err := sourceKey(src.Settings)
	if err != nil {
		return endpoint{}, final("source "+src.Name+" has no signing_key that Media Services takes", "")
	}
	e.making.Lock()
	defer e.making.Unlock()
	list, err := listOf[endpoint](ctx, a, endpoints)
	if err != nil {
		return endpoint{}, err
	}
	name := cmp.Or(s.Endpoint, endpointName(src, key))
	for _, there := range list {
		switch {
		case there.ID == "" || there.Name != name && there.ID != name:
		case there.EndPointAddress != src.URL:
			return endpoint{}, final(fmt.Sprintf("the notification endpoint %q has another address than source %s",
				microsoft.Plain(name), src.Name), "leave out endpoint, or source")
		default:
			return there, nil
		}
	}
	i := slices.IndexFunc(list, func(there endpoint) bool {
		// such as that of a subscription, which keeps its key right
		return there.ID != "" && there.EndPointAddress == src.URL && there.EndPointType == typeWebHook &&
			there.CredentialType == credentialSigningKey
	})
	if i >= 0 && s.Endpoint == "" {
		return list[i], nil
	}
	return a.register(ctx, name, src.URL, key)
}

// endpointName returns the name of the endpoint that is made for a source. It differs for another key or address,
// which cannot be changed.
func endpointName(src provider.ActionSource, key []byte) string {
	sum := sha256.Sum256(slices.Concat(key, []byte(src.URL)))
	return "bellhop-" + src.Name + "-" + hex.EncodeToString(sum[:4])
}

// namedEndpoint returns the endpoint of a name or an id.
func namedEndpoint(ctx context.Context, a *account, nameOrID string) (found endpoint, err error) {
	property := "Name"
	if strings.HasPrefix(nameOrID, "nb:nepid:") {
		property = "Id"
	}
	list, err := listOf[endpoint](ctx, a, endpoints+where(property, nameOrID))
	switch {
	case err != nil:
		return found, err
	case len(list) == 0 || list[0].ID == "":
		return found, final("the account has no notification endpoint of the name or id in the setting endpoint",
			"make one: bellhop subscriptions create NAME --source SOURCE --connection CONNECTION --resource "+
				"ENDPOINT; or set "+
				"source, and it is made")
	}
	return list[0], nil
}

// The document of a job, in verbose JSON.
type (
	jobDocument struct {
		Name                         string
		InputMediaAssets             []reference
		Tasks                        []taskDocument
		JobNotificationSubscriptions []jobSubscription
	}
	reference struct {
		Metadata struct {
			URI string `json:"uri"`
		} `json:"__metadata"`
	}
	taskDocument struct {
		Name                          string
		Configuration                 string
		MediaProcessorID              string `json:"MediaProcessorId"`
		TaskBody                      string
		TaskNotificationSubscriptions []taskSubscription `json:",omitempty"`
	}
	jobSubscription struct {
		NotificationEndPointID string `json:"NotificationEndPointId"`
		TargetJobState         int
	}
	taskSubscription struct {
		NotificationEndPointID string `json:"NotificationEndPointId"`
		TargetTaskState        int
		IncludeTaskProgress    bool
	}
)

// newJob returns the document of a job with one task. Its subscriptions are in it: no call adds them later.
func newJob(base string, s encodeSettings, made submitted, processorID string) jobDocument {
	task := taskDocument{Name: made.Name, Configuration: s.Configuration, MediaProcessorID: processorID,
		TaskBody: taskBody(made.Output)}
	target := targets[s.TaskStates]
	if target == 0 && s.Progress {
		target = targets["FinalStatesOnly"]
	}
	if target != 0 {
		task.TaskNotificationSubscriptions = []taskSubscription{{made.Endpoint, target, s.Progress}}
	}
	input := reference{}
	input.Metadata.URI = base + pathOf(assets, made.Asset)
	return jobDocument{Name: made.Name, InputMediaAssets: []reference{input}, Tasks: []taskDocument{task},
		JobNotificationSubscriptions: []jobSubscription{{made.Endpoint, targets[s.JobStates]}}}
}

// taskBody returns the body of a task that reads the job's asset and writes one of that name.
func taskBody(output string) string {
	var name strings.Builder
	xml.EscapeText(&name, []byte(output)) // to memory, which cannot fail
	return `<?xml version="1.0" encoding="utf-8"?><taskBody><inputAsset>JobInputAsset(0)</inputAsset>` +
		`<outputAsset assetName="` + name.String() + `">JobOutputAsset(0)</outputAsset></taskBody>`
}
