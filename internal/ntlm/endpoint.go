package ntlm

import (
	"crypto"
	_ "crypto/sha256" // the hashes of certificates' signatures
	_ "crypto/sha512"
	"crypto/x509"
)

// EndPointBinding is the ChannelBindings of a TLS connection whose server has shown a
// certificate, by the binding type tls-server-end-point, RFC 5929 4.
func EndPointBinding(certificate *x509.Certificate) [16]byte {
	h := endPointHash(certificate.SignatureAlgorithm).New()
	h.Write(certificate.Raw)
	return EndPointBindingOf(h.Sum(nil))
}

// EndPointBindingOf is the same by the certificate's hash.
func EndPointBindingOf(hash []byte) [16]byte {
	return ChannelBindings(append([]byte("tls-server-end-point:"), hash...))
}

// endPointHash is the hash function of a certificate's signature; MD5 and SHA-1
// become SHA-256, and so does what names none, RFC 5929 4.1.
func endPointHash(algorithm x509.SignatureAlgorithm) crypto.Hash {
	switch algorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		return crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		return crypto.SHA512
	}
	return crypto.SHA256
}
