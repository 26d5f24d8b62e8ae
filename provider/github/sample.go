package github

import "github.com/bellhop-gateway/bellhop/provider"

// sampleRepository has the members that the payload of every event of a repository has.
const sampleRepository = `"repository":{"id":731200417,"name":"sample","full_name":"bellhop/sample","private":false,` +
	`"owner":{"login":"bellhop","id":1,"type":"User"},"html_url":"https://github.com/bellhop/sample",` +
	`"default_branch":"main"},"sender":{"login":"bellhop","id":1,"type":"User"}`

// Emulation implements [provider.Emulator].
func (Provider) Emulation() provider.Emulation {
	return provider.Emulation{Samples: []provider.Sample{
		{Type: typePrefix + "ping", Title: "The webhook was made", Body: `{"zen":"Keep it logically awesome.",` +
			`"hook_id":481516234,"hook":{"type":"Repository","id":481516234,"name":"web","active":true,` +
			`"events":["*"],"config":{"content_type":"json","insecure_ssl":"0"}},` + sampleRepository + `}`},
		{Type: typePrefix + "push", Title: "Somebody has pushed a commit", Body: `{"ref":"refs/heads/main",` +
			`"before":"6113728f27ae82c7b1a177c8d03f9e96e0adf246","after":"9b71d224bd62f3785d96d46ad3ea3d73319bfbc2",` +
			`"created":false,"deleted":false,"forced":false,` +
			`"commits":[{"id":"9b71d224bd62f3785d96d46ad3ea3d73319bfbc2","message":"A sample of Bellhop",` +
			`"timestamp":"{{time}}","added":[],"removed":[],"modified":["README.md"],"author":{"name":"bellhop"}}],"pusher":{"name":"bellhop"},` + sampleRepository + `}`},
		{Type: typePrefix + "issues", Title: "An issue was opened", Body: `{"action":"opened","issue":{"id":1,` +
			`"number":1,"title":"A sample of Bellhop","state":"open","created_at":"{{time}}","body":""},` +
			sampleRepository + `}`},
	}}
}
