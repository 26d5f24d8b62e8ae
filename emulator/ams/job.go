package ams

import (
	"encoding/xml"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// This file has jobs and tasks as they are submitted and shown. run.go moves them through their states.

// The states of jobs and tasks, as numbers: indexes of states.
const (
	queued = iota
	scheduled
	processing
	finished
	failedState
	canceled
	canceling
)

// states are the states of jobs and tasks.
var states = []string{"Queued", "Scheduled", "Processing", "Finished", "Error", "Canceled", "Canceling"}

// isFinal reports whether a state is one in which a job ends.
func isFinal(state int) bool { return state == finished || state == failedState || state == canceled }

// A subscription of a job or a task names an endpoint that is told of its states.
type subscription struct {
	endpoint string // id
	target   int    // finalStates or allStates
	progress bool   // of a task: its progress is told too
}

// The targets of subscriptions.
const (
	finalStates = 1
	allStates   = 2
)

// wants reports whether a change to a state is told.
func (x subscription) wants(state int) bool { return x.target == allStates || isFinal(state) }

// A job encodes assets.
type job struct {
	id, name         string
	priority         int
	created, changed time.Time
	started, ended   time.Time
	state            int
	inputs           []*asset
	outputs          []*asset
	tasks            []*task
	subscriptions    []subscription

	byHand bool // made by Happen: all endpoints are told
	plan   []func(at time.Time)
	due    time.Time // of the first step of plan

	lag        time.Duration // see Options.Lag
	past       []change      // its states, oldest first
	noManifest bool          // its output assets get no manifest
}

// A change is one of a job's state.
type change struct {
	at    time.Time
	state int
}

// A task is one of a job.
type task struct {
	id, name, configuration, processor, body string
	priority, options                        int
	state                                    int
	progress                                 float64
	started, ended                           time.Time
	reads                                    []string // "JobInputAsset(0)"
	writes                                   []output
	subscriptions                            []subscription
}

// An output is an asset that a task writes.
type output struct {
	slot string // "JobOutputAsset(0)"
	name string // of the asset; "" is one that the service makes up
}

// shownState is the state that the job's entity shows: after its lag.
func (j *job) shownState(now time.Time) int {
	shown := queued
	for _, c := range j.past {
		if !c.at.Add(j.lag).After(now) {
			shown = c.state
		}
	}
	return shown
}

// running returns for how long something has run, in milliseconds.
func running(started, ended, now time.Time) int {
	if started.IsZero() {
		return 0
	}
	if ended.IsZero() {
		ended = now
	}
	return int(ended.Sub(started).Milliseconds())
}

func (j *job) entity(now time.Time) *entity {
	state, ended := j.shownState(now), j.ended
	if !isFinal(state) {
		ended = time.Time{}
	}
	told := collection{kind: "JobNotificationSubscription"}
	for _, x := range j.subscriptions {
		told.values = append(told.values, map[string]any{"NotificationEndPointId": x.endpoint,
			"TargetJobState": x.target})
	}
	return &entity{of: jobs, id: j.id, fields: map[string]any{"Id": j.id, "Name": j.name,
		"Created": localTime(j.created), "LastModified": localTime(j.changed), "EndTime": never(ended),
		"Priority": j.priority, "RunningDuration": running(j.started, ended, now), "StartTime": never(j.started),
		"State": state, "TemplateId": nil, "JobNotificationSubscriptions": told}}
}

func (t *task) entity(now time.Time) *entity {
	errors := collection{kind: "ErrorDetail"}
	if t.state == failedState {
		errors.values = append(errors.values, map[string]any{"Code": "ErrorProcessingTask",
			"Message": "An error occurred while processing the task."})
	}
	told := collection{kind: "TaskNotificationSubscription"}
	for _, x := range t.subscriptions {
		told.values = append(told.values, map[string]any{"NotificationEndPointId": x.endpoint,
			"TargetTaskState": x.target, "IncludeTaskProgress": x.progress})
	}
	events := collection{kind: "TaskHistoricalEvent"}
	for _, at := range []time.Time{t.started, t.ended} {
		if !at.IsZero() {
			events.values = append(events.values, map[string]any{"Code": "TaskStateChange", "Message": "",
				"TimeStamp": localTime(at)})
		}
	}
	return &entity{of: tasks, id: t.id, fields: map[string]any{"Id": t.id, "Name": t.name,
		"Configuration": t.configuration, "MediaProcessorId": t.processor, "TaskBody": t.body, "State": t.state,
		"Progress": t.progress, "Priority": t.priority, "Options": t.options, "StartTime": never(t.started),
		"EndTime": never(t.ended), "RunningDuration": running(t.started, t.ended, now), "ErrorDetails": errors,
		"HistoricalEvents": events, "PerfMessage": nil, "TaskNotificationSubscriptions": told}}
}

func (s *System) allJobs() (all []*entity) {
	for _, j := range s.jobs {
		all = append(all, j.entity(s.now()))
	}
	return all
}

func (s *System) allTasks() (all []*entity) {
	for _, j := range s.jobs {
		all = append(all, s.tasksOf(j.id)...)
	}
	return all
}

// job returns the job of an id, or nil.
func (s *System) job(id string) *job {
	i := slices.IndexFunc(s.jobs, func(j *job) bool { return strings.EqualFold(j.id, id) })
	if i < 0 {
		return nil
	}
	return s.jobs[i]
}

func (s *System) tasksOf(id string) (all []*entity) {
	for _, t := range s.job(id).tasks {
		all = append(all, t.entity(s.now()))
	}
	return all
}

func (s *System) inputsOf(id string) []*entity { return entities(s.job(id).inputs) }

// outputsOf returns the output assets of a job, which a lag keeps back.
func (s *System) outputsOf(id string) []*entity {
	j := s.job(id)
	if j.lag > 0 && !isFinal(j.shownState(s.now())) {
		return nil
	}
	return entities(j.outputs)
}

// removeJob deletes a job that has ended.
func (s *System) removeJob(id string) error {
	gone := s.job(id)
	if !isFinal(gone.state) {
		return failed(http.StatusBadRequest, "The job is in the state %s and cannot be deleted.", states[gone.state])
	}
	s.jobs = slices.DeleteFunc(s.jobs, func(j *job) bool { return j == gone })
	return nil
}

// createWholeJob answers the creation of a job with its tasks in it, which submits it.
func (s *System) createWholeJob(in *input) (*entity, error) {
	j, err := s.createJob(in)
	if err == nil {
		err = s.submit(j)
	}
	if err != nil {
		return nil, err
	}
	return j.entity(s.now()), nil
}

// createJob reads a job that is not submitted yet.
func (s *System) createJob(in *input) (*job, error) {
	j := &job{id: jobs.prefix + emulator.NewID(), created: s.now(), changed: s.now()}
	in.text("Name", &j.name)
	in.number("Priority", &j.priority)
	inputs := in.references("InputMediaAssets", assets.set)
	j.subscriptions = s.readSubscriptions(in, "JobNotificationSubscription", "TargetJobState")
	listed := in.list("Tasks", tasks.name)
	in.given("Id", "Created", "LastModified", "EndTime", "RunningDuration", "State")
	in.ignore("StartTime", "TemplateId", "OutputMediaAssets")
	if err := in.end(); err != nil {
		return nil, err
	}
	primary := false
	for _, id := range inputs {
		a := s.asset(id)
		if a == nil {
			return nil, failed(http.StatusNotFound, "The input asset '%s' of the job was not found.", id)
		}
		primary = primary || slices.ContainsFunc(a.files, func(f *file) bool { return f.primary })
		j.inputs = append(j.inputs, a)
	}
	if !primary {
		return nil, failed(http.StatusBadRequest, "A job needs an input asset with a primary file.")
	}
	for _, one := range listed {
		if err := s.addTask(j, one); err != nil {
			return nil, err
		}
	}
	return j, nil
}

// readSubscriptions reads the subscriptions of a job or a task.
func (s *System) readSubscriptions(in *input, kind, target string) (list []subscription) {
	for _, one := range in.list(kind+"s", kind) {
		x := subscription{}
		one.text("NotificationEndPointId", &x.endpoint)
		one.number(target, &x.target)
		if kind == "TaskNotificationSubscription" {
			one.flag("IncludeTaskProgress", &x.progress)
		}
		err := one.end()
		switch {
		case err != nil:
			in.fail(err)
		case x.target == 0:
			in.fail(failed(http.StatusBadRequest, "%s.%s must not be 0", kind, target))
		case x.target < 0 || x.target > allStates:
			in.invalid(target)
		case s.endpoint(x.endpoint) == nil:
			in.fail(failed(http.StatusNotFound, "The notification endpoint '%s' was not found.", x.endpoint))
		}
		list = append(list, x)
	}
	return list
}

// maxTasks bounds the tasks of a job.
const maxTasks = 30

// addTask reads a task of a job that is not submitted yet.
func (s *System) addTask(j *job, in *input) error {
	t := &task{id: tasks.prefix + emulator.NewID()}
	in.text("Name", &t.name)
	in.text("Configuration", &t.configuration)
	in.text("MediaProcessorId", &t.processor)
	in.text("TaskBody", &t.body)
	in.number("Priority", &t.priority)
	in.number("Options", &t.options)
	t.subscriptions = s.readSubscriptions(in, "TaskNotificationSubscription", "TargetTaskState")
	in.given("Id", "EndTime", "ErrorDetails", "HistoricalEvents", "PerfMessage", "Progress", "RunningDuration",
		"StartTime", "State")
	in.ignore("EncryptionKeyId", "EncryptionScheme", "EncryptionVersion", "InitializationVector", "InputMediaAssets",
		"OutputMediaAssets")
	err := in.end()
	switch {
	case err != nil:
		return err
	case len(j.tasks) >= maxTasks:
		return failed(http.StatusBadRequest, "A job has at most %d tasks.", maxTasks)
	case t.processor == "":
		return missing(tasks.name, "MediaProcessorId")
	case t.body == "":
		return missing(tasks.name, "TaskBody")
	case find(s.allProcessors(), t.processor) == nil:
		return failed(http.StatusNotFound, "The media processor '%s' was not found.", t.processor)
	}
	if err := t.readBody(); err != nil {
		return err
	}
	j.tasks = append(j.tasks, t)
	return nil
}

// slotForm is the form of the names of assets in a task body.
var slotForm = regexp.MustCompile(`^Job(Input|Output)Asset\((\d{1,4})\)$`)

// readBody reads which assets a task reads and writes.
func (t *task) readBody() error {
	var body struct {
		XMLName xml.Name `xml:"taskBody"`
		Inputs  []string `xml:"inputAsset"`
		Outputs []struct {
			Name string `xml:"assetName,attr"`
			Slot string `xml:",chardata"`
		} `xml:"outputAsset"`
	}
	d := xml.NewDecoder(strings.NewReader(t.body))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // it says utf-16, and is a text
	if d.Decode(&body) != nil || len(body.Inputs) == 0 || len(body.Outputs) == 0 {
		return failed(http.StatusBadRequest, "The TaskBody is not valid: it needs a taskBody with inputAsset and "+
			"outputAsset.")
	}
	for _, slot := range body.Inputs {
		t.reads = append(t.reads, strings.TrimSpace(slot))
	}
	for _, o := range body.Outputs {
		t.writes = append(t.writes, output{strings.TrimSpace(o.Slot), o.Name})
	}
	for _, o := range t.writes {
		if m := slotForm.FindStringSubmatch(o.slot); m == nil || m[1] != "Output" {
			return failed(http.StatusBadRequest, "The outputAsset '%s' of the TaskBody is not valid.", o.slot)
		}
	}
	for _, slot := range t.reads {
		if slotForm.FindStringSubmatch(slot) == nil {
			return failed(http.StatusBadRequest, "The inputAsset '%s' of the TaskBody is not valid.", slot)
		}
	}
	return nil
}

// check checks that the tasks of a job fit together, and puts them into an order in which they can run.
func (j *job) check() error {
	if len(j.tasks) == 0 {
		return failed(http.StatusBadRequest, "A job needs a task.")
	}
	written := map[string]bool{}
	for _, t := range j.tasks {
		for _, o := range t.writes {
			if written[o.slot] {
				return failed(http.StatusBadRequest, "The output asset '%s' is used more than once.", o.slot)
			}
			written[o.slot] = true
		}
	}
	ready := map[string]bool{}
	for i := range j.inputs {
		ready["JobInputAsset("+strconv.Itoa(i)+")"] = true
	}
	for i := range len(written) {
		if slot := "JobOutputAsset(" + strconv.Itoa(i) + ")"; !written[slot] {
			return failed(http.StatusBadRequest, "The output asset '%s' is missing.", slot)
		}
	}
	var ordered []*task
	for len(ordered) < len(j.tasks) {
		before := len(ordered)
		for _, t := range j.tasks {
			runs := !slices.ContainsFunc(t.reads, func(slot string) bool { return !ready[slot] })
			if slices.Contains(ordered, t) || !runs {
				continue
			}
			ordered = append(ordered, t)
			for _, o := range t.writes {
				ready[o.slot] = true
			}
		}
		if len(ordered) == before {
			return failed(http.StatusBadRequest, "The tasks read assets that do not exist, or that depend on one "+
				"another.")
		}
	}
	j.tasks = ordered
	return nil
}
