package ams

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/emulatortest"
)

const taskBody = `<?xml version="1.0" encoding="utf-16"?><taskBody><inputAsset>JobInputAsset(0)</inputAsset>` +
	`<outputAsset assetName="out &amp; about">JobOutputAsset(0)</outputAsset></taskBody>`

// bodyOf returns the body of a task that reads one asset and writes another.
func bodyOf(reads, writes string) string {
	return "<taskBody><inputAsset>" + reads + "</inputAsset><outputAsset>" + writes + "</outputAsset></taskBody>"
}

// encoder is the id of the newest version of Media Encoder Standard.
const encoder = "nb:mpid:UUID:ff4df607-d419-42f0-bc17-a481b1331e56"

// aJob returns the document of a job of the first asset, with changes of its task; nil removes a property.
func (r *rig) aJob(endpoint string, change fields) fields {
	task := fields{"Name": "encode", "Configuration": "Adaptive Streaming", "MediaProcessorId": encoder,
		"TaskBody": taskBody}
	job := fields{"Name": "Nightly", "Tasks": []fields{task},
		"InputMediaAssets": []fields{{"__metadata": fields{"uri": r.URL + "/api/Assets('" +
			url.QueryEscape(FirstAsset) + "')"}}}}
	if endpoint != "" {
		job["JobNotificationSubscriptions"] = []fields{{"NotificationEndPointId": endpoint, "TargetJobState": 2}}
		task["TaskNotificationSubscriptions"] = []fields{{"NotificationEndPointId": endpoint, "TargetTaskState": 1,
			"IncludeTaskProgress": true}}
	}
	for name, value := range change {
		if task[name] = value; value == nil {
			delete(task, name)
		}
	}
	return job
}

// made returns the id of what a call has created.
func (r *rig) made(what string, a emulatortest.Answer) string {
	r.t.Helper()
	r.wants(what, a, 201, "Id")
	entity := a.JSON
	if d, ok := entity["d"].(fields); ok {
		entity = d
	}
	id, _ := entity["Id"].(string)
	return id
}

// at returns the path of an entity.
func at(set, id string) string { return set + "('" + url.QueryEscape(id) + "')" }

// value returns the entities of a list in JSON light.
func (r *rig) value(path string) (list []fields) {
	r.t.Helper()
	all, _ := r.wants(path, r.api("GET", path, nil), 200, "value").JSON["value"].([]any)
	for _, e := range all {
		list = append(list, e.(fields))
	}
	return list
}

// tidings returns the next n notifications in words, sorted.
func (r *rig) tidings(n int, key []byte) (list []string) {
	r.t.Helper()
	for range n {
		kind, p := r.next(key)
		list = append(list, strings.TrimSpace(fmt.Sprint(kind, " ", p["OldState"], ">", p["NewState"], " ",
			p["LastComputedProgress"])))
	}
	slices.Sort(list)
	return list
}

// TestJob shows a job from its submission to its files, and what its subscribers are told.
func TestJob(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	key := []byte("key")
	endpoint := r.made("endpoint", r.api("POST", "NotificationEndPoints", r.wanted(key, nil)))
	r.next(key)
	made := r.api("POST", "Jobs", r.aJob(endpoint, nil), verbose...)
	id := r.made("job", made)
	job := at("Jobs", id)
	r.wants("a job", made, 201, `"Tasks":{"__deferred":{"uri":"`+r.URL+"/api/"+job+`/Tasks"}}`)
	r.wants("its subscriptions", made, 201, `"JobNotificationSubscriptions":{"__metadata":{"type":`+
		`"Collection(Microsoft.Cloud.Media.Vod.Rest.Data.Models.JobNotificationSubscription)"}`)
	outputs := r.value(job + "/OutputMediaAssets()")
	if len(outputs) != 1 || outputs[0]["Name"] != "out & about" || r.value(job + "/InputMediaAssets")[0]["Id"] !=
		FirstAsset {
		t.Fatalf("outputs %v", outputs)
	}
	files := at("Assets", outputs[0]["Id"].(string)) + "/Files"
	if got := r.value(files); len(got) != 0 {
		t.Errorf("files before the end: %v", got)
	}
	state := func() any { return r.api("GET", job+"/State", nil).JSON["value"] }
	for i, want := range []struct {
		state float64
		told  []string
	}{
		{1, []string{"1 Queued>Scheduled <nil>"}},
		{2, []string{"1 Scheduled>Processing <nil>"}},
		{2, []string{"5 <nil>><nil> 25"}}, {2, []string{"5 <nil>><nil> 50"}}, {2, []string{"5 <nil>><nil> 75"}},
		{2, []string{"4 Processing>Finished <nil>", "5 <nil>><nil> 100"}},
		{3, []string{"1 Processing>Finished <nil>"}},
	} {
		r.Pass(time.Second)
		if got := state(); got != want.state {
			t.Errorf("step %d: state %v, want %v", i, got, want.state)
		}
		if got := r.tidings(len(want.told), key); !slices.Equal(got, want.told) {
			t.Errorf("step %d: told %v, want %v", i, got, want.told)
		}
	}
	r.wants("the state, verbose", r.api("GET", job+"/State", nil, verbose...), 200, `{"d":{"State":3}}`)
	r.wants("the end", r.api("GET", job, nil), 200, `"RunningDuration":5000`)
	if task := r.value(job + "/Tasks")[0]; task["Progress"] != 100.0 || task["State"] != 3.0 ||
		len(task["HistoricalEvents"].([]any)) != 2 {
		t.Errorf("task %v", task)
	}
	var names []string
	for _, f := range r.value(files) {
		if f["IsPrimary"] == true {
			names = append(names, f["Name"].(string))
		}
		if _, ok := f["ContentFileSize"].(string); !ok || strings.HasSuffix(f["Created"].(string), "Z") {
			t.Errorf("file %v", f)
		}
	}
	if !slices.Equal(names, []string{"harbour tour.ism"}) || len(r.value(files)) != 5 {
		t.Errorf("files %v", r.value(files))
	}
	wantOutgoing(t, r, 9)
	r.wants("cancelled after its end", r.api("GET", "CancelJob?jobid='"+url.QueryEscape(id)+"'", nil), 400, "Finished")
	r.wants("deleted", r.api("DELETE", job, nil), 204, "")
	r.wants("deleted", r.api("GET", job, nil), 404, "")
}

// TestChain shows that tasks which depend on one another run in their order, and that the job ends after the last.
func TestChain(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	second := bodyOf("JobOutputAsset(0)", "JobOutputAsset(1)")
	body := r.aJob("", fields{"TaskBody": second})
	body["Tasks"] = fields{"results": append(body["Tasks"].([]fields), r.aJob("", nil)["Tasks"].([]fields)...)}
	id := r.made("job", r.api("POST", "Jobs", body, verbose...))
	r.Pass(7 * time.Second)
	list := r.value(at("Jobs", id) + "/Tasks")
	if list[0]["TaskBody"] != taskBody || list[0]["State"] != 3.0 || list[1]["Progress"] != 25.0 {
		t.Errorf("tasks %v", list)
	}
	if outputs := r.value(at("Jobs", id) + "/OutputMediaAssets"); outputs[1]["Name"] != "JobOutputAsset(1)_Nightly" {
		t.Errorf("outputs %v", outputs)
	}
	r.Pass(30 * time.Minute)
	r.wants("ended", r.api("GET", at("Jobs", id)+"/State", nil), 200, "3")
}

// TestCancel shows that a job which is cancelled ends a step later.
func TestCancel(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Pace: time.Minute})
	id := r.made("job", r.api("POST", "Jobs", r.aJob("", nil), verbose...))
	r.wants("deleted while it runs", r.api("DELETE", at("Jobs", id), nil), 400, "Queued")
	r.wants("cancelled", r.api("GET", "CancelJob?JobId='"+url.QueryEscape(id)+"'", nil), 204, "")
	r.wants("cancelling", r.api("GET", at("Jobs", id)+"/State", nil), 200, "6")
	r.wants("again", r.api("GET", "CancelJob?jobid='"+url.QueryEscape(id)+"'", nil), 400, "Canceling")
	r.Pass(time.Minute)
	r.wants("cancelled", r.api("GET", at("Jobs", id)+"/State", nil), 200, "5")
	r.wants("another", r.api("GET", "CancelJob?jobid='nb:jid:UUID:1'", nil), 404, "")
	r.wants("by POST", r.api("POST", "CancelJob?jobid='x'", nil), 405, "")
}

// TestJobRefused shows which jobs are refused.
func TestJobRefused(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	endpoint := r.made("endpoint", r.api("POST", "NotificationEndPoints", r.wanted([]byte("key"), nil)))
	empty := r.made("an asset without files", r.api("POST", "Assets", fields{"Name": "empty"}))
	taskOf := func(text string) fields { return fields{"TaskBody": text} }
	for what, tt := range map[string]struct {
		task, job fields
		status    int
		text      string
	}{
		"no processor":   {fields{"MediaProcessorId": nil}, nil, 400, "'MediaProcessorId'"},
		"an unknown one": {fields{"MediaProcessorId": "nb:mpid:UUID:1"}, nil, 404, "media processor"},
		"no task body":   {taskOf(""), nil, 400, "'TaskBody'"},
		"no XML":         {taskOf("x"), nil, 400, "TaskBody"},
		"no such input": {taskOf(strings.Replace(taskBody, "InputAsset(0)", "InputAsset(1)", 1)), nil, 400,
			"do not exist"},
		"no output zero": {taskOf(strings.Replace(taskBody, "OutputAsset(0)", "OutputAsset(1)", 1)), nil, 400,
			"missing"},
		"an odd output": {taskOf(strings.Replace(taskBody, "JobOutputAsset(0)", "x", 1)), nil, 400,
			"outputAsset 'x'"},
		"no tasks":            {nil, fields{"Tasks": nil}, 400, "needs a task"},
		"no input":            {nil, fields{"InputMediaAssets": nil}, 400, "primary file"},
		"an unknown property": {nil, fields{"Colour": 1}, 400, "'Colour' does not exist"},
		"a state":             {nil, fields{"State": 3}, 400, "'State'"},
		"an unknown asset": {nil, fields{"InputMediaAssets": []fields{{"__metadata": fields{
			"uri": r.URL + "/api/" + at("Assets", "nb:cid:UUID:1")}}}}, 404, "input asset"},
		"another set": {nil, fields{"InputMediaAssets": []fields{{"__metadata": fields{
			"uri": r.URL + "/api/" + at("Jobs", "nb:cid:UUID:1")}}}}, 400, "The URI"},
		"an asset without a file": {nil, fields{"InputMediaAssets": []fields{{"__metadata": fields{
			"uri": r.URL + "/api/" + at("Assets", empty)}}}}, 400, "primary file"},
		"target 0": {nil, fields{"JobNotificationSubscriptions": []fields{{"NotificationEndPointId": endpoint,
			"TargetJobState": 0}}}, 400, "JobNotificationSubscription.TargetJobState must not be 0"},
		"target 3": {nil, fields{"JobNotificationSubscriptions": []fields{{"NotificationEndPointId": endpoint,
			"TargetJobState": 3}}}, 400, "'TargetJobState'"},
		"an unknown endpoint": {fields{"TaskNotificationSubscriptions": []fields{{"NotificationEndPointId": "x",
			"TargetTaskState": 1}}}, nil, 404, "notification endpoint"},
	} {
		body := r.aJob("", tt.task)
		for name, value := range tt.job {
			if body[name] = value; value == nil {
				delete(body, name)
			}
		}
		r.wants(what, r.api("POST", "Jobs", body, verbose...), tt.status, tt.text)
	}
	r.wants("verbose in light", r.api("POST", "Jobs", r.aJob("", nil)), 400, "'__metadata' does not exist")
	r.wants("verbose in light answers", r.api("POST", "Jobs", r.aJob("", nil), "Content-Type",
		"application/json;odata=verbose"), 400, "'__metadata' does not exist")
	cycle := r.aJob("",
		fields{"TaskBody": bodyOf("JobOutputAsset(1)", "JobOutputAsset(0)")})
	cycle["Tasks"] = append(cycle["Tasks"].([]fields), fields{"MediaProcessorId": encoder,
		"TaskBody": bodyOf("JobOutputAsset(0)", "JobOutputAsset(1)")})
	r.wants("a cycle", r.api("POST", "Jobs", cycle, verbose...), 400, "depend on one another")
	twice := r.aJob("", nil)
	twice["Tasks"] = append(twice["Tasks"].([]fields), r.aJob("", nil)["Tasks"].([]fields)...)
	r.wants("an output twice", r.api("POST", "Jobs", twice, verbose...), 400, "more than once")
	for range 29 {
		twice["Tasks"] = append(twice["Tasks"].([]fields), r.aJob("", nil)["Tasks"].([]fields)...)
	}
	r.wants("31 tasks", r.api("POST", "Jobs", twice, verbose...), 400, "at most 30 tasks")
	if list := r.value("Jobs"); len(list) != 0 {
		t.Errorf("%d jobs were made", len(list))
	}
}

const batch = "--batch_7\r\nContent-Type: multipart/mixed; boundary=changeset_9\r\n\r\n" +
	"--changeset_9\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"POST URL/api/Jobs HTTP/1.1\r\nContent-ID: 1\r\nContent-Type: application/json\r\nAccept: application/json\r\n" +
	"DataServiceVersion: 3.0\r\n\r\n" +
	`{"Name":"Nightly","InputMediaAssets@odata.bind":["URL/api/Assets('ASSET')"]}` + "\r\n" +
	"--changeset_9\r\nContent-Type: application/http\r\nContent-Transfer-Encoding: binary\r\n\r\n" +
	"POST URL/api/$1/Tasks HTTP/1.1\r\nContent-ID: 2\r\nContent-Type: application/json;odata=verbose\r\n" +
	"Accept: application/json;odata=verbose\r\n\r\n" +
	`{"Configuration":"Adaptive Streaming","MediaProcessorId":"PROCESSOR","TaskBody":"<taskBody><inputAsset>` +
	`JobInputAsset(0)</inputAsset><outputAsset>JobOutputAsset(0)</outputAsset></taskBody>"}` + "\r\n" +
	"--changeset_9--\r\n--batch_7\r\nContent-Type: application/http\r\n\r\n" +
	"GET URL/api/MediaProcessors()?$top=1 HTTP/1.1\r\nAccept: application/json\r\n\r\n\r\n--batch_7--\r\n"

// TestBatch shows a job that is submitted as the SDK does it, and that a changeset is made whole or not at all.
func TestBatch(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	post := func(processor string) emulatortest.Answer {
		text := strings.NewReplacer("URL", r.URL, "ASSET", url.QueryEscape(FirstAsset), "PROCESSOR",
			processor).Replace(batch)
		return r.Raw("POST", "/api/$batch", text, "Content-Type", "multipart/mixed; boundary=batch_7", "X-Ms-Version",
			"2.19", "DataServiceVersion", "3.0")
	}
	got := r.wants("a batch", post(encoder), 202, "HTTP/1.1 201 Created\r\nContent-ID: 1\r\n")
	r.wants("its task", got, 202, "HTTP/1.1 201 Created\r\nContent-ID: 2\r\n")
	r.wants("its task", got, 202, `{"d":{"Configuration":"Adaptive Streaming"`)
	r.wants("the list", got, 202, "HTTP/1.1 200 OK\r\n")
	if !strings.HasPrefix(got.Header.Get("Content-Type"), "multipart/mixed; boundary=batchresponse_") {
		t.Errorf("%v", got.Header)
	}
	list := r.value("Jobs")
	if len(list) != 1 || len(r.value(at("Jobs", list[0]["Id"].(string))+"/Tasks")) != 1 {
		t.Fatalf("%v", list)
	}
	r.Pass(time.Minute)
	r.wants("it runs", r.api("GET", at("Jobs", list[0]["Id"].(string))+"/State", nil), 200, "3")

	r.wants("a bad task", post("nb:mpid:UUID:0"), 202, "HTTP/1.1 404 Not Found\r\n")
	if list := r.value("Jobs"); len(list) != 1 {
		t.Errorf("%d jobs after a changeset that failed", len(list))
	}
	for what, body := range map[string]string{"no parts": "", "no end": "--batch_7\r\nContent-Type: " +
		"application/http\r\n",
		"odd parts":  "--batch_7\r\nContent-Type: text/plain\r\n\r\nx\r\n--batch_7--\r\n",
		"no request": "--batch_7\r\nContent-Type: application/http\r\n\r\nx\r\n--batch_7--\r\n"} {
		if a := r.Raw("POST", "/api/$batch", body, "Content-Type", "multipart/mixed; boundary=batch_7", "X-Ms-Version",
			"2.19"); a.Status != 400 {
			t.Errorf("%s: %d %s", what, a.Status, a.Text)
		}
	}
	r.wants("no batch", r.api("POST", "$batch", fields{}), 400, "multipart/mixed")
}

// TestLocators shows access policies and locators, with their limits and refusals.
func TestLocators(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{Policies: 2, Locators: 2})
	read := r.made("policy", r.api("POST", "AccessPolicies", fields{"Name": "read", "DurationInMinutes": 43200,
		"Permissions": "1"}))
	r.wants("found", r.api("GET", "AccessPolicies?$filter="+url.QueryEscape("Name eq 'read'"), nil), 200,
		`"DurationInMinutes":43200`)
	r.wants("no duration", r.api("POST", "AccessPolicies", fields{"Name": "x", "Permissions": 1}), 500,
		"error occurred")
	r.wants("changed", r.api("MERGE", at("AccessPolicies", read), fields{"Name": "x"}), 405, "MERGE")
	write := r.made("policy", r.api("POST", "AccessPolicies", fields{"Name": "write", "DurationInMinutes": 60,
		"Permissions": 3}))
	r.wants("a third", r.api("POST", "AccessPolicies", fields{"Name": "x", "DurationInMinutes": 60, "Permissions": 1},
		verbose...), 403,
		`{"error":{"code":"","message":{"lang":"en-US","value":"The account has reached the limit of 2 `+
			`access policies."}}}`)

	const id = "nb:lid:UUID:52034bf6-dfae-5d83-aad3-3bd87dcb1a5d"
	wanted := func(change fields) fields {
		body := fields{"Id": id, "AccessPolicyId": read, "AssetId": FirstAsset, "StartTime": "2026-11-29T09:55:00Z",
			"Type": 2, "Name": "bellhop"}
		for name, value := range change {
			if body[name] = value; value == nil {
				delete(body, name)
			}
		}
		return body
	}
	made := r.wants("locator", r.api("POST", "Locators", wanted(nil)), 201,
		`"Path":"http://contosoams.streaming.mediaservices.windows.net/52034bf6-dfae-5d83-aad3-3bd87dcb1a5d/"`)
	r.wants("its end", made, 201, `"ExpirationDateTime":"2026-12-29T09:55:00"`)
	r.wants("verbose", r.api("GET", at("Locators", id), nil, verbose...), 200,
		`"ExpirationDateTime":"/Date(1798538100000)/"`)
	r.wants("its policy", r.api("GET", at("Locators", id)+"/AccessPolicy", nil), 200, read)
	r.wants("its asset", r.api("GET", at("Locators", id)+"/Asset", nil), 200, "harbour tour")
	for what, tt := range map[string]struct {
		change fields
		status int
		text   string
	}{
		"in use":            {nil, 409, "already in use"},
		"no asset":          {fields{"Id": nil, "AssetId": nil}, 400, "'AssetId'"},
		"no policy":         {fields{"Id": nil, "AccessPolicyId": nil}, 400, "'AccessPolicyId'"},
		"an unknown asset":  {fields{"Id": nil, "AssetId": "nb:cid:UUID:1"}, 404, "not found"},
		"an unknown policy": {fields{"Id": nil, "AccessPolicyId": "nb:pid:UUID:1"}, 404, "not found"},
		"no type":           {fields{"Id": nil, "Type": nil}, 400, "'Type'"},
		"a policy to write": {fields{"Id": nil, "AccessPolicyId": write}, 400, "write or delete"},
		"an odd id":         {fields{"Id": "nb:lid:UUID:1"}, 400, "'Id'"},
		"an odd time":       {fields{"Id": nil, "StartTime": "tomorrow"}, 400, "'StartTime'"},
	} {
		r.wants(what, r.api("POST", "Locators", wanted(tt.change)), tt.status, tt.text)
	}
	sas := r.made("SAS", r.api("POST", "Locators", wanted(fields{"Id": nil, "Type": 1, "StartTime": nil})))
	r.wants("a third", r.api("POST", "Locators", wanted(fields{"Id": nil})), 409, "already has 2 locators in use")
	if list := r.value(at("Assets", FirstAsset) + "/Locators"); len(list) != 2 ||
		!strings.Contains(list[1]["Path"].(string), "?sv=") {
		t.Errorf("%v", list)
	}
	r.wants("by asset", r.api("GET", "Locators?$filter="+url.QueryEscape("AssetId eq '"+FirstAsset+"'"), nil), 200, id)
	r.wants("by asset", r.api("GET", "Assets?$filter="+url.QueryEscape("AssetId eq 'x'"), nil), 400, "'AssetId'")
	later := fields{"ExpirationDateTime": "2027-01-29T09:55:00"}
	r.wants("prolonged", r.api("POST", at("Locators", id), later, "X-HTTP-Method", "MERGE"), 204, "")
	r.wants("prolonged", r.api("GET", at("Locators", id), nil), 200, `"ExpirationDateTime":"2027-01-29T09:55:00"`)
	r.wants("a SAS", r.api("MERGE", at("Locators", sas), later), 400, "SAS")
	r.wants("moved", r.api("PATCH", at("Locators", id), fields{"AssetId": "x"}), 400, "created only")
	r.wants("deleted", r.api("DELETE", at("Locators", sas), nil), 204, "")
	r.wants("the policy deleted", r.api("DELETE", at("AccessPolicies", write), nil), 204, "")
	r.wants("the asset deleted", r.api("DELETE", at("Assets", FirstAsset), nil), 204, "")
	r.wants("its locator is gone", r.api("GET", at("Locators", id), nil), 404, "")
}

// TestAssets shows assets and their files.
func TestAssets(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	id := r.made("asset", r.api("POST", "Assets", fields{"Name": "walk", "Options": 0, "StorageAccountName": "s"}))
	made := fields{"Name": "walk.mp4", "ParentAssetId": id, "IsPrimary": true, "ContentFileSize": "123"}
	file := r.made("file", r.api("POST", "Files", made))
	r.wants("the same file", r.api("POST", "Files", made), 409, "walk.mp4")
	r.wants("a file of nothing", r.api("POST", "Files", fields{"Name": "x", "ParentAssetId": "y"}), 404, "asset")
	r.wants("a file without a name", r.api("POST", "Files", fields{"ParentAssetId": id}), 400, "'Name'")
	r.wants("changed", r.api("MERGE", at("Files", file), fields{"MimeType": "video/mp4"}), 204, "")
	if list := r.value(at("Assets", id) + "/Files"); list[0]["MimeType"] != "video/mp4" ||
		list[0]["ContentFileSize"] != "123" {
		t.Errorf("%v", list)
	}
	r.wants("renamed", r.api("MERGE", at("Assets", id), fields{"Name": "stroll"}), 204, "")
	r.wants("written once", r.api("MERGE", at("Assets", id), fields{"Options": 1}), 400, "created only")
	r.wants("by name", r.api("GET", "Assets?$filter="+url.QueryEscape("Name eq 'stroll'"), nil), 200, id)
	r.wants("no link", r.api("GET", at("Assets", id)+"/Colours", nil), 404, "'Colours'")
	r.wants("no set", r.api("GET", "Assets/Files", nil), 404, "")
	r.wants("a link by POST", r.api("POST", at("Assets", id)+"/Files", nil), 405, "")
	r.wants("a processor", r.api("POST", "MediaProcessors", fields{}), 405, "")
	if list := r.value("MediaProcessors()?$filter=" + url.QueryEscape("Name eq 'Media Encoder "+
		"Standard'")); len(list) != 3 ||
		list[1]["Version"] != "1.10.2.0" {
		t.Errorf("%v", list)
	}
	r.wants("the file deleted", r.api("DELETE", at("Files", file), nil), 204, "")
	r.wants("deleted", r.api("DELETE", at("Assets", id), nil), 204, "")
}

// TestOwnFaults shows the faults of jobs and policies, and that jobs by hand have outputs.
func TestOwnFaults(t *testing.T) {
	t.Parallel()
	r := newRig(t, Options{})
	fault := func(f emulator.Fault) {
		t.Helper()
		if err := r.Host.Fault(f); err != nil {
			t.Fatal(err)
		}
	}
	fault(emulator.Fault{Kind: emulator.FaultPolicies})
	policy := fields{"Name": "x", "DurationInMinutes": 60, "Permissions": 1}
	r.wants("no room", r.api("POST", "AccessPolicies", policy), 403, "limit of 1000000 access policies")
	r.wants("room", r.api("POST", "AccessPolicies", policy), 201, "")

	finish := func(id string) []fields {
		t.Helper()
		if _, err := r.Host.Happen(emulator.Event{Resource: "jobs/" + id, ChangeType: "Finished"}); err != nil {
			t.Fatal(err)
		}
		return r.value(at("Jobs", "nb:jid:UUID:"+id) + "/OutputMediaAssets")
	}
	names := func(outputs []fields) string {
		t.Helper()
		var list []string
		for _, f := range r.value(at("Assets", outputs[0]["Id"].(string)) + "/Files") {
			list = append(list, f["Name"].(string))
		}
		return strings.Join(list, ",")
	}
	if got := names(finish("1")); !strings.Contains(got, "harbour tour.ism,") {
		t.Errorf("a job by hand has the files %s", got)
	}
	fault(emulator.Fault{Kind: emulator.FaultManifest})
	if got := names(finish("2")); strings.Contains(got, ".ism") || !strings.Contains(got, ".mp4") {
		t.Errorf("without a manifest: %s", got)
	}
	fault(emulator.Fault{Kind: emulator.FaultOutputs})
	if got := finish("3"); len(got) != 0 {
		t.Errorf("without outputs: %v", got)
	}
	fault(emulator.Fault{Kind: emulator.FaultLag, Value: "5s"})
	if got := finish("4"); len(got) != 0 {
		t.Errorf("with a lag: %v", got)
	}
	r.wants("with a lag", r.api("GET", at("Jobs", "nb:jid:UUID:4")+"/State", nil), 200, `"value":0`)
	r.Pass(5 * time.Second)
	r.wants("after the lag", r.api("GET", at("Jobs", "nb:jid:UUID:4")+"/State", nil), 200, `"value":3`)
	if got := finish("4"); len(got) != 1 {
		t.Errorf("after the lag: %v", got)
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultLag, System: "entra"}); err == nil {
		t.Error("entra takes the fault lag")
	}
	if err := r.Host.Fault(emulator.Fault{Kind: emulator.FaultLag, Value: "x"}); err == nil {
		t.Error("a lag of x is taken")
	}
	made := emulator.Event{Resource: "assets", ChangeType: "created", Data: fields{"Name": "walk",
		"Files": []any{"a.mp4"}}}
	if _, err := r.Host.Happen(made); err != nil || len(r.value("Assets?$filter="+url.QueryEscape("Name eq "+
		"'walk'"))) != 1 {
		t.Errorf("an asset by hand: %v", err)
	}
	if _, err := r.Host.Happen(emulator.Event{Resource: "assets", ChangeType: "created"}); err == nil {
		t.Error("an asset without a name is made")
	}
	r.Host.Reset()
	if len(r.value("Jobs")) != 0 || len(r.value("AccessPolicies")) != 0 || len(r.value("Assets")) != 1 {
		t.Error("the reset leaves something")
	}
}
