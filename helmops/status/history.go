package status

import (
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// maxSnapshots bounds status.history when a release keeps all its revisions.
const maxSnapshots = 10

// actionOf names the action that made the newest revision, empty when the step makes none.
func actionOf(o Outcome) string {
	switch o.Step {
	case plan.Install, plan.Upgrade, plan.Rollback:
		if o.Reached {
			return string(o.Step)
		}
	default:
	}
	return ""
}

// takeOver records what is in storage after an action: history, inventory and kept objects. It returns which revision
// of another Helm client was replaced, as the beginning of a message; empty for none.
func takeOver(hr *v1beta1.HelmRelease, o Outcome) (before string) {
	before = replaced(hr, o)
	if !o.HistoryUnknown {
		other := record(hr, o.Target, o.History, actionOf(o))
		switch {
		case !o.InventoryUnknown:
			hr.Status.Inventory = inventory(hr.Status.Inventory, o)
		case other && o.History[0].Status == plan.StatusDeployed:
			// It is that of a former revision. What failed is not listed, so that for it this one is better than none.
			hr.Status.Inventory = nil
		}
	}

	if o.KeptKnown {
		hr.Status.Kept = kept(o.StillKept, o.Kept)
	}

	return before
}

// replaced says which revision of another Helm client an upgrade took the place of, for example the one of helm
// rollback. It is empty when Fairlead made that revision, or adopted it before.
func replaced(hr *v1beta1.HelmRelease, o Outcome) string {
	if o.Step != plan.Upgrade || len(o.History) < 2 || o.History[1].Chart.Digest != "" {
		return ""
	}

	former := v1beta1.Number(o.History[1].Version)
	adopted := func(s v1beta1.Snapshot) bool {
		same := s.Version == former && s.Name == o.Target.Name && s.Namespace == o.Target.Namespace
		return same && s.ChartDigest != ""
	}
	if slices.ContainsFunc(hr.Status.History, adopted) {
		return ""
	}

	return fmt.Sprintf("revision %d of another Helm client was replaced by the declared state: ", former)
}

// inventory takes over which objects a release has; nil when they are not known, or the release is gone. What the
// release owned of an object stands where the action had nothing to do with it, and where the object drifted and
// was only looked at.
func inventory(had *v1beta1.ResourceInventory, o Outcome) *v1beta1.ResourceInventory {
	deployed := len(o.History) > 0 && o.History[0].Status == plan.StatusDeployed
	if len(o.Inventory) == 0 && (o.Failure != nil || !deployed) {
		return nil
	}

	known := map[string]string{}
	if had != nil {
		for _, entry := range had.Entries {
			known[entry.ID] = entry.Ownership
		}
	}

	drifted := map[string]bool{}
	for _, d := range o.Drift {
		if !onlyAdded(d) && (o.Step == plan.Inspect || d.Note != "") {
			drifted[v1beta1.NewResourceRef(d.Namespace, d.Name, d.Group, d.Kind, "").ID] = true
		}
	}

	entries := append([]v1beta1.ResourceRef{}, o.Inventory...)
	for i := range entries {
		if entries[i].Ownership == "" || drifted[entries[i].ID] {
			entries[i].Ownership = known[entries[i].ID]
		}
	}

	return &v1beta1.ResourceInventory{Entries: entries}
}

// record takes the history over from storage. The action is noted on the newest revision when it is new. It tells
// whether the newest revision is another than the status knew.
func record(hr *v1beta1.HelmRelease, target plan.Target, history []plan.Record, action string) (other bool) {
	var former v1beta1.Snapshot
	if newest := hr.Status.Latest(); newest != nil {
		former = *newest
	}

	known := map[int]v1beta1.Snapshot{}
	for _, had := range hr.Status.History {
		if had.Name == target.Name && had.Namespace == target.Namespace {
			known[int(had.Version)] = had
		}
	}

	snapshots := make([]v1beta1.Snapshot, 0, min(len(history), maxSnapshots))
	for i, r := range history[:min(len(history), maxSnapshots)] {
		next := snapshot(target, r)
		had := known[r.Version]
		next.Action = had.Action
		if i == 0 && next.Action == "" {
			next.Action = action
		}

		if next.ChartDigest == "" && had.Digest == next.Digest {
			next.ChartDigest = had.ChartDigest
			next.RenderDigest = had.RenderDigest // a revision that was taken over
		}

		snapshots = append(snapshots, next)
	}

	if !slices.EqualFunc(snapshots, hr.Status.History, equal) {
		hr.Status.History = snapshots
	}
	if len(snapshots) == 0 {
		return false
	}

	hr.Status.StorageNamespace = target.StorageNamespace
	// The second is another one too when it has the number of one that was uninstalled.
	return former.Version != snapshots[0].Version || !former.LastDeployed.Equal(&snapshots[0].LastDeployed)
}

func snapshot(target plan.Target, r plan.Record) v1beta1.Snapshot {
	out := v1beta1.Snapshot{
		Name: target.Name, Namespace: target.Namespace, Version: v1beta1.Number(r.Version), Status: r.Status,
		ChartName: r.Chart.Name, ChartVersion: r.Chart.Version, ChartDigest: r.Chart.Digest, AppVersion: r.AppVersion,
		ConfigDigest: r.ConfigDigest, RenderDigest: r.RenderDigest, Digest: r.Digest, TestHooks: testHooks(r.Tests),
		Outcome:       string(r.Outcome),
		FirstDeployed: metav1.NewTime(r.FirstDeployed.Truncate(time.Second)),
		LastDeployed:  metav1.NewTime(r.LastDeployed.Truncate(time.Second)),
	}
	if !r.Deleted.IsZero() {
		out.Deleted = &metav1.Time{Time: r.Deleted.Truncate(time.Second)}
	}

	return out
}

func testHooks(runs []plan.TestRun) map[string]v1beta1.TestHook {
	if len(runs) == 0 {
		return nil
	}
	hooks := make(map[string]v1beta1.TestHook, len(runs))
	for _, run := range runs {
		hooks[run.Name] = v1beta1.TestHook{Phase: run.Phase, LastStarted: moment(run.Started), LastCompleted: moment(run.Completed)}
	}
	return hooks
}

func moment(t time.Time) *metav1.Time {
	if t.IsZero() {
		return nil
	}
	return &metav1.Time{Time: t.Truncate(time.Second)}
}

// equal compares what decides; times and tests follow from the digest.
func equal(a, b v1beta1.Snapshot) bool {
	return a.Name == b.Name && a.Namespace == b.Namespace && a.Version == b.Version && a.Digest == b.Digest &&
		a.ChartDigest == b.ChartDigest && a.RenderDigest == b.RenderDigest && a.Action == b.Action
}

func describe(s v1beta1.Snapshot) string {
	return fmt.Sprintf("%s/%s revision %d runs %s %s", s.Namespace, s.Name, s.Version, s.ChartName, s.ChartVersion)
}

// describeRecorded also tells what the record of the revision lacks, which who uses the helm command on it has to know.
func describeRecorded(s v1beta1.Snapshot, history []plan.Record) string {
	if len(history) == 0 || history[0].Version != int(s.Version) || history[0].Degraded == "" {
		return describe(s)
	}
	return fmt.Sprintf("%s; its Helm record would be too large, so it lacks the chart's %s", describe(s),
		strings.ReplaceAll(history[0].Degraded, ",", " and "))
}
