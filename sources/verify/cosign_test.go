package verify

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	protobundle "github.com/sigstore/protobuf-specs/gen/pb-go/bundle/v1"
	commonv1 "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/root"
	"github.com/sigstore/sigstore-go/pkg/testing/ca"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
	"google.golang.org/protobuf/encoding/protojson"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

var artifact = []byte("an artifact")

func digestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return sources.DigestPrefix + hex.EncodeToString(sum[:])
}

func payloadOf(digest string) []byte {
	return []byte(fmt.Sprintf(`{"critical":{"identity":{"docker-reference":"x"},"image":{"docker-manifest-digest":%q},"type":"cosign container image signature"},"optional":null}`, digest))
}

// keyPair is a key that signs, with its public half as a Secret holds it.
type keyPair struct {
	signer signature.Signer
	public []byte
}

func newPair(t *testing.T, private crypto.Signer) keyPair {
	t.Helper()
	signer, err := signature.LoadSigner(private, crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return keyPair{signer, public}
}

func ecdsaPair(t *testing.T) keyPair {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return newPair(t, private)
}

func (k keyPair) sign(t *testing.T, content []byte) []byte {
	t.Helper()
	raw, err := k.signer.SignMessage(bytes.NewReader(content))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// simpleOf is a signature of cosign's first layout.
func (k keyPair) simple(t *testing.T, payload []byte) Signed {
	return Signed{Where: "tag x.sig", Payload: payload, Annotations: map[string]string{signatureAnnotation: base64.StdEncoding.EncodeToString(k.sign(t, payload))}}
}

// bundle is a Sigstore bundle made with a key.
func (k keyPair) bundle(t *testing.T, content []byte) Signed {
	t.Helper()
	sum := sha256.Sum256(content)
	return encode(t, &protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle.v0.3+json",
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_PublicKey{PublicKey: &commonv1.PublicKeyIdentifier{Hint: "x"}},
		},
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &commonv1.MessageSignature{
			MessageDigest: &commonv1.HashOutput{Algorithm: commonv1.HashAlgorithm_SHA2_256, Digest: sum[:]}, Signature: k.sign(t, content),
		}},
	})
}

func encode(t *testing.T, b *protobundle.Bundle) Signed {
	t.Helper()
	text, err := protojson.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return Signed{Where: "referrer x", Bundle: text}
}

func keysOf(t *testing.T, pairs ...keyPair) Policy {
	t.Helper()
	data := map[string][]byte{"README": []byte("left out")}
	for i, pair := range pairs {
		data[fmt.Sprintf("key%d.pub", i)] = pair.public
	}
	p, err := Keys(data)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestKeys(t *testing.T) {
	t.Parallel()
	own, other := ecdsaPair(t), ecdsaPair(t)
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	rsaPair, edPair := newPair(t, rsaKey), newPair(t, edKey)
	digest := digestOf(artifact)
	good := payloadOf(digest)
	for _, tt := range []struct {
		name   string
		policy Policy
		found  []Signed
		by     string
		says   string
	}{
		{"ECDSA", keysOf(t, own), []Signed{own.simple(t, good)}, "key key0.pub", ""},
		{"RSA", keysOf(t, rsaPair), []Signed{rsaPair.simple(t, good)}, "key key0.pub", ""},
		{"Ed25519", keysOf(t, edPair), []Signed{edPair.simple(t, good)}, "key key0.pub", ""},
		{"the second of two keys", keysOf(t, other, own), []Signed{own.simple(t, good)}, "key key1.pub", ""},
		{"the second of two signatures", keysOf(t, own), []Signed{other.simple(t, good), own.simple(t, good)}, "key key0.pub", ""},
		{"a bundle", keysOf(t, other, own), []Signed{own.bundle(t, artifact)}, "key key1.pub", ""},
		{"another key", keysOf(t, own), []Signed{other.simple(t, good)}, "", "by none of the keys key0.pub"},
		{"a bundle by another key", keysOf(t, own), []Signed{other.bundle(t, artifact)}, "", "by none of the keys"},
		{"another artifact", keysOf(t, own), []Signed{own.simple(t, payloadOf(digestOf([]byte("x"))))}, "", "about another artifact"},
		{"a bundle of another artifact", keysOf(t, own), []Signed{own.bundle(t, []byte("x"))}, "", "by none of the keys"},
		{"no signature", keysOf(t, own), nil, "", "has no signature (tag x and referrers)"},
		{"an empty one", keysOf(t, own), []Signed{{Where: "x", Payload: good}}, "", "holds no signature"},
		{"garbage", keysOf(t, own), []Signed{{Where: "x", Payload: []byte("[")}, {Where: "y", Bundle: []byte("{}")}, {Where: "z", Bundle: []byte("[")}}, "", "none of the 3 signatures"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			check(t, tt.policy, digest, tt.found, tt.by, tt.says)
		})
	}
	for name, data := range map[string]map[string][]byte{"none": {"x": []byte("y")}, "no PEM": {"a.pub": []byte("hunter2")}, "too small": {"a.pub": smallKey(t)}} {
		if _, err := Keys(data); sources.Reason(err) != v1beta1.VerificationFailedReason || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func smallKey(t *testing.T) []byte {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P224(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err != nil {
		t.Fatal(err)
	}
	return public
}

func check(t *testing.T, p Policy, digest string, found []Signed, by, says string) {
	t.Helper()
	got, err := p.Check(digest, found, []string{"tag x", "referrers"})
	if says == "" {
		if err != nil || !strings.Contains(got, by) {
			t.Errorf("signed by %q, %v", got, err)
		}
		return
	}
	if sources.Reason(err) != v1beta1.VerificationFailedReason || !strings.Contains(err.Error(), says) || got != "" {
		t.Errorf("got %q, %v; want %s", got, err, says)
	}
}

// sigstore is a whole Sigstore of the test's own: authorities and a log.
type sigstore struct {
	*ca.VirtualSigstore
	root []byte
}

func newSigstore(t *testing.T) sigstore {
	t.Helper()
	virtual, err := ca.NewVirtualSigstore()
	if err != nil {
		t.Fatal(err)
	}
	logs := virtual.RekorLogs()
	for id, log := range logs { // the library's test double writes the identifier as text
		if log.ID, err = hex.DecodeString(id); err != nil {
			t.Fatal(err)
		}
	}
	// Its certificates hold no promise of a certificate log, so the root has none.
	trusted, err := root.NewTrustedRoot(root.TrustedRootMediaType01, virtual.FulcioCertificateAuthorities(), nil, virtual.TimestampingAuthorities(), logs)
	if err != nil {
		t.Fatal(err)
	}
	text, err := trusted.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return sigstore{virtual, text}
}

// signed signs content as a subject and returns the parts of the signature.
func (s sigstore) signed(t *testing.T, subject, issuer string, content []byte, at time.Time) (cert, raw []byte, entry *rekorv1.TransparencyLogEntry) {
	t.Helper()
	entity, err := s.SignAtTime(subject, issuer, content, at)
	if err != nil {
		t.Fatal(err)
	}
	verification, err := entity.VerificationContent()
	if err != nil {
		t.Fatal(err)
	}
	parts, err := entity.SignatureContent()
	if err != nil {
		t.Fatal(err)
	}
	entries, err := entity.TlogEntries()
	if err != nil {
		t.Fatal(err)
	}
	found := entries[0].TransparencyLogEntry()
	promise, err := s.RekorSignPayload(tlog.RekorPayload{
		Body: base64.StdEncoding.EncodeToString(found.CanonicalizedBody), IntegratedTime: found.IntegratedTime, LogIndex: found.LogIndex, LogID: hex.EncodeToString(found.LogId.KeyId),
	})
	if err != nil {
		t.Fatal(err)
	}
	found.InclusionPromise = &rekorv1.InclusionPromise{SignedEntryTimestamp: promise}
	found.KindVersion = &rekorv1.KindVersion{Kind: "hashedrekord", Version: "0.0.1"}
	return verification.Certificate().Raw, parts.Signature(), found
}

func (s sigstore) simple(t *testing.T, subject, issuer string, payload []byte, at time.Time) Signed {
	t.Helper()
	cert, raw, entry := s.signed(t, subject, issuer, payload, at)
	log, err := json.Marshal(map[string]any{
		"SignedEntryTimestamp": entry.InclusionPromise.SignedEntryTimestamp,
		"Payload": map[string]any{
			"body": base64.StdEncoding.EncodeToString(entry.CanonicalizedBody), "integratedTime": entry.IntegratedTime, "logIndex": entry.LogIndex,
			"logID": hex.EncodeToString(entry.LogId.KeyId),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return Signed{Where: "tag x.sig", Payload: payload, Annotations: map[string]string{
		signatureAnnotation: base64.StdEncoding.EncodeToString(raw), certificateAnnotation: string(cryptoutils.PEMEncode(cryptoutils.CertificatePEMType, cert)), logAnnotation: string(log),
	}}
}

func (s sigstore) bundle(t *testing.T, subject, issuer string, content []byte, at time.Time) Signed {
	t.Helper()
	cert, raw, entry := s.signed(t, subject, issuer, content, at)
	sum := sha256.Sum256(content)
	return encode(t, &protobundle.Bundle{
		MediaType: "application/vnd.dev.sigstore.bundle+json;version=0.1",
		VerificationMaterial: &protobundle.VerificationMaterial{
			Content: &protobundle.VerificationMaterial_X509CertificateChain{X509CertificateChain: &commonv1.X509CertificateChain{
				Certificates: []*commonv1.X509Certificate{{RawBytes: cert}},
			}},
			TlogEntries: []*rekorv1.TransparencyLogEntry{entry},
		},
		Content: &protobundle.Bundle_MessageSignature{MessageSignature: &commonv1.MessageSignature{
			MessageDigest: &commonv1.HashOutput{Algorithm: commonv1.HashAlgorithm_SHA2_256, Digest: sum[:]}, Signature: raw,
		}},
	})
}

func TestKeyless(t *testing.T) {
	t.Parallel()
	own, stranger := newSigstore(t), newSigstore(t)
	digest := digestOf(artifact)
	good, now := payloadOf(digest), time.Now().Add(5*time.Minute)
	const subject, issuer = "release@example.com", "https://issuer.example.com"
	policy := func(ids ...Identity) Policy {
		p, err := Keyless(ids, own.root)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	trusted := policy(Identity{"^https://other$", "^x$"}, Identity{`^https://issuer\.example\.com$`, `^release@example\.com$`})
	signedByKey := ecdsaPair(t).simple(t, good)
	moved := own.simple(t, subject, issuer, good, now)
	moved.Payload = payloadOf(digestOf([]byte("x")))
	unlogged := own.simple(t, subject, issuer, good, now)
	delete(unlogged.Annotations, logAnnotation)
	for _, tt := range []struct {
		name   string
		policy Policy
		found  Signed
		by     string
		says   string
	}{
		{"the first layout", trusted, own.simple(t, subject, issuer, good, now), subject + ", issued by " + issuer, ""},
		{"a bundle", trusted, own.bundle(t, subject, issuer, artifact, now), subject + ", issued by " + issuer, ""},
		{"another subject", trusted, own.simple(t, "somebody@example.com", issuer, good, now), "", "none of the 1 signatures"},
		{"another issuer", trusted, own.bundle(t, subject, "https://elsewhere.example.com", artifact, now), "", "none of the 1 signatures"},
		{"another authority", trusted, stranger.simple(t, subject, issuer, good, now), "", "none of the 1 signatures"},
		{"a bundle of another authority", trusted, stranger.bundle(t, subject, issuer, artifact, now), "", "none of the 1 signatures"},
		{"a certificate that had ended", trusted, own.simple(t, subject, issuer, good, now.Add(24*time.Hour)), "", "none of the 1 signatures"},
		{"a signature with a key", trusted, signedByKey, "", "it has no certificate"},
		{"a signature in no log", trusted, unlogged, "", "none of the 1 signatures"},
		{"a payload of another artifact", trusted, moved, "", "about another artifact"},
		{"a bundle of another artifact", trusted, own.bundle(t, subject, issuer, []byte("x"), now), "", "none of the 1 signatures"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			check(t, tt.policy, digest, []Signed{tt.found}, tt.by, tt.says)
		})
	}
	for name, try := range map[string]func() (Policy, error){
		"no root":         func() (Policy, error) { return Keyless([]Identity{{"a", "b"}}, []byte("hunter2")) },
		"no identity":     func() (Policy, error) { return Keyless(nil, own.root) },
		"no expression":   func() (Policy, error) { return Keyless([]Identity{{"(", "b"}}, own.root) },
		"an empty issuer": func() (Policy, error) { return Keyless([]Identity{{"", "b"}}, own.root) },
	} {
		if _, err := try(); sources.Reason(err) != v1beta1.VerificationFailedReason || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func FuzzSignatures(f *testing.F) {
	f.Add([]byte(`{"mediaType":"application/vnd.dev.sigstore.bundle.v0.3+json"}`), "e30=", "{}")
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.Fatal(err)
	}
	public, err := cryptoutils.MarshalPublicKeyToPEM(private.Public())
	if err != nil {
		f.Fatal(err)
	}
	keyed, err := Keys(map[string][]byte{"a.pub": public})
	if err != nil {
		f.Fatal(err)
	}
	digest := digestOf(artifact)
	f.Fuzz(func(t *testing.T, bundle []byte, raw, log string) {
		found := []Signed{{Bundle: bundle}, {Payload: payloadOf(digest), Annotations: map[string]string{signatureAnnotation: raw, logAnnotation: log, certificateAnnotation: raw}}, {Payload: bundle}}
		if _, err := keyed.Check(digest, found, nil); err == nil {
			t.Error("garbage counts")
		}
		_, _ = newSimple(found[1], []byte(raw))
	})
}
