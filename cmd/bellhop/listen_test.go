package main

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"

	"github.com/rogpeppe/go-internal/testscript"
)

// listenInScript is the script command listen.
func listenInScript(ts *testscript.TestScript, _ bool, args []string) {
	receive(ts, nil, args)
}

// receive starts a receiver, one that speaks TLS if there is a config.
func receive(ts *testscript.TestScript, cfg *tls.Config, args []string) {
	name, variable := "received", "RECEIVER"
	if len(args) == 3 {
		name, variable, args = args[0], args[0], args[1:]
	}
	if len(args) != 2 {
		ts.Fatalf("usage: listen [NAME] PLAN BODY")
	}
	reply, err := strconv.Unquote(`"` + args[1] + `"`)
	ts.Check(err)
	r := &scriptReceiver{folder: ts.MkAbs(name), reply: reply}
	for _, word := range strings.Split(args[0], ",") {
		answer, err := parseAnswer(word)
		ts.Check(err)
		r.plan = append(r.plan, answer)
	}
	ts.Check(os.MkdirAll(r.folder, 0o700))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	ts.Check(err)
	scheme := "http://"
	address := listener.Addr().String()
	if cfg != nil {
		scheme, listener = "https://", tls.NewListener(listener, cfg)
	}
	server := &http.Server{Handler: r, ErrorLog: log.New(io.Discard, "", 0)} // of handshakes that are meant to fail
	go server.Serve(listener)
	ts.Defer(func() { server.Close() })
	ts.Setenv(variable, scheme+address)
}

// A scriptReceiver answers by a plan and keeps what it was sent.
type scriptReceiver struct {
	folder string
	plan   []scriptAnswer
	reply  string
	count  atomic.Int64
}

// A scriptAnswer is how one request is answered; status 0 is not at all.
type scriptAnswer struct {
	status     int
	retryAfter string
}

func parseAnswer(word string) (a scriptAnswer, err error) {
	if word == "hang" {
		return a, nil
	}
	status, retryAfter, _ := strings.Cut(word, "/")
	a.retryAfter = retryAfter
	a.status, err = strconv.Atoi(status)
	return a, err
}

func (r *scriptReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	n := int(r.count.Add(1))
	body, _ := io.ReadAll(req.Body)
	var headers bytes.Buffer
	fmt.Fprintf(&headers, "%s %s HTTP/1.1\r\nHost: %s\r\n", req.Method, req.RequestURI, req.Host)
	req.Header.Write(&headers)
	if req.TLS != nil && len(req.TLS.PeerCertificates) > 0 {
		fmt.Fprintf(&headers, "Client-Certificate: %s\r\n", req.TLS.PeerCertificates[0].Subject.CommonName)
	}
	name := filepath.Join(r.folder, strconv.Itoa(n))
	os.WriteFile(name+".headers", headers.Bytes(), 0o600)
	os.WriteFile(name+".body", body, 0o600)
	answer := r.plan[min(n, len(r.plan))-1]
	if answer.status == 0 {
		<-req.Context().Done()
		return
	}
	if answer.retryAfter != "" {
		w.Header().Set("Retry-After", answer.retryAfter)
	}
	reply := r.reply
	if strings.HasPrefix(reply, "{") {
		w.Header().Set("Content-Type", "application/json")
		reply = strings.ReplaceAll(reply, "{n}", strconv.Itoa(n))
	}
	w.WriteHeader(answer.status)
	io.WriteString(w, reply)
}
