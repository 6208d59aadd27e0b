package sops

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"regexp"
	"strings"
)

// maxDepth bounds how deeply values are nested.
const maxDepth = 200

// onlyEncryptedSalt begins a MAC that is over encrypted values only. It is a constant of the format.
var onlyEncryptedSalt = []byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

// content decrypts the values of one file and computes their MAC.
type content struct {
	key  []byte
	meta metadata
	mac  hash.Hash
	// opened is called with every value that was decrypted.
	opened func(value string)
}

func newContent(key []byte, m metadata, opened func(string)) *content {
	c := &content{key: key, meta: m, mac: sha512.New(), opened: opened}
	if m.MACOnlyEncrypted {
		c.mac.Write(onlyEncryptedSalt)
	}
	return c
}

var (
	encrypted = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.*),iv:(.+),tag:(.+),type:(.+)\]$`)
	// encryptedComment ignores what follows, as SOPS does: an INI file has the comments of a key as one.
	encryptedComment = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.*),iv:(.+),tag:(.+),type:(.+)\]`)
)

// open decrypts one value. Where it is in the file is authenticated with it.
func open(key []byte, m []string, where string) (value []byte, kind string, err error) {
	failed := func(what string) error {
		return fmt.Errorf("the value of %s %s", strings.TrimSuffix(strings.ReplaceAll(where, ":", "."), "."), what)
	}
	var parts [3][]byte
	for i := range parts {
		if parts[i], err = base64.StdEncoding.DecodeString(m[i+1]); err != nil {
			return nil, "", failed("is not what sops writes")
		}
	}

	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, "", errors.New("its data key cannot be used")
	}
	if len(parts[1]) == 0 || len(parts[1]) > 64 {
		return nil, "", failed("is not what sops writes")
	}

	gcm, err := cipher.NewGCMWithNonceSize(block, len(parts[1]))
	if err != nil {
		return nil, "", failed("is not what sops writes")
	}

	value, err = gcm.Open(nil, parts[1], append(parts[0], parts[2]...), []byte(where))
	if err != nil {
		return nil, "", failed("was changed or moved after it was encrypted, or belongs to another file")
	}

	return value, m[4], nil
}

// verify compares the MAC with the one that was noted.
func (c *content) verify() error {
	m := encrypted.FindStringSubmatch(c.meta.MAC)
	if m == nil {
		return errors.New("its MAC is missing")
	}

	noted, _, err := open(c.key, m, c.meta.LastModified)
	if err != nil {
		return errors.New("its MAC cannot be decrypted: the file was changed after it was encrypted")
	}
	if computed := fmt.Sprintf("%X", c.mac.Sum(nil)); subtle.ConstantTimeCompare([]byte(computed), noted) != 1 {
		return errors.New("its MAC does not match: the file was changed after it was encrypted")
	}

	return nil
}
