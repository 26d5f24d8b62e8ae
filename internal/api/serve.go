package api

import (
	"context"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/client"
)

// serveInfo adds the operations that describe the program itself: how it was started, and whether it is well.
func (s *server) serveInfo() {
	handle(s, op{http.MethodGet, "/settings", "show-settings", "Show how the server was started", 0}, s.showSettings)
	handle(s, op{http.MethodGet, "/doctor", "check-server", "Check how well the server is", 0}, s.checkServer)
}

// showSettings answers with the settings of serve, and where each has its value from.
func (s *server) showSettings(context.Context, *struct{}) (*bodyOf[client.ServerInfo], error) {
	if s.Serve == nil {
		return nil, bellhop.Conflict("this server was not started with settings")
	}
	return &bodyOf[client.ServerInfo]{s.Serve.Info()}, nil
}

// checkServer answers with what the doctor finds.
func (s *server) checkServer(ctx context.Context, _ *struct{}) (*bodyOf[client.Checkup], error) {
	if s.Checkup == nil {
		return nil, bellhop.Conflict("this server has no doctor")
	}
	checkup, err := s.Checkup(ctx)
	if err != nil {
		return nil, err
	}
	return &bodyOf[client.Checkup]{checkup}, nil
}
