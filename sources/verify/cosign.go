package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// keySuffix ends the names under which a Secret holds public keys.
const keySuffix = ".pub"

// Identity says which certificates are trusted, by regular expressions (RE2) that the writer anchors.
type Identity struct{ Issuer, Subject string }

// Signed is a signature of an artifact, as a registry holds it: a Bundle, or a Payload with Annotations.
type Signed struct {
	Where       string
	Payload     []byte
	Annotations map[string]string
	Bundle      []byte
}

// Policy says whose signatures count.
type Policy struct {
	keys map[string]signature.Verifier
	// identities and material are for signatures without a key of one's own.
	identities []verify.PolicyOption
	verifier   *verify.Verifier
}

func bad(format string, args ...any) error {
	return sources.Stall(v1beta1.VerificationFailedReason, nil, format, args...)
}

// Keys trusts the public keys, PEM, that are in data under names that end in .pub. None, or one that cannot be read, is
// a sources.Error with reason VerificationFailed, stalled.
func Keys(data map[string][]byte) (Policy, error) {
	p := Policy{keys: map[string]signature.Verifier{}}
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if !strings.HasSuffix(name, keySuffix) {
			continue
		}

		key, err := cryptoutils.UnmarshalPEMToPublicKey(data[name])
		if err != nil {
			return Policy{}, bad("the key %q of the Secret is no public key in PEM", name)
		}
		if !strong(key) {
			return Policy{}, bad("the key %q of the Secret is of a kind or a size that is not accepted", name)
		}
		if p.keys[name], err = signature.LoadVerifier(key, crypto.SHA256); err != nil {
			return Policy{}, bad("the key %q of the Secret is of a kind that is not accepted", name)
		}
	}

	if len(p.keys) == 0 {
		return Policy{}, bad("the Secret has no public key: their names end in %s", keySuffix)
	}

	return p, nil
}

// strong reports whether a key is of a kind and a size whose signatures cannot be forged today.
func strong(key crypto.PublicKey) bool {
	switch key := key.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= 2048
	case *ecdsa.PublicKey:
		return key.Curve == elliptic.P256() || key.Curve == elliptic.P384() || key.Curve == elliptic.P521()
	case ed25519.PublicKey:
		return true
	default:
		return false
	}
}

// Keyless trusts certificates of identities, any of which is enough, that the authorities of a trusted root (Sigstore's
// trusted_root.json) have issued. The signature has to be in a log of that root, or to have a timestamp of one of its
// authorities.
func Keyless(identities []Identity, trustedRoot []byte) (Policy, error) {
	material, err := root.NewTrustedRootFromJSON(trustedRoot)
	if err != nil {
		return Policy{}, bad("the trusted root is no trusted_root.json of Sigstore")
	}
	if len(identities) == 0 {
		return Policy{}, bad("no identity is trusted: spec.verify.matchOIDCIdentity is empty")
	}

	var p Policy
	for i, id := range identities {
		for _, expression := range []string{id.Issuer, id.Subject} {
			if _, err := regexp.Compile(expression); err != nil || expression == "" {
				return Policy{}, bad("spec.verify.matchOIDCIdentity[%d]: %.200q is not a regular expression", i, expression)
			}
		}

		identity, err := verify.NewShortCertificateIdentity("", id.Issuer, "", id.Subject)
		if err != nil {
			return Policy{}, bad("spec.verify.matchOIDCIdentity[%d] cannot be used: %s", i, err)
		}

		p.identities = append(p.identities, verify.WithCertificateIdentity(identity))
	}

	options := []verify.VerifierOption{verify.WithObserverTimestamps(1)}
	if len(material.RekorLogs()) > 0 {
		options = append(options, verify.WithTransparencyLog(1))
	}
	if len(material.CTLogs()) > 0 {
		options = append(options, verify.WithSignedCertificateTimestamps(1))
	}
	if p.verifier, err = verify.NewVerifier(material, options...); err != nil {
		return Policy{}, bad("the trusted root cannot be used: %s", err)
	}

	return p, nil
}

// Check returns the signer of the artifact with a digest: the first signature that the policy trusts. Without one the
// error is a sources.Error with reason VerificationFailed that says why each signature does not count, and where
// signatures were looked for.
func (p Policy) Check(digest string, found []Signed, tried []string) (by string, err error) {
	const shown = 5
	var refused []string
	for _, s := range found {
		by, err := p.one(digest, s)
		if err == nil {
			return by, nil
		}
		if len(refused) < shown {
			refused = append(refused, s.Where+": "+shortened(err.Error()))
		}
	}

	where := strings.Join(tried, " and ")
	if len(found) == 0 {
		return "", sources.Fail(v1beta1.VerificationFailedReason, nil, "%s has no signature (%s)",
			v1beta1.ShortDigest(digest), where)
	}

	return "", sources.Fail(v1beta1.VerificationFailedReason, nil, "none of the %d signatures of %s counts: %s (%s)",
		len(found), v1beta1.ShortDigest(digest), strings.Join(refused, "; "), where)
}

func shortened(text string) string {
	const most = 300
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "…"
	}
	return text
}

func (p Policy) one(digest string, s Signed) (by string, err error) {
	defer func() {
		if recover() != nil { // the libraries read what strangers have written
			by = ""
			err = errors.New("it cannot be read")
		}
	}()
	if len(s.Bundle) > 0 {
		return p.bundled(digest, s.Bundle)
	}
	if err := names(s.Payload, digest); err != nil {
		return "", err
	}

	raw, err := base64.StdEncoding.DecodeString(s.Annotations[signatureAnnotation])
	if err != nil || len(raw) == 0 {
		return "", errors.New("it holds no signature")
	}

	if p.keys != nil {
		return p.byKey(func(v signature.Verifier) error {
			return v.VerifySignature(bytes.NewReader(raw), bytes.NewReader(s.Payload))
		})
	}

	entity, err := newSimple(s, raw)
	if err != nil {
		return "", err
	}

	return p.byIdentity(entity, verify.WithArtifact(bytes.NewReader(s.Payload)))
}

// byKey tries all keys.
func (p Policy) byKey(try func(signature.Verifier) error) (string, error) {
	names := slices.Sorted(maps.Keys(p.keys))
	for _, name := range names {
		if try(p.keys[name]) == nil {
			return "key " + name, nil
		}
	}
	return "", fmt.Errorf("it is by none of the keys %s", strings.Join(names, ", "))
}

func (p Policy) byIdentity(entity verify.SignedEntity, artifact verify.ArtifactPolicyOption) (string, error) {
	result, err := p.verifier.Verify(entity, verify.NewPolicy(artifact, p.identities...))
	if err != nil {
		return "", err
	}
	if result.Signature == nil || result.Signature.Certificate == nil {
		return "", errors.New("it has no certificate")
	}
	c := result.Signature.Certificate
	return fmt.Sprintf("%s, issued by %s", c.SubjectAlternativeName, c.Issuer), nil
}

// bundled checks a Sigstore bundle.
func (p Policy) bundled(digest string, content []byte) (string, error) {
	b := &bundle.Bundle{}
	if err := b.UnmarshalJSON(content); err != nil {
		return "", errors.New("it is no Sigstore bundle that can be read")
	}

	raw, err := hex.DecodeString(strings.TrimPrefix(digest, sources.DigestPrefix))
	if err != nil {
		return "", err
	}

	artifact := verify.WithArtifactDigest("sha256", raw)
	if p.keys == nil {
		return p.byIdentity(b, artifact)
	}

	return p.byKey(func(v signature.Verifier) error {
		material := root.NewTrustedPublicKeyMaterial(func(string) (root.TimeConstrainedVerifier, error) {
			return always{v}, nil
		})
		verifier, err := verify.NewVerifier(material, verify.WithNoObserverTimestamps())
		if err != nil {
			return err
		}

		_, err = verifier.Verify(b, verify.NewPolicy(artifact, verify.WithKey()))
		return err
	})
}

// names checks that the payload of a signature is about a digest.
func names(payload []byte, digest string) error {
	var simple struct {
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if err := json.Unmarshal(payload, &simple); err != nil {
		return errors.New("its payload cannot be read")
	}
	if simple.Critical.Image.Digest != digest {
		return errors.New("it is about another artifact")
	}

	return nil
}
