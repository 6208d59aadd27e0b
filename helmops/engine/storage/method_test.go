package storage

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	"helm.sh/helm/v3/pkg/storage"

	"fairlead.dev/fairlead/helmops/plan"
)

// methods returns what the history of the release says, by revision, to a store that remembers nothing. It fails when
// the content of a record says another thing than its annotation.
func (s *server) methods(t *testing.T) map[int]plan.ApplyMethod {
	t.Helper()
	history, err := s.store(t).History(t.Context(), s.reader(t, alice), web)
	must(t, err)
	out := map[int]plan.ApplyMethod{}
	for _, record := range history {
		out[record.Version] = record.ApplyMethod
		content, err := decode(s.secret(t, keyOf(record.Version)).Data[dataKey])
		must(t, err)
		if content.method != record.ApplyMethod {
			t.Errorf("the content of revision %d says %q, its annotation %q",
				record.Version, content.method, record.ApplyMethod)
		}
	}
	return out
}

func TestARecordKeepsItsApplyMethod(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	with := func(method plan.ApplyMethod) *Driver {
		return s.store(t).Driver(t.Context(), s.reader(t, alice), web, Note{ChartDigest: digest1, ApplyMethod: method})
	}
	must(t, with(plan.ClientSide).Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	must(t, with(plan.ServerSide).Create(keyOf(2), newRelease(2, release.StatusPendingUpgrade)))
	must(t, with("").Create(keyOf(3), newRelease(3, release.StatusFailed)))
	want := map[int]plan.ApplyMethod{1: plan.ClientSide, 2: plan.ServerSide, 3: ""}
	if diff := cmp.Diff(want, s.methods(t)); diff != "" {
		t.Errorf("after the creation (-want +got):\n%s", diff)
	}

	// The next action supersedes one record, which it reads as a whole, and ends another, which it has not read.
	next := with(plan.ServerSide)
	helm := storage.Init(next)
	deployed, err := helm.DeployedAll("web")
	must(t, err)
	for _, rel := range deployed {
		rel.Info.Status = release.StatusSuperseded
		must(t, helm.Update(rel))
	}
	must(t, next.Update(keyOf(2), newRelease(2, release.StatusDeployed)))
	history, err := helm.History("web") // revision 3 is whole, revision 1 is a stub
	must(t, err)
	for _, rel := range history {
		rel.Info.Description = "written again"
		must(t, helm.Update(rel))
	}
	if diff := cmp.Diff(want, s.methods(t)); diff != "" {
		t.Errorf("after the next action (-want +got):\n%s", diff)
	}
}

// A record of Helm 4 has the field and no annotation. Helm 3 drops it.
func TestTheApplyMethodOfAnotherClient(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	store := s.store(t)
	d := store.Driver(t.Context(), s.reader(t, alice), web, Note{ApplyMethod: plan.ServerSide})
	must(t, d.Create(keyOf(1), newRelease(1, release.StatusDeployed)))
	s.mu.Lock()
	for _, secret := range s.secrets {
		secret.Annotations = nil
	}
	s.mu.Unlock()
	revisions, err := s.store(t).Revisions(t.Context(), s.reader(t, alice), web)
	must(t, err)
	if len(revisions) != 1 || revisions[0].Ours || revisions[0].ApplyMethod != plan.ServerSide {
		t.Fatalf("revisions %+v", revisions)
	}

	next := s.driver(t, s.store(t))
	next.Expect(revisions...)
	revisions[0].Release.Info.Status = release.StatusSuperseded
	must(t, next.Update(keyOf(1), revisions[0].Release))
	if diff := cmp.Diff(map[int]plan.ApplyMethod{1: plan.ServerSide}, s.methods(t)); diff != "" {
		t.Errorf("after our update (-want +got):\n%s", diff)
	}

	must(t, s.helm(t).Update(keyOf(1), newRelease(1, release.StatusDeployed)))
	if diff := cmp.Diff(map[int]plan.ApplyMethod{1: ""}, s.methods(t)); diff != "" {
		t.Errorf("after an update of Helm 3 (-want +got):\n%s", diff)
	}
}
