package app

import (
	"context"
	"errors"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/api"
	"github.com/bellhop-gateway/bellhop/provider"
)

// agree is called by a receiver that was asked whether it wants to be delivered to and says yes later, or by a person
// with a browser: by GET or POST, with the token of the question, and perhaps a rate. The token is the proof; it holds
// once.
// Source: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
func (a *App) agree(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodHead { // which GET stands for too, and which looks without meaning to do anything
		w.Header().Set("Allow", "GET, POST")
		status(w, http.StatusMethodNotAllowed, "agree by GET or POST")
		return
	}
	granted, err := allowedRate(r.Header)
	if err != nil {
		status(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx := context.WithoutCancel(r.Context()) // who calls and hangs up has agreed all the same
	id, err := a.store.AgreeHandshake(ctx, api.AgreeToken(r.PathValue("token")), granted)
	var known *bellhop.Error
	switch {
	case errors.As(err, &known) && known.Code == bellhop.CodeNotFound:
		status(w, http.StatusNotFound, "nothing was asked with this token, or it was answered, or it is too late")
		return
	case err != nil:
		a.opts.Logger.Error("agreement.failed", "component", "app", "error", err, "meaning", "it was not kept; the receiver was told to try again")
		status(w, http.StatusServiceUnavailable, "try again later")
		return
	}
	a.opts.Logger.Info("destination.agreed", "component", "app", "destination_id", id, "remote_addr", r.RemoteAddr)
	if err := a.reload(ctx); err != nil {
		a.opts.Logger.Error("reload.failed", "component", "app", "error", err)
	}
	status(w, http.StatusOK, "agreed")
}

// allowedRate reads the rate that the receiver allows; nil if it does not say, and the zero Rate for any.
func allowedRate(h http.Header) (*bellhop.Rate, error) {
	perMinute, given, err := provider.AllowedRate(h)
	if err != nil || !given {
		return nil, err
	}
	rate := bellhop.Rate{}
	if perMinute > 0 {
		rate = bellhop.PerSecond(float64(perMinute) / 60)
	}
	return &rate, nil
}
