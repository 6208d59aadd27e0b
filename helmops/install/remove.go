package install

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/fluxcd/pkg/ssa"
	"github.com/fluxcd/pkg/ssa/utils"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

var (
	kustomizationKind = v1beta1.GroupVersion.WithKind(v1beta1.KustomizationKind)
	repositoryKind    = v1beta1.GroupVersion.WithKind(v1beta1.GitRepositoryKind)
	releaseKind       = v1beta1.GroupVersion.WithKind(v1beta1.HelmReleaseKind)
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
				if err := s.delete(ctx, &list[i], ssa.DefaultDeleteOptions()); err != nil {
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
			if err := s.patch(ctx, &list[i], map[string]any{"spec": map[string]any{"suspend": true}}); err != nil {
				return false, err
			}
		}
		return true, nil
	})
}

// stop deletes the controller and waits until none of its pods is left.
func (s *Site) stop(ctx context.Context, r Removal) error {
	r.Progress("stopping the controller")
	controller := &unstructured.Unstructured{}
	controller.SetGroupVersionKind(deploymentKind)
	controller.SetNamespace(Namespace)
	controller.SetName(Controller)
	err := s.delete(ctx, controller, ssa.DeleteOptions{PropagationPolicy: metav1.DeletePropagationForeground})
	if err != nil {
		return err
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

				err := s.patch(ctx, &list[i], map[string]any{"metadata": map[string]any{
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

// clear deletes what was installed: the definitions first, then the rest in the reverse of the order in which it was
// applied, the namespace last.
func (s *Site) clear(ctx context.Context, objects []apply.Object, r Removal) (left []string, err error) {
	for _, o := range inOrderOfRemoval(objects) {
		if utils.IsNamespace(o) {
			foreign, err := s.foreign(ctx)
			if err != nil {
				return nil, err
			}

			if len(foreign) > 0 {
				left = append(left, fmt.Sprintf("namespace %s, because others have something in it: %s", Namespace, strings.Join(foreign, ", ")))
				continue
			}
		}

		r.Progress("deleting " + nameOf(o))
		if err := s.delete(ctx, o, ssa.DefaultDeleteOptions()); err != nil {
			return nil, err
		}
		if !utils.IsCRD(o) && !utils.IsNamespace(o) {
			continue
		}

		err := until(ctx, func() (bool, error) {
			live, err := s.object(ctx, o.GroupVersionKind(), o.GetNamespace(), o.GetName())
			return live == nil, err
		})
		if err != nil {
			return nil, fmt.Errorf("waiting until %s is gone: %w", nameOf(o), err)
		}
	}

	return left, nil
}

// inOrderOfRemoval sorts objects as clear deletes them.
func inOrderOfRemoval(objects []apply.Object) []*unstructured.Unstructured {
	var definitions, rest []*unstructured.Unstructured
	for _, o := range objects {
		if utils.IsCRD(o.Unstructured) {
			definitions = append(definitions, o.Unstructured)
		} else {
			rest = append(rest, o.Unstructured)
		}
	}
	sort.Sort(sort.Reverse(ssa.SortableUnstructureds(rest)))
	return append(definitions, rest...)
}

// each calls f with all objects of a kind, again and again until there are none or f says that it is done.
func (s *Site) each(ctx context.Context, kind schema.GroupVersionKind, f func([]unstructured.Unstructured) (bool, error)) error {
	return until(ctx, func() (bool, error) {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(kind)
		err := s.client.List(ctx, list)
		switch {
		case apierrors.IsNotFound(err), meta.IsNoMatchError(err):
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

func (s *Site) patch(ctx context.Context, object *unstructured.Unstructured, change map[string]any) error {
	body, err := json.Marshal(change)
	if err != nil {
		return err
	}

	err = s.client.Patch(ctx, object, client.RawPatch(types.MergePatchType, body), client.FieldOwner(fieldManager))
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("changing %s: %w", nameOf(object), err)
	}

	return nil
}

// delete deletes an object. It is no error when the object, or its kind, is gone.
func (s *Site) delete(ctx context.Context, object *unstructured.Unstructured, o ssa.DeleteOptions) error {
	_, err := s.manager.Delete(ctx, object, o)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil
	}
	return err
}

func nameOf(o *unstructured.Unstructured) string {
	if o.GetNamespace() == "" {
		return o.GetKind() + " " + o.GetName()
	}
	return o.GetKind() + " " + o.GetNamespace() + "/" + o.GetName()
}
