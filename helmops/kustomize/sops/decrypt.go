package sops

import (
	"errors"
	"fmt"
	"path"
)

// metadata is what SOPS notes in a file.
type metadata struct {
	Age    []recipient `json:"age" yaml:"age"`
	PGP    []recipient `json:"pgp" yaml:"pgp"`
	Groups []struct {
		Age []recipient `json:"age" yaml:"age"`
		PGP []recipient `json:"pgp" yaml:"pgp"`
	} `json:"key_groups" yaml:"key_groups"`
	Shares           int    `json:"shamir_threshold" yaml:"shamir_threshold"`
	LastModified     string `json:"lastmodified" yaml:"lastmodified"`
	MAC              string `json:"mac" yaml:"mac"`
	MACOnlyEncrypted bool   `json:"mac_only_encrypted" yaml:"mac_only_encrypted"`
}

type recipient struct {
	Recipient   string `json:"recipient" yaml:"recipient"`
	Fingerprint string `json:"fp" yaml:"fp"`
	Encrypted   string `json:"enc" yaml:"enc"`
}

// sopsKey is where the metadata is.
const sopsKey = "sops"

// Decrypt returns the content of a file of SOPS, byte for byte as SOPS prints it. Its name gives the format: .yaml
// and .yml, .json, .env, .ini; everything else is binary. Two things that SOPS prints are not what was encrypted, and
// are not printed: null for a text of several lines that begins with a tab in YAML, which has quotes here, and other
// characters for bytes that are not UTF-8 in JSON, which are refused. A content that was changed after it
// was encrypted is refused. Errors quote nothing of it.
func (k *Keys) Decrypt(name string, content []byte) ([]byte, error) {
	switch format(name) {
	case ".yaml":
		documents, err := k.yaml(content)
		if err != nil {
			return nil, err
		}

		return writeYAML(documents)
	case ".json":
		document, err := k.json(content)
		if err != nil {
			return nil, err
		}

		return writeJSON(document)
	case ".env":
		return k.dotenv(content)
	case ".ini":
		return k.ini(content)
	default:
		return k.binary(name, content)
	}
}

// DecryptObjects returns the objects in a file of SOPS as YAML. What Decrypt returns can be read as other values than
// were encrypted: versions of YAML and faults of its parsers come between. All of them read this as the values that
// were encrypted. In a Secret or a ConfigMap, bytes that are not text are base64 below data or binaryData; elsewhere
// they are refused. Files of other formats are as Decrypt returns them.
func (k *Keys) DecryptObjects(name string, content []byte) ([]byte, error) {
	var documents []branch
	var err error
	switch format(name) {
	case ".yaml":
		documents, err = k.yaml(content)
	case ".json":
		var document branch
		document, err = k.json(content)
		documents = []branch{document}
	default:
		return k.Decrypt(name, content)
	}
	if err != nil {
		return nil, err
	}

	return writeObjects(documents)
}

func format(name string) string {
	if ext := path.Ext(name); ext != ".yml" {
		return ext
	}
	return ".yaml"
}

// yaml decrypts all documents of a file; one MAC is over all of them.
func (k *Keys) yaml(content []byte) ([]branch, error) {
	documents, m, err := readYAML(content)
	if err != nil {
		return nil, err
	}
	return documents, k.documents(documents, m)
}

func (k *Keys) json(content []byte) (branch, error) {
	document, m, err := readJSON(content)
	if err != nil {
		return nil, err
	}
	return document, k.documents([]branch{document}, m)
}

// binary decrypts a file of any other kind, which SOPS wraps into a JSON document.
func (k *Keys) binary(name string, content []byte) ([]byte, error) {
	document, err := k.json(content)
	if errors.Is(err, errNoJSON) {
		return nil, notBinary(name)
	}
	if err != nil {
		return nil, err
	}

	data, is := document.get("data").(string)
	if !is {
		return nil, notBinary(name)
	}

	return []byte(data), nil
}

func notBinary(name string) error {
	return fmt.Errorf("it is no binary file of sops; %q says nothing of another format", path.Ext(name))
}
