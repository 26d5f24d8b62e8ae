package api

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
	"github.com/go-json-experiment/json/jsontext"
)

const (
	documentPath    = "/openapi.json"
	documentPattern = "GET " + documentPath
)

// setUpHuma sets the library's package variables. This package is its only user in the program.
var setUpHuma = sync.OnceFunc(func() {
	huma.NewError = func(status int, message string, errs ...error) huma.StatusError {
		return newProblem(status, message, errs...)
	}
	huma.NewErrorWithContext = func(ctx huma.Context, status int, message string, errs ...error) huma.StatusError {
		if ctx != nil {
			nameParameters(ctx.Operation(), errs)
		}
		return newProblem(status, message, errs...)
	}
	huma.ValidateStrictCasing = true
	huma.DefaultArrayNullable = false
})

// errJSON has no detail, because the errors of the decoder quote the body.
var errJSON = errors.New("not valid JSON, or a name occurs twice in an object")

// strictJSON reads and writes bodies. It refuses an object with a repeated name.
var strictJSON = huma.Format{
	Marshal: writeJSON,
	Unmarshal: func(b []byte, v any) error {
		if !jsontext.Value(b).IsValid() {
			return errJSON
		}
		return decode(b, v)
	},
}

func newHuma(mux *http.ServeMux, version string) huma.API {
	setUpHuma()
	return humago.New(mux, huma.Config{
		OpenAPI: &huma.OpenAPI{
			OpenAPI: "3.1.0",
			Info: &huma.Info{
				Title:       "Bellhop",
				Version:     version,
				Description: "Sources, destinations, events, deliveries, connections and keys of a Bellhop gateway.",
				License:     &huma.License{Name: "Apache-2.0", URL: "https://www.apache.org/licenses/LICENSE-2.0"},
				Contact:     &huma.Contact{Name: "Bellhop", URL: "https://github.com/bellhop-gateway/bellhop"},
			},
			Components: &huma.Components{
				Schemas: newRegistry(),
				SecuritySchemes: map[string]*huma.SecurityScheme{securityScheme: {Type: "http", Scheme: "bearer",
					Description: "A key of the API. Each operation names the scope that it needs: operate includes " +
						"read and publish, and admin includes all."}},
			},
			Security: []map[string][]string{{securityScheme: {}}},
		},
		Formats:                      map[string]huma.Format{"application/json": strictJSON, "json": strictJSON},
		DefaultFormat:                "application/json",
		RejectUnknownQueryParameters: true,
	})
}

// securityScheme is the name of the authentication in the document.
const securityScheme = "key"

// An op describes an operation to the library; the types of its handler describe the rest.
type op struct {
	method  string
	path    string // below Prefix; its first part is the noun
	id      string // as in "create-source"
	summary string
	status  int // of success; 0 is 200, or 204 without a body
}

func (o op) huma() huma.Operation {
	noun, _, _ := strings.Cut(o.path[1:], "/")
	return huma.Operation{
		Method: o.method, Path: Prefix + o.path, OperationID: o.id, Tags: []string{noun}, Summary: o.summary,
		DefaultStatus: o.status,
		// The library refuses a body of exactly this length.
		MaxBodyBytes:    MaxBodyBytes + 1,
		BodyReadTimeout: 15 * time.Second,
	}
}

// handle adds an operation. An error of its handler is answered as a problem.
func handle[I, O any](s *server, o op, handler func(context.Context, *I) (*O, error)) {
	register(s, o.huma(), handler)
}

// register is handle for an operation that is described in full.
func register[I, O any](s *server, o huma.Operation, handler func(context.Context, *I) (*O, error)) {
	if repeatable[o.OperationID] {
		s.submitter.patterns[o.Method+" "+o.Path] = true
	}
	s.requireScope(&o)
	huma.Register(s.huma, o, func(ctx context.Context, in *I) (*O, error) {
		out, err := handler(ctx, in)
		if err != nil {
			return nil, s.problem(ctx, o.OperationID, err)
		}
		return out, nil
	})
}

// document serves the OpenAPI document of the operations added so far. It is written when somebody asks for it.
func (s *server) document() {
	describe(s.huma.OpenAPI().Components.Schemas.Map())
	complete(s.huma.OpenAPI(), s.PublicURL)
	addExamples(s.huma.OpenAPI())
	written := sync.OnceValue(func() []byte {
		document, err := s.writeDocument()
		if err != nil {
			panic("bellhop: the OpenAPI document cannot be written: " + err.Error())
		}
		return document
	})
	s.mux.HandleFunc(documentPattern, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write(written())
	})
}

// writeDocument returns the OpenAPI document in JSON.
func (s *server) writeDocument() ([]byte, error) {
	document, err := json.Marshal(s.huma.OpenAPI())
	if err != nil {
		return nil, err
	}
	return withSettings(document, s.Options)
}

// Document returns the OpenAPI document. Of o it uses Providers, Connectors, Actions, HTTPSettings, PublicURL and
// Version.
func Document(o Options) ([]byte, error) { return build(o).writeDocument() }
