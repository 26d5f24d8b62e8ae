package client

import "context"

// A ServerInfo is a server as it was started: the program, its addresses, and the settings of serve.
type ServerInfo struct {
	Version   string `json:"version" example:"v1.2.3"`
	Commit    string `json:"commit"` // of the source code; "" if the build did not note it
	Go        string `json:"go" example:"go1.26.1"`
	StartedAt Time   `json:"started_at"`

	URL        string `json:"url" example:"http://127.0.0.1:8080"`     // on its own machine
	APIURL     string `json:"api_url" example:"http://127.0.0.1:8081"` // url, or a port of its own
	PublicURL  string `json:"public_url" example:"https://hooks.example.com"`
	MetricsURL string `json:"metrics_url"` // on its own machine
	UIURL      string `json:"ui_url"`      // of the pages; "" if there are none
	Data       string `json:"data" example:"/var/lib/bellhop"`
	AdminKey   string `json:"admin_key" example:"admin.key"` // the file or the variable that holds it

	Settings []ServerSetting `json:"settings"` // all of them, in the order of the help of serve
}

// A ServerSetting is one setting of serve, with its value and where that came from.
type ServerSetting struct {
	Name    string `json:"name" example:"retain"`
	Group   string `json:"group" example:"Storage"` // the heading that it belongs to
	Doc     string `json:"doc"`
	Kind    string `json:"kind" enum:"string,bool,int,number,list,length,size"`
	Value   any    `json:"value"` // nil of a secret that was given as it is
	Default any    `json:"default"`
	InUse   any    `json:"in_use,omitempty"` // what the server goes by, where it is not the value; nil: the value
	Secret  bool   `json:"secret"`
	Set     bool   `json:"set"`                                         // whether there is a value
	Changed bool   `json:"changed"`                                     // whether the value is not the default
	Origin  string `json:"origin" enum:"default,flag,environment,file"` // what gave the value
	Place   string `json:"place" example:"bellhop.yaml:3"`              // where it is; "" of a default
}

// Settings returns how a server was started. No secret is shown.
func (c *Client) Settings(ctx context.Context) (ServerInfo, error) {
	return get[ServerInfo](ctx, c, path("settings"))
}

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
