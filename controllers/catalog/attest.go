package catalog

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/attest"
	"fairlead.dev/fairlead/sources/oci"
	"fairlead.dev/fairlead/sources/verify"
)

// maxRefused is how many statements that do not count are named in a message.
const maxRefused = 3

// attested says who signed the statements that an OCIRepository asks for; empty when it asks for none.
func (c *Catalog) attested(
	ctx context.Context, repository *v1beta1.OCIRepository, remote *oci.Repository, digest string,
) (by string, err error) {
	if len(repository.Spec.Attestations) == 0 {
		return "", nil
	}
	return c.statements(ctx, repository.Namespace, "attestations[].secretRef", repository.Spec.Attestations, remote,
		digest)
}

// statements says who signed the statements that are required of an artifact. A missing one is a sources.Error with
// reason VerificationFailed.
func (c *Catalog) statements(
	ctx context.Context, namespace, field string, required []v1beta1.RequiredAttestation, remote *oci.Repository,
	digest string,
) (by string, err error) {
	found, err := signedIn(ctx, remote, digest)
	if err != nil {
		return "", err
	}

	all := make([]string, 0, len(required))
	for _, want := range required {
		secret, err := c.secretsIn(namespace).secret(ctx, field, &want.SecretRef)
		if err != nil {
			return "", err
		}

		policy, err := verify.Keys(secret.Data)
		if err != nil {
			return "", fmt.Errorf("reading Secret %s/%s of spec.%s: %w", namespace, secret.Name, field, err)
		}

		signer, err := claimed(claimOf(want), policy, digest, found)
		if err != nil {
			return "", fmt.Errorf("verifying %s: %w", remote, err)
		}

		all = append(all, signer)
	}

	return strings.Join(all, "; "), nil
}

// Attested says who signed the statements that a gate requires of a chart, in the registry of the subject of a
// pipeline. It waits for the registry, so it is for a task. A missing one is an error with reason VerificationFailed.
func (c *Catalog) Attested(
	ctx context.Context, namespace, field string, from v1beta1.OCIRepositorySpec, required []v1beta1.RequiredAttestation,
	digest string,
) (by string, err error) {
	ctx, read := redactable(ctx)
	source := &v1beta1.OCIRepository{Spec: from}
	source.Namespace = namespace
	if err := Supported(source); err != nil {
		return "", err
	}

	remote, err := c.ociRepository(ctx, source)
	if err == nil {
		by, err = c.statements(ctx, namespace, field, required, remote, digest)
	}

	return by, read.hide(err)
}

func claimOf(want v1beta1.RequiredAttestation) attest.Claim {
	return attest.Claim{
		Type: want.PredicateType, Namespace: want.Namespace, Pipeline: want.Pipeline, Stage: want.Stage,
	}
}

// signedIn reads the bundles and signatures that a registry has of an artifact.
func signedIn(ctx context.Context, remote *oci.Repository, digest string) ([]verify.Signed, error) {
	signatures, _, err := remote.Signatures(ctx, digest)
	if err != nil {
		return nil, err
	}
	found := make([]verify.Signed, len(signatures))
	for i, s := range signatures {
		found[i] = verify.Signed(s)
	}
	return found, nil
}

// claimed says who signed the statement that is claimed.
func claimed(claim attest.Claim, policy verify.Policy, digest string, found []verify.Signed) (string, error) {
	trusted, refused := policy.Statements(digest, found)
	for _, s := range trusted {
		err := claim.Check(s.PredicateType, s.Predicate)
		if err == nil {
			return fmt.Sprintf("attested by %s %s", s.By, claim), nil
		}

		refused = append(refused, s.Where+": "+err.Error())
	}

	text := fmt.Sprintf("%s has no attestation %s", v1beta1.ShortDigest(digest), claim)
	if len(refused) > 0 {
		text += "; others do not count: " + strings.Join(refused[:min(len(refused), maxRefused)], "; ")
	}

	return "", sources.Fail(v1beta1.VerificationFailedReason, nil, "%s", text)
}

// attest publishes the statement of a stage beside the chart at the destination, unless one is there that says as much.
func (c *Catalog) attest(ctx context.Context, want Copy, to *oci.Repository) (bool, error) {
	if want.To.Attest == nil {
		return false, nil
	}

	secrets := c.secretsIn(want.Namespace).under(want.Field + ".")
	secret, err := secrets.secret(ctx, "attest.secretRef", &want.To.Attest.SecretRef)
	if err != nil {
		return false, err
	}

	signer, err := attest.NewSigner(secret.Data)
	if err != nil {
		return false, fmt.Errorf("reading Secret %s/%s of spec.%s.attest.secretRef: %w", want.Namespace, secret.Name,
			want.Field, err)
	}

	policy, err := verify.Keys(map[string][]byte{"own.pub": signer.Public()})
	if err != nil {
		return false, err
	}

	found, err := signedIn(ctx, to, want.Digest)
	if err != nil {
		return false, err
	}

	trusted, _ := policy.Statements(want.Digest, found)
	for _, s := range trusted {
		var there attest.Promotion
		if s.PredicateType == attest.PromotionType && json.Unmarshal(s.Predicate, &there) == nil &&
			there.Includes(want.Promotion) {
			return true, nil
		}
	}

	bundle, err := signer.Sign(to.String(), want.Digest, attest.PromotionType, want.Promotion)
	if err != nil {
		return false, sources.Fail(v1beta1.AuthenticationFailedReason, err, "signing")
	}

	return true, to.Attach(ctx, want.Digest, attest.BundleType, attest.PromotionType, bundle)
}
