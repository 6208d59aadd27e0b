package source

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// secret reads the Secret that a source names. It is read when it is needed and never kept.
func secret(ctx context.Context, reader client.Reader, namespace string, ref *v1beta1.LocalObjectReference) (*corev1.Secret, error) {
	return namedSecret(ctx, reader, namespace, ref, "spec.secretRef")
}

// namedSecret is secret for another field.
func namedSecret(ctx context.Context, reader client.Reader, namespace string, ref *v1beta1.LocalObjectReference, field string) (*corev1.Secret, error) {
	key := types.NamespacedName{Namespace: namespace, Name: ref.Name}
	found := &corev1.Secret{}
	err := reader.Get(ctx, key, found)
	switch {
	case apierrors.IsNotFound(err):
		return nil, sources.Fail(v1beta1.AuthenticationFailedReason, nil, "Secret %s of %s does not exist", key, field)
	case apierrors.IsForbidden(err):
		return nil, sources.Fail(v1beta1.AccessDeniedReason, nil, "Fairlead may not read Secret %s of %s", key, field)
	case err != nil:
		return nil, sources.Fail(v1beta1.FetchFailedReason, err, "reading Secret %s of %s", key, field)
	}
	return found, nil
}

func basicCredentials(ctx context.Context, reader client.Reader, namespace string, ref *v1beta1.LocalObjectReference) (sources.Credentials, error) {
	if ref == nil {
		return sources.Credentials{}, nil
	}
	found, err := secret(ctx, reader, namespace, ref)
	if err != nil {
		return sources.Credentials{}, err
	}
	return sources.BasicCredentials(string(found.Type), found.Data)
}

func registryCredentials(ctx context.Context, reader client.Reader, namespace string, ref *v1beta1.LocalObjectReference, repository string) (sources.Credentials, error) {
	if ref == nil {
		return sources.Credentials{}, nil
	}
	found, err := secret(ctx, reader, namespace, ref)
	if err != nil {
		return sources.Credentials{}, err
	}
	return sources.RegistryCredentials(string(found.Type), found.Data, repository)
}
