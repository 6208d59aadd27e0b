package storage

import (
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// stored returns a server that has the samples of a format.
func stored(t *testing.T, format string, change func(*corev1.Secret)) *server {
	t.Helper()
	s := newServer(t)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, secret := range storedIn(t, format) {
		if change != nil {
			change(secret)
		}
		s.set("ADDED", secret)
	}
	return s
}

// facts are what is made of a stored record and is not on it as it stands.
type storedFacts struct {
	Version int
	Status  string
	Action  plan.Step
	Outcome plan.RevisionOutcome
	Cause   string
}

func factsOf(history []plan.Record) []storedFacts {
	var out []storedFacts
	for _, r := range history {
		of := storedFacts{Version: r.Version, Status: r.Status, Action: r.Action, Outcome: r.Outcome}
		if r.Outcome != plan.OutcomeSucceeded && r.Outcome != "" {
			of.Cause = Cause(r.Description)
		}
		out = append(out, of)
	}
	return out
}

const unready = "1 of 4 objects not ready after 5m0s"

// What every version has stored is understood by every later one, whether the annotations or the records themselves are
// read.
func TestStoredRecordsAreUnderstood(t *testing.T) {
	t.Parallel()
	// Versions before 0.1 noted neither an action nor an outcome, so that the action of an ended install or upgrade is not
	// known, and the rest is read off texts.
	want := map[string][]storedFacts{
		"records-1.json": {
			{8, plan.StatusPendingUpgrade, plan.Upgrade, "", ""},
			{7, plan.StatusDeployed, plan.Rollback, plan.OutcomeSucceeded, ""},
			{6, plan.StatusFailed, plan.Rollback, plan.OutcomeFailed, unready},
			{5, plan.StatusFailed, "", plan.OutcomeInterrupted, "pending-upgrade when the controller stopped"},
			{4, plan.StatusFailed, "", plan.OutcomeSuperseded, "a newer desired state ended the wait"},
			{3, plan.StatusFailed, "", plan.OutcomeFailed, unready},
			{2, plan.StatusSuperseded, "", plan.OutcomeSucceeded, ""},
			{1, plan.StatusSuperseded, "", plan.OutcomeFailed, unready},
		},
		"records-2.json": {
			{8, plan.StatusPendingUpgrade, plan.Upgrade, "", ""},
			{7, plan.StatusDeployed, plan.Rollback, plan.OutcomeSucceeded, ""},
			{6, plan.StatusFailed, plan.Rollback, plan.OutcomeFailed, unready},
			{
				5, plan.StatusFailed, plan.Upgrade, plan.OutcomeInterrupted,
				"revision 5 was left pending-upgrade when the controller stopped",
			},
			{4, plan.StatusFailed, plan.Upgrade, plan.OutcomeSuperseded, "a newer desired state ended the wait"},
			{3, plan.StatusFailed, plan.Upgrade, plan.OutcomeFailed, unready},
			{2, plan.StatusSuperseded, plan.Upgrade, plan.OutcomeSucceeded, ""},
			{1, plan.StatusSuperseded, plan.Install, plan.OutcomeFailed, unready},
		},
	}
	files, err := os.ReadDir("testdata/stored")
	must(t, err)
	if len(files) != len(want) {
		t.Errorf("%d formats are stored, %d are tested", len(files), len(want))
	}
	for format, facts := range want {
		t.Run(format, func(t *testing.T) {
			t.Parallel()
			s := stored(t, format, nil)
			store := s.watching(t)
			history := s.history(t, store, alice)
			if diff := cmp.Diff(facts, factsOf(history)); diff != "" {
				t.Errorf("by the annotations (-want +got):\n%s", diff)
			}
			revisions, err := store.Revisions(t.Context(), s.reader(t, alice), web)
			must(t, err)
			var read []plan.Record
			for _, revision := range revisions {
				read = append(read, revision.Record)
			}
			if diff := cmp.Diff(history, read, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("the records themselves say something else (-annotation +record):\n%s", diff)
			}
		})
	}
}

// The facts that are on a record as they stand.
func TestStoredRecordsKeepTheirInput(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"records-1.json", currentFormat} {
		s := stored(t, format, nil)
		history := s.history(t, s.watching(t), alice)
		var third plan.Record
		for _, r := range history {
			if !r.Ours || r.Owner.UID != sampleController || r.ApplyMethod != plan.ServerSide || r.Digest == "" {
				t.Errorf("%s: revision %d: ours %v, owner %v, method %q", format, r.Version, r.Ours, r.Owner, r.ApplyMethod)
			}
			if r.Version == 3 {
				third = r
			}
		}
		want := plan.Record{
			Version: 3, Namespace: "apps", Status: plan.StatusFailed, Description: failedUpgrade,
			Chart:      v1beta1.ChartRevision{Name: "web", Version: "1.1.0", Digest: "sha256:chart-2"},
			AppVersion: "9.9", ConfigDigest: "sha256:config-b", RenderDigest: "sha256:render",
			ApplyMethod: plan.ServerSide, Outcome: plan.OutcomeFailed, Ours: true,
			Owner: plan.Owner{Namespace: "apps", Name: "web", UID: sampleController},
		}
		ignored := cmpopts.IgnoreFields(plan.Record{}, "Digest", "Action", "Modified", "FirstDeployed", "LastDeployed")
		if diff := cmp.Diff(want, third, ignored); diff != "" {
			t.Errorf("%s (-want +got):\n%s", format, diff)
		}
	}
}

// Another Helm client that writes a record again drops the annotations. What failed is known by the description even
// then.
func TestAFailureIsKnownWithoutAnnotations(t *testing.T) {
	t.Parallel()
	for _, format := range []string{"records-1.json", currentFormat} {
		s := stored(t, format, func(secret *corev1.Secret) { secret.Annotations = nil })
		for _, r := range s.history(t, s.watching(t), alice) {
			good := r.Outcome == plan.OutcomeSucceeded || r.Outcome == ""
			if want := r.Version == 2 || r.Version >= 7; good != want || r.Ours {
				t.Errorf("%s: revision %d has the outcome %q, ours %v", format, r.Version, r.Outcome, r.Ours)
			}
		}
	}
}

// The outcome of a revision stays when Helm writes its record again with another status.
func TestAnOutcomeStays(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		writes []string
		fails  plan.RevisionOutcome
		want   plan.RevisionOutcome
	}{
		{name: "under way", writes: []string{"pending-upgrade"}},
		{name: "deployed", writes: []string{"pending-upgrade", "deployed"}, want: plan.OutcomeSucceeded},
		{
			name: "deployed, then replaced", writes: []string{"pending-upgrade", "deployed", "superseded"},
			want: plan.OutcomeSucceeded,
		},
		{
			name: "failed, then replaced", writes: []string{"pending-upgrade", "failed", "superseded"}, want: plan.OutcomeFailed,
		},
		{name: "superseded, then replaced", writes: []string{"pending-upgrade", "failed", "superseded"},
			fails: plan.OutcomeSuperseded,
			want:  plan.OutcomeSuperseded},
		{name: "failed, and written again", writes: []string{"pending-upgrade", "failed", "failed"},
			fails: plan.OutcomeInterrupted,
			want:  plan.OutcomeInterrupted},
		{name: "an uninstall that was left", writes: []string{"deployed", "uninstalling", "failed"},
			fails: plan.OutcomeInterrupted,
			want:  plan.OutcomeInterrupted},
		{name: "uninstalled", writes: []string{"deployed", "uninstalling", "uninstalled"}, want: plan.OutcomeSucceeded},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			s := newServer(t)
			d := s.driver(t, s.store(t))
			for i, status := range tt.writes {
				rel := newRelease(1, release.Status(status))
				rel.Info.Description = status // a text that says nothing of the outcome
				if i == 0 {
					must(t, d.Create(keyOf(1), rel))
					continue
				}
				outcome := plan.OutcomeFailed
				if i == 1 && tt.fails != "" || status == "failed" && tt.writes[i-1] != "failed" && tt.fails != "" {
					outcome = tt.fails
				}
				d.FailsAs(func() plan.RevisionOutcome { return outcome })
				must(t, d.Update(keyOf(1), rel))
			}
			if got := s.history(t, s.watching(t), alice)[0].Outcome; got != tt.want {
				t.Errorf("outcome %q, want %q", got, tt.want)
			}
		})
	}
}
