package eventgrid_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider/eventgrid"
	"github.com/bellhop-gateway/bellhop/signature"
)

// A handler that answers the validation and reads events, without Bellhop's server.
func Example() {
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 2<<20))
		if err != nil || !signature.EqualToken(r.URL.Query().Get("code"), "3f9c") {
			http.Error(w, "not from Event Grid", http.StatusUnauthorized)
			return
		}
		items, err := eventgrid.Items(body)
		if v, ok, _ := eventgrid.ReadValidation(r.Header, items); ok && err == nil {
			_ = json.NewEncoder(w).Encode(map[string]string{"validationResponse": v.Code})
			return
		}
		for _, item := range items {
			ev, err := eventgrid.Parse(item)
			fmt.Println(ev.Type, ev.Subject, err)
		}
	})

	for _, body := range []string{
		`[{"id":"1","eventType":"Microsoft.EventGrid.SubscriptionValidationEvent","data":{"validationCode":"512d"}}]`,
		`[{"id":"2","eventType":"recordInserted","subject":"cars","data":{}},{"id":"3","eventType":"recordDeleted","subject":"cars","data":{}}]`,
	} {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("POST", "/?code=3f9c", strings.NewReader(body)))
		fmt.Print(w.Code, " ", w.Body)
	}
	// Output:
	// 200 {"validationResponse":"512d"}
	// recordInserted cars <nil>
	// recordDeleted cars <nil>
	// 200
}
