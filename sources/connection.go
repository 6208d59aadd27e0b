package sources

import (
	"slices"
	"strings"
)

// Keys of the Secrets that say how upstream is reached.
const (
	// CAKey, CertKey and PrivateKeyKey are the certificates of an authority, of this side, and its private key, all PEM.
	CAKey         = "ca.crt"
	CertKey       = "tls.crt"
	PrivateKeyKey = "tls.key"
	// IdentityKey, PassphraseKey and KnownHostsKey are a private key of SSH, what unlocks it, and the hosts it may be
	// shown to.
	IdentityKey   = "identity"
	PassphraseKey = "password"
	KnownHostsKey = "known_hosts"

	bearerKey  = "bearerToken"
	caFileKey  = "caFile"
	addressKey = "address"
)

// TLS are the certificates for an upstream, PEM. Whether they can be used is for who uses them.
type TLS struct {
	// CA is trusted instead of the authorities of the system; empty trusts those.
	CA []byte
	// Cert and Key are what this side shows; both or none.
	Cert, Key []byte
}

// Certificates reads the keys ca.crt, tls.crt and tls.key of a Secret. One that has none of them, or a certificate
// without its key, is an [Error] with reason AuthenticationFailed, stalled.
func Certificates(data map[string][]byte) (TLS, error) {
	t := TLS{CA: data[CAKey], Cert: data[CertKey], Key: data[PrivateKeyKey]}
	switch {
	case len(t.CA) == 0 && len(t.Cert) == 0 && len(t.Key) == 0:
		return TLS{}, badSecret("the Secret needs the key %s, or %s and %s, not empty; it has %s", CAKey, CertKey,
			PrivateKeyKey, keysOf(data))
	case len(t.Cert) == 0 != (len(t.Key) == 0):
		return TLS{}, badSecret("the Secret needs both of the keys %s and %s, or neither; it has %s", CertKey, PrivateKeyKey,
			keysOf(data))
	}
	return t, nil
}

// Identity signs in over SSH. Neither formatting nor encoding it shows the key.
type Identity struct{ PrivateKey, Passphrase, KnownHosts []byte }

// String says nothing.
func (Identity) String() string { return "a private key" }

// GoString is String.
func (i Identity) GoString() string { return i.String() }

// MarshalJSON encodes nothing.
func (Identity) MarshalJSON() ([]byte, error) { return []byte(`{}`), nil }

// GitAccess is what the Secret of a Git repository holds.
type GitAccess struct {
	Credentials Credentials
	Identity    Identity
	TLS         TLS
}

// GitSecret reads the Secret of a Git repository. Over SSH it needs the keys identity and known_hosts, and password
// when the private key is locked. Otherwise it may have username and password, or bearerToken, and ca.crt, tls.crt and
// tls.key; nothing of all of them is an [Error] with reason AuthenticationFailed, stalled.
func GitSecret(secretType string, data map[string][]byte, ssh bool) (GitAccess, error) {
	if ssh {
		id := Identity{
			PrivateKey: data[IdentityKey], Passphrase: []byte(value(data, PassphraseKey)), KnownHosts: data[KnownHostsKey],
		}
		if len(id.PrivateKey) == 0 || len(id.KnownHosts) == 0 {
			return GitAccess{}, badSecret("a repository over SSH needs a Secret with the keys %s and %s, not empty; it has %s",
				IdentityKey, KnownHostsKey, keysOf(data))
		}

		return GitAccess{Identity: id}, nil
	}

	var access GitAccess
	var err error
	if ca := data[caFileKey]; len(ca) > 0 && len(data[CAKey]) == 0 {
		access.TLS.CA = ca
	}

	if slices.ContainsFunc([]string{CAKey, CertKey, PrivateKeyKey}, func(key string) bool { return len(data[key]) > 0 }) {
		if access.TLS, err = Certificates(data); err != nil {
			return GitAccess{}, err
		}
	}

	if token := value(data, bearerKey); token != "" {
		if strings.ContainsAny(token, " \t\r\n") {
			return GitAccess{}, badSecret("the key %s of the Secret holds white space, which is no part of a token", bearerKey)
		}

		access.Credentials = Credentials{Token: token}
		return access, nil
	}

	access.Credentials, err = BasicCredentials(secretType, data)
	signs := len(data[usernameKey]) > 0 || len(data[passwordKey]) > 0
	if err != nil && !signs && (len(access.TLS.CA) > 0 || len(access.TLS.Cert) > 0) {
		return access, nil // certificates alone
	}

	return access, err
}

// Proxy reads the keys address, and username and password, of the Secret of a proxy.
func Proxy(data map[string][]byte) (address string, c Credentials, err error) {
	if address = value(data, addressKey); address == "" {
		return "", Credentials{}, badSecret("the Secret of a proxy needs the key %s; it has %s", addressKey, keysOf(data))
	}
	if len(data[usernameKey]) > 0 || len(data[passwordKey]) > 0 {
		c, err = BasicCredentials("", data)
	}
	return address, c, err
}
