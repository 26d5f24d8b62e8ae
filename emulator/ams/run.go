package ams

import (
	"context"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
)

// This file moves jobs and tasks through their states. Each job has a plan of steps, which are due one after another
// by the clock of the host: a call of the API takes those that are due, and so does a goroutine for each job that
// runs.

// OwnFaults implements [emulator.Faulter].
func (s *System) OwnFaults() []string {
	return []string{emulator.FaultPolicies, emulator.FaultManifest, emulator.FaultOutputs, emulator.FaultLag}
}

// submit makes the output assets of a job, and begins it. The caller holds s.mu.
func (s *System) submit(j *job) error {
	if err := j.check(); err != nil {
		return err
	}
	s.prepare(j)
	step := func(do func(at time.Time)) { j.plan = append(j.plan, do) }
	step(func(at time.Time) { s.setJob(j, scheduled, at) })
	step(func(at time.Time) {
		s.setJob(j, processing, at)
		s.setTask(j, j.tasks[0], processing, at)
	})
	for i, t := range j.tasks {
		for _, progress := range []float64{25, 50, 75} {
			step(func(time.Time) { s.setProgress(j, t, progress) })
		}
		step(func(at time.Time) {
			s.setProgress(j, t, 100)
			s.write(j, t, at)
			s.setTask(j, t, finished, at)
			if i+1 < len(j.tasks) {
				s.setTask(j, j.tasks[i+1], processing, at)
			}
		})
	}
	step(func(at time.Time) { s.setJob(j, finished, at) })
	j.due = s.now().Add(s.opts.Pace)
	s.host.Go(func(ctx context.Context) { s.run(ctx, j) })
	return nil
}

// prepare makes a job one of the account, with its output assets. It meets the faults that concern jobs. The caller
// holds s.mu.
func (s *System) prepare(j *job) {
	j.past = []change{{s.now(), queued}}
	j.lag = s.opts.Lag
	lag := s.host.MeetOwn(s.Name(), emulator.FaultLag)
	if lag.Kind != "" {
		j.lag = lag.Duration(10 * time.Second)
	}
	s.jobs = append(s.jobs, j)
	if s.host.MeetOwn(s.Name(), emulator.FaultOutputs).Kind != "" {
		return
	}
	j.noManifest = s.host.MeetOwn(s.Name(), emulator.FaultManifest).Kind != ""
	count := 0
	for _, t := range j.tasks {
		count += len(t.writes)
	}
	for i := range count {
		slot := "JobOutputAsset(" + strconv.Itoa(i) + ")"
		name := slot + "_" + j.name
		for _, t := range j.tasks {
			for _, o := range t.writes {
				if o.slot == slot && o.name != "" {
					name = o.name
				}
			}
		}
		j.outputs = append(j.outputs, s.addAsset(assets.prefix+emulator.NewID(), name))
	}
}

// run takes the steps of a job when they are due, until none is left.
func (s *System) run(ctx context.Context, j *job) {
	for {
		s.mu.Lock()
		s.advance()
		left := len(j.plan) > 0 && slices.Contains(s.jobs, j)
		wait := j.due.Sub(s.now())
		s.mu.Unlock()
		if !left {
			return
		}
		timer := time.NewTimer(max(wait, time.Millisecond))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// advance takes the steps of all jobs that are due. The caller holds s.mu.
func (s *System) advance() {
	now := s.now()
	for _, j := range s.jobs {
		for len(j.plan) > 0 && !j.due.After(now) {
			do, at := j.plan[0], j.due
			j.plan, j.due = j.plan[1:], j.due.Add(s.opts.Pace)
			do(at)
		}
	}
}

// setJob changes the state of a job, and tells its subscribers. The caller holds s.mu.
func (s *System) setJob(j *job, state int, at time.Time) (told int) {
	old := j.state
	j.state, j.changed = state, at
	j.past = append(j.past, change{at, state})
	switch {
	case state == processing && j.started.IsZero():
		j.started = at
	case isFinal(state):
		j.ended = at
	}
	for _, x := range j.subscriptions {
		if x.wants(state) {
			told += s.tellOne(x.endpoint, jobStateChange, j.properties(old, state))
		}
	}
	return told
}

// properties are those of a notification about the job.
func (j *job) properties(old, state int) map[string]string {
	p := map[string]string{"JobId": j.id, "OldState": states[old], "NewState": states[state]}
	if j.name != "" {
		p["JobName"] = j.name
	}
	return p
}

// tellOne tells the endpoint of an id, if it is still there. The caller holds s.mu.
func (s *System) tellOne(id string, eventType int, properties map[string]string) int {
	e := s.endpoint(id)
	if e == nil {
		return 0
	}
	return s.tell(e, eventType, properties)
}

// setTask changes the state of a task, and tells its subscribers. The caller holds s.mu.
func (s *System) setTask(j *job, t *task, state int, at time.Time) (told int) {
	old := t.state
	t.state = state
	switch {
	case state == processing:
		t.started = at
	case isFinal(state):
		t.ended = at
	}
	p := j.properties(old, state)
	p["TaskId"] = t.id
	for _, x := range t.subscriptions {
		if x.wants(state) {
			told += s.tellOne(x.endpoint, taskStateChange, p)
		}
	}
	return told
}

// setProgress changes the progress of a task, and tells the subscribers that want to know. The caller holds s.mu.
func (s *System) setProgress(j *job, t *task, percent float64) (told int) {
	t.progress = percent
	for _, x := range t.subscriptions {
		if x.progress {
			told += s.tellOne(x.endpoint, taskProgress, map[string]string{"JobId": j.id, "TaskId": t.id,
				"LastComputedProgress": strconv.Itoa(int(percent))})
		}
	}
	return told
}

// write gives the output assets of a task the files that an encoder writes: several qualities, and the server and
// client manifests. The caller holds s.mu.
func (s *System) write(j *job, t *task, at time.Time) {
	name := "video"
	for _, a := range j.inputs {
		for _, f := range a.files {
			if f.primary {
				name = strings.TrimSuffix(f.name, path.Ext(f.name))
			}
		}
	}
	for _, o := range t.writes {
		i, err := strconv.Atoi(slotForm.FindStringSubmatch(o.slot)[2])
		if err != nil || i >= len(j.outputs) || len(j.outputs[i].files) > 0 {
			continue
		}
		a := j.outputs[i]
		a.add(at, name+"_1920x1080_4500.mp4", false)
		a.add(at, name+"_640x360_800.mp4", false)
		if !j.noManifest {
			a.add(at, name+".ism", true)
			a.add(at, name+".ismc", false)
		}
		a.add(at, guid(a.id)+"_manifest.xml", false)
	}
}

// cancelJob answers the function CancelJob.
func (s *System) cancelJob(w http.ResponseWriter, r *http.Request) error {
	id := strings.Trim(parameter(r, "jobid"), "'")
	s.mu.Lock()
	defer s.mu.Unlock()
	s.advance()
	j := s.job(id)
	switch {
	case j == nil:
		return errNotFound
	case isFinal(j.state) || j.state == canceling:
		return failed(http.StatusBadRequest, "The job is in the state %s and cannot be canceled.", states[j.state])
	}
	s.setJob(j, canceling, s.now())
	j.due = s.now().Add(s.opts.Pace)
	j.plan = []func(time.Time){func(at time.Time) {
		for _, t := range j.tasks {
			if !isFinal(t.state) {
				s.setTask(j, t, canceled, at)
			}
		}
		s.setJob(j, canceled, at)
	}}
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// parameter returns a parameter of a function. Names are taken in any letter case: the documentation and the SDK write
// them differently.
func parameter(r *http.Request, name string) string {
	for given, values := range r.URL.Query() {
		if strings.EqualFold(given, name) {
			return values[0]
		}
	}
	return ""
}

// jobByHand makes a job of an id that nobody submitted, as [System.Happen] wants it: of the first asset of the
// account. The caller holds s.mu.
func (s *System) jobByHand(id, name string) *job {
	j := &job{id: id, name: name, byHand: true, created: s.now(), changed: s.now(),
		tasks: []*task{{id: tasks.prefix + emulator.NewID(), processor: s.allProcessors()[1].id,
			reads: []string{"JobInputAsset(0)"}, writes: []output{{slot: "JobOutputAsset(0)"}}}}}
	if len(s.assets) > 0 {
		j.inputs = s.assets[:1:1]
	}
	s.prepare(j)
	return j
}

// moveJob takes a job to a state at once. The caller holds s.mu.
func (s *System) moveJob(j *job, state int) (told int) {
	now := s.now()
	if state != canceling {
		j.plan = nil
	}
	for _, t := range j.tasks {
		if state == finished {
			t.progress = 100
			s.write(j, t, now)
		}
		if t.state != state && (isFinal(state) || state == processing) && !isFinal(t.state) {
			told += s.setTask(j, t, state, now)
		}
	}
	return told + s.setJob(j, state, now)
}
