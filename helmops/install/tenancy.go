package install

import (
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

const (
	policyKind        = "ValidatingAdmissionPolicy"
	policyBindingKind = "ValidatingAdmissionPolicyBinding"
	// syncAccount is the ServiceAccount as which a cluster with strict tenancy follows its repository, and the name of its binding.
	syncAccount = "fairlead-sync"
	// strictArgument is what the controller of a strict installation is started with.
	strictArgument = "--tenancy=strict"
)

// Tenancy is how far those who share a cluster are kept apart. The zero value trusts everyone who may write objects of Fairlead.
type Tenancy struct {
	// Strict keeps them apart: releases act as ServiceAccounts only, nothing names another namespace, the API server enforces policies
	// and a NetworkPolicy guards the controller. What follows holds with or without it, unless it says otherwise.
	Strict bool
	// DefaultServiceAccount is who releases and Kustomizations act as which name none; empty leaves it to the controller.
	DefaultServiceAccount string
	// NoCrossNamespaceRefs and RefuseLoopback are on in strict mode in any case.
	NoCrossNamespaceRefs, RefuseLoopback bool
	// RefuseUpstreams and AllowUpstreams are address ranges.
	RefuseUpstreams, AllowUpstreams []string
	// NoPolicies leaves the policies of strict mode out, for clusters that do not serve them.
	NoPolicies bool
	// AdminGroups and AdminUsers are not limited by the policies; nil leaves the groups of the manifests. They hold no quotes and no
	// backslashes.
	AdminGroups, AdminUsers []string
	// AllowKubeConfig lets tenants name clusters of their own.
	AllowKubeConfig bool
}

// directory is where the manifests of the mode are.
func (t Tenancy) directory() string {
	if t.Strict {
		return "strict"
	}
	return "default"
}

// arguments are what the controller is started with beside what the manifests say.
func (t Tenancy) arguments() []string {
	var out []string
	if t.DefaultServiceAccount != "" {
		out = append(out, "--default-service-account="+t.DefaultServiceAccount)
	}
	if t.NoCrossNamespaceRefs && !t.Strict {
		out = append(out, "--no-cross-namespace-refs")
	}
	if t.RefuseLoopback && !t.Strict {
		out = append(out, "--refuse-loopback-upstreams")
	}
	if len(t.RefuseUpstreams) > 0 {
		out = append(out, "--refuse-upstream-cidrs="+strings.Join(t.RefuseUpstreams, ","))
	}
	if len(t.AllowUpstreams) > 0 {
		out = append(out, "--allow-upstream-cidrs="+strings.Join(t.AllowUpstreams, ","))
	}

	return out
}

// addArguments gives the controller the arguments.
func (t Tenancy) addArguments(deployment *unstructured.Unstructured) error {
	containers, _, err := unstructured.NestedSlice(deployment.Object, "spec", "template", "spec", "containers")
	if err != nil {
		return err
	}

	for _, c := range containers {
		container, is := c.(map[string]any)
		if !is || container["name"] != "controller" {
			continue
		}

		args, _ := container["args"].([]any)
		for _, argument := range t.arguments() {
			args = append(args, argument)
		}

		container["args"] = args
	}

	return unstructured.SetNestedSlice(deployment.Object, containers, "spec", "template", "spec", "containers")
}

// setVariables says in a policy who is exempt and what is allowed.
func (t Tenancy) setVariables(policy *unstructured.Unstructured) error {
	variables, found, err := unstructured.NestedSlice(policy.Object, "spec", "variables")
	if err != nil || !found {
		return err
	}

	for _, v := range variables {
		variable, is := v.(map[string]any)
		if !is {
			return fmt.Errorf("policy %s has a variable that is no object", policy.GetName())
		}

		switch {
		case variable["name"] == "exemptGroups" && t.AdminGroups != nil:
			variable["expression"] = celList(t.AdminGroups)
		case variable["name"] == "exemptUsers" && len(t.AdminUsers) > 0:
			users := append([]string{accountUser(Controller), accountUser(syncAccount)}, t.AdminUsers...)
			variable["expression"] = celList(users)
		case variable["name"] == "kubeConfigAllowed" && t.AllowKubeConfig:
			variable["expression"] = "true"
		}
	}

	return unstructured.SetNestedSlice(policy.Object, variables, "spec", "variables")
}

// accountUser is how the API server names a ServiceAccount in the namespace of Fairlead.
func accountUser(name string) string { return "system:serviceaccount:" + Namespace + ":" + name }

func celList(texts []string) string {
	quoted := make([]string, len(texts))
	for i, text := range texts {
		quoted[i] = "'" + text + "'"
	}
	return "[" + strings.Join(quoted, ", ") + "]"
}

// syncIdentity is the identity as which a strict installation follows its repository, Fairlead itself included: nothing acts as the
// controller there.
func (t Tenancy) syncIdentity() []apply.Object {
	if !t.Strict {
		return nil
	}

	labels := map[string]any{"app.kubernetes.io/name": "fairlead"}
	account := map[string]any{
		"apiVersion": "v1", "kind": "ServiceAccount",
		"metadata": map[string]any{"name": syncAccount, "namespace": Namespace, "labels": labels},
	}
	binding := map[string]any{
		"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
		"metadata": map[string]any{"name": syncAccount, "labels": labels},
		"roleRef":  map[string]any{"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
		"subjects": []any{map[string]any{"kind": "ServiceAccount", "name": syncAccount, "namespace": Namespace}},
	}
	return []apply.Object{
		{Unstructured: &unstructured.Unstructured{Object: account}, Origin: syncFile},
		{Unstructured: &unstructured.Unstructured{Object: binding}, Origin: syncFile},
	}
}

// isSync reports whether an object belongs to the identity of the repository, which goes with the repository's Kustomization.
func isSync(o apply.Object) bool { return o.GetName() == syncAccount }
