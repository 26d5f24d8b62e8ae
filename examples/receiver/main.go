// Command receiver is the other end: a server that takes Bellhop's deliveries, checks their signature and drops
// repeats. It is an example, and what the README's session delivers to.
//
//	receiver whsec_… [ADDRESS]
package main

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

func main() {
	if len(os.Args) < 2 {
		log.Fatal("usage: receiver whsec_… [ADDRESS]")
	}
	key, err := signature.ParseStandardKey(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	address := "127.0.0.1:9000"
	if len(os.Args) > 2 {
		address = os.Args[2]
	}
	var seen sync.Map // ids of events that were dealt with; yours would be in a database
	http.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		id, err := signature.VerifyStandardHeader(r.Header, body, []signature.StandardKey{key}, time.Now(),
			signature.StandardTolerance)
		if err != nil {
			http.Error(w, "not authentic", http.StatusUnauthorized)
			return
		}
		if _, repeat := seen.LoadOrStore(id, true); repeat {
			return
		}
		fmt.Printf("%s, attempt %s, signature good:\n%s\n", id, r.Header.Get("Bellhop-Attempt"), body)
	})
	fmt.Println("receiving on http://" + address)
	log.Fatal(http.ListenAndServe(address, nil))
}
