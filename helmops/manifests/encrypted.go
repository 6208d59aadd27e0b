package manifests

import (
	"bytes"
	"strings"
)

// decrypting returns what is applied to every file that is read: one that is encrypted is decrypted, or refused. A
// file that is data is what SOPS prints; every other one is read for the objects in it.
func decrypting(d Decryptor) func(name string, content []byte, isData bool) ([]byte, error) {
	return func(name string, content []byte, isData bool) ([]byte, error) {
		if !looksEncrypted(content) {
			return content, nil
		}
		if d == nil {
			return nil, undecrypted(name, "it is encrypted, and spec.decryption does not say how to decrypt it; nothing was applied")
		}
		decrypt := d.DecryptObjects
		if isData {
			decrypt = d.Decrypt
		}
		plain, err := decrypt(name, content)
		if err != nil {
			return nil, undecrypted(name, "%w", err)
		}
		return plain, nil
	}
}

// Marks of files that SOPS has encrypted: every form of its metadata has a MAC, which is encrypted itself.
var (
	cipherMark = []byte("ENC[AES256_GCM,")
	macMarks   = [][]byte{[]byte("mac:"), []byte(`"mac"`), []byte("sops_mac="), []byte("mac "), []byte("mac=")}
)

// looksEncrypted tells whether a file is one of SOPS.
func looksEncrypted(content []byte) bool {
	if !bytes.Contains(content, cipherMark) || !bytes.Contains(content, []byte("sops")) {
		return false
	}
	for _, mark := range macMarks {
		if bytes.Contains(content, mark) {
			return true
		}
	}
	return false
}

// encrypted tells whether an object still has anything of SOPS in it.
func encrypted(object map[string]any) bool {
	if sops, is := object["sops"].(map[string]any); is {
		if _, has := sops["mac"]; has {
			return true
		}
	}
	for _, field := range []string{"data", "stringData"} {
		if values, is := object[field].(map[string]any); is {
			for _, value := range values {
				if text, is := value.(string); is && strings.HasPrefix(text, string(cipherMark)) {
					return true
				}
			}
		}
	}
	return false
}
