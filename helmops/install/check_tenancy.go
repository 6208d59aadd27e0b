package install

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// admissionPolicy is the kind of the policies of strict tenancy.
var admissionPolicy = schema.GroupVersionKind{Group: "admissionregistration.k8s.io", Version: "v1", Kind: policyKind}

// CheckPolicies checks whether the cluster serves the policies of strict tenancy.
func (s *Site) CheckPolicies() (Check, error) {
	c := Check{Name: "admission policies", Outcome: Passed, Message: "served: --tenancy=strict can be installed"}
	_, err := s.cluster.Mapper().RESTMapping(admissionPolicy.GroupKind(), admissionPolicy.Version)
	switch {
	case meta.IsNoMatchError(err):
		c.Outcome = Warned
		c.Message = "the cluster does not serve ValidatingAdmissionPolicy, which --tenancy=strict installs; without it no warning " +
			"names a field that has no effect"
		c.Fix = "for --tenancy=strict use Kubernetes 1.30 or later, or --no-policies"
		return c, nil
	case err != nil:
		return c, fmt.Errorf("asking which kinds the cluster knows: %w", err)
	default:
		return c, nil
	}
}

// tenancyOf reads the mode from the arguments of the controller.
func tenancyOf(controller *unstructured.Unstructured) Tenancy {
	if controller == nil {
		return Tenancy{}
	}

	containers, _, _ := unstructured.NestedSlice(controller.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		container, is := c.(map[string]any)
		if !is || container["name"] != "controller" {
			continue
		}

		args, _ := container["args"].([]any)
		if slices.Contains(args, any(strictArgument)) {
			return Tenancy{Strict: true}
		}
	}

	return Tenancy{}
}

// checkTenancy says in which mode the controller runs and, in strict mode, which of its guards are absent or changed. objects are
// those of the mode.
func (s *Site) checkTenancy(ctx context.Context, tenancy Tenancy, objects []apply.Object) (Check, error) {
	if !tenancy.Strict {
		return Check{
			Name: "tenancy", Outcome: Passed,
			Message: "shared: who may write HelmReleases or Kustomizations may have anything installed that the controller may",
		}, nil
	}

	var gaps []string
	for _, want := range objects {
		if !guards(want) {
			continue
		}

		live, err := s.object(ctx, want.GroupVersionKind(), want.GetNamespace(), want.GetName())
		if err != nil {
			return Check{}, err
		}
		if gap := gapOf(want.Unstructured, live); gap != "" {
			gaps = append(gaps, gap)
		}
	}

	return strictCheck(gaps), nil
}

func strictCheck(gaps []string) Check {
	c := Check{Name: "tenancy", Outcome: Passed, Message: "strict: the policies, the NetworkPolicy and the roles of tenants are installed"}
	if len(gaps) > 0 {
		c.Outcome = Warned
		c.Message = "strict, but with gaps: " + strings.Join(gaps, ", ")
		c.Fix = "fairlead install --tenancy=strict"
	}
	return c
}

// guards reports whether strict tenancy depends on an object.
func guards(o apply.Object) bool {
	switch o.GetKind() {
	case policyKind, policyBindingKind:
		return !isCommon(o.Unstructured)
	case "NetworkPolicy":
		return true
	case "ClusterRole":
		return isTenantRole(o.Unstructured)
	default:
		return false
	}
}

// gapOf says in what a guard of strict tenancy falls short; empty when it does not.
func gapOf(want, live *unstructured.Unstructured) string {
	switch {
	case live == nil && isTenantRole(want):
		return "" // it may be left out, which gives no rights to anyone
	case live == nil:
		return nameOf(want) + " does not exist"
	}

	var field []string
	switch want.GetKind() {
	case policyKind:
		field = []string{"spec", "validations"}
	case policyBindingKind:
		field = []string{"spec", "validationActions"}
	case "ClusterRole":
		field = []string{"rules"}
	default:
		return ""
	}

	wanted, _, _ := unstructured.NestedSlice(want.Object, field...)
	found, _, _ := unstructured.NestedSlice(live.Object, field...)
	if !equality.Semantic.DeepEqual(wanted, found) {
		return nameOf(want) + " is not as this command knows it"
	}

	return ""
}

// checkAdmin checks whether the binding to cluster-admin is there, which shared tenancy has and strict tenancy must not have.
func checkAdmin(bound bool, tenancy Tenancy) Check {
	c := Check{Name: "cluster-admin", Outcome: Passed}
	switch {
	case bound && tenancy.Strict:
		c.Outcome = Warned
		c.Message = "tenancy is strict, but the controller may do everything in the cluster"
		c.Fix = "delete the ClusterRoleBinding that gives cluster-admin to ServiceAccount " + Namespace + "/" + Controller
	case tenancy.Strict:
		c.Message = "not bound: releases and Kustomizations have the rights of their ServiceAccounts"
	case bound:
		c.Message = "releases and Kustomizations without a ServiceAccount may have everything"
	default:
		c.Outcome = Warned
		c.Message = "releases and Kustomizations without a ServiceAccount have only the rights of the controller"
		c.Fix = "name a serviceAccountName in each of them, or bind more to the controller; see docs/security.md"
	}

	return c
}
