package install

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"sync"

	gitssh "github.com/go-git/go-git/v5/plumbing/transport/ssh"
	"golang.org/x/crypto/ssh"

	"fairlead.dev/fairlead/sources/knownhosts"
)

const (
	sshScheme = "ssh"
	sshUser   = "git"
	sshPort   = "22"
)

// Key signs in to a repository over SSH, to hosts that are known only.
type Key struct {
	gitssh.PublicKeys

	private    []byte
	passphrase string
	algorithms []string

	mu sync.Mutex
	// shown is the key of the host as a line of known_hosts, problem why it is not trusted.
	shown   string
	problem error
}

// NewKey reads a private key, and the file with the hosts it may be shown to, for the repository at an address. Neither appears in errors.
func NewKey(address string, private []byte, passphrase, knownHosts string) (*Key, error) {
	u, err := parseURL(address)
	if err != nil {
		return nil, err
	}

	signer, err := signerOf(private, passphrase)
	if err != nil {
		return nil, err
	}

	text, err := os.ReadFile(knownHosts) //nolint:gosec // G304: the user of the command names the file
	if err != nil {
		return nil, fmt.Errorf("the file of known hosts %s cannot be read; write it with ssh-keyscan, "+
			"and compare the keys with what the host publishes", knownHosts)
	}

	port := u.Port()
	user := sshUser
	if port == "" {
		port = sshPort
	}
	if u.User != nil {
		user = u.User.Username()
	}

	host := net.JoinHostPort(u.Hostname(), port)
	known, err := hostOf(text, host)
	if err != nil {
		return nil, fmt.Errorf("the file of known hosts %s cannot be used: %w", knownHosts, err)
	}

	k := &Key{
		PublicKeys: gitssh.PublicKeys{User: user, Signer: signer},
		private:    private, passphrase: passphrase, algorithms: known.Algorithms(),
	}
	if len(k.algorithms) == 0 {
		return nil, fmt.Errorf("the file of known hosts %s has no line for %s; add it with ssh-keyscan, and compare the key with what the host publishes", knownHosts, host)
	}

	k.HostKeyCallback = func(_ string, _ net.Addr, key ssh.PublicKey) error {
		err := known.Check(key)
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.problem = nil; err != nil {
			k.problem = fmt.Errorf("the host shows the key %s, which is not the one in %s: it has changed, or the connection is intercepted", ssh.FingerprintSHA256(key), knownHosts)
			return err
		}

		k.shown = knownhosts.Line(host, key)
		return nil
	}
	return k, nil
}

// hostOf is what a known_hosts file says of a host, as the controller reads it.
func hostOf(text []byte, address string) (knownhosts.Host, error) {
	hosts, err := knownhosts.Parse(text)
	if errors.Is(err, knownhosts.ErrEmpty) {
		return knownhosts.Host{}, nil // like a file that names other hosts
	}
	if err != nil {
		return knownhosts.Host{}, err
	}
	return hosts.For(address)
}

func signerOf(private []byte, passphrase string) (ssh.Signer, error) {
	var signer ssh.Signer
	var err error
	if passphrase != "" {
		signer, err = ssh.ParsePrivateKeyWithPassphrase(private, []byte(passphrase))
	} else {
		signer, err = ssh.ParsePrivateKey(private)
	}

	var locked *ssh.PassphraseMissingError
	switch {
	case errors.As(err, &locked):
		return nil, errors.New("the private key has a passphrase")
	case err != nil:
		return nil, errors.New("the private key cannot be read, or its passphrase is wrong")
	}

	return signer, nil
}

// ClientConfig implements the authentication of the library. Asking for another kind of key than is known would make a known host look unknown.
func (k *Key) ClientConfig() (*ssh.ClientConfig, error) {
	config, err := k.PublicKeys.ClientConfig()
	if err == nil {
		config.HostKeyAlgorithms = k.algorithms
	}
	return config, err
}

// refused is why the host is not trusted; nil when it is.
func (k *Key) refused() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.problem
}

// secret is what a cluster signs in with. Of the known hosts it has the one of the repository.
func (k *Key) secret() map[string]string {
	k.mu.Lock()
	defer k.mu.Unlock()
	out := map[string]string{"identity": string(k.private), "known_hosts": k.shown + "\n"}
	if k.passphrase != "" {
		out["password"] = k.passphrase
	}
	return out
}

func hasPassword(u *url.URL) bool {
	if u.User == nil {
		return false
	}
	_, has := u.User.Password()
	return has
}
