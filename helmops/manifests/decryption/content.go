package decryption

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
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxDepth bounds how deeply values are nested.
const maxDepth = 200

// onlyEncryptedSalt begins a MAC that is over encrypted values only. It is a constant of the format.
var onlyEncryptedSalt = []byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

// content decrypts the values of one file and reckons their MAC.
type content struct {
	key  []byte
	meta metadata
	mac  hash.Hash
	// opened is told every value that was decrypted.
	opened func(value string)
}

func newContent(key []byte, m metadata, opened func(string)) *content {
	c := &content{key: key, meta: m, mac: sha512.New(), opened: opened}
	if m.MACOnlyEncrypted {
		c.mac.Write(onlyEncryptedSalt)
	}
	return c
}

// node decrypts a value in place, with all that is in it.
func (c *content) node(n *yaml.Node, at []string) error {
	if len(at) > maxDepth {
		return errors.New("its values are nested too deeply")
	}
	plainComments(n)
	switch n.Kind {
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			plainComments(n.Content[i])
			if err := c.node(n.Content[i+1], append(at[:len(at):len(at)], n.Content[i].Value)); err != nil {
				return err
			}
		}
	case yaml.SequenceNode:
		for _, item := range n.Content {
			if err := c.node(item, at); err != nil {
				return err
			}
		}
	case yaml.AliasNode:
		return errors.New("it has an alias, which sops does not write")
	case yaml.ScalarNode:
		return c.scalar(n, at)
	case yaml.DocumentNode: // is never within another node
	}
	return nil
}

// plainComments drops comments: they are encrypted too, count for no MAC, and are nobody's business here.
func plainComments(n *yaml.Node) { n.HeadComment, n.LineComment, n.FootComment = "", "", "" }

func (c *content) scalar(n *yaml.Node, at []string) error {
	if n.Tag == "!!null" {
		return nil
	}
	if m := encrypted.FindStringSubmatch(n.Value); m != nil && n.Tag == "!!str" {
		value, kind, err := c.open(m, at)
		if err != nil {
			return err
		}
		if kind == "comment" {
			n.Tag, n.Value = "!!null", ""
			return nil
		}
		c.mac.Write(value)
		set(n, kind, string(value))
		return nil
	}
	if c.meta.MACOnlyEncrypted {
		return nil
	}
	var value any
	if err := n.Decode(&value); err != nil {
		return fmt.Errorf("the value of %s cannot be read", strings.Join(at, "."))
	}
	text, err := bytesOf(value)
	c.mac.Write(text)
	return err
}

// set gives a node a plain value of a kind.
func set(n *yaml.Node, kind, value string) {
	n.Style = 0
	switch kind {
	case "int":
		n.Tag, n.Value = "!!int", value
	case "float":
		n.Tag, n.Value = "!!float", value
	case "bool":
		n.Tag, n.Value = "!!bool", strings.ToLower(value)
	default:
		n.SetString(value)
		n.Tag = "!!str"
	}
}

// bytesOf is what counts of a plain value for the MAC.
func bytesOf(value any) ([]byte, error) {
	switch value := value.(type) {
	case string:
		return []byte(value), nil
	case int:
		return []byte(strconv.Itoa(value)), nil
	case int64:
		return []byte(strconv.FormatInt(value, 10)), nil
	case uint64:
		return []byte(strconv.FormatUint(value, 10)), nil
	case float64:
		return []byte(strconv.FormatFloat(value, 'f', -1, 64)), nil
	case bool:
		if value {
			return []byte("True"), nil
		}
		return []byte("False"), nil
	case time.Time:
		return value.MarshalText()
	case nil:
		return nil, nil
	default:
		return nil, fmt.Errorf("it has a value of the type %T, which sops does not write", value)
	}
}

// text decrypts a value of a format that knows only texts.
func (c *content) text(value string, at []string) (string, error) {
	if m := encrypted.FindStringSubmatch(value); m != nil {
		plain, kind, err := c.open(m, at)
		if err != nil || kind == "comment" {
			return "", err
		}
		c.mac.Write(plain)
		return string(plain), nil
	}
	if !c.meta.MACOnlyEncrypted {
		c.mac.Write([]byte(value))
	}
	return value, nil
}

var encrypted = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.*),iv:(.+),tag:(.+),type:(.+)\]$`)

// open decrypts one value. Where it is in the file is part of what is authenticated.
func (c *content) open(m []string, at []string) (value []byte, kind string, err error) {
	value, kind, err = open(c.key, m, strings.Join(at, ":")+":")
	if err == nil && kind != "comment" {
		c.opened(string(value))
	}
	return value, kind, err
}

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
	if reckoned := fmt.Sprintf("%X", c.mac.Sum(nil)); subtle.ConstantTimeCompare([]byte(reckoned), noted) != 1 {
		return errors.New("its MAC does not match: the file was changed after it was encrypted")
	}
	return nil
}
