package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// A saved request is what a file of headers says of one. Method and target are "" where it does not.
type saved struct {
	method, target string
	header         http.Header
}

// parseSaved reads 'Name: value' lines, which may begin with a request line and end with a blank one, or a JSON
// object: of names and values, or with such an object as "headers", as 'bellhop requests show --json' prints it.
func parseSaved(text []byte) (saved, error) {
	text = bytes.TrimPrefix(text, []byte("\xef\xbb\xbf"))
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		return parseSavedJSON(text)
	}
	s := saved{header: make(http.Header)}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSuffix(line, "\r")
		if line == "" {
			break
		}
		if method, target, ok := requestLine(line); i == 0 && ok {
			s.method, s.target = method, target
			continue
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return s, fmt.Errorf("line %d is not 'Name: value'", i+1)
		}
		s.header.Add(strings.TrimSpace(name), strings.Trim(value, " \t"))
	}
	return s, nil
}

// requestLine takes "POST /in/x HTTP/1.1" apart.
func requestLine(line string) (method, target string, ok bool) {
	method, rest, ok := strings.Cut(line, " ")
	if !ok || strings.Contains(method, ":") {
		return "", "", false
	}
	target, _, ok = strings.Cut(rest, " HTTP/")
	return method, target, ok
}

func parseSavedJSON(text []byte) (saved, error) {
	s := saved{header: make(http.Header)}
	var whole struct {
		Method, Target string
		Headers        map[string]any
	}
	if err := json.Unmarshal(text, &whole); err != nil || whole.Headers == nil {
		whole.Method, whole.Target = "", ""
		if err := json.Unmarshal(text, &whole.Headers); err != nil {
			return s, errors.New("is not a JSON object of headers")
		}
	}
	s.method, s.target = whole.Method, whole.Target
	for name, value := range whole.Headers {
		switch value := value.(type) {
		case string:
			s.header.Add(name, value)
		case []any:
			for _, v := range value {
				s.header.Add(name, fmt.Sprint(v))
			}
		default:
			return s, fmt.Errorf("header %s is neither text nor a list of it", name)
		}
	}
	return s, nil
}
