package demodir

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
	"time"
)

// certificates is an authority made for one directory and the certificate that
// it gave it. They live in memory alone.
type certificates struct {
	ca     *x509.Certificate
	key    *ecdsa.PrivateKey // of the authority
	server tls.Certificate
}

func makeCertificates(host string, ip net.IP) (*certificates, error) {
	caKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	authority := certificateTemplate("Demo directory CA")
	authority.IsCA, authority.BasicConstraintsValid = true, true
	authority.KeyUsage = x509.KeyUsageCertSign
	ca, err := sign(authority, authority, caKey, caKey)
	if err != nil {
		return nil, err
	}
	c := &certificates{ca: ca, key: caKey}
	c.server, err = c.issue(host, ip)
	return c, err
}

// issue gives a server a certificate, for localhost too.
func (c *certificates) issue(host string, ip net.IP) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	leaf := certificateTemplate(host)
	leaf.DNSNames = []string{host, "localhost"}
	leaf.IPAddresses = []net.IP{ip}
	leaf.KeyUsage = x509.KeyUsageDigitalSignature
	leaf.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	server, err := sign(leaf, c.ca, key, c.key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{server.Raw}, PrivateKey: key, Leaf: server}, nil
}

func certificateTemplate(name string) *x509.Certificate {
	now := time.Now()
	serial := make([]byte, 8)
	_, _ = rand.Read(serial) // never fails, says its documentation
	return &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(serial),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    now.Add(-time.Hour),
		NotAfter:     now.AddDate(1, 0, 0),
	}
}

func sign(template, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) (*x509.Certificate, error) {
	der, err := x509.CreateCertificate(rand.Reader, template, parent, &key.PublicKey, parentKey)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (c *certificates) tlsConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{c.server}, MinVersion: tls.VersionTLS12}
}

// CA is the authority that signed the directory's certificate.
func (s *Server) CA() *x509.Certificate { return s.certs.ca }

// CAPEM is CA as a PEM file holds it.
func (s *Server) CAPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: s.certs.ca.Raw})
}

// SitePEM is a certificate of the same authority for a site on this machine, and its key,
// as PEM files hold them.
func (s *Server) SitePEM(ip net.IP) (certificate, key []byte, err error) {
	issued, err := s.certs.issue("demo."+s.cfg.DNSDomain, ip)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(issued.PrivateKey)
	if err != nil {
		return nil, nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Leaf.Raw}),
		pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}
