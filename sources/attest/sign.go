package attest

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

const (
	// BundleType is the media type of the bundles, and the type of the artifacts that hold them.
	BundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	// PayloadType is what an envelope says of a statement in it.
	PayloadType = "application/vnd.in-toto+json"

	statementType = "https://in-toto.io/Statement/v1"
	// keySuffix ends the name of the private key in a Secret, passwordSuffix that of its password, as cosign names
	// them.
	keySuffix      = ".key"
	passwordSuffix = ".password"
)

// Signer signs statements with a private key.
type Signer struct {
	key    signature.Signer
	public []byte
}

func badKey(format string, args ...any) error {
	return sources.Stall(v1beta1.AuthenticationFailedReason, nil, format, args...)
}

// NewSigner reads the private key of a Secret: one entry whose name ends in .key, ECDSA or Ed25519 in PEM. The entry
// that ends in .password instead has the password of a key of cosign. Errors are a sources.Error with reason
// AuthenticationFailed, stalled, and never quote the key.
func NewSigner(data map[string][]byte) (*Signer, error) {
	var found []string
	for _, name := range slices.Sorted(maps.Keys(data)) {
		if strings.HasSuffix(name, keySuffix) {
			found = append(found, name)
		}
	}

	if len(found) != 1 {
		return nil, badKey("the Secret has %d private keys, whose names end in %s; it has to be one", len(found),
			keySuffix)
	}

	name := found[0]
	var password cryptoutils.PassFunc
	if text, ok := data[strings.TrimSuffix(name, keySuffix)+passwordSuffix]; ok {
		password = func(bool) ([]byte, error) { return text, nil }
	}

	key, err := cryptoutils.UnmarshalPEMToPrivateKey(data[name], password)
	if err != nil {
		return nil, badKey("the key %q of the Secret is no private key in PEM that can be read", name)
	}

	private, ok := key.(crypto.Signer)
	if !ok {
		return nil, badKey("the key %q of the Secret cannot sign", name)
	}

	switch private.(type) {
	case *ecdsa.PrivateKey, ed25519.PrivateKey:
	default:
		return nil, badKey("the key %q of the Secret is neither ECDSA nor Ed25519", name)
	}

	public, err := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err != nil {
		return nil, badKey("the key %q of the Secret has no public key", name)
	}

	signer, err := signature.LoadSigner(private, crypto.SHA256)
	if err != nil {
		return nil, badKey("the key %q of the Secret is of a kind that is not accepted", name)
	}

	return &Signer{key: signer, public: public}, nil
}

// Public is the public key, PEM.
func (s *Signer) Public() []byte { return s.public }

// Sign makes a bundle with a statement that a predicate holds for an artifact.
func (s *Signer) Sign(name, digest, predicateType string, predicate any) ([]byte, error) {
	algorithm, hex, _ := strings.Cut(digest, ":")
	statement, err := json.Marshal(map[string]any{
		"_type":         statementType,
		"subject":       []any{map[string]any{"name": name, "digest": map[string]string{algorithm: hex}}},
		"predicateType": predicateType,
		"predicate":     predicate,
	})
	if err != nil {
		return nil, fmt.Errorf("writing the statement: %w", err)
	}

	raw, err := s.key.SignMessage(bytes.NewReader(envelope(PayloadType, statement)))
	if err != nil {
		return nil, fmt.Errorf("signing the statement: %w", err)
	}

	return json.Marshal(map[string]any{
		"mediaType":            BundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": ""}},
		"dsseEnvelope": map[string]any{
			"payload": statement, "payloadType": PayloadType, "signatures": []any{map[string]any{"sig": raw}},
		},
	})
}

// envelope is what is signed of a payload: the pre-authentication encoding of DSSE.
func envelope(kind string, payload []byte) []byte {
	return fmt.Appendf(nil, "DSSEv1 %d %s %d %s", len(kind), kind, len(payload), payload)
}
