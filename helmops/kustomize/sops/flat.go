package sops

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"gopkg.in/ini.v1"
)

// dotenv decrypts lines of NAME=value and comments. The metadata is in lines that begin with sops_.
func (k *Keys) dotenv(content []byte) ([]byte, error) {
	flat := map[string]string{}
	var document branch
	for line := range strings.SplitSeq(string(content), "\n") {
		name, value, is := strings.Cut(line, "=")
		value = strings.ReplaceAll(value, `\n`, "\n")
		noted, isMetadata := strings.CutPrefix(name, "sops_")
		switch {
		case line == "":
		case line[0] == '#':
			document = append(document, entry{comment: &comment{text: line[1:]}})
		case !is:
			return nil, errors.New("it has a line that is neither empty nor a comment, and has no =")
		case isMetadata:
			flat[noted] = value
		default:
			document = append(document, entry{key: name, value: value})
		}
	}

	if err := k.documents([]branch{document}, flatMetadata(flat)); err != nil {
		return nil, err
	}

	var out bytes.Buffer
	for _, e := range document {
		switch value := e.value.(type) {
		case string:
			out.WriteString(e.key + "=" + strings.ReplaceAll(value, "\n", `\n`) + "\n")
		case nil: // a comment
			out.WriteString("#" + e.comment.text + "\n")
		default:
			out.WriteString(e.key + "=" + plainText(value) + "\n")
		}
	}

	return out.Bytes(), nil
}

// plainText is a value in a format that knows only texts.
func plainText(value any) string {
	switch value := value.(type) {
	case float64:
		text := strconv.FormatFloat(value, 'G', -1, 64)
		if !strings.ContainsAny(text, ".E") {
			text = strconv.FormatFloat(value, 'f', 1, 64)
		}

		return text
	case time.Time:
		return value.Format(time.RFC3339)
	default:
		return fmt.Sprint(value)
	}
}

// ini decrypts sections of names and values. The metadata is in the section sops. The library is the one that SOPS
// reads and writes with.
func (k *Keys) ini(content []byte) ([]byte, error) {
	options := ini.LoadOptions{AllowNonUniqueSections: true}
	file, err := ini.LoadSources(options, content)
	if err != nil {
		return nil, errors.New("it is not an INI file") // the error of the library quotes it
	}

	flat := map[string]string{}
	var document branch
	for _, section := range file.Sections() {
		if section.Name() != sopsKey {
			document = append(document, entry{key: section.Name(), value: sectionOf(section)})
			continue
		}
		for _, key := range section.Keys() {
			flat[key.Name()] = strings.ReplaceAll(key.Value(), `\n`, "\n")
		}
	}

	if err := k.documents([]branch{document}, flatMetadata(flat)); err != nil {
		return nil, err
	}

	out := ini.Empty(options)
	out.DeleteSection(ini.DefaultSection)
	for _, e := range document {
		entries, _ := e.value.(branch)
		if err := writeSection(out, e.key, entries); err != nil {
			return nil, errors.New("what was decrypted cannot be written as an INI file")
		}
	}

	var text bytes.Buffer
	if _, err := out.WriteTo(&text); err != nil {
		return nil, errors.New("what was decrypted cannot be written as an INI file")
	}

	return text.Bytes(), nil
}

// sectionOf reads a section. A comment of a key follows it.
func sectionOf(section *ini.Section) branch {
	out := branch{}
	note := func(text string) {
		if text == "" {
			return
		}

		for _, mark := range []string{";", "#"} {
			if strings.HasPrefix(text, mark) {
				text = strings.TrimLeft(text, mark+" ")
				break
			}
		}

		out = append(out, entry{comment: &comment{text: text}})
	}
	note(section.Comment)
	for _, key := range section.Keys() {
		out = append(out, entry{key: key.Name(), value: key.Value()})
		note(key.Comment)
	}

	return out
}

func writeSection(file *ini.File, name string, entries branch) error {
	section, err := file.NewSection(name)
	if err != nil {
		return err
	}

	var last *ini.Key
	for i, e := range entries {
		switch {
		case e.comment == nil:
			text, is := e.value.(string)
			if !is {
				text = plainText(e.value)
			}
			if last, err = section.NewKey(e.key, text); err != nil {
				return err
			}
		case i == 0:
			section.Comment = e.comment.text
		case last != nil:
			last.Comment = e.comment.text
		}
	}

	return nil
}

// flatMetadata reads metadata that was flattened: age__list_0__map_enc. It is nil when there is none.
func flatMetadata(fields map[string]string) *metadata {
	m := metadata{MAC: fields["mac"], LastModified: fields["lastmodified"]}
	m.MACOnlyEncrypted = fields["mac_only_encrypted"] == "true"
	if m.MAC == "" {
		return nil
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

	return &m
}
