package install

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

func built(t *testing.T, o Options) map[string]*unstructured.Unstructured {
	t.Helper()
	objects, err := o.Objects(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]*unstructured.Unstructured{}
	for _, object := range objects {
		out[nameOf(object.Unstructured)] = object.Unstructured
	}
	return out
}

func argumentsOf(t *testing.T, objects map[string]*unstructured.Unstructured) []string {
	t.Helper()
	containers, _, err := unstructured.NestedSlice(objects["Deployment fairlead-system/fairlead-controller"].Object, "spec", "template", "spec", "containers")
	if err != nil || len(containers) != 1 {
		t.Fatalf("%d containers, %v", len(containers), err)
	}
	args, _, err := unstructured.NestedStringSlice(containers[0].(map[string]any), "args")
	if err != nil {
		t.Fatal(err)
	}
	return args
}

func TestStrictInstallation(t *testing.T) {
	t.Parallel()
	objects := built(t, Options{Image: "fairlead:v1", Tenancy: Tenancy{
		Strict: true, DefaultServiceAccount: "deployer", NoCrossNamespaceRefs: true, AllowUpstreams: []string{"10.96.0.7/32", "fd00::/64"},
	}})
	for name, want := range map[string]bool{
		"ClusterRoleBinding fairlead-release-admin":              false,
		"ClusterRoleBinding fairlead-controller":                 true,
		"ClusterRole fairlead-edit":                              true,
		"ClusterRole fairlead-view":                              true,
		"NetworkPolicy fairlead-system/fairlead-controller":      true,
		"ValidatingAdmissionPolicy fairlead-status":              true,
		"ValidatingAdmissionPolicyBinding fairlead-status":       true,
		"ValidatingAdmissionPolicy fairlead-helmreleases":        true,
		"ValidatingAdmissionPolicyBinding fairlead-receivers":    true,
		"ServiceAccount fairlead-system/" + syncAccount:          false,
		"ValidatingAdmissionPolicyBinding fairlead-helmreleases": true,
	} {
		if _, is := objects[name]; is != want {
			t.Errorf("%s is there: %t", name, is)
		}
	}
	got := argumentsOf(t, objects)
	if want := []string{"--tenancy=strict", "--default-service-account=deployer", "--allow-upstream-cidrs=10.96.0.7/32,fd00::/64"}; !slices.Equal(got[len(got)-3:], want) {
		t.Errorf("the controller is started with %q, want it to end with %q", got, want)
	}
	if !tenancyOf(objects["Deployment fairlead-system/fairlead-controller"]).Strict {
		t.Error("the mode is not read back from the Deployment")
	}
}

func TestSharedInstallation(t *testing.T) {
	t.Parallel()
	objects := built(t, Options{Image: "fairlead:v1"})
	for name := range objects {
		if strings.Contains(name, "Policy") && !strings.Contains(name, warningPrefix) &&
			!strings.HasSuffix(name, " "+approvalPolicy) && !strings.HasSuffix(name, " "+promotionPolicy) &&
			!strings.HasSuffix(name, " "+sourcePolicy) || strings.Contains(name, editRole) {
			t.Errorf("%s belongs to strict tenancy", name)
		}
	}
	if objects["ClusterRole "+viewRole] == nil {
		t.Error("the role that reads is absent")
	}
	if args := argumentsOf(t, objects); len(args) != 4 || tenancyOf(objects["Deployment fairlead-system/fairlead-controller"]).Strict {
		t.Errorf("the controller is started with %q", args)
	}
}

// Policies that only warn are part of every installation, but of one for a cluster that does not serve policies.
func TestWarningsOfAnInstallation(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options Options
		want    bool
	}{
		"shared":                  {Options{}, true},
		"strict":                  {Options{Tenancy: Tenancy{Strict: true}}, true},
		"without warnings":        {Options{NoWarnings: true}, false},
		"strict without warnings": {Options{NoWarnings: true, Tenancy: Tenancy{Strict: true}}, false},
		"strict without policies": {Options{Tenancy: Tenancy{Strict: true, NoPolicies: true}}, false},
	} {
		tt.options.Image = "fairlead:v1"
		objects := built(t, tt.options)
		for _, kind := range []string{policyKind, policyBindingKind} {
			for _, policy := range []string{warningPrefix + "helmreleases", approvalPolicy, promotionPolicy, sourcePolicy} {
				if got := objects[kind+" "+policy] != nil; got != tt.want {
					t.Errorf("%s: there is the %s %s: %t, want %t", name, kind, policy, got, tt.want)
				}
			}
		}
		if strict := objects[policyKind+" fairlead-helmreleases"] != nil; strict != (tt.options.Tenancy.Strict && !tt.options.Tenancy.NoPolicies) {
			t.Errorf("%s: there is a policy of strict tenancy: %t", name, strict)
		}
	}
}

func TestPoliciesOfAnInstallation(t *testing.T) {
	t.Parallel()
	variables := func(tenancy Tenancy) map[string]string {
		objects := built(t, Options{Image: "fairlead:v1", Tenancy: tenancy})
		list, _, err := unstructured.NestedSlice(objects["ValidatingAdmissionPolicy fairlead-helmreleases"].Object, "spec", "variables")
		if err != nil || len(list) == 0 {
			t.Fatalf("%d variables, %v", len(list), err)
		}
		out := map[string]string{}
		for _, v := range list {
			out[v.(map[string]any)["name"].(string)] = v.(map[string]any)["expression"].(string)
		}
		return out
	}

	plain := variables(Tenancy{Strict: true})
	if plain["exemptGroups"] != "['system:masters', 'kubeadm:cluster-admins']" || plain["kubeConfigAllowed"] != "false" {
		t.Errorf("without settings: %v", plain)
	}
	set := variables(Tenancy{Strict: true, AdminGroups: []string{"platform", "sre"}, AdminUsers: []string{"ops"}, AllowKubeConfig: true})
	users := "['system:serviceaccount:fairlead-system:fairlead-controller', 'system:serviceaccount:fairlead-system:fairlead-sync', 'ops']"
	if set["exemptGroups"] != "['platform', 'sre']" || set["exemptUsers"] != users || set["kubeConfigAllowed"] != "true" {
		t.Errorf("with settings: %v", set)
	}

	for name := range built(t, Options{Image: "fairlead:v1", Tenancy: Tenancy{Strict: true, NoPolicies: true}}) {
		if strings.Contains(name, "AdmissionPolicy") {
			t.Errorf("%s is there without policies", name)
		}
	}
}

func TestAStrictClusterFollowsItsRepositoryAsAnIdentityOfItsOwn(t *testing.T) {
	t.Parallel()
	for strict, want := range map[bool]string{true: syncAccount, false: ""} {
		o := options()
		o.Tenancy.Strict = strict
		objects := built(t, o)
		got, _, _ := unstructured.NestedString(objects["Kustomization fairlead-system/fairlead"].Object, "spec", "serviceAccountName")
		if got != want {
			t.Errorf("strict %t: the Kustomization acts as %q, want %q", strict, got, want)
		}
		for _, name := range []string{"ServiceAccount fairlead-system/" + syncAccount, "ClusterRoleBinding " + syncAccount} {
			if _, is := objects[name]; is != strict {
				t.Errorf("strict %t: %s is there: %t", strict, name, is)
			}
		}
	}
}

// The roles that are added to those of Kubernetes can be left out, and go when they are.
func TestInstallationWithoutTenantRoles(t *testing.T) {
	t.Parallel()
	for _, strict := range []bool{false, true} {
		options := Options{Image: "fairlead:v1", NoTenantRoles: true, Tenancy: Tenancy{Strict: strict}}
		objects := built(t, options)
		if objects["ClusterRole "+Controller] == nil {
			t.Errorf("strict %v: the role of the controller is left out", strict)
		}
		unwanted, err := options.Unwanted(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, role := range []string{viewRole, editRole} {
			if objects["ClusterRole "+role] != nil {
				t.Errorf("strict %v: %s is installed", strict, role)
			}
			goes := func(r v1beta1.ResourceRef) bool { return strings.Contains(r.ID, "_"+role+"_") }
			if !slices.ContainsFunc(unwanted, goes) {
				t.Errorf("strict %v: %s stays when it is there", strict, role)
			}
		}
	}
}

func TestUnwanted(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		options   Options
		has, lack []string
	}{
		"shared":                  {Options{}, []string{"_fairlead-status_", "_fairlead-edit_", "fairlead-system_fairlead-controller_networking.k8s.io_NetworkPolicy"}, []string{clusterAdmin, syncAccount}},
		"shared without admin":    {Options{NoClusterAdmin: true}, []string{clusterAdmin, "_fairlead-status_"}, []string{syncAccount}},
		"strict":                  {Options{Tenancy: Tenancy{Strict: true}}, []string{clusterAdmin}, []string{"fairlead-status", "NetworkPolicy", syncAccount}},
		"strict without policies": {Options{Tenancy: Tenancy{Strict: true, NoPolicies: true}}, []string{clusterAdmin, "fairlead-status"}, []string{"NetworkPolicy"}},
	} {
		tt.options.Image = "fairlead:v1"
		refs, err := tt.options.Unwanted(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		holds := func(part string) bool {
			return slices.ContainsFunc(refs, func(r v1beta1.ResourceRef) bool { return strings.Contains(r.ID, part) && r.Version != "" })
		}
		for _, part := range tt.has {
			if !holds(part) {
				t.Errorf("%s: %s is not unwanted: %v", name, part, refs)
			}
		}
		for _, part := range tt.lack {
			if holds(part) {
				t.Errorf("%s: %s is unwanted", name, part)
			}
		}
	}
}

func TestGapsOfStrictTenancy(t *testing.T) {
	t.Parallel()
	objects := built(t, Options{Image: "fairlead:v1", Tenancy: Tenancy{Strict: true}})
	found := 0
	for name, want := range objects {
		if !guards(apply.Object{Unstructured: want}) {
			continue
		}
		found++
		if gap := gapOf(want, want.DeepCopy()); gap != "" {
			t.Errorf("a gap in what is as wanted: %s", gap)
		}
		absent := name + " does not exist"
		if isTenantRole(want) {
			absent = "" // --no-tenant-roles leaves it out
		}
		if gap := gapOf(want, nil); gap != absent {
			t.Errorf("%s is absent: %q", name, gap)
		}
	}
	if found != 13 {
		t.Errorf("%d guards, want 10 of policies, 2 roles and a NetworkPolicy", found)
	}

	wide := objects["ClusterRole "+editRole].DeepCopy()
	_ = unstructured.SetNestedSlice(wide.Object, nil, "rules")
	if gap := gapOf(objects["ClusterRole "+editRole], wide); gap == "" {
		t.Error("a role of tenants with other rules is no gap")
	}
	weak := objects["ValidatingAdmissionPolicyBinding fairlead-status"].DeepCopy()
	_ = unstructured.SetNestedStringSlice(weak.Object, []string{"Warn"}, "spec", "validationActions")
	if gap := gapOf(objects["ValidatingAdmissionPolicyBinding fairlead-status"], weak); gap == "" {
		t.Error("a policy that only warns is no gap")
	}
	if c := strictCheck([]string{"x does not exist"}); c.Outcome != Warned || c.Fix == "" || !strings.Contains(c.Message, "x does not exist") {
		t.Errorf("%+v", c)
	}
	if c := strictCheck(nil); c.Outcome != Passed || !strings.HasPrefix(c.Message, "strict") {
		t.Errorf("%+v", c)
	}
}

func TestCheckAdmin(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		bound, strict bool
		want          Outcome
	}{{true, false, Passed}, {false, false, Warned}, {true, true, Warned}, {false, true, Passed}} {
		if c := checkAdmin(tt.bound, Tenancy{Strict: tt.strict}); c.Outcome != tt.want || (c.Fix == "") != (tt.want == Passed) {
			t.Errorf("%+v: %+v", tt, c)
		}
	}
}
