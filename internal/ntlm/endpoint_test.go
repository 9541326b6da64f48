package ntlm

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"crypto/x509/pkix"
	"math/big"
	"testing"
	"time"
)

// TestEndPointHash: RFC 5929 4.1, at certificates of each hash.
func TestEndPointHash(t *testing.T) {
	elliptical, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rivest, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	sha256Sum := func(b []byte) []byte { sum := sha256.Sum256(b); return sum[:] }
	sha384Sum := func(b []byte) []byte { sum := sha512.Sum384(b); return sum[:] }
	sha512Sum := func(b []byte) []byte { sum := sha512.Sum512(b); return sum[:] }
	for _, c := range []struct {
		algorithm x509.SignatureAlgorithm
		key       any
		want      func([]byte) []byte
	}{
		{x509.SHA256WithRSA, rivest, sha256Sum},
		{x509.SHA384WithRSA, rivest, sha384Sum},
		{x509.SHA512WithRSAPSS, rivest, sha512Sum},
		{x509.ECDSAWithSHA256, elliptical, sha256Sum},
		{x509.ECDSAWithSHA384, elliptical, sha384Sum},
		{x509.ECDSAWithSHA512, elliptical, sha512Sum},
	} {
		template := &x509.Certificate{
			SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "dc1"}, SignatureAlgorithm: c.algorithm,
			NotBefore: time.Now(), NotAfter: time.Now().Add(time.Hour),
		}
		var raw []byte
		var err error
		if key, ok := c.key.(*rsa.PrivateKey); ok {
			raw, err = x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
		} else {
			raw, err = x509.CreateCertificate(rand.Reader, template, template, &elliptical.PublicKey, elliptical)
		}
		if err != nil {
			t.Fatal(err)
		}
		certificate, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		if got, want := EndPointBinding(certificate), EndPointBindingOf(c.want(raw)); got != want {
			t.Errorf("%v: got %x, want %x", c.algorithm, got, want)
		}
	}
	sha1 := &x509.Certificate{SignatureAlgorithm: x509.SHA1WithRSA, Raw: []byte("old")}
	if got := EndPointBinding(sha1); got != EndPointBindingOf(sha256Sum(sha1.Raw)) {
		t.Errorf("SHA-1: got %x, want SHA-256", got)
	}
}
