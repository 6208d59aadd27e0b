package resume

import (
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/kube"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/resource"
	"sigs.k8s.io/yaml"
)

var (
	began       = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	now         = began.Add(time.Minute)
	errSentinel = errors.New("as arranged")
)

// recorder is a cluster that notes what it is asked to do.
type recorder struct {
	kube.Interface // what is not overridden must not be called
	calls          []string
	exists         map[string]bool
	fails          map[string]error
}

func (r *recorder) note(verb string, objects kube.ResourceList) error {
	var names []string
	for _, info := range objects {
		names = append(names, info.Name)
	}
	call := verb + " " + strings.Join(names, ",")
	r.calls = append(r.calls, call)
	return r.fails[call]
}

func (r *recorder) Build(manifest io.Reader, _ bool) (kube.ResourceList, error) {
	text, err := io.ReadAll(manifest)
	if err != nil {
		return nil, err
	}
	var list kube.ResourceList
	for document := range strings.SplitSeq(string(text), "---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
			return nil, err
		}
		if object.GetName() != "" {
			list = append(list,
				&resource.Info{
					Name: object.GetName(), Object: object, Mapping: &meta.RESTMapping{GroupVersionKind: object.GroupVersionKind()},
				})
		}
	}
	return list, nil
}

func (r *recorder) Get(objects kube.ResourceList, _ bool) (map[string][]runtime.Object, error) {
	for _, info := range objects {
		if !r.exists[info.Name] {
			return nil, apierrors.NewNotFound(schema.GroupResource{Resource: "jobs"}, info.Name)
		}
	}
	return nil, nil
}

func (r *recorder) Create(objects kube.ResourceList) (*kube.Result, error) {
	return &kube.Result{}, r.note("create", objects)
}

func (r *recorder) Update(_, target kube.ResourceList, _ bool) (*kube.Result, error) {
	return &kube.Result{}, r.note("update", target)
}
func (r *recorder) Wait(objects kube.ResourceList, _ time.Duration) error {
	return r.note("wait", objects)
}
func (r *recorder) WaitWithJobs(objects kube.ResourceList, _ time.Duration) error {
	return r.note("wait with jobs", objects)
}

func (r *recorder) WatchUntilReady(objects kube.ResourceList, _ time.Duration) error {
	return r.note("watch", objects)
}

func (r *recorder) WaitForDelete(objects kube.ResourceList, _ time.Duration) error {
	return r.note("wait for delete", objects)
}

func (r *recorder) Delete(objects kube.ResourceList) (*kube.Result, []error) {
	return r.DeleteWithPropagationPolicy(objects, "")
}

func (r *recorder) DeleteWithPropagationPolicy(
	objects kube.ResourceList, _ metav1.DeletionPropagation,
) (*kube.Result, []error) {
	if err := r.note("delete", objects); err != nil {
		return nil, []error{err}
	}
	return &kube.Result{}, nil
}

func hook(
	event release.HookEvent, name string, phase release.HookPhase, started time.Time, policies ...release.HookDeletePolicy,
) *release.Hook {
	return &release.Hook{
		Name: name, Kind: "Job", Events: []release.HookEvent{event}, DeletePolicies: policies,
		Manifest: "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: " + name + "\n",
		LastRun:  release.HookExecution{Phase: phase, StartedAt: helmtime.Time{Time: started}},
	}
}

const manifest = "---\n# Source: web/a.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: web\n"

func record(version int, status release.Status, hooks ...*release.Hook) *release.Release {
	return &release.Release{
		Name: "web", Namespace: "apps", Version: version, Manifest: manifest, Hooks: hooks, Chart: &chart.Chart{},
		Info: &release.Info{Status: status, LastDeployed: helmtime.Time{Time: began}, Description: "Rollback to 1"},
	}
}

func newWork(t *testing.T, client *recorder, releases ...*release.Release) *Work {
	t.Helper()
	memory := driver.NewMemory()
	memory.SetNamespace("apps")
	records := storage.Init(memory)
	for _, rel := range releases {
		if err := records.Create(rel); err != nil {
			t.Fatal(err)
		}
	}
	return &Work{
		Client: client, Records: records, Release: releases[len(releases)-1], Now: func() time.Time { return now },
		Options: Options{Timeout: 5 * time.Minute, Wait: true, WaitForJobs: true},
	}
}

func TestRollout(t *testing.T) {
	const pre, post = release.HookPreUpgrade, release.HookPostUpgrade
	tests := []struct {
		name   string
		status release.Status
		hooks  []*release.Hook
		exists []string
		fails  string
		calls  []string
		ends   release.Status
		notes  string
	}{
		{name: "an install without hooks", status: release.StatusPendingInstall, ends: release.StatusDeployed,
			notes: "Install complete",
			calls: []string{"update web", "wait with jobs web"}},
		{name: "a rollback keeps its description", status: release.StatusPendingRollback, ends: release.StatusDeployed,
			notes: "Rollback to 1",
			calls: []string{"update web", "wait with jobs web"}},
		{name: "a hook that has succeeded is not run again", status: release.StatusPendingUpgrade,
			ends: release.StatusDeployed, notes: "Upgrade complete",
			hooks: []*release.Hook{hook(pre, "migrate", release.HookPhaseSucceeded, began)},
			calls: []string{"update web", "wait with jobs web"}},
		{name: "a hook that runs is watched, not started again", status: release.StatusPendingUpgrade,
			ends: release.StatusDeployed, notes: "Upgrade complete",
			hooks: []*release.Hook{hook(pre, "migrate", release.HookPhaseRunning, began)}, exists: []string{"migrate"},
			calls: []string{"watch migrate", "update web", "wait with jobs web"}},
		{name: "a hook that was noted and not made is run", status: release.StatusPendingUpgrade,
			ends: release.StatusDeployed, notes: "Upgrade complete",
			hooks: []*release.Hook{hook(pre, "migrate", release.HookPhaseRunning, began)},
			calls: []string{
				"delete migrate", "wait for delete migrate", "create migrate", "watch migrate", "update web", "wait with jobs web",
			}},
		{name: "a hook of an earlier revision counts for nothing", status: release.StatusPendingUpgrade,
			ends: release.StatusDeployed, notes: "Upgrade complete",
			hooks: []*release.Hook{
				hook(post, "tell", release.HookPhaseSucceeded, began.Add(-time.Hour), release.HookSucceeded),
			},
			exists: []string{"tell"},
			calls: []string{
				"update web", "wait with jobs web", "create tell", "watch tell", "delete tell", "wait for delete tell",
			}},
		{name: "a hook that has failed fails the release", status: release.StatusPendingUpgrade, ends: release.StatusFailed,
			hooks: []*release.Hook{hook(pre, "migrate", release.HookPhaseFailed, began)},
			notes: `Upgrade "web" failed: pre-upgrade hook migrate failed`},
		{name: "objects that do not become ready fail the release", status: release.StatusPendingInstall,
			ends:  release.StatusFailed,
			fails: "wait with jobs web", calls: []string{"update web", "wait with jobs web"},
			notes: `Release "web" failed: as arranged`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := &recorder{exists: map[string]bool{}, fails: map[string]error{tt.fails: errSentinel}}
			for _, name := range tt.exists {
				client.exists[name] = true
			}
			work := newWork(t, client, record(1, release.StatusDeployed), record(2, tt.status, tt.hooks...))
			err := work.Rollout(manifest)
			if (err != nil) != (tt.ends == release.StatusFailed) {
				t.Errorf("error = %v", err)
			}
			if diff := cmp.Diff(tt.calls, client.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			stored, err := work.Records.Get("web", 2)
			if err != nil || stored.Info.Status != tt.ends || stored.Info.Description != tt.notes {
				t.Errorf("the record is %s, %q (error %v); want %s, %q", stored.Info.Status, stored.Info.Description, err, tt.ends,
					tt.notes)
			}
			former, err := work.Records.Get("web", 1)
			if err != nil || (former.Info.Status == release.StatusSuperseded) != (tt.ends == release.StatusDeployed) {
				t.Errorf("the former revision is %s (error %v)", former.Info.Status, err)
			}
		})
	}
}

func TestRolloutRefusesARecordThatIsNotPending(t *testing.T) {
	t.Parallel()
	if err := newWork(t, &recorder{}, record(1, release.StatusDeployed)).Rollout(""); err == nil {
		t.Error("a deployed revision was finished")
	}
}

func TestRemaining(t *testing.T) {
	t.Parallel()
	work := newWork(t, &recorder{}, record(1, release.StatusPendingInstall))
	for since, want := range map[time.Time]time.Duration{
		began:                     4 * time.Minute,
		now:                       5 * time.Minute,
		now.Add(time.Hour):        5 * time.Minute,
		began.Add(-time.Hour * 2): grace,
	} {
		if got := work.remaining(since); got != want {
			t.Errorf("since %s: %s, want %s", since, got, want)
		}
	}
}

func TestUninstall(t *testing.T) {
	tests := []struct {
		name string
		keep bool
		left []release.Status
	}{
		{name: "the records go with it"},
		{
			name: "the records are kept", keep: true,
			left: []release.Status{release.StatusSuperseded, release.StatusUninstalled},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			client := &recorder{exists: map[string]bool{"bye": true}}
			last := record(2, release.StatusUninstalling,
				hook(release.HookPreDelete, "bye", release.HookPhaseRunning, began.Add(time.Second)))
			last.Info.Deleted = helmtime.Time{Time: began}
			last.Manifest += "---\n# Source: web/b.yaml\napiVersion: v1\nkind: Secret\nmetadata:\n  name: kept\n  annotations: {helm.sh/resource-policy: keep}\n"
			work := newWork(t, client, record(1, release.StatusSuperseded), last)
			work.Options.KeepHistory = tt.keep
			if err := work.Uninstall(); err != nil {
				t.Fatal(err)
			}
			want := []string{"watch bye", "delete web", "wait for delete web"}
			if diff := cmp.Diff(want, client.calls); diff != "" {
				t.Errorf("calls (-want +got):\n%s", diff)
			}
			history, err := work.Records.History("web")
			if err != nil && !errors.Is(err, driver.ErrReleaseNotFound) {
				t.Fatal(err)
			}
			var left []release.Status
			for _, rel := range history {
				left = append(left, rel.Info.Status)
			}
			slices.Sort(left)
			if diff := cmp.Diff(tt.left, left); diff != "" {
				t.Errorf("records (-want +got):\n%s", diff)
			}
		})
	}
}
