package git

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp"
	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/object"
	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// Verification says what of a revision has to be signed, and by whom.
type Verification struct {
	// Commit and Tag say which objects have to be signed: the commit, and the annotated tag that names it.
	Commit, Tag bool
	Keys        TrustedKeys
}

// TrustedKeys are public keys by the names under which they are reported.
type TrustedKeys struct {
	pgp map[string]openpgp.EntityList
	ssh map[string][]ssh.PublicKey
}

// Ends of the names under which a Secret holds public keys.
const (
	pgpSuffix = ".asc"
	sshSuffix = ".sshpub"
	// maxSignature bounds a signature, in bytes.
	maxSignature = 64 << 10
)

// ReadTrustedKeys reads public keys: of PGP, armored, under names that end in .asc, and of SSH, one in a line, under
// those that end in .sshpub. Other names are left out. A key that cannot be read, and none at all, is a sources.Error
// with reason VerificationFailed, stalled.
func ReadTrustedKeys(data map[string][]byte) (TrustedKeys, error) {
	keys := TrustedKeys{pgp: map[string]openpgp.EntityList{}, ssh: map[string][]ssh.PublicKey{}}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		switch {
		case strings.HasSuffix(name, pgpSuffix):
			ring, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(data[name]))
			if err != nil {
				return TrustedKeys{}, untrusted("the key %q of the Secret holds no public keys of PGP", name)
			}

			keys.pgp[name] = ring
		case strings.HasSuffix(name, sshSuffix):
			found, err := publicKeys(data[name])
			if err != nil {
				return TrustedKeys{}, untrusted("the key %q of the Secret holds no public keys of SSH: %s", name, err)
			}

			keys.ssh[name] = found
		}
	}

	if len(keys.pgp)+len(keys.ssh) == 0 {
		return TrustedKeys{}, untrusted("the Secret has no public key: names of keys of PGP end in %s, those of SSH in %s",
			pgpSuffix, sshSuffix)
	}

	return keys, nil
}

func untrusted(format string, args ...any) error {
	return sources.Stall(v1beta1.VerificationFailedReason, nil, format, args...)
}

func publicKeys(text []byte) ([]ssh.PublicKey, error) {
	var found []ssh.PublicKey
	for number, line := range bytes.Split(text, []byte("\n")) {
		if line = bytes.TrimSpace(line); len(line) == 0 || line[0] == '#' {
			continue
		}

		key, _, _, _, err := ssh.ParseAuthorizedKey(line)
		if err != nil {
			return nil, fmt.Errorf("line %d is not TYPE KEY", number+1)
		}

		found = append(found, key)
	}

	if len(found) == 0 {
		return nil, errors.New("it has no line with a key")
	}

	return found, nil
}

// verify checks the signatures of a revision in a pack and returns their signers. tag is the object that the name of
// the revision points at, when that is a tag.
func (p *pack) verify(v Verification, rev Revision, tag plumbing.Hash, what string) (by string, err error) {
	failed := func(err error) error {
		return sources.Fail(v1beta1.VerificationFailedReason, err, "%s", what)
	}
	var signers []string
	if v.Commit {
		payload, signature, err := p.signedCommit(hash(rev.Commit))
		if err == nil {
			by, err = v.Keys.signer(payload, signature)
		}
		if err != nil {
			return "", failed(fmt.Errorf("commit %s %w", rev.Commit, err))
		}

		signers = append(signers, "commit "+rev.Commit+" by "+by)
	}

	if v.Tag {
		payload, signature, err := p.signedTag(tag)
		if err == nil {
			by, err = v.Keys.signer(payload, signature)
		}
		if err != nil {
			return "", failed(fmt.Errorf("tag %.100q %w", rev.Name, err))
		}

		signers = append(signers, "tag "+rev.Name+" by "+by)
	}

	return strings.Join(signers, ", "), nil
}

func (p *pack) signedCommit(h plumbing.Hash) (payload []byte, signature string, err error) {
	encoded, err := p.object(h)
	if err != nil {
		return nil, "", err
	}

	c := &object.Commit{}
	if err := c.Decode(encoded); err != nil {
		return nil, "", invalidPack(err)
	}

	payload, err = withoutSignature(c.EncodeWithoutSignature)
	return payload, c.PGPSignature, err
}

func (p *pack) signedTag(h plumbing.Hash) (payload []byte, signature string, err error) {
	encoded, err := p.object(h)
	if err != nil {
		return nil, "", err
	}
	if encoded.Type() != plumbing.TagObject {
		return nil, "", errors.New("is no annotated tag, so it cannot be signed")
	}

	t := &object.Tag{}
	if err := t.Decode(encoded); err != nil {
		return nil, "", invalidPack(err)
	}

	payload, err = withoutSignature(t.EncodeWithoutSignature)
	signature = t.PGPSignature
	if signature == "" { // the library knows only those of PGP at the end of a tag
		if at := bytes.Index(payload, []byte(sshBegin)); at >= 0 {
			payload, signature = payload[:at], string(payload[at:])
		}
	}

	return payload, signature, err
}

func withoutSignature(encode func(plumbing.EncodedObject) error) ([]byte, error) {
	encoded := &plumbing.MemoryObject{}
	if err := encode(encoded); err != nil {
		return nil, invalidPack(err)
	}

	r, err := encoded.Reader()
	if err != nil {
		return nil, invalidPack(err)
	}

	defer r.Close()
	return io.ReadAll(r)
}

const sshBegin = "-----BEGIN SSH SIGNATURE-----"

// signer returns which of the keys has signed a payload. The error continues "commit X".
func (k TrustedKeys) signer(payload []byte, signature string) (string, error) {
	signature = strings.TrimSpace(signature)
	switch {
	case signature == "":
		return "", errors.New("is not signed")
	case len(signature) > maxSignature || strings.Count(signature, "-----BEGIN ") > 1:
		return "", errors.New("has more than one signature, or one that is too large")
	case strings.HasPrefix(signature, sshBegin):
		return k.sshSigner(payload, signature)
	}

	for _, name := range slices.Sorted(maps.Keys(k.pgp)) {
		entity, err := openpgp.CheckArmoredDetachedSignature(k.pgp[name], bytes.NewReader(payload),
			strings.NewReader(signature), nil)
		if err == nil {
			return fmt.Sprintf("PGP key %s of %s", entity.PrimaryKey.KeyIdString(), name), nil
		}
	}

	return "", fmt.Errorf("is signed with PGP, but by none of the trusted keys (%s), or the signature does not fit",
		k.names(k.pgpNames()))
}

func (k TrustedKeys) pgpNames() []string { return slices.Sorted(maps.Keys(k.pgp)) }

func (k TrustedKeys) names(names []string) string {
	if len(names) == 0 {
		return "none of that kind"
	}
	return strings.Join(names, ", ")
}

// gitNamespace keeps signatures that were made for something else from counting for a commit.
const gitNamespace = "git"

func (k TrustedKeys) sshSigner(payload []byte, armored string) (string, error) {
	signed, err := parseSSHSignature(armored)
	if err != nil {
		return "", err
	}

	fingerprint := ssh.FingerprintSHA256(signed.PublicKey)
	shown := signed.PublicKey.Marshal()
	for _, name := range slices.Sorted(maps.Keys(k.ssh)) {
		for _, trusted := range k.ssh[name] {
			if !bytes.Equal(trusted.Marshal(), shown) {
				continue
			}
			if err := sshsig.Verify(bytes.NewReader(payload), signed, trusted, signed.HashAlgorithm, gitNamespace); err != nil {
				return "", fmt.Errorf("has a signature by the SSH key %s of %s that does not fit", fingerprint, name)
			}

			return fmt.Sprintf("SSH key %s of %s", fingerprint, name), nil
		}
	}

	return "", fmt.Errorf("is signed by the SSH key %s, which is none of the trusted ones (%s)", fingerprint,
		k.names(slices.Sorted(maps.Keys(k.ssh))))
}

// parseSSHSignature reads what ssh-keygen writes for a commit or a tag. The library refuses signatures over SHA-1.
func parseSSHSignature(armored string) (*sshsig.Signature, error) {
	block, rest := pem.Decode([]byte(armored))
	if block == nil || block.Type != sshsig.PEMType || len(bytes.TrimSpace(rest)) > 0 {
		return nil, errors.New("has an SSH signature that cannot be read")
	}

	signed, err := sshsig.ParseSignature(block.Bytes)
	switch {
	case errors.Is(err, sshsig.ErrUnsupportedHashAlgorithm):
		return nil, errors.New("has an SSH signature over a hash that is not accepted; use sha256 or sha512")
	case err != nil:
		return nil, errors.New("has an SSH signature that cannot be read, or one over SHA-1")
	case signed.Namespace != gitNamespace:
		return nil, fmt.Errorf("has an SSH signature that was made for %.50q and not for git", signed.Namespace)
	}

	return signed, nil
}
