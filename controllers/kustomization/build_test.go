package kustomization

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const newRevision, oldRevision = "main@sha1:2", "main@sha1:1"

// following returns a Kustomization that has applied a revision of the source "fleet" of namespace fleet.
func following(namespace, name, revision string, changes ...func(*v1beta1.Kustomization)) *v1beta1.Kustomization {
	k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Generation: 1}}
	k.Spec.SourceRef = v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "fleet", Namespace: "fleet"}
	k.Status.LastAppliedRevision, k.Status.ObservedGeneration = revision, 1
	for _, change := range changes {
		change(k)
	}
	return k
}

func otherSource(k *v1beta1.Kustomization) { k.Spec.SourceRef.Name = "other" }
func remote(k *v1beta1.Kustomization)      { k.Spec.KubeConfig = &v1beta1.KubeConfigReference{} }
func deleted(k *v1beta1.Kustomization) {
	k.DeletionTimestamp = &metav1.Time{Time: now}
}
