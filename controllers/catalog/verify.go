package catalog

import (
	"bytes"
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/helmrepo"
	"fairlead.dev/fairlead/sources/oci"
	"fairlead.dev/fairlead/sources/verify"
)

// trustedRootKey is the key of a Secret with a trusted root of Sigstore.
const trustedRootKey = "trusted_root.json"

// trusted is who may sign: with cosign, or the provenance files of charts.
type trusted struct {
	policy verify.Policy
	ring   verify.Keyring // nil for cosign
}

// trusted reads who may sign, and names the state of the Secret that says so.
func (s secrets) trusted(ctx context.Context, v *v1beta1.Verification) (_ trusted, version string, err error) {
	found, err := s.keys(ctx, v)
	if err != nil {
		return trusted{}, "", err
	}

	version = versionOf(found)
	switch {
	case v.Provider == v1beta1.VerifyHelm:
		ring, err := verify.ReadKeyring(found.Data)
		return trusted{ring: ring}, version, err
	case v.SecretRef != nil:
		policy, err := verify.Keys(found.Data)
		return trusted{policy: policy}, version, err
	}

	root, there := found.Data[trustedRootKey]
	if !there {
		return trusted{}, version, sources.Stall(v1beta1.VerificationFailedReason, nil,
			"Secret %s/%s of spec.verify.trustedRootSecretRef has no key %s",
			s.namespace, found.Name, trustedRootKey)
	}

	identities := make([]verify.Identity, len(v.MatchOIDCIdentity))
	for i, match := range v.MatchOIDCIdentity {
		identities[i] = verify.Identity{Issuer: match.Issuer, Subject: match.Subject}
	}

	policy, err := verify.Keyless(identities, root)
	return trusted{policy: policy}, version, err
}

// keys reads the Secret that says who may sign.
func (s secrets) keys(ctx context.Context, v *v1beta1.Verification) (*corev1.Secret, error) {
	ref := v.Keys()
	field := "verify.secretRef"
	if ref == nil {
		return nil, sources.Stall(v1beta1.VerificationFailedReason, nil, "spec.verify names neither keys nor a trusted root")
	}
	if v.SecretRef == nil {
		field = "verify.trustedRootSecretRef"
	}
	return s.secret(ctx, field, ref)
}

func versionOf(secret *corev1.Secret) string {
	return string(secret.UID) + "/" + secret.ResourceVersion
}

// artifact returns the signer of what a digest of a registry stands for, which is what is pulled then.
func (t trusted) artifact(ctx context.Context, remote *oci.Repository, digest string) (by string, err error) {
	if t.ring != nil {
		chart, file, err := remote.Provenance(ctx, digest)
		if err == nil {
			by, err = t.ring.Check(verify.Packaged{Name: chart.Name, Version: chart.Version, Digest: chart.Archive}, file)
		}
		if err != nil {
			return "", fmt.Errorf("verifying %s: %w", remote, err)
		}

		return fmt.Sprintf("%s by %s", digest, by), nil
	}

	found, tried, err := remote.Signatures(ctx, digest)
	if err != nil {
		return "", err
	}

	signed := make([]verify.Signed, len(found))
	for i, f := range found {
		signed[i] = verify.Signed(f)
	}
	if by, err = t.policy.Check(digest, signed, tried); err != nil {
		return "", fmt.Errorf("verifying %s: %w", remote, err)
	}

	return fmt.Sprintf("%s by %s", digest, by), nil
}

// provenance returns the signer of a chart of a repository over HTTP; its archive is fetched by the digest that was
// signed.
func (t trusted) provenance(ctx context.Context, remote *helmrepo.Repository, found resolved) (by string, err error) {
	if t.ring == nil {
		return "", sources.Stall(v1beta1.VerificationFailedReason, nil,
			"cosign signs what is in a registry; charts of an http(s) repository are verified with the provider helm")
	}

	file := &bytes.Buffer{}
	if err := remote.FetchProvenance(ctx, found.entry(), verify.MaxProvenance, file); err != nil {
		return "", err
	}

	by, err = t.ring.Check(
		verify.Packaged{Name: found.Revision.Name, Version: found.Revision.Version, Digest: found.Archive}, file.Bytes())
	if err != nil {
		return "", err
	}

	return fmt.Sprintf("%s %s, %s, by %s", found.Revision.Name, found.Revision.Version, found.Archive, by), nil
}

// signedArtifact returns the signer of what an OCIRepository stands for; empty when no signature is required.
func (c *Catalog) signedArtifact(
	ctx context.Context, repository *v1beta1.OCIRepository, remote *oci.Repository, digest string,
) (by string, err error) {
	attested, err := c.attested(ctx, repository, remote, digest)
	if err != nil || repository.Spec.Verify == nil {
		return attested, err
	}

	keys, _, err := c.secretsOf(repository).trusted(ctx, repository.Spec.Verify)
	if err != nil {
		return "", err
	}

	by, err = keys.artifact(ctx, remote, digest)
	if attested != "" {
		by += "; " + attested
	}

	return by, err
}

// signed checks the signature of what was picked, where the choice demands one: again only when upstream has another
// chart, or the Secret with the keys has changed. What does not count is not taken over, and what was verified before
// stays.
func (c *Catalog) signed(
	ctx context.Context, choice ChartRef, found, before resolved, check func(trusted) (string, error),
) resolved {
	if choice.demand == "" || found.Revision.Digest == "" || found.err != nil {
		return found
	}

	d := choice.demanded()
	keys, version, err := c.secretsIn(d.Namespace).trusted(ctx, &d.Verification)
	if err != nil {
		return resolved{err: fmt.Errorf("%s: %w", choice, err)}.keep(before).triedWith(version)
	}

	if had := before.upstream(); had.Revision == found.Revision && had.Keys == version {
		found.SignedBy = had.SignedBy
		found.Keys = had.Keys
		found.needsReverify = false
		return found
	}

	by, err := check(keys)
	if err != nil {
		return resolved{err: fmt.Errorf("%s: %w", choice, err)}.keep(before).triedWith(version)
	}

	found.SignedBy = by
	found.Keys = version
	found.needsReverify = false
	return found
}

// triedWith remembers with which keys a check has failed, so that it is not made again until they change or the source
// is polled.
func (p resolved) triedWith(version string) resolved {
	p.tried = version
	return p
}

// doubt has a signature checked again that was checked with keys which have changed since.
func (c *Catalog) doubt(ctx context.Context, choice ChartRef) error {
	if choice.demand == "" {
		return nil
	}

	d := choice.demanded()
	keys, err := c.secretsIn(d.Namespace).keys(ctx, &d.Verification)
	if err != nil {
		return err
	}

	c.mu.Lock()
	defer c.mu.Unlock()
	shelf := c.shelves[choice.Source()]
	if shelf == nil {
		return nil
	}

	version := versionOf(keys)
	if found, ok := shelf.Picks[choice.String()]; ok && found.upstream().Keys != version && found.tried != version {
		found.needsReverify = true
		shelf.Picks[choice.String()] = found
	}

	return nil
}

// signer returns the signer of the chart that a choice stands for.
func (c *Catalog) signer(ctx context.Context, choice ChartRef) string {
	source, err := c.source(ctx, choice)
	if err != nil {
		return ""
	}
	found, _ := c.pick(ctx, choice, source)
	return found.upstream().SignedBy
}
