package verify

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/ProtonMail/go-crypto/openpgp/clearsign"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Ends of the names under which a Secret holds keys of PGP.
const (
	armoredSuffix = ".asc"
	binarySuffix  = ".gpg"
)

// MaxProvenance is how large a provenance file may be, in bytes.
const MaxProvenance = 1 << 20

// Keyring are the keys of PGP whose provenance files count, by the names under which they are reported.
type Keyring map[string]openpgp.EntityList

// ReadKeyring reads public keys of PGP: armored ones under names that end in .asc, and what `gpg --export` writes under
// those that end in .gpg. Other names are left out. One that cannot be read, and none at all, is a sources.Error with
// reason VerificationFailed, stalled.
func ReadKeyring(data map[string][]byte) (Keyring, error) {
	keys := Keyring{}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		read := openpgp.ReadKeyRing
		switch {
		case strings.HasSuffix(name, armoredSuffix):
			read = openpgp.ReadArmoredKeyRing
		case !strings.HasSuffix(name, binarySuffix):
			continue
		}

		ring, err := read(bytes.NewReader(data[name]))
		if err != nil || len(ring) == 0 {
			return nil, bad("the key %q of the Secret holds no public keys of PGP", name)
		}

		keys[name] = ring
	}

	if len(keys) == 0 {
		return nil, bad("the Secret has no public key of PGP: their names end in %s (armored) or %s", armoredSuffix,
			binarySuffix)
	}

	return keys, nil
}

// Packaged is a chart archive that a provenance file has to be about.
type Packaged struct {
	// Name and Version of the chart, Digest of its archive as sha256:hex.
	Name, Version, Digest string
}

// Check returns the signer of the provenance file of a chart, as `helm package --sign` writes it. A file that no key of
// the ring has signed, or that is about another archive, is a sources.Error with reason VerificationFailed.
func (k Keyring) Check(chart Packaged, provenance []byte) (by string, err error) {
	if by, err = k.check(chart, provenance); err != nil {
		return "", sources.Fail(v1beta1.VerificationFailedReason, err, "the provenance file of chart %.100s %.100s",
			chart.Name, chart.Version)
	}
	return by, nil
}

func (k Keyring) check(chart Packaged, provenance []byte) (by string, err error) {
	defer func() {
		if recover() != nil { // the library reads what strangers have written
			by = ""
			err = errors.New("it cannot be read")
		}
	}()
	if len(provenance) > MaxProvenance {
		return "", fmt.Errorf("it has more than %d bytes", MaxProvenance)
	}

	block, _ := clearsign.Decode(provenance)
	if block == nil || block.ArmoredSignature == nil {
		return "", errors.New("it is no text signed with PGP")
	}
	if by, err = k.signer(block); err != nil {
		return "", err
	}

	return by, describes(block.Plaintext, chart)
}

func (k Keyring) signer(block *clearsign.Block) (string, error) {
	signature := new(bytes.Buffer)
	if _, err := signature.ReadFrom(block.ArmoredSignature.Body); err != nil {
		return "", errors.New("its signature cannot be read")
	}

	names := slices.Sorted(maps.Keys(k))
	for _, name := range names {
		entity, err := openpgp.CheckDetachedSignature(k[name], bytes.NewReader(block.Bytes),
			bytes.NewReader(signature.Bytes()), nil)
		if err == nil {
			return fmt.Sprintf("PGP key %s of %s", entity.PrimaryKey.KeyIdString(), name), nil
		}
	}

	return "", fmt.Errorf("it is signed by none of the keys %s, or the signature does not fit", strings.Join(names, ", "))
}

// describes checks that the signed text is about an archive. It has the Chart.yaml, and after a line with three dots
// the digests of files.
func describes(text []byte, chart Packaged) error {
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	about, sums, both := bytes.Cut(text, []byte("\n...\n"))
	if !both {
		return errors.New("it names no files")
	}

	var meta struct{ Name, Version string }
	var listed struct{ Files map[string]string }
	if yaml.Unmarshal(about, &meta) != nil || yaml.Unmarshal(sums, &listed) != nil {
		return errors.New("what was signed cannot be read")
	}
	if meta.Name != chart.Name || meta.Version != chart.Version {
		return fmt.Errorf("it is about chart %.100q %.100q", meta.Name, meta.Version)
	}

	for _, digest := range listed.Files {
		if digest == chart.Digest {
			return nil
		}
	}

	return fmt.Errorf("it is about other bytes than %s", v1beta1.ShortDigest(chart.Digest))
}
