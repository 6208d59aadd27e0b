package gitops

import (
	"encoding/json"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/install"
	"fairlead.dev/fairlead/test/env"
)

// as returns a client that acts as a user.
func as(t *testing.T, user string, groups ...string) client.Client {
	t.Helper()
	scheme, err := env.Scheme()
	if err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(world.cluster.Config)
	config.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: append(groups, "system:authenticated")}
	out, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// grant binds a user to a role of Kubernetes in a namespace.
func grant(t *testing.T, ns, user, role string) {
	t.Helper()
	world.cluster.MustApply(t, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: user},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: user}},
	})
}

// tryCreate asks whether an object could be created.
func tryCreate(t *testing.T, by client.Client, object client.Object) error {
	t.Helper()
	return by.Create(t.Context(), object, client.DryRunAll)
}

func releaseIn(ns string, spec v1beta1.HelmReleaseSpec) *v1beta1.HelmRelease {
	if spec.Chart == nil && spec.ChartRef == nil {
		spec.ChartRef = &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "web"}
	}
	return &v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: spec}
}

func kustomizationIn(ns string, spec v1beta1.KustomizationSpec) *v1beta1.Kustomization {
	if spec.SourceRef.Name == "" {
		spec.SourceRef.Kind, spec.SourceRef.Name = v1beta1.GitRepositoryKind, "web"
	}
	return &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: spec}
}

// installStrict installs with strict tenancy, and makes a namespace in which the user alice has the role edit of
// Kubernetes. It returns once roles and policies are in force.
func installStrict(t *testing.T, args ...string) (ns string, alice client.Client) {
	t.Helper()
	remove(t)
	must(t, append([]string{"install", "--wait", "--image", image, "--tenancy", "strict"}, args...)...)
	ns = world.cluster.Namespace(t)
	grant(t, ns, "alice", "edit")
	alice = as(t, "alice", "team-a")
	env.Await(t, "the role edit has the kinds of Fairlead", func() bool {
		return tryCreate(t, alice, releaseIn(ns, v1beta1.HelmReleaseSpec{})) == nil
	})
	env.Await(t, "the policies are in force", func() bool {
		dependent := releaseIn(ns,
			v1beta1.HelmReleaseSpec{DependsOn: []v1beta1.DependencyReference{{Name: "x", Namespace: "elsewhere"}}})
		receiver := &v1beta1.Receiver{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: receiverOf("elsewhere"),
		}
		applied := kustomizationIn(ns, v1beta1.KustomizationSpec{SourceRef: v1beta1.ManifestSourceReference{
			Kind: v1beta1.GitRepositoryKind, Name: "x", Namespace: "elsewhere",
		}})
		for _, object := range []client.Object{dependent, receiver, applied, generatorIn(ns, "elsewhere")} {
			if tryCreate(t, alice, object) == nil {
				return false
			}
		}
		return true
	})
	return ns, alice
}

// generatorIn declares a generator of an artifact of a repository in a namespace.
func generatorIn(ns, namespace string) *v1beta1.ArtifactGenerator {
	return &v1beta1.ArtifactGenerator{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"},
		Spec: v1beta1.ArtifactGeneratorSpec{
			Sources: []v1beta1.ArtifactSourceReference{
				{Alias: "repo", Kind: v1beta1.GitRepositoryKind, Name: "x", Namespace: namespace},
			},
			OutputArtifacts: []v1beta1.OutputArtifact{{
				Name: "web", Copy: []v1beta1.CopyOperation{{From: "@repo/**", To: "@artifact/"}},
			}},
		},
	}
}

func receiverOf(namespace string) v1beta1.ReceiverSpec {
	return v1beta1.ReceiverSpec{
		Type: "generic", SecretRef: &v1beta1.LocalObjectReference{Name: "token"},
		Resources: []v1beta1.ReceiverResource{{Kind: v1beta1.GitRepositoryKind, Name: "x", Namespace: namespace}},
	}
}

// A strict installation is complete, says so, and changes nothing when it is repeated.
func TestInstallStrict(t *testing.T) {
	remove(t)
	out := must(t, "install", "--wait", "--image", image, "--tenancy", "strict")
	for _, want := range []string{
		"created ValidatingAdmissionPolicy fairlead-status", "created NetworkPolicy fairlead-system/fairlead-controller",
	} {
		if !strings.Contains(out, want) {
			t.Errorf("install lacks %q:\n%s", want, out)
		}
	}
	var checks struct{ Items []install.Check }
	if err := json.Unmarshal([]byte(output(t, "check", "-o", "json")), &checks); err != nil {
		t.Fatal(err)
	}
	tenancy := ""
	for _, c := range checks.Items {
		if c.Outcome != install.Passed {
			t.Errorf("%+v", c)
		}
		if c.Name == "tenancy" {
			tenancy = c.Message
		}
	}
	if !strings.HasPrefix(tenancy, "strict") {
		t.Errorf("check says of the tenancy %q", tenancy)
	}
	if out := must(t, "install", "--wait", "--image", image, "--tenancy", "strict"); !strings.Contains(out,
		"nothing was changed") {
		t.Errorf("a second install prints\n%s", out)
	}

	binding := &admissionv1.ValidatingAdmissionPolicyBinding{ObjectMeta: metav1.ObjectMeta{Name: "fairlead-status"}}
	if err := world.cluster.Client.Delete(t.Context(), binding); err != nil {
		t.Fatal(err)
	}
	if out := must(t, "check"); !strings.Contains(out,
		"gaps: ValidatingAdmissionPolicyBinding fairlead-status does not exist") {
		t.Errorf("check of an installation with a gap prints\n%s", out)
	}

	back := must(t, "install", "--wait", "--image", image)
	if !strings.Contains(back, "deleted ValidatingAdmissionPolicy fairlead-helmreleases") ||
		!strings.Contains(back, "created ClusterRoleBinding fairlead-release-admin") {
		t.Errorf("going back to shared prints\n%s", back)
	}
	fails(t, 2, "contradicts --tenancy=strict", "install", "--wait", "--image", image, "--tenancy", "strict",
		"--default-service-account", "")
}

// Who has the role edit of Kubernetes in a namespace declares releases there, and nothing that reaches another
// namespace.
func TestPoliciesForTenants(t *testing.T) {
	ns, alice := installStrict(t)
	elsewhere := "elsewhere"
	kubeconfig := &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "remote"}}
	chartOf := func(namespace string) *v1beta1.HelmChartTemplate {
		return &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
			Chart:     "web",
			SourceRef: v1beta1.SourceReference{Kind: v1beta1.HelmRepositoryKind, Name: "charts", Namespace: namespace},
		}}
	}
	tests := map[string]struct {
		object client.Object
		says   string
	}{
		"a release": {releaseIn(ns, v1beta1.HelmReleaseSpec{}), ""},
		"a release that names its own namespace everywhere": {releaseIn(ns, v1beta1.HelmReleaseSpec{
			TargetNamespace: ns, StorageNamespace: ns, Chart: chartOf(ns),
			DependsOn: []v1beta1.DependencyReference{{Name: "db", Namespace: ns}, {Name: "x"}},
		}), ""},
		"the target is another namespace": {releaseIn(ns, v1beta1.HelmReleaseSpec{TargetNamespace: elsewhere}),
			"spec.targetNamespace is another namespace"},
		"the records are in another namespace": {releaseIn(ns, v1beta1.HelmReleaseSpec{StorageNamespace: elsewhere}),
			"spec.storageNamespace is another namespace"},
		"a release on another cluster": {releaseIn(ns, v1beta1.HelmReleaseSpec{KubeConfig: kubeconfig}),
			"spec.kubeConfig is not allowed"},
		"a chart of another namespace": {releaseIn(ns, v1beta1.HelmReleaseSpec{Chart: chartOf(elsewhere)}),
			"spec.chart.spec.sourceRef.namespace"},
		"a chart reference elsewhere": {
			releaseIn(ns,
				v1beta1.HelmReleaseSpec{
					ChartRef: &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "x", Namespace: elsewhere},
				}), "spec.chartRef.namespace"},
		"values of another namespace": {
			releaseIn(ns, v1beta1.HelmReleaseSpec{ValuesFrom: []v1beta1.ValuesReference{
				{Kind: "ConfigMap", Name: "own"},
				{Kind: v1beta1.GitRepositoryKind, Name: "x", Namespace: elsewhere, Path: "values.yaml"},
			}}), "spec.valuesFrom[].namespace"},
		"a dependency of another namespace": {
			releaseIn(ns, v1beta1.HelmReleaseSpec{DependsOn: []v1beta1.DependencyReference{{Name: "x", Namespace: elsewhere}}}),
			"spec.dependsOn[].namespace"},
		"a Kustomization": {
			kustomizationIn(ns, v1beta1.KustomizationSpec{Overlay: v1beta1.Overlay{TargetNamespace: elsewhere}}), ""},
		"manifests of another namespace": {
			kustomizationIn(ns,
				v1beta1.KustomizationSpec{
					SourceRef: v1beta1.ManifestSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "x", Namespace: elsewhere},
				}), "spec.sourceRef.namespace"},
		"a Kustomization on another cluster": {kustomizationIn(ns, v1beta1.KustomizationSpec{KubeConfig: kubeconfig}),
			"spec.kubeConfig is not allowed"},
		"a Kustomization waits for elsewhere": {
			kustomizationIn(ns,
				v1beta1.KustomizationSpec{DependsOn: []v1beta1.DependencyReference{{Name: "x", Namespace: elsewhere}}}),
			"spec.dependsOn[].namespace"},
		"a receiver": {
			&v1beta1.Receiver{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: receiverOf("")}, ""},
		"a receiver for another namespace": {
			&v1beta1.Receiver{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}, Spec: receiverOf(elsewhere)},
			"spec.resources[].namespace"},
		"a generator":              {generatorIn(ns, ""), ""},
		"a generator of elsewhere": {generatorIn(ns, elsewhere), "spec.sources[].namespace"},
	}
	for name, tt := range tests {
		admin := tt.object.DeepCopyObject().(client.Object)
		err := tryCreate(t, alice, tt.object)
		switch {
		case tt.says == "" && err != nil:
			t.Errorf("%s is refused: %v", name, err)
		case tt.says != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), tt.says)):
			t.Errorf("%s: error %v, want a refusal that says %q", name, err, tt.says)
		}
		if err := tryCreate(t, as(t, "root", "kubeadm:cluster-admins", "system:masters"), admin); err != nil {
			t.Errorf("%s is refused to an administrator: %v", name, err)
		}
	}

	// A change is checked like a new object.
	hr := releaseIn(ns, v1beta1.HelmReleaseSpec{})
	if err := alice.Create(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
	patch := client.RawPatch("application/merge-patch+json",
		[]byte(`{"spec":{"kubeConfig":{"secretRef":{"name":"remote"}}}}`))
	if err := alice.Patch(t.Context(), hr, patch); !apierrors.IsForbidden(err) {
		t.Errorf("a change to another cluster: error %v", err)
	}

	// An administrator lets a namespace reach others; its tenants cannot do so themselves.
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns}}
	label := client.RawPatch("application/merge-patch+json",
		[]byte(`{"metadata":{"labels":{"fairlead.dev/target-namespaces":"any"}}}`))
	if err := alice.Patch(t.Context(), namespace, label); !apierrors.IsForbidden(err) {
		t.Errorf("a tenant labels its namespace: error %v", err)
	}
	if err := world.cluster.Client.Patch(t.Context(), namespace, label); err != nil {
		t.Fatal(err)
	}
	env.Await(t, "the label of the namespace is in force", func() bool {
		return tryCreate(t, alice,
			&v1beta1.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "other"}, Spec: v1beta1.HelmReleaseSpec{
				TargetNamespace: elsewhere, StorageNamespace: elsewhere,
				ChartRef: &v1beta1.ChartSourceReference{Kind: v1beta1.OCIRepositoryKind, Name: "x"},
			}}) == nil
	})
}

// Only the controller and administrators write a status; other users cannot, even with a role that has it.
func TestStatusIsTheControllersAlone(t *testing.T) {
	ns, alice := installStrict(t)
	repository := &v1beta1.OCIRepository{
		ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "charts"},
		Spec:       v1beta1.OCIRepositorySpec{URL: "oci://registry.example.com/charts"},
	}
	if err := alice.Create(t.Context(), repository); err != nil {
		t.Fatal(err)
	}
	claim := client.RawPatch("application/merge-patch+json", []byte(`{"status":{"observedGeneration":7}}`))
	if err := alice.Status().Patch(t.Context(), repository.DeepCopy(), claim); !apierrors.IsForbidden(err) ||
		strings.Contains(err.Error(), "ValidatingAdmissionPolicy") {
		t.Errorf("the role edit has the status: error %v", err)
	}

	world.cluster.MustApply(t,
		&rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "all"}, Rules: []rbacv1.PolicyRule{
			{APIGroups: []string{"fairlead.dev"}, Resources: []string{"*", "*/status"}, Verbs: []string{"*"}},
		}},
		&rbacv1.RoleBinding{
			ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "all"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "all"},
			Subjects:   []rbacv1.Subject{{Kind: "User", APIGroup: rbacv1.GroupName, Name: "alice"}},
		})
	env.Await(t, "the policy refuses the status", func() bool {
		err := alice.Status().Patch(t.Context(), repository.DeepCopy(), claim, client.DryRunAll)
		return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "only the controller of Fairlead writes a status")
	})
	for user, groups := range map[string][]string{
		"system:serviceaccount:fairlead-system:fairlead-controller": nil, "root": {"system:masters"},
	} {
		if err := as(t, user, groups...).Status().Patch(t.Context(), repository.DeepCopy(), claim,
			client.DryRunAll); err != nil {
			t.Errorf("%s may not write a status: %v", user, err)
		}
	}
}

// The roles of Kubernetes have the kinds of Fairlead: view reads, edit writes.
func TestRolesOfTenants(t *testing.T) {
	ns, alice := installStrict(t, "--allow-kubeconfig")
	grant(t, ns, "bob", "view")
	bob := as(t, "bob")
	env.Await(t, "the role view has the kinds of Fairlead", func() bool {
		return bob.List(t.Context(), &v1beta1.HelmReleaseList{}, client.InNamespace(ns)) == nil
	})
	if err := tryCreate(t, bob, releaseIn(ns, v1beta1.HelmReleaseSpec{})); !apierrors.IsForbidden(err) {
		t.Errorf("view creates a release: error %v", err)
	}
	if err := alice.List(t.Context(), &v1beta1.ReceiverList{}, client.InNamespace(ns)); err != nil {
		t.Errorf("edit does not read: %v", err)
	}
	if err := alice.List(t.Context(), &v1beta1.HelmReleaseList{}); !apierrors.IsForbidden(err) {
		t.Errorf("edit in one namespace reads all: error %v", err)
	}

	remote := releaseIn(ns,
		v1beta1.HelmReleaseSpec{
			KubeConfig: &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "remote"}},
		})
	env.Await(t, "--allow-kubeconfig lets tenants name a kubeconfig", func() bool {
		return tryCreate(t, alice, remote.DeepCopy()) == nil
	})
}
