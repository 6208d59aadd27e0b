package release

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/api/meta"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/plan"
)

// storedStory is a HelmRelease as the API server has it after a story, and what is read from it later. A sample that is there is never
// replaced: -update only adds one that is missing.
type storedStory struct {
	name   string
	spec   []func(*v1beta1.HelmRelease)
	script script
	play   func(w *world)
	// reads is what every later version makes of the sample.
	reads []string
}

var storedStories = []storedStory{
	{name: "rolled-back-1", spec: []func(*v1beta1.HelmRelease){baking},
		play: func(w *world) {
			verified(w)
			roll(w, "1.1.0", time.Second)
			w.sick()
			w.settle(time.Minute)
		},
		reads: []string{
			"revision 3 deployed web 1.0.0 sha256:1 by rollback",
			"revision 2 superseded web 1.1.0 sha256:1.1.0 by upgrade",
			"revision 1 superseded web 1.0.0 sha256:1 by install",
			"attempt upgrade of sha256:1.1.0, 0 failures, 0 of installs, 0 of upgrades",
			"recorded 3, verified 1, managed true",
			"bad 1.1.0 sha256:1.1.0 Degraded",
			"rolled back from 2 to 1",
			"last failure Degraded in Bake of 1.1.0",
			"stalled KnownBad",
		}},
	// From here on a history says how its revisions ended.
	{name: "outcomes-2", script: script{plan.Upgrade: {breaks}}, play: upgrade,
		reads: []string{
			"revision 3 deployed web 1.0.0 sha256:1 by rollback, succeeded",
			"revision 2 failed web 1.1.0 sha256:1.1.0 by upgrade, failed",
			"revision 1 superseded web 1.0.0 sha256:1 by install, succeeded",
			"attempt upgrade of sha256:1.1.0, 1 failures, 0 of installs, 1 of upgrades",
			"recorded 3, verified 1, managed true",
			"bad 1.1.0 sha256:1.1.0 Remediation",
			"rolled back from 2 to 1",
			"last failure ApplyFailed in Rollout of 1.1.0",
			"stalled RetriesExceeded",
		}},
	{name: "failed-and-left-1", spec: []func(*v1beta1.HelmRelease){remediatesUpgrade(v1beta1.UpgradeRemediation{})},
		script: script{plan.Upgrade: {breaks}}, play: upgrade,
		reads: []string{
			"revision 2 failed web 1.1.0 sha256:1.1.0 by upgrade",
			"revision 1 deployed web 1.0.0 sha256:1 by install",
			"attempt upgrade of sha256:1.1.0, 1 failures, 0 of installs, 1 of upgrades",
			"recorded 2, verified 1, managed true",
			"bad 1.1.0 sha256:1.1.0 RetriesExceeded",
			"last failure ApplyFailed in Rollout of 1.1.0",
			"stalled RetriesExceeded",
		}},
	{name: "rollback-failed-1", spec: []func(*v1beta1.HelmRelease){withTests}, script: script{plan.Upgrade: {breaks}, plan.Rollback: {breaks}},
		play: func(w *world) {
			w.settle(0)
			w.wants("1.1.0")
			w.settle(0)
		},
		reads: []string{
			"revision 3 failed web 1.0.0 sha256:1 by rollback",
			"revision 2 failed web 1.1.0 sha256:1.1.0 by upgrade",
			"revision 1 deployed web 1.0.0 sha256:1 by install",
			"attempt upgrade of sha256:1.1.0, 2 failures, 0 of installs, 1 of upgrades",
			"the undo failed",
			"recorded 3, verified 1, managed true",
			"bad 1.1.0 sha256:1.1.0 Remediation",
			"last failure ApplyFailed in Rollback of 1.1.0",
		}},
	{name: "baking-1", spec: []func(*v1beta1.HelmRelease){baking},
		play: func(w *world) {
			verified(w)
			roll(w, "1.1.0", time.Second)
		},
		reads: []string{
			"revision 2 deployed web 1.1.0 sha256:1.1.0 by upgrade",
			"revision 1 superseded web 1.0.0 sha256:1 by install",
			"attempt upgrade of sha256:1.1.0, 0 failures, 0 of installs, 0 of upgrades",
			"recorded 2, verified 1, managed true",
			"bake of 2",
		}},
	{name: "adopted-1", play: func(w *world) { w.adoptEdited(0) },
		reads: []string{
			"revision 1 deployed web 1.0.0 ",
			"recorded 1, verified 0, managed true",
			"adoption of 1.1.0",
			"inventory apps_web__ConfigMap",
		}},
	{name: "requests-1", spec: []func(*v1beta1.HelmRelease){baking},
		play: func(w *world) {
			verified(w)
			roll(w, "1.1.0", time.Hour)
			w.ask("token-2", v1beta1.ForceRequestAnnotation)
			w.settle(time.Hour)
			w.ask("token-3", v1beta1.ResetRequestAnnotation)
			request, _ := json.Marshal(v1beta1.RollbackRequest{Revision: 1, Reason: "orders are lost", InputDigest: InputDigest(w.hr, w.in)})
			w.hr.Annotations[v1beta1.RollbackRequestAnnotation] = string(request)
		},
		reads: []string{
			"revision 3 deployed web 1.1.0 sha256:1.1.0 by upgrade",
			"revision 2 superseded web 1.1.0 sha256:1.1.0 by upgrade",
			"revision 1 superseded web 1.0.0 sha256:1 by install",
			"attempt upgrade of sha256:1.1.0, 0 failures, 0 of installs, 0 of upgrades",
			"recorded 3, verified 3, managed true",
			`revision 1 is asked for ("orders are lost")`,
			"requested true",
			`reset "token-3"`,
		}},
}

// add writes the sample of a story that has none.
func (s storedStory) add(t *testing.T, file string) {
	t.Helper()
	w := newWorld(t, s.spec...)
	for step, ends := range s.script {
		w.helm.script[step] = append([]end(nil), ends...)
	}
	s.play(w)
	text, err := json.MarshalIndent(w.hr, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// readings are the facts that the code takes from a HelmRelease, and decides by.
func readings(hr *v1beta1.HelmRelease) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	s := &hr.Status
	for _, r := range plan.RecordsOf(s.History) {
		text := fmt.Sprintf("revision %d %s %s %s %s", r.Version, r.Status, r.Chart.Name, r.Chart.Version, r.Chart.Digest)
		if r.Action != "" {
			text += " by " + string(r.Action)
		}
		if r.Outcome != "" {
			text += ", " + string(r.Outcome)
		}
		say("%s", text)
	}
	o := observedOf(hr, targetOf(hr), Live{})
	if a := o.Attempt; !a.At.IsZero() {
		say("attempt %s of %s, %d failures, %d of installs, %d of upgrades", a.Action, a.ChartDigest, a.Failures, a.InstallFailures, a.UpgradeFailures)
		if a.UndoFailed {
			say("the undo failed")
		}
	}
	say("recorded %d, verified %d, managed %v", o.Recorded, o.Verified, o.Managed)
	if o.Bake != nil {
		say("bake of %d", o.Bake.Revision)
	}
	for _, bad := range o.KnownBad {
		say("bad %s %s %s", bad.ChartVersion, bad.ChartDigest, bad.Reason)
	}
	for _, back := range s.Rollbacks {
		say("rolled back from %d to %d", back.From, back.To)
	}
	if f := s.LastFailure; f != nil {
		say("last failure %s in %s of %s", f.Class, f.Phase, f.ChartVersion)
	}
	if o.Adoption != nil {
		say("adoption of %s", strings.TrimPrefix(o.Adoption.ChartDigest, "sha256:"))
	}
	if c := meta.FindStatusCondition(s.Conditions, v1beta1.StalledCondition); c != nil {
		say("stalled %s", c.Reason)
	}
	if s.Inventory != nil {
		for _, entry := range s.Inventory.Entries {
			say("inventory %s", entry.ID)
		}
	}
	if pin, err := RollbackRequested(hr); err == nil && pin != nil {
		say("revision %d is asked for (%q)", pin.Revision, pin.Reason)
	}
	if Requested(hr) {
		say("requested true")
	}
	if token := ResetRequested(hr); token != "" {
		say("reset %q", token)
	}
	return out
}

// What every version has written into objects is understood by every later one.
func TestStoredObjectsAreUnderstood(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(filepath.Join("testdata", "stored"))
	if err != nil || len(files) > len(storedStories) {
		t.Errorf("%d samples, %d of them are read (error %v)", len(files), len(storedStories), err)
	}
	for _, story := range storedStories {
		t.Run(story.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", "stored", story.name+".json")
			text, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) && *update {
				story.add(t, file)
				text, err = os.ReadFile(file)
			}
			if err != nil {
				t.Fatal(err)
			}
			hr := &v1beta1.HelmRelease{}
			if err := json.Unmarshal(text, hr); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(story.reads, readings(hr)); diff != "" {
				t.Errorf("what is read (-want +got):\n%s", diff)
			}
		})
	}
}
