package git

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

// maxKnownHosts bounds a known_hosts file, in bytes.
const maxKnownHosts = 1 << 20

// knownHost is one line of a known_hosts file.
type knownHost struct {
	patterns []string
	key      ssh.PublicKey
	revoked  bool
}

// knownHosts are the host keys that are trusted.
type knownHosts []knownHost

// parseKnownHosts reads the format that OpenSSH writes (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). Certificate authorities are refused, because
// trusting less than the file says would be as wrong as trusting more.
func parseKnownHosts(text []byte) (knownHosts, error) {
	if len(text) > maxKnownHosts {
		return nil, fmt.Errorf("it has more than %d bytes", maxKnownHosts)
	}
	var all knownHosts
	for number, line := range bytes.Split(text, []byte("\n")) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || line[0] == '#' {
			continue
		}
		marker, hosts, key, _, _, err := ssh.ParseKnownHosts(line)
		switch {
		case err != nil:
			return nil, fmt.Errorf("line %d is not HOSTS TYPE KEY", number+1)
		case marker == "cert-authority":
			return nil, fmt.Errorf("line %d names a certificate authority, which cannot be used", number+1)
		}
		all = append(all, knownHost{patterns: hosts, key: key, revoked: marker == "revoked"})
	}
	if len(all) == 0 {
		return nil, errors.New("it has no line with a host key")
	}
	return all, nil
}

// algorithms are those of the keys that are known of a host: asking for another one would make a known host look unknown.
func (k knownHosts) algorithms(address string) []string {
	var found []string
	for _, h := range k {
		if h.revoked || !h.is(address) {
			continue
		}
		if h.key.Type() == ssh.KeyAlgoRSA {
			found = append(found, ssh.KeyAlgoRSASHA512, ssh.KeyAlgoRSASHA256)
		} else {
			found = append(found, h.key.Type())
		}
	}
	slices.Sort(found)
	return slices.Compact(found)
}

// check reports whether a host may show a key.
func (k knownHosts) check(address string, key ssh.PublicKey) error {
	known := false
	shown := key.Marshal()
	for _, h := range k {
		same := bytes.Equal(h.key.Marshal(), shown)
		switch {
		case h.revoked && same:
			return fmt.Errorf("%s shows the key %s, which known_hosts revokes", address, ssh.FingerprintSHA256(key))
		case h.revoked || !h.is(address):
		case same:
			return nil
		default:
			known = true
		}
	}
	if known {
		return fmt.Errorf("%s shows the key %s, but known_hosts has another one for it: the host key has changed, or somebody is in between",
			address, ssh.FingerprintSHA256(key))
	}
	return unknownHost(address)
}

func unknownHost(address string) error {
	return fmt.Errorf("known_hosts has no key of %s", address)
}

// is reports whether a line is about a host; address is host:port.
func (h knownHost) is(address string) bool {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	name := "[" + host + "]:" + port
	if port == sshPort {
		name = host
	}
	found := false
	for _, pattern := range h.patterns {
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
