package catalog

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/store"
)

// An object that already uses an artifact keeps access to it when the credentials of the source change. For a new
// object, and for another chart or version, the cache returns only what the source fetched with its present
// credentials.

// SecretVersions returns the UIDs and resource versions of the Secrets that a source names; empty when it names none.
func (c *Catalog) SecretVersions(ctx context.Context, source v1beta1.Source) string {
	text := ""
	for i, ref := range source.GetSecretRefs() {
		if ref == nil {
			continue
		}

		metadata := &metav1.PartialObjectMetadata{}
		metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
		err := c.objects.Get(ctx, types.NamespacedName{Namespace: source.GetNamespace(), Name: ref.Name}, metadata)
		switch {
		case err == nil:
			text += fmt.Sprintf(" %d:%s/%s", i, metadata.UID, metadata.ResourceVersion)
		case apierrors.IsNotFound(err):
			text += fmt.Sprintf(" %d:none", i)
		default:
			text += fmt.Sprintf(" %d:unknown", i)
		}
	}

	return text
}

// access returns the holder of a source with its present credentials. It differs from that of the same source with
// other credentials. Call it before the credentials are read.
func (c *Catalog) access(ctx context.Context, source v1beta1.Source) store.Holder {
	h := holderOf(source)
	h.ID += c.SecretVersions(ctx, source)
	return h
}

// prove records that a source fetched a digest with an access.
func (c *Catalog) prove(source v1beta1.Source, access store.Holder, digest string) error {
	if access == holderOf(source) {
		return nil // as everything that the source has fetched
	}
	return c.View(source).Share(digest, access)
}

// proven reports whether a source fetched a digest with its present credentials, and its last poll was not refused. It
// is always true for Git repositories and buckets: their charts are built from the artifact, which stays available.
func (c *Catalog) proven(ctx context.Context, source v1beta1.Source, digest string) bool {
	if _, is := source.(*v1beta1.HelmRepository); !is {
		if _, is := source.(*v1beta1.OCIRepository); !is {
			return true
		}
	}
	return !isRefused(source) && c.store.For(c.access(ctx, source)).Has(digest)
}

// isRefused reports whether the last poll of a source failed because of its credentials.
func isRefused(source v1beta1.Source) bool {
	ready := meta.FindStatusCondition(source.GetConditions(), v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionFalse && refuses(ready.Reason)
}

func refuses(reason string) bool {
	return reason == v1beta1.AuthenticationFailedReason || reason == v1beta1.AccessDeniedReason
}

// isRefusal reports whether an error is about the credentials of a source.
func isRefusal(err error) bool { return refuses(sources.Reason(err)) }

// Identity returns a cache key for the source of a choice, so that a cache does not return to one source what another
// one fetched. With has, the object already uses what it asks for; otherwise the key includes the present credentials.
func (c *Catalog) Identity(ctx context.Context, choice ChartRef, has bool) (string, error) {
	_, source, err := c.origin(ctx, choice)
	switch {
	case err != nil:
		return "", err
	case has:
		return holderOf(source).ID, nil
	case isRefused(source):
		return c.access(ctx, source).ID + " refused", nil
	default:
		return c.access(ctx, source).ID, nil
	}
}
