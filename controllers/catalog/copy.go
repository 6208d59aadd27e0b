package catalog

import (
	"context"
	"errors"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/attest"
	"fairlead.dev/fairlead/sources/oci"
)

// Copy is one chart that is copied to another registry.
type Copy struct {
	// Namespace of the pipeline, in which all Secrets are.
	Namespace string
	// Field is what the destination is called in messages, as spec.stages[prod].deliver.copy.
	Field string
	// From is where the chart is.
	From v1beta1.OCIRepositorySpec
	// To is where it is copied to.
	To v1beta1.StageCopy
	// Version is the tag at the destination, Digest what is copied.
	Version, Digest string
	// Promotion is what the statement of the stage says, where To.Attest asks for one.
	Promotion attest.Promotion
	// Progress is called as bytes arrive, from several goroutines.
	Progress func(done, total int64)
}

// Copied is what a copy came to.
type Copied struct {
	oci.Copied

	// SignedBy says whose signature was found at the destination; empty when none is demanded.
	SignedBy string
	// Attested is set when the statement of the stage is at the destination.
	Attested bool
}

// Copy copies a chart by its digest, with all that refers to it. It waits for the registries, so it is for a task.
// Errors say which Secret is concerned; Rejects reports whether another attempt can help.
func (c *Catalog) Copy(ctx context.Context, want Copy) (Copied, error) {
	ctx, read := redactable(ctx)
	copied, err := c.copyChart(ctx, want)
	return copied, read.hide(err)
}

func (c *Catalog) copyChart(ctx context.Context, want Copy) (Copied, error) {
	source := &v1beta1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: want.Namespace}, Spec: want.From}
	if err := Supported(source); err != nil {
		return Copied{}, err
	}

	from, err := c.ociRepository(ctx, source)
	if err != nil {
		return Copied{}, err
	}

	to, err := c.destination(ctx, want)
	if err != nil {
		return Copied{}, err
	}

	out := Copied{}
	options := oci.CopyOptions{Digest: want.Digest, Tag: want.Version, Channel: want.To.Tag, Progress: want.Progress}
	options.BeforeTags = func(ctx context.Context) (err error) {
		if out.SignedBy, err = c.signedAt(ctx, want, to); err != nil {
			return err
		}

		out.Attested, err = c.attest(ctx, want, to)
		return err
	}
	if out.Copied, err = oci.Copy(ctx, from, to, options); err != nil {
		return Copied{}, want.explain(err)
	}

	return out, nil
}

// destination is the repository that is copied to.
func (c *Catalog) destination(ctx context.Context, want Copy) (*oci.Repository, error) {
	path := strings.TrimSuffix(strings.TrimPrefix(want.To.URL, "oci://"), "/")
	secrets := c.secretsIn(want.Namespace).under(want.Field + ".")
	credentials, err := secrets.registry(ctx, want.To.SecretRef, path)
	if err != nil {
		return nil, err
	}

	http, err := secrets.client(ctx, want.To.CertSecretRef, nil)
	if err != nil {
		return nil, err
	}

	return oci.New(oci.Options{Repository: path, PlainHTTP: want.To.Insecure, Credentials: credentials, HTTP: http})
}

// signedAt checks the signatures at the destination, where the copy demands one.
func (c *Catalog) signedAt(ctx context.Context, want Copy, to *oci.Repository) (by string, err error) {
	if want.To.Verify == nil {
		return "", nil
	}
	keys, _, err := c.secretsIn(want.Namespace).under(want.Field+".").trusted(ctx, want.To.Verify)
	if err != nil {
		return "", err
	}
	return keys.artifact(ctx, to, want.Digest)
}

// explain names the Secret whose credentials a registry refused. What is wrong with a Secret itself is said already.
func (want Copy) explain(err error) error {
	var e *sources.Error
	if !errors.As(err, &e) || !sources.IsRefusal(err) {
		return err
	}
	secret := secretName(want.Namespace, want.To.SecretRef, "spec."+want.Field)
	if oci.AtSource(err) {
		secret = secretName(want.Namespace, want.From.SecretRef, "the source of the subject")
	}
	return sources.Fail(e.Reason(), err, "%s", secret).After(e.RetryAfter())
}

func secretName(namespace string, ref *v1beta1.LocalObjectReference, where string) string {
	if ref == nil {
		return where + " names no Secret with credentials"
	}
	return "Secret " + namespace + "/" + ref.Name + " of " + where
}

// Why a chart is not copied to a registry, so that a retry does not help.
const (
	RejectedTagConflict    = "TagConflict"
	RejectedNotTransferred = "ReferrersNotTransferred"
	RejectedGone           = "SourceGone"
	RejectedTooLarge       = "TooLarge"
)

// Rejects names why a copy fails on every retry; empty when another attempt can help.
func Rejects(err error) string {
	var e *sources.Error
	switch {
	case errors.Is(err, oci.ErrTagConflict):
		return RejectedTagConflict
	case errors.Is(err, oci.ErrNotTransferred):
		return RejectedNotTransferred
	case errors.Is(err, oci.ErrGone):
		return RejectedGone
	case errors.Is(err, oci.ErrCopyTooLarge):
		return RejectedTooLarge
	case errors.As(err, &e) && e.Retryable() && e.Reason() == v1beta1.VerificationFailedReason:
		return e.Reason() // keys that cannot be read are stalled: that says nothing about the chart
	}

	return ""
}
