package health

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
)

func object(kind, version string, more map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{
		Object: map[string]any{"metadata": map[string]any{"name": "a", "generation": int64(2)}},
	}
	for key, value := range more {
		o.Object[key] = value
	}
	o.SetKind(kind)
	o.SetAPIVersion(version)
	return o
}

func TestRulesJudge(t *testing.T) {
	t.Parallel()
	rules, err := NewRules([]v1beta1.HealthCheckExpr{{
		APIVersion: "example.com/v1", Kind: "Database",
		InProgress: "status.phase in ['Creating', 'Both']", Failed: "status.phase in ['Broken', 'Both']",
		Current: "status.phase == 'Running' && spec.size > 0",
	}})
	if err != nil {
		t.Fatal(err)
	}
	status := func(phase string) map[string]any {
		return map[string]any{"spec": map[string]any{"size": int64(1)}, "status": map[string]any{"phase": phase}}
	}
	late := status("Running")
	late["status"].(map[string]any)["observedGeneration"] = int64(1)
	for name, tt := range map[string]struct {
		object *unstructured.Unstructured
		want   State
		says   string
	}{
		"on the way": {object("Database", "example.com/v1", status("Creating")), InProgress,
			"inProgress"},
		"broken":                           {object("Database", "example.com/v1", status("Broken")), Failed, "failed"},
		"inProgress is asked first":        {object("Database", "example.com/v1", status("Both")), InProgress, "inProgress"},
		"there":                            {object("Database", "example.com/v1", status("Running")), Current, ""},
		"the version does not matter":      {object("Database", "example.com/v9", status("Running")), Current, ""},
		"none holds":                       {object("Database", "example.com/v1", status("Else")), InProgress, "none"},
		"no status yet":                    {object("Database", "example.com/v1", nil), InProgress, "no such key"},
		"a status of an older generation":  {object("Database", "example.com/v1", late), InProgress, "generation 1"},
		"another kind goes the usual way":  {object("Other", "example.com/v1", status("Broken")), Current, ""},
		"another group goes the usual way": {object("Database", "other.com/v1", status("Broken")), Current, ""},
		"a hostile status is no expression": {object("Database", "example.com/v1", map[string]any{"status": "text"}),
			InProgress, ""},
	} {
		if got := rules.Assess(tt.object, true); got.State != tt.want || !strings.Contains(got.Message, tt.says) {
			t.Errorf("%s: %+v", name, got)
		}
	}
	var none *Rules
	if got := none.Assess(object("Database", "example.com/v1", nil), true); got.State != Current || none.Digest() != "" {
		t.Errorf("without rules: %+v", got)
	}
}

func TestRulesThatCannotBeUsed(t *testing.T) {
	t.Parallel()
	fine := v1beta1.HealthCheckExpr{APIVersion: "example.com/v1", Kind: "Database", Current: "true"}
	for name, tt := range map[string]struct {
		expr v1beta1.HealthCheckExpr
		want string
	}{
		"no expression": {v1beta1.HealthCheckExpr{APIVersion: "v1", Kind: "Pod"},
			"spec.healthCheckExprs[1].current is empty"},
		"a syntax error": {
			v1beta1.HealthCheckExpr{APIVersion: "v1", Kind: "Pod", Current: "true", Failed: "status.phase =="},
			"spec.healthCheckExprs[1].failed cannot be used: line 1, column"},
		"no bool": {v1beta1.HealthCheckExpr{APIVersion: "v1", Kind: "Pod", Current: "1 + 1"}, "want bool"},
		"no version": {v1beta1.HealthCheckExpr{APIVersion: "a/b/c", Kind: "Pod", Current: "true"},
			"spec.healthCheckExprs[1].apiVersion"},
		"content unseen": {v1beta1.HealthCheckExpr{APIVersion: "v1", Kind: "Secret", Current: "true"},
			"its content is not watched"},
		"a kind twice": {fine, "already"},
		"unknown to them": {v1beta1.HealthCheckExpr{APIVersion: "v1", Kind: "Pod", Current: "other.ready"},
			"undeclared reference"},
	} {
		if _, err := NewRules([]v1beta1.HealthCheckExpr{fine, tt.expr}); err == nil ||
			!strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestServing(t *testing.T) {
	t.Parallel()
	workload := func(kind string, wants, available int64) *unstructured.Unstructured {
		return object(kind, "apps/v1", map[string]any{
			"spec": map[string]any{"replicas": wants},
			"status": map[string]any{
				"observedGeneration": int64(2), "availableReplicas": available, "replicas": wants, "updatedReplicas": wants,
			},
		})
	}
	for name, tt := range map[string]struct {
		object *unstructured.Unstructured
		want   bool
	}{
		"half of it": {workload("Deployment", 4, 2), true}, "less": {workload("Deployment", 4, 1), false},
		"nothing":      {workload("StatefulSet", 1, 0), false},
		"another kind": {object("Pod", "v1", nil), false},
		"a DaemonSet": {
			object("DaemonSet", "apps/v1",
				map[string]any{"status": map[string]any{"desiredNumberScheduled": int64(3), "numberAvailable": int64(2)}}), true},
	} {
		if got := isServing(tt.object); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
