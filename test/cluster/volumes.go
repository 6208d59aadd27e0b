package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	storagehelpers "k8s.io/component-helpers/storage/volume"
)

const (
	storageClass = "standard"
	provisioner  = "sim.fairlead.dev/volumes"
	// volumeRetry is how soon a claim or volume that could not be served is looked at again.
	volumeRetry = 5 * time.Second
)

// volumes gives each claim of the default storage class a volume, and removes the volumes of deleted claims. It follows
// the protocol for provisioners outside the controller manager, which does the binding itself. Nothing is ever written
// to the paths: no container runs that could.
type volumes struct {
	client kubernetes.Interface
	dir    workdir
	warn   func(error)
}

// run creates the storage class and serves claims until the context ends. It returns once it watches.
func (v volumes) run(ctx context.Context) error {
	_, err := v.client.StorageV1().StorageClasses().Create(ctx, defaultStorageClass(), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create storage class %s: %w", storageClass, err)
	}
	factory := informers.NewSharedInformerFactory(v.client, volumeRetry)
	claims := factory.Core().V1().PersistentVolumeClaims().Informer()
	if _, err := claims.AddEventHandler(onEvent(func(object any) { v.serveClaim(ctx, object) })); err != nil {
		return fmt.Errorf("watch claims: %w", err)
	}
	released := factory.Core().V1().PersistentVolumes().Informer()
	if _, err := released.AddEventHandler(onEvent(func(object any) { v.serveVolume(ctx, object) })); err != nil {
		return fmt.Errorf("watch volumes: %w", err)
	}
	factory.Start(ctx.Done())
	return nil
}

// onEvent calls serve when an object is added, changed or looked at again. A failure needs no other retry than that.
func onEvent(serve func(any)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{AddFunc: serve, UpdateFunc: func(_, now any) { serve(now) }}
}

func (v volumes) serveClaim(ctx context.Context, object any) {
	claim, ok := object.(*corev1.PersistentVolumeClaim)
	if !ok || !wantsVolume(claim) {
		return
	}
	_, err := v.client.CoreV1().PersistentVolumes().Create(ctx, volumeFor(claim, v.dir), metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) && ctx.Err() == nil {
		v.warn(fmt.Errorf("create volume for claim %s/%s: %w", claim.Namespace, claim.Name, err))
	}
}

func (v volumes) serveVolume(ctx context.Context, object any) {
	volume, ok := object.(*corev1.PersistentVolume)
	if !ok || !isLeftOver(volume) {
		return
	}
	err := v.client.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
	if err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		v.warn(fmt.Errorf("delete volume %s: %w", volume.Name, err))
	}
}

// wantsVolume reports whether the claim waits for a new volume of our class.
func wantsVolume(claim *corev1.PersistentVolumeClaim) bool {
	class := claim.Spec.StorageClassName
	return claim.Status.Phase == corev1.ClaimPending && claim.DeletionTimestamp == nil &&
		claim.Spec.VolumeName == "" && class != nil && *class == storageClass
}

// isLeftOver reports whether the volume was made here and its claim is gone.
func isLeftOver(volume *corev1.PersistentVolume) bool {
	return volume.Status.Phase == corev1.VolumeReleased && volume.DeletionTimestamp == nil &&
		volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete &&
		volume.Annotations[storagehelpers.AnnDynamicallyProvisioned] == provisioner
}

func defaultStorageClass() *storagev1.StorageClass {
	remove, bind := corev1.PersistentVolumeReclaimDelete, storagev1.VolumeBindingImmediate
	return &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{
			Name:        storageClass,
			Annotations: map[string]string{"storageclass.kubernetes.io/is-default-class": "true"},
		},
		Provisioner:       provisioner,
		ReclaimPolicy:     &remove,
		VolumeBindingMode: &bind,
	}
}

// volumeFor is a volume that only this claim can bind. Its name comes from the claim's uid, so a claim never gets two.
func volumeFor(claim *corev1.PersistentVolumeClaim, dir workdir) *corev1.PersistentVolume {
	name := "pvc-" + string(claim.UID)
	kind := corev1.HostPathDirectoryOrCreate
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{
			Name:        name,
			Annotations: map[string]string{storagehelpers.AnnDynamicallyProvisioned: provisioner},
		},
		Spec: corev1.PersistentVolumeSpec{
			StorageClassName:              storageClass,
			AccessModes:                   claim.Spec.AccessModes,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
			Capacity: corev1.ResourceList{
				corev1.ResourceStorage: claim.Spec.Resources.Requests[corev1.ResourceStorage],
			},
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				HostPath: &corev1.HostPathVolumeSource{Path: dir.volume(name), Type: &kind},
			},
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim",
				Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
		},
	}
}
