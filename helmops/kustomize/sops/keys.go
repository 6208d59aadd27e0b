package sops

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"filippo.io/age"
	"filippo.io/age/armor"
	"github.com/ProtonMail/go-crypto/openpgp"
	pgparmor "github.com/ProtonMail/go-crypto/openpgp/armor"
)

// Ends of the names under which a Secret holds private keys.
const (
	ageSuffix = ".agekey"
	pgpSuffix = ".asc"
)

// Bounds of what is read: keys in a Secret, recipients in a file, bytes of one encrypted data key.
const (
	maxKeys       = 256
	maxRecipients = 256
	maxDataKey    = 64 << 10
)

// Keys are private keys. They may be used by many goroutines.
type Keys struct {
	identities []age.Identity
	ring       openpgp.EntityList
	opened     func(value string)
}

// NewKeys reads the content of a Secret: age identities from keys that end in .agekey, armored PGP private keys without
// a passphrase from those that end in .asc. Others are left out. opened is called with every value that is decrypted,
// so that messages can be masked. Errors name the key of the Secret and quote nothing of it.
func NewKeys(secret map[string][]byte, opened func(value string)) (*Keys, error) {
	k := &Keys{opened: opened}
	for _, name := range slices.Sorted(maps.Keys(secret)) {
		switch {
		case strings.HasSuffix(name, ageSuffix):
			found, err := age.ParseIdentities(bytes.NewReader(secret[name]))
			if err != nil {
				return nil, fmt.Errorf("its key %s holds no age identity", name) // the library's error quotes it
			}

			k.identities = append(k.identities, found...)
		case strings.HasSuffix(name, pgpSuffix):
			found, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(secret[name]))
			if err != nil {
				return nil, fmt.Errorf("its key %s holds no armored PGP key", name)
			}

			for _, entity := range found {
				if entity.PrivateKey != nil && entity.PrivateKey.Encrypted {
					return nil, fmt.Errorf("its key %s holds a PGP key with a passphrase; only keys without one can be used", name)
				}
			}

			k.ring = append(k.ring, found...)
		}
	}

	if len(k.identities)+len(k.ring) > maxKeys {
		return nil, fmt.Errorf("it has more than %d keys", maxKeys)
	}

	return k, nil
}

// dataKey decrypts the key of a file with the first private key that fits.
func (k *Keys) dataKey(m metadata) ([]byte, error) {
	if m.Shares > 1 || len(m.Groups) > 1 {
		return nil, errors.New("its key is split between groups, which is not supported; encrypt it with one group of keys")
	}

	ageKeys := m.Age
	pgpKeys := m.PGP
	for _, group := range m.Groups {
		ageKeys, pgpKeys = append(ageKeys, group.Age...), append(pgpKeys, group.PGP...)
	}
	if len(ageKeys)+len(pgpKeys) > maxRecipients {
		return nil, fmt.Errorf("it has more than %d recipients", maxRecipients)
	}

	var recipients []string
	for _, r := range ageKeys {
		if key, err := k.byAge(r.Encrypted); err == nil {
			return checked(key)
		}
		recipients = append(recipients, r.Recipient)
	}

	for _, r := range pgpKeys {
		if key, err := k.byPGP(r.Encrypted); err == nil {
			return checked(key)
		}
		recipients = append(recipients, r.Fingerprint)
	}

	if len(recipients) == 0 {
		return nil, errors.New("it is encrypted neither for an age nor for a PGP key, which are those that are supported")
	}

	return nil, fmt.Errorf("none of the private keys fits; it is encrypted for %s",
		strings.Join(recipients[:min(len(recipients), 4)], ", "))
}

func checked(key []byte) ([]byte, error) {
	if len(key) != 32 {
		return nil, errors.New("its data key does not have 32 bytes")
	}
	return key, nil
}

func (k *Keys) byAge(encrypted string) ([]byte, error) {
	if len(k.identities) == 0 || len(encrypted) > maxDataKey {
		return nil, errors.New("no key")
	}
	r, err := age.Decrypt(armor.NewReader(strings.NewReader(encrypted)), k.identities...)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(io.LimitReader(r, maxDataKey))
}

func (k *Keys) byPGP(encrypted string) ([]byte, error) {
	if len(k.ring) == 0 || len(encrypted) > maxDataKey {
		return nil, errors.New("no key")
	}

	block, err := pgparmor.Decode(strings.NewReader(encrypted))
	if err != nil {
		return nil, err
	}

	message, err := openpgp.ReadMessage(block.Body, k.ring, nil, nil)
	if err != nil {
		return nil, err
	}

	return io.ReadAll(io.LimitReader(message.UnverifiedBody, maxDataKey))
}
