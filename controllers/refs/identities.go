package refs

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/process/memory"
	"fairlead.dev/fairlead/helmops/status"
)

const (
	// maxKubeconfig bounds a kubeconfig, in bytes.
	maxKubeconfig = 1 << 20
	// UnreachableRetry is how often a remote cluster is tried that does not answer.
	UnreachableRetry = time.Minute
	// ForbiddenRetry is the longest pause before the controller reads records again that it was not allowed to read.
	// RBAC is not watched, and an authorizer needs a moment to learn of a new binding.
	ForbiddenRetry = time.Minute
)

// Identities finds out on which cluster and as whom an object is worked on.
type Identities struct {
	Objects   client.Reader // the cache
	Live      client.Reader // the API server
	Documents *Documents
	Tokens    Tokens
}

// Access returns the access of an object in a namespace that acts as a ServiceAccount, empty for the controller itself,
// and on the cluster of a kubeconfig, nil for the controller's own.
func (i Identities) Access(
	ctx context.Context, namespace, serviceAccount string, remote *v1beta1.KubeConfigReference,
) (cluster.Access, error) {
	access := cluster.Access{Namespace: namespace}
	if serviceAccount != "" {
		access.User = fmt.Sprintf("system:serviceaccount:%s:%s", namespace, serviceAccount)
		if remote == nil {
			if err := i.serviceAccount(ctx, types.NamespacedName{Namespace: namespace, Name: serviceAccount}); err != nil {
				return cluster.Access{}, err
			}
		}
	}

	var err error
	switch {
	case remote == nil:
	case remote.SecretRef != nil:
		access.Kubeconfig, err = i.kubeconfig(ctx, namespace, *remote.SecretRef)
	case remote.ConfigMapRef != nil:
		access.Kubeconfig, access.Token, err = i.tokenAccess(ctx, namespace, remote)
	default:
		err = TerminalObstacle(v1beta1.UnsupportedReason,
			"spec.kubeConfig has no secretRef and no configMapRef; other ways to reach a cluster are not supported")
	}
	if err != nil {
		return cluster.Access{}, err
	}

	return access, nil
}

// Terminating reports whether a namespace is being deleted, or gone.
func (i Identities) Terminating(ctx context.Context, name string) (bool, error) {
	namespace := MetadataOf("Namespace")
	err := i.Live.Get(ctx, types.NamespacedName{Name: name}, namespace)
	if err != nil && !apierrors.IsNotFound(err) {
		return false, fmt.Errorf("looking whether namespace %s is being deleted: %w", name, err)
	}
	return apierrors.IsNotFound(err) || !namespace.DeletionTimestamp.IsZero(), nil
}

// serviceAccount checks that a ServiceAccount exists. The API server would let a missing one be impersonated, and only
// say that it has no rights.
func (i Identities) serviceAccount(ctx context.Context, name types.NamespacedName) error {
	err := i.Objects.Get(ctx, name, MetadataOf("ServiceAccount"))
	if apierrors.IsNotFound(err) { // or the cache is behind
		err = i.Live.Get(ctx, name, MetadataOf("ServiceAccount"))
	}

	switch {
	case apierrors.IsNotFound(err):
		return RetryableObstacle(v1beta1.AccessDeniedReason,
			"ServiceAccount %s does not exist; the controller continues when it is created", name)
	case apierrors.IsForbidden(err):
		return RetryableObstacle(v1beta1.AccessDeniedReason,
			"Fairlead may not read ServiceAccount %s, as whom the object is worked on", name)
	case err != nil:
		return fmt.Errorf("reading ServiceAccount %s: %w", name, err)
	}

	return nil
}

// kubeconfig reads the kubeconfig of a remote cluster. No message quotes it.
func (i Identities) kubeconfig(
	ctx context.Context, namespace string, reference v1beta1.SecretKeyReference,
) ([]byte, error) {
	name := types.NamespacedName{Namespace: namespace, Name: reference.Name}
	all, err := i.Documents.Get(ctx, Document{"Secret", name})
	switch {
	case apierrors.IsNotFound(err):
		return nil, RetryableObstacle(v1beta1.KubeConfigInvalidReason,
			"Secret %s of spec.kubeConfig does not exist; the controller continues when it is created", name)
	case apierrors.IsForbidden(err):
		return nil, RetryableObstacle(v1beta1.AccessDeniedReason, "Fairlead may not read Secret %s of spec.kubeConfig", name)
	case err != nil:
		return nil, fmt.Errorf("spec.kubeConfig: %w", err)
	}

	for _, key := range reference.GetKeys() {
		content, ok := all[key]
		if !ok {
			continue
		}

		if fault := faultOf(content); fault != "" {
			return nil, RetryableObstacle(v1beta1.KubeConfigInvalidReason,
				"Secret %s of spec.kubeConfig, key %s, %s; the controller continues when that changes",
				name, key, fault)
		}

		return content, nil
	}

	return nil, RetryableObstacle(v1beta1.KubeConfigInvalidReason,
		"Secret %s of spec.kubeConfig has no key %q, %s; the controller continues when it has",
		name, reference.GetKeys()[0], Listed(all))
}

// faultOf says what makes a kubeconfig useless, empty when nothing does. What of it is allowed is judged by who
// connects.
func faultOf(content []byte) string {
	if len(content) == 0 {
		return "is empty"
	}
	if len(content) > maxKubeconfig {
		return fmt.Sprintf("has %d bytes, more than %d", len(content), maxKubeconfig)
	}

	config, err := clientcmd.Load(content) // the error may quote credentials
	switch {
	case err != nil:
		return "is not a kubeconfig"
	case len(config.Clusters) == 0:
		return "is a kubeconfig without a cluster"
	case config.CurrentContext != "" && config.Contexts[config.CurrentContext] == nil:
		return "is a kubeconfig whose current context does not exist"
	default:
		return ""
	}
}

// Unreachable words why nothing of an object could be read from its cluster; nil stays nil. A fault of the
// cluster of a kubeconfig becomes an obstacle, which the object reports. An error of the controller's own API server
// stays as it is, and the controller retries with back-off.
func Unreachable(err error, namespace string, remote *v1beta1.KubeConfigReference, interval time.Duration) error {
	var kubeconfig *cluster.KubeconfigError
	var exceeded *memory.ExceededError
	var token *cluster.TokenError
	var known interface{ Reason() string }
	switch {
	case errors.As(err, &token) && remote != nil:
		const text = "%s of spec.kubeConfig: %s; it is tried again every %s"
		message := fmt.Sprintf(text, remote.Describe(namespace), token, UnreachableRetry)
		return &ObstacleError{
			After: UnreachableRetry, Failure: status.Failure{Reason: token.Reason(), Message: message},
		}
	case apierrors.IsForbidden(err):
		after := min(interval, ForbiddenRetry)
		return &ObstacleError{After: after, Failure: status.Failure{Reason: v1beta1.AccessDeniedReason,
			Message: fmt.Sprintf("%s; the controller tries again every %s", err, after)}}
	case errors.As(err, &kubeconfig) && remote != nil:
		return RetryableObstacle(v1beta1.KubeConfigInvalidReason,
			"%s of spec.kubeConfig: %s; the controller continues when that changes",
			remote.Describe(namespace), kubeconfig)
	case errors.As(err, &exceeded) && remote != nil:
		return &ObstacleError{After: UnreachableRetry,
			Failure: status.Failure{Reason: exceeded.Reason(), Message: fmt.Sprintf(
				"the cluster of %s of spec.kubeConfig is not watched: %s", remote.Describe(namespace), exceeded)}}
	case errors.As(err, &known):
		return RetryableObstacle(known.Reason(), "%s; it is looked at again every %s", err, interval)
	case err != nil && remote != nil && !isOwn(err):
		return unanswered(err, namespace, remote)
	default:
		return err
	}
}

// MetadataOf returns the metadata of no object yet of a kind of the core group.
func MetadataOf(kind string) *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return metadata
}
