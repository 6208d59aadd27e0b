package integration

import (
	"fmt"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv1 "k8s.io/api/autoscaling/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/servers"
)

// drifting is a chart with objects that tests change.
var drifting = map[string]string{
	"templates/deployment.yaml": podsTemplate,
	"templates/secret.yaml": `apiVersion: v1
kind: Secret
metadata: {name: {{ .Release.Name }}}
stringData: {password: ` + hidden + `}
`,
}

// driftRelease is a release that is Ready, with a mode of drift detection.
func driftRelease(
	t *testing.T, mode string, change ...func(*v1beta1.HelmRelease),
) (ns string, hr *v1beta1.HelmRelease) {
	t.Helper()
	ns = namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "sample")
	addChart(t, charts, "1.0.0", drifting)
	hr = release(ns, "web", "sample", "*", "charts", `{"message":"runs","token":""}`)
	hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: mode}
	for _, c := range change {
		c(hr)
	}
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)
	awaitReady(t, hr)
	until(t, "the release says that nothing has drifted", func() bool {
		return mode == v1beta1.DriftDisabled || condition(t, hr, v1beta1.DriftedCondition).Status == metav1.ConditionFalse
	})
	return ns, hr
}

// editAs changes an object as another field manager than Fairlead.
func editAs(t *testing.T, manager string, object client.Object, patch string) {
	t.Helper()
	err := world.cluster.Client.Patch(t.Context(), object, client.RawPatch(types.StrategicMergePatchType, []byte(patch)),
		client.FieldOwner(manager))
	if err != nil {
		t.Fatal(err)
	}
}

func deployment(ns string) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
}

func image(t *testing.T, ns string) string {
	t.Helper()
	return get(t, deployment(ns)).Spec.Template.Spec.Containers[0].Image
}

const setImage = `{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"example.com/by-hand"}]}}}}`

func awaitDrifted(t *testing.T, hr *v1beta1.HelmRelease, reason string) metav1.Condition {
	t.Helper()
	until(t, "Drifted says "+reason, func() bool { return condition(t, hr, v1beta1.DriftedCondition).Reason == reason })
	return condition(t, hr, v1beta1.DriftedCondition)
}

func TestDriftIsCorrected(t *testing.T) {
	t.Parallel()
	ns, hr := driftRelease(t, "")
	before := image(t, ns)
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	until(t, "the image is as it was", func() bool { return image(t, ns) == before })
	says(t, awaitDrifted(t, hr, v1beta1.DriftCorrectedReason).Message, "Deployment "+ns+"/web",
		`containers[name="main"].image was changed by kubectl-edit`)

	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	editAs(t, "kubectl-patch", secret, `{"data":{"password":null}}`)
	until(t, "the key of the Secret is back", func() bool { return string(get(t, secret).Data["password"]) == hidden })
	until(t, "what was removed is reported", func() bool {
		return strings.Contains(condition(t, hr, v1beta1.DriftedCondition).Message, "Secret "+ns+"/web .data was removed")
	})

	gone := get(t, deployment(ns)).UID
	remove(t, deployment(ns))
	until(t, "the Deployment is recreated", func() bool {
		found := deployment(ns)
		return exists(t, found) && found.UID != gone && found.DeletionTimestamp == nil
	})
	until(t, "the deletion is reported", func() bool {
		return strings.Contains(condition(t, hr, v1beta1.DriftedCondition).Message, "was deleted")
	})
	if revision := get(t, hr).Status.Latest().Version; revision != 1 {
		t.Errorf("a correction made revision %d", revision)
	}
	until(t, "the release is healthy again", func() bool {
		return condition(t, hr, v1beta1.HealthyCondition).Status == metav1.ConditionTrue
	})
	nothingShown(t, ns, hidden)
}

func TestDriftIsOnlyReported(t *testing.T) {
	t.Parallel()
	ns, hr := driftRelease(t, v1beta1.DriftWarn)
	before := image(t, ns)
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	says(t, awaitDrifted(t, hr, v1beta1.DriftDetectedReason).Message, "was changed by kubectl-edit", "warn")
	drift := get(t, hr).Status.Drift
	if len(drift) != 1 || len(drift[0].Fields) != 1 || drift[0].Fields[0].Manager != "kubectl-edit" ||
		drift[0].Fields[0].Since == nil {
		t.Errorf("drift %+v", drift)
	}
	if image(t, ns) == before {
		t.Error("it was corrected")
	}
	editAs(t, "kubectl-edit", deployment(ns),
		`{"spec":{"template":{"spec":{"containers":[{"name":"main","image":"`+before+`"}]}}}}`)
	until(t, "nothing is reported any more", func() bool {
		return condition(t, hr, v1beta1.DriftedCondition).Status == metav1.ConditionFalse && len(get(t, hr).Status.Drift) == 0
	})
}

func TestDriftThatIsIgnored(t *testing.T) {
	t.Parallel()
	ns, hr := driftRelease(t, v1beta1.DriftEnabled, func(hr *v1beta1.HelmRelease) {
		hr.Spec.DriftDetection.Ignore = []v1beta1.DriftIgnoreRule{
			{Paths: []string{"/spec/template/spec/containers/0/image"}, Target: &v1beta1.Selector{Kind: "Deployment"}},
			{Managers: []string{"injector"}},
		}
	})
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	editAs(t, "injector", deployment(ns), `{"spec":{"template":{"metadata":{"annotations":{"message":"injected"}}}}}`)
	// What is not ignored is corrected, which shows that the rest has been looked at, too.
	editAs(t, "kubectl-edit", deployment(ns),
		`{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"TOKEN","value":"by hand"}]}]}}}}`)
	until(t, "the environment is as it was", func() bool {
		return get(t, deployment(ns)).Spec.Template.Spec.Containers[0].Env[0].Value == ""
	})
	awaitDrifted(t, hr, v1beta1.DriftCorrectedReason)
	found := get(t, deployment(ns))
	if image(t, ns) != "example.com/by-hand" || found.Spec.Template.Annotations["message"] != "injected" {
		t.Errorf("ignored fields were corrected: %s, %v", image(t, ns), found.Spec.Template.Annotations)
	}
}

func TestAnAutoscalerIsLeftAlone(t *testing.T) {
	t.Parallel()
	ns, hr := driftRelease(t, v1beta1.DriftEnabled)
	scale := &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 3}}
	err := world.cluster.Client.SubResource("scale").Update(t.Context(), deployment(ns), client.WithSubResourceBody(scale),
		client.FieldOwner("kube-controller-manager"))
	if err != nil {
		t.Fatal(err)
	}
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	until(t, "the image is as it was", func() bool { return image(t, ns) != "example.com/by-hand" })
	if replicas := *get(t, deployment(ns)).Spec.Replicas; replicas != 3 {
		t.Errorf("the correction set %d replicas", replicas)
	}
	apply(t, withValues(hr, `{"message":"upgraded","token":""}`))
	awaitReady(t, hr)
	if found := get(t, deployment(ns)); *found.Spec.Replicas != 3 ||
		found.Spec.Template.Annotations["message"] != "upgraded" {
		t.Errorf("the upgrade set %d replicas, %v", *found.Spec.Replicas, found.Spec.Template.Annotations)
	}
	// A person who scales by hand is no autoscaler.
	other := anotherRelease(t, ns)
	scale = &autoscalingv1.Scale{Spec: autoscalingv1.ScaleSpec{Replicas: 5}}
	if err := world.cluster.Client.SubResource("scale").Update(t.Context(), deploymentOf(other),
		client.WithSubResourceBody(scale), client.FieldOwner("kubectl")); err != nil {
		t.Fatal(err)
	}
	until(t, "what was scaled by hand is as it was", func() bool {
		return *get(t, deploymentOf(other)).Spec.Replicas == 1
	})
}

// anotherRelease is another release of the chart in the same namespace.
func anotherRelease(t *testing.T, ns string) *v1beta1.HelmRelease {
	t.Helper()
	hr := release(ns, "other", "sample", "*", "charts", `{"message":"runs","token":""}`)
	hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftEnabled}
	apply(t, hr)
	awaitReady(t, hr)
	return hr
}

func deploymentOf(hr *v1beta1.HelmRelease) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: hr.Namespace, Name: hr.Name}}
}

func TestAFightEndsWithTheNameOfTheRival(t *testing.T) {
	t.Parallel()
	ns, hr := driftRelease(t, v1beta1.DriftEnabled)
	before := image(t, ns)
	for i := range 6 {
		editAs(t, "rival-operator", deployment(ns), strings.ReplaceAll(setImage, "by-hand", fmt.Sprint("rival-", i)))
		until(t, "the image is as it was", func() bool { return image(t, ns) == before })
	}
	editAs(t, "rival-operator", deployment(ns), setImage)
	says(t, awaitDrifted(t, hr, v1beta1.DriftFightReason).Message, "Deployment "+ns+"/web", "rival-operator",
		"left alone until")
	if image(t, ns) != "example.com/by-hand" {
		t.Error("the fight continues")
	}
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	editAs(t, "kubectl-edit", config, `{"data":{"message":"by hand"}}`)
	until(t, "another object is corrected all the same", func() bool {
		return configMap(t, ns, "web")["message"] == "runs"
	})
}

func TestAnObjectOfSomebodyElseIsNotTaken(t *testing.T) {
	t.Parallel()
	ns, hr := driftRelease(t, v1beta1.DriftEnabled)
	hr.Spec.Suspend = true
	apply(t, hr)
	until(t, "the release is suspended", func() bool { return get(t, hr).Spec.Suspend })
	config := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	remove(t, config)
	until(t, "the ConfigMap is gone", func() bool { return !exists(t, config) })
	apply(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{
		Namespace: ns, Name: "web", Labels: map[string]string{"app.kubernetes.io/managed-by": "Helm"},
		Annotations: map[string]string{"meta.helm.sh/release-name": "theirs", "meta.helm.sh/release-namespace": ns},
	}, Data: map[string]string{"message": "theirs"}})
	hr.Spec.Suspend = false
	apply(t, hr)
	says(t, awaitDrifted(t, hr, v1beta1.DriftDetectedReason).Message, "ConfigMap "+ns+"/web", "theirs")
	if message := configMap(t, ns, "web")["message"]; message != "theirs" {
		t.Errorf("it was overwritten with %q", message)
	}
}

func TestDriftThatCannotBeCorrectedIsTold(t *testing.T) {
	t.Parallel()
	ns, hr := driftRelease(t, v1beta1.DriftEnabled)
	// One request changes the data and makes it immutable.
	editAs(t, "kubectl-edit", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}},
		`{"immutable":true,"data":{"message":"by hand"}}`)
	until(t, "the refusal is reported", func() bool {
		message := condition(t, hr, v1beta1.DriftedCondition).Message
		return condition(t, hr, v1beta1.DriftedCondition).Status == metav1.ConditionTrue &&
			strings.Contains(message, "immutable")
	})
	before := image(t, ns)
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	until(t, "other objects are corrected all the same", func() bool { return image(t, ns) == before })
}

func TestDriftRulesThatCannotBeUnderstood(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	pointer := release(ns, "pointer", "sample", "*", "charts", "")
	pointer.Spec.DriftDetection = &v1beta1.DriftDetection{
		Ignore: []v1beta1.DriftIgnoreRule{{Paths: []string{"/fine"}}, {Paths: []string{"spec.replicas"}}},
	}
	cel := release(ns, "cel", "sample", "*", "charts", "")
	cel.Spec.HealthCheckExprs = []v1beta1.HealthCheckExpr{
		{APIVersion: "example.com/v1", Kind: "Widget", Current: "status.phase =="},
	}
	pin := release(ns, "pin", "sample", "*", "charts", "")
	pin.Annotations = map[string]string{v1beta1.RollbackRequestAnnotation: "{"}
	apply(t, pointer, cel, pin)
	for _, tt := range []struct {
		hr     *v1beta1.HelmRelease
		reason string
		texts  []string
	}{
		{pointer, v1beta1.InvalidDriftRuleReason, []string{"spec.driftDetection.ignore", "1", "spec.replicas"}},
		{cel, v1beta1.InvalidCELExpressionReason, []string{"spec.healthCheckExprs[0].current", "column"}},
		{pin, v1beta1.InvalidReferenceReason, []string{v1beta1.RollbackRequestAnnotation, "JSON"}},
	} {
		says(t, awaitNotReady(t, tt.hr, tt.reason).Message, tt.texts...)
		if condition(t, tt.hr, v1beta1.StalledCondition).Status != metav1.ConditionTrue {
			t.Errorf("%s is not stalled", tt.hr.Name)
		}
	}
}

func TestDriftIsFoundAfterARestart(t *testing.T) {
	ns := namespace(t)
	alone(t)
	v := newVictim(t, ns, "controller")
	fragileCharts(t, ns)
	hr := fragileRelease(ns, "web", `{"message":"runs","token":""}`)
	hr.Spec.DriftDetection = &v1beta1.DriftDetection{Mode: v1beta1.DriftEnabled}
	v.install(t, hr)
	before := image(t, ns)
	v.kill()
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	remove(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	v.start(t)
	until(t, "what was changed meanwhile is corrected", func() bool {
		return image(t, ns) == before &&
			exists(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	})
	// With nothing changed, a restart compares everything without asking for any of it.
	v.kill()
	v.start(t)
	since := v.proxy.Counts()
	editAs(t, "kubectl-edit", deployment(ns), setImage)
	until(t, "the last edit is corrected", func() bool { return image(t, ns) == before })
	for key, count := range v.proxy.Since(since) {
		if key.Resource == "configmaps" && key.Verb != "watch" && key.Verb != "list" {
			t.Errorf("%d requests %s for ConfigMaps that nobody had changed", count, key.Verb)
		}
	}
}
