package acs_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/acs"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"github.com/bellhop-gateway/bellhop/emulator/eventgrid"
	signer "github.com/bellhop-gateway/bellhop/provider/acs"
)

// A call is recorded, an endpoint is told so by Event Grid, and the file is downloaded by a signed request.
func ExampleNew() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	tokens := entra.New(host, entra.Options{})
	grid := eventgrid.New(host, tokens, eventgrid.Options{})
	host.Add(tokens, grid, acs.New(host, grid, acs.Options{}))
	api := httptest.NewServer(host)
	defer api.Close()

	recordings := make(chan signer.Recording, 1)
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var events []json.RawMessage
		json.NewDecoder(r.Body).Decode(&events)
		var validation struct {
			Data struct{ ValidationCode string }
		}
		json.Unmarshal(events[0], &validation)
		if code := validation.Data.ValidationCode; code != "" {
			fmt.Fprintf(w, `{"validationResponse":%q}`, code)
			return
		}
		recording, err := signer.ParseRecording(events[0])
		if err != nil {
			fmt.Println(err)
		}
		recordings <- recording
	}))
	defer endpoint.Close()

	_, err := host.Happen(emulator.Event{To: endpoint.URL, Base: api.URL, Data: map[string]any{"bytes": 2_000_000}})
	if err != nil {
		fmt.Println(err)
		return
	}
	chunk := (<-recordings).Chunks[0]
	req, err := http.NewRequest(http.MethodGet, chunk.ContentLocation, nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = signer.Sign(signer.Request{Method: req.Method, Target: req.URL.Path, Host: req.URL.Host, Header: req.Header},
		[]byte(acs.DefaultSecret), host.Now())
	if err != nil {
		fmt.Println(err)
		return
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer res.Body.Close()
	n, err := io.Copy(io.Discard, res.Body)
	fmt.Println(res.Status, res.Header.Get("Content-Type"), n, err)
	// Output: 200 OK video/mp4 2000000 <nil>
}
