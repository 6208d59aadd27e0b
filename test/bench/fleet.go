package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

const (
	// fleetName is the repository that all Kustomizations follow.
	fleetName = "fleet"
	// pollInterval is how often the repository is looked at.
	pollInterval = 2 * time.Second
)

// directoryOf is what one Kustomization follows: four objects that hold a value.
func directoryOf(i int, value string) map[string]string {
	out := map[string]string{}
	for part := range 4 {
		out[fmt.Sprintf("apps/%04d/config%d.yaml", i, part)] = fmt.Sprintf(
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: app%04d-%d}\ndata: {value: %q}\n", i, part, value)
	}
	return out
}

// commitAll commits a value for every directory.
func (f *field) commitAll(value string) (string, error) {
	files := map[string]string{}
	for i := range f.settings.Kustomizations {
		for name, content := range directoryOf(i, value) {
			files[name] = content
		}
	}
	return f.git.Commit(fleetName, "main", files, "Set everything to "+value)
}

// declareFleet declares Kustomizations on one repository, and waits until each has applied its directory.
func (f *field) declareFleet(ctx context.Context, r *result) (err error) {
	if f.git, err = servers.GitServer(filepath.Join(f.dir, "git"), servers.Options{}); err != nil {
		return err
	}
	url, err := f.git.Create(fleetName)
	if err != nil {
		return err
	}
	commit, err := f.commitAll("first")
	if err != nil {
		return err
	}
	err = f.cluster.Apply(ctx, &v1beta1.GitRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fleetName},
		Spec: v1beta1.GitRepositorySpec{
			URL: url, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}, Interval: &metav1.Duration{Duration: pollInterval},
		},
	})
	if err != nil {
		return err
	}
	return f.timeFleet(ctx, r, func() (string, error) {
		return commit, inParallel(writers, f.settings.Kustomizations, func(i int) error {
			return f.cluster.Client.Create(ctx, &v1beta1.Kustomization{
				ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: fmt.Sprintf("app%04d", i)},
				Spec: v1beta1.KustomizationSpec{
					SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: fleetName},
					Path:      fmt.Sprintf("./apps/%04d", i), Prune: true,
				},
			})
		})
	})
}

// pushAll pushes a commit that changes all objects.
func (f *field) pushAll(ctx context.Context, r *result) error {
	return f.timeFleet(ctx, r, func() (string, error) { return f.commitAll("second") })
}

// pushOne pushes a commit that changes the objects of one Kustomization, and times that one.
func (f *field) pushOne(ctx context.Context, r *result) error {
	return f.timeSome(ctx, r, func(name string) bool { return name == "app0000" }, func() (string, error) {
		return f.git.Commit(fleetName, "main", directoryOf(0, "third"), "Change one directory")
	})
}

// timeFleet times every Kustomization, from a change to the news that it has applied the commit that results.
func (f *field) timeFleet(ctx context.Context, r *result, change func() (commit string, err error)) error {
	return f.timeSome(ctx, r, func(string) bool { return true }, change)
}

// timeSome is timeFleet for those whose names are chosen.
func (f *field) timeSome(
	ctx context.Context, r *result, chosen func(name string) bool, change func() (commit string, err error),
) error {
	ctx, cancel := context.WithTimeoutCause(ctx, f.settings.Timeout,
		errors.New("not all Kustomizations have applied the commit after "+f.settings.Timeout.String()))
	defer cancel()
	events, err := f.cluster.Client.Watch(ctx, &v1beta1.KustomizationList{}, client.InNamespace(namespace))
	if err != nil {
		return err
	}
	defer events.Stop()
	begin := time.Now()
	commit, err := change()
	if err != nil {
		return err
	}
	r.Submitted = time.Since(begin).Seconds()
	took := map[string]float64{}
	for len(took) < r.Releases {
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w: %d of %d have", context.Cause(ctx), len(took), r.Releases)
		case event, open := <-events.ResultChan():
			if !open || event.Type == watch.Error {
				return errors.New("the watch of the Kustomizations was cut")
			}
			k, is := event.Object.(*v1beta1.Kustomization)
			if !is || !chosen(k.Name) || took[k.Name] > 0 || !strings.HasSuffix(k.Status.LastAppliedRevision, commit) {
				continue
			}
			took[k.Name] = time.Since(begin).Seconds()
		}
	}
	values := make([]float64, 0, len(took))
	for _, value := range took {
		values = append(values, value)
	}
	r.Ready, r.Wall = spreadOf(values), time.Since(begin).Seconds()
	f.tell("  all have applied it after %.1fs", r.Wall)
	return nil
}
