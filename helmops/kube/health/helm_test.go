package health

import (
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"

	"fairlead.dev/fairlead/api/v1beta1"
)

func TestAssessAsHelm(t *testing.T) {
	t.Parallel()
	const pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: a}\n"
	const claim = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: a}\n"
	const service = "apiVersion: v1\nkind: Service\nmetadata: {name: a}\n"
	const job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {completions: 2, backoffLimit: 1}\n"
	const definition = "apiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata: {name: a}\n"
	const rolling = "spec:\n  replicas: 4\n" +
		"  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 25%, maxUnavailable: 25%}}\n"
	const deployment = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: a, generation: 2}\n"
	const replicaSet = "apiVersion: apps/v1\nkind: ReplicaSet\nmetadata: {name: a, generation: 2}\n"
	const controller = "apiVersion: v1\nkind: ReplicationController\nmetadata: {name: a, generation: 2}\n"
	const stateful = "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: a, generation: 2}\n"
	const daemon = "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: a, generation: 2}\n"
	const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a, generation: 2}\n"
	const ordered = "spec: {replicas: 3, updateStrategy: {type: RollingUpdate}}\n"
	const lacks = "spec: {updateStrategy: {type: RollingUpdate, rollingUpdate: {maxUnavailable: 1}}}\n"
	// The status of workloads, by what their controllers count.
	pods := func(all, updated, ready int) string {
		return fmt.Sprintf("status: {observedGeneration: 2, replicas: %d, updatedReplicas: %d, readyReplicas: %d}\n",
			all, updated, ready)
	}
	sets := func(updated, ready int, current string) string {
		return fmt.Sprintf("status: {observedGeneration: 2, updatedReplicas: %d, readyReplicas: %d, "+
			"currentRevision: %s, updateRevision: b}\n", updated, ready, current)
	}
	nodes := func(updated, ready int) string {
		return fmt.Sprintf("status: {observedGeneration: 2, desiredNumberScheduled: 3, "+
			"updatedNumberScheduled: %d, numberReady: %d}\n", updated, ready)
	}
	tests := []struct {
		name   string
		object string
		jobs   bool
		state  State
		says   string
	}{
		{name: "a custom resource that is not ready", state: Current,
			object: widget + "status: {observedGeneration: 1, conditions: [{type: Ready, status: 'False'}]}\n"},
		{name: "an object that is being deleted", state: InProgress, says: "is being deleted",
			object: "apiVersion: example.com/v1\nkind: Widget\n" +
				"metadata: {name: a, deletionTimestamp: '2026-03-01T12:00:00Z'}\n"},
		{name: "a Deployment of another group", state: Current,
			object: "apiVersion: example.com/v1\nkind: Deployment\nmetadata: {name: a, generation: 2}\n"},

		{name: "a pod that is not ready",
			object: pod + "status: {phase: Running}\n", state: InProgress, says: "not ready"},
		{name: "a pod that is ready",
			object: pod + "status: {conditions: [{type: Ready, status: 'True'}]}\n", state: Current},
		{name: "a pod that has succeeded", object: pod + "status: {phase: Succeeded}\n", state: Current},
		{name: "a pod that has failed is waited for", object: pod + "status: {phase: Failed}\n", state: InProgress},

		{name: "a claim that is pending",
			object: claim + "status: {phase: Pending}\n", state: InProgress, says: "not bound"},
		{name: "a claim that is bound", object: claim + "status: {phase: Bound}\n", state: Current},

		{name: "a Service without an address",
			object: service + "spec: {type: ClusterIP}\n", state: InProgress, says: "no cluster IP"},
		{name: "a Service with an address", object: service + "spec: {clusterIP: 10.0.0.1}\n", state: Current},
		{name: "an external name", object: service + "spec: {type: ExternalName}\n", state: Current},
		{name: "a load balancer without an address", state: InProgress, says: "load balancer has no address",
			object: service + "spec: {type: LoadBalancer, clusterIP: 10.0.0.1}\n"},
		{name: "a load balancer with an address", state: Current,
			object: service + "spec: {type: LoadBalancer, clusterIP: 10.0.0.1}\n" +
				"status: {loadBalancer: {ingress: [{ip: 192.0.2.1}]}}\n"},
		{name: "a load balancer with an external IP", state: Current,
			object: service + "spec: {type: LoadBalancer, clusterIP: 10.0.0.1, externalIPs: [192.0.2.1]}\n"},

		{name: "a Job without a wait", object: job, state: Current},
		{name: "a Job that runs",
			object: job + "status: {succeeded: 1}\n", jobs: true, state: InProgress, says: "1 of 2 pods"},
		{name: "a Job that is complete", object: job + "status: {succeeded: 2}\n", jobs: true, state: Current},
		{name: "a Job that may try again", object: job + "status: {failed: 1}\n", jobs: true, state: InProgress},
		{name: "a Job that has failed too often",
			object: job + "status: {failed: 2}\n", jobs: true, state: Failed, says: "2 pods"},
		{name: "a Job that says it has failed", jobs: true, state: Failed, says: "DeadlineExceeded",
			object: job + "status: {conditions: [{type: Failed, status: 'True', reason: DeadlineExceeded}]}\n"},
		{name: "a Job without a number of completions", jobs: true, state: Current,
			object: "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {parallelism: 2}\n"},

		{name: "a definition that is not established", object: definition, state: InProgress, says: "not established"},
		{name: "a definition that is established", state: Current,
			object: definition + "status: {conditions: [{type: Established, status: 'True'}]}\n"},
		{name: "a definition whose names are taken", state: Current,
			object: definition + "status: {conditions: [{type: NamesAccepted, status: 'False'}]}\n"},

		{name: "a ReplicaSet that was not observed",
			object: replicaSet + "status: {observedGeneration: 1}\n", state: InProgress, says: "generation"},
		{name: "a ReplicaSet with a pod that is not ready", state: InProgress, says: "1 of 2",
			object: replicaSet + "status: {observedGeneration: 2, replicas: 2, readyReplicas: 1}\n"},
		{name: "a ReplicaSet whose pods are ready", state: Current,
			object: replicaSet + "status: {observedGeneration: 2, replicas: 1, readyReplicas: 1}\n"},
		{name: "a ReplicationController with a pod that is not ready", state: InProgress, says: "0 of 1",
			object: controller + "status: {observedGeneration: 2, replicas: 1}\n"},

		{name: "a Deployment that was not observed",
			object: deployment + rolling + "status: {observedGeneration: 1, readyReplicas: 4}\n",
			state:  InProgress, says: "generation 1"},
		{name: "a Deployment that is paused",
			object: deployment + "spec: {paused: true, replicas: 3}\n", state: Current},
		{name: "a Deployment that lacks as much as it may", state: Current,
			object: deployment + rolling + pods(4, 4, 3)},
		{name: "a Deployment that lacks more", state: InProgress, says: "2 of 3",
			object: deployment + rolling + pods(4, 4, 2)},
		{name: "a Deployment whose old pods are ready", state: InProgress, says: "0 of 3",
			object: deployment + rolling + pods(5, 1, 4)},
		{name: "a Deployment past its deadline is waited for", state: InProgress,
			object: deployment + rolling + "status: {observedGeneration: 2, conditions: [" +
				"{type: Progressing, status: 'False', reason: ProgressDeadlineExceeded}]}\n"},
		{name: "a Deployment of one replica may lack none", state: InProgress, says: "0 of 1",
			object: deployment + "spec:\n" +
				"  strategy: {type: RollingUpdate, rollingUpdate: {maxSurge: 1, maxUnavailable: 25%}}\n" +
				pods(0, 0, 0)},
		{name: "a Deployment that is recreated may lack none", state: InProgress, says: "3 of 4",
			object: deployment + "spec: {replicas: 4, strategy: {type: Recreate}}\n" + pods(4, 4, 3)},
		{name: "a Deployment without replicas",
			object: deployment + "spec: {replicas: 0}\nstatus: {observedGeneration: 2}\n", state: Current},

		{name: "a StatefulSet that was not observed",
			object: stateful + ordered, state: InProgress, says: "generation"},
		{name: "a StatefulSet whose pods people delete", state: Current,
			object: stateful + "spec: {updateStrategy: {type: OnDelete}}\nstatus: {observedGeneration: 2}\n"},
		{name: "a StatefulSet with pods of before", state: InProgress, says: "1 of 3 pods are updated",
			object: stateful + ordered + "status: {observedGeneration: 2, updatedReplicas: 1, readyReplicas: 3}\n"},
		{name: "a StatefulSet with a pod that is not ready", state: InProgress, says: "2 pods are ready",
			object: stateful + ordered + "status: {observedGeneration: 2, updatedReplicas: 3, readyReplicas: 2}\n"},
		{name: "a StatefulSet between two revisions", state: InProgress, says: "new revision",
			object: stateful + ordered + sets(3, 3, "a")},
		{name: "a StatefulSet that is ready", state: Current,
			object: stateful + ordered + sets(3, 3, "b")},
		{name: "a StatefulSet with a partition", state: Current,
			object: stateful + "spec:\n  replicas: 3\n" +
				"  updateStrategy: {type: RollingUpdate, rollingUpdate: {partition: 2}}\n" +
				sets(1, 3, "a")},

		{name: "a DaemonSet whose pods people delete", state: Current,
			object: daemon + "spec: {updateStrategy: {type: OnDelete}}\nstatus: {observedGeneration: 2}\n"},
		{name: "a DaemonSet with pods of before", state: InProgress, says: "1 of 3 pods are updated",
			object: daemon + lacks + nodes(1, 3)},
		{name: "a DaemonSet that lacks as much as it may", state: Current,
			object: daemon + lacks + nodes(3, 2)},
		{name: "a DaemonSet that lacks more", state: InProgress, says: "1 of 2 pods are ready",
			object: daemon + lacks + nodes(3, 1)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			var none *Rules
			got := none.AsHelm().Assess(parse(t, tt.object), tt.jobs)
			silent := got.Message == ""
			if got.State != tt.state || !strings.Contains(got.Full(), tt.says) || silent != (tt.state == Current) {
				t.Errorf("got %s: %q, want %s: %q", got.State, got.Full(), tt.state, tt.says)
			}
		})
	}
}

func TestRulesAsHelm(t *testing.T) {
	t.Parallel()
	const widget = "apiVersion: example.com/v1\nkind: Widget\nmetadata: {name: a}\nspec: {ready: false}\n"
	const job = "apiVersion: batch/v1\nkind: Job\nmetadata: {name: a}\nspec: {completions: 1}\n"
	rules, err := NewRules([]v1beta1.HealthCheckExpr{
		{APIVersion: "example.com/v1", Kind: "Widget", Current: "spec.ready"},
	})
	if err != nil {
		t.Fatal(err)
	}
	var none *Rules
	if got := rules.AsHelm().Assess(parse(t, widget), true); got.State != InProgress {
		t.Errorf("an expression does not judge its kind: %+v", got)
	}
	if got := none.AsHelm().Assess(parse(t, widget), true); got.State != Current {
		t.Errorf("without the expression: %+v", got)
	}
	digests := map[string]bool{
		none.Digest(): true, rules.Digest(): true, none.AsHelm().Digest(): true, rules.AsHelm().Digest(): true,
	}
	if len(digests) != 4 {
		t.Errorf("different rules have the same digest: %v", digests)
	}
	watched, unwatched := schema.GroupKind{Group: "example.com", Kind: "Widget"}, schema.GroupKind{Kind: "ConfigMap"}
	if none.AsHelm().Judges(unwatched) || !none.AsHelm().Judges(watched) {
		t.Error("the rules of Helm are for every kind whose content is watched, and for no other")
	}
	if ready, complete := none.AsHelm().Reports(parse(t, job)); ready.State != Current || complete.State != InProgress {
		t.Errorf("a Job that runs is %s, and %s for those that wait for its end", ready.State, complete.State)
	}
	if ready, complete := rules.Reports(parse(t, widget)); ready != complete || ready.State != InProgress {
		t.Errorf("an object that is no Job is %+v and %+v", ready, complete)
	}
}
