package connection

import (
	"context"
	"errors"
	"net/url"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/egress"
	"github.com/bellhop-gateway/bellhop/provider"
	"golang.org/x/oauth2"
)

// Sign-in by a device code: RFC 8628. The user enters a code on a page of the authority, in any browser, and this
// server asks the authority until the user has done so.

// Bounds of the polling.
const (
	devicePause    = 5 * time.Second // between two questions, unless the authority says otherwise
	slowDown       = 5 * time.Second // added each time the authority asks for it
	longestPause   = 2 * time.Minute
	deviceLifetime = 15 * time.Minute // of a code whose authority names none
	longestCode    = time.Hour
	deviceGrant    = "urn:ietf:params:oauth:grant-type:device_code"
)

// beginDevice asks the authority for a device code, and begins to ask whether the user has signed in.
func (m *Manager) beginDevice(ctx context.Context, noun bellhop.Connection, opened provider.Connected,
	at endpoints) (Login, error) {
	o := opened.OAuth
	if at.device == "" {
		return Login{}, bellhop.Conflict("the authority of connection " + noun.Name + " has no device codes: set " +
			"device_url, or sign in by a browser")
	}
	ctx, cancel := context.WithTimeout(ctx, requestTimeout)
	defer cancel()
	client, e := m.newExchange()
	config := oauth2.Config{ClientID: o.ClientID, Endpoint: oauth2.Endpoint{DeviceAuthURL: at.device},
		Scopes: o.UserScopes}
	var options []oauth2.AuthCodeOption
	for name := range o.Params {
		options = append(options, oauth2.SetAuthURLParam(name, o.Params.Get(name)))
	}
	got, err := config.DeviceAuth(context.WithValue(ctx, oauth2.HTTPClient, client), options...)
	if err != nil {
		var unreached *url.Error
		if errors.As(err, &unreached) {
			what, _ := egress.Unanswered(err)
			return Login{}, bellhop.Conflict(host(at.device) + " " + what)
		}
		return Login{}, bellhop.Conflict(m.explain(err, o, host(at.device), e).Error())
	}
	page, err := url.Parse(got.VerificationURI)
	if err != nil || page.Scheme != "https" && page.Scheme != "http" || got.UserCode == "" || got.DeviceCode == "" {
		return Login{}, bellhop.Conflict(host(at.device) + " sent an answer that is no device code")
	}
	life := deviceLifetime
	if !got.Expiry.IsZero() {
		life = min(max(0, time.Until(got.Expiry)), longestCode)
	}
	pause := time.Duration(got.Interval) * time.Second
	if pause <= 0 || pause > longestPause {
		pause = devicePause
	}
	polling, end := context.WithTimeout(m.ctx, life)
	l := &Login{
		Kind:            LoginDevice,
		State:           LoginWaiting,
		ExpiresAt:       m.now().Add(life),
		UserCode:        plain(got.UserCode, 64),
		VerificationURI: page.String(),
	}
	m.logins.show(noun.ID, l, end)
	if !m.begin() {
		end()
		return Login{}, &bellhop.Error{Code: bellhop.CodeUnavailable, Message: "the server is stopping"}
	}
	shown := *l
	go func() {
		defer m.end()
		defer end()
		m.poll(polling, noun.ID, got.DeviceCode, pause, l)
	}()
	return shown, nil
}

// poll asks for the tokens of a device code until the user has signed in or declined, or ctx ends.
func (m *Manager) poll(ctx context.Context, id, code string, pause time.Duration, l *Login) {
	params := url.Values{"grant_type": {deviceGrant}, "device_code": {code}}
	for {
		timer := time.NewTimer(pause)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				m.logins.settle(id, l, LoginFailed, "the code has expired: begin again")
			}
			return
		}
		_, f := m.signInBy(ctx, id, params, "")
		switch {
		case f == nil:
			m.logins.settle(id, l, LoginDone, "")
			return
		case f.kind == "authorization_pending":
		case f.kind == "slow_down":
			pause = min(pause+slowDown, longestPause)
		case f.final:
			m.logins.settle(id, l, LoginFailed, f.Error())
			return
		default: // a passing trouble
			pause = min(max(2*pause, f.retryAfter), longestPause)
		}
	}
}
