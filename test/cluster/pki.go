package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"time"
)

// certLifetime outlives any directory; nothing here renews a certificate.
const certLifetime = 10 * 365 * 24 * time.Hour

// identity is one certificate that the cluster's authority signs.
type identity struct {
	file         string
	user         string
	organization string
	serving      bool
}

// Names of the key material in DIR/pki.
const (
	authorityFile      = "ca"
	servingFile        = "serving"
	serviceAccountFile = "service-account"
	adminFile          = "admin"
	ownFile            = "devcluster"
	kwokFile           = "kwok"
)

// identities are who takes part. The controller manager and the scheduler get the users that the bootstrap RBAC rules
// know; devcluster and kwok are administrators under names of their own, which an audit log shows.
var identities = []identity{
	{file: servingFile, user: "kube-apiserver", serving: true},
	{file: adminFile, user: "admin", organization: "system:masters"},
	{file: ownFile, user: "devcluster", organization: "system:masters"},
	{file: kwokFile, user: "kwok", organization: "system:masters"},
	{file: controllerManager, user: "system:kube-controller-manager"},
	{file: scheduler, user: "system:kube-scheduler"},
}

// authority signs certificates.
type authority struct {
	cert *x509.Certificate
	key  crypto.Signer
}

// ensurePKI creates the key material that is missing and leaves what is there as it is, so a resumed cluster keeps its
// kubeconfigs and its service account tokens valid.
func ensurePKI(d workdir) error {
	ca, err := ensureAuthority(d)
	if err != nil {
		return err
	}
	for _, who := range identities {
		if err := ensureIdentity(d, ca, who); err != nil {
			return err
		}
	}
	return ensureServiceAccountKey(d)
}

func ensureAuthority(d workdir) (authority, error) {
	certPath, keyPath := d.pki(authorityFile+".crt"), d.pki(authorityFile+".key")
	if present, err := bothExist(certPath, keyPath); err != nil || present {
		if err != nil {
			return authority{}, err
		}
		return loadAuthority(certPath, keyPath)
	}
	key, err := newKey()
	if err != nil {
		return authority{}, err
	}
	template, err := certificateTemplate(identity{user: "devcluster-ca"})
	if err != nil {
		return authority{}, err
	}
	template.IsCA = true
	template.BasicConstraintsValid = true
	template.KeyUsage |= x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	template.ExtKeyUsage = nil
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return authority{}, fmt.Errorf("sign the cluster's authority: %w", err)
	}
	if err := writePair(certPath, der, keyPath, key); err != nil {
		return authority{}, err
	}
	return loadAuthority(certPath, keyPath)
}

func loadAuthority(certPath, keyPath string) (authority, error) {
	certBlock, err := readPEM(certPath)
	if err != nil {
		return authority{}, err
	}
	keyBlock, err := readPEM(keyPath)
	if err != nil {
		return authority{}, err
	}
	cert, err := x509.ParseCertificate(certBlock)
	if err != nil {
		return authority{}, fmt.Errorf("parse %s: %w", certPath, err)
	}
	key, err := x509.ParseECPrivateKey(keyBlock)
	if err != nil {
		return authority{}, fmt.Errorf("parse %s: %w", keyPath, err)
	}
	return authority{cert: cert, key: key}, nil
}

func ensureIdentity(d workdir, ca authority, who identity) error {
	certPath, keyPath := d.pki(who.file+".crt"), d.pki(who.file+".key")
	if present, err := bothExist(certPath, keyPath); err != nil || present {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	template, err := certificateTemplate(who)
	if err != nil {
		return err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca.cert, key.Public(), ca.key)
	if err != nil {
		return fmt.Errorf("sign certificate of %s: %w", who.user, err)
	}
	return writePair(certPath, der, keyPath, key)
}

// ensureServiceAccountKey creates the key that signs service account tokens; the API server verifies with the same
// file.
func ensureServiceAccountKey(d workdir) error {
	path := d.pki(serviceAccountFile + ".key")
	if _, err := os.Stat(path); err == nil || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	key, err := newKey()
	if err != nil {
		return err
	}
	return writeKey(path, key)
}

func certificateTemplate(who identity) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, fmt.Errorf("draw a serial number: %w", err)
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: who.user},
		// An hour of slack for clocks that were set back between two starts.
		NotBefore:   now.Add(-time.Hour),
		NotAfter:    now.Add(certLifetime),
		KeyUsage:    x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	}
	if who.organization != "" {
		template.Subject.Organization = []string{who.organization}
	}
	if who.serving {
		template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
		template.IPAddresses = []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(serviceIP)}
		template.DNSNames = []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
			"kubernetes.default.svc.cluster.local"}
	}
	return template, nil
}

func newKey() (*ecdsa.PrivateKey, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("generate a key: %w", err)
	}
	return key, nil
}

// writePair writes the key first: a certificate without its key never looks complete, and a start that was cut
// off between the two simply makes both again.
func writePair(certPath string, der []byte, keyPath string, key *ecdsa.PrivateKey) error {
	if err := writeKey(keyPath, key); err != nil {
		return err
	}
	return writePEM(certPath, "CERTIFICATE", der, 0o644)
}

func writeKey(path string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode %s: %w", path, err)
	}
	return writePEM(path, "EC PRIVATE KEY", der, 0o600)
}

func writePEM(path, kind string, der []byte, mode fs.FileMode) error {
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), mode); err != nil {
		return fmt.Errorf("write key material: %w", err)
	}
	return nil
}

func readPEM(path string) ([]byte, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key material: %w", err)
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s is not PEM: remove the cluster directory to start afresh", path)
	}
	return block.Bytes, nil
}

func bothExist(first, second string) (bool, error) {
	for _, path := range []string{first, second} {
		_, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, fmt.Errorf("look for key material: %w", err)
		}
	}
	return true, nil
}
