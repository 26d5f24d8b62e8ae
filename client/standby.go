package client

import "context"

// A Standby says whether a server is in standby: it accepts events and sends nothing, because it was restored from a
// backup and the original may still run.
type Standby struct {
	On    bool   `json:"on"`
	Since Time   `json:"since"` // zero unless it is on
	Why   string `json:"why" example:"it was restored from a backup"`
}

// Standby returns whether the server is in standby.
func (c *Client) Standby(ctx context.Context) (Standby, error) {
	return get[Standby](ctx, c, path("standby"))
}

// Resume ends the standby of a server: from then on it delivers, and renews its subscriptions. Without a standby it
// changes nothing.
func (c *Client) Resume(ctx context.Context) (Standby, error) {
	return post[Standby](ctx, c, path("standby", "resume"), nil)
}

// A LogLevel is what a server writes into its log.
type LogLevel struct {
	Level string `json:"level" enum:"debug,info,warn,error" example:"debug"`
}

// LogLevel returns the level of the log.
func (c *Client) LogLevel(ctx context.Context) (LogLevel, error) {
	return get[LogLevel](ctx, c, path("log-level"))
}

// SetLogLevel changes the level of the log until the next start of the server.
func (c *Client) SetLogLevel(ctx context.Context, level string) (LogLevel, error) {
	return post[LogLevel](ctx, c, path("log-level"), LogLevel{Level: level})
}
