package boro_test

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"time"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/boro"
	receiver "github.com/bellhop-gateway/bellhop/provider/boro"
)

// A receiver verifies an alarm that begins and ends.
func ExampleNew() {
	key, _ := hex.DecodeString("b4c5d2f0a1e89376245b8c7d6e9f0a1b")
	alarms := make(chan string, 2)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		m := receiver.Message{Method: r.Method, URI: r.RequestURI, Header: r.Header, Body: body}
		err := receiver.Verify(m, "265", [][]byte{key}, time.Now(), receiver.DefaultTolerance)
		n, _ := receiver.Parse(body)
		alarms <- fmt.Sprintln(n.Status, n.Task, n.ReferenceNumber != "", err)
	}))
	defer hook.Close()

	host := emulator.New(emulator.Options{})
	defer host.Close()
	project, err := boro.New(host, boro.Options{Profiles: []boro.Profile{
		{ID: "265", Name: "Night shift", URL: hook.URL, SecretKey: hex.EncodeToString(key)}}})
	if err != nil {
		fmt.Println(err)
		return
	}
	host.Add(project)
	for _, change := range []string{"Active", "Cleared"} {
		host.Happen(emulator.Event{Resource: "tasks/News DASH", ChangeType: change})
		fmt.Print(<-alarms)
	}
	// Output:
	// Active News DASH true <nil>
	// Cleared News DASH true <nil>
}
