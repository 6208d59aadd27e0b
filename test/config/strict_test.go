package config

import (
	"bufio"
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admissionregistration/v1"
	appsv1 "k8s.io/api/apps/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/install"
)

func strict(t *testing.T) map[string]client.Object {
	t.Helper()
	return byName(t, objects(t, scheme(t), kustomize(t, "config", "strict")))
}

// What the command installs is what kubectl applies from config, in both modes.
func TestTheCommandInstallsTheSame(t *testing.T) {
	for mode, tenancy := range map[string]install.Tenancy{"default": {}, "strict": {Strict: true}} {
		t.Run(mode, func(t *testing.T) {
			files, err := install.Options{Image: "fairlead:dev", Version: "v1", Tenancy: tenancy}.Files(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			s := scheme(t)
			want := byName(t, objects(t, s, kustomize(t, "config", mode)))
			got := byName(t, objects(t, s, string(files["components.yaml"])))
			for _, index := range []map[string]client.Object{want, got} {
				for _, object := range index {
					object.SetAnnotations(nil) // the command notes its version, and what stays when the files go
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("the command differs from config/%s (-config +command):\n%s", mode, diff)
			}
		})
	}
}

func TestStrictBindsNothingBroad(t *testing.T) {
	all := strict(t)
	bound := rolesOf(t, all, "fairlead-controller")
	if len(bound) != 2 {
		t.Errorf("the controller has %d roles, want its own and that of the leader election", len(bound))
	}
	for name, rules := range bound {
		checkNarrow(t, name, rules)
	}
	if all["ClusterRoleBinding//fairlead-release-admin"] != nil {
		t.Error("the controller is bound to cluster-admin")
	}
	deployment := get[*appsv1.Deployment](t, all, "Deployment/fairlead-system/fairlead-controller")
	args := deployment.Spec.Template.Spec.Containers[0].Args
	checkFlags(t, args)
	if !slices.Contains(args, "--tenancy=strict") {
		t.Errorf("the controller is started with %v", args)
	}
	checkRestricted(t, deployment.Spec.Template.Spec)
}

// The roles of tenants have every kind, no status, and are added to the roles of Kubernetes.
func TestRolesOfTenants(t *testing.T) {
	every := objects(t, scheme(t), kustomize(t, "config", "strict"))
	labels := map[string]map[string]string{}
	var kinds []string
	for _, object := range every {
		labels[object.GetName()] = maps.Clone(object.GetLabels())
		if crd, ok := object.(*apiextensionsv1.CustomResourceDefinition); ok {
			kinds = append(kinds, crd.Spec.Names.Plural)
		}
	}
	slices.Sort(kinds)
	index := byName(t, every)
	for name, want := range map[string]struct {
		verbs     []string
		aggregate []string
	}{
		"fairlead-view": {[]string{"get", "list", "watch"}, []string{"view", "edit", "admin"}},
		"fairlead-edit": {[]string{"create", "delete", "deletecollection", "patch", "update"}, []string{"edit", "admin"}},
	} {
		role := get[*rbacv1.ClusterRole](t, index, "ClusterRole//"+name)
		kinds := slices.DeleteFunc(slices.Clone(kinds), func(kind string) bool {
			// Freezes are of cluster administrators, and the controller writes plans.
			return name == "fairlead-edit" && (kind == "releasefreezes" || kind == "releaseplans")
		})
		if len(role.Rules) != 1 || !slices.Equal(role.Rules[0].Resources, kinds) ||
			!slices.Equal(role.Rules[0].Verbs, want.verbs) ||
			!slices.Equal(role.Rules[0].APIGroups, []string{"fairlead.dev"}) {
			t.Errorf("%s has the rules %v, want %v of %v", name, role.Rules, want.verbs, kinds)
		}
		var aggregate []string
		for _, to := range []string{"view", "edit", "admin"} {
			if labels[name]["rbac.authorization.k8s.io/aggregate-to-"+to] == "true" {
				aggregate = append(aggregate, to)
			}
		}
		if !slices.Equal(aggregate, want.aggregate) {
			t.Errorf("%s is added to %v, want %v", name, aggregate, want.aggregate)
		}
	}

	every = objects(t, scheme(t), render(t, "fairlead", "fairlead", "fairlead-system", "tenancy: strict").all())
	ofChart := map[string]map[string]string{}
	for _, object := range every {
		ofChart[object.GetName()] = maps.Clone(object.GetLabels())
	}
	charted := byName(t, every)
	for _, name := range []string{"fairlead-view", "fairlead-edit"} {
		role := get[*rbacv1.ClusterRole](t, charted, "ClusterRole//"+name)
		if want := get[*rbacv1.ClusterRole](t, index, "ClusterRole//"+name); !cmp.Equal(role.Rules, want.Rules) {
			t.Errorf("%s of the chart has the rules %v, want %v", name, role.Rules, want.Rules)
		}
		for key, value := range labels[name] {
			if strings.HasPrefix(key, "rbac.authorization.k8s.io/") && ofChart[name][key] != value {
				t.Errorf("%s of the chart lacks the label %s", name, key)
			}
		}
	}
}

// The shared mode has the role that reads only: there, who may write a HelmRelease has the rights of the controller.
func TestRolesOfTheModes(t *testing.T) {
	shared := byName(t, objects(t, scheme(t), kustomize(t, "config", "default")))
	for name, tt := range map[string]struct {
		all        map[string]client.Object
		view, edit bool
	}{
		"config":                 {shared, true, false},
		"the chart":              {fairlead(t, "{}"), true, false},
		"the chart with both":    {fairlead(t, "{tenantRoles: {enabled: true}}"), true, true},
		"the chart without":      {fairlead(t, "{tenantRoles: {enabled: false}}"), false, false},
		"the strict chart":       {fairlead(t, "{tenancy: strict}"), true, true},
		"strict without, though": {fairlead(t, "{tenancy: strict, tenantRoles: {enabled: false}}"), false, false},
	} {
		view, edit := tt.all["ClusterRole//fairlead-view"] != nil, tt.all["ClusterRole//fairlead-edit"] != nil
		if view != tt.view || edit != tt.edit {
			t.Errorf("%s: view %v and edit %v, want %v and %v", name, view, edit, tt.view, tt.edit)
		}
	}
}

// Every policy is bound, and denies.
func TestPoliciesAreBound(t *testing.T) {
	all := strict(t)
	policies := 0
	for key, object := range all {
		policy, ok := object.(*admissionv1.ValidatingAdmissionPolicy)
		if !ok || strings.HasPrefix(policy.Name, "fairlead-warn-") {
			continue
		}
		policies++
		binding := get[*admissionv1.ValidatingAdmissionPolicyBinding](t, all,
			"ValidatingAdmissionPolicyBinding//"+policy.Name)
		if binding.Spec.PolicyName != policy.Name ||
			!cmp.Equal(binding.Spec.ValidationActions, []admissionv1.ValidationAction{admissionv1.Deny}) {
			t.Errorf("the binding of %s: %+v", key, binding.Spec)
		}
		if binding.Spec.MatchResources != nil || policy.Spec.FailurePolicy == nil ||
			*policy.Spec.FailurePolicy != admissionv1.Fail {
			t.Errorf("%s does not hold everywhere: %+v", key, policy.Spec)
		}
		for _, v := range policy.Spec.Validations {
			approvals := policy.Name == "fairlead-approvals" && strings.Contains(v.Expression, "request.userInfo")
			promotions := policy.Name == "fairlead-promotions" || policy.Name == "fairlead-stage-sources"
			if !approvals && !promotions && !strings.HasPrefix(v.Expression, "variables.exempt") || v.Message == "" {
				t.Errorf("%s: %q exempts nobody, or says nothing", key, v.Expression)
			}
		}
	}
	if policies != 8 {
		t.Errorf("there are %d policies", policies)
	}
}

func TestStrictValuesOfTheChart(t *testing.T) {
	const values = `
tenancy: strict
defaultServiceAccount: deployer
upstreams: {refuseCIDRs: [203.0.113.0/24], allowCIDRs: [10.96.0.7/32, "fd00::/64"]}
policies: {adminGroups: [platform], adminUsers: ["system:serviceaccount:ci:deploy"], allowKubeConfig: true}
networkPolicy:
  metricsFrom: {matchLabels: {kubernetes.io/metadata.name: monitoring}}
  egressPorts: [443]
  egressTo: [{ipBlock: {cidr: 0.0.0.0/0}}]
  extraEgress: [{ports: [{port: 5000}]}]
podDisruptionBudget: {enabled: true}
caBundle: {configMap: authorities, key: all.pem}
extraEnv: [{name: GODEBUG, value: netdns=go}]
priorityClassName: system-cluster-critical
topologySpreadConstraints: [{maxSkew: 1, topologyKey: kubernetes.io/hostname, whenUnsatisfiable: ScheduleAnyway}]
replicas: 2
`
	all := fairlead(t, values)
	deployment := get[*appsv1.Deployment](t, all, "Deployment/fairlead-system/fairlead-controller")
	pod := deployment.Spec.Template.Spec
	container := pod.Containers[0]
	checkFlags(t, container.Args)
	checkMemoryLimit(t, container)
	want := []string{"--tenancy=strict", "--default-service-account=deployer", "--refuse-upstream-cidrs=203.0.113.0/24",
		"--allow-upstream-cidrs=10.96.0.7/32,fd00::/64"}
	if diff := cmp.Diff(want, container.Args[4:]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	env := map[string]string{}
	for _, variable := range container.Env {
		env[variable.Name] = variable.Value
	}
	mount := container.VolumeMounts[1]
	volume := pod.Volumes[1]
	if env["SSL_CERT_FILE"] != mount.MountPath+"/"+volume.ConfigMap.Items[0].Path || volume.Name != mount.Name ||
		!mount.ReadOnly ||
		volume.ConfigMap.Name != "authorities" || volume.ConfigMap.Items[0].Key != "all.pem" ||
		env["GODEBUG"] != "netdns=go" {
		t.Errorf("the bundle of authorities is not where the process looks: %v, %+v, %+v", env, mount, volume)
	}
	if pod.PriorityClassName != "system-cluster-critical" || len(pod.TopologySpreadConstraints) != 1 ||
		*deployment.Spec.Replicas != 2 {
		t.Errorf("values of the pod did not arrive: %+v", pod)
	}

	budget := get[*policyv1.PodDisruptionBudget](t, all, "PodDisruptionBudget/fairlead-system/fairlead-controller")
	if budget.Spec.MaxUnavailable.IntValue() != 1 || !cmp.Equal(budget.Spec.Selector, deployment.Spec.Selector) {
		t.Errorf("the budget: %+v", budget.Spec)
	}
	network := get[*networkingv1.NetworkPolicy](t, all, "NetworkPolicy/fairlead-system/fairlead-controller")
	if !cmp.Equal(network.Spec.PodSelector.MatchLabels, deployment.Spec.Selector.MatchLabels) ||
		network.Spec.Ingress[0].From[0].NamespaceSelector.MatchLabels["kubernetes.io/metadata.name"] != "monitoring" ||
		network.Spec.Egress[1].Ports[0].Port.IntValue() != 443 || network.Spec.Egress[1].To[0].IPBlock.CIDR != "0.0.0.0/0" ||
		len(network.Spec.Egress) != 3 {
		t.Errorf("the network policy: %+v", network.Spec)
	}
	policy := get[*admissionv1.ValidatingAdmissionPolicy](t, all, "ValidatingAdmissionPolicy//fairlead-helmreleases")
	variables := map[string]string{}
	for _, v := range policy.Spec.Variables {
		variables[v.Name] = v.Expression
	}
	if variables["exemptGroups"] != "['platform']" || variables["kubeConfigAllowed"] != "true" ||
		!strings.HasSuffix(variables["exemptUsers"], "'system:serviceaccount:ci:deploy']") {
		t.Errorf("the variables of the policy: %v", variables)
	}
}

func TestSingleSettingsWithoutStrict(t *testing.T) {
	all := fairlead(t,
		`{crossNamespaceRefs: false, upstreams: {refuseLoopback: true}, networkPolicy: {enabled: true}, caBundle: {secret: ca}}`)
	deployment := get[*appsv1.Deployment](t, all, "Deployment/fairlead-system/fairlead-controller")
	want := []string{"--no-cross-namespace-refs", "--refuse-loopback-upstreams"}
	if diff := cmp.Diff(want, deployment.Spec.Template.Spec.Containers[0].Args[4:]); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if volume := deployment.Spec.Template.Spec.Volumes[1]; volume.Secret == nil || volume.Secret.SecretName != "ca" ||
		volume.Secret.Items[0].Key != "ca.crt" {
		t.Errorf("the volume of the bundle: %+v", volume)
	}
	if all["NetworkPolicy/fairlead-system/fairlead-controller"] == nil ||
		all["ValidatingAdmissionPolicy//fairlead-status"] != nil ||
		all["ClusterRole//fairlead-edit"] != nil || all["ClusterRole//fairlead-view"] == nil {
		t.Errorf("the parts are %v", slices.Sorted(maps.Keys(all)))
	}
}

func TestTheChartRefusesWhatContradictsStrict(t *testing.T) {
	refuses(t, "fairlead", map[string]string{
		"{tenancy: strict, clusterAdmin: true}":                 "clusterAdmin: true contradicts tenancy: strict",
		"{tenancy: strict, crossNamespaceRefs: true}":           "crossNamespaceRefs: true contradicts",
		"{tenancy: strict, upstreams: {refuseLoopback: false}}": "upstreams.allowCIDRs",
		"tenancy: locked":                              "tenancy",
		"{policies: {adminGroups: [\"a'b\"]}}":         "adminGroups",
		"{upstreams: {allowCIDRs: [registry.local]}}":  "allowCIDRs",
		"{upstreams: {allow: [10.0.0.0/8]}}":           "allow",
		"{networkPolicy: {egressPorts: []}}":           "egressPorts",
		"{networkPolicy: {metricsFrom: {labels: {}}}}": "metricsFrom",
		"{caBundle: {configMap: a, secret: b}}":        "caBundle",
		"{podDisruptionBudget: {maxUnavailable: 0}}":   "maxUnavailable",
		"extraEnv: [{value: x}]":                       "extraEnv",
		"defaultServiceAccount: Deployer":              "defaultServiceAccount",
	})
	if _, err := tryRenderFor(t, "v1.29.3", "fairlead", "x", "y", "tenancy: strict"); err == nil ||
		!strings.Contains(err.Error(), "policies.enabled: false") {
		t.Errorf("policies on a cluster without them: error %v", err)
	}
	if _, err := tryRenderFor(t, "v1.29.3", "fairlead", "x", "y",
		"{tenancy: strict, policies: {enabled: false}}"); err != nil {
		t.Errorf("strict without policies: %v", err)
	}
}

// The README of the chart has a row for each value.
func TestValuesOfTheChartAreDocumented(t *testing.T) {
	documented := ""
	for _, row := range cells(read(t, "charts", "fairlead", "README.md")) {
		documented += " " + strings.Join(terms(row[0]), " ")
	}
	scanner := bufio.NewScanner(bytes.NewBufferString(read(t, "charts", "fairlead", "values.yaml")))
	for scanner.Scan() {
		name, _, isKey := strings.Cut(scanner.Text(), ":")
		if isKey && !strings.HasPrefix(name, " ") && !strings.HasPrefix(name, "#") && !strings.Contains(documented, name) {
			t.Errorf("charts/fairlead/README.md has no row for %s", name)
		}
	}
}
