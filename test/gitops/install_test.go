package gitops

import (
	"encoding/json"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/test/env"
)

// Installing leaves a controller that can work, installing again leaves everything as it is, and uninstalling leaves
// nothing.
func TestInstall(t *testing.T) {
	must(t, "check", "--pre")
	fails(t, 1, "does not exist", "check")
	remove(t)
	previewsAnInstallation(t)
	if out := must(t, "install", "--wait", "--image", image); !strings.Contains(out,
		"created Deployment fairlead-system/fairlead-controller") ||
		!strings.Contains(out, "the controller is available") {
		t.Errorf("install prints\n%s", out)
	}
	var checks struct{ Items []install.Check }
	if err := json.Unmarshal([]byte(output(t, "check", "-o", "json")), &checks); err != nil || len(checks.Items) < 8 {
		t.Errorf("check -o json gives %d items: %v", len(checks.Items), err)
	}
	for _, c := range checks.Items {
		if c.Outcome != install.Passed {
			t.Errorf("%+v", c)
		}
	}
	before := versions(t)
	if out := must(t, "install", "--wait", "--image", image); !strings.Contains(out, "nothing was changed") {
		t.Errorf("a second install prints\n%s", out)
	}
	previewsAnUpgrade(t)
	for name, version := range versions(t) {
		if before[name] != version {
			t.Errorf("a second install, or a dry run, has written %s", name)
		}
	}
	newer := must(t, "install", "--wait", "--image", "registry.example.com/fairlead:v2", "--no-cluster-admin",
		"--no-tenant-roles")
	if !strings.Contains(newer, "changed Deployment") ||
		!strings.Contains(newer, "deleted ClusterRoleBinding fairlead-release-admin") ||
		!strings.Contains(newer, "deleted ClusterRole fairlead-view") || strings.Contains(newer, "changed ClusterRole ") {
		t.Errorf("an upgrade prints\n%s", newer)
	}
	if out := must(t, "check"); !strings.Contains(out, "warning  cluster-admin") {
		t.Errorf("check without cluster-admin prints\n%s", out)
	}
}

// previewsAnInstallation has a dry run in a cluster without Fairlead, where the namespace and the kinds of the
// objects come with them.
func previewsAnInstallation(t *testing.T) {
	t.Helper()
	out := must(t, "install", "--dry-run", "--image", image)
	for _, object := range []string{
		"Namespace fairlead-system", "CustomResourceDefinition helmreleases.fairlead.dev", "Deployment fairlead-system/fairlead-controller",
	} {
		if !strings.Contains(out, "created "+object+" (dry run)\n") {
			t.Errorf("a dry run does not say that it would create the %s:\n%s", object, out)
		}
	}
	if world.cluster.Exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: install.Namespace}}) {
		t.Error("a dry run has created the namespace")
	}
	fails(t, 2, "leave out one of them", "install", "--dry-run", "--wait", "--image", image)
	fails(t, 2, "leave out one of them", "install", "--dry-run", "--export", "--image", image)
}

// previewsAnUpgrade has dry runs of the installation that is there, and of one with another image and fewer rights.
func previewsAnUpgrade(t *testing.T) {
	t.Helper()
	if out := must(t, "install", "--dry-run", "--image", image); !strings.Contains(out, "nothing would be changed") {
		t.Errorf("a dry run of what is installed prints\n%s", out)
	}
	out := must(t, "install", "--dry-run", "--image", "registry.example.com/fairlead:v2", "--no-cluster-admin")
	for _, want := range []string{
		"changed Deployment fairlead-system/fairlead-controller (dry run)\n  replace /spec/template/spec/containers/0/image: \"" + image + "\" → \"registry.example.com/fairlead:v2\"",
		"deleted ClusterRoleBinding fairlead-release-admin (dry run)",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("a dry run of an upgrade lacks %q:\n%s", want, out)
		}
	}
}

// A field that another client has set, and that cannot be together with what is applied, goes.
func TestInstallRemovesFieldsThatExclude(t *testing.T) {
	remove(t)
	must(t, "install", "--image", image)
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: install.Controller}}
	patch := client.RawPatch(types.JSONPatchType, []byte(
		`[{"op":"replace","path":"/spec/template/spec/containers/0/livenessProbe","value":{"tcpSocket":{"port":8081}}}]`))
	if err := world.cluster.Client.Patch(t.Context(), deployment, patch, client.FieldOwner("someone")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"--dry-run"}, {}} {
		out := must(t, append([]string{"install", "--image", image}, args...)...)
		if !strings.Contains(out, "changed Deployment fairlead-system/fairlead-controller") {
			t.Errorf("install %v prints\n%s", args, out)
		}
	}
	probe := env.Read(t, world.cluster, deployment).Spec.Template.Spec.Containers[0].LivenessProbe
	if probe.HTTPGet == nil || probe.TCPSocket != nil {
		t.Errorf("the probe is %+v", probe)
	}
}

// An object that another Kustomization owns is not taken over, and nothing else is written.
func TestInstallRefusesObjectsOfOthers(t *testing.T) {
	remove(t)
	must(t, "install", "--image", image)
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "fairlead-view"}}
	owner := func(name string) {
		t.Helper()
		patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"`+v1beta1.KustomizationNameLabel+`":"`+name+`"}}}`))
		if err := world.cluster.Client.Patch(t.Context(), role, patch); err != nil {
			t.Fatal(err)
		}
	}
	owner("apps")
	before := versions(t)
	for _, args := range [][]string{{"--dry-run"}, {}} {
		fails(t, 2, "ClusterRole fairlead-view (components.yaml) belongs to Kustomization fairlead-system/apps",
			append([]string{"install", "--image", "registry.example.com/fairlead:v2"}, args...)...)
	}
	for name, version := range versions(t) {
		if before[name] != version {
			t.Errorf("an install that was refused has written %s", name)
		}
	}
	owner(install.Root)
}

// output is what a command that succeeds prints to standard output.
func output(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := world.cluster.Run(t, "fairlead", args...)
	if code != 0 {
		t.Fatalf("fairlead %s ended with %d:\n%s%s", strings.Join(args, " "), code, out, errs)
	}
	return out
}

// versions are those of what is installed and that no other object writes to.
func versions(t *testing.T) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, list := range []client.ObjectList{
		&apiextensionsv1.CustomResourceDefinitionList{}, &rbacv1.ClusterRoleList{}, &rbacv1.ClusterRoleBindingList{},
		&corev1.ServiceAccountList{}, &appsv1.DeploymentList{}, &corev1.ServiceList{},
	} {
		err := world.cluster.Client.List(t.Context(), list,
			client.MatchingLabels{v1beta1.KustomizationNameLabel: install.Root})
		if err != nil {
			t.Fatal(err)
		}
		raw, err := json.Marshal(list)
		if err != nil {
			t.Fatal(err)
		}
		var items struct {
			Items []metav1.PartialObjectMetadata
		}
		if err := json.Unmarshal(raw, &items); err != nil {
			t.Fatal(err)
		}
		for _, item := range items.Items {
			out[item.Name+" "+item.Namespace+" "+string(item.UID)] = item.ResourceVersion
		}
	}
	if len(out) < 10 {
		t.Fatalf("only %d objects are installed: %v", len(out), out)
	}
	return out
}

// Finalizers without a controller, things of others in the namespace, and a removal that is repeated.
func TestUninstallLeavesWhatItShould(t *testing.T) {
	must(t, "install", "--wait", "--image", image)
	ns := world.cluster.Namespace(t)
	hr := &v1beta1.HelmRelease{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: "held", Finalizers: []string{v1beta1.Finalizer, v1beta1.FormerFinalizer},
		},
		Spec: v1beta1.HelmReleaseSpec{
			ChartRef: &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "nothing"},
		},
	}
	foreign := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: install.Namespace, Name: "ours"}}
	applied := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: ns, Name: "applied", Labels: map[string]string{v1beta1.KustomizationNameLabel: "apps"},
		},
	}
	world.cluster.MustApply(t, hr, foreign, applied)
	fails(t, 2, "--yes", "uninstall")
	if out := must(t, "uninstall", "--yes"); !strings.Contains(out,
		"left: namespace fairlead-system, because others have something in it: configmaps ours") {
		t.Errorf("uninstall prints\n%s", out)
	}
	for _, object := range []client.Object{foreign, applied} {
		if !world.cluster.Exists(t, object) {
			t.Errorf("%s is gone", object.GetName())
		}
	}
	crds := &apiextensionsv1.CustomResourceDefinitionList{}
	if err := world.cluster.Client.List(t.Context(), crds); err != nil || len(crds.Items) != 0 {
		t.Errorf("%d definitions are left: %v", len(crds.Items), err)
	}
	if err := world.cluster.Client.Delete(t.Context(), foreign); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "uninstall", "--yes"); strings.Contains(out, "left:") {
		t.Errorf("uninstall leaves something although nobody has anything in the namespace any more:\n%s", out)
	}
	env.Await(t, "the namespace is gone", func() bool {
		return !world.cluster.Exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: install.Namespace}})
	})
}

// What an installation of the chart left is not ours to change.
func TestInstallKeepsOffTheChart(t *testing.T) {
	remove(t)
	must(t, "install", "--wait", "--image", image)
	deployment := &appsv1.Deployment{}
	key := client.ObjectKey{Namespace: install.Namespace, Name: install.Controller}
	label := func(value string) {
		t.Helper()
		if err := world.cluster.Client.Get(t.Context(), key, deployment); err != nil {
			t.Fatal(err)
		}
		patch := client.RawPatch("application/merge-patch+json",
			[]byte(`{"metadata":{"labels":{"app.kubernetes.io/managed-by":`+value+`}}}`))
		if err := world.cluster.Client.Patch(t.Context(), deployment, patch); err != nil {
			t.Fatal(err)
		}
	}
	label(`"Helm"`)
	fails(t, 2, "Helm chart", "install", "--wait", "--image", image)
	fails(t, 2, "Helm chart", "uninstall", "--yes")
	label("null")
}

// Exported manifests are those that are installed.
func TestExport(t *testing.T) {
	out := output(t, "install", "--wait", "--image", "registry.example.com:5000/fairlead@sha256:"+strings.Repeat("a", 64),
		"--export")
	if strings.Count(out, "\n---\n") < 14 ||
		!strings.Contains(out, "image: registry.example.com:5000/fairlead@sha256:aaaa") {
		t.Errorf("install --export prints\n%.2000s", out)
	}
	fails(t, 2, "no image", "install", "--wait", "--image", "fairlead", "--export")
}
