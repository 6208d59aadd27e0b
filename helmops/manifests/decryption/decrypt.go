package decryption

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// metadata is what SOPS notes in a file.
type metadata struct {
	Age    []recipient `yaml:"age"`
	PGP    []recipient `yaml:"pgp"`
	Groups []struct {
		Age []recipient `yaml:"age"`
		PGP []recipient `yaml:"pgp"`
	} `yaml:"key_groups"`
	Shares           int    `yaml:"shamir_threshold"`
	LastModified     string `yaml:"lastmodified"`
	MAC              string `yaml:"mac"`
	MACOnlyEncrypted bool   `yaml:"mac_only_encrypted"`
}

type recipient struct {
	Recipient   string `yaml:"recipient"`
	Fingerprint string `yaml:"fp"`
	Encrypted   string `yaml:"enc"`
}

// sopsKey is where the metadata is.
const sopsKey = "sops"

// Decrypt returns the plain content of a file of SOPS. Its name tells the format: .yaml and .yml, .json, .env, .ini; everything else is
// binary. A content that somebody has changed since it was encrypted is refused. Errors quote nothing of it.
func (k *Keys) Decrypt(name string, content []byte) ([]byte, error) {
	switch path.Ext(name) {
	case ".yaml", ".yml":
		return k.yaml(content)
	case ".json":
		return k.json(content)
	case ".env":
		return k.dotenv(content)
	case ".ini":
		return k.ini(content)
	default:
		return k.binary(name, content)
	}
}

// yaml decrypts all documents of a file; one MAC is over all of them.
func (k *Keys) yaml(content []byte) ([]byte, error) {
	var documents []*yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	for {
		var node yaml.Node
		err := decoder.Decode(&node)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, errors.New("it is not YAML")
		}
		documents = append(documents, &node)
	}
	if err := k.nodes(documents); err != nil {
		return nil, err
	}
	var out bytes.Buffer
	for i, document := range documents {
		if i > 0 {
			out.WriteString("---\n")
		}
		text, err := yaml.Marshal(document)
		if err != nil {
			return nil, errors.New("what was decrypted cannot be written as YAML")
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}

// nodes decrypts documents in place.
func (k *Keys) nodes(documents []*yaml.Node) error {
	var found *metadata
	for _, document := range documents {
		m, err := takeMetadata(document)
		if err != nil {
			return err
		}
		if found == nil {
			found = m
		}
	}
	if found == nil {
		return errors.New("its sops metadata is missing")
	}
	key, err := k.dataKey(*found)
	if err != nil {
		return err
	}
	c := newContent(key, *found, k.opened)
	for _, document := range documents {
		if len(document.Content) > 0 {
			if err := c.node(document.Content[0], nil); err != nil {
				return err
			}
		}
	}
	return c.verify()
}

// takeMetadata removes the metadata from a document and returns it; nil when there is none.
func takeMetadata(document *yaml.Node) (*metadata, error) {
	if len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return nil, nil //nolint:nilnil // an empty document has none
	}
	root := document.Content[0]
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != sopsKey {
			continue
		}
		var m metadata
		if err := root.Content[i+1].Decode(&m); err != nil {
			return nil, errors.New("its sops metadata cannot be read")
		}
		root.Content = append(root.Content[:i:i], root.Content[i+2:]...)
		return &m, nil
	}
	return nil, nil //nolint:nilnil // see above
}

// json decrypts a JSON document, which is YAML too.
func (k *Keys) json(content []byte) ([]byte, error) {
	plain, err := k.yaml(content)
	if err != nil {
		return nil, err
	}
	return toJSON(plain)
}

func toJSON(text []byte) ([]byte, error) {
	var value any
	if err := yaml.Unmarshal(text, &value); err != nil {
		return nil, errors.New("what was decrypted cannot be read")
	}
	out, err := json.MarshalIndent(value, "", "  ")
	if err != nil {
		return nil, errors.New("what was decrypted cannot be written as JSON")
	}
	return out, nil
}

// binary decrypts a file of any other kind, which SOPS wraps into a JSON document.
func (k *Keys) binary(name string, content []byte) ([]byte, error) {
	plain, err := k.yaml(content)
	if err != nil {
		return nil, err
	}
	var wrapped struct {
		Data *string `yaml:"data"`
	}
	if err := yaml.Unmarshal(plain, &wrapped); err != nil || wrapped.Data == nil {
		return nil, fmt.Errorf("it is no binary file of sops; %q says nothing of another format", path.Ext(name))
	}
	return []byte(*wrapped.Data), nil
}

// dotenv decrypts lines of NAME=value. The metadata is in lines that begin with sops_.
func (k *Keys) dotenv(content []byte) ([]byte, error) {
	flat := map[string]string{}
	type line struct{ name, value string }
	var lines []line
	for _, text := range strings.Split(strings.TrimRight(string(content), "\n"), "\n") {
		name, value, is := strings.Cut(text, "=")
		switch {
		case strings.HasPrefix(text, "#") || !is:
			continue
		case strings.HasPrefix(name, "sops_"):
			flat[strings.TrimPrefix(name, "sops_")] = strings.ReplaceAll(value, `\n`, "\n")
		default:
			lines = append(lines, line{name, strings.ReplaceAll(value, `\n`, "\n")})
		}
	}
	c, err := k.flat(flat)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	for _, l := range lines {
		plain, err := c.text(l.value, []string{l.name})
		if err != nil {
			return nil, err
		}
		out.WriteString(l.name + "=" + strings.ReplaceAll(plain, "\n", `\n`) + "\n")
	}
	return []byte(out.String()), c.verify()
}

// ini decrypts sections of names and values. The metadata is in the section sops.
func (k *Keys) ini(content []byte) ([]byte, error) {
	flat := map[string]string{}
	type line struct{ section, name, value string }
	var lines []line
	section := "DEFAULT"
	for _, text := range strings.Split(string(content), "\n") {
		text = strings.TrimSpace(text)
		name, value, is := strings.Cut(text, "=")
		name, value = strings.TrimSpace(name), unquoted(strings.TrimSpace(value))
		switch {
		case strings.HasPrefix(text, "[") && strings.HasSuffix(text, "]"):
			section = strings.Trim(text, "[]")
		case text == "" || strings.HasPrefix(text, ";") || strings.HasPrefix(text, "#") || !is:
		case section == sopsKey:
			flat[name] = strings.ReplaceAll(value, `\n`, "\n")
		default:
			lines = append(lines, line{section, name, value})
		}
	}
	c, err := k.flat(flat)
	if err != nil {
		return nil, err
	}
	var out strings.Builder
	section = "DEFAULT"
	for _, l := range lines {
		plain, err := c.text(l.value, []string{l.section, l.name})
		if err != nil {
			return nil, err
		}
		if l.section != section {
			section = l.section
			out.WriteString("[" + section + "]\n")
		}
		out.WriteString(l.name + " = " + plain + "\n")
	}
	return []byte(out.String()), c.verify()
}

func unquoted(value string) string {
	for _, quote := range []string{"`", `"""`, `"`} {
		if len(value) >= 2*len(quote) && strings.HasPrefix(value, quote) && strings.HasSuffix(value, quote) {
			return value[len(quote) : len(value)-len(quote)]
		}
	}
	return value
}

// flat reads metadata that was flattened: age__list_0__map_enc.
func (k *Keys) flat(fields map[string]string) (*content, error) {
	m := metadata{MAC: fields["mac"], LastModified: fields["lastmodified"], MACOnlyEncrypted: fields["mac_only_encrypted"] == "true"}
	if m.MAC == "" {
		return nil, errors.New("its sops metadata is missing")
	}
	for i := range maxRecipients {
		prefix := fmt.Sprintf("age__list_%d__map_", i)
		if fields[prefix+"enc"] == "" {
			break
		}
		m.Age = append(m.Age, recipient{Recipient: fields[prefix+"recipient"], Encrypted: fields[prefix+"enc"]})
	}
	for i := range maxRecipients {
		prefix := fmt.Sprintf("pgp__list_%d__map_", i)
		if fields[prefix+"enc"] == "" {
			break
		}
		m.PGP = append(m.PGP, recipient{Fingerprint: fields[prefix+"fp"], Encrypted: fields[prefix+"enc"]})
	}
	key, err := k.dataKey(m)
	if err != nil {
		return nil, err
	}
	return newContent(key, m, k.opened), nil
}
