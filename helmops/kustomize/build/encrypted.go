package build

import (
	"bytes"
	"path"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// decrypting returns what is applied to every file that is read: one that is encrypted is decrypted, refused, or left
// as it is without a decryptor. A file that is data is what SOPS prints; every other one is read for the objects in it.
func decrypting(d Decryptor, leave bool) func(name string, content []byte, use usage) ([]byte, error) {
	return func(name string, content []byte, use usage) ([]byte, error) {
		if !looksEncrypted(content) || d == nil && leave {
			return content, nil
		}
		if d == nil {
			return nil, undecrypted(name,
				"it is encrypted, and spec.decryption does not say how to decrypt it; nothing was applied")
		}

		decrypt := d.DecryptObjects
		if use.isData {
			decrypt = use.format.decrypting(d)
		}

		plain, err := decrypt(name, content)
		if err != nil {
			return nil, undecrypted(name, "%w", err)
		}

		return plain, nil
	}
}

// usage is what a file is read for.
type usage struct {
	// isData is set when its content becomes data of an object, byte for byte.
	isData bool
	// format is that of the data, empty when the name of the file tells it.
	format dataFormat
}

// dataFormat is a format of SOPS, as the end of a file's name.
type dataFormat string

// Formats of data. Everything that is no other format is binary.
const (
	formatYAML   dataFormat = ".yaml"
	formatJSON   dataFormat = ".json"
	formatDotenv dataFormat = ".env"
	formatINI    dataFormat = ".ini"
	formatBinary dataFormat = ".binary"
)

// formatOfKey is the format of a file that a generator keeps under a key.
func formatOfKey(key string) dataFormat {
	if strings.HasSuffix(key, corev1.DockerConfigJsonKey) {
		return formatJSON
	}
	switch ext := dataFormat(path.Ext(key)); ext {
	case ".yml":
		return formatYAML
	case formatYAML, formatJSON, formatDotenv, formatINI:
		return ext
	default:
		return formatBinary
	}
}

// formatOfEnv is the format of a file of variables.
func formatOfEnv(name string) dataFormat {
	if format := formatOfKey(name); format != formatBinary {
		return format
	}
	return formatDotenv
}

// decrypting decrypts data of a format. A file that is of another format than its key says is read by its own name.
func (f dataFormat) decrypting(d Decryptor) func(name string, content []byte) ([]byte, error) {
	if f == "" {
		return d.Decrypt
	}
	return func(name string, content []byte) ([]byte, error) {
		plain, err := d.Decrypt("data"+string(f), content)
		if err == nil || formatOfKey(path.Base(name)) == f {
			return plain, err
		}

		byName, failed := d.Decrypt(name, content)
		if failed != nil && f != formatBinary {
			return nil, err
		}

		return byName, failed
	}
}

// Marks of files that SOPS has encrypted: every form of its metadata has a MAC, which is encrypted itself.
var (
	cipherMark = []byte("ENC[AES256_GCM,")
	macMarks   = [][]byte{[]byte("mac:"), []byte(`"mac"`), []byte("sops_mac="), []byte("mac "), []byte("mac=")}
)

// looksEncrypted reports whether a file is one of SOPS.
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

// Encrypted reports whether an object still has anything of SOPS in it.
func (o Object) Encrypted() bool { return encrypted(o.Object) }

// encrypted reports whether an object still has anything of SOPS in it.
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
