package graph

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
)

// A subscription is a registration at the stand-in.
type subscription struct {
	entity
	app, user, tenant string
	base              string // of the stand-in, as the creator sees it
	canonical         string // of Resource
	kind              kind
	certificate       *x509.Certificate // for content; nil if it is not wanted
	expiresAt         time.Time
	paused            bool // until it is authorized again; what happens meanwhile is lost
	immutable         bool // its notifications carry ids that stay when an item is moved
}

// An entity is a subscription in JSON.
type entity struct {
	Context         string `json:"@odata.context,omitempty"`
	ID              string `json:"id"`
	Resource        string `json:"resource"`
	ApplicationID   string `json:"applicationId"`
	ChangeType      string `json:"changeType"`
	ClientState     any    `json:"clientState"` // a text or null; only its creation shows it
	NotificationURL string `json:"notificationUrl"`
	LifecycleURL    any    `json:"lifecycleNotificationUrl"`
	QueryOptions    any    `json:"notificationQueryOptions"`
	ExpiresAt       string `json:"expirationDateTime"`
	CreatorID       string `json:"creatorId"`
	WithData        bool   `json:"includeResourceData"`
	TLSVersion      string `json:"latestSupportedTlsVersion"`
	Certificate     any    `json:"encryptionCertificate"`
	CertificateID   any    `json:"encryptionCertificateId"`
	URLAppID        any    `json:"notificationUrlAppId"`
}

// A wish is the body of a call that creates or changes a subscription.
type wish struct {
	ChangeType      string  `json:"changeType"`
	NotificationURL string  `json:"notificationUrl"`
	LifecycleURL    string  `json:"lifecycleNotificationUrl"`
	Resource        string  `json:"resource"`
	ExpiresAt       string  `json:"expirationDateTime"`
	ClientState     string  `json:"clientState"`
	WithData        bool    `json:"includeResourceData"`
	Certificate     string  `json:"encryptionCertificate"`
	CertificateID   string  `json:"encryptionCertificateId"`
	TLSVersion      string  `json:"latestSupportedTlsVersion"`
	QueryOptions    string  `json:"notificationQueryOptions"`
	URLAppID        string  `json:"notificationUrlAppId"`
	ODataType       string  `json:"@odata.type"`
	ID              *string `json:"id"` // some clients send null
}

func invalid(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, code: "InvalidRequest", message: fmt.Sprintf(format, args...)}
}

// create registers a subscription. The handshakes happen meanwhile.
func (s *System) create(w http.ResponseWriter, r *http.Request, claims entra.Claims) error {
	var in wish
	if err := decode(r, &in); err != nil {
		return err
	}
	sub, err := s.newSubscription(r, claims, in)
	if err != nil {
		return err
	}
	s.mu.Lock()
	err = s.admit(sub)
	s.mu.Unlock()
	if err != nil {
		return err
	}
	urls := []string{sub.NotificationURL}
	if in.LifecycleURL != "" {
		urls = append(urls, in.LifecycleURL)
	}
	for _, to := range urls {
		if err := s.shakeHands(r.Context(), to); err != nil {
			return err
		}
	}
	if err := s.add(sub); err != nil {
		return err
	}
	shown := sub.entity
	shown.Context = s.context(r, "subscriptions/$entity")
	emulator.WriteJSON(w, http.StatusCreated, shown)
	return nil
}

// newSubscription checks what a creator asks for.
func (s *System) newSubscription(r *http.Request, claims entra.Claims, in wish) (*subscription, error) {
	sub := &subscription{app: claims.App, user: claims.Object, tenant: claims.Tenant, base: emulator.BaseURL(r),
		entity: entity{ID: emulator.NewID(), Resource: in.Resource, ApplicationID: claims.App,
			ChangeType:  in.ChangeType,
			ClientState: orNull(in.ClientState), NotificationURL: in.NotificationURL,
			LifecycleURL: orNull(in.LifecycleURL),
			QueryOptions: orNull(in.QueryOptions), CreatorID: claims.Object, WithData: in.WithData,
			TLSVersion: in.TLSVersion, Certificate: orNull(in.Certificate), CertificateID: orNull(in.CertificateID),
			URLAppID: orNull(in.URLAppID)}}
	sub.immutable = wantsImmutable(r)
	if sub.TLSVersion == "" {
		sub.TLSVersion = "v1_2"
	}
	sub.canonical = canonical(in.Resource, mailbox(claims))
	var known bool
	if sub.kind, known = s.kindOf(sub.canonical); !known || in.Resource == "" {
		return nil, &apiError{status: http.StatusBadRequest, code: "ExtensionError",
			message: "Operation: Create; Exception: [Status Code: BadRequest; Reason: Resource is not supported for " +
				"subscriptions]"}
	}
	if !claims.Permits(sub.kind.permissions...) {
		return nil, &apiError{status: http.StatusForbidden, code: "ExtensionError",
			message: "Operation: Create; Exception: " +
				"[Status Code: Forbidden; Reason: Access is denied. Check credentials and try again. It needs " +
				strings.Join(sub.kind.permissions, " or ") + "]"}
	}
	if sub.kind.appOnly && claims.ByUser() {
		return nil, &apiError{status: http.StatusBadRequest, code: "ExtensionError",
			message: "Operation: Create; Exception: [Status Code: BadRequest; Reason: 'app + user' subscriptions " +
				"are not supported in v1]"}
	}
	for change := range strings.SplitSeq(in.ChangeType, ",") {
		if !slices.Contains([]string{"created", "updated", "deleted"}, strings.ToLower(strings.TrimSpace(change))) ||
			sub.kind.rootOnly && strings.ToLower(strings.TrimSpace(change)) != "updated" {
			return nil, invalid("The changeType %q is not supported for the resource.", in.ChangeType)
		}
	}
	if len(in.ClientState) > 128 {
		return nil, invalid("The clientState is longer than 128 characters.")
	}
	for _, address := range []string{in.NotificationURL, in.LifecycleURL} {
		if u, err := url.Parse(address); address != "" && (err != nil || u.Host == "") || address == "" &&
			in.NotificationURL == "" {
			return nil, invalid("The notification URL is not valid.")
		}
	}
	if in.WithData {
		certificate, err := in.certificate()
		if err != nil {
			return nil, err
		}
		sub.certificate = certificate
	}
	expiry, err := s.expiry(sub, in.ExpiresAt)
	if err != nil {
		return nil, err
	}
	if sub.kind.lifecycle && in.LifecycleURL == "" && expiry.Sub(s.now()) > time.Hour {
		return nil, invalid("lifecycleNotificationUrl is required for subscriptions that live longer than one hour.")
	}
	sub.setExpiry(expiry)
	return sub, nil
}

// certificate returns the certificate for which content is to be encrypted.
func (in *wish) certificate() (*x509.Certificate, error) {
	var certificate *x509.Certificate
	der, err := base64.StdEncoding.DecodeString(in.Certificate)
	if err == nil {
		certificate, err = x509.ParseCertificate(der)
	}
	if err != nil || in.CertificateID == "" {
		return nil, invalid("encryptionCertificate and encryptionCertificateId are required with includeResourceData.")
	}
	if _, ok := certificate.PublicKey.(*rsa.PublicKey); !ok {
		return nil, invalid("The encryptionCertificate has no RSA key.")
	}
	return certificate, nil
}

func orNull(text string) any {
	if text == "" {
		return nil
	}
	return text
}

// mailbox is the user that "me" means for a token: of an application, the tenant's user, whom it names in its paths.
func mailbox(claims entra.Claims) string {
	if claims.ByUser() {
		return claims.Object
	}
	return entra.UserID(claims.Tenant)
}

func (sub *subscription) setExpiry(at time.Time) {
	sub.expiresAt, sub.entity.ExpiresAt = at, formatTime(at)
}

// shortest is the shortest life of a subscription: a shorter wish is raised to it.
const shortest = 45 * time.Minute

// expiry returns the expiry that a subscription gets for a wish.
func (s *System) expiry(sub *subscription, text string) (time.Time, error) {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, invalid("The expirationDateTime %q is no date and time.", text)
	}
	now, minutes := s.now(), sub.kind.minutes
	if sub.WithData && sub.kind.rich > 0 {
		minutes = sub.kind.rich
	}
	longest := now.Add(time.Duration(minutes) * time.Minute)
	switch {
	case !at.After(now):
		return at, invalid("Subscription expiration must be in the future.")
	case at.After(longest.Add(time.Minute)) && !s.opts.Clamp:
		return at, &apiError{status: http.StatusBadRequest, code: "ExtensionError",
			message: "Subscription expiration can only be " + strconv.Itoa(minutes) + " minutes in the future."}
	case at.After(longest):
		return longest, nil
	case at.Before(now.Add(shortest)):
		return now.Add(shortest), nil
	}
	return at, nil
}

// add adds a subscription, unless another one has come meanwhile.
func (s *System) add(sub *subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.admit(sub)
	if err == nil {
		s.subscriptions = append(s.subscriptions, sub)
		s.lastUser = cmp.Or(sub.owner(), s.lastUser)
	}
	return err
}

// admit returns why there cannot be one more subscription like this: of a drive there is one of each combination, and
// of any resource there is a quota. The caller holds s.mu.
func (s *System) admit(sub *subscription) error {
	s.dropExpired()
	same := 0
	for _, other := range s.subscriptions {
		if other.app != sub.app || other.canonical != sub.canonical {
			continue
		}
		same++
		if sub.kind.unique && other.ChangeType == sub.ChangeType && other.NotificationURL == sub.NotificationURL {
			return &apiError{status: http.StatusConflict, code: "ObjectIdentifierInUse",
				message: "Subscription Id " + other.ID + " already exists for the requested combination"}
		}
	}
	if same >= s.opts.Quota {
		return &apiError{status: http.StatusForbidden, code: "ExtensionError",
			message: "Operation: Create; Exception: [Status Code: Forbidden; Reason: Number of subscriptions on " +
				"item has exceeded limit]"}
	}
	return nil
}

// handshakeTimeout is how long a receiver may take to echo the token.
const handshakeTimeout = 10 * time.Second

// shakeHands asks a receiver to echo a token.
func (s *System) shakeHands(ctx context.Context, to string) error {
	token := "Validation: Testing client application reachability for subscription Request-Id: " + emulator.NewID()
	separator := "?"
	if strings.Contains(to, "?") {
		separator = "&"
	}
	status, body, err := s.host.Post(ctx, s.Name(), to+separator+"validationToken="+url.QueryEscape(token),
		http.Header{"Content-Type": {"text/plain; charset=utf-8"}}, nil, handshakeTimeout)
	failed := &apiError{status: http.StatusBadRequest, code: "ValidationError",
		message: "Subscription validation request " +
			"failed. Notification endpoint must respond with 200 OK to validation request."}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &apiError{status: http.StatusBadRequest, code: "InvalidRequest",
			message: "Subscription validation request timed out."}
	case err == nil && status != http.StatusOK:
		failed.message = "Subscription validation request failed. Notification endpoint must respond with 200 OK to " +
			"validation " +
			"request; it responded with HTTP '" + strings.ReplaceAll(http.StatusText(status), " ", "") + "'."
		return failed
	case err != nil || string(body) != token:
		return failed
	}
	return nil
}

// dropExpired forgets the subscriptions whose time is over. The caller holds s.mu.
func (s *System) dropExpired() {
	now := s.now()
	s.subscriptions = slices.DeleteFunc(s.subscriptions,
		func(sub *subscription) bool { return !now.Before(sub.expiresAt) })
}

// visible returns the live subscriptions that the token may see: those of its application and, with a user's token,
// of that user.
func (s *System) visible(claims entra.Claims) []*subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.dropExpired()
	var list []*subscription
	for _, sub := range s.subscriptions {
		if s.opts.AnyToken || sub.app == claims.App && sub.tenant == claims.Tenant &&
			(!claims.ByUser() || sub.user == claims.Object) {
			list = append(list, sub)
		}
	}
	return list
}

// find returns one of the visible subscriptions.
func (s *System) find(claims entra.Claims, id string) (*subscription, error) {
	list := s.visible(claims)
	if i := slices.IndexFunc(list, func(sub *subscription) bool { return strings.EqualFold(sub.ID, id) }); i >= 0 {
		return list[i], nil
	}
	return nil, errNotFound
}

// shown is the entity as it is shown after its creation: without the client state.
func (s *System) shown(sub *subscription) entity {
	s.mu.Lock()
	defer s.mu.Unlock()
	e := sub.entity
	e.ClientState = nil
	return e
}

// list answers the subscriptions, in pages.
func (s *System) list(w http.ResponseWriter, r *http.Request, claims entra.Claims) error {
	all := s.visible(claims)
	from, _ := strconv.Atoi(r.URL.Query().Get("$skiptoken"))
	from = min(max(from, 0), len(all))
	to := min(from+s.opts.PageSize, len(all))
	page := []entity{}
	for _, sub := range all[from:to] {
		page = append(page, s.shown(sub))
	}
	out := map[string]any{"@odata.context": s.context(r, "subscriptions"), "value": page}
	if to < len(all) {
		out["@odata.nextLink"] = emulator.BaseURL(r) + r.URL.Path + "?$skiptoken=" + strconv.Itoa(to)
	}
	emulator.WriteJSON(w, http.StatusOK, out)
	return nil
}

func (s *System) show(w http.ResponseWriter, r *http.Request, claims entra.Claims, id string) error {
	sub, err := s.find(claims, id)
	if err != nil {
		return err
	}
	shown := s.shown(sub)
	shown.Context = s.context(r, "subscriptions/$entity")
	emulator.WriteJSON(w, http.StatusOK, shown)
	return nil
}

// renewed returns the expiry that a subscription gets for the wish of a renewal.
func (s *System) renewed(sub *subscription, old time.Time, text string) (time.Time, error) {
	expiry, err := s.expiry(sub, text)
	var refused *apiError
	switch {
	case errors.As(err, &refused) && refused.code == "ExtensionError" && sub.kind.outlook:
		return expiry, &apiError{status: http.StatusBadRequest, code: "ErrorInvalidParameter",
			message: refused.message}
	case err == nil && s.opts.KeepExpiry:
		return old, nil
	}
	return expiry, err
}

// update renews or moves a subscription, which also authorizes it again, and replaces the certificate of one with
// resource data. What is sent from then on is encrypted for the new certificate.
func (s *System) update(w http.ResponseWriter, r *http.Request, claims entra.Claims, id string) error {
	var in wish
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.ExpiresAt == "" && in.NotificationURL == "" {
		return invalid("Subscription must contain either the 'expirationDateTime' or 'notificationUrl' property " +
			"and its value.")
	}
	sub, err := s.find(claims, id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	expiry, url, certificate := sub.expiresAt, sub.NotificationURL, sub.certificate
	s.mu.Unlock()
	if in.ExpiresAt != "" {
		expiry, err = s.renewed(sub, expiry, in.ExpiresAt)
		if err != nil {
			return err
		}
	}
	if certificate != nil && in.Certificate+in.CertificateID != "" {
		certificate, err = in.certificate()
		if err != nil {
			return err
		}
	}
	if in.NotificationURL != "" && in.NotificationURL != url {
		if err := s.shakeHands(r.Context(), in.NotificationURL); err != nil {
			return err
		}
	}
	s.mu.Lock()
	sub.setExpiry(expiry)
	sub.paused = false
	if certificate != sub.certificate {
		sub.certificate, sub.Certificate, sub.CertificateID = certificate, in.Certificate, in.CertificateID
	}
	if in.NotificationURL != "" {
		sub.NotificationURL = in.NotificationURL
	}
	if in.ClientState != "" {
		sub.ClientState = in.ClientState
	}
	s.mu.Unlock()
	return s.show(w, r, claims, id)
}

func (s *System) delete(w http.ResponseWriter, claims entra.Claims, id string) error {
	sub, err := s.find(claims, id)
	if err != nil {
		return err
	}
	s.remove(sub)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

func (s *System) remove(gone *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subscriptions = slices.DeleteFunc(s.subscriptions, func(sub *subscription) bool { return sub == gone })
}

// reauthorize ends a pause. It does not extend the life.
func (s *System) reauthorize(w http.ResponseWriter, claims entra.Claims, id string) error {
	sub, err := s.find(claims, id)
	if err != nil {
		return err
	}
	s.mu.Lock()
	sub.paused = false
	s.mu.Unlock()
	w.WriteHeader(http.StatusNoContent)
	return nil
}
