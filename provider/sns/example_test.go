package sns_test

import (
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/bellhop-gateway/bellhop/provider/sns"
)

// A handler that lets through what SNS signed, without the rest of Bellhop. The certificate is one that you fetched from
// SNS yourself; whose topic it is for, you still have to look at.
func ExampleVerify() {
	block, _ := pem.Decode([]byte(certificate))
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		fmt.Println(err)
		return
	}
	public := leaf.PublicKey.(*rsa.PublicKey)
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
		if err != nil {
			http.Error(w, "too large", http.StatusRequestEntityTooLarge)
			return
		}
		if err := sns.Verify(body, public); err != nil {
			http.Error(w, "not signed by SNS", http.StatusUnauthorized)
			return
		}
		fmt.Println("signed under", leaf.DNSNames[0])
	})
	handler.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/", strings.NewReader(sample("notification"))))
	// Output: signed under sns.amazonaws.com
}
