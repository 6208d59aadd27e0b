package transport

import (
	"crypto/tls"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Keys of a Secret with certificates.
const (
	caKey          = "ca.crt"
	certificateKey = "tls.crt"
	privateKey     = "tls.key"
)

// ReadTLS reads the certificates of a Secret: ca.crt is trusted instead of the system's, tls.crt and tls.key are shown to
// servers that ask. A Secret without any of them, half a pair, or text that is no certificate is an Error with reason
// AuthenticationFailed, stalled, which never shows what is in the Secret.
func ReadTLS(data map[string][]byte) (Options, error) {
	o := Options{CA: data[caKey], Certificate: data[certificateKey], Key: data[privateKey]}
	if len(o.CA)+len(o.Certificate)+len(o.Key) == 0 {
		return Options{}, badTLS("the Secret needs the key %s, or %s and %s", caKey, certificateKey, privateKey)
	}
	if len(o.CA) > 0 {
		if err := CheckCA(o.CA); err != nil {
			return Options{}, err
		}
	}
	if len(o.Certificate)+len(o.Key) == 0 {
		return o, nil
	}
	if len(o.Certificate) == 0 || len(o.Key) == 0 {
		return Options{}, badTLS("the Secret has one of %s and %s without the other", certificateKey, privateKey)
	}
	// The parser's own error may show parts of the text.
	if _, err := tls.X509KeyPair(o.Certificate, o.Key); err != nil {
		return Options{}, badTLS("%s and %s of the Secret are no PEM certificate with its private key", certificateKey, privateKey)
	}
	return o, nil
}

func badTLS(format string, args ...any) error {
	return sources.Stall(v1beta1.AuthenticationFailedReason, nil, format, args...)
}
