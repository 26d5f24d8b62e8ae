package egress

// A Target is a URL made ready for many requests: checked, taken apart, its part of each request rendered.
// It is immutable and may be kept for as long as the client.
type Target struct {
	place
	pool  string // the key of its connections
	where string // host:port for messages
	head  string // what follows the method in a request: " /path?query HTTP/1.1\r\nHost: …\r\n"
	agent string // "User-Agent: …\r\n"
}

// Target checks raw as CheckURL does and makes it ready.
func (c *Client) Target(raw string) (*Target, error) {
	u, p, err := c.checkURL(raw)
	if err != nil {
		return nil, err
	}
	return &Target{
		place: p,
		pool:  p.key(),
		where: p.header(),
		head:  " " + u.RequestURI() + " HTTP/1.1\r\nHost: " + p.header() + "\r\n",
		agent: string(AppendHeader(nil, "User-Agent", c.agent)),
	}, nil
}

// String is the scheme, host and port: no path, which may hold a secret.
func (t *Target) String() string { return t.pool }
