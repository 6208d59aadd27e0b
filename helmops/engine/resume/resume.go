// Package resume finishes what a process that stopped had begun, from the stored record alone: nothing is rendered
// again, so that random values stay, and a hook that has run, or is running, is not started a second time.
package resume

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/releaseutil"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/engine/helmtext"
)

// grace is the least time that is left to a wait, however long ago it began: what is ready must have the chance to say
// so.
const grace = 10 * time.Second

// Client is Helm's client interface with the parts of it that are optional for Helm.
type Client interface {
	kube.Interface
	WaitForDelete(resources kube.ResourceList, timeout time.Duration) error
	DeleteWithPropagationPolicy(resources kube.ResourceList, policy metav1.DeletionPropagation) (*kube.Result, []error)
	Get(resources kube.ResourceList, related bool) (map[string][]runtime.Object, error)
}

// Options are those of the action that is finished.
type Options struct {
	Timeout      time.Duration
	DisableHooks bool
	Wait         bool
	WaitForJobs  bool
	Force        bool
	KeepHistory  bool
	Propagation  metav1.DeletionPropagation
}

// Work is the action of one release that is to be finished.
type Work struct {
	Client  Client
	Records *storage.Storage
	Release *release.Release
	Options Options
	Now     func() time.Time
}

// events are the hooks that belong to an action.
type events struct{ before, after release.HookEvent }

var rollouts = map[release.Status]events{
	release.StatusPendingInstall:  {release.HookPreInstall, release.HookPostInstall},
	release.StatusPendingUpgrade:  {release.HookPreUpgrade, release.HookPostUpgrade},
	release.StatusPendingRollback: {release.HookPreRollback, release.HookPostRollback},
}

// Rollout finishes an install, an upgrade or a rollback. former is the manifest of the revision it started from, empty
// when there was none. Like Helm's own actions it leaves the record deployed or failed.
func (w *Work) Rollout(former string) error {
	rel := w.Release
	status := rel.Info.Status
	hooks, ok := rollouts[status]
	if !ok {
		return fmt.Errorf("revision %d is %s; there is nothing to finish", rel.Version, status)
	}

	if err := w.rollout(hooks, former); err != nil {
		rel.SetStatus(release.StatusFailed, failure(status, rel.Name, err))
		return errors.Join(err, w.Records.Update(rel))
	}

	superseded, err := w.Records.DeployedAll(rel.Name)
	if err != nil && !errors.Is(err, driver.ErrNoDeployedReleases) {
		return err
	}

	for _, other := range superseded {
		other.Info.Status = release.StatusSuperseded
		if err := w.Records.Update(other); err != nil {
			return err
		}
	}

	rel.Info.Status = release.StatusDeployed
	switch status {
	case release.StatusPendingInstall:
		rel.Info.Description = "Install complete"
	case release.StatusPendingUpgrade:
		rel.Info.Description = "Upgrade complete"
	default: // the description of a rollback was made when it began
	}

	return w.Records.Update(rel)
}

// failure is the description of a revision that was left with a status and failed when it was finished.
func failure(status release.Status, name string, cause error) string {
	switch status {
	case release.StatusPendingUpgrade:
		return helmtext.OfUpgrade(name, cause)
	case release.StatusPendingRollback:
		return helmtext.OfRollback(name, cause)
	default:
		return helmtext.OfInstall(name, cause)
	}
}

func (w *Work) rollout(hooks events, former string) error {
	rel := w.Release
	if err := w.hooks(hooks.before); err != nil {
		return err
	}

	target, err := w.Client.Build(bytes.NewBufferString(rel.Manifest), false)
	if err != nil {
		return fmt.Errorf("building the objects of revision %d: %w", rel.Version, err)
	}
	if err := w.mark(target); err != nil {
		return err
	}

	original, err := w.Client.Build(bytes.NewBufferString(former), false)
	if err != nil {
		return fmt.Errorf("building the objects of the revision before: %w", err)
	}
	if _, err := w.Client.Update(original, target, w.Options.Force); err != nil {
		return err
	}

	if w.Options.Wait {
		wait := w.Client.Wait
		if w.Options.WaitForJobs {
			wait = w.Client.WaitWithJobs
		}
		if err := wait(target, w.remaining(rel.Info.LastDeployed.Time)); err != nil {
			return err
		}
	}

	return w.hooks(hooks.after)
}

// remaining is what is left of the timeout of something that began a while ago.
func (w *Work) remaining(since time.Time) time.Duration {
	return min(w.Options.Timeout, max(grace, since.Add(w.Options.Timeout).Sub(w.Now())))
}

// mark makes objects recognisable as the release's, as Helm does before it writes them.
func (w *Work) mark(objects kube.ResourceList) error {
	return objects.Visit(func(info *resource.Info, err error) error {
		if err != nil {
			return err
		}

		accessor, err := meta.Accessor(info.Object)
		if err != nil {
			return err
		}

		accessor.SetLabels(with(accessor.GetLabels(), map[string]string{"app.kubernetes.io/managed-by": "Helm"}))
		accessor.SetAnnotations(with(accessor.GetAnnotations(), map[string]string{
			"meta.helm.sh/release-name": w.Release.Name, "meta.helm.sh/release-namespace": w.Release.Namespace,
		}))
		return nil
	})
}

func with(had, added map[string]string) map[string]string {
	out := make(map[string]string, len(had)+len(added))
	for key, value := range had {
		out[key] = value
	}
	for key, value := range added {
		out[key] = value
	}
	return out
}

// Uninstall finishes an uninstall.
func (w *Work) Uninstall() error {
	rel := w.Release
	if err := w.hooks(release.HookPreDelete); err != nil {
		return err
	}

	doomed, err := w.doomed()
	if err != nil {
		return err
	}

	if len(doomed) > 0 {
		if _, errs := w.Client.DeleteWithPropagationPolicy(doomed, w.Options.Propagation); len(errs) > 0 {
			return errors.Join(errs...)
		}
		if w.Options.Wait {
			if err := w.Client.WaitForDelete(doomed, w.Options.Timeout); err != nil {
				return err
			}
		}
	}

	if err := w.hooks(release.HookPostDelete); err != nil {
		return err
	}

	if w.Options.KeepHistory {
		rel.Info.Status = release.StatusUninstalled
		rel.Info.Description = "Uninstallation complete"
		if rel.Info.Deleted.IsZero() {
			rel.Info.Deleted = helmtime.Time{Time: w.Now()}
		}

		return w.Records.Update(rel)
	}

	history, err := w.Records.History(rel.Name)
	if err != nil {
		return err
	}

	for _, other := range history {
		if _, err := w.Records.Delete(other.Name, other.Version); err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
			return err
		}
	}

	return nil
}

// doomed are the objects to delete, in Helm's order. Those with a resource policy stay.
func (w *Work) doomed() (kube.ResourceList, error) {
	_, files, err := releaseutil.SortManifests(releaseutil.SplitManifests(w.Release.Manifest), nil,
		releaseutil.UninstallOrder)
	if err != nil {
		return nil, fmt.Errorf("the manifest of revision %d is broken; its objects have to be deleted by hand: %w",
			w.Release.Version, err)
	}

	var manifest strings.Builder
	for _, file := range files {
		metadata := file.Head.Metadata
		if metadata != nil && strings.TrimSpace(metadata.Annotations[kube.ResourcePolicyAnno]) != "" {
			continue
		}

		manifest.WriteString("\n---\n" + file.Content)
	}

	objects, err := w.Client.Build(strings.NewReader(manifest.String()), false)
	if err != nil {
		return nil, fmt.Errorf("building the objects of revision %d: %w", w.Release.Version, err)
	}

	return objects, nil
}
