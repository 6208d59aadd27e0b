package release

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/status"
	"fairlead.dev/fairlead/test/seed"
)

var update = flag.Bool("update", false, "write the golden transcripts anew")

func yes() *bool {
	value := true
	return &value
}

func remediatesInstall(r v1beta1.InstallRemediation) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.Install = &v1beta1.Install{Remediation: &r} }
}

func remediatesUpgrade(r v1beta1.UpgradeRemediation) func(*v1beta1.HelmRelease) {
	return func(hr *v1beta1.HelmRelease) { hr.Spec.Upgrade = &v1beta1.Upgrade{Remediation: &r} }
}

func withTests(hr *v1beta1.HelmRelease) { hr.Spec.Test = &v1beta1.Test{Enable: true} }

func ignoringTests(hr *v1beta1.HelmRelease) {
	hr.Spec.Test = &v1beta1.Test{Enable: true, IgnoreFailures: true}
}

func keepingHistory(hr *v1beta1.HelmRelease) {
	hr.Spec.Uninstall = &v1beta1.Uninstall{KeepHistory: true}
}

// scenario is a story with a world that it happens in.
type scenario struct {
	name   string
	spec   []func(*v1beta1.HelmRelease)
	script map[plan.Step][]end
	tests  bool
	play   func(w *world)
}

func install(w *world) { w.settle(0) }

// upgrade installs 1.0.0, then wants 1.1.0.
func upgrade(w *world) {
	w.settle(0)
	w.say("1.1.0 is wanted")
	w.wants("1.1.0")
	w.settle(time.Hour)
}

type script = map[plan.Step][]end

var scenarios = []scenario{
	{name: "install fails", script: script{plan.Install: {breaks}, plan.Upgrade: {breaks}}, play: func(w *world) { w.settle(3 * time.Minute) }},
	{name: "install fails and is remediated", spec: []func(*v1beta1.HelmRelease){remediatesInstall(v1beta1.InstallRemediation{RemediateLastFailure: yes()}), keepingHistory},
		script: script{plan.Install: {breaks}}, play: install},
	{name: "install fails and is retried once", spec: []func(*v1beta1.HelmRelease){remediatesInstall(v1beta1.InstallRemediation{Retries: 1})},
		script: script{plan.Install: {breaks, breaks}}, play: func(w *world) { w.settle(time.Minute) }},
	{name: "tests of an install fail", spec: []func(*v1beta1.HelmRelease){withTests}, tests: true, script: script{plan.Install: {testFail}}, play: install},
	{name: "tests of an install fail and are ignored", spec: []func(*v1beta1.HelmRelease){ignoringTests}, tests: true,
		script: script{plan.Install: {testFail}}, play: install},
	{name: "upgrade fails", script: script{plan.Upgrade: {breaks}}, play: upgrade},
	{name: "upgrade fails and is explicitly left", spec: []func(*v1beta1.HelmRelease){remediatesUpgrade(v1beta1.UpgradeRemediation{})},
		script: script{plan.Upgrade: {breaks}}, play: upgrade},
	{name: "tests of an upgrade fail", spec: []func(*v1beta1.HelmRelease){withTests}, tests: true, script: script{plan.Upgrade: {testFail}}, play: upgrade},
	{name: "tests of an upgrade fail and it is explicitly left", tests: true, script: script{plan.Upgrade: {testFail}}, play: upgrade,
		spec: []func(*v1beta1.HelmRelease){withTests, remediatesUpgrade(v1beta1.UpgradeRemediation{})}},
	{name: "upgrade fails and is remediated", spec: []func(*v1beta1.HelmRelease){remediatesUpgrade(v1beta1.UpgradeRemediation{RemediateLastFailure: yes()})},
		script: script{plan.Upgrade: {breaks}}, play: upgrade},
	{name: "upgrade fails and is retried once", spec: []func(*v1beta1.HelmRelease){remediatesUpgrade(v1beta1.UpgradeRemediation{Retries: 1})},
		script: script{plan.Upgrade: {breaks, breaks}}, play: upgrade},
	{name: "upgrade fails and is remediated by uninstall", script: script{plan.Install: {works, breaks}, plan.Upgrade: {breaks}}, play: upgrade,
		spec: []func(*v1beta1.HelmRelease){remediatesUpgrade(v1beta1.UpgradeRemediation{RemediateLastFailure: yes(), Strategy: v1beta1.UninstallRemediation})}},
	{name: "upgrade to a new version succeeds", play: upgrade},
	{name: "retry on failure", script: script{plan.Upgrade: {breaks, breaks, breaks}}, play: upgrade,
		spec: []func(*v1beta1.HelmRelease){func(hr *v1beta1.HelmRelease) {
			hr.Spec.Upgrade = &v1beta1.Upgrade{Strategy: &v1beta1.FailureStrategy{Name: v1beta1.RetryOnFailure}}
		}}},
	{name: "a rollback fails twice", script: script{plan.Upgrade: {breaks}, plan.Rollback: {breaks, refuses}}, play: upgrade},
	{name: "the rollback target is gone", script: script{plan.Upgrade: {breaks}}, play: func(w *world) {
		w.settle(0)
		w.say("somebody deletes the records of good revisions, while 1.1.0 is tried")
		w.helm.records[0].Status = plan.StatusFailed
		w.wants("1.1.0")
		w.settle(0)
	}},
	{name: "reset, force and a plain request", script: script{plan.Upgrade: {breaks, breaks, breaks}}, play: requests},
	{name: "Git is reverted after a rollback", script: script{plan.Upgrade: {breaks}}, play: func(w *world) {
		upgrade(w)
		w.say("1.0.0 is wanted again")
		w.wants("1.0.0")
		w.in.Chart = inputs.Chart
		w.settle(0)
	}},
	{name: "a fix comes while the upgrade waits", script: script{plan.Upgrade: {late}}, play: func(w *world) {
		w.settle(0)
		w.wants("1.1.0")
		decision, _ := decide(w.t.Context(), w.runner, w.hr, w.in)
		before := w.hr.DeepCopy()
		w.act(decision.Plan)
		if w.hr.Status.Failures != before.Status.Failures || w.hr.Status.LastVerified.Revision != 1 {
			w.t.Errorf("a superseded upgrade counted: %+v", w.hr.Status)
		}
		w.say("1.1.1 is wanted")
		w.wants("1.1.1")
		w.settle(0)
	}},
	{name: "templates break", script: script{plan.Upgrade: {refuses, refuses}}, play: upgrade},
	{name: "killed in an install", script: script{plan.Install: {dies}}, play: killed},
	{name: "killed in an upgrade that is resumed and fails", script: script{plan.Upgrade: {dies}, plan.Resume: {breaks}}, play: killedLater},
	{name: "killed after an upgrade", script: script{plan.Upgrade: {forgets}}, play: killedLater},
	{name: "killed after an upgrade that failed", script: script{plan.Upgrade: {loses}}, play: killedLater},
	{name: "killed in a rollback", script: script{plan.Upgrade: {breaks}, plan.Rollback: {dies}}, play: killedLater},
	{name: "killed after a rollback", script: script{plan.Upgrade: {breaks}, plan.Rollback: {forgets}}, play: killedLater},
	{name: "killed after a rollback that failed", script: script{plan.Upgrade: {breaks}, plan.Rollback: {loses}}, play: killedLater},
	{name: "killed after tests that failed", spec: []func(*v1beta1.HelmRelease){withTests}, tests: true,
		script: script{plan.Test: {works, loses}}, play: killedLater},
	{name: "killed in an upgrade that nobody wants any more", script: script{plan.Upgrade: {dies}}, play: func(w *world) {
		upgrade(w)
		w.say("a new controller starts, and 1.1.1 is wanted")
		w.wants("1.1.1")
		w.settle(0)
	}},
	{name: "a release of another Helm client is equal", play: func(w *world) { adopt(w, true) }},
	{name: "a release of another Helm client differs", play: func(w *world) { adopt(w, false) }},
	{name: "an adopted release was edited by hand", play: func(w *world) { w.adoptEdited(time.Hour) }},
	{name: "an adopted release was edited by hand and drift is not corrected",
		play: func(w *world) { w.adoptEdited(0) },
		spec: []func(*v1beta1.HelmRelease){func(hr *v1beta1.HelmRelease) {
			hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftWarn}
		}}},
	{name: "an adopted release was edited by hand and a request comes", play: func(w *world) {
		w.adoptEdited(0)
		w.say("a plain request")
		w.ask("1")
		w.settle(0)
	}},
	{name: "an adopted release was edited by hand and the controller restarts", play: func(w *world) {
		w.adoptEdited(0)
		w.clock = w.clock.Add(4 * time.Minute)
		w.say("a new controller starts")
		w.settle(time.Hour)
	}},
	{name: "a chart of another name", play: func(w *world) { rename(w) }},
	{name: "a chart of another name in place", play: func(w *world) { rename(w) }, spec: []func(*v1beta1.HelmRelease){func(hr *v1beta1.HelmRelease) {
		hr.Spec.Upgrade = &v1beta1.Upgrade{ChartNameChangeStrategy: v1beta1.ChartNameInPlaceUpdate}
	}}},
	{name: "common metadata changes", play: func(w *world) {
		w.settle(0)
		w.say("a label is wanted on every object")
		w.wants("1.0.0", func(hr *v1beta1.HelmRelease) {
			hr.Spec.CommonMetadata = &v1beta1.CommonMetadata{Labels: map[string]string{"team": "web"}}
		})
		w.in.Chart = inputs.Chart
		w.settle(0)
	}},
	{name: "deleted and left behind", spec: []func(*v1beta1.HelmRelease){func(hr *v1beta1.HelmRelease) { hr.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan }},
		play: remove},
	{name: "deleted", script: script{plan.Uninstall: {breaks}}, play: remove},
}

func remove(w *world) {
	w.settle(0)
	w.say("the object is deleted")
	w.hr.Generation++
	w.hr.DeletionTimestamp = &metav1.Time{Time: w.clock}
	for range 3 {
		w.settle(time.Hour)
	}
}

func rename(w *world) {
	w.settle(0)
	w.say("the chart is called shop now")
	w.wants("1.1.0")
	w.in.Chart.Name = "shop"
	w.settle(0)
}

// byOther adds a revision of another Helm client that has the chart and the values that are wanted.
func (w *world) byOther() {
	r := w.helm.add(plan.Record{Status: plan.StatusDeployed, Chart: v1beta1.ChartRevision{Name: "web", Version: "1.0.0"}, Description: "Install complete"})
	r.ConfigDigest, r.Ours = configDigestOf(w.hr, w.in), false
}

// adoptEdited wants 1.1.0 of a release of another Helm client with an object that was edited by hand.
func (w *world) adoptEdited(patience time.Duration) {
	w.byOther()
	w.helm.edited = []drift.Object{{Kind: "ConfigMap", Namespace: "apps", Name: "web", Fields: []drift.Field{
		{Path: ".data.message", Change: v1beta1.DriftChanged, Manager: "kubectl-edit"},
	}}}
	w.wants("1.1.0")
	w.settle(patience)
}

func adopt(w *world, equal bool) {
	w.helm.equal = equal
	w.byOther()
	w.settle(0)
	w.say("the next look")
	w.settle(0)
}

func killed(w *world) {
	w.settle(0)
	w.say("a new controller starts")
	w.settle(0)
}

func killedLater(w *world) {
	w.settle(0)
	w.say("1.1.0 is wanted")
	w.wants("1.1.0")
	w.settle(0)
	w.say("a new controller starts")
	w.settle(0)
}

func requests(w *world) {
	upgrade(w)
	w.say("a plain request")
	w.ask("1")
	w.settle(0)
	w.say("a forced upgrade")
	w.ask("2", v1beta1.ForceRequestAnnotation)
	w.settle(0)
	w.say("a reset")
	w.ask("3", v1beta1.ResetRequestAnnotation)
	w.settle(0)
	w.say("another reset, and this time it works")
	w.ask("4", v1beta1.ResetRequestAnnotation)
	w.settle(0)
	w.say("a forced upgrade of a release in sync")
	w.ask("5", v1beta1.ForceRequestAnnotation)
	w.settle(0)
}

func TestScenarios(t *testing.T) {
	for _, s := range slices.Concat(scenarios, recoveries, syncScenarios, windowScenarios) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel()
			s.run(t)
		})
	}
}

// run plays a scenario and compares its transcript.
func (s scenario) run(t *testing.T) {
	t.Helper()
	w := newWorld(t, s.spec...)
	w.helm.tests = s.tests
	for step, ends := range s.script {
		w.helm.script[step] = append([]end(nil), ends...)
	}
	s.play(w)
	file := filepath.Join("testdata", "scenarios", s.name+".golden")
	if *update {
		if err := os.WriteFile(file, []byte(w.log.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), w.log.String()); diff != "" {
		t.Errorf("transcript (-want +got):\n%s", diff)
	}
}

// Whatever breaks and whenever the controller dies, a release whose last input works ends with it, and nothing is
// written once it has.
func TestRandomFailuresConverge(t *testing.T) {
	t.Parallel()
	specs := []func(*v1beta1.HelmRelease){
		func(*v1beta1.HelmRelease) {}, withTests,
		remediatesUpgrade(v1beta1.UpgradeRemediation{Retries: 1}),
		remediatesUpgrade(v1beta1.UpgradeRemediation{Retries: 2, Strategy: v1beta1.UninstallRemediation}),
		remediatesInstall(v1beta1.InstallRemediation{Retries: -1}),
	}
	steps := []plan.Step{plan.Install, plan.Upgrade, plan.Rollback, plan.Resume, plan.Test, plan.Uninstall}
	ends := []end{works, breaks, refuses, dies, forgets, loses, testFail}
	for _, seed := range seed.Numbers(t, 150) {
		random := rand.New(rand.NewPCG(seed, 1))
		w := newWorld(t, specs[random.IntN(len(specs))])
		w.helm.tests = random.IntN(2) == 0
		version := ""
		for round := range 4 {
			version = []string{"1.0.0", "1.1.0", "2.0.0"}[random.IntN(3)]
			w.wants(version)
			for range random.IntN(4) {
				step, how := steps[random.IntN(len(steps))], ends[random.IntN(len(ends))]
				if round < 3 && (how != dies || pending[step] != "") && (step != plan.Test || how != testFail) {
					w.helm.script[step] = append(w.helm.script[step], how)
				}
			}
			if round == 3 {
				w.helm.script = script{}
				w.ask(fmt.Sprint("reset", seed), v1beta1.ResetRequestAnnotation) // it may be an input that failed for good before
			}
			for range 6 { // each time the controller is killed, another one starts
				w.settle(2 * time.Hour)
			}
		}
		newest := w.helm.records[0]
		if newest.Status != plan.StatusDeployed || newest.Chart.Version != version || !status.IsReady(w.hr) || w.hr.Status.Failures != 0 {
			t.Fatalf("seed %d ends with %+v, want %s:\n%s", seed, newest, version, w.log.String())
		}
	}
}
