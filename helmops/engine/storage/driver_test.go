package storage

import (
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/chart"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"
	"helm.sh/helm/v3/pkg/storage/driver"
	helmtime "helm.sh/helm/v3/pkg/time"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/helmops/plan"
)

func (s *server) driver(t *testing.T, store *Store) *Driver {
	t.Helper()
	return store.Driver(t.Context(), s.reader(t, alice), web, Note{ChartDigest: digest1})
}

func TestHelmAndWeReadEachOther(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"Helm reads what we write", "we read what Helm writes"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			var writer, reader driver.Driver = s.driver(t, s.store(t)), s.helm(t)
			if name == "we read what Helm writes" {
				writer, reader = reader, writer
			}
			want := newRelease(1, release.StatusPendingInstall)
			must(t, writer.Create(keyOf(1), want))
			want.Info.Status = release.StatusDeployed
			must(t, writer.Update(keyOf(1), want))
			got, err := reader.Get(keyOf(1))
			must(t, err)
			if diff := cmp.Diff(want, got, sameRelease...); diff != "" {
				t.Errorf("read by key (-want +got):\n%s", diff)
			}
			found, err := reader.Query(map[string]string{"name": "web", "owner": "helm", "status": "deployed", "version": "1"})
			must(t, err)
			deployed, err := reader.List(func(rel *release.Release) bool { return rel.Info.Status == release.StatusDeployed })
			must(t, err)
			if len(found) != 1 || len(deployed) != 1 || found[0].Manifest != want.Manifest {
				t.Errorf("found %+v, listed %d", found, len(deployed))
			}
			if none, err := reader.List(func(*release.Release) bool { return false }); err != nil || len(none) != 0 {
				t.Errorf("the filter let %d through (error %v)", len(none), err)
			}
			_, err = reader.Delete(keyOf(1))
			must(t, err)
			if _, err := reader.Get(keyOf(1)); !errors.Is(err, driver.ErrReleaseNotFound) {
				t.Errorf("after the deletion: %v", err)
			}
		})
	}
}

func TestRecordsLookLikeHelms(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	d := s.driver(t, s.store(t))
	must(t, d.Create(keyOf(1), newRelease(1, release.StatusPendingInstall)))
	must(t, s.store(t).Driver(t.Context(), s.reader(t, alice), web, Note{ChartDigest: "another"}).Update(keyOf(1),
		newRelease(1, release.StatusSuperseded)))
	secret := s.secret(t, keyOf(1))
	want := map[string]string{
		"name": "web", "owner": "helm", "status": "superseded", "version": "1", "team": "shop", "createdAt": "1772366400",
		"modifiedAt": "1772366400",
	}
	if diff := cmp.Diff(want, secret.Labels); diff != "" || secret.Type != "helm.sh/release.v1" {
		t.Errorf("type %s, labels (-want +got):\n%s", secret.Type, diff)
	}
	if note := parseNote(secret.Annotations[Annotation]); len(secret.Annotations) != 1 || note == nil ||
		note.ChartDigest != digest1 {
		t.Errorf("annotations %v", secret.Annotations)
	}
}

func TestOnlyTheNewestAndDeployedAreRead(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create(t, s.store(t), newRelease(1, release.StatusSuperseded), newRelease(2, release.StatusDeployed),
		newRelease(3, release.StatusFailed),
		newRelease(4, release.StatusFailed))
	store := s.watching(t)
	s.asked(alice)
	d := s.driver(t, store)
	helm := storage.Init(d)
	history, err := helm.History("web")
	must(t, err)
	whole := map[int]bool{}
	for _, rel := range history {
		whole[rel.Version] = rel.Chart != nil
		if rel.Name != "web" || rel.Namespace != "apps" || rel.Info.Status == "" || rel.Labels["owner"] != "" {
			t.Errorf("revision %d: %+v", rel.Version, rel)
		}
	}
	if diff := cmp.Diff(map[int]bool{1: false, 2: true, 3: false, 4: true}, whole); diff != "" {
		t.Errorf("whole releases (-want +got):\n%s", diff)
	}
	deployed, err := helm.Deployed("web")
	if err != nil || deployed.Version != 2 || deployed.Chart == nil {
		t.Errorf("deployed: %+v (error %v)", deployed, err)
	}
	if diff := cmp.Diff([]string{"get " + keyOf(4), "get " + keyOf(2)}, s.asked(alice)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}

	stub := history[len(history)-1]
	for _, rel := range history {
		if rel.Version == 1 {
			stub = rel
		}
	}
	stub.Info.Status, stub.Info.Description = release.StatusUninstalled, "gone"
	must(t, helm.Update(stub))
	got, err := s.helm(t).Get(keyOf(1))
	must(t, err)
	want := newRelease(1, release.StatusUninstalled, func(r *release.Release) { r.Info.Description = "gone" })
	if diff := cmp.Diff(want, got, sameRelease...); diff != "" {
		t.Errorf("the stub was stored (-want +got):\n%s", diff)
	}
	s.asked(alice)
	_, err = helm.Delete("web", 3)
	must(t, err)
	if diff := cmp.Diff([]string{"delete " + keyOf(3)}, s.asked(alice)); diff != "" {
		t.Errorf("requests of a deletion (-want +got):\n%s", diff)
	}
}

func TestWhatIsHandedOutIsACopy(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.watching(t)
	want := newRelease(1, release.StatusDeployed, func(r *release.Release) {
		r.Hooks = []*release.Hook{hook("Job", "migrate", release.HookPreInstall)}
	})
	s.create(t, store, want)
	d := s.driver(t, store)
	for range 2 {
		got, err := d.Get(keyOf(1))
		must(t, err)
		if diff := cmp.Diff(want, got, sameRelease...); diff != "" {
			t.Fatalf("release (-want +got):\n%s", diff)
		}
		got.Info.Status, got.Config["replicas"], got.Labels["team"] = release.StatusFailed, 9, "other"
		got.Hooks[0].LastRun.Phase = release.HookPhaseFailed
		got.Chart.Values["deep"].(map[string]any)["list"].([]any)[0] = "b"
		got.Chart.Metadata.Version, got.Chart.Templates[0] = "2.0.0", &chart.File{}
	}
}

func TestUpdateSkipsWhatDidNotChange(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	d := s.driver(t, s.watching(t))
	must(t, d.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	must(t, d.Update(keyOf(1), newRelease(1, release.StatusDeployed)))
	must(t, d.Update(keyOf(1), newRelease(1, release.StatusFailed)))
	if diff := cmp.Diff([]string{"create", "update " + keyOf(1)}, s.asked(alice)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

// A write in between is never overwritten, even when the watch reported it before the action continued.
func TestUpdateIsBasedOnWhatTheActionRead(t *testing.T) {
	tests := []struct {
		name   string
		expect bool
		held   bool
	}{{name: "read by the driver"}, {name: "read before the driver", expect: true}, {name: "the watch lags", held: true}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			s.create(t, s.store(t), newRelease(1, release.StatusDeployed))
			store := s.watching(t)
			s.hold(tt.held)
			changed := make(chan struct{}, 9)
			store.Subscribe(func(_, _ string) { changed <- struct{}{} })
			d := s.driver(t, store)
			newest, err := store.Newest(t.Context(), s.reader(t, alice), web)
			must(t, err)
			if tt.expect {
				d.Expect(*newest)
			} else {
				_, err = d.Get(keyOf(1))
				must(t, err)
			}
			must(t, s.helm(t).Update(keyOf(1), newRelease(1, release.StatusSuperseded)))
			if !tt.held {
				<-changed
			}
			err = d.Update(keyOf(1), newRelease(1, release.StatusFailed))
			if !errors.Is(err, ErrModified) || !errors.Is(d.Err(), ErrModified) || !strings.Contains(err.Error(), keyOf(1)) {
				t.Errorf("error = %v, kept %v", err, d.Err())
			}
			if got := s.history(t, store, alice)[0]; got.Ours || got.Status != plan.StatusSuperseded {
				t.Errorf("afterwards %+v", got)
			}
		})
	}
}

func TestDriverErrors(t *testing.T) {
	down := apierrors.NewServiceUnavailable("down")
	tests := []struct {
		name   string
		verb   string
		do     func(*Driver) error
		is     error
		quoted string
	}{
		{name: "a record that exists already is somebody else's lock", do: func(d *Driver) error {
			return d.Create(keyOf(1), newRelease(1, release.StatusPendingInstall))
		}, is: driver.ErrReleaseExists},
		{name: "a record that never was is not updated", do: func(d *Driver) error {
			return d.Update(keyOf(9), newRelease(9, "failed"))
		},
			is: driver.ErrReleaseNotFound},
		{
			name: "a record that never was is not deleted",
			do:   func(d *Driver) error { _, err := d.Delete(keyOf(9)); return err }, is: driver.ErrReleaseNotFound,
		},
		{name: "a query without an answer finds nothing",
			do: func(d *Driver) error { _, err := d.Query(map[string]string{"status": "failed"}); return err },
			is: driver.ErrReleaseNotFound},
		{name: "nothing is deployed", do: func(d *Driver) error {
			must := d.Update(keyOf(1), newRelease(1, release.StatusFailed))
			_, err := storage.Init(d).Deployed("web")
			return errors.Join(must, err)
		}, is: driver.ErrNoDeployedReleases},
		{name: "a create that fails says what and why", verb: "create", do: func(d *Driver) error {
			return d.Create(keyOf(2), newRelease(2, "failed"))
		},
			quoted: keyOf(2)},
		{name: "an update that fails says what and why", verb: "update", do: func(d *Driver) error {
			return d.Update(keyOf(1), newRelease(1, "failed"))
		},
			quoted: keyOf(1)},
		{name: "a deletion that fails says what and why", verb: "delete",
			do:     func(d *Driver) error { _, err := d.Delete(keyOf(1)); return err },
			quoted: keyOf(1)},
		{
			name: "a list that fails says what and why", verb: "list",
			do: func(d *Driver) error { _, err := d.Query(nil); return err }, quoted: "release web",
		},
		{name: "what does not fit is refused", do: func(d *Driver) error {
			return d.Create(keyOf(2), newRelease(2, "failed", func(r *release.Release) {
				r.Manifest = base64.StdEncoding.EncodeToString(noise(900_000))
			}))
		}, quoted: "1040384"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			store := s.store(t)
			s.create(t, store, newRelease(1, release.StatusDeployed))
			if tt.verb != "" {
				s.answer(tt.verb, alice, down)
			}
			err := tt.do(s.driver(t, store))
			if err == nil || tt.is != nil && !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.quoted) ||
				tt.verb != "" && !apierrors.IsServiceUnavailable(err) {
				t.Errorf("error = %v, want %v with %q", err, tt.is, tt.quoted)
			}
		})
	}
}

func TestADegradedRecordSaysSo(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.watching(t)
	large := newRelease(1, release.StatusPendingInstall, func(r *release.Release) {
		r.Chart.Files = []*chart.File{{Name: "f", Data: noise(850_000)}}
	})
	d := s.driver(t, store)
	must(t, d.Create(keyOf(1), large))
	got, err := d.Get(keyOf(1))
	must(t, err)
	if len(got.Chart.Files) != 0 || len(got.Chart.Templates) == 0 {
		t.Errorf("%d files, %d templates", len(got.Chart.Files), len(got.Chart.Templates))
	}
	got.Info.Status = release.StatusSuperseded
	must(t, s.driver(t, store).Update(keyOf(1), got))
	if record := s.history(t, store, alice)[0]; record.Degraded != "files" || record.Status != plan.StatusSuperseded {
		t.Errorf("record %+v", record)
	}
}

func TestSecretsAreConcealedInWhyARevisionFailed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.watching(t)
	d := s.driver(t, store)
	d.Conceal(func(cause string) string { return strings.ReplaceAll(cause, "swordfish", "***") })
	rel := newRelease(1, release.StatusPendingUpgrade)
	must(t, d.Create(keyOf(1), rel))
	rel.SetStatus(release.StatusFailed, `Upgrade "swordfish" failed: Invalid value: "swordfish"`)
	must(t, d.Update(keyOf(1), rel))
	got, err := s.driver(t, store).Get(keyOf(1))
	must(t, err)
	const want = `Upgrade "swordfish" failed: Invalid value: "***"` // the name of the release is none
	if got.Info.Description != want || s.history(t, store, alice)[0].Description != want {
		t.Errorf("the record says %q, the annotation %q; want %q", got.Info.Description,
			s.history(t, store, alice)[0].Description, want)
	}
}

func TestAFinishedHookIsStoredAtOnce(t *testing.T) {
	tests := []struct {
		name                  string
		kind, namespace, hook string
		succeeded             bool
		want                  [2]release.HookPhase
		writes                int
	}{
		{name: "it succeeded", kind: "Job", namespace: "apps", hook: "migrate", succeeded: true,
			want: [2]release.HookPhase{release.HookPhaseRunning, release.HookPhaseSucceeded}, writes: 1},
		{name: "it failed", kind: "Job", namespace: "apps", hook: "migrate",
			want: [2]release.HookPhase{release.HookPhaseRunning, release.HookPhaseFailed}, writes: 1},
		{
			name: "one of another namespace", kind: "Job", namespace: "other", hook: "migrate",
			want: [2]release.HookPhase{release.HookPhaseRunning, release.HookPhaseRunning},
		},
		{
			name: "one of another kind", kind: "Pod", namespace: "apps", hook: "migrate",
			want: [2]release.HookPhase{release.HookPhaseRunning, release.HookPhaseRunning},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			store := s.watching(t)
			rel := newRelease(1, release.StatusPendingInstall, func(r *release.Release) {
				r.Hooks = []*release.Hook{
					hook("Job", "seed", release.HookPreInstall), hook("Job", "migrate", release.HookPreInstall),
				}
				for _, h := range r.Hooks {
					h.LastRun = release.HookExecution{StartedAt: helmtime.Time{Time: now}, Phase: release.HookPhaseRunning}
				}
			})
			d := s.driver(t, store)
			must(t, d.Create(keyOf(1), rel))
			s.asked(alice)
			d.HookDone(tt.kind, tt.namespace, tt.hook, tt.succeeded)
			if asked := s.asked(alice); len(asked) != tt.writes {
				t.Errorf("requests %v", asked)
			}
			stored, err := s.helm(t).Get(keyOf(1))
			must(t, err)
			if got := [2]release.HookPhase{stored.Hooks[0].LastRun.Phase, stored.Hooks[1].LastRun.Phase}; got != tt.want {
				t.Errorf("stored %v, want %v", got, tt.want)
			}
			must(t, d.Err())
			must(t, d.Update(keyOf(1), newRelease(1, release.StatusDeployed)))
		})
	}
}

func TestNothingIsWrittenAfterTheEnd(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	ctx, stop := context.WithCancel(t.Context())
	d := s.store(t).Driver(ctx, s.reader(t, alice), web, Note{})
	stop()
	if err := d.Create(keyOf(1), newRelease(1, release.StatusPendingInstall)); !errors.Is(err, context.Canceled) {
		t.Errorf("error = %v", err)
	}
	if asked := s.asked(alice); len(asked) != 0 {
		t.Errorf("requests %v", asked)
	}
}
