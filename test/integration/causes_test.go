package integration

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// hidden is a value that comes from a Secret and must not be shown by anything that is said of a release.
const hidden = "swordfish-in-values"

// frail is the sample chart with everything that can go wrong with its pods.
var frail = map[string]string{
	"templates/deployment.yaml": podsTemplate,
	"templates/job.yaml": `{{- with .Values.exit }}
apiVersion: batch/v1
kind: Job
metadata: {name: migrate}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: main, image: example.com/sample, command: [sh, -c, "echo {{ $.Values.token }}; exit {{ . }}"]}]
{{- end }}
`,
}

// frailRelease is a release of a chart with further files that runs, and whose failed upgrades stay as they are.
func frailRelease(t *testing.T, more map[string]string) (ns string, charts *servers.Charts, hr *v1beta1.HelmRelease) {
	t.Helper()
	amongOthers(t)
	ns = namespace(t)
	charts = chartRepository(t, servers.ChartOptions{}, "sample")
	addChart(t, charts, "1.0.0", more)
	hr = release(ns, "web", "sample", "*", "charts", `{"message":"runs"}`)
	leave := false
	hr.Spec.Upgrade = &v1beta1.Upgrade{Remediation: &v1beta1.UpgradeRemediation{RemediateLastFailure: &leave}}
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{{Kind: "Secret", Name: "later"}}
	apply(t, helmRepository(ns, "charts", charts.URL()), valuesSecret(ns, "values.yaml", "token: "+hidden), hr)
	awaitReady(t, hr)
	return ns, charts, hr
}

func addChart(t *testing.T, charts *servers.Charts, version string, more map[string]string) {
	t.Helper()
	if err := charts.Add(chartArchive(t, "sample", version, more)); err != nil {
		t.Fatal(err)
	}
}

// says checks a message for what it has to name.
func says(t *testing.T, message string, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(message, text) {
			t.Errorf("the message lacks %q: %s", text, message)
		}
	}
}

// nothingShown checks that a secret is in no status, no event, and nothing that is noted on a Helm release.
func nothingShown(t *testing.T, ns, secret string) {
	t.Helper()
	noSecretInEvents(t, ns, secret)
	releases := &v1beta1.HelmReleaseList{}
	records := &corev1.SecretList{}
	for _, list := range []client.ObjectList{releases, records} {
		if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
	}
	for _, hr := range releases.Items {
		if shown := fmt.Sprintf("%+v", hr.Status); strings.Contains(shown, secret) {
			t.Errorf("the status of %s shows the secret: %s", hr.Name, shown)
		}
	}
	for _, record := range records.Items {
		if shown := fmt.Sprint(record.Annotations); record.Type == "helm.sh/release.v1" && strings.Contains(shown, secret) {
			t.Errorf("the annotations of %s show the secret: %s", record.Name, shown)
		}
	}
	var listed []struct{ Name string }
	if err := json.Unmarshal([]byte(mustRun(t, "helm", "ls", "-a", "-n", ns, "-o", "json")), &listed); err != nil {
		t.Fatal(err)
	}
	for _, rel := range listed {
		if shown := mustRun(t, "helm", "history", rel.Name, "-n", ns); strings.Contains(shown, secret) {
			t.Errorf("helm history shows the secret:\n%s", shown)
		}
	}
}

// records is how many revisions of a release are in storage.
func records(t *testing.T, ns, name string) int {
	t.Helper()
	found := &corev1.SecretList{}
	if err := world.cluster.Client.List(t.Context(), found, client.InNamespace(ns),
		client.MatchingLabels{"owner": "helm", "name": name}); err != nil {
		t.Fatal(err)
	}
	return len(found.Items)
}

func requestNow(t *testing.T, hr *v1beta1.HelmRelease) {
	t.Helper()
	token := fmt.Sprint(time.Now().UnixNano())
	mustRun(t, "kubectl", "annotate", "helmreleases.fairlead.dev/"+hr.Name, "-n", hr.Namespace, "--overwrite",
		v1beta1.ReconcileRequestAnnotation+"="+token, v1beta1.ResetRequestAnnotation+"="+token)
}

// A release whose pods do not come up says of which object, and why.
func TestWhyPodsDoNotRun(t *testing.T) {
	t.Parallel()
	const short = 4 * time.Second // for what is not going to end
	tests := []struct {
		name    string
		values  string
		quota   bool
		timeout time.Duration
		says    []string
	}{
		{name: "image", values: `{"waiting":"ImagePullBackOff"}`, timeout: short,
			says: []string{
				"objects not ready after ", "Deployment $NS/web", "container main: ImagePullBackOff", "example.com/sample:1.0.0",
			}},
		{name: "crash", values: `{"waiting":"CrashLoopBackOff"}`, timeout: time.Hour,
			says: []string{"Deployment $NS/web", "container main: CrashLoopBackOff, exit code 1 (Error), restarts: 5"}},
		{name: "unschedulable", values: `{"nodeSelector":{"disk":"none-such"}}`, timeout: short,
			says: []string{"objects not ready after ", "Deployment $NS/web", "cannot be scheduled", "node(s) didn't match"}},
		{name: "job", values: `{"exit":3}`, timeout: patience,
			says: []string{"Job $NS/migrate", "BackoffLimitExceeded", "container main: exit code 3 (Error)"}},
		{name: "quota", values: `{"message":"more"}`, quota: true, timeout: short,
			says: []string{"objects not ready after ", "Deployment $NS/web", "exceeded quota: small", "limited: pods=1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			ns, _, hr := frailRelease(t, frail)
			quota := &corev1.ResourceQuota{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "small"},
				Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{corev1.ResourcePods: resource.MustParse("1")}}}
			if tt.quota {
				apply(t, quota)
				until(t, "the quota counts", func() bool { return get(t, quota).Status.Used.Pods().Value() == 1 })
			}
			hr.Spec.Timeout = &metav1.Duration{Duration: tt.timeout}
			apply(t, withValues(hr, tt.values))
			ready := awaitNotReady(t, hr, v1beta1.UpgradeFailedReason)
			for i := range tt.says {
				tt.says[i] = strings.ReplaceAll(tt.says[i], "$NS", ns)
			}
			says(t, ready.Message, append(tt.says, ns+"/web to sample 1.0.0 failed")...)
			if newest := hr.Status.Latest(); newest.Version != 2 || newest.Status != "failed" ||
				condition(t, hr, v1beta1.StalledCondition).Status != "True" {
				t.Errorf("the newest revision is %+v, want 2, failed and left as it is", newest)
			}
			nothingShown(t, ns, hidden)

			if tt.quota {
				quota.Spec.Hard[corev1.ResourcePods] = resource.MustParse("9")
				apply(t, quota)
			}
			hr.Spec.Timeout = nil
			apply(t, withValues(hr, `{"message":"fixed"}`))
			awaitReady(t, hr)
			if got := configMap(t, ns, "web")["message"]; got != "fixed" {
				t.Errorf("the message is %q after the fix", got)
			}
		})
	}
}

// The API server quotes the whole value before it says what is wrong with it; what it says is in the message, the value
// and the secret in it are not.
func TestAnImmutableField(t *testing.T) {
	t.Parallel()
	template := strings.ReplaceAll(podsTemplate, "{app: {{ .Release.Name }}}",
		`{app: {{ .Release.Name }}{{ range $i := until (int .Values.labels) }}, l{{ $i }}: {{ printf "%s-%s-%d" $.Values.token (repeat 30 "x") $i }}{{ end }}}`)
	ns, _, hr := frailRelease(t, map[string]string{"templates/deployment.yaml": template})
	apply(t, withValues(hr, `{"labels":60}`))
	ready := awaitNotReady(t, hr, v1beta1.PreflightRejectedReason)
	says(t, ready.Message, "would refuse 1 of ", "Deployment "+ns+"/web: spec.selector: field is immutable",
		"nothing in the cluster was changed")
	if n := records(t, ns, "web"); n != 1 {
		t.Errorf("there are %d records, want that of what runs", n)
	}
	nothingShown(t, ns, hidden)
	deployment := get(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	if labels := deployment.Spec.Selector.MatchLabels; len(labels) != 1 {
		t.Errorf("the selector is %v", labels)
	}
	apply(t, withValues(hr, `{"message":"fixed"}`))
	awaitReady(t, hr)
	if got := configMap(t, ns, "web")["message"]; got != "fixed" {
		t.Errorf("the message is %q after the fix", got)
	}
}

// What a policy of the cluster refuses is reported in the words of the policy, and continues by itself when the policy
// is gone.
func TestAnAdmissionPolicy(t *testing.T) {
	t.Parallel()
	const words = "the legal team wants no announcements"
	ns, _, hr := frailRelease(t, frail)
	named := metav1.ObjectMeta{Name: ns}
	policy := &admissionv1.ValidatingAdmissionPolicy{ObjectMeta: named, Spec: admissionv1.ValidatingAdmissionPolicySpec{
		MatchConstraints: &admissionv1.MatchResources{ResourceRules: []admissionv1.NamedRuleWithOperations{{
			RuleWithOperations: admissionv1.RuleWithOperations{
				Operations: []admissionv1.OperationType{admissionv1.Create, admissionv1.Update},
				Rule: admissionv1.Rule{
					APIGroups: []string{"apps"}, APIVersions: []string{"v1"}, Resources: []string{"deployments"},
				},
			},
		}}},
		Validations: []admissionv1.Validation{
			{Expression: `object.spec.template.metadata.?annotations.message.orValue("") != "announced"`, Message: words},
		},
	}}
	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: named,
		Spec: admissionv1.ValidatingAdmissionPolicyBindingSpec{
			PolicyName: ns, ValidationActions: []admissionv1.ValidationAction{admissionv1.Deny},
			MatchResources: &admissionv1.MatchResources{
				NamespaceSelector: &metav1.LabelSelector{MatchLabels: map[string]string{corev1.LabelMetadataName: ns}},
			},
		}}
	apply(t, policy, binding)
	t.Cleanup(func() { _ = client.IgnoreNotFound(world.cluster.Client.Delete(context.Background(), policy)) })
	until(t, "the policy is in force", func() bool {
		probe := get(t, deployment(ns))
		probe.Spec.Template.Annotations["message"] = "announced"
		err := world.cluster.Client.Update(t.Context(), probe, client.DryRunAll)
		return err != nil && strings.Contains(err.Error(), words)
	})
	apply(t, withValues(hr, `{"message":"announced"}`))
	ready := awaitNotReady(t, hr, v1beta1.PreflightRejectedReason)
	says(t, ready.Message, words, "Deployment "+ns+"/web", "ValidatingAdmissionPolicy",
		"nothing in the cluster was changed; the controller retries")
	if got := configMap(t, ns, "web")["message"]; got != "runs" || records(t, ns, "web") != 1 {
		t.Errorf("the refused message is there, or a revision for it: %q", got)
	}
	nothingShown(t, ns, hidden)
	for _, object := range []client.Object{binding, policy} {
		remove(t, object)
	}
	requestNow(t, hr)
	until(t, "the release gets through", func() bool { return configMap(t, ns, "web")["message"] == "announced" })
	awaitReady(t, hr)
}
