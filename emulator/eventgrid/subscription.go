package eventgrid

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// serveSubscription answers a call about one event subscription.
func (s *System) serveSubscription(w http.ResponseWriter, r *http.Request, t target) error {
	switch {
	case t.action == "" && r.Method == http.MethodPut:
		return s.put(w, r, t)
	case t.action == "" && r.Method == http.MethodGet:
		return s.show(w, t)
	case t.action == "" && r.Method == http.MethodPatch:
		return s.patch(w, r, t)
	case t.action == "" && r.Method == http.MethodDelete:
		return s.delete(w, r, t)
	case t.action == "getfullurl" && r.Method == http.MethodPost:
		return s.fullURL(w, t)
	case t.action == "getdeliveryattributes" && r.Method == http.MethodPost:
		return s.attributes(w, t)
	}
	return errMethod
}

// find returns the subscription that a target names. The caller holds s.mu.
func (s *System) find(t target) (*subscription, error) {
	wanted := key(t.scope, t.name)
	i := slices.IndexFunc(s.subscriptions, func(sub *subscription) bool { return sub.key() == wanted })
	if i < 0 {
		return nil, &apiError{status: http.StatusNotFound, code: "ResourceNotFound", message: "The Resource '" +
			namespaceProper + "/eventSubscriptions/" + t.name + "' under scope '" + t.scope + "' was not found."}
	}
	s.settleManual(s.subscriptions[i])
	return s.subscriptions[i], nil
}

// busy returns the error of a change while another one is under way. The caller holds s.mu.
func (sub *subscription) busy() error {
	if sub.Properties.State == stateCreating || sub.Properties.State == stateUpdating {
		return &apiError{status: http.StatusConflict, code: "OperationInProgress",
			message: "Another operation on the event subscription is in progress."}
	}
	return nil
}

// put creates or replaces a subscription. Its handshake follows.
func (s *System) put(w http.ResponseWriter, r *http.Request, t target) error {
	var in struct {
		Properties *properties `json:"properties"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Properties == nil {
		return invalid("The properties of the event subscription cannot be null.")
	}
	sub, err := s.newSubscription(t, *in.Properties, emulator.BaseURL(r))
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old, err := s.admit(t, sub)
	if err != nil {
		return err
	}
	if old != nil {
		sub.live, sub.Properties.State = old.live, stateUpdating
		s.subscriptions[slices.Index(s.subscriptions, old)] = sub
	} else {
		s.subscriptions = append(s.subscriptions, sub)
	}
	return s.accept(w, sub, s.begin(sub))
}

// admit returns the subscription that a new one replaces, if there is one, or why there cannot be this one. The caller
// holds s.mu.
func (s *System) admit(t target, sub *subscription) (old *subscription, err error) {
	if resourceType(sub.scope) == topicType {
		topic := s.topicByID(sub.scope)
		if topic == nil {
			return nil, errNoTopic(t.scope)
		}
		if topic.schema == cloudSchema && sub.Properties.Schema != cloudSchema {
			return nil, invalid("The event delivery schema of a topic with the input schema %s must be the same.",
				cloudSchema)
		}
	}
	if old, err = s.find(t); err == nil {
		if err := old.busy(); err != nil {
			return nil, err
		}
		if old.Properties.Schema != sub.Properties.Schema {
			return nil, invalid("The event delivery schema of an existing event subscription cannot be changed.")
		}
		return old, nil
	}
	same := 0
	for _, other := range s.subscriptions {
		if other.scope == sub.scope {
			same++
		}
	}
	if same >= s.opts.Quota {
		return nil, &apiError{status: http.StatusConflict, code: "QuotaExceeded", message: "Quota limit reached. A " +
			"topic can have at most " + strconv.Itoa(s.opts.Quota) + " event subscriptions."}
	}
	return nil, nil
}

// accept answers a change that goes on in the background: the status is always 201. The caller holds s.mu.
func (s *System) accept(w http.ResponseWriter, sub *subscription, op *operation) error {
	w.Header().Set("Azure-Asyncoperation", s.operationURL(sub, op, "operationsStatus"))
	w.Header().Set("Location", s.operationURL(sub, op, "operationResults"))
	w.Header().Set("Retry-After", strconv.Itoa(s.opts.RetryAfter))
	emulator.WriteJSON(w, http.StatusCreated, sub.shown())
	return nil
}

func (s *System) show(w http.ResponseWriter, t target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.find(t)
	if err == nil {
		emulator.WriteJSON(w, http.StatusOK, sub.shown())
	}
	return err
}

// patch changes a subscription. Its body has no member "properties", unlike that of put.
func (s *System) patch(w http.ResponseWriter, r *http.Request, t target) error {
	var in struct {
		properties
		Wrapped json.RawMessage `json:"properties"`
	}
	if err := decode(r, &in); err != nil {
		return err
	}
	if in.Wrapped != nil {
		return invalid("Could not find member 'properties' on object of type 'EventSubscriptionUpdateParameters'.")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.find(t)
	if err == nil {
		err = sub.busy()
	}
	if err != nil {
		return err
	}
	changed := sub.Properties
	merge(&changed, in.properties)
	if err := changed.complete(s.now(), s.opts.HTTPSOnly); err != nil {
		return err
	}
	if changed.Schema != sub.Properties.Schema {
		return invalid("The event delivery schema of an existing event subscription cannot be changed.")
	}
	validate := s.opts.AlwaysValidate || sub.Properties.State != stateSucceeded ||
		changed.Destination.Properties.URL != sub.Properties.Destination.Properties.URL
	changed.State = stateUpdating
	sub.Properties, sub.base = changed, emulator.BaseURL(r)
	sub.expiresAt, _ = changed.expiry()
	if validate {
		return s.accept(w, sub, s.begin(sub))
	}
	op := s.newOperation(sub)
	answer := s.accept(w, sub, op)
	s.succeed(sub, op)
	return answer
}

// merge takes over what a PATCH names.
func merge(to *properties, from properties) {
	if from.Destination != nil || from.WithIdentity != nil {
		to.Destination, to.WithIdentity = from.Destination, from.WithIdentity
	}
	if from.Labels != nil {
		to.Labels = from.Labels
	}
	if from.Filter != nil {
		to.Filter = from.Filter
	}
	if from.Schema != "" {
		to.Schema = from.Schema
	}
	if from.Retry != nil {
		to.Retry = from.Retry
	}
	if from.ExpiresAt != nil {
		to.ExpiresAt = from.ExpiresAt
	}
	if from.DeadLetter != nil {
		to.DeadLetter = from.DeadLetter
	}
	if from.DeadLetterWithIdentity != nil {
		to.DeadLetterWithIdentity = from.DeadLetterWithIdentity
	}
}

// delete removes a subscription, and tells its endpoint.
func (s *System) delete(w http.ResponseWriter, r *http.Request, t target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.find(t)
	if err != nil {
		w.WriteHeader(http.StatusNoContent)
		return nil
	}
	if err := sub.busy(); err != nil {
		return err
	}
	sub.base = emulator.BaseURL(r)
	op := s.newOperation(sub)
	op.deletes, op.status = true, stateSucceeded
	s.remove(sub)
	w.Header().Set("Location", s.operationURL(sub, op, "operationResults"))
	w.Header().Set("Retry-After", strconv.Itoa(s.opts.RetryAfter))
	w.WriteHeader(http.StatusAccepted)
	return nil
}

// remove forgets a subscription, and tells its endpoint, if there are deliveries to it. The caller holds s.mu.
func (s *System) remove(sub *subscription) {
	s.subscriptions = slices.DeleteFunc(s.subscriptions, func(other *subscription) bool { return other == sub })
	if sub.live == nil {
		return
	}
	data := marshal(map[string]string{"eventSubscriptionId": sub.ID})
	s.send(sub, []event{{id: emulator.NewID(), topic: "/subscriptions/" + accountOf(sub.scope),
		kind: eventgrid.DeletedType, time: formatTime(s.now()), dataVersion: "1", data: data}}, "SubscriptionDeletion")
}

func (s *System) fullURL(w http.ResponseWriter, t target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.find(t)
	if err != nil {
		return err
	}
	emulator.WriteJSON(w, http.StatusOK, map[string]string{"endpointUrl": sub.Properties.Destination.Properties.URL})
	return nil
}

// attributes answers the headers of deliveries, with the values of secret ones.
func (s *System) attributes(w http.ResponseWriter, t target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	sub, err := s.find(t)
	if err != nil {
		return err
	}
	list := sub.Properties.Destination.Properties.Attributes
	if list == nil {
		list = []attributeMapping{}
	}
	emulator.WriteJSON(w, http.StatusOK, map[string]any{"value": list})
	return nil
}

// dropExpired forgets the subscriptions whose time is over. The caller holds s.mu.
func (s *System) dropExpired() {
	now := s.now()
	s.subscriptions = slices.DeleteFunc(s.subscriptions, func(sub *subscription) bool {
		return !sub.expiresAt.IsZero() && !now.Before(sub.expiresAt)
	})
}

// list answers the subscriptions of a scope, in pages: of a resource those of its own, of an Azure subscription or a
// resource group all within it.
func (s *System) list(w http.ResponseWriter, r *http.Request, t target) error {
	if r.Method != http.MethodGet {
		return errMethod
	}
	query := r.URL.Query()
	wanted, err := parseNameFilter(query.Get("$filter"))
	if err != nil {
		return invalid("Invalid filter: %v.", err)
	}
	size := s.opts.PageSize
	if text := query.Get("$top"); text != "" {
		size, err = strconv.Atoi(text)
		if err != nil || size < 1 || size > 100 {
			return invalid("The value of $top must be between 1 and 100.")
		}
	}
	scope := canonical(t.scope)
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []entity
	for _, sub := range s.subscriptions {
		if !s.inList(sub, scope, t) || !wanted(sub.Name) {
			continue
		}
		s.settleManual(sub)
		all = append(all, sub.shown())
	}
	writePage(w, r, all, size)
	return nil
}

// inList reports whether a list has a subscription. The caller holds s.mu.
func (s *System) inList(sub *subscription, scope string, t target) bool {
	container := resourceType(scope) == "" // an Azure subscription, a resource group, or all there is
	within := sub.scope == scope || container && strings.HasPrefix(sub.scope, scope+"/")
	place := strings.ReplaceAll(t.location, " ", "")
	return within && (place == "" || equalFold(place, s.opts.Region)) &&
		(t.topicType == "" || t.topicType == strings.ReplaceAll(resourceType(sub.scope), "/", "."))
}

// writePage answers one page of a list.
func writePage[T any](w http.ResponseWriter, r *http.Request, all []T, size int) {
	query := r.URL.Query()
	from, _ := strconv.Atoi(query.Get("$skiptoken"))
	from = min(max(from, 0), len(all))
	to := min(from+size, len(all))
	out := map[string]any{"value": append([]T{}, all[from:to]...)}
	if to < len(all) {
		query.Set("$skiptoken", strconv.Itoa(to))
		out["nextLink"] = emulator.BaseURL(r) + r.URL.Path + "?" + query.Encode()
	}
	emulator.WriteJSON(w, http.StatusOK, out)
}
