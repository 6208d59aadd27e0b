package v1beta1

import (
	"slices"
	"testing"
)

// A signature that cannot be checked as the spec says is not supported, so that nothing is taken without it.
func TestUnsupportedVerification(t *testing.T) {
	t.Parallel()
	keys, root := &LocalObjectReference{Name: "keys"}, &LocalObjectReference{Name: "root"}
	match := []OIDCIdentityMatch{{Issuer: "i", Subject: "s"}}
	const neither = "spec.verify without secretRef, or matchOIDCIdentity with trustedRootSecretRef,"
	for _, tt := range []struct {
		name   string
		verify *Verification
		want   []string
	}{
		{"none", nil, nil},
		{"keys", &Verification{Provider: VerifyCosign, SecretRef: keys}, nil},
		{"keys, by default of cosign", &Verification{SecretRef: keys}, nil},
		{"identities", &Verification{Provider: VerifyCosign, MatchOIDCIdentity: match, TrustedRootSecretRef: root}, nil},
		{"the public root", &Verification{Provider: VerifyCosign}, []string{neither}},
		{"the public root, by default", &Verification{}, []string{neither}},
		{"identities of the public root", &Verification{Provider: VerifyCosign, MatchOIDCIdentity: match},
			[]string{neither}},
		{"any identity of a root", &Verification{Provider: VerifyCosign, TrustedRootSecretRef: root}, []string{neither}},
		{"keys and identities", &Verification{Provider: VerifyCosign, SecretRef: keys, MatchOIDCIdentity: match},
			[]string{"spec.verify.matchOIDCIdentity beside secretRef"}},
		{"provenance files", &Verification{Provider: VerifyHelm, SecretRef: keys}, nil},
		{"notation", &Verification{Provider: VerifyNotation, SecretRef: keys},
			[]string{"spec.verify.provider notation"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			repository := &OCIRepository{Spec: OCIRepositorySpec{Verify: tt.verify}}
			if got := repository.Unsupported(); !slices.Equal(got, tt.want) {
				t.Errorf("not supported are %q, want %q", got, tt.want)
			}
		})
	}
}
