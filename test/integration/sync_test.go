package integration

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/test/servers"
)

// awaitsApproval waits until the plan of a release waits for an approval, and returns it.
func awaitsApproval(t *testing.T, hr *v1beta1.HelmRelease, version string) v1beta1.PlanStatus {
	t.Helper()
	var waits v1beta1.PlanStatus
	until(t, hr.Name+" waits for the approval of "+version, func() bool {
		now := get(t, hr)
		if now.Status.Plan == nil || now.Status.Plan.ChartVersion != version ||
			now.Status.ObservedGeneration != now.Generation {
			return false
		}
		waits = *now.Status.Plan
		ready := condition(t, hr, v1beta1.ReadyCondition)
		return ready.Status == metav1.ConditionUnknown && ready.Reason == v1beta1.AwaitingApprovalReason &&
			waits.ObservedGeneration == now.Generation
	})
	return waits
}

// plannedBy is what the command prints about the plan of a release that has one.
func plannedBy(t *testing.T, ns, name string, more ...string) string {
	t.Helper()
	args := append([]string{"plan", "release", name, "-n", ns}, more...)
	out, errs, code := command(t, "fairlead", args...)
	if code != 1 {
		t.Fatalf("plan: exit code %d, want 1\n%s%s", code, out, errs)
	}
	return out + errs
}

func approvePlan(t *testing.T, hr *v1beta1.HelmRelease, digest string) {
	t.Helper()
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { hr.Spec.Sync.Approved = digest })
}

// With manual sync nothing is installed or upgraded but by the approval of its plan. The command computes the same
// plan. Drift is repaired meanwhile. An approval counts for what was approved alone.
func TestManualSync(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample", "1.0.0", "1.1.0")
	hr := release(ns, "shop", "sample", "1.0.0", "charts", `{"message":"one"}`)
	hr.Spec.Sync = &v1beta1.Sync{Mode: v1beta1.SyncManual}
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)

	waits := awaitsApproval(t, hr, "1.0.0")
	if waits.FromRevision != 0 || !strings.Contains(waits.Summary, "created") {
		t.Errorf("the plan of the install is %+v", waits)
	}
	var records corev1.SecretList
	if err := world.cluster.Client.List(
		t.Context(),
		&records,
		client.InNamespace(ns),
		client.MatchingLabels{"owner": "helm"},
	); err != nil {
		t.Fatal(err)
	}
	if len(records.Items) > 0 {
		t.Fatal("it was installed without an approval")
	}
	says(t, plannedBy(t, ns, "shop"), "plan: "+waits.Digest, "risk: "+waits.Risk)
	explained, _, code := command(t, "fairlead", "explain", "release", "shop", "-n", ns)
	if code != 1 {
		t.Errorf("explain: exit code %d", code)
	}
	says(t, explained, "Waiting: ", "set spec.sync.approved to "+waits.Digest)
	if out, errs, code := command(t, "fairlead", "reconcile", "release", "shop", "-n", ns, "--wait"); code != 1 ||
		!strings.Contains(out+errs, "waits for the approval") {
		t.Errorf("reconcile: exit code %d, %s%s", code, out, errs)
	}

	approvePlan(t, hr, waits.Digest)
	awaitVersion(t, hr, "1.0.0")
	awaitReady(t, hr)

	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { hr.Spec.Chart.Spec.Version = "1.1.0" })
	next := awaitsApproval(t, hr, "1.1.0")
	if next.FromRevision != 1 || next.Digest == waits.Digest {
		t.Errorf("the plan of the upgrade is %+v", next)
	}
	says(
		t,
		condition(t, hr, v1beta1.ReadyCondition).Message,
		"waits for the approval of plan "+v1beta1.ShortDigest(next.Digest),
	)

	mustRun(
		t,
		"kubectl",
		"-n",
		ns,
		"patch",
		"configmap",
		"shop",
		"--type=merge",
		"-p",
		`{"data":{"message":"by hand"}}`,
	)
	until(
		t,
		"drift is repaired while the plan waits",
		func() bool { return configMap(t, ns, "shop")["message"] == "one" },
	)
	if version := revisionOf(t, hr); version != "1 1.0.0" {
		t.Errorf("while the plan waits it is at revision %s", version)
	}

	// Other values than those that were approved: nothing happens, and the condition names what is different.
	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) {
		hr.Spec.Sync.Approved = next.Digest
		withValues(hr, `{"message":"two"}`)
	})
	other := awaitsApproval(t, hr, "1.1.0")
	if other.Digest == next.Digest || other.Moved != "values" {
		t.Errorf("after other values the plan is %+v", other)
	}
	says(t, condition(t, hr, v1beta1.ReadyCondition).Message,
		"approved is plan "+v1beta1.ShortDigest(next.Digest)+"; this has changed since that approval: values")
	approvePlan(t, hr, other.Digest)
	until(t, "the approved upgrade is there", func() bool { return revisionOf(t, hr) == "2 1.1.0" })
	awaitReady(t, hr)
	until(t, "no plan is left", func() bool { return get(t, hr).Status.Plan == nil })
	if got := configMap(t, ns, "shop")["message"]; got != "two" {
		t.Errorf("the message is %q", got)
	}
}

// Plans below the risk run by themselves; one that reaches it waits. What a Secret holds is in no plan.
func TestRiskyPlansWait(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample")
	note := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: note}\ndata: {note: {{ .Values.note | quote }}}\n"
	if err := charts.Add(chartArchive(t, "sample", "1.0.0", map[string]string{
		"templates/deployment.yaml": podsTemplate, "templates/note.yaml": note,
	})); err != nil {
		t.Fatal(err)
	}
	hr := release(ns, "shop", "sample", "1.0.0", "charts", `{"note":"one"}`)
	hr.Spec.Sync = &v1beta1.Sync{Approval: &v1beta1.SyncApproval{MinRisk: v1beta1.RiskRestart}}
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "hidden"}}
	hidden := func(token string) *corev1.Secret {
		return secretWith(ns, "hidden", map[string][]byte{"values.yaml": []byte("token: " + token + "\n")})
	}
	apply(t, hidden("hunter2-one"), helmRepository(ns, "charts", charts.URL()), hr)
	awaitVersion(t, hr, "1.0.0")
	awaitReady(t, hr)

	change(t, get(t, hr), func(hr *v1beta1.HelmRelease) { withValues(hr, `{"note":"two"}`) })
	until(t, "what restarts nothing is upgraded", func() bool { return revisionOf(t, hr) == "2 1.0.0" })
	awaitReady(t, hr)

	apply(t, hidden("hunter2-two"))
	waits := awaitsApproval(t, hr, "1.0.0")
	if waits.Risk != v1beta1.RiskRestart || len(waits.Objects) != 1 || waits.Objects[0].Kind != "Deployment" {
		t.Errorf("the plan is %+v", waits)
	}
	for _, text := range []string{
		plannedBy(t, ns, "shop"), plannedBy(t, ns, "shop", "-o", "yaml"),
		mustRun(t, "kubectl", "-n", ns, "get", "helmrelease", "shop", "-o", "jsonpath={.status}"),
	} {
		if strings.Contains(text, "hunter2") || !strings.Contains(text, waits.Digest) {
			t.Errorf("it shows a secret, or another plan than %s: %s", waits.Digest, text)
		}
	}

	approvePlan(t, hr, waits.Digest)
	until(t, "the approved upgrade is there", func() bool { return revisionOf(t, hr) == "3 1.0.0" })
}

// The API server refuses a digest that is none, and a risk beside mode Manual.
func TestSyncIsValidated(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	for name, sync := range map[string]*v1beta1.Sync{
		"short": {Mode: v1beta1.SyncManual, Approved: "sha256:abc"},
		"both":  {Mode: v1beta1.SyncManual, Approval: &v1beta1.SyncApproval{MinRisk: v1beta1.RiskRestart}},
		"risk":  {Approval: &v1beta1.SyncApproval{MinRisk: "Terrible"}},
		"mode":  {Mode: "Sometimes"},
	} {
		hr := release(ns, name, "sample", "1.0.0", "charts", "")
		hr.Spec.Sync = sync
		if err := world.cluster.Client.Create(t.Context(), hr); !apierrors.IsInvalid(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The engine changes nothing when an upgrade would not do what was approved. What a chart makes at random is no change.
func TestApprovedPlansAreKeptTo(t *testing.T) {
	t.Parallel()
	w := newWorkbench(t)
	template := `apiVersion: v1
kind: ConfigMap
metadata: {name: web}
data:
  random: {{ randAlphaNum 8 }}
  seen: {{ (lookup "v1" "ConfigMap" .Release.Namespace "seen").data | toJson | quote }}
`
	foreseen := func(step plan.Step) (engine.Action, *engine.Foresight) {
		action := w.action(step, template)
		f, err := w.engine.Foresee(t.Context(), action)
		if err != nil {
			t.Fatal(err)
		}
		action = w.action(step, template) // rendering takes the templates out of the chart
		action.Approved, err = preview.Digest(preview.Input{
			To: f.To.Rendering(), Again: f.Again.Rendering(), Namespace: w.ns,
		}, f.Inputs)
		if err != nil {
			t.Fatal(err)
		}
		return action, f
	}

	action, f := foreseen(plan.Install)
	if !f.First || f.Inputs.From != 0 || f.From.Manifest != "" || !strings.HasPrefix(f.Inputs.KubeVersion, "v1.") {
		t.Errorf("before the install it foresees %+v", f)
	}
	w.create("ConfigMap", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: seen}\ndata: {a: b}\n")
	result := w.engine.Execute(t.Context(), action)
	if !engine.IsPlanChanged(result.Err) || result.Reached || len(result.History) > 0 ||
		!engine.IsSuperseded(result.Err) {
		t.Fatalf(
			"after a change of what is looked up: error %v, reached %t, %d records",
			result.Err,
			result.Reached,
			len(result.History),
		)
	}

	action, _ = foreseen(plan.Install)
	if result = w.engine.Execute(t.Context(), action); result.Err != nil {
		t.Fatal(result.Err)
	}
	if seen := field(w.get("ConfigMap", "web"), "data", "seen"); seen != `{"a":"b"}` {
		t.Errorf("it has seen %v", seen)
	}

	action, f = foreseen(plan.Upgrade)
	if f.First || f.Inputs.From != 1 || f.From.Revision != 1 {
		t.Errorf("before the upgrade it foresees %+v", f.Inputs)
	}
	if result = w.engine.Execute(t.Context(), action); result.Err != nil || len(result.History) != 2 {
		t.Fatalf("an upgrade as it was approved: %v, %d records", result.Err, len(result.History))
	}
	if result = w.engine.Execute(t.Context(), action); !engine.IsPlanChanged(result.Err) {
		t.Errorf("an approval that was used once: %v", result.Err)
	}
}
