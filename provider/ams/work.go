package ams

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
)

var _ provider.Worker = Provider{}

// The works, and the types of their events.
const (
	workPublish   = typePrefix + "publish"
	workEncode    = typePrefix + "encode"
	typePublished = typePrefix + "asset.published"
	typeSubmitted = typePrefix + "job.submitted"
	typeSubmit    = typePrefix + "submit" // of an event of our own API that asks for a job
)

// workTimeout is the default timeout of an attempt: it makes up to ten calls of an API that may be slow.
const workTimeout = 2 * time.Minute

// Works implements [provider.Worker].
func (Provider) Works() []provider.WorkInfo {
	return []provider.WorkInfo{
		{
			Name: workPublish, Title: "Publish the assets of a job", Timeout: workTimeout,
			Summary: "Publishes the output assets of a job that has finished, by a streaming locator that is valid " +
				"for 30 " +
				"days, and says under which URLs they are streamed by an event ams.asset.published.",
			Settings: []provider.Setting{
				{Name: "policy", Title: "Policy", Example: defaultPolicy,
					Doc: "The name of the access policy of the locators, which is made once if the account has " +
						"none of that " +
						"name for reading and 30 days. Default: `" + defaultPolicy + "`."},
			},
		},
		{
			Name: workEncode, Title: "Encode an asset", Timeout: workTimeout,
			Summary: "Submits a job that encodes the asset which an event names, and says so by an event " +
				"ams.job.submitted. Media Services tells a source how the job goes on.",
			Expressions: map[string]string{"asset": "data.asset", "output": ""},
			Settings: []provider.Setting{
				{Name: "asset", Title: "Asset", Example: "data.asset",
					Doc: "An expression that gives the id of the asset, `nb:cid:UUID:…`, or its name, in the " +
						"language of " +
						"templates. An event for which it gives nothing is skipped. Default: `data.asset`."},
				{Name: "processor", Title: "Media processor", Example: defaultProcessor,
					Doc: "The name of the media processor, of which the newest version is taken. Default: `" +
						defaultProcessor + "`."},
				{Name: "configuration", Title: "Configuration", Example: defaultConfiguration,
					Doc: "The preset of the task: its name, or the whole preset in XML or JSON. Default: `" +
						defaultConfiguration + "`."},
				{Name: "output", Title: "Output", Example: `data.asset + " for the web"`,
					Doc: "An expression that gives the name of the output asset. Default: the name of the asset and " +
						"`encoded`."},
				{Name: "job_name", Title: "Job name", Example: "nightly",
					Doc: "The beginning of the name of the job, before the id of the delivery, by which a repeat " +
						"finds the " +
						"job. Default: `" + defaultJobName + "`."},
				{Name: "source", Title: "Source", Example: "media",
					Doc: "The source that is told of the job, by name or id. The account's notification endpoint " +
						"for it, such " +
						"as that of a subscription, is found, or made with the key of the source."},
				{Name: "endpoint", Title: "Notification endpoint", Example: "Bellhop",
					Doc: "The notification endpoint that is told of the job, by name or id, such as the resource " +
						"of a " +
						"subscription. With `source`, it is made under this name if there is none. One of both is " +
						"required."},
				{Name: "job_states", Title: "States of the job", Example: "All", Choices: jobStates,
					Doc: "`FinalStatesOnly` or `All`: which states of the job are told. Default: `FinalStatesOnly`."},
				{Name: "task_states", Title: "States of the task", Example: "FinalStatesOnly", Choices: taskStates,
					Doc: "`None`, `FinalStatesOnly` or `All`: which states of the task are told. Default: `None`."},
				{Name: "progress", Title: "Progress", Kind: provider.KindFlag, Example: "true",
					Doc: "Whether the progress of the task is told: `ams.TaskProgress`. Default: false."},
			},
		},
	}
}

// OpenWork implements [provider.Worker].
func (Provider) OpenWork(env provider.Env, name string, settings json.RawMessage) (provider.Work, error) {
	switch name {
	case workPublish:
		return openPublishing(env, settings)
	case workEncode:
		return openEncoding(env, settings)
	}
	return nil, fmt.Errorf("ams: there is no work %s", name) // it is one of Works
}

// A jobState is a notification that a job has changed its state.
type jobState struct{ job, state string }

// readJobState reads a notification; ok is false if ev is none of a job's state. Names of properties are read in any
// letter case.
func readJobState(ev *bellhop.Event) (j jobState, ok bool) {
	if ev.Type != eventTypes[jobStateChange] {
		return j, false
	}
	properties := strictjson.Member{Name: "Properties"}
	job, state := strictjson.Member{Name: "JobId"}, strictjson.Member{Name: "NewState"}
	err := strictjson.FindAll(strictjson.TrimBOM(ev.Body), &properties)
	if err == nil {
		err = strictjson.FindFold(properties.Value, &job, &state)
	}
	j = jobState{job.Text(), state.Text()}
	return j, err == nil && j.job != "" && len(j.job) <= maxID && provider.Visible(j.job)
}

// maxID bounds the ids that are called, in bytes.
const maxID = 255

// The pauses while something is not there yet that Media Services shows later than it tells it.
const (
	firstPause   = time.Second
	longestPause = time.Minute
	maxPauses    = 10
)

// A waiting is the progress of a work: how often it has waited.
type waiting struct {
	Waited int `json:"waited"`
}

// waitFor returns what an attempt comes to for which something is missing: a wait, which doubles from a second to a
// minute, or after ten of them the failure.
func waitFor(t *provider.Task, missing *provider.APIError) (provider.WorkDone, error) {
	var w waiting
	json.Unmarshal(t.Progress, &w) // ours; nothing was waited for if it is none
	if w.Waited < 0 || w.Waited >= maxPauses {
		return provider.WorkDone{}, missing
	}
	pause := min(firstPause<<w.Waited, longestPause)
	w.Waited++
	saved, err := json.Marshal(w)
	if err != nil {
		panic(fmt.Sprintf("bellhop: write progress: %v", err)) // of a number
	}
	return provider.WorkDone{Wait: pause, Progress: saved,
		Why: fmt.Sprintf("waits %s, %d of %d: %s", pause, w.Waited, maxPauses, missing.Message)}, nil
}

// final returns an error that another attempt would meet too.
func final(message, remedy string) *provider.APIError {
	return &provider.APIError{Kind: provider.APIInvalid, Message: message, Remedy: remedy}
}
