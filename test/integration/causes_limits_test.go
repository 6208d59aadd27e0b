package integration

import (
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"fairlead.dev/fairlead/api/v1beta1"
)

// noise returns bytes that no compression makes shorter, the same ones every time.
func noise(length int) string {
	content := make([]byte, length)
	_, _ = rand.NewChaCha8([32]byte{1}).Read(content) // never fails
	return string(content)
}

// A record that does not fit into a Secret leaves out the files of the chart, and that is reported.
func TestARecordWithoutTheFiles(t *testing.T) {
	t.Parallel()
	ns, charts, hr := frailRelease(t, map[string]string{"files/large.bin": noise(1_200_000)})
	says(t, condition(t, hr, v1beta1.ReadyCondition).Message, "revision 1 runs sample 1.0.0", "record", "too large",
		"lacks the chart's files")
	if got := mustRun(t, "helm", "get", "values", "web", "-n", ns, "-o", "json"); !strings.Contains(got,
		`"message":"runs"`) {
		t.Errorf("the helm command cannot read the record: %s", got)
	}
	addChart(t, charts, "1.1.0", nil)
	awaitVersion(t, hr, "1.1.0")
	if ready := condition(t, hr, v1beta1.ReadyCondition); strings.Contains(ready.Message, "lacks") {
		t.Errorf("a chart that fits is told as %q", ready.Message)
	}
}

// What does not fit even so is not begun.
func TestARecordThatIsTooLarge(t *testing.T) {
	t.Parallel()
	large := map[string]string{"files/one": noise(600_000), "files/two": noise(600_001), "templates/large.yaml": `{{- range $name := list "one" "two" }}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: large-{{ $name }}}
binaryData: {content: {{ $.Files.Get (printf "files/%s" $name) | b64enc }}}
{{- end }}
`}
	ns, charts, hr := frailRelease(t, nil)
	addChart(t, charts, "1.1.0", large)
	ready := awaitNotReady(t, hr, v1beta1.StorageErrorReason)
	says(t, ready.Message, ns+"/web to sample 1.1.0", "record", "a Secret holds at most 1040384", "splitting the release",
		"nothing in the cluster was changed")
	if exists(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "large-one"}}) ||
		configMap(t, ns, "web")["version"] != "1.0.0" {
		t.Error("something of the chart was applied")
	}
	if n := records(t, ns, "web"); n != 1 {
		t.Errorf("there are %d records, want that of what runs", n)
	}
	addChart(t, charts, "1.1.1", nil)
	awaitVersion(t, hr, "1.1.1")
}

// What a ServiceAccount may not do is reported with its name, and done once it may.
func TestARightThatIsMissing(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	rules := []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"*"}, Verbs: []string{"*"}}}
	role := deployer(t, ns, rules)
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.ServiceAccountName = "deployer"
	apply(t, hr)
	ready := awaitNotReady(t, hr, v1beta1.AccessDeniedReason)
	says(t, ready.Message, "system:serviceaccount:"+ns+":deployer", `resource "deployments"`, "forbidden",
		"the controller retries")
	if exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}) {
		t.Error("the Deployment was made with rights that the ServiceAccount lacks")
	}
	role.Rules = append(role.Rules,
		rbacv1.PolicyRule{APIGroups: []string{"apps"}, Resources: []string{"*"}, Verbs: []string{"*"}})
	apply(t, role)
	requestNow(t, hr)
	awaitReady(t, hr)
}

// deployer is a ServiceAccount with these rights in its namespace.
func deployer(t *testing.T, ns string, rules []rbacv1.PolicyRule) *rbacv1.Role {
	t.Helper()
	named := metav1.ObjectMeta{Namespace: ns, Name: "deployer"}
	role := &rbacv1.Role{ObjectMeta: named, Rules: rules}
	apply(t, role, &corev1.ServiceAccount{ObjectMeta: named}, &rbacv1.RoleBinding{
		ObjectMeta: named, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "deployer"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: ns, Name: "deployer"}},
	})
	return role
}

// A deleted object whose ServiceAccount is gone waits, and says how it can continue.
func TestAServiceAccountThatIsGoneAtTheEnd(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	deployer(t, ns, []rbacv1.PolicyRule{{APIGroups: []string{"", "apps"}, Resources: []string{"*"}, Verbs: []string{"*"}}})
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.ServiceAccountName = "deployer"
	apply(t, hr)
	awaitReady(t, hr)
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "deployer"}}
	remove(t, account)
	remove(t, hr)
	ready := awaitNotReady(t, hr, v1beta1.AccessDeniedReason)
	says(t, ready.Message, "cannot uninstall "+ns+"/web", "ServiceAccount "+ns+"/deployer does not exist",
		"when it is created", "spec.deletionPolicy to Orphan")
	hr.Spec.DeletionPolicy = v1beta1.DeletionPolicyOrphan
	apply(t, hr)
	until(t, "the object is gone", func() bool { return !exists(t, hr) })
	if !exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}) ||
		records(t, ns, "web") != 1 {
		t.Error("the release that was to be left behind is not there")
	}
}

// Nothing can be made in a namespace that is being deleted. Once it is gone, it is recreated.
func TestAnInstallIntoANamespaceThatGoes(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	target := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-target"}}
	holder := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Namespace: target.Name, Name: "holder", Finalizers: []string{"fairlead.test/hold"}},
	}
	apply(t, target)
	if err := world.cluster.Client.Create(t.Context(), holder); err != nil { // Apply leaves finalizers out
		t.Fatal(err)
	}
	remove(t, target)
	until(t, "the namespace is being deleted", func() bool { return !get(t, target).DeletionTimestamp.IsZero() })
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.ReleaseName, hr.Spec.TargetNamespace, hr.Spec.Install = "web", target.Name, &v1beta1.Install{
		CreateNamespace: true,
	}
	apply(t, hr)
	ready := awaitNotReady(t, hr, v1beta1.InstallFailedReason)
	says(t, ready.Message, target.Name+"/web", `"web"`, "namespace "+target.Name, "being terminated",
		"the controller retries")
	if exists(t, &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: target.Name, Name: "web"}}) {
		t.Error("there is an object in a namespace that is being deleted")
	}
	until(t, "the object lets the namespace go", func() bool { // the API server marks it for deletion meanwhile
		live := get(t, holder)
		live.SetFinalizers(nil)
		return world.cluster.Client.Update(t.Context(), live) == nil
	})
	until(t, "the namespace is gone", func() bool { return !exists(t, target) })
	requestNow(t, hr)
	awaitReady(t, hr)
	if !exists(t, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: target.Name, Name: "web"}}) {
		t.Error("the release is Ready without its Deployment")
	}
}

// A definition that drops a version in which objects are stored stays as it is, and so does the release.
func TestADefinitionThatDropsAStoredVersion(t *testing.T) {
	t.Parallel()
	const group, name = "dropped.fairlead.test", "widgets.dropped.fairlead.test"
	served := func(versions ...string) map[string]string {
		return map[string]string{"crds/widgets.yaml": string(definition(group, "widgets", "Widget", versions...).File.Data)}
	}
	ns, charts, hr := frailRelease(t, served("v1"))
	hr.Spec.Upgrade.CRDs = v1beta1.CRDsCreateReplace
	apply(t, hr)
	awaitReady(t, hr)
	addChart(t, charts, "1.1.0", served("v2"))
	ready := awaitNotReady(t, hr, v1beta1.CRDsFailedReason)
	says(t, ready.Message, "CustomResourceDefinition "+name, "crds/widgets.yaml", "drops version v1",
		"status.storedVersions", "nothing in the cluster was changed")
	live := get(t, &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: name}})
	if len(live.Spec.Versions) != 1 || live.Spec.Versions[0].Name != "v1" ||
		configMap(t, ns, "web")["version"] != "1.0.0" || records(t, ns, "web") != 1 {
		t.Errorf("something was changed; the versions are %+v", live.Spec.Versions)
	}
	addChart(t, charts, "1.1.1", served("v1", "v2"))
	awaitVersion(t, hr, "1.1.1")
}

// A patch that cannot be applied is reported with its place, before anything is.
func TestAPatchThatCannotBeApplied(t *testing.T) {
	t.Parallel()
	ns, _, hr := frailRelease(t, nil)
	patch := func(text string) {
		hr.Spec.PostRenderers = []v1beta1.PostRenderer{{Kustomize: &v1beta1.Kustomize{Patches: []v1beta1.Patch{
			{Patch: text, Target: &v1beta1.Selector{Kind: "ConfigMap"}},
		}}}}
		apply(t, hr)
	}
	patch("- {op: replace, path: /spec/nowhere, value: 3}")
	ready := awaitNotReady(t, hr, v1beta1.RenderFailedReason)
	says(t, ready.Message, "spec.postRenderers[0], patch 0", "ConfigMap web", "/spec/nowhere",
		"nothing in the cluster was changed")
	patch("- {op: replace, path: [")
	until(t, "the patch that is no YAML is reported", func() bool {
		now := condition(t, hr, v1beta1.ReadyCondition)
		return now.Reason == v1beta1.RenderFailedReason && now.ObservedGeneration == hr.Generation &&
			strings.Contains(now.Message, "spec.postRenderers[0], patch 0")
	})
	if records(t, ns, "web") != 1 || configMap(t, ns, "web")["message"] != "runs" {
		t.Error("something in the cluster was changed")
	}
	patch("- {op: replace, path: /data/message, value: fixed}")
	until(t, "the patched release is there", func() bool { return configMap(t, ns, "web")["message"] == "fixed" })
	awaitReady(t, hr)
}

// No program is run for a kubeconfig, and nothing of it is shown.
func TestAKubeconfigThatWantsAProgram(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	config, err := clientcmd.LoadFromFile(world.cluster.Kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if err := api.FlattenConfig(config); err != nil {
		t.Fatal(err)
	}
	good, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	ran := t.TempDir() + "/ran"
	for _, user := range config.AuthInfos {
		user.Exec = &api.ExecConfig{
			APIVersion: "client.authentication.k8s.io/v1", Command: "touch", Args: []string{ran, hidden},
			InteractiveMode: api.NeverExecInteractiveMode,
		}
	}
	bad, err := clientcmd.Write(*config)
	if err != nil {
		t.Fatal(err)
	}
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.KubeConfig = &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "later"}}
	apply(t, valuesSecret(ns, "value", string(bad)), hr)
	ready := awaitNotReady(t, hr, v1beta1.KubeConfigInvalidReason)
	says(t, ready.Message, "the kubeconfig is refused", "its user runs a program (exec)",
		"use a token or client-certificate-data")
	if _, err := os.Stat(ran); err == nil {
		t.Error("the program of the kubeconfig was run")
	}
	nothingShown(t, ns, hidden)
	apply(t, valuesSecret(ns, "value", string(good)))
	awaitReady(t, hr)
}
