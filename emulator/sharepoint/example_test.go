package sharepoint_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/sharepoint"
)

// A program reads what changed in a list since a change token.
func Example() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	host.Add(tokens, sharepoint.New(host, tokens, sharepoint.Options{AnyToken: true}))
	site := httptest.NewServer(host)
	defer site.Close()

	ask := func(method, path, body string, answer any) {
		req, err := http.NewRequest(method, site.URL+"/_api/web/lists/getByTitle('Documents')"+path,
			strings.NewReader(body))
		if err != nil {
			fmt.Println(err)
			return
		}
		req.Header.Set("Accept", "application/json;odata=nometadata")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			fmt.Println(err)
			return
		}
		defer res.Body.Close()
		json.NewDecoder(res.Body).Decode(answer)
	}
	var list struct{ CurrentChangeToken struct{ StringValue string } }
	ask("GET", "?$select=CurrentChangeToken", "", &list)
	for _, change := range []string{"created", "updated", "deleted"} {
		host.Happen(emulator.Event{Resource: "Documents", ChangeType: change})
	}
	var changes struct {
		Value []struct{ ItemID, ChangeType int }
	}
	ask("POST", "/getchanges", `{"query": {"Item": true, "Add": true, "Update": true, "DeleteObject": true,
		"ChangeTokenStart": {"StringValue": "`+list.CurrentChangeToken.StringValue+`"}}}`, &changes)
	fmt.Println(changes.Value)
	// Output:
	// [{1 1} {1 2} {1 3}]
}
