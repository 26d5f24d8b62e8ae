package generic

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/bellhop-gateway/bellhop"
	"github.com/bellhop-gateway/bellhop/provider"
)

// The schemes.
const (
	schemeHMAC  = "hmac"
	schemeToken = "token"
	schemeBasic = "basic"
	schemeQuery = "query"
	schemeNone  = "none"
)

var schemes = []string{schemeHMAC, schemeToken, schemeBasic, schemeQuery, schemeNone}

// usedBy says which schemes use a setting; any scheme uses those that are not here.
var usedBy = map[string][]string{
	"secret":           {schemeHMAC, schemeToken, schemeBasic, schemeQuery},
	"header":           {schemeHMAC, schemeToken},
	"prefix":           {schemeHMAC, schemeToken},
	"secret_encoding":  {schemeHMAC},
	"hash":             {schemeHMAC},
	"encoding":         {schemeHMAC},
	"timestamp_header": {schemeHMAC},
	"tolerance":        {schemeHMAC},
	"template":         {schemeHMAC},
	"repeat":           {schemeHMAC},
	"username":         {schemeBasic},
	"parameter":        {schemeQuery},
}

type settings struct {
	Scheme          string           `json:"scheme"`
	Secret          provider.Secrets `json:"secret"`
	SecretEncoding  string           `json:"secret_encoding"`
	Header          string           `json:"header"`
	Prefix          *string          `json:"prefix"`
	Hash            string           `json:"hash"`
	Encoding        string           `json:"encoding"`
	TimestampHeader string           `json:"timestamp_header"`
	Template        string           `json:"template"`
	IDHeader        string           `json:"id_header"`
	TypeHeader      string           `json:"type_header"`
	Username        string           `json:"username"`
	Parameter       string           `json:"parameter"`

	Tolerance string   `json:"tolerance"`
	Repeat    string   `json:"repeat"`
	IDField   string   `json:"id_field"`
	TypeField string   `json:"type_field"`
	Type      string   `json:"type"`
	Methods   []string `json:"methods"`
}

type sendSettings struct {
	Scheme          string           `json:"scheme"`
	Secret          provider.Secrets `json:"secret"`
	SecretEncoding  string           `json:"secret_encoding"`
	Header          string           `json:"header"`
	Prefix          *string          `json:"prefix"`
	Hash            string           `json:"hash"`
	Encoding        string           `json:"encoding"`
	TimestampHeader string           `json:"timestamp_header"`
	Template        string           `json:"template"`
	IDHeader        string           `json:"id_header"`
	TypeHeader      string           `json:"type_header"`
	Username        string           `json:"username"`
	Parameter       string           `json:"parameter"`

	Method string `json:"method"`
}
