package release

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/log"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/cluster"
	"fairlead.dev/fairlead/helmops/status"
)

const (
	// maxKubeconfig bounds a kubeconfig, in bytes.
	maxKubeconfig = 1 << 20
	// departureRetry is how often the namespace of a deleted object is looked at that cannot be uninstalled for lack of an
	// identity. Namespaces are not watched, and this is rare.
	departureRetry = time.Minute
	// unreachableRetry is how often a remote cluster is tried that does not answer.
	unreachableRetry = time.Minute
)

// access finds out on which cluster and as whom the release is worked on.
func (g *gatherer) access(ctx context.Context, hr *v1beta1.HelmRelease) (cluster.Access, error) {
	var access cluster.Access
	if name := hr.GetServiceAccountName(g.defaultServiceAccount); name != "" {
		access.User = fmt.Sprintf("system:serviceaccount:%s:%s", hr.Namespace, name)
		if hr.Spec.KubeConfig == nil {
			if err := g.serviceAccount(ctx, types.NamespacedName{Namespace: hr.Namespace, Name: name}); err != nil {
				return cluster.Access{}, err
			}
		}
	}
	if hr.Spec.KubeConfig != nil {
		content, err := g.kubeconfig(ctx, hr.Namespace, hr.Spec.KubeConfig.SecretRef)
		if err != nil {
			return cluster.Access{}, err
		}
		access.Kubeconfig = content
	}
	return access, nil
}

// serviceAccount checks that a ServiceAccount exists. The API server would let a missing one be impersonated, and only say
// that it has no rights.
func (g *gatherer) serviceAccount(ctx context.Context, name types.NamespacedName) error {
	err := g.objects.Get(ctx, name, metadataOf("ServiceAccount"))
	if apierrors.IsNotFound(err) { // or the cache is behind
		err = g.live.Get(ctx, name, metadataOf("ServiceAccount"))
	}
	switch {
	case apierrors.IsNotFound(err):
		return hindered(v1beta1.AccessDeniedReason, "ServiceAccount %s does not exist; work goes on when it is created", name)
	case apierrors.IsForbidden(err):
		return hindered(v1beta1.AccessDeniedReason, "Fairlead may not read ServiceAccount %s, as whom the release is worked on", name)
	case err != nil:
		return fmt.Errorf("reading ServiceAccount %s: %w", name, err)
	}
	return nil
}

// kubeconfig reads the kubeconfig of a remote cluster. No message quotes it.
func (g *gatherer) kubeconfig(ctx context.Context, namespace string, reference v1beta1.SecretKeyReference) ([]byte, error) {
	name := types.NamespacedName{Namespace: namespace, Name: reference.Name}
	all, err := g.documents.get(ctx, documentKey{"Secret", name})
	switch {
	case apierrors.IsNotFound(err):
		return nil, hindered(v1beta1.KubeConfigInvalidReason, "Secret %s of spec.kubeConfig does not exist; work goes on when it is created", name)
	case apierrors.IsForbidden(err):
		return nil, hindered(v1beta1.AccessDeniedReason, "Fairlead may not read Secret %s of spec.kubeConfig", name)
	case err != nil:
		return nil, fmt.Errorf("spec.kubeConfig: %w", err)
	}
	for _, key := range reference.GetKeys() {
		content, ok := all[key]
		if !ok {
			continue
		}
		if fault := faultOf(content); fault != "" {
			return nil, hindered(v1beta1.KubeConfigInvalidReason, "Secret %s of spec.kubeConfig, key %s, %s; work goes on when that changes",
				name, key, fault)
		}
		return content, nil
	}
	return nil, hindered(v1beta1.KubeConfigInvalidReason, "Secret %s of spec.kubeConfig has no key %q, %s; work goes on when it has",
		name, reference.GetKeys()[0], listed(sortedKeys(all)))
}

// faultOf says what makes a kubeconfig useless, empty when nothing does. What of it is allowed is judged by who connects.
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

// unreadable words why the records of a release could not be read; nil stays nil. An error that nobody but the API server can
// help with stays as it is, and is tried again soon.
func unreadable(hr *v1beta1.HelmRelease, err error) error {
	var kubeconfig *cluster.KubeconfigError
	var known interface{ Reason() string }
	var unreachable *net.OpError
	switch {
	case apierrors.IsForbidden(err):
		return hindered(v1beta1.AccessDeniedReason, "%s; it is tried again every %s", err, hr.GetInterval())
	case errors.As(err, &kubeconfig) && hr.Spec.KubeConfig != nil:
		return hindered(v1beta1.KubeConfigInvalidReason, "Secret %s/%s of spec.kubeConfig: %s; work goes on when that changes",
			hr.Namespace, hr.Spec.KubeConfig.SecretRef.Name, kubeconfig)
	case errors.As(err, &known):
		return hindered(known.Reason(), "%s; it is looked at again every %s", err, hr.GetInterval())
	case errors.As(err, &unreachable) && hr.Spec.KubeConfig != nil:
		return &obstacle{after: unreachableRetry, Failure: status.Failure{Reason: v1beta1.ClusterUnreachableReason, Message: fmt.Sprintf(
			"the cluster of Secret %s/%s of spec.kubeConfig does not answer: %s; it is tried again every %s",
			hr.Namespace, hr.Spec.KubeConfig.SecretRef.Name, unreachable, unreachableRetry)}}
	default:
		return err
	}
}

// departure is what counts for the uninstall of a deleted object.
type departure struct {
	access cluster.Access
	// obstacle is why there is nobody to uninstall as, or no cluster to uninstall from; nil when there is.
	obstacle error
	// terminating tells whether the namespace of the object is being deleted, which takes ServiceAccounts and Secrets with
	// it in any order. It is looked at only when that matters.
	terminating bool
}

// departure finds out how the Helm release of a deleted object can be reached. For one that is left alone it asks nothing.
func (g *gatherer) departure(ctx context.Context, hr *v1beta1.HelmRelease) (departure, error) {
	if hr.Spec.Suspend || hr.Spec.DeletionPolicy == v1beta1.DeletionPolicyOrphan {
		return departure{}, nil
	}
	g.documents.name(types.NamespacedName{Namespace: hr.Namespace, Name: hr.Name}, documentsOf(hr)...)
	access, err := g.access(ctx, hr)
	if err != nil && !isObstacle(err) || err == nil && access.User == "" {
		return departure{access: access}, err
	}
	namespace := metadataOf("Namespace")
	getErr := g.live.Get(ctx, types.NamespacedName{Name: hr.Namespace}, namespace)
	if getErr != nil && !apierrors.IsNotFound(getErr) {
		return departure{}, fmt.Errorf("looking whether namespace %s is being deleted: %w", hr.Namespace, getErr)
	}
	gone := apierrors.IsNotFound(getErr) || !namespace.DeletionTimestamp.IsZero()
	return departure{access: access, obstacle: err, terminating: gone}, nil
}

// stranded decides about a deleted object whose Helm release cannot be reached. In a namespace that is being deleted too the
// identity does not come back, and what is left of the release goes with the namespace; a release that never came to be
// needs nobody.
func (h *handler) stranded(ctx context.Context, hr *v1beta1.HelmRelease, way departure) (bool, time.Duration, error) {
	reason := reasonOf(way.obstacle)
	nobody := reason == v1beta1.AccessDeniedReason || reason == v1beta1.KubeConfigInvalidReason // otherwise a cluster only does not answer
	if way.terminating || hr.Status.Latest() == nil && nobody {
		log.FromContext(ctx).Info("the Helm release is not uninstalled", "because", way.obstacle.Error(), "namespaceTerminating", way.terminating)
		return true, 0, nil
	}
	_, err := h.blocked(hr, hindered(reason, "cannot uninstall %s/%s: %s; to keep the Helm release, set spec.deletionPolicy to %s",
		hr.GetReleaseNamespace(), hr.GetReleaseName(), way.obstacle, v1beta1.DeletionPolicyOrphan))
	return false, departureRetry, err
}

// metadataOf returns the metadata of no object yet of a kind of the core group.
func metadataOf(kind string) *metav1.PartialObjectMetadata {
	metadata := &metav1.PartialObjectMetadata{}
	metadata.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind(kind))
	return metadata
}
