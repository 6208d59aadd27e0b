package integration

import (
	"maps"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// crashing is a Deployment that crashes in every version but the first two.
var crashing = strings.NewReplacer(
	`{{- with .Values.waiting }}`, `{{- if semverCompare ">=1.2.0" .Chart.Version }}`, `waiting: {{ . }}`,
	`waiting: CrashLoopBackOff`,
).Replace(podsTemplate)

// recovering is a release that is rolled back when it fails, with further files in its first version.
func recovering(t *testing.T, first map[string]string) (ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) {
	t.Helper()
	amongOthers(t)
	ns = namespace(t)
	charts = chartRepository(t, servers.ChartOptions{}, "sample")
	addChart(t, charts, "1.0.0", withCrashes(first))
	hr = release(ns, "web", "sample", "*", "charts", `{"message":"runs"}`)
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)
	awaitReady(t, hr)
	return ns, charts, hr
}

// remediated is a release that says itself that it is rolled back at its first failure.
func remediated(t *testing.T) (ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) {
	t.Helper()
	ns, charts, hr = recovering(t, nil)
	last := true
	hr.Spec.Upgrade = &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{RemediateLastFailure: &last}}
	apply(t, hr)
	awaitReady(t, hr)
	return ns, charts, hr
}

func withCrashes(more map[string]string) map[string]string {
	files := map[string]string{"templates/deployment.yaml": crashing}
	maps.Copy(files, more)
	return files
}

// What a failed revision brought goes with it, but not what may hold data.
func TestARollbackKeepsData(t *testing.T) {
	t.Parallel()
	ns, charts, hr := recovering(t, nil)
	addChart(t, charts, "1.2.0", withCrashes(map[string]string{
		"templates/data.yaml": "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n" +
			"spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n",
		"templates/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n",
	}))
	ready := awaitNotReady(t, hr, v1beta1.RollbackSucceededReason)
	says(t, ready.Message, "kept, because a rollback does not delete them: PersistentVolumeClaim "+ns+"/data")
	if !exists(t, &corev1.PersistentVolumeClaim{ObjectMeta: named(ns, "data")}) {
		t.Error("the claim is gone")
	}
	if exists(t, &corev1.ConfigMap{ObjectMeta: named(ns, "extra")}) {
		t.Error("the ConfigMap of the failed revision is still there")
	}
	wantRevisions(t, hr, "1:superseded 2:failed 3:deployed")
}

// A chart that says so is not rolled back.
func TestAForwardOnlyChart(t *testing.T) {
	t.Parallel()
	_, charts, hr := remediated(t)
	addChart(t, charts, "1.2.0", withCrashes(map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: sample\nversion: 1.2.0\nappVersion: 1.2.0\nannotations: {fairlead.dev/rollback: forward-only}\n",
	}))
	until(t, "the failed revision is left as it is", func() bool {
		return condition(t, hr, v1beta1.StalledCondition).Reason == v1beta1.RollbackHeldReason
	})
	says(t, condition(t, hr, v1beta1.StalledCondition).Message, "revision 2 failed",
		"the chart says that it cannot be rolled back")
	wantRevisions(t, hr, "1:deployed 2:failed")
}

// A migration that has run keeps the release from going back.
func TestAMigrationThatHasRun(t *testing.T) {
	t.Parallel()
	_, charts, hr := remediated(t)
	addChart(t, charts, "1.2.0", withCrashes(map[string]string{"templates/migration.yaml": `apiVersion: batch/v1
kind: Job
metadata:
  name: migration
  annotations: {helm.sh/hook: pre-upgrade, fairlead.dev/migration: "true"}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: main, image: example.com/sample}]}}}
`}))
	until(t, "the failed revision is left as it is", func() bool {
		return condition(t, hr, v1beta1.StalledCondition).Reason == v1beta1.RollbackHeldReason
	})
	says(t, condition(t, hr, v1beta1.StalledCondition).Message, `its migration hook "migration" has run`)
	wantRevisions(t, hr, "1:deployed 2:failed")
}

// A revision with objects of a kind that is gone cannot be gone back to; an older one may do.
func TestARollbackWithoutTheDefinition(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, group   string
		older         bool
		says          []string
		wantRevisions string
	}{
		{name: "older", group: "older.fairlead.test", older: true,
			says:          []string{"rolled back: ", "revision 4 runs sample 1.0.0"},
			wantRevisions: "1:superseded 2:superseded 3:failed 4:deployed"},
		{name: "none", group: "none.fairlead.test",
			says: []string{
				"can take none of the revisions", "revision 1 needs kind Widget of none.fairlead.test/v1", "not served",
			},
			wantRevisions: "1:deployed 2:failed"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			widgets := map[string]string{
				"crds/widgets.yaml":     string(definition(tt.group, "widgets", "Widget", "v1").File.Data),
				"templates/widget.yaml": "apiVersion: " + tt.group + "/v1\nkind: Widget\nmetadata: {name: one}\n",
			}
			first := widgets
			if tt.older {
				first = nil
			}
			ns, charts, hr := recovering(t, first)
			if tt.older {
				addChart(t, charts, "1.1.0", withCrashes(widgets))
				awaitVersion(t, hr, "1.1.0")
			}
			hr.Spec.Timeout = &metav1.Duration{Duration: 8 * time.Second}
			if !tt.older {
				apply(t, hr)
			}
			addChart(t, charts, "1.1.1",
				withCrashes(map[string]string{"templates/late.yaml": strings.ReplaceAll(gatedPod, "NAME", "late")}))
			if tt.older {
				apply(t, pinned(hr, "1.1.1")) // with a range the release would go to 1.1.0 after the rollback
			}
			until(t, "the update is waited for", func() bool {
				return exists(t, &corev1.Pod{ObjectMeta: named(ns, "late")}) &&
					get(t, &appsv1.Deployment{
						ObjectMeta: named(ns, "web"),
					}).Spec.Template.Spec.Containers[0].Image == "example.com/sample:1.1.1"
			})
			remove(t, &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "widgets." + tt.group}})
			until(t, "the end of the rollback", func() bool {
				return strings.Contains(condition(t, hr, v1beta1.ReadyCondition).Message, tt.says[0])
			})
			says(t, condition(t, hr, v1beta1.ReadyCondition).Message, tt.says...)
			wantRevisions(t, hr, tt.wantRevisions)
		})
	}
}

// gatedPod does not become ready.
const gatedPod = `apiVersion: v1
kind: Pod
metadata: {name: NAME, annotations: {sim.fairlead.dev/ready: "false"}}
spec: {containers: [{name: main, image: example.com/sample}]}
`
