// Command receiver is an example of a server that receives Bellhop's deliveries. It verifies their signatures and
// ignores repeated deliveries. The session in the README delivers to it.
//
//	receiver [whsec_… [ADDRESS]]
//
// Without arguments the secret is $WEBHOOK_SECRET, and the address 127.0.0.1:9000, or $HOST and $PORT.
package main

import (
	"cmp"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/bellhop-gateway/bellhop/signature"
)

func main() {
	secret := os.Getenv("WEBHOOK_SECRET")
	address := net.JoinHostPort(cmp.Or(os.Getenv("HOST"), "127.0.0.1"), cmp.Or(os.Getenv("PORT"), "9000"))
	if len(os.Args) > 1 {
		secret = os.Args[1]
	}
	if len(os.Args) > 2 {
		address = os.Args[2]
	}
	key, err := signature.ParseStandardKey(secret)
	if err != nil {
		log.Fatal("usage: receiver [whsec_… [ADDRESS]]: ", err)
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
			fmt.Println("repeat", id)
			return
		}
		fmt.Printf("new %s %s\n", id, body)
	})
	fmt.Println("receiving on http://" + address)
	log.Fatal(http.ListenAndServe(address, nil))
}
