package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// certifyInScript is the script command certify.
func certifyInScript(ts *testscript.TestScript, _ bool, args []string) {
	authority := certificate("an authority")
	authority.IsCA, authority.KeyUsage = true, x509.KeyUsageCertSign
	key := issue(ts, "ca", authority, authority, nil)
	for _, name := range args {
		issue(ts, name, certificate(name), authority, key)
	}
}

// certificate is one of that name before it is signed.
func certificate(name string) *x509.Certificate {
	return &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature}
}

// issue signs c by the key of parent, or its own where that is nil, and writes it and its key into files of that name.
func issue(ts *testscript.TestScript, name string, c, parent *x509.Certificate, by *ecdsa.PrivateKey) *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	ts.Check(err)
	if by == nil {
		by = key
	}
	der, err := x509.CreateCertificate(rand.Reader, c, parent, key.Public(), by)
	ts.Check(err)
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(name+".pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))
	ts.Check(os.WriteFile(ts.MkAbs(name+".key"), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}), 0o600))
	return key
}

// listenTLSInScript is the script command listen-tls.
func listenTLSInScript(ts *testscript.TestScript, _ bool, args []string) {
	own, err := tls.LoadX509KeyPair(ts.MkAbs("server.pem"), ts.MkAbs("server.key"))
	ts.Check(err)
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(ts.ReadFile("ca.pem")))
	receive(ts, &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted}, args)
}
