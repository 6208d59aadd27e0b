package source

import (
	"context"
	"fmt"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/oci"
	"fairlead.dev/fairlead/sources/verify"
)

// trustedRootKey is the key of a Secret with a trusted root of Sigstore.
const trustedRootKey = "trusted_root.json"

// policy reads whose signatures are trusted.
func (s secrets) policy(ctx context.Context, v *v1beta1.OCIVerification) (verify.Policy, error) {
	if v.SecretRef != nil {
		found, err := s.secret(ctx, "verify.secretRef", v.SecretRef)
		if err != nil {
			return verify.Policy{}, err
		}
		return verify.Keys(found.Data)
	}
	if v.TrustedRootSecretRef == nil {
		return verify.Policy{}, sources.Stall(v1beta1.VerificationFailedReason, nil, "spec.verify names neither keys nor a trusted root")
	}
	found, err := s.secret(ctx, "verify.trustedRootSecretRef", v.TrustedRootSecretRef)
	if err != nil {
		return verify.Policy{}, err
	}
	identities := make([]verify.Identity, len(v.MatchOIDCIdentity))
	for i, match := range v.MatchOIDCIdentity {
		identities[i] = verify.Identity{Issuer: match.Issuer, Subject: match.Subject}
	}
	root, there := found.Data[trustedRootKey]
	if !there {
		return verify.Policy{}, sources.Stall(v1beta1.VerificationFailedReason, nil, "Secret %s/%s of spec.verify.trustedRootSecretRef has no key %s",
			s.namespace, v.TrustedRootSecretRef.Name, trustedRootKey)
	}
	return verify.Keyless(identities, root)
}

// signedBy tells who has signed what a digest of a registry stands for, which is what is pulled then. Without a verification nobody has to.
func (s secrets) signedBy(ctx context.Context, v *v1beta1.OCIVerification, remote *oci.Repository, digest string) (by string, err error) {
	if v == nil {
		return "", nil
	}
	policy, err := s.policy(ctx, v)
	if err != nil {
		return "", err
	}
	found, tried, err := remote.Signatures(ctx, digest)
	if err != nil {
		return "", err
	}
	signed := make([]verify.Signed, len(found))
	for i, f := range found {
		signed[i] = verify.Signed(f)
	}
	if by, err = policy.Check(digest, signed, tried); err != nil {
		return "", fmt.Errorf("verifying %s: %w", remote, err)
	}
	return fmt.Sprintf("%s by %s", digest, by), nil
}
