package config

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// generatedRole generates the ClusterRole again from the markers.
func generatedRole(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	generate := exec.Command("go", "tool", "controller-gen", "rbac:roleName=fairlead-controller",
		"paths=./controllers/...", "paths=./cmd/...", "output:rbac:dir="+dir)
	generate.Dir = root
	if out, err := generate.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	content, err := os.ReadFile(filepath.Join(dir, "role.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

func TestTheClusterRoleIsWhatTheMarkersSay(t *testing.T) {
	if diff := cmp.Diff(generatedRole(t), read(t, "config", "rbac", "role.yaml")); diff != "" {
		t.Errorf("config/rbac/role.yaml is not what make generate writes (-want +got):\n%s", diff)
	}
}

// rolesOf returns the rules that are bound to a ServiceAccount, by the name of their role. A role that is not there is
// one of Kubernetes.
func rolesOf(t *testing.T, all map[string]client.Object, account string) map[string][]rbacv1.PolicyRule {
	t.Helper()
	found := map[string][]rbacv1.PolicyRule{}
	bound := func(ref rbacv1.RoleRef, subjects []rbacv1.Subject, namespace string) {
		if !slices.ContainsFunc(subjects, func(s rbacv1.Subject) bool {
			return s.Kind == "ServiceAccount" && s.Name == account
		}) {
			return
		}
		key := strings.Join([]string{ref.Kind, namespace, ref.Name}, "/")
		switch role := all[key].(type) {
		case *rbacv1.ClusterRole:
			found[key] = role.Rules
		case *rbacv1.Role:
			found[key] = role.Rules
		default:
			t.Errorf("%s is bound, and not among the manifests", key)
		}
	}
	for _, object := range all {
		switch binding := object.(type) {
		case *rbacv1.ClusterRoleBinding:
			bound(binding.RoleRef, binding.Subjects, "")
		case *rbacv1.RoleBinding:
			bound(binding.RoleRef, binding.Subjects, binding.Namespace)
		}
	}
	return found
}

// checkNarrow checks that rules have no wildcard and nothing that leads to further rights, but to impersonate
// ServiceAccounts.
func checkNarrow(t *testing.T, name string, rules []rbacv1.PolicyRule) {
	t.Helper()
	if len(rules) == 0 {
		t.Errorf("%s has no rules", name)
	}
	for _, rule := range rules {
		all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs)
		if slices.ContainsFunc(all, func(s string) bool { return strings.Contains(s, "*") }) {
			t.Errorf("%s has a wildcard: %v", name, rule)
		}
		if slices.Contains(rule.Verbs, "impersonate") && !cmp.Equal(rule.Resources, []string{"serviceaccounts"}) {
			t.Errorf("%s lets others than ServiceAccounts be impersonated: %v", name, rule)
		}
		for _, verb := range []string{"escalate", "bind", "delete", "deletecollection"} {
			if slices.Contains(rule.Verbs, verb) && (verb != "delete" || !isMade(rule.Resources)) {
				t.Errorf("%s has the verb %s: %v", name, verb, rule)
			}
		}
		if slices.Contains(rule.Resources, "secrets") && !cmp.Equal(rule.Verbs, []string{"get", "list", "watch"}) {
			t.Errorf("%s lets secrets be written: %v", name, rule)
		}
	}
}

// isMade reports whether objects of these kinds are made by the controller, which therefore deletes its own.
func isMade(resources []string) bool {
	made := []string{
		"configmaps", "externalartifacts", "helmcharts", "ocirepositories", "promotions", "releasepipelines",
		"releaseplans",
	}
	return !slices.ContainsFunc(resources, func(r string) bool { return !slices.Contains(made, r) })
}

func TestTheClusterRoleIsNarrow(t *testing.T) {
	role := &rbacv1.ClusterRole{}
	if err := yaml.UnmarshalStrict([]byte(read(t, "config", "rbac", "role.yaml")), role); err != nil {
		t.Fatal(err)
	}
	checkNarrow(t, role.Name, role.Rules)
}

func TestTheDefaultInstall(t *testing.T) {
	all := byName(t, objects(t, scheme(t), kustomize(t, "config", "default")))
	admin := get[*rbacv1.ClusterRoleBinding](t, all, "ClusterRoleBinding//fairlead-release-admin")
	if admin.RoleRef.Name != "cluster-admin" {
		t.Errorf("the removable binding is to %s", admin.RoleRef.Name)
	}
	for key, object := range all {
		if binding, ok := object.(*rbacv1.ClusterRoleBinding); ok && binding.RoleRef.Name == "cluster-admin" &&
			binding != admin {
			t.Errorf("%s binds cluster-admin too", key)
		}
	}
	deployment := get[*appsv1.Deployment](t, all, "Deployment/fairlead-system/fairlead-controller")
	if !cmp.Equal(deployment.Spec.Selector.MatchLabels, deployment.Spec.Template.Labels) {
		t.Error("the Deployment does not select its pods")
	}
	checkRestricted(t, deployment.Spec.Template.Spec)
	container := deployment.Spec.Template.Spec.Containers[0]
	if !ptr.Deref(container.SecurityContext.ReadOnlyRootFilesystem, false) {
		t.Error("the root file system can be written")
	}
	checkMemoryLimit(t, container)
	checkFlags(t, container.Args)
	service := get[*corev1.Service](t, all, "Service/fairlead-system/fairlead-metrics")
	for name, value := range service.Spec.Selector {
		if deployment.Spec.Template.Labels[name] != value {
			t.Errorf("the Service selects %s=%s, which the pods do not have", name, value)
		}
	}
}

// checkRestricted checks what the Pod Security Standard "restricted" asks for.
func checkRestricted(t *testing.T, pod corev1.PodSpec) {
	t.Helper()
	if pod.SecurityContext == nil || !ptr.Deref(pod.SecurityContext.RunAsNonRoot, false) ||
		ptr.Deref(pod.SecurityContext.RunAsUser, 0) == 0 {
		t.Error("the pod may run as root")
	}
	if pod.SecurityContext == nil || pod.SecurityContext.SeccompProfile == nil ||
		pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Error("the pod has no seccomp profile")
	}
	if pod.HostNetwork || pod.HostPID || pod.HostIPC {
		t.Error("the pod shares a namespace with the host")
	}
	for _, c := range pod.Containers {
		s := c.SecurityContext
		if s == nil || ptr.Deref(s.AllowPrivilegeEscalation, true) || s.Capabilities == nil ||
			!slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("container %s has more privileges than the standard allows", c.Name)
		}
	}
}

// checkMemoryLimit checks that GOMEMLIMIT leaves room below the limit of the container.
func checkMemoryLimit(t *testing.T, c corev1.Container) {
	t.Helper()
	limit := c.Resources.Limits.Memory().Value() >> 20
	for _, variable := range c.Env {
		if variable.Name != "GOMEMLIMIT" {
			continue
		}
		var soft int64
		for _, digit := range strings.TrimSuffix(variable.Value, "MiB") {
			soft = soft*10 + int64(digit-'0')
		}
		if soft < limit*80/100 || soft > limit*90/100 {
			t.Errorf("GOMEMLIMIT is %s of %d MiB", variable.Value, limit)
		}
		return
	}
	t.Error("GOMEMLIMIT is not set")
}

// checkFlags checks that the command has the flags it is given.
func checkFlags(t *testing.T, args []string) {
	t.Helper()
	source := read(t, "cmd", "fairlead", "controller.go") + read(t, "cmd", "fairlead", "tenancy.go")
	if len(args) == 0 || args[0] != "controller" {
		t.Errorf("arguments %v, want the command controller", args)
	}
	for _, arg := range args[1:] {
		name, _, _ := strings.Cut(strings.TrimPrefix(arg, "--"), "=")
		if !regexp.MustCompile(`f\.\w+Var\(&flags\.[\w.]+, "` + regexp.QuoteMeta(name) + `"`).MatchString(source) {
			t.Errorf("the controller has no flag %s", arg)
		}
	}
}

func TestTheChartHasTheSameCRDs(t *testing.T) {
	var own, charted []string
	for _, file := range glob(t, "config", "crd", "fairlead.dev_*.yaml") {
		name := filepath.Base(file)
		own = append(own, name)
		if diff := cmp.Diff(read(t, "config", "crd", name), read(t, "charts", "fairlead", "crds", name)); diff != "" {
			t.Errorf("charts/fairlead/crds/%s differs from config/crd; run make generate (-want +got):\n%s", name, diff)
		}
		if !strings.Contains(read(t, "config", "crd", "kustomization.yaml"), "- "+name+"\n") {
			t.Errorf("config/crd/kustomization.yaml lacks %s", name)
		}
	}
	for _, file := range glob(t, "charts", "fairlead", "crds", "*") {
		charted = append(charted, filepath.Base(file))
	}
	if diff := cmp.Diff(own, charted); diff != "" {
		t.Errorf("CRDs of the chart (-want +got):\n%s", diff)
	}
}

// modes are the kustomizations of config by the values that have the chart install the same.
var modes = map[string]string{"default": "", "strict": "tenancy: strict"}

// With default values the chart installs what config/default does, and in strict mode what config/strict does, but for
// the namespace, which is its user's.
func TestTheChartInstallsTheSame(t *testing.T) {
	s := scheme(t)
	for mode, values := range modes {
		t.Run(mode, func(t *testing.T) {
			want := byName(t, objects(t, s, kustomize(t, "config", mode)))
			got := byName(t, objects(t, s, render(t, "fairlead", "fairlead", "fairlead-system", values).all()))
			for key := range want {
				if strings.HasPrefix(key, "Namespace/") || strings.HasPrefix(key, "CustomResourceDefinition/") {
					delete(want, key)
				}
			}
			for _, index := range []map[string]client.Object{want, got} {
				withoutSelectors(t, index)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the chart differs from config/%s (-config +chart):\n%s", mode, diff)
			}
		})
	}
}

// withoutSelectors takes away how pods are found, which depends on the labels of who installs.
func withoutSelectors(t *testing.T, index map[string]client.Object) {
	t.Helper()
	deployment := get[*appsv1.Deployment](t, index, "Deployment/fairlead-system/fairlead-controller")
	deployment.Spec.Selector, deployment.Spec.Template.Labels = nil, nil
	get[*corev1.Service](t, index, "Service/fairlead-system/fairlead-metrics").Spec.Selector = nil
	get[*corev1.Service](t, index, "Service/fairlead-system/fairlead-receiver").Spec.Selector = nil
	if policy, ok := index["NetworkPolicy/fairlead-system/fairlead-controller"].(*networkingv1.NetworkPolicy); ok {
		policy.Spec.PodSelector = metav1.LabelSelector{}
	}
}
