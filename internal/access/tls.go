package access

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/bellhop-gateway/bellhop"
)

// maxCertificates bounds a certificate chain and a list of authorities.
const maxCertificates = 64

func (a *Access) checkTLS(set map[string]bool) error {
	err := bellhop.Join("", checkPEM(set, "certificate", a.Certificate), checkPEM(set, "private_key", a.PrivateKey),
		checkPEM(set, "ca", a.CA))
	if err != nil {
		return err
	}
	_, certificateErr := a.TLSCertificate()
	_, caErr := a.Authorities()
	switch {
	case set["certificate"] && !set["private_key"]:
		certificateErr = bellhop.Invalid("private_key", "required with certificate")
	case set["private_key"] && !set["certificate"]:
		certificateErr = bellhop.Invalid("certificate", "required with private_key")
	}
	return bellhop.Join("", certificateErr, caErr)
}

// checkPEM refuses a member that is set but empty, or whose text is damaged.
func checkPEM(set map[string]bool, name, text string) error {
	fault := bellhop.PEMFault(text)
	switch {
	case set[name] && text == "":
		return bellhop.Invalid(name, "is empty; give it a value, or leave it out")
	case fault != "":
		return bellhop.Invalid(name, fault)
	}
	return nil
}

// TLSCertificate parses Certificate and PrivateKey. It returns nil if one of them is not set. Its errors are
// [bellhop.CodeInvalid].
func (a *Access) TLSCertificate() (*tls.Certificate, error) {
	if a.Certificate == "" || a.PrivateKey == "" {
		return nil, nil
	}
	if _, err := certificates("certificate", a.Certificate); err != nil {
		return nil, err
	}
	block, _ := pem.Decode([]byte(a.PrivateKey))
	switch {
	case block == nil:
		return nil, bellhop.Invalid("private_key", `must be PEM, beginning with "-----BEGIN PRIVATE KEY-----"`)
	case strings.HasPrefix(block.Type, "ENCRYPTED"), block.Headers["DEK-Info"] != "":
		return nil, bellhop.Invalid("private_key", "is encrypted; write it without its password, as `openssl "+
			"pkey` does")
	}
	pair, err := tls.X509KeyPair([]byte(a.Certificate), []byte(a.PrivateKey))
	if err != nil { // its text may quote the key
		return nil, bellhop.Invalid("private_key",
			"is not the key of the first certificate; give a certificate and its own key")
	}
	return &pair, nil
}

// Authorities parses CA. It returns none if CA is not set. Its errors are [bellhop.CodeInvalid].
func (a *Access) Authorities() ([]*x509.Certificate, error) {
	if a.CA == "" {
		return nil, nil
	}
	return certificates("ca", a.CA)
}

// certificates parses the member at path: one or more certificates in PEM, and nothing else.
func certificates(path, text string) (list []*x509.Certificate, err error) {
	rest := []byte(text)
	for len(list) < maxCertificates {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, bellhop.Invalid(path, "has a PEM block that is not a certificate; a key "+
				"belongs in private_key")
		}
		c, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, bellhop.Invalid(path, fmt.Sprintf("its certificate number %d cannot be read", len(list)+1))
		}
		list = append(list, c)
	}
	switch {
	case len(list) == 0:
		return nil, bellhop.Invalid(path, `must be PEM, beginning with "-----BEGIN CERTIFICATE-----"`)
	case strings.Count(text, "-----BEGIN") != len(list):
		return nil, bellhop.Invalid(path,
			fmt.Sprintf("has something besides certificates, or more than %d of them", maxCertificates))
	}
	return list, nil
}
