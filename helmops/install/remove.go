package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

var (
	kustomizationKind = v1beta1.GroupVersion.WithKind(v1beta1.KustomizationKind)
	repositoryKind    = v1beta1.GroupVersion.WithKind(v1beta1.GitRepositoryKind)
	releaseKind       = v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind)
	definitionKind    = schema.GroupKind{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}
	namespaceKind     = schema.GroupKind{Kind: "Namespace"}
)

// ErrNotInstalled is returned where there is neither a controller nor anything else of Fairlead.
var ErrNotInstalled = errors.New("Fairlead is not installed in this cluster") //nolint:staticcheck // it begins with a name

// pause between two looks at what is going away.
const pause = time.Second

// Removal is how Fairlead is taken out of a cluster.
type Removal struct {
	// Releases are uninstalled, and what Kustomizations have applied is deleted as they say; otherwise all of it stays.
	Releases bool
	// Progress is called with what is done and what is waited for. It must not be nil.
	Progress func(string)
}

// Remove takes Fairlead out of a cluster: what its objects have made, if that is wanted, then the controller, then the finalizers of its
// objects, the definitions and with them the objects, and the rest. What is gone already is no error, so that it can be called again.
// It returns what was left, and why. ErrNotInstalled is returned when there is nothing to remove.
func (s *Site) Remove(ctx context.Context, r Removal) (left []string, err error) {
	found, err := s.Find(ctx)
	if err != nil {
		return nil, err
	}

	objects, err := everything(ctx)
	if err != nil {
		return nil, err
	}

	if !found.Installed {
		if err := s.anyOf(ctx, objects); err != nil {
			return nil, err
		}
		r.Progress("there is no controller")
	}

	steps := []func(context.Context, Removal) error{s.suspend, s.stop, s.release}
	if r.Releases {
		steps = []func(context.Context, Removal) error{s.uninstall, s.stop, s.release}
	}

	for _, step := range steps {
		if err := step(ctx, r); err != nil {
			return nil, err
		}
	}

	return s.clear(ctx, objects, r)
}

// anyOf returns ErrNotInstalled when none of the objects is in the cluster.
func (s *Site) anyOf(ctx context.Context, objects []apply.Object) error {
	for _, o := range objects {
		live, err := s.object(ctx, o.GroupVersionKind(), o.GetNamespace(), o.GetName())
		if err != nil {
			return fmt.Errorf("looking for %s: %w", nameOf(o.Unstructured), err)
		}
		if live != nil {
			return nil
		}
	}
	return ErrNotInstalled
}

// uninstall has the controller undo what it has made.
func (s *Site) uninstall(ctx context.Context, r Removal) error {
	for _, kind := range []schema.GroupVersionKind{kustomizationKind, releaseKind} {
		err := s.each(ctx, kind, func(list []unstructured.Unstructured) (bool, error) {
			r.Progress(fmt.Sprintf("deleting %s: %d left, %s among them", kind.Kind, len(list), nameOf(&list[0])))
			for i := range list {
				if list[i].GetDeletionTimestamp() != nil {
					continue
				}
				if err := s.delete(ctx, kind, list[i].GetNamespace(), list[i].GetName()); err != nil {
					return false, err
				}
			}

			return false, nil
		})
		if err != nil {
			return fmt.Errorf("%w; the controller does this work, so it has to run; what is left can be seen with fairlead get", err)
		}
	}
	return nil
}

// suspend keeps the controller from bringing back what is removed.
func (s *Site) suspend(ctx context.Context, r Removal) error {
	r.Progress("suspending Kustomizations")
	return s.each(ctx, kustomizationKind, func(list []unstructured.Unstructured) (bool, error) {
		for i := range list {
			if suspended, _, _ := unstructured.NestedBool(list[i].Object, "spec", "suspend"); suspended {
				continue
			}
			if err := s.patch(ctx, kustomizationKind, &list[i], map[string]any{"spec": map[string]any{"suspend": true}}); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// stop deletes the controller and waits until none of its pods is left.
func (s *Site) stop(ctx context.Context, r Removal) error {
	r.Progress("stopping the controller")
	policy := metav1.DeletePropagationForeground
	err := s.as.Dynamic().Resource(deployments).Namespace(Namespace).Delete(ctx, Controller, metav1.DeleteOptions{PropagationPolicy: &policy})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting Deployment %s/%s: %w", Namespace, Controller, err)
	}

	return until(ctx, func() (bool, error) {
		pods, err := s.as.Kube().CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{
			LabelSelector: ControllerSelector, Limit: 1,
		})
		if err != nil {
			return false, fmt.Errorf("looking for pods of the controller: %w", err)
		}
		if len(pods.Items) > 0 {
			r.Progress("waiting for pod " + Namespace + "/" + pods.Items[0].Name + " to end")
		}

		return len(pods.Items) == 0, nil
	})
}

// release removes our finalizer from all our objects: no controller is left to do so.
func (s *Site) release(ctx context.Context, r Removal) error {
	for _, name := range []string{v1beta1.KustomizationKind, v1beta1.HelmReleaseKind, v1beta1.HelmChartKind, v1beta1.GitRepositoryKind,
		v1beta1.HelmRepositoryKind, v1beta1.OCIRepositoryKind, v1beta1.BucketKind} {
		kind := v1beta1.GroupVersion.WithKind(name)
		r.Progress("removing finalizers of " + name)
		err := s.each(ctx, kind, func(list []unstructured.Unstructured) (bool, error) {
			done := true
			for i := range list {
				finalizers := list[i].GetFinalizers()
				others := slices.DeleteFunc(slices.Clone(finalizers), isOurs)
				if len(others) == len(finalizers) {
					continue
				}

				err := s.patch(ctx, kind, &list[i], map[string]any{"metadata": map[string]any{
					"finalizers": others, "resourceVersion": list[i].GetResourceVersion(),
				}})
				if apierrors.IsConflict(err) {
					done = false
					continue
				}
				if err != nil {
					return false, err
				}
			}

			return done, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// isOurs reports whether a finalizer is one of Fairlead.
func isOurs(finalizer string) bool {
	return finalizer == v1beta1.Finalizer || finalizer == v1beta1.FormerFinalizer
}

// clear deletes what was installed: the definitions first, the namespace last.
func (s *Site) clear(ctx context.Context, objects []apply.Object, r Removal) (left []string, err error) {
	order := func(o apply.Object) int {
		switch o.GroupVersionKind().GroupKind() {
		case definitionKind:
			return 0
		case namespaceKind:
			return 2
		default:
			return 1
		}
	}
	slices.SortStableFunc(objects, func(a, b apply.Object) int { return order(a) - order(b) })
	for _, o := range objects {
		if o.GroupVersionKind().GroupKind() == namespaceKind {
			foreign, err := s.foreign(ctx)
			if err != nil {
				return nil, err
			}

			if len(foreign) > 0 {
				left = append(left, fmt.Sprintf("namespace %s, because others have something in it: %s", Namespace, strings.Join(foreign, ", ")))
				continue
			}
		}

		r.Progress("deleting " + nameOf(o.Unstructured))
		if err := s.delete(ctx, o.GroupVersionKind(), o.GetNamespace(), o.GetName()); err != nil {
			return nil, err
		}
		if order(o) == 1 {
			continue
		}

		err := until(ctx, func() (bool, error) {
			live, err := s.object(ctx, o.GroupVersionKind(), o.GetNamespace(), o.GetName())
			return live == nil, err
		})
		if err != nil {
			return nil, fmt.Errorf("waiting until %s is gone: %w", nameOf(o.Unstructured), err)
		}
	}

	return left, nil
}

// each calls f with all objects of a kind, again and again until there are none or f says that it is done.
func (s *Site) each(ctx context.Context, kind schema.GroupVersionKind, f func([]unstructured.Unstructured) (bool, error)) error {
	mapping, err := s.cluster.Mapper().RESTMapping(kind.GroupKind(), kind.Version)
	if isNoKind(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking which kinds the cluster knows: %w", err)
	}

	return until(ctx, func() (bool, error) {
		list, err := s.as.Dynamic().Resource(mapping.Resource).List(ctx, metav1.ListOptions{})
		switch {
		case apierrors.IsNotFound(err):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("listing %s: %w", kind.Kind, err)
		case len(list.Items) == 0:
			return true, nil
		}

		return f(list.Items)
	})
}

func until(ctx context.Context, done func() (bool, error)) error {
	tick := time.NewTicker(pause)
	defer tick.Stop()
	for {
		if is, err := done(); is || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (s *Site) patch(ctx context.Context, kind schema.GroupVersionKind, object *unstructured.Unstructured, change map[string]any) error {
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}

	mapping, err := s.cluster.Mapper().RESTMapping(kind.GroupKind(), kind.Version)
	if err != nil {
		return err
	}

	_, err = s.as.Dynamic().Resource(mapping.Resource).Namespace(object.GetNamespace()).
		Patch(ctx, object.GetName(), types.MergePatchType, body, metav1.PatchOptions{FieldManager: fieldManager})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("changing %s: %w", nameOf(object), err)
	}

	return nil
}

func (s *Site) delete(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) error {
	mapping, err := s.cluster.Mapper().RESTMapping(kind.GroupKind(), kind.Version)
	if isNoKind(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("asking which kinds the cluster knows: %w", err)
	}

	policy := metav1.DeletePropagationBackground
	err = s.as.Dynamic().Resource(mapping.Resource).Namespace(namespace).Delete(ctx, name, metav1.DeleteOptions{PropagationPolicy: &policy})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting %s %s/%s: %w", kind.Kind, namespace, name, err)
	}

	return nil
}

func isNoKind(err error) bool {
	return meta.IsNoMatchError(err) || errors.Is(err, &meta.NoKindMatchError{})
}

func nameOf(o *unstructured.Unstructured) string {
	if o.GetNamespace() == "" {
		return o.GetKind() + " " + o.GetName()
	}
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}
