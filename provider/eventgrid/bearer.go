package eventgrid

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/internal/strictjson"
	"github.com/bellhop-gateway/bellhop/provider"
	"github.com/bellhop-gateway/bellhop/provider/jwks"
	"github.com/bellhop-gateway/bellhop/signature"
)

const authorization = "Authorization"

// leeway is how far Entra's clock and ours may differ.
const leeway = 5 * time.Minute

// A bearer is the token that Microsoft Entra issued to Event Grid for us.
type bearer struct {
	now      func() time.Time
	keys     signature.KeyFinder
	audience string
	tenant   string
	app      string
	issuers  []string
}

// bearer checks the settings that are about tokens.
func (s *settings) bearer(env provider.Env, where cloud) (*bearer, error) {
	var errs []error
	if s.Audience == "" {
		errs = append(errs, bellhop.Invalid("audience", "required with tenant_id: the application id URI, or the id, of the application that stands for this endpoint"))
	}
	if !provider.IsGUID(s.TenantID) {
		errs = append(errs, bellhop.Invalid("tenant_id", "required with audience: the id of the directory, such as 7e9a1c34-52bd-4e08-a1f6-90d3c85b2e67"))
	}
	b := &bearer{now: env.Now, audience: s.Audience, tenant: strings.ToLower(s.TenantID), app: where.app}
	if s.AppID != "" {
		b.app = s.AppID
	}
	if !provider.IsGUID(b.app) {
		errs = append(errs, bellhop.Invalid("app_id", "use the id of an application, such as 4962773b-9cdb-44cf-a8bf-237846a00ab7"))
	}
	url, err := jwks.URL("keys_url", s.KeysURL, "https://"+where.login+"/"+b.tenant+"/discovery/v2.0/keys")
	b.keys = jwks.New(env, url)
	b.issuers = []string{"https://sts.windows.net/" + b.tenant + "/", "https://" + where.login + "/" + b.tenant + "/v2.0"}
	return b, bellhop.Join("", append(errs, err)...)
}

func (b *bearer) check(ctx context.Context, req *provider.Request) error {
	if err := b.verify(ctx, req); err != nil {
		return fmt.Errorf("bearer token: %w", err)
	}
	return nil
}

func (b *bearer) verify(ctx context.Context, req *provider.Request) error {
	value, err := signature.Single(req.Header, authorization)
	if err != nil {
		return err
	}
	scheme, token, _ := strings.Cut(value, " ")
	if !strictjson.EqualFold(scheme, "Bearer") {
		return signature.ErrMalformed
	}
	claims, err := signature.VerifyJWT(ctx, token, b.keys)
	if err != nil {
		return err
	}
	if err := b.checkParties(claims); err != nil {
		return err
	}
	return claims.CheckTime(b.now(), leeway)
}

// checkParties compares who issued the token, of which directory, for whom and to whom. Any application of the
// directory may be given a token for us, so it matters which of them it is.
func (b *bearer) checkParties(c signature.Claims) error {
	app := c.AppID // version 1 of Entra's tokens
	if app == "" {
		app = c.AuthorizedParty // version 2
	}
	switch {
	case !slices.Contains(b.issuers, c.Issuer):
		return fmt.Errorf("%w: another issuer", signature.ErrMismatch)
	case !strictjson.EqualFold(c.TenantID, b.tenant):
		return fmt.Errorf("%w: not of settings.tenant_id", signature.ErrMismatch)
	case !slices.Contains(c.Audience, b.audience):
		return fmt.Errorf("%w: not for settings.audience", signature.ErrMismatch)
	case !strictjson.EqualFold(app, b.app):
		return fmt.Errorf("%w: another application's, not Event Grid's", signature.ErrMismatch)
	}
	return nil
}
