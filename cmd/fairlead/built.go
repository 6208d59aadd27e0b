package main

import (
	"context"
	"fmt"
	"maps"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// builtReader reads ConfigMaps, Secrets and sources as they would be once the objects of a Kustomization were applied:
// generated ConfigMaps have other names at another commit, for example. It reads everything else from the cluster.
type builtReader struct {
	client.Reader
	objects []apply.Object
	// namespace of objects that do not name one.
	namespace string
}

// Get implements client.Reader.
func (r builtReader) Get(
	ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption,
) error {
	kind, ok := builtKind(object)
	if !ok {
		return r.Reader.Get(ctx, key, object, options...)
	}

	for _, o := range r.objects {
		if !isBuilt(o, kind, r.namespace, key) {
			continue
		}

		err := r.Reader.Get(ctx, key, object, options...)
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}

		return overlay(object, o, key)
	}

	return r.Reader.Get(ctx, key, object, options...)
}

// builtKind is the kind of an object that a release may name; false for others.
func builtKind(object client.Object) (schema.GroupKind, bool) {
	source := func(kind string) (schema.GroupKind, bool) {
		return v1beta1.GroupVersion.WithKind(kind).GroupKind(), true
	}
	switch object.(type) {
	case *corev1.ConfigMap:
		return schema.GroupKind{Kind: "ConfigMap"}, true
	case *corev1.Secret:
		return schema.GroupKind{Kind: "Secret"}, true
	case *v1beta1.HelmRepository:
		return source(v1beta1.HelmRepositoryKind)
	case *v1beta1.HelmChart:
		return source(v1beta1.HelmChartKind)
	case *v1beta1.OCIRepository:
		return source(v1beta1.OCIRepositoryKind)
	case *v1beta1.GitRepository:
		return source(v1beta1.GitRepositoryKind)
	case *v1beta1.Bucket:
		return source(v1beta1.BucketKind)
	}
	return schema.GroupKind{}, false
}

// isBuilt reports whether an object of a Kustomization in the namespace is the one with a kind and a key.
func isBuilt(o apply.Object, kind schema.GroupKind, namespace string, key client.ObjectKey) bool {
	at := client.ObjectKeyFromObject(o.Unstructured)
	if at.Namespace == "" {
		at.Namespace = namespace
	}
	return o.GroupVersionKind().GroupKind() == kind && at == key
}

// overlay replaces what an object declares: all but its metadata and its status.
func overlay(object client.Object, built apply.Object, key client.ObjectKey) error {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return err
	}

	kept := map[string]any{"metadata": content["metadata"], "status": content["status"]}
	declared := maps.Clone(built.Object)
	for name, value := range kept {
		delete(declared, name)
		if value != nil {
			declared[name] = value
		}
	}

	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(declared, object); err != nil {
		return fmt.Errorf("read %s %s as it is declared: %w", built.GetKind(), key, err)
	}

	object.SetNamespace(key.Namespace)
	object.SetName(key.Name)
	if secret, ok := object.(*corev1.Secret); ok {
		for name, value := range secret.StringData {
			if secret.Data == nil {
				secret.Data = map[string][]byte{}
			}
			secret.Data[name] = []byte(value)
		}
	}

	return nil
}
