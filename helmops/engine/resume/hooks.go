package resume

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// hooks runs what is left of the hooks of an event, and takes away those that are to go when all have succeeded.
func (w *Work) hooks(event release.HookEvent) error {
	if w.Options.DisableHooks {
		return nil
	}

	var due []*release.Hook
	for _, hook := range w.Release.Hooks {
		if slices.Contains(hook.Events, event) {
			due = append(due, hook)
		}
	}

	slices.SortStableFunc(due, func(a, b *release.Hook) int {
		return cmp.Or(cmp.Compare(a.Weight, b.Weight), cmp.Compare(a.Name, b.Name))
	})
	for _, hook := range due {
		if len(hook.DeletePolicies) == 0 {
			hook.DeletePolicies = []release.HookDeletePolicy{release.HookBeforeHookCreation}
		}
		if err := w.hook(event, hook); err != nil {
			return errors.Join(err, w.clean(release.HookFailed, hook))
		}
	}

	return w.clean(release.HookSucceeded, due...)
}

// hook brings one hook to its end: it is left alone when it has succeeded, watched while it runs, and run otherwise.
func (w *Work) hook(event release.HookEvent, hook *release.Hook) error {
	if w.ran(hook) {
		switch hook.LastRun.Phase {
		case release.HookPhaseSucceeded:
			return nil
		case release.HookPhaseFailed:
			return fmt.Errorf("%s hook %s failed", event, hook.Name)
		default:
		}
	}

	objects, err := w.build(hook)
	if err != nil {
		return err
	}

	running := false
	if w.ran(hook) {
		if running, err = w.exist(objects); err != nil {
			return err
		}
	}

	if !running {
		if err := w.start(hook, objects); err != nil {
			return fmt.Errorf("%s hook %s: %w", event, hook.Name, err)
		}
	}

	err = w.Client.WatchUntilReady(objects, w.remaining(hook.LastRun.StartedAt.Time))
	hook.LastRun.CompletedAt = helmtime.Time{Time: w.Now()}
	hook.LastRun.Phase = release.HookPhaseSucceeded
	if err != nil {
		hook.LastRun.Phase = release.HookPhaseFailed
		return fmt.Errorf("%s hook %s: %w", event, hook.Name, err)
	}

	return w.Records.Update(w.Release)
}

// ran reports whether a hook was started by the action that is finished, not by one of an earlier revision whose record
// it was copied from.
func (w *Work) ran(hook *release.Hook) bool {
	began := w.Release.Info.LastDeployed
	if w.Release.Info.Status == release.StatusUninstalling {
		began = w.Release.Info.Deleted
	}
	return !hook.LastRun.StartedAt.IsZero() && !hook.LastRun.StartedAt.Time.Before(began.Time.Truncate(time.Second))
}

func (w *Work) start(hook *release.Hook, objects kube.ResourceList) error {
	if err := w.clean(release.HookBeforeHookCreation, hook); err != nil {
		return err
	}
	hook.LastRun = release.HookExecution{StartedAt: helmtime.Time{Time: w.Now()}, Phase: release.HookPhaseRunning}
	if err := w.Records.Update(w.Release); err != nil {
		return err
	}
	_, err := w.Client.Create(objects)
	return err
}

// clean deletes the objects of hooks that have the policy.
func (w *Work) clean(policy release.HookDeletePolicy, hooks ...*release.Hook) error {
	for _, hook := range slices.Backward(hooks) {
		if hook.Kind == "CustomResourceDefinition" || !slices.Contains(hook.DeletePolicies, policy) {
			continue
		}

		objects, err := w.build(hook)
		if err != nil {
			return err
		}
		if _, errs := w.Client.Delete(objects); len(errs) > 0 {
			return errors.Join(errs...)
		}
		if err := w.Client.WaitForDelete(objects, w.Options.Timeout); err != nil {
			return err
		}
	}
	return nil
}

func (w *Work) build(hook *release.Hook) (kube.ResourceList, error) {
	objects, err := w.Client.Build(bytes.NewBufferString(hook.Manifest), false)
	if err != nil {
		return nil, fmt.Errorf("building hook %s: %w", hook.Name, err)
	}
	return objects, nil
}

func (w *Work) exist(objects kube.ResourceList) (bool, error) {
	_, err := w.Client.Get(objects, false)
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, err
}
