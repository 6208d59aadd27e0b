package source

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

// What a source has fetched stays readable for the objects that have it, whatever happens to its credentials. An object that is new, or that
// wants another chart, gets from the cache only what the source has fetched with the credentials that it has now.

// secretVersions tells the present state of the Secrets that a source names; empty when it names none.
func (c *Catalog) secretVersions(ctx context.Context, source v1beta1.Source) string {
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

// access tells a source with its present credentials from the same source with others. It has to be asked for before the credentials are read.
func (c *Catalog) access(ctx context.Context, source v1beta1.Source) store.Holder {
	h := holderOf(source)
	h.ID += c.secretVersions(ctx, source)
	return h
}

// prove notes that a source has fetched a digest with an access.
func (c *Catalog) prove(source v1beta1.Source, access store.Holder, digest string) error {
	if access == holderOf(source) {
		return nil // as everything that the source has fetched
	}
	return c.view(source).Share(digest, access)
}

// proven tells whether a source has fetched a digest with the access that it has now, as far as it was not refused since. Charts in directories
// are made of the artifact of their source, which stays.
func (c *Catalog) proven(ctx context.Context, source v1beta1.Source, digest string) bool {
	if _, is := source.(*v1beta1.HelmRepository); !is {
		if _, is := source.(*v1beta1.OCIRepository); !is {
			return true
		}
	}
	return !isRefused(source) && c.store.For(c.access(ctx, source)).Has(digest)
}

// isRefused tells whether upstream, or the Secret of a source, has refused the last poll.
func isRefused(source v1beta1.Source) bool {
	ready := meta.FindStatusCondition(source.GetConditions(), v1beta1.ReadyCondition)
	return ready != nil && ready.Status == metav1.ConditionFalse && refuses(ready.Reason)
}

func refuses(reason string) bool {
	return reason == v1beta1.AuthenticationFailedReason || reason == v1beta1.AccessDeniedReason
}

// isRefusal tells whether an error is about the credentials of a source.
func isRefusal(err error) bool { return refuses(sources.Reason(err)) }

// Identity names the source that a choice comes from, for caches that must not give to one source what another has brought. Unless the object
// that asks has what it asks for, the name is that of the source with its present credentials.
func (c *Catalog) Identity(ctx context.Context, choice Choice, has bool) (string, error) {
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
