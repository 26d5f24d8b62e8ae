package entra_test

import (
	"context"
	"fmt"
	"net/http/httptest"

	"github.com/bellhop-gateway/bellhop/emulator"
	"github.com/bellhop-gateway/bellhop/emulator/entra"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/clientcredentials"
)

// A program gets a token as from login.microsoftonline.com. Then the stand-in misbehaves as a tenant does whose
// administrator has disabled the application.
func Example() {
	host := emulator.New(emulator.Options{})
	defer host.Close()
	host.Add(entra.New(host, entra.Options{}))
	authority := httptest.NewServer(host)
	defer authority.Close()

	config := clientcredentials.Config{ClientID: entra.DefaultClient, ClientSecret: entra.DefaultSecret,
		TokenURL:  authority.URL + "/contoso.example/oauth2/v2.0/token",
		Scopes:    []string{"https://graph.microsoft.com/.default"},
		AuthStyle: oauth2.AuthStyleInParams}
	token, err := config.Token(context.Background())
	fmt.Println(token.TokenType, err)

	host.Fault(emulator.Fault{Kind: emulator.FaultError, Value: "AADSTS7000112"})
	_, err = config.Token(context.Background())
	if failed, ok := err.(*oauth2.RetrieveError); ok {
		fmt.Println(failed.Response.StatusCode, failed.ErrorCode)
	}
	// Output:
	// Bearer <nil>
	// 400 unauthorized_client
}
