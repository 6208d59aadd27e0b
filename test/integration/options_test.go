package integration

import (
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"fairlead.dev/fairlead/api/v1beta1"
)

// optional is what the chart of these tests has beyond the sample: an object that can be left out, and a hook.
var optional = map[string]string{
	"templates/extra.yaml": `{{- if .Values.extra }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-extra
{{- end }}
`,
	"templates/hook.yaml": `apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ .Release.Name }}-hook
  annotations:
    helm.sh/hook: post-install,post-upgrade
    helm.sh/hook-delete-policy: before-hook-creation
`,
}

// optionalRelease publishes the chart for the namespace and declares a release of it.
func optionalRelease(t *testing.T, ns, name, values string) *v1beta1.HelmRelease {
	t.Helper()
	if _, err := world.registry.PushChart(t.Context(), ns, chartArchive(t, "optional", "1.0.0", optional)); err != nil {
		t.Fatal(err)
	}
	apply(t, helmRepository(ns, "charts", "oci://"+world.registry.Host()+"/"+ns))
	return release(ns, name, "optional", "1.0.0", "charts", values)
}

func named(ns, name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: ns, Name: name} }

func recordOf(ns, name string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: named(ns, "sh.helm.release.v1."+name)}
}

// wantRevisions checks which records a release has.
func wantRevisions(t *testing.T, hr *v1beta1.HelmRelease, want string) {
	t.Helper()
	if got := revisions(t, hr.Namespace, hr.Name); got != want {
		t.Errorf("the records of %s are %q, want %q", hr.Name, got, want)
	}
}

// asked asks for a look at a release and waits until it is over.
func asked(t *testing.T, hr *v1beta1.HelmRelease, token string, more ...string) {
	t.Helper()
	mustRun(t, "kubectl", append([]string{"annotate", "--overwrite", "hr/" + hr.Name, "-n", hr.Namespace,
		v1beta1.ReconcileRequestAnnotation + "=" + token}, more...)...)
	until(t, "the request "+token+" is handled", func() bool { return get(t, hr).Status.LastHandledReconcileAt == token })
}

// Values of the deployed revision stay where the object says nothing of them, and that is no reason to upgrade again.
func TestPreserveValues(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	hr := optionalRelease(t, ns, "web", `{"message":"one","extra":true,"replicas":0}`)
	apply(t, hr)
	awaitReady(t, hr)
	hr.Spec.Upgrade = &v1beta1.Upgrade{PreserveValues: true}
	apply(t, withValues(hr, `{"message":"two"}`))
	awaitReady(t, hr)
	if got := configMap(t, ns, "web")["message"]; got != "two" {
		t.Errorf("message %q, want the new one", got)
	}
	deployment := get(t, &appsv1.Deployment{ObjectMeta: named(ns, "web")})
	if !exists(t, &corev1.ConfigMap{ObjectMeta: named(ns, "web-extra")}) || *deployment.Spec.Replicas != 0 {
		t.Error("the values of the first revision are lost")
	}
	asked(t, hr, "again")
	asked(t, hr, "and again")
	awaitReady(t, hr)
	wantRevisions(t, hr, "1:superseded 2:deployed")

	hr.Spec.Upgrade = nil
	apply(t, withValues(hr, `{"message":"three"}`))
	awaitReady(t, hr)
	if exists(t, &corev1.ConfigMap{ObjectMeta: named(ns, "web-extra")}) {
		t.Error("values are preserved although nobody asks for it any more")
	}
}

// A forced upgrade replaces objects: what another client has added to them goes. Otherwise it stays.
func TestForcedUpgrade(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	plain, forced := optionalRelease(t, ns, "plain", ""), optionalRelease(t, ns, "forced", "")
	forced.Spec.Upgrade = &v1beta1.Upgrade{Force: true}
	apply(t, plain, forced)
	for hr, stays := range map[*v1beta1.HelmRelease]bool{plain: true, forced: false} {
		awaitReady(t, hr)
		mustRun(t, "kubectl", "patch", "configmap/"+hr.Name, "-n", ns, "--type=merge", "-p", `{"data":{"foreign":"yes"}}`)
		apply(t, withValues(hr, `{"message":"new"}`))
		awaitReady(t, hr)
		data := configMap(t, ns, hr.Name)
		if _, there := data["foreign"]; there != stays || data["message"] != "new" {
			t.Errorf("%s has %v; foreign data is to stay: %v", hr.Name, data, stays)
		}
		wantRevisions(t, hr, "1:superseded 2:deployed")
	}
}

func TestCleanupOnFail(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	for name, cleans := range map[string]bool{"cleans": true, "leaves": false} {
		hr := optionalRelease(t, ns, name, "")
		apply(t, hr)
		awaitReady(t, hr)
		hr.Spec.Timeout = &metav1.Duration{Duration: 2 * time.Second}
		hr.Spec.Upgrade = &v1beta1.Upgrade{CleanupOnFail: cleans, Remediation: &v1beta1.UpgradeRemediation{}}
		apply(t, withValues(hr, `{"extra":true,"unready":true}`))
		awaitNotReady(t, hr, v1beta1.UpgradeFailedReason)
		if there := exists(t, &corev1.ConfigMap{ObjectMeta: named(ns, name+"-extra")}); there == cleans {
			t.Errorf("%s: the object of the failed upgrade is there: %v", name, there)
		}
		if !exists(t, &appsv1.Deployment{ObjectMeta: named(ns, name)}) {
			t.Errorf("%s: an object of the former revision is gone", name)
		}
		wantRevisions(t, hr, "1:deployed 2:failed")
	}
}

// An object that belongs to no release becomes part of this one, unless that is ruled out. One of another release never
// does.
func TestTakeOwnership(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	for name, takes := range map[string]bool{"takes": true, "refuses": false} {
		apply(t, &corev1.ConfigMap{ObjectMeta: named(ns, name), Data: map[string]string{"message": "mine"}})
		hr := optionalRelease(t, ns, name, "")
		if !takes {
			hr.Spec.Install = &v1beta1.Install{DisableTakeOwnership: true}
		}
		apply(t, hr)
		if takes {
			awaitReady(t, hr)
			if got := configMap(t, ns, name)["message"]; got != "hello" {
				t.Errorf("the ConfigMap that was taken over has the message %q", got)
			}
			continue
		}
		ready := awaitNotReady(t, hr, v1beta1.InstallFailedReason)
		if !strings.Contains(ready.Message, `ConfigMap "`+name+`"`) {
			t.Errorf("the message does not name the object: %s", ready.Message)
		}
		if got := configMap(t, ns, name)["message"]; got != "mine" {
			t.Errorf("the ConfigMap was changed: message %q", got)
		}
	}
}

// However many upgrades fail, the record of the last good revision stays, and a rollback to it works.
func TestTheVerifiedRecordIsKept(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	hr := optionalRelease(t, ns, "web", `{"message":"good"}`)
	hr.Spec.MaxHistory, hr.Spec.Timeout = ptr.To[int32](2), &metav1.Duration{Duration: time.Second}
	hr.Spec.Upgrade = &v1beta1.Upgrade{Strategy: &v1beta1.FailureStrategy{
		Name: v1beta1.RetryOnFailure, RetryInterval: &metav1.Duration{Duration: 100 * time.Millisecond},
	}}
	hr.Spec.Install = &v1beta1.Install{Timeout: &metav1.Duration{Duration: patience}}
	hr.Spec.Rollback = &v1beta1.Rollback{Timeout: &metav1.Duration{Duration: patience}}
	hr.Spec.Bake = &metav1.Duration{}
	apply(t, hr)
	awaitReady(t, hr)
	apply(t, withValues(hr, `{"message":"bad","unready":true}`))
	until(t, "four upgrades have failed", func() bool { return get(t, hr).Status.UpgradeFailures >= 4 })
	if !exists(t, recordOf(ns, "web.v1")) || hr.Status.LastVerified == nil || hr.Status.LastVerified.Revision != 1 {
		t.Fatalf("the good revision is lost: last verified is %v, the records are %s", hr.Status.LastVerified,
			revisions(t, ns, "web"))
	}
	// The good one, which is still deployed, and the newest; one more is being made.
	if all := strings.Fields(revisions(t, ns, "web")); len(all) > 3 || all[0] != "1:deployed" {
		t.Errorf("the records are %v with room for two", all)
	}
	hr.Spec.Upgrade = nil
	apply(t, withValues(hr, `{"message":"worse","unready":true}`))
	until(t, "it is rolled back", func() bool {
		return condition(t, hr, v1beta1.RemediatedCondition).Status == metav1.ConditionTrue
	})
	if got := configMap(t, ns, "web")["message"]; got != "good" {
		t.Errorf("after the rollback the message is %q", got)
	}
	latest := hr.Status.Latest()
	if latest.Action != "rollback" || latest.Status != "deployed" || len(strings.Fields(revisions(t, ns, "web"))) != 2 {
		t.Errorf("the newest revision is %+v, the records are %s", latest, revisions(t, ns, "web"))
	}
}

// A change of the common metadata or of the post renderers is an upgrade, of hooks too unless they are left alone.
func TestMetadataOfHooks(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	for strategy, hooked := range map[string]bool{v1beta1.PostRenderCombined: true, v1beta1.PostRenderNoHooks: false} {
		hr := optionalRelease(t, ns, strategy, "")
		hr.Spec.PostRenderStrategy = strategy
		apply(t, hr)
		awaitReady(t, hr)
		hr.Spec.CommonMetadata = &v1beta1.CommonMetadata{Labels: map[string]string{"team": "blue"}}
		apply(t, hr)
		awaitReady(t, hr)
		hr.Spec.PostRenderers = []v1beta1.PostRenderer{{Kustomize: &v1beta1.Kustomize{Patches: []v1beta1.Patch{{
			Target: &v1beta1.Selector{Kind: "ConfigMap"},
			Patch:  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: any, annotations: {patched: \"yes\"}}\n",
		}}}}}
		apply(t, hr)
		awaitReady(t, hr)
		wantRevisions(t, hr, "1:superseded 2:superseded 3:deployed")
		for name, want := range map[string]bool{strategy: true, strategy + "-hook": hooked} {
			object := get(t, &corev1.ConfigMap{ObjectMeta: named(ns, name)})
			if labelled, patched := object.Labels["team"] == "blue", object.Annotations["patched"] == "yes"; labelled != want ||
				patched != want {
				t.Errorf("%s: labels %v and annotations %v; changed it is to be: %v", name, object.Labels, object.Annotations, want)
			}
		}
	}
}

// One request to force is one upgrade of what has not changed; one to reset is another attempt of what has failed
// permanently.
func TestForceAndReset(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	hr := optionalRelease(t, ns, "web", "")
	hr.Spec.Upgrade = &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{}}
	apply(t, hr)
	awaitReady(t, hr)
	mustRun(t, "fairlead", "reconcile", "release", "web", "-n", ns, "--force", "--wait")
	wantRevisions(t, hr, "1:superseded 2:deployed")
	asked(t, hr, "forced", v1beta1.ForceRequestAnnotation+"=forced")
	wantRevisions(t, hr, "1:superseded 2:superseded 3:deployed")
	if got := get(t, hr).Status.LastHandledForceAt; got != "forced" {
		t.Errorf("the request to force that was handled is %q", got)
	}
	asked(t, hr, "unequal", v1beta1.ForceRequestAnnotation+"=something-else")
	asked(t, hr, "plain", v1beta1.ForceRequestAnnotation+"-")
	wantRevisions(t, hr, "1:superseded 2:superseded 3:deployed")

	hr.Spec.Timeout = &metav1.Duration{Duration: time.Second}
	apply(t, withValues(hr, `{"unready":true}`))
	stalled := func() bool { return condition(t, hr, v1beta1.StalledCondition).Status == metav1.ConditionTrue }
	until(t, "the upgrade has failed permanently", stalled)
	asked(t, hr, "plain again")
	wantRevisions(t, hr, "1:superseded 2:superseded 3:deployed 4:failed")
	if out, errs, code := command(t, "fairlead", "reconcile", "release", "web", "-n", ns, "--reset", "--wait"); code != 1 {
		t.Errorf("a reset of what fails again ends with %d\n%s%s", code, out, errs)
	}
	until(t, "it has failed permanently again", stalled)
	wantRevisions(t, hr, "1:superseded 2:superseded 3:deployed 4:failed 5:failed")
	if hr.Status.LastHandledResetAt == "" || hr.Status.UpgradeFailures != 1 {
		t.Errorf("the reset that was handled is %q, %d upgrades have failed", hr.Status.LastHandledResetAt,
			hr.Status.UpgradeFailures)
	}
}

// What a person does to a release with the helm command is noticed immediately, and one upgrade brings back what is
// declared.
func TestAHumanChangesARelease(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	chart := "oci://" + world.registry.Host() + "/" + ns + "/optional"
	for name, human := range map[string][]string{
		"upgraded":    {"upgrade", "upgraded", chart, "--plain-http", "--version", "1.0.0", "--set", "message=theirs"},
		"rolled-back": {"rollback", "rolled-back", "1"},
	} {
		hr := optionalRelease(t, ns, name, `{"message":"former"}`)
		apply(t, hr)
		awaitReady(t, hr)
		apply(t, withValues(hr, `{"message":"ours"}`))
		awaitReady(t, hr)
		mustRun(t, "helm", append(human, "-n", ns)...)
		until(t, "it is as declared again", func() bool {
			return get(t, hr).Status.Latest().Version == 4 && configMap(t, ns, name)["message"] == "ours"
		})
		awaitReady(t, hr)
		asked(t, hr, "again")
		wantRevisions(t, hr, "1:superseded 2:superseded 3:superseded 4:deployed")
		if snapshot := hr.Status.History[1]; snapshot.Version != 3 || snapshot.Status != "superseded" {
			t.Errorf("%s: the history lacks the revision of the person: %+v", name, hr.Status.History)
		}
	}
}
