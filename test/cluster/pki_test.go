package main

import (
	"crypto/x509"
	"net"
	"os"
	"slices"
	"strings"
	"testing"

	"k8s.io/client-go/tools/clientcmd"
)

func TestCertificatesAreWhatTheComponentsExpect(t *testing.T) {
	t.Parallel()
	dir := newWorkdir(t)
	if err := ensurePKI(dir); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(certificate(t, dir, authorityFile))

	serving := certificate(t, dir, servingFile)
	if _, err := serving.Verify(x509.VerifyOptions{Roots: roots, DNSName: "127.0.0.1"}); err != nil {
		t.Errorf("the serving certificate is not good for 127.0.0.1: %v", err)
	}
	if !slices.ContainsFunc(serving.IPAddresses, net.ParseIP(serviceIP).Equal) {
		t.Errorf("the serving certificate misses the service address: %v", serving.IPAddresses)
	}
	for file, subject := range map[string]string{
		adminFile:         "CN=admin,O=system:masters",
		ownFile:           "CN=devcluster,O=system:masters",
		kwokFile:          "CN=kwok,O=system:masters",
		controllerManager: "CN=system:kube-controller-manager",
		scheduler:         "CN=system:kube-scheduler",
	} {
		cert := certificate(t, dir, file)
		if cert.Subject.String() != subject {
			t.Errorf("certificate %s is for %s, want %s", file, cert.Subject, subject)
		}
		usage := x509.VerifyOptions{Roots: roots, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}}
		if _, err := cert.Verify(usage); err != nil {
			t.Errorf("certificate %s is not good for a client: %v", file, err)
		}
	}
}

func TestKeyMaterialIsKeptAndPrivate(t *testing.T) {
	t.Parallel()
	dir := newWorkdir(t)
	if err := ensurePKI(dir); err != nil {
		t.Fatal(err)
	}
	before := keyMaterial(t, dir)
	if err := os.Remove(dir.pki(kwokFile + ".crt")); err != nil {
		t.Fatal(err)
	}
	if err := ensurePKI(dir); err != nil {
		t.Fatal(err)
	}
	for name, text := range keyMaterial(t, dir) {
		if changed := before[name] != text; changed != strings.HasPrefix(name, kwokFile) {
			t.Errorf("%s changed: %t; only what misses its half is made again", name, changed)
		}
	}
}

func TestKubeconfigStandsAlone(t *testing.T) {
	t.Parallel()
	dir := newWorkdir(t)
	if err := ensurePKI(dir); err != nil {
		t.Fatal(err)
	}
	if err := writeKubeconfig(dir, dir.kubeconfig(), adminFile, 23456); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(dir.file("pki")); err != nil {
		t.Fatal(err)
	}
	config, err := clientcmd.BuildConfigFromFlags("", dir.kubeconfig())
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != "https://127.0.0.1:23456" || len(config.CAData) == 0 || len(config.CertData) == 0 ||
		len(config.KeyData) == 0 {
		t.Errorf("host %s, ca %d, cert %d, key %d bytes", config.Host, len(config.CAData), len(config.CertData),
			len(config.KeyData))
	}
}

func certificate(t *testing.T, dir workdir, name string) *x509.Certificate {
	t.Helper()
	der, err := readPEM(dir.pki(name + ".crt"))
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// keyMaterial reads all files of the folder, and checks that keys are for the owner's eyes only.
func keyMaterial(t *testing.T, dir workdir) map[string]string {
	t.Helper()
	entries, err := os.ReadDir(dir.file("pki"))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, entry := range entries {
		text, err := os.ReadFile(dir.pki(entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		files[entry.Name()] = string(text)
		if info, err := entry.Info(); err != nil || strings.HasSuffix(entry.Name(), ".key") && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v (%v), want 0600", entry.Name(), info.Mode(), err)
		}
	}
	return files
}
