// Package knownhosts reads the keys of SSH hosts that are trusted, for the controller, which fetches from Git
// repositories, and for the command, which signs in to one to bootstrap a cluster: both trust the same file for the
// same keys. It imports nothing of Fairlead.
//
//	known_hosts ─► Parse ─► Hosts.For(host:port) ─► Host.Algorithms, asked for in the handshake
//	                                             └─► Host.Check, the key that the host shows
//
// Lines are read by golang.org/x/crypto/ssh. Hosts are matched here and not by its knownhosts package, or by those
// that are derived from it (github.com/skeema/knownhosts, github.com/fluxcd/pkg/ssh/knownhosts), because the file and
// the name of the host are written by tenants of a shared controller: these libraries match a pattern with several
// asterisks in exponential time, tell the case of letters apart, and either read files only or know one key of each
// type of a host.
package knownhosts

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the format of known_hosts is made of it; no secret depends on it
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"path"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// MaxBytes bounds a known_hosts file.
const MaxBytes = 1 << 20

// defaultPort is the port of hosts that a file names without one.
const defaultPort = "22"

// line is one line of a known_hosts file.
type line struct {
	number    int
	patterns  []string
	key       ssh.PublicKey
	revoked   bool
	authority bool
}

// Hosts are the lines of a known_hosts file.
type Hosts struct{ lines []line }

// ErrEmpty says that a known_hosts file names no host key at all.
var ErrEmpty = errors.New("it has no line with a host key")

// Parse reads the format that OpenSSH writes (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). The error names the line, and
// quotes nothing.
func Parse(text []byte) (Hosts, error) {
	if len(text) > MaxBytes {
		return Hosts{}, fmt.Errorf("it has more than %d bytes", MaxBytes)
	}

	var all Hosts
	for number, text := range bytes.Split(text, []byte("\n")) {
		text = bytes.TrimSpace(text)
		if len(text) == 0 || text[0] == '#' {
			continue
		}

		marker, hosts, key, _, _, err := ssh.ParseKnownHosts(text)
		if err != nil {
			return Hosts{}, fmt.Errorf("line %d is not HOSTS TYPE KEY", number+1)
		}

		all.lines = append(all.lines, line{
			number: number + 1, patterns: hosts, key: key,
			revoked: marker == "revoked", authority: marker == "cert-authority",
		})
	}

	if len(all.lines) == 0 {
		return Hosts{}, ErrEmpty
	}

	return all, nil
}

// Host is what is known of one host.
type Host struct {
	address string
	keys    []ssh.PublicKey
	revoked []ssh.PublicKey
}

// For returns what is known of a host; address is host:port. It fails when a certificate authority is trusted for the
// host: trusting less than the file says would be as wrong as trusting more. A host of which nothing is known has no
// algorithms.
func (h Hosts) For(address string) (Host, error) {
	host := Host{address: address}
	for _, l := range h.lines {
		if l.revoked {
			host.revoked = append(host.revoked, l.key)
			continue
		}

		if !l.matches(address) {
			continue
		}
		if l.authority {
			return Host{}, fmt.Errorf("line %d names a certificate authority, which cannot be used", l.number)
		}

		host.keys = append(host.keys, l.key)
	}

	return host, nil
}

// Algorithms are those of the keys that are known of the host, sorted: asking for another one would make a known host
// look unknown.
func (h Host) Algorithms() []string {
	var found []string
	for _, key := range h.keys {
		if key.Type() == ssh.KeyAlgoRSA {
			found = append(found, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			found = append(found, key.Type())
		}
	}

	slices.Sort(found)
	return slices.Compact(found)
}

// Check returns nil when the host may show a key. The error names the host and the fingerprint of the key.
func (h Host) Check(key ssh.PublicKey) error {
	shown := key.Marshal()
	same := func(known ssh.PublicKey) bool { return bytes.Equal(known.Marshal(), shown) }
	switch {
	case slices.ContainsFunc(h.revoked, same):
		return fmt.Errorf("%s shows the key %s, which known_hosts revokes", h.address, ssh.FingerprintSHA256(key))
	case slices.ContainsFunc(h.keys, same):
		return nil
	case len(h.keys) > 0:
		return fmt.Errorf("%s shows the key %s, but known_hosts has another one for it: "+
			"the host key has changed, or the connection is intercepted", h.address, ssh.FingerprintSHA256(key))
	default:
		return fmt.Errorf("known_hosts has no key of %s", h.address)
	}
}

// Line is a line of known_hosts for a host; address is host:port.
func Line(address string, key ssh.PublicKey) string {
	return nameOf(address) + " " + strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// nameOf is a host as known_hosts names it; empty for an address without a port.
func nameOf(address string) string {
	host, port, err := net.SplitHostPort(address)
	switch {
	case err != nil:
		return ""
	case port == defaultPort:
		return host
	default:
		return "[" + host + "]:" + port
	}
}

// matches reports whether a line is about a host.
func (l line) matches(address string) bool {
	name := nameOf(address)
	if name == "" {
		return false
	}

	found := false
	for _, pattern := range l.patterns {
		pattern, negated := strings.CutPrefix(pattern, "!")
		if !hostMatches(pattern, name) {
			continue
		}
		if negated {
			return false
		}

		found = true
	}

	return found
}

func hostMatches(pattern, name string) bool {
	if strings.HasPrefix(pattern, "|1|") {
		return hashMatches(pattern, name)
	}
	// The brackets around a host with a port are text, not a class of characters.
	escaped := strings.NewReplacer("[", `\[`, "]", `\]`).Replace(strings.ToLower(pattern))
	ok, err := path.Match(escaped, strings.ToLower(name))
	return ok && err == nil
}

// hashMatches compares a host with |1|salt|hash.
func hashMatches(pattern, name string) bool {
	parts := strings.Split(pattern, "|")
	if len(parts) != 4 {
		return false
	}

	salt, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil {
		return false
	}

	want, err := base64.StdEncoding.DecodeString(parts[3])
	if err != nil {
		return false
	}

	sum := hmac.New(sha1.New, salt)
	sum.Write([]byte(name))
	return hmac.Equal(sum.Sum(nil), want)
}
