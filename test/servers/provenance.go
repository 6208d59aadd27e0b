package servers

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/armor"
	"helm.sh/helm/v3/pkg/provenance"
)

// Packager signs chart archives as helm package --sign does.
type Packager struct {
	// Armored and Binary are the public key, as gpg --export writes it with and without --armor.
	Armored, Binary []byte

	entity *openpgp.Entity
}

// NewPackager makes a key.
func NewPackager() (*Packager, error) {
	entity, err := openpgp.NewEntity("packager", "", "packager@example.com", nil)
	if err != nil {
		return nil, err
	}
	var binary, text bytes.Buffer
	if err := entity.Serialize(&binary); err != nil {
		return nil, err
	}
	w, err := armor.Encode(&text, openpgp.PublicKeyType, nil)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(binary.Bytes()); err != nil {
		return nil, err
	}
	if err := w.Close(); err != nil {
		return nil, err
	}
	return &Packager{Armored: text.Bytes(), Binary: binary.Bytes(), entity: entity}, nil
}

// Sign returns the provenance file of a chart archive.
func (p *Packager) Sign(archive []byte) ([]byte, error) {
	meta, err := metadata(archive)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "provenance")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	file := filepath.Join(dir, meta.Name+"-"+meta.Version+".tgz")
	if err := os.WriteFile(file, archive, 0o600); err != nil {
		return nil, err
	}
	signatory := &provenance.Signatory{Entity: p.entity, KeyRing: openpgp.EntityList{p.entity}}
	text, err := signatory.ClearSign(file)
	return []byte(text), err
}
