package app

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/api"
)

// agree is called by a receiver that was asked whether it wants to be delivered to and says yes later, or by a person
// with a browser: by GET or POST, with the token of the question, and perhaps a rate. The token is the proof; it holds
// once.
// Source: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
func (a *App) agree(w http.ResponseWriter, r *http.Request) {
	id, err := a.store.AgreeHandshake(r.Context(), api.AgreeToken(r.PathValue("token")), bellhop.PerSecond(allowedRate(r.Header)))
	var known *bellhop.Error
	switch {
	case errors.As(err, &known) && known.Code == bellhop.CodeNotFound:
		status(w, http.StatusNotFound, "nothing was asked with this token, or it was answered, or it is too late")
		return
	case err != nil:
		a.opts.Logger.Error("an agreement was not kept", "component", "app", "error", err)
		status(w, http.StatusServiceUnavailable, "try again later")
		return
	}
	a.opts.Logger.Info("destination.agreed", "component", "app", "destination_id", id, "remote_addr", r.RemoteAddr)
	if err := a.reload(r.Context()); err != nil {
		a.opts.Logger.Error("reload", "component", "app", "error", err)
	}
	status(w, http.StatusOK, "agreed")
}

// allowedRate reads how many requests a minute the receiver allows, and returns that a second; 0 where it names none.
func allowedRate(h http.Header) float64 {
	n, err := strconv.ParseUint(h.Get("WebHook-Allowed-Rate"), 10, 31)
	if err != nil {
		return 0
	}
	return float64(n) / 60
}
