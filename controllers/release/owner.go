package release

import (
	"context"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// owners finds out which HelmRelease owns a Helm release, from the cache.
type owners struct {
	objects client.Reader
	// namesakes returns the HelmReleases whose spec names a Helm release, on whatever cluster.
	namesakes func(ctx context.Context, storageNamespace, name string) []types.NamespacedName
	wake      func(types.NamespacedName)
}

// recordsKey names a Helm release in the index, whatever its cluster.
func recordsKey(storageNamespace, name string) string { return storageNamespace + "/" + name }

// placeKey names the records of a Helm release on the own cluster, where of is empty, or on one that a kubeConfig in
// the namespace of leads to.
func placeKey(of, storageNamespace, name string) string {
	return of + "/" + recordsKey(storageNamespace, name)
}

// placeOf is the place of the records of a HelmRelease.
func placeOf(hr *v1beta1.HelmRelease) string {
	of := ""
	if hr.Spec.KubeConfig != nil {
		of = hr.Namespace
	}
	return placeKey(of, hr.GetStorageNamespace(), hr.GetReleaseName())
}

// other returns the living HelmRelease other than hr that owns the Helm release at target; zero when there is none. It
// is the one that the record names, as long as it exists. A HelmRelease that was created again under its name succeeds
// it while it asks for the same Helm release. When the record names none, it is the one whose status says that it
// manages the release.
func (o owners) other(
	ctx context.Context, hr *v1beta1.HelmRelease, target plan.Target, recorded plan.Owner,
) (plan.Owner, error) {
	if recorded.IsZero() {
		return o.manager(ctx, hr, target)
	}

	found := &v1beta1.HelmRelease{}
	err := o.objects.Get(ctx, recorded.Key(), found)
	if apierrors.IsNotFound(err) {
		return plan.Owner{}, nil
	}
	if err != nil {
		return plan.Owner{}, fmt.Errorf("reading HelmRelease %s, which owns Helm release %s/%s: %w",
			recorded.Key(), target.Namespace, target.Name, err)
	}

	if found.UID != recorded.UID && !asksFor(found, hr, target) {
		return plan.Owner{}, nil
	}

	return plan.Owner{Namespace: found.Namespace, Name: found.Name, UID: found.UID}, nil
}

// manager returns another HelmRelease whose status says that it manages the release.
func (o owners) manager(ctx context.Context, hr *v1beta1.HelmRelease, target plan.Target) (plan.Owner, error) {
	for _, key := range o.namesakes(ctx, target.StorageNamespace, target.Name) {
		if key == client.ObjectKeyFromObject(hr) {
			continue
		}

		found := &v1beta1.HelmRelease{}
		err := o.objects.Get(ctx, key, found)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return plan.Owner{}, fmt.Errorf("reading HelmRelease %s, which names the same Helm release: %w", key, err)
		}
		if manages(found, target) && asksFor(found, hr, target) {
			return plan.Owner{Namespace: found.Namespace, Name: found.Name, UID: found.UID}, nil
		}
	}
	return plan.Owner{}, nil
}

// manages reports whether the status of found says that it manages the Helm release at target.
func manages(found *v1beta1.HelmRelease, target plan.Target) bool {
	latest := found.Status.Latest()
	return latest != nil && latest.Status != plan.StatusUninstalled && latest.Name == target.Name &&
		latest.Namespace == target.Namespace && found.Status.StorageNamespace == target.StorageNamespace
}

// asksFor reports whether the spec of found names the Helm release at target on the cluster of hr.
func asksFor(found, hr *v1beta1.HelmRelease, target plan.Target) bool {
	return found.GetReleaseName() == target.Name && found.GetReleaseNamespace() == target.Namespace &&
		found.GetStorageNamespace() == target.StorageNamespace && clusterOf(found) == clusterOf(hr)
}

// clusterOf names the cluster of a HelmRelease by where its kubeconfig is.
func clusterOf(hr *v1beta1.HelmRelease) string {
	if hr.Spec.KubeConfig == nil {
		return ""
	}
	secret := hr.Spec.KubeConfig.GetSecret()
	return hr.Spec.KubeConfig.Describe(hr.Namespace) + "/" + secret.Key
}

// released wakes the HelmReleases that wait for a Helm release that was uninstalled.
func (o owners) released(ctx context.Context, by types.NamespacedName, target plan.Target) {
	for _, key := range o.namesakes(ctx, target.StorageNamespace, target.Name) {
		if key != by {
			guard.Go("waking releases", func() { o.wake(key) }) // not from a worker: the queue of the controller can be full
		}
	}
}

// watch has the controller look at the HelmReleases that wait for a Helm release when its owner is gone.
func (o owners) watch() loop.Watch {
	return loop.Watch{
		Object: &v1beta1.HelmRelease{},
		Affects: func(ctx context.Context, gone client.Object) []reconcile.Request {
			hr, is := gone.(*v1beta1.HelmRelease)
			if !is {
				return nil
			}

			return o.waiting(ctx, hr)
		},
		When: predicate.Funcs{
			CreateFunc:  func(event.CreateEvent) bool { return false },
			UpdateFunc:  func(event.UpdateEvent) bool { return false },
			GenericFunc: func(event.GenericEvent) bool { return false },
		},
	}
}

// waiting returns the other HelmReleases that name the Helm release of one that is gone, by its spec or by its status.
func (o owners) waiting(ctx context.Context, gone *v1beta1.HelmRelease) []reconcile.Request {
	keys := o.namesakes(ctx, gone.GetStorageNamespace(), gone.GetReleaseName())
	if latest := gone.Status.Latest(); latest != nil {
		keys = append(keys, o.namesakes(ctx, gone.Status.StorageNamespace, latest.Name)...)
	}

	var requests []reconcile.Request
	for _, key := range keys {
		if key != client.ObjectKeyFromObject(gone) {
			requests = append(requests, reconcile.Request{NamespacedName: key})
		}
	}

	return requests
}
