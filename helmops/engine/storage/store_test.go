package storage

import (
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/values"
)

func versions(history []plan.Record) []int {
	var out []int
	for _, record := range history {
		out = append(out, record.Version)
	}
	return out
}

func (s *server) history(t *testing.T, store *Store, user string) []plan.Record {
	t.Helper()
	history, err := store.History(t.Context(), s.reader(t, user), web)
	must(t, err)
	return history
}

func (s *server) create(t *testing.T, store *Store, rels ...*release.Release) {
	t.Helper()
	for _, rel := range rels {
		must(t, store.Driver(t.Context(), s.reader(t, alice), web, Note{ChartDigest: digest1, RenderDigest: "r"}).
			Create(secretName(rel.Name, rel.Version), rel))
	}
}

func TestALookAtOurRecordsCostsNothing(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create(t, s.store(t), newRelease(1, release.StatusSuperseded), newRelease(10, release.StatusDeployed),
		newRelease(9, release.StatusFailed))
	store := s.watching(t)
	s.asked(alice)
	for range 3 {
		if diff := cmp.Diff([]int{10, 9, 1}, versions(s.history(t, store, alice))); diff != "" {
			t.Fatalf("history (-want +got):\n%s", diff)
		}
	}
	if asked := s.asked(alice); len(asked) != 0 {
		t.Errorf("requests: %v", asked)
	}
	if store.Err() != nil {
		t.Errorf("Err() = %v", store.Err())
	}
}

// What the note says is what the record itself says.
func TestHistoryTellsTheRecord(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	tested := hook("Pod", "probe", release.HookTest)
	tested.LastRun = release.HookExecution{Phase: release.HookPhaseSucceeded}
	s.create(t, s.store(t), newRelease(1, release.StatusDeployed, func(r *release.Release) {
		r.Hooks = []*release.Hook{tested}
	}))
	want := plan.Record{
		Version: 1, Namespace: "apps", Status: plan.StatusDeployed, Outcome: plan.OutcomeSucceeded, Description: "as told",
		Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0", Digest: digest1}, AppVersion: "9.9", RenderDigest: "r",
		ConfigDigest: values.Digest(map[string]any{"replicas": 2}),
		Digest:       digest(s.secret(t, keyOf(1)).Data["release"]), Ours: true, Modified: now,
		FirstDeployed: newRelease(1, "").Info.FirstDeployed.Time,
		LastDeployed:  now, Tests: []plan.TestRun{{Name: "probe", Phase: "Succeeded"}},
	}
	for name, store := range map[string]*Store{"listed": s.store(t), "watched": s.watching(t)} {
		newest, err := store.Newest(t.Context(), s.reader(t, bob), web)
		must(t, err)
		for from, got := range map[string]plan.Record{"note": s.history(t, store, alice)[0], "content": newest.Record} {
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s, %s (-want +got):\n%s", name, from, diff)
			}
		}
	}
}

func TestARecordOfHelmIsReadOnceByEachIdentity(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, s.helm(t).Create(keyOf(1), newRelease(1, release.StatusSuperseded)))
	must(t, s.helm(t).Create(keyOf(2), newRelease(2, release.StatusDeployed)))
	store := s.watching(t)
	for range 2 {
		if s.history(t, store, alice)[0].Ours {
			t.Error("a record of Helm is taken for ours")
		}
	}
	for _, user := range []string{alice, bob} {
		s.history(t, store, user)
		asked := s.asked(user)
		slices.Sort(asked)
		if diff := cmp.Diff([]string{"get " + keyOf(1), "get " + keyOf(2)}, asked); diff != "" {
			t.Errorf("requests of %s (-want +got):\n%s", user, diff)
		}
	}
	s.answer("get", "mallory", apierrors.NewForbidden(resource, keyOf(1), errors.New("no")))
	if _, err := store.History(t.Context(), s.reader(t, "mallory"), web); !apierrors.IsForbidden(err) {
		t.Errorf("whoever may not read the record got it (error %v)", err)
	}
}

// A client that patches a record leaves the annotation as it is.
func TestANoteOnAnotherContentDoesNotCount(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create(t, s.store(t), newRelease(1, release.StatusDeployed))
	store := s.watching(t)
	changed := make(chan struct{}, 9)
	store.Subscribe(func(_, _ string) { changed <- struct{}{} })
	other, err := newEncoder().pack(newRelease(1, release.StatusFailed), "", maxSecret)
	must(t, err)
	s.change(t, keyOf(1), func(secret *corev1.Secret) { secret.Data["release"] = other.data })
	<-changed
	if got := s.history(t, store, alice)[0]; got.Ours || got.Status != plan.StatusFailed || got.Chart.Digest != "" {
		t.Errorf("got %+v", got)
	}
	must(t, err)
	s.asked(alice)
	s.create(t, store, newRelease(2, release.StatusDeployed))
	s.change(t, keyOf(2), func(secret *corev1.Secret) { secret.Labels["touched"] = "true" })
	<-changed
	for range 2 {
		if got := s.history(t, store, alice)[0]; !got.Ours || got.Chart.Digest != digest1 {
			t.Errorf("a record that was only touched: %+v", got)
		}
	}
	if diff := cmp.Diff([]string{"create", "get " + keyOf(2)}, s.asked(alice)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestSubscribersHearOfOthersOnly(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create(t, s.store(t), newRelease(1, release.StatusDeployed))
	store := s.watching(t)
	heard := make(chan string, 99)
	var count atomic.Int32
	store.Subscribe(func(in, name string) {
		count.Add(1)
		heard <- in + "/" + name
	})
	d := store.Driver(t.Context(), s.reader(t, alice), web, Note{})
	must(t, d.Create(keyOf(2), newRelease(2, release.StatusPendingUpgrade)))
	must(t, d.Update(keyOf(2), newRelease(2, release.StatusDeployed)))
	_, err := d.Delete(keyOf(1))
	must(t, err)
	for n, do := range []func(){
		func() { must(t, s.helm(t).Create(keyOf(3), newRelease(3, release.StatusDeployed))) },
		func() { must(t, s.helm(t).Update(keyOf(3), newRelease(3, release.StatusFailed))) },
		func() { _, err := s.helm(t).Delete(keyOf(3)); must(t, err) },
	} {
		do()
		if got := <-heard; got != "store/web" || int(count.Load()) != n+1 {
			t.Errorf("heard %q, the %dth", got, count.Load())
		}
	}
	if got := versions(s.history(t, store, alice)); !slices.Equal(got, []int{2}) {
		t.Errorf("history %v", got)
	}
}

func TestOwnWritesAreSeenBeforeTheWatchTells(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	s.create(t, s.store(t), newRelease(1, release.StatusDeployed))
	store := s.watching(t)
	heard := make(chan struct{}, 99)
	store.Subscribe(func(_, _ string) { heard <- struct{}{} })
	s.hold(true)
	d := store.Driver(t.Context(), s.reader(t, alice), web, Note{})
	must(t, d.Create(keyOf(2), newRelease(2, release.StatusPendingUpgrade)))
	must(t, d.Update(keyOf(2), newRelease(2, release.StatusDeployed)))
	must(t, d.Create(keyOf(3), newRelease(3, release.StatusFailed)))
	_, err := d.Delete(keyOf(3))
	must(t, err)
	check := func() {
		t.Helper()
		history := s.history(t, store, alice)
		if !slices.Equal(versions(history), []int{2, 1}) || history[0].Status != plan.StatusDeployed {
			t.Errorf("history %+v", history)
		}
	}
	check()
	s.hold(false)
	must(t, s.helm(t).Create(secretName("other", 1), newRelease(1, release.StatusDeployed, func(r *release.Release) {
		r.Name = "other"
	})))
	<-heard // the old events came before that one
	check()
	if len(heard) != 0 {
		t.Error("own writes were news")
	}
}

func TestWithoutAWatchRecordsAreListed(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	must(t, s.helm(t).Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	s.answer("list", "controller", apierrors.NewForbidden(resource, "", errors.New("locked down")))
	store := s.watching(t)
	for range 2 {
		if got := versions(s.history(t, store, alice)); !slices.Equal(got, []int{1}) {
			t.Errorf("history %v", got)
		}
	}
	if diff := cmp.Diff([]string{"list", "list"}, s.asked(alice)); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
	if err := store.Err(); !apierrors.IsForbidden(err) {
		t.Errorf("Err() = %v", err)
	}
}

// The answer to a write can be lost; then the next look asks what became of it.
func TestALostAnswerIsLookedUp(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.watching(t)
	s.hold(true)
	s.lost = true
	err := store.Driver(t.Context(), s.reader(t, alice), web, Note{}).Create(keyOf(1),
		newRelease(1, release.StatusPendingInstall))
	if err == nil {
		t.Fatal("no error")
	}
	if got := s.history(t, store, alice); len(got) != 1 || !got[0].Ours {
		t.Errorf("history %+v", got)
	}
}

func TestReleasesOfOneNameAreKeptApart(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.watching(t)
	s.create(t, store, newRelease(1, release.StatusDeployed),
		newRelease(2, release.StatusDeployed, func(r *release.Release) { r.Namespace = "elsewhere" }))
	if got := versions(s.history(t, store, alice)); !slices.Equal(got, []int{1}) {
		t.Errorf("history %v", got)
	}
	none, err := store.One(t.Context(), s.reader(t, alice), web, 2)
	if err != nil || none != nil {
		t.Errorf("got %+v (error %v)", none, err)
	}
}

func TestABrokenRecordIsNamedAndNotQuoted(t *testing.T) {
	tests := []struct {
		name   string
		record string
	}{
		{name: "no release", record: `{"config":"hunter2"}`},
		{name: "the record of another release", record: `{"name":"hunter2","version":1,"info":{"status":"deployed"}}`},
		{
			name:   "the record of another revision",
			record: `{"name":"web","version":2,"info":{"status":"deployed","description":"hunter2"}}`,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			must(t, s.helm(t).Create(keyOf(1), newRelease(1, release.StatusDeployed)))
			s.change(t, keyOf(1), func(secret *corev1.Secret) { secret.Data["release"] = zippedRecord(t, []byte(tt.record)) })
			for _, store := range []*Store{s.store(t), s.watching(t)} {
				_, historyErr := store.History(t.Context(), s.reader(t, alice), web)
				_, queryErr := store.Driver(t.Context(), s.reader(t, alice), web, Note{}).Query(nil)
				for _, err := range []error{historyErr, queryErr} {
					var broken *BrokenError
					if !errors.As(err, &broken) || broken.Name != "store/"+keyOf(1) || strings.Contains(err.Error(), "hunter2") {
						t.Errorf("error = %v, want the name of the record and nothing of its content", err)
					}
				}
			}
		})
	}
}

func TestANoteHasBounds(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.watching(t)
	s.create(t, store, newRelease(1, release.StatusDeployed, func(r *release.Release) {
		r.Chart.Metadata.AppVersion = strings.Repeat("9", 1<<18)
		r.Info.Description = strings.Repeat("ä", 1000)
	}))
	if size := len(s.secret(t, keyOf(1)).Annotations[Annotation]); size > maxNote {
		t.Errorf("the annotation has %d bytes", size)
	}
	got := s.history(t, s.watching(t), bob)[0]
	if !got.Ours || got.Chart.Digest != digest1 || len(got.AppVersion) != 1<<18 ||
		got.Description != strings.Repeat("ä", maxDescription/2) {
		t.Errorf("ours %v, digest %q, description of %d bytes", got.Ours, got.Chart.Digest, len(got.Description))
	}
}

func TestPrune(t *testing.T) {
	tests := []struct {
		name   string
		keep   int
		except int
		want   []int
	}{
		{name: "no limit", want: []int{5, 4, 3, 2, 1}},
		{name: "room for all", keep: 5, want: []int{5, 4, 3, 2, 1}},
		{name: "the oldest go, the deployed stays", keep: 3, want: []int{5, 4, 2}},
		{name: "an exception stays", keep: 3, except: 1, want: []int{5, 2, 1}},
		{name: "the newest stays", keep: 1, want: []int{5, 2}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			store := s.watching(t)
			for version := 1; version <= 5; version++ {
				status := release.StatusFailed
				if version == 2 {
					status = release.StatusDeployed
				}
				s.create(t, store, newRelease(version, status))
			}
			must(t, store.Prune(t.Context(), s.reader(t, alice), web, tt.keep, func(r plan.Record) bool {
				return r.Version == tt.except
			}))
			if diff := cmp.Diff(tt.want, versions(s.history(t, store, alice))); diff != "" {
				t.Errorf("left (-want +got):\n%s", diff)
			}
			left, err := s.helm(t).Query(map[string]string{"name": "web"})
			if err != nil || len(left) != len(tt.want) {
				t.Errorf("%d records are left (error %v)", len(left), err)
			}
		})
	}
}
