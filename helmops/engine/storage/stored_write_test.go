package storage

import (
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"helm.sh/helm/v3/pkg/release"
	helmtime "helm.sh/helm/v3/pkg/time"
	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/helmops/plan"
)

// writeStored replaces the samples of the current format only: those of earlier formats are what earlier versions
// wrote.
var writeStored = flag.Bool("update", false, "write the samples of stored records in the current format")

// currentFormat is the file with the samples that this version writes. A change of the annotation gets a new file; the
// former one stays, and has to be read as before.
const currentFormat = "records-2.json"

const (
	failedInstall    = `Release "web" failed: 1 of 4 objects not ready after 5m0s`
	failedUpgrade    = `Upgrade "web" failed: 1 of 4 objects not ready after 5m0s`
	supersededText   = `Upgrade "web" failed: a newer desired state ended the wait`
	leftText         = `Upgrade "web" failed: revision 5 was left pending-upgrade when the controller stopped`
	failedRollback   = `Rollback "web" failed: 1 of 4 objects not ready after 5m0s`
	sampleController = "7c2f1f5e-6b0f-4d3a-9a57-0d6a3f1a8b11"
)

// sample is one revision and how it ended: the status and the description of every write of its record.
type sample struct {
	version int
	writes  [][2]string
	change  func(*release.Release)
	note    Note
	// fails is the outcome that the action gives; empty for the usual one.
	fails plan.RevisionOutcome
}

func sampleNote(chart, config, render string) Note {
	return Note{
		ChartDigest: "sha256:chart-" + chart, ConfigDigest: "sha256:config-" + config, RenderDigest: render,
		ApplyMethod: plan.ServerSide, Owner: plan.Owner{Namespace: "apps", Name: "web", UID: sampleController},
	}
}

// samples are the revisions of one release: one for each way in which a revision ends.
func samples() []sample {
	version := func(text string) func(*release.Release) {
		return func(rel *release.Release) { rel.Chart.Metadata.Version = text }
	}
	tested := func(rel *release.Release) {
		rel.Chart.Metadata.Version = "1.2.0"
		test := hook("Pod", "smoke", release.HookTest)
		test.LastRun = release.HookExecution{
			StartedAt: helmtime.Time{Time: now}, CompletedAt: helmtime.Time{Time: now}, Phase: release.HookPhaseFailed,
		}
		rel.Hooks = []*release.Hook{test}
	}
	return []sample{
		{version: 1, note: sampleNote("1", "a", ""), change: version("1.0.0"),
			writes: [][2]string{
				{"pending-install", "Initial install underway"}, {"failed", failedInstall}, {"superseded", failedInstall},
			}},
		{version: 2, note: sampleNote("1", "b", ""), change: version("1.0.0"),
			writes: [][2]string{
				{"pending-upgrade", "Preparing upgrade"}, {"deployed", "Upgrade complete"}, {"superseded", "Upgrade complete"},
			}},
		{version: 3, note: sampleNote("2", "b", "sha256:render"), change: version("1.1.0"),
			writes: [][2]string{{"pending-upgrade", "Preparing upgrade"}, {"failed", failedUpgrade}}},
		{version: 4, note: sampleNote("3", "b", ""), change: tested,
			writes: [][2]string{{"pending-upgrade", "Preparing upgrade"}, {"failed", supersededText}},
			fails:  plan.OutcomeSuperseded},
		{version: 5, note: sampleNote("3", "c", ""), change: version("1.2.0"),
			writes: [][2]string{{"pending-upgrade", "Preparing upgrade"}, {"failed", leftText}}, fails: plan.OutcomeInterrupted},
		{version: 6, note: sampleNote("1", "b", ""), change: version("1.0.0"),
			writes: [][2]string{{"pending-rollback", "Rollback to 2"}, {"failed", failedRollback}}},
		{version: 7, note: sampleNote("1", "b", ""), change: version("1.0.0"),
			writes: [][2]string{{"pending-rollback", "Rollback to 2"}, {"deployed", "Rollback to 2"}}},
		{
			version: 8, note: sampleNote("4", "b", ""), change: version("1.3.0"),
			writes: [][2]string{{"pending-upgrade", "Preparing upgrade"}},
		},
	}
}

// The samples are written by the driver, as Helm's actions have it do.
func TestSamplesAreWrittenAsStored(t *testing.T) {
	t.Parallel()
	s := newServer(t)
	for _, of := range samples() {
		d := s.store(t).Driver(t.Context(), s.reader(t, alice), web, of.note)
		if of.fails != "" {
			d.FailsAs(func() plan.RevisionOutcome { return of.fails })
		}
		rel := newRelease(of.version, release.StatusUnknown, of.change)
		for i, write := range of.writes {
			rel.SetStatus(release.Status(write[0]), write[1])
			if i == 0 {
				must(t, d.Create(keyOf(of.version), rel))
			} else {
				must(t, d.Update(keyOf(of.version), rel))
			}
		}
	}
	secrets := make([]*corev1.Secret, 0, len(samples()))
	for _, of := range samples() {
		secret := s.secret(t, keyOf(of.version))
		secret.ResourceVersion = ""
		secrets = append(secrets, secret)
	}
	path := filepath.Join("testdata", "stored", currentFormat)
	if *writeStored {
		text, err := json.MarshalIndent(secrets, "", "  ")
		must(t, err)
		must(t, os.WriteFile(path, append(text, '\n'), 0o600))
	}
	if diff := cmp.Diff(withoutContent(t, storedIn(t, currentFormat)), withoutContent(t, secrets)); diff != "" {
		t.Errorf(
			"records are written in another form than %s has them; add a file for the new form, and keep this one (-stored +written):\n%s",
			path, diff)
	}
}

// storedIn reads the samples of a format.
func storedIn(t *testing.T, format string) []*corev1.Secret {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "stored", format))
	must(t, err)
	var secrets []*corev1.Secret
	must(t, json.Unmarshal(text, &secrets))
	return secrets
}

// withoutContent returns the metadata of records without the digest of their content: how Go compresses may change.
func withoutContent(t *testing.T, secrets []*corev1.Secret) []map[string]any {
	t.Helper()
	var all []map[string]any
	for _, secret := range secrets {
		var about map[string]any
		must(t, json.Unmarshal([]byte(secret.Annotations[Annotation]), &about))
		delete(about, "content")
		all = append(all,
			map[string]any{
				"name": secret.Name, "labels": secret.Labels, "owner": secret.Annotations[OwnerAnnotation], "note": about,
			})
	}
	return all
}
