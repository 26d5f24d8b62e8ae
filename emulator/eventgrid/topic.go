package eventgrid

import (
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
)

// topicType is the resource type of a topic, in lower case.
const topicType = namespace + "/topics"

// A topic is where publishers post events. System.mu guards it.
type topic struct {
	id, name string
	location string
	tags     map[string]string
	schema   string // of what publishers post
	base     string // URL of the stand-in, as the latest caller sees it
	keys     [2][]byte
}

// A topicEntity is a topic in JSON.
type topicEntity struct {
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Type       string            `json:"type"`
	Location   string            `json:"location"`
	Tags       map[string]string `json:"tags,omitempty"`
	Properties struct {
		State    string `json:"provisioningState,omitempty"`
		Endpoint string `json:"endpoint,omitempty"`
		Schema   string `json:"inputSchema,omitempty"`
		Public   string `json:"publicNetworkAccess,omitempty"`
	} `json:"properties"`
}

// shown returns the topic as it is shown.
func (t *topic) shown() topicEntity {
	e := topicEntity{ID: t.id, Name: t.name, Type: namespaceProper + "/topics", Location: t.location, Tags: t.tags}
	e.Properties.State, e.Properties.Schema, e.Properties.Public = stateSucceeded, t.schema, "Enabled"
	e.Properties.Endpoint = t.base + "/topics/" + t.name + "/api/events"
	return e
}

func newKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

// topicByID returns a topic by its canonical id, or nil. The caller holds s.mu.
func (s *System) topicByID(id string) *topic {
	i := slices.IndexFunc(s.topics, func(t *topic) bool { return canonical(t.id) == id })
	if i < 0 {
		return nil
	}
	return s.topics[i]
}

func errNoTopic(id string) *apiError {
	return &apiError{status: http.StatusNotFound, code: "ResourceNotFound",
		message: "The Resource '" + id + "' was not found."}
}

// serveTopic answers a call about topics.
func (s *System) serveTopic(w http.ResponseWriter, r *http.Request, at target) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.topicByID(canonical(at.id()))
	switch {
	case at.name == "" && r.Method == http.MethodGet:
		var list []topicEntity
		for _, t := range s.topics {
			if strings.HasPrefix(canonical(t.id), canonical(at.scope)+"/") {
				list = append(list, t.shown())
			}
		}
		writePage(w, r, list, s.opts.PageSize)
		return nil
	case at.action == "" && r.Method == http.MethodPut:
		return s.putTopic(w, r, at, t)
	case at.action == "" && r.Method == http.MethodDelete:
		s.deleteTopic(t)
		w.WriteHeader(http.StatusNoContent)
		return nil
	case t == nil && at.name != "":
		return errNoTopic(at.id())
	case at.action == "" && r.Method == http.MethodGet:
		emulator.WriteJSON(w, http.StatusOK, t.shown())
		return nil
	case at.action == "listkeys" && r.Method == http.MethodPost:
		return t.writeKeys(w)
	case at.action == "regeneratekey" && r.Method == http.MethodPost:
		var in struct {
			KeyName string `json:"keyName"`
		}
		if err := decode(r, &in); err != nil {
			return err
		}
		i := slices.Index([]string{"key1", "key2"}, in.KeyName)
		if i < 0 {
			return invalid("The key name must be key1 or key2.")
		}
		t.keys[i] = newKey()
		return t.writeKeys(w)
	}
	return errMethod
}

func (t *topic) writeKeys(w http.ResponseWriter) error {
	encode := base64.StdEncoding.EncodeToString
	emulator.WriteJSON(w, http.StatusOK, map[string]string{"key1": encode(t.keys[0]), "key2": encode(t.keys[1])})
	return nil
}

// putTopic makes or changes a topic. The caller holds s.mu.
func (s *System) putTopic(w http.ResponseWriter, r *http.Request, at target, old *topic) error {
	var in topicEntity
	if err := decode(r, &in); err != nil {
		return err
	}
	schema := in.Properties.Schema
	switch {
	case len(at.name) < 3 || len(at.name) > 50 || strings.Trim(at.name, nameLetters) != "":
		return invalid("The topic name must be 3 to 50 letters, digits and dashes.")
	case in.Location == "":
		return &apiError{status: http.StatusBadRequest, code: "LocationRequired",
			message: "The location property is required for this definition."}
	case schema == "":
		schema = gridSchema
	case schema != gridSchema && schema != cloudSchema:
		return invalid("The input schema '%s' is not played by this stand-in.", schema)
	}
	if old == nil {
		for _, other := range s.topics { // the name is a part of the host
			if equalFold(other.name, at.name) {
				return &apiError{status: http.StatusConflict, code: "Conflict",
					message: "The topic name '" + at.name + "' is taken. Choose a different name."}
			}
		}
		old = &topic{id: at.id(), name: at.name, keys: [2][]byte{newKey(), newKey()}}
		s.topics = append(s.topics, old)
	}
	old.location, old.tags, old.schema, old.base = in.Location, in.Tags, schema, emulator.BaseURL(r)
	emulator.WriteJSON(w, http.StatusCreated, old.shown())
	return nil
}

// deleteTopic forgets a topic and its subscriptions. The caller holds s.mu.
func (s *System) deleteTopic(t *topic) {
	if t == nil {
		return
	}
	s.topics = slices.DeleteFunc(s.topics, func(other *topic) bool { return other == t })
	for _, sub := range slices.Clone(s.subscriptions) {
		if sub.scope == canonical(t.id) {
			s.remove(sub)
		}
	}
}

// maxPublished bounds the body of what is published, and each event, in bytes.
const maxPublished = 1 << 20

// publish takes events from a publisher. name is the topic's; "" takes it from the host.
func (s *System) publish(w http.ResponseWriter, r *http.Request, name string) error {
	if r.Method != http.MethodPost {
		return errMethod
	}
	if name == "" {
		name, _, _ = strings.Cut(r.Host, ".")
	}
	s.mu.Lock()
	i := slices.IndexFunc(s.topics, func(t *topic) bool { return equalFold(t.name, name) })
	var t topic
	if i >= 0 {
		t = *s.topics[i]
	}
	s.mu.Unlock()
	if i < 0 {
		return &apiError{status: http.StatusNotFound, code: "NotFound", message: "The topic '" + name +
			"' was not found.",
			details: []detail{{"NotFound", "There is no topic at this endpoint."}}}
	}
	if err := s.authorize(r, &t); err != nil {
		return err
	}
	events, err := readPublished(r, &t, formatTime(s.now()))
	if err != nil {
		return err
	}
	s.flow(t.id, events)
	w.WriteHeader(http.StatusOK)
	return nil
}

// authorize checks how a publisher proves itself: by a key, by a token signed with one, or by a token of Microsoft
// Entra.
func (s *System) authorize(r *http.Request, t *topic) error {
	if s.opts.AnyToken {
		return nil
	}
	refused := func(message string) error {
		return &apiError{status: http.StatusUnauthorized, code: "Unauthorized", message: message,
			details: []detail{{"Unauthorized", message}}}
	}
	query := r.URL.Query()
	key, token := r.Header.Get("Aeg-Sas-Key"), r.Header.Get("Aeg-Sas-Token")
	if key == "" {
		key = query.Get("aeg-sas-key")
	}
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if equalFold(scheme, "SharedAccessSignature") {
		token = credentials
	}
	switch {
	case key != "":
		given, err := base64.StdEncoding.DecodeString(key)
		if err != nil || subtle.ConstantTimeCompare(given, t.keys[0])+subtle.ConstantTimeCompare(
			given, t.keys[1]) == 0 {
			return refused("The request authorization key is not authorized for " + strings.ToUpper(t.name) + ".")
		}
	case token != "":
		target := emulator.BaseURL(r) + r.URL.Path
		if err := eventgrid.VerifySAS(token, target, s.now(), t.keys[0], t.keys[1]); err != nil {
			return refused("The request authorization token is not valid: " + err.Error() + ".")
		}
	case equalFold(scheme, "Bearer"):
		if _, err := s.tokens.Authenticate(r, "https://eventgrid.azure.net", emulator.BaseURL(r)); err != nil {
			return refused("The request authorization token is not valid: " + err.Error() + ".")
		}
	default:
		return refused("Request must contain one of the following authorization signature: " +
			"aeg-sas-token, aeg-sas-key.")
	}
	return nil
}

// readPublished reads the events of a publisher.
func readPublished(r *http.Request, t *topic, now string) ([]event, error) {
	var body json.RawMessage
	refused := func(what, code, message string) error {
		return &apiError{status: http.StatusBadRequest, code: "BadRequest", message: "This resource is " +
			"configured to receive event in '" + what + "' schema. The JSON received does not conform to the " +
			"expected schema.",
			details: []detail{{code, message}}}
	}
	what := "EventGridEvent"
	if t.schema == cloudSchema {
		what = "CloudEventV10"
	}
	if r.ContentLength > maxPublished {
		return nil, errTooLarge
	}
	media, _, _ := strings.Cut(strings.ToLower(r.Header.Get("Content-Type")), ";")
	media = strings.TrimSpace(media)
	if t.schema == cloudSchema && !strings.HasPrefix(media, "application/cloudevents") &&
		r.Header.Get("Ce-Specversion") != "" {
		ev, err := binaryEvent(r)
		if err != nil {
			return nil, refused(what, "InputJsonInvalid", "The event "+err.Error()+".")
		}
		return []event{ev}, nil
	}
	err := json.NewDecoder(r.Body).Decode(&body)
	var items []json.RawMessage
	if len(body) > maxPublished {
		return nil, errTooLarge
	}
	switch {
	case err != nil:
		return nil, refused(what, "InputJsonInvalid", "The body is not JSON.")
	case t.schema == cloudSchema && media == "application/cloudevents+json":
		items = []json.RawMessage{body}
	case json.Unmarshal(body, &items) != nil:
		return nil, refused(what, "InputJsonInvalid", "The body is not an array.")
	}
	var events []event
	for i, item := range items {
		var ev event
		if t.schema == cloudSchema {
			ev, err = cloudEvent(item)
		} else {
			ev, err = gridEvent(item, topicOf(t.id), now)
		}
		if err != nil {
			return nil, refused(what, "InputJsonInvalid", "Element "+itoa(i)+" "+err.Error()+".")
		}
		events = append(events, ev)
	}
	return events, nil
}

var errTooLarge = &apiError{status: http.StatusRequestEntityTooLarge, code: "RequestEntityTooLarge",
	message: "The maximum size (1048576) of the request or of an event is exceeded.",
	details: []detail{{"RequestEntityTooLarge", "Publish fewer events at a time."}}}
