package sources

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

func secretOf(pairs ...string) map[string][]byte {
	data := map[string][]byte{}
	for i := 0; i < len(pairs); i += 2 {
		data[pairs[i]] = []byte(pairs[i+1])
	}
	return data
}

func TestGitSecret(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name string
		data map[string][]byte
		ssh  bool
		want GitAccess
		says string
	}{
		{
			"a password", secretOf("username", "u", "password", "p\n"), false,
			GitAccess{Credentials: Credentials{Username: "u", Password: "p"}}, "",
		},
		{
			"a token", secretOf("bearerToken", "t\n", "username", "left"), false,
			GitAccess{Credentials: Credentials{Token: "t"}}, "",
		},
		{"an authority alone", secretOf("ca.crt", "c"), false, GitAccess{TLS: TLS{CA: []byte("c")}}, ""},
		{"an authority under its older name", secretOf("caFile", "c", "username", "u", "password", "p"), false,
			GitAccess{Credentials: Credentials{Username: "u", Password: "p"}, TLS: TLS{CA: []byte("c")}}, ""},
		{
			"a client certificate", secretOf("tls.crt", "c", "tls.key", "k"), false,
			GitAccess{TLS: TLS{Cert: []byte("c"), Key: []byte("k")}}, "",
		},
		{
			"half a client certificate", secretOf("tls.crt", "c"), false, GitAccess{},
			"needs both of the keys tls.crt and tls.key",
		},
		{"nothing", secretOf("identity", "hunter2"), false, GitAccess{}, `it has "identity"`},
		{"half a password", secretOf("username", "u", "ca.crt", "c"), false, GitAccess{}, "username and password"},
		{"a token with a space", secretOf("bearerToken", "hunter2 hunter2"), false, GitAccess{}, "white space"},
		{
			"a key", secretOf("identity", "i", "known_hosts", "h", "password", "p\n"), true,
			GitAccess{Identity: Identity{[]byte("i"), []byte("p"), []byte("h")}}, "",
		},
		{"a key without hosts", secretOf("identity", "hunter2"), true, GitAccess{}, "identity and known_hosts"},
		{
			"a password over ssh", secretOf("username", "u", "password", "hunter2"), true, GitAccess{},
			"identity and known_hosts",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := GitSecret("Opaque", tt.data, tt.ssh)
			if tt.says == "" {
				if err != nil || fmt.Sprintf("%+q", toText(got)) != fmt.Sprintf("%+q", toText(tt.want)) {
					t.Errorf("%+v, %v", got, err)
				}
				return
			}
			var failed *Error
			if !errors.As(err, &failed) || failed.Reason() != v1beta1.AuthenticationFailedReason || failed.Retryable() ||
				!strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%v", err)
			}
		})
	}
}

// toText shows what formatting hides.
func toText(a GitAccess) []string {
	return []string{a.Credentials.Username, a.Credentials.Password, a.Credentials.Token, string(a.Identity.PrivateKey),
		string(a.Identity.Passphrase),
		string(a.Identity.KnownHosts), string(a.TLS.CA), string(a.TLS.Cert), string(a.TLS.Key)}
}

func TestIdentitiesAreNotShown(t *testing.T) {
	t.Parallel()
	access := GitAccess{
		Identity: Identity{[]byte("hunter2"), []byte("hunter2"), nil}, Credentials: Credentials{Token: "hunter2"},
	}
	encoded, err := json.Marshal(access)
	if text := fmt.Sprintf("%v %+v %#v %s", access.Identity, access.Identity, access.Identity, encoded) +
		access.Credentials.String(); err != nil || strings.Contains(text, "hunter2") || strings.Contains(text, "aHVudGVyMg") {
		t.Errorf("%s, %v", text, err)
	}
}

func TestCertificatesAndProxies(t *testing.T) {
	t.Parallel()
	if got, err := Certificates(secretOf("ca.crt", "c", "tls.crt", "d", "tls.key", "k")); err != nil ||
		string(got.CA)+string(got.Cert)+string(got.Key) != "cdk" {
		t.Errorf("%v, %v", got, err)
	}
	for _, data := range []map[string][]byte{nil, secretOf("tls.key", "k"), secretOf("ca.crt", "")} {
		if _, err := Certificates(data); err == nil {
			t.Errorf("%v is accepted", data)
		}
	}
	if address, c, err := Proxy(
		secretOf("address", "http://proxy:3128\n", "username", "u", "password", "p")); err != nil ||
		address != "http://proxy:3128" || c.Password != "p" {
		t.Errorf("%s, %v, %v", address, c, err)
	}
	if _, c, err := Proxy(secretOf("address", "http://proxy")); err != nil || !c.IsZero() {
		t.Errorf("%v, %v", c, err)
	}
	for _, data := range []map[string][]byte{nil, secretOf("address", "http://proxy", "username", "u")} {
		if _, _, err := Proxy(data); err == nil {
			t.Errorf("%v is accepted", data)
		}
	}
}
