package health

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

func parse(t *testing.T, document string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	content, err := yaml.YAMLToJSON([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	if err := object.UnmarshalJSON(content); err != nil {
		t.Fatal(err)
	}
	return object
}

func TestAssess(t *testing.T) {
	const job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {completions: 1}\n"
	const started = job + "status: {startTime: '2026-03-01T12:00:00Z', active: 1}\n"
	const complete = job + "status: {startTime: '2026-03-01T12:00:00Z', conditions: [{type: Complete, status: 'True'}]}\n"
	const failed = job +
		"status: {conditions: [{type: Complete, status: 'False'}, {type: Failed, status: 'True', reason: BackoffLimitExceeded, message: too often}]}\n"
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, generation: 1}\nspec: {replicas: 1}\n"
	tests := []struct {
		name    string
		object  string
		jobs    bool
		state   State
		message string
	}{
		{
			name: "an object without a status is current", object: "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n",
			state: Current,
		},
		{
			name: "a Deployment without replicas is on its way", object: deployment + "status: {observedGeneration: 1}\n",
			state: InProgress, message: "0/1",
		},
		{name: "a Deployment past its deadline has failed", state: Failed, message: "Progress deadline exceeded",
			object: deployment +
				"status: {observedGeneration: 1, conditions: [{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}\n"},
		{name: "a Job that was started is current", object: started, state: Current},
		{
			name: "a Job that was started has not completed", object: started, jobs: true, state: InProgress,
			message: "Job has not completed",
		},
		{name: "a Job that has completed is current", object: complete, jobs: true, state: Current},
		{
			name: "a Job that has failed says why", object: failed, jobs: true, state: Failed,
			message: "BackoffLimitExceeded: too often",
		},
		{
			name: "a Job of another group is no Job", object: "apiVersion: example.com/v1\nkind: Job\nmetadata: {name: a}\n",
			jobs: true, state: Current,
		},
		{
			name: "a Job with a strange status is on its way", object: job + "status: {conditions: [x]}\n", jobs: true,
			state: InProgress, message: "Job has not completed",
		},
		{
			name: "a status that cannot be read is no verdict", object: deployment + "status: [x]\n", state: InProgress,
			message: "its status cannot be read",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got := Assess(parse(t, tt.object), tt.jobs)
			if got.State != tt.state || !strings.Contains(got.Full(), tt.message) ||
				(got.Message == "") != (tt.state == Current) {
				t.Errorf("got %s: %q, want %s: %q", got.State, got.Full(), tt.state, tt.message)
			}
		})
	}
}

// A status can be about what an object was before the last write.
func TestObserved(t *testing.T) {
	t.Parallel()
	const metadata = "metadata: {name: a, generation: 2}\n"
	const workload = "apiVersion: apps/v1\nkind: Deployment\n" + metadata + "spec: {replicas: 1}\n"
	const widget = "apiVersion: example.com/v1\nkind: Widget\n" + metadata
	const waits = "conditions: [{type: Ready, status: 'False'}]"
	tests := []struct {
		name       string
		object     string
		unobserved bool
	}{
		{name: "a workload without a status", object: workload, unobserved: true},
		{name: "a workload of an older generation",
			object: workload + "status: {observedGeneration: 1}\n", unobserved: true},
		{name: "a workload of this generation", object: workload + "status: {observedGeneration: 2}\n"},
		{name: "a custom resource of an older generation",
			object: widget + "status: {observedGeneration: 1}\n", unobserved: true},
		{name: "a custom resource of this generation",
			object: widget + "status: {observedGeneration: 2, " + waits + "}\n"},
		{name: "a custom resource that says nothing of generations", object: widget + "status: {" + waits + "}\n"},
		{name: "a Pod", object: "apiVersion: v1\nkind: Pod\n" + metadata + "status: {phase: Pending}\n"},
	}
	rules, err := NewRules([]v1beta1.HealthCheckExpr{{APIVersion: "example.com/v1", Kind: "Widget", Current: "false"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			object := parse(t, tt.object)
			reports := map[string]Report{"kstatus": Assess(object, false), "rules": rules.Assess(object, false)}
			for by, report := range reports {
				if report.State != InProgress || report.Unobserved != tt.unobserved {
					t.Errorf("by %s: %s, unobserved %t, want %t", by, report.State, report.Unobserved, tt.unobserved)
				}
			}
		})
	}
}
