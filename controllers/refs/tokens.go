package refs

import (
	"context"
	"errors"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
)

// tokenSeconds is the life of a token that is requested. The API server may give it another one.
const tokenSeconds int64 = 3600

// Tokens requests a token of a ServiceAccount for audiences from the controller's own API server.
type Tokens func(ctx context.Context, account types.NamespacedName, audiences []string) (cluster.Token, error)

// TokensOf requests tokens by a client of the controller.
func TokensOf(c client.SubResourceClientConstructor) Tokens {
	return func(ctx context.Context, account types.NamespacedName, audiences []string) (cluster.Token, error) {
		seconds := tokenSeconds
		request := &authenticationv1.TokenRequest{
			Spec: authenticationv1.TokenRequestSpec{Audiences: audiences, ExpirationSeconds: &seconds},
		}
		of := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: account.Namespace, Name: account.Name}}
		if err := c.SubResource("token").Create(ctx, of, request); err != nil {
			return cluster.Token{}, untokened(account, err)
		}

		return cluster.Token{Value: request.Status.Token, Expires: request.Status.ExpirationTimestamp.Time}, nil
	}
}

// untokened words why there is no token.
func untokened(account types.NamespacedName, err error) error {
	out := &cluster.TokenError{Account: account.String(), Problem: err.Error()}
	switch {
	case apierrors.IsNotFound(err):
		out.Denied = true
		out.Problem = "the ServiceAccount does not exist"
	case apierrors.IsForbidden(err):
		out.Denied = true
		out.Problem = "Fairlead may not create serviceaccounts/token"
	case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
		out.Denied = true
	}

	return out
}

// tokenAccess reads the ConfigMap of a reference. It returns a kubeconfig without credentials, and what requests tokens
// of the ServiceAccount in the same namespace.
func (i Identities) tokenAccess(
	ctx context.Context, namespace string, remote *v1beta1.KubeConfigReference,
) ([]byte, cluster.RequestToken, error) {
	what := remote.Describe(namespace)
	key := Document{"ConfigMap", types.NamespacedName{Namespace: namespace, Name: remote.GetConfigMap()}}
	data, err := i.Documents.Get(ctx, key)
	switch {
	case apierrors.IsNotFound(err):
		return nil, nil, RetryableObstacle(v1beta1.KubeConfigInvalidReason,
			"%s of spec.kubeConfig does not exist; the controller continues when it is created", what)
	case apierrors.IsForbidden(err):
		return nil, nil, RetryableObstacle(v1beta1.AccessDeniedReason, "Fairlead may not read %s of spec.kubeConfig", what)
	case err != nil:
		return nil, nil, err
	}

	parameters, err := cluster.ParseParameters(data)
	var provider *cluster.ProviderError
	switch {
	case errors.As(err, &provider):
		return nil, nil, TerminalObstacle(v1beta1.UnsupportedReason,
			"spec.kubeConfig.configMapRef: %s: %s; nothing is done until that changes", what, provider)
	case err != nil:
		return nil, nil, RetryableObstacle(v1beta1.KubeConfigInvalidReason,
			"%s of spec.kubeConfig: %s; the controller continues when that changes", what, err)
	}

	account := types.NamespacedName{Namespace: namespace, Name: parameters.ServiceAccount}
	if err := i.tokenAccount(ctx, account, what); err != nil {
		return nil, nil, err
	}

	content, err := parameters.Kubeconfig(namespace)
	if err != nil {
		return nil, nil, err
	}

	return content, func(ctx context.Context) (cluster.Token, error) {
		return i.Tokens(ctx, account, parameters.Audiences)
	}, nil
}

// tokenAccount checks that a ServiceAccount exists that a ConfigMap names. Who names it so is not known when it is
// created; it is looked for again.
func (i Identities) tokenAccount(ctx context.Context, account types.NamespacedName, what string) error {
	err := i.serviceAccount(ctx, account)
	var obstacle *ObstacleError
	if !errors.As(err, &obstacle) {
		return err
	}
	obstacle.After = ForbiddenRetry
	const text = "%s of spec.kubeConfig names ServiceAccount %s, which Fairlead cannot read; it is tried again every %s"
	obstacle.Message = fmt.Sprintf(text, what, account, ForbiddenRetry)
	return obstacle
}
