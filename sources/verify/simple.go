package verify

import (
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"time"

	commonv1 "github.com/sigstore/protobuf-specs/gen/pb-go/common/v1"
	rekorv1 "github.com/sigstore/protobuf-specs/gen/pb-go/rekor/v1"
	"github.com/sigstore/sigstore-go/pkg/bundle"
	"github.com/sigstore/sigstore-go/pkg/tlog"
	"github.com/sigstore/sigstore-go/pkg/verify"
	"github.com/sigstore/sigstore/pkg/cryptoutils"
	"github.com/sigstore/sigstore/pkg/signature"
)

// Annotations of a layer with a signature of cosign's first layout.
const (
	signatureAnnotation   = "dev.cosignproject.cosign/signature"
	certificateAnnotation = "dev.sigstore.cosign/certificate"
	logAnnotation         = "dev.sigstore.cosign/bundle"
	timestampAnnotation   = "dev.sigstore.cosign/rfc3161timestamp"
)

// simple is a signature of cosign's first layout in the words of the library.
type simple struct {
	verify.BaseSignedEntity

	certificate *x509.Certificate
	content     *bundle.MessageSignature
	entries     []*tlog.Entry
	timestamps  [][]byte
}

func newSimple(s Signed, raw []byte) (*simple, error) {
	certificates, err := cryptoutils.UnmarshalCertificatesFromPEM([]byte(s.Annotations[certificateAnnotation]))
	if err != nil || len(certificates) == 0 {
		return nil, errors.New("it has no certificate: it was made with a key")
	}

	sum := sha256.Sum256(s.Payload)
	out := &simple{certificate: certificates[0], content: bundle.NewMessageSignature(sum[:], "SHA2_256", raw)}
	if text := s.Annotations[logAnnotation]; text != "" {
		entry, err := entryOf(text)
		if err != nil {
			return nil, errors.New("its entry of a transparency log cannot be read")
		}

		out.entries = append(out.entries, entry)
	}

	if text := s.Annotations[timestampAnnotation]; text != "" {
		var stamp struct {
			Timestamp []byte `json:"SignedRFC3161Timestamp"`
		}
		if err := json.Unmarshal([]byte(text), &stamp); err != nil {
			return nil, errors.New("its timestamp cannot be read")
		}

		out.timestamps = append(out.timestamps, stamp.Timestamp)
	}

	return out, nil
}

// entryOf reads what a log has promised.
func entryOf(text string) (*tlog.Entry, error) {
	var promise struct {
		SignedEntryTimestamp []byte `json:"SignedEntryTimestamp"`
		Payload              struct {
			Body           string `json:"body"`
			IntegratedTime int64  `json:"integratedTime"`
			LogIndex       int64  `json:"logIndex"`
			LogID          string `json:"logID"`
		} `json:"Payload"`
	}
	if err := json.Unmarshal([]byte(text), &promise); err != nil {
		return nil, err
	}

	body, err := base64.StdEncoding.DecodeString(promise.Payload.Body)
	if err != nil {
		return nil, err
	}

	id, err := hex.DecodeString(promise.Payload.LogID)
	if err != nil {
		return nil, err
	}

	var kind struct {
		Kind    string `json:"kind"`
		Version string `json:"apiVersion"`
	}
	if err := json.Unmarshal(body, &kind); err != nil {
		return nil, err
	}

	return tlog.NewTlogEntry(&rekorv1.TransparencyLogEntry{
		LogIndex: promise.Payload.LogIndex, LogId: &commonv1.LogId{KeyId: id},
		KindVersion:       &rekorv1.KindVersion{Kind: kind.Kind, Version: kind.Version},
		IntegratedTime:    promise.Payload.IntegratedTime,
		InclusionPromise:  &rekorv1.InclusionPromise{SignedEntryTimestamp: promise.SignedEntryTimestamp},
		CanonicalizedBody: body,
	})
}

// VerificationContent implements verify.SignedEntity.
func (s *simple) VerificationContent() (verify.VerificationContent, error) {
	return bundle.NewCertificate(s.certificate), nil
}

// SignatureContent implements verify.SignedEntity.
func (s *simple) SignatureContent() (verify.SignatureContent, error) { return s.content, nil }

// HasInclusionPromise implements verify.SignedEntity.
func (s *simple) HasInclusionPromise() bool { return len(s.entries) > 0 }

// TlogEntries implements verify.SignedEntity.
func (s *simple) TlogEntries() ([]*tlog.Entry, error) { return s.entries, nil }

// Timestamps implements verify.SignedEntity.
func (s *simple) Timestamps() ([][]byte, error) { return s.timestamps, nil }

// Version implements verify.SignedEntity.
func (s *simple) Version() (string, error) { return "v0.1", nil }

// always is a key that does not end.
type always struct{ signature.Verifier }

// ValidAtTime implements root.TimeConstrainedVerifier.
func (always) ValidAtTime(time.Time) bool { return true }
