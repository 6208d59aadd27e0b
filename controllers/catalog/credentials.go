package catalog

import (
	"context"
	"net/http"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/transport"
)

// secrets reads the Secrets that a source names, when they are needed; they are never kept.
type secrets struct {
	reader    client.Reader
	network   *transport.Network
	namespace string
	// field precedes the names of fields in messages.
	field string
}

// under returns secrets whose messages name fields below another one.
func (s secrets) under(field string) secrets {
	s.field = field
	return s
}

func (c *Catalog) secretsOf(source client.Object) secrets {
	return c.secretsIn(source.GetNamespace())
}

func (c *Catalog) secretsIn(namespace string) secrets {
	return secrets{reader: c.secrets, network: c.network, namespace: namespace}
}

// secret reads the Secret that a field of the spec names.
func (s secrets) secret(ctx context.Context, field string, ref *v1beta1.LocalObjectReference) (*corev1.Secret, error) {
	key := types.NamespacedName{Namespace: s.namespace, Name: ref.Name}
	found := &corev1.Secret{}
	err := s.reader.Get(ctx, key, found)
	field = s.field + field
	switch {
	case apierrors.IsNotFound(err):
		return nil, sources.Fail(v1beta1.AuthenticationFailedReason, nil, "Secret %s of spec.%s does not exist", key, field)
	case apierrors.IsForbidden(err):
		return nil, sources.Fail(v1beta1.AccessDeniedReason, nil, "Fairlead may not read Secret %s of spec.%s", key, field)
	case err != nil:
		return nil, sources.Fail(v1beta1.FetchFailedReason, err, "reading Secret %s of spec.%s", key, field)
	}

	disclose(ctx, found)
	return found, nil
}

func (s secrets) basic(ctx context.Context, ref *v1beta1.LocalObjectReference) (sources.Credentials, error) {
	if ref == nil {
		return sources.Credentials{}, nil
	}
	found, err := s.secret(ctx, "secretRef", ref)
	if err != nil {
		return sources.Credentials{}, err
	}
	return sources.BasicCredentials(string(found.Type), found.Data)
}

func (s secrets) registry(
	ctx context.Context, ref *v1beta1.LocalObjectReference, repository string,
) (sources.Credentials, error) {
	if ref == nil {
		return sources.Credentials{}, nil
	}
	found, err := s.secret(ctx, "secretRef", ref)
	if err != nil {
		return sources.Credentials{}, err
	}
	return sources.RegistryCredentials(string(found.Type), found.Data, repository)
}

// pull finds the credentials for a repository among the imagePullSecrets of a ServiceAccount. One without any for it is
// anonymous.
func (s secrets) pull(ctx context.Context, account, repository string) (sources.Credentials, error) {
	key := types.NamespacedName{Namespace: s.namespace, Name: account}
	found := &corev1.ServiceAccount{}
	err := s.reader.Get(ctx, key, found)
	switch {
	case apierrors.IsNotFound(err):
		return sources.Credentials{}, sources.Fail(v1beta1.AuthenticationFailedReason, nil,
			"ServiceAccount %s of spec.serviceAccountName does not exist", key)
	case err != nil:
		return sources.Credentials{}, sources.Fail(v1beta1.FetchFailedReason, err,
			"reading ServiceAccount %s of spec.serviceAccountName", key)
	}

	for _, ref := range found.ImagePullSecrets {
		if ref.Name == "" {
			continue
		}

		secret, err := s.secret(ctx, "serviceAccountName: imagePullSecrets", &v1beta1.LocalObjectReference{Name: ref.Name})
		if err != nil {
			return sources.Credentials{}, err
		}
		if c, err := sources.RegistryCredentials(string(secret.Type), secret.Data, repository); err == nil {
			return c, nil
		}
	}

	return sources.Credentials{}, nil
}

// client is one for the certificates and the proxy that a source names.
func (s secrets) client(ctx context.Context, certificates, proxy *v1beta1.LocalObjectReference) (*http.Client, error) {
	var o transport.Options
	if certificates != nil {
		found, err := s.secret(ctx, "certSecretRef", certificates)
		if err != nil {
			return nil, err
		}

		certs, err := sources.Certificates(found.Data)
		if err != nil {
			return nil, err
		}

		o.CA = certs.CA
		o.Cert = certs.Cert
		o.Key = certs.Key
	}

	return s.through(ctx, o, proxy)
}

// through adds the proxy that a source names to options.
func (s secrets) through(
	ctx context.Context, o transport.Options, proxy *v1beta1.LocalObjectReference,
) (*http.Client, error) {
	if proxy != nil {
		found, err := s.secret(ctx, "proxySecretRef", proxy)
		if err != nil {
			return nil, err
		}

		address, credentials, err := sources.Proxy(found.Data)
		if err != nil {
			return nil, err
		}
		if o.ProxyURL, err = transport.ParseProxy(address, credentials); err != nil {
			return nil, err
		}
	}

	if err := o.Check(); err != nil {
		return nil, err
	}

	o.Tenant = s.namespace
	return s.network.Client(o), nil
}
