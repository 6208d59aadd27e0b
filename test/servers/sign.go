package servers

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"strings"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	"oras.land/oras-go/v2/content"
)

// Signer signs artifacts of a registry as cosign does with a key.
type Signer struct {
	// Public is the public key, PEM.
	Public []byte

	key *ecdsa.PrivateKey
}

// NewSigner makes a key.
func NewSigner() (*Signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	raw, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return nil, err
	}
	return &Signer{Public: pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: raw}), key: key}, nil
}

func (s *Signer) sign(content []byte) ([]byte, error) {
	sum := sha256.Sum256(content)
	return ecdsa.SignASN1(rand.Reader, s.key, sum[:])
}

// Sign adds a signature in cosign's first layout: under a tag that the digest makes.
func (s *Signer) Sign(ctx context.Context, r *RegistryServer, path, digest string) error {
	payload := fmt.Appendf(nil,
		`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"cosign container `+
			`image signature"},"optional":null}`, path, digest)
	raw, err := s.sign(payload)
	if err != nil {
		return err
	}
	repo, err := r.Repository(path)
	if err != nil {
		return err
	}
	config, err := PushBlob(ctx, repo, ocispec.MediaTypeImageConfig, []byte("{}"))
	if err != nil {
		return err
	}
	layer, err := PushBlob(ctx, repo, "application/vnd.dev.cosign.simplesigning.v1+json", payload)
	if err != nil {
		return err
	}
	layer.Annotations = map[string]string{"dev.cosignproject.cosign/signature": base64.StdEncoding.EncodeToString(raw)}
	manifest := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, Config: config, Layers: []ocispec.Descriptor{layer},
	}
	manifest.SchemaVersion = 2
	_, err = PushManifest(ctx, repo, ocispec.MediaTypeImageManifest, strings.Replace(digest, ":", "-", 1)+".sig", manifest)
	return err
}

// Attach adds a signature as a Sigstore bundle that refers to the manifest.
func (s *Signer) Attach(ctx context.Context, r *RegistryServer, path, digest string) error {
	repo, err := r.Repository(path)
	if err != nil {
		return err
	}
	subject, err := repo.Resolve(ctx, digest)
	if err != nil {
		return err
	}
	signed, err := content.FetchAll(ctx, repo, subject)
	if err != nil {
		return err
	}
	raw, err := s.sign(signed)
	if err != nil {
		return err
	}
	const bundleType = "application/vnd.dev.sigstore.bundle.v0.3+json"
	sum, err := hex.DecodeString(strings.TrimPrefix(digest, "sha256:"))
	if err != nil {
		return err
	}
	bundle, err := json.Marshal(map[string]any{
		"mediaType":            bundleType,
		"verificationMaterial": map[string]any{"publicKey": map[string]any{"hint": "test"}},
		"messageSignature": map[string]any{
			"messageDigest": map[string]any{"algorithm": "SHA2_256", "digest": sum}, "signature": raw,
		},
	})
	if err != nil {
		return err
	}
	layer, err := PushBlob(ctx, repo, bundleType, bundle)
	if err != nil {
		return err
	}
	empty, err := PushBlob(ctx, repo, ocispec.MediaTypeEmptyJSON, []byte("{}"))
	if err != nil {
		return err
	}
	manifest := ocispec.Manifest{
		MediaType: ocispec.MediaTypeImageManifest, ArtifactType: bundleType, Config: empty,
		Layers: []ocispec.Descriptor{layer}, Subject: &subject,
	}
	manifest.SchemaVersion = 2
	text, err := json.Marshal(manifest)
	if err != nil {
		return err
	}
	return repo.Push(ctx, content.NewDescriptorFromBytes(ocispec.MediaTypeImageManifest, text), bytes.NewReader(text))
}
