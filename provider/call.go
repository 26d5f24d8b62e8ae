package provider

import (
	"errors"
	"net/http"
	"net/url"
)

// NoRedirects returns client as one that follows no redirect, since those lead anywhere. Of nil it is nil.
func NoRedirects(client *http.Client) *http.Client {
	if client == nil {
		return nil
	}
	c := *client
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// WithoutURL returns the error of a client without the URL that it called: there may be a token in it.
func WithoutURL(err error) error {
	var failure *url.Error
	if errors.As(err, &failure) {
		return failure.Err
	}
	return err
}
