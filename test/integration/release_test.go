package integration

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
)

// conditioned is an object that the helpers can wait for.
type conditioned interface {
	client.Object
	v1beta1.Conditioned
}

func TestValues(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "common"},
		Data: map[string]string{"values.yaml": "message: from the ConfigMap\nreplicas: 2\n"}}
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "private"},
		Data: map[string][]byte{"extra": []byte("message: from the Secret\n")}}
	hr := release(ns, "web", "sample", "*", "charts", `{"replicas":0}`)
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: "ConfigMap", Name: "common"},
		{Kind: "Secret", Name: "private", ValuesKey: "extra"},
		{Kind: "Secret", Name: "not-there", Optional: true},
	}
	apply(t, config, secret, hr)
	awaitReady(t, hr)
	if got := configMap(t, ns, "web")["message"]; got != "from the Secret" {
		t.Errorf("message %q, want that of the Secret, which comes later", got)
	}
	if got := mustRun(t, "helm", "-n", ns, "get", "values", "web", "-o", "json"); !strings.Contains(got, `"replicas":0`) {
		t.Errorf("helm get values prints %s, want replicas of spec.values", got)
	}

	secret.Data["extra"] = []byte("message: changed\n")
	apply(t, secret)
	until(t, "the new value arrives", func() bool { return configMap(t, ns, "web")["message"] == "changed" })
	awaitReady(t, hr)
	apply(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "not-there"},
		Data: map[string][]byte{"values.yaml": []byte("message: optional\n")}})
	until(t, "the optional Secret is taken once it exists", func() bool { return configMap(t, ns, "web")["message"] == "optional" })
}

func TestNames(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	target := ns + "-target"
	plain := release(ns, "plain", "sample", "*", "charts", "")
	targeted := release(ns, "targeted", "sample", "*", "charts", "")
	targeted.Spec.TargetNamespace, targeted.Spec.Install = target, &v1beta1.Install{CreateNamespace: true}
	named := release(ns, "named", "sample", "*", "charts", "")
	named.Spec.ReleaseName = "chosen"
	long := release(ns, strings.Repeat("long-", 12)+"x", "sample", "*", "charts", "")
	stored := release(ns, "stored", "sample", "*", "charts", "")
	stored.Spec.StorageNamespace = target
	apply(t, plain, targeted, named, long)
	awaitReady(t, targeted)
	apply(t, stored)
	for hr, want := range map[*v1beta1.HelmRelease][3]string{
		plain:    {"plain", ns, ns},
		targeted: {target + "-targeted", target, ns},
		named:    {"chosen", ns, ns},
		stored:   {"stored", ns, target},
	} {
		awaitReady(t, hr)
		latest := hr.Status.Latest()
		if got := [3]string{latest.Name, latest.Namespace, hr.Status.StorageNamespace}; got != want {
			t.Errorf("%s: name, namespace and storage namespace are %v, want %v", hr.Name, got, want)
		}
		if !exists(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: want[2], Name: "sh.helm.release.v1." + want[0] + ".v1"}}) {
			t.Errorf("%s has no record in %s", hr.Name, want[2])
		}
		if !exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: want[1], Name: want[0]}}) {
			t.Errorf("%s has no Deployment in %s", hr.Name, want[1])
		}
	}
	awaitReady(t, long)
	if name := long.Status.Latest().Name; len(name) != 53 || !strings.HasPrefix(name, "long-long-") {
		t.Errorf("the release of an object with a long name is called %q", name)
	}

	named.Spec.ReleaseName = "renamed"
	apply(t, named)
	until(t, "the release moves to its new name", func() bool {
		latest := get(t, named).Status.Latest()
		return latest != nil && latest.Name == "renamed" && latest.Status == "deployed"
	})
	if exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "chosen"}}) {
		t.Error("the Deployment of the former name is still there")
	}
}

// Without the namespace of the release no revision is made, and the condition says what to do.
func TestMissingNamespace(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.TargetNamespace, hr.Spec.ReleaseName = ns+"-missing", "web"
	apply(t, hr)
	want := "namespace " + ns + "-missing does not exist; set install.createNamespace: true or create it"
	for _, token := range []string{"one", "two"} {
		asked(t, hr, token)
		if ready := awaitNotReady(t, hr, v1beta1.InstallFailedReason); !strings.Contains(ready.Message, want) {
			t.Errorf("the message does not say %q: %s", want, ready.Message)
		}
	}
	wantRevisions(t, hr, "")
	if s := get(t, hr).Status; s.Inventory != nil || len(s.History) != 0 {
		t.Errorf("status mentions %+v and %+v", s.Inventory, s.History)
	}

	hr.Spec.Install = &v1beta1.Install{CreateNamespace: true}
	apply(t, hr)
	awaitReady(t, hr)
	wantRevisions(t, hr, "1:deployed")
}

func TestDependencies(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	backend := release(ns, "backend", "sample", "*", "charts", `{"unready":true}`)
	frontend := release(ns, "frontend", "sample", "*", "charts", "")
	frontend.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "backend"}}
	apply(t, frontend)
	missing := awaitNotReady(t, frontend, v1beta1.DependencyNotReadyReason)
	if want := "1 of 1 dependencies not ready: backend (not found)"; missing.Message != want {
		t.Errorf("the message is %q, want %q", missing.Message, want)
	}
	apply(t, backend)
	until(t, "the frontend notices that the backend was created", func() bool {
		return condition(t, frontend, v1beta1.ReadyCondition).Message == "1 of 1 dependencies not ready: backend (in progress)"
	})
	until(t, "the backend is waited for", func() bool {
		return exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "backend"}})
	})
	if exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "frontend"}}) {
		t.Error("the frontend was installed before the backend was ready")
	}
	apply(t, withValues(backend, `{"unready":false}`))
	awaitReady(t, backend)
	awaitReady(t, frontend)

	one, two := release(ns, "one", "sample", "*", "charts", ""), release(ns, "two", "sample", "*", "charts", "")
	one.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "two"}}
	two.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "one"}}
	apply(t, one, two)
	until(t, "both ends name the cycle", func() bool {
		first, second := condition(t, one, v1beta1.StalledCondition), condition(t, two, v1beta1.StalledCondition)
		return first.Reason == v1beta1.DependencyCycleReason && second.Reason == v1beta1.DependencyCycleReason
	})
	two.Spec.DependsOn = nil
	apply(t, two)
	awaitReady(t, two)
	awaitReady(t, one)
}

// A circle of dependencies is not taken for the failure of an attempt: the retry of the attempt continues when it is broken.
func TestAFailedReleaseSurvivesACircle(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	one, two := release(ns, "one", "sample", "*", "charts", `{"fail":"not now"}`), release(ns, "two", "sample", "*", "charts", "")
	one.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "two"}}
	apply(t, one, two)
	awaitNotReady(t, one, v1beta1.RenderFailedReason)
	two.Spec.DependsOn = []v1beta1.DependencyReference{{Name: "one"}}
	apply(t, two)
	mustRun(t, "kubectl", "annotate", "hr/one", "-n", ns, v1beta1.ReconcileRequestAnnotation+"=1")
	until(t, "the circle is reported", func() bool {
		return condition(t, one, v1beta1.StalledCondition).Reason == v1beta1.DependencyCycleReason
	})
	two.Spec.DependsOn = nil
	apply(t, two)
	awaitReady(t, two)
	apply(t, withValues(one, ""))
	awaitReady(t, one)
}

func TestSuspendAndDelete(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr, kept := release(ns, "web", "sample", "*", "charts", ""), release(ns, "kept", "sample", "*", "charts", "")
	other := release(ns, "other", "sample", "*", "charts", "")
	apply(t, hr, kept)
	awaitReady(t, hr)
	awaitReady(t, kept)
	hr.Spec.Suspend, kept.Spec.Suspend = true, true
	apply(t, hr, kept)
	push(t, world.registry, ns, "sample", "1.1.0")
	apply(t, other)
	awaitVersion(t, other, "1.1.0")
	if got := get(t, hr).Status.Latest().ChartVersion; got != "1.0.0" {
		t.Errorf("a suspended release moved to %s", got)
	}
	hr.Spec.Suspend = false
	apply(t, hr)
	awaitVersion(t, hr, "1.1.0")

	for _, object := range []client.Object{hr, kept} {
		remove(t, object)
	}
	until(t, "both objects are gone", func() bool { return !exists(t, hr) && !exists(t, kept) })
	if exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}) ||
		exists(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "sh.helm.release.v1.web.v1"}}) {
		t.Error("the deleted release has left something behind")
	}
	if !exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "kept"}}) {
		t.Error("the release of the suspended object was uninstalled")
	}
}

func TestDeletingANamespace(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, hr)
	remove(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}})
	until(t, "the namespace is gone", func() bool { return !exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}) })
}

// The helm command reads our records, and a release it made is taken over without a new revision.
func TestTheHelmCommand(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", `{"message":"one"}`)
	apply(t, hr)
	awaitReady(t, hr)
	apply(t, withValues(hr, `{"message":"two"}`))
	until(t, "the upgrade is done", func() bool { return get(t, hr).Status.Latest().Version == 2 })
	awaitReady(t, hr)

	var listed []struct{ Name, Status, Chart string }
	if err := json.Unmarshal([]byte(mustRun(t, "helm", "ls", "-n", ns, "-o", "json")), &listed); err != nil {
		t.Fatal(err)
	}
	if len(listed) != 1 || listed[0].Name != "web" || listed[0].Status != "deployed" || listed[0].Chart != "sample-1.0.0" {
		t.Errorf("helm ls prints %+v", listed)
	}
	var history []struct {
		Revision int
		Status   string
	}
	if err := json.Unmarshal([]byte(mustRun(t, "helm", "history", "web", "-n", ns, "-o", "json")), &history); err != nil {
		t.Fatal(err)
	}
	if len(history) != 2 || history[0].Status != "superseded" || history[1].Status != "deployed" {
		t.Errorf("helm history prints %+v", history)
	}

	mustRun(t, "helm", "install", "adopted", "oci://"+world.registry.Host()+"/"+ns+"/sample", "--plain-http", "--version", "1.0.0",
		"-n", ns, "--set", "message=mine")
	adopted := release(ns, "adopted", "sample", "1.0.0", "charts", `{"message":"mine"}`)
	apply(t, adopted)
	awaitReady(t, adopted)
	if v := adopted.Status.Latest().Version; v != 1 {
		t.Errorf("taking over an equal release made revision %d", v)
	}
	apply(t, withValues(adopted, `{"message":"ours"}`))
	until(t, "the adopted release is upgraded", func() bool { return configMap(t, ns, "adopted")["message"] == "ours" })
	awaitReady(t, adopted)
	mustRun(t, "helm", "rollback", "adopted", "1", "-n", ns)
	until(t, "the event says that the rollback was replaced", func() bool {
		return strings.Contains(mustRun(t, "kubectl", "get", "events", "-n", ns, "-o", "jsonpath={.items[*].note}{.items[*].message}"),
			"revision 3 of another Helm client was replaced by the declared state: "+ns+"/adopted revision 4 runs")
	})
	mustRun(t, "helm", "uninstall", "adopted", "-n", ns, "--wait")
}

// What a failed revision added goes with the next one: fields, and objects that are the release's.
func TestAFailedRevisionLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	extra := map[string]string{
		"templates/extra.yaml":   "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n",
		"templates/foreign.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: foreign}\n",
	}
	if _, err := world.registry.PushChart(t.Context(), ns, chartArchive(t, "sample", "1.1.0", extra)); err != nil {
		t.Fatal(err)
	}
	hr := release(ns, "web", "sample", "1.0.0", "charts", "")
	apply(t, hr)
	awaitReady(t, hr)
	hr.Spec.Timeout = &metav1.Duration{Duration: 2 * time.Second}
	hr.Spec.Upgrade = &v1beta1.Upgrade{Strategy: &v1beta1.FailureStrategy{Name: v1beta1.RetryOnFailure}} // so that it is not rolled back
	apply(t, withValues(pinned(hr, "1.1.0"), `{"unready":true}`))
	awaitNotReady(t, hr, v1beta1.UpgradeFailedReason)
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "foreign"}}
	remove(t, foreign)
	apply(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "foreign"}, Data: map[string]string{"owner": "somebody else"}})

	hr.Spec.Timeout = nil
	apply(t, withValues(pinned(hr, "1.0.0"), ""))
	awaitVersion(t, hr, "1.0.0")
	deployment := get(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	if args := deployment.Spec.Template.Spec.Containers[0].Args; len(args) != 0 {
		t.Errorf("the arguments %v of the failed revision are still there", args)
	}
	if exists(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "extra"}}) {
		t.Error("the ConfigMap of the failed revision is still there")
	}
	if got := configMap(t, ns, "foreign")["owner"]; got != "somebody else" {
		t.Errorf("the ConfigMap that another client made meanwhile was touched: %q", got)
	}
}

func TestInventory(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	apply(t, hr)
	awaitReady(t, hr)
	var got []string
	for _, entry := range hr.Status.Inventory.Entries {
		got = append(got, entry.ID+" "+entry.Version)
	}
	want := ns + "_web__ConfigMap v1|" + ns + "_web_apps_Deployment v1"
	if strings.Join(got, "|") != want {
		t.Errorf("inventory %v, want %s", got, want)
	}
	events := &corev1.EventList{}
	until(t, "the install is reported as an event, once", func() bool {
		if err := world.cluster.Client.List(t.Context(), events, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		told := 0
		for _, event := range events.Items {
			if event.InvolvedObject.Kind == v1beta1.HelmReleaseKind && event.Reason == v1beta1.InstallSucceededReason {
				told++
			}
		}
		return told == 1
	})
}

// The controller has one worker. A release that waits, for ever as far as the test goes, delays no other release, and a
// fix of it is reconciled immediately.
func TestAWaitingReleaseDelaysNobody(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	stuck := release(ns, "stuck", "sample", "*", "charts", `{"unready":true}`)
	stuck.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
	apply(t, stuck)
	until(t, "the stuck release says what it does", func() bool {
		return condition(t, stuck, v1beta1.ReconcilingCondition).Status == metav1.ConditionTrue &&
			exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "stuck"}})
	})
	for _, name := range []string{"one", "two", "three"} {
		apply(t, release(ns, name, "sample", "*", "charts", ""))
	}
	for _, name := range []string{"one", "two", "three"} {
		awaitReady(t, release(ns, name, "", "", "", ""))
	}
	if ready := condition(t, stuck, v1beta1.ReadyCondition); ready.Status != metav1.ConditionUnknown {
		t.Errorf("the stuck release is %s: %s", ready.Status, ready.Message)
	}
	apply(t, withValues(stuck, `{"unready":false}`))
	awaitReady(t, stuck)
	secret := valuesSecret(ns, "values.yaml", "unready: true")
	stuck.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "later"}}
	apply(t, secret, withValues(stuck, ""))
	until(t, "it waits again", func() bool { return condition(t, stuck, v1beta1.ReadyCondition).Status == metav1.ConditionUnknown })
	apply(t, valuesSecret(ns, "values.yaml", "unready: false"))
	awaitReady(t, stuck)
	unready := release(ns, "deleted", "sample", "*", "charts", `{"unready":true}`)
	unready.Spec.Timeout = &metav1.Duration{Duration: time.Hour}
	apply(t, unready)
	until(t, "the other one waits too", func() bool {
		return exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "deleted"}})
	})
	remove(t, unready)
	until(t, "a waiting release can be deleted", func() bool { return !exists(t, unready) })
}
