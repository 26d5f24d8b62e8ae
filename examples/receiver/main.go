// Command receiver is an example of a server that receives Bellhop's deliveries. It verifies their signatures and
// ignores repeated deliveries. The session in the README delivers to it.
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
	var seen sync.Map // ids of the processed events; a real receiver stores them in its database
	http.HandleFunc("POST /", func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		id, err := signature.VerifyStandardHeader(r.Header, body, []signature.StandardKey{key}, time.Now(),
			signature.StandardTolerance)
		if err != nil {
			http.Error(w, "invalid signature", http.StatusUnauthorized)
			return
		}
		if _, repeat := seen.LoadOrStore(id, true); repeat {
			return
		}
		fmt.Printf("%s, attempt %s, signature valid:\n%s\n", id, r.Header.Get("Bellhop-Attempt"), body)
	})
	fmt.Println("receiving on http://" + address)
	log.Fatal(http.ListenAndServe(address, nil))
}
