package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/catalog"
	"github.com/bellhop-gateway/bellhop/provider"
)

// AgreePath, followed by a token, is the path of the callback of a handshake.
const AgreePath = "/agree/"

// Agree returns the handler of GET and POST AgreePath{token}. A receiver that did not agree to a handshake at
// once calls it later, or a person opens it in a browser. The request may carry the rate that the receiver
// allows.
// Source: https://github.com/cloudevents/spec/blob/main/cloudevents/http-webhook.md
func Agree(c *catalog.Catalog, logger *slog.Logger) http.Handler {
	log := logger.With("component", "api")
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead { // the mux sends HEAD to the handler of GET; a look at the link must not agree
			w.Header().Set("Allow", "GET, POST")
			WriteStatus(w, http.StatusMethodNotAllowed, "agree by GET or POST")
			return
		}
		granted, err := allowedRate(r.Header)
		if err != nil {
			WriteStatus(w, http.StatusBadRequest, err.Error())
			return
		}
		d, err := c.Agree(r.Context(), r.PathValue("token"), granted)
		var known *bellhop.Error
		switch {
		case errors.As(err, &known) && known.Code == bellhop.CodeNotFound:
			WriteStatus(w, http.StatusNotFound, "the token is unknown, was used before, or is too old")
		case err != nil:
			log.Error("agreement.failed", "error", err,
				"meaning", "the agreement was not stored; the receiver was told to try again")
			WriteStatus(w, http.StatusServiceUnavailable, "try again later")
		default:
			log.Info("destination.agreed", "destination_id", d.ID, "destination", d.Name, "remote_addr", r.RemoteAddr)
			WriteStatus(w, http.StatusOK, "agreed")
		}
	})
}

// allowedRate reads the rate that the receiver allows: nil if it does not say, and the zero Rate for no limit.
func allowedRate(h http.Header) (*bellhop.Rate, error) {
	perMinute, given, err := provider.AllowedRate(h)
	if err != nil || !given {
		return nil, err
	}
	rate := bellhop.PerSecond(float64(perMinute) / 60)
	return &rate, nil
}

// WriteStatus answers with a code and a JSON object whose status is text. A 503 says when to try again.
func WriteStatus(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	w.WriteHeader(code)
	json.NewEncoder(w).Encode(map[string]string{"status": text})
}
