package client

import "context"

// A Checkup is how well a server is, or the data folder of one that is stopped.
type Checkup struct {
	At     Time    `json:"at"`
	State  string  `json:"state" enum:"ok,warning,failed" example:"ok"` // the worst of the checks
	TookMS float64 `json:"took_ms"`
	Checks []Check `json:"checks"` // all of them, in the same order each time
}

// A Check is what was found of one thing.
type Check struct {
	Name    string        `json:"name" example:"disk"`
	Title   string        `json:"title" example:"Disk"` // for people
	State   string        `json:"state" enum:"ok,warning,failed,skipped" example:"ok"`
	Message string        `json:"message"`
	Remedy  string        `json:"remedy"` // what to do; "" if there is nothing to do
	TookMS  float64       `json:"took_ms"`
	Nouns   []CheckedNoun `json:"nouns"` // that it is about, at most 20
}

// A CheckedNoun is a noun that a check found something of.
type CheckedNoun struct {
	Noun    string `json:"noun" example:"destination"`
	ID      string `json:"id" example:"dst_01h455vb4pex5vsknk08"`
	Name    string `json:"name" example:"billing"`
	Message string `json:"message"`
}

// Doctor has a server look at itself, which takes some seconds.
func (c *Client) Doctor(ctx context.Context) (Checkup, error) {
	return get[Checkup](ctx, c, path("doctor"))
}
