package app

import (
	"net/http"

	"github.com/bellhop-gateway/bellhop/internal/egress"
)

// NewHTTPClient returns the client of the commands that send by themselves. They run at a person's own machine and
// go where that person says, so private addresses are permitted; redirects are not followed.
func NewHTTPClient() *http.Client {
	return egress.New(egress.Config{AllowPrivate: true}).HTTP()
}
