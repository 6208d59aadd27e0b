package health

import (
	"fmt"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// assessAsHelm judges an object by the rules by which Helm 3 waits, as far as the object itself says: pods, workloads,
// claims, Services and definitions can lack something, a Job that is waited for can fail, and everything else is ready
// as soon as it exists. What is being deleted is not ready, and a pod that has succeeded is.
func assessAsHelm(object *unstructured.Unstructured, jobs bool) Report {
	if object.GetDeletionTimestamp() != nil {
		return Report{State: InProgress, Message: "is being deleted"}
	}

	judge := asHelm[object.GroupVersionKind().GroupKind()]
	if isJob(object) && !jobs {
		judge = nil
	}
	if judge == nil {
		return Report{State: Current}
	}

	report := judge(object)
	if report.State == InProgress {
		report.Serving, report.Unobserved = isServing(object), isUnobserved(object)
	}

	return report
}

// asHelm are the kinds that Helm 3 waits for.
var asHelm = map[schema.GroupKind]func(*unstructured.Unstructured) Report{
	{Kind: "Pod"}:                                                     podAsHelm,
	{Kind: "PersistentVolumeClaim"}:                                   claimAsHelm,
	{Kind: "Service"}:                                                 serviceAsHelm,
	{Kind: "ReplicationController"}:                                   replicasAsHelm,
	{Group: "apps", Kind: "ReplicaSet"}:                               replicasAsHelm,
	{Group: "apps", Kind: "Deployment"}:                               deploymentAsHelm,
	{Group: "apps", Kind: "StatefulSet"}:                              statefulSetAsHelm,
	{Group: "apps", Kind: "DaemonSet"}:                                daemonSetAsHelm,
	{Group: "batch", Kind: "Job"}:                                     jobAsHelm,
	{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}: definitionAsHelm,
}

func podAsHelm(pod *unstructured.Unstructured) Report {
	phase, _, _ := unstructured.NestedString(pod.Object, "status", "phase")
	return readyIf(phase == "Succeeded" || hasCondition(pod, "Ready", "True"), "the pod is not ready")
}

func claimAsHelm(claim *unstructured.Unstructured) Report {
	phase, _, _ := unstructured.NestedString(claim.Object, "status", "phase")
	return readyIf(phase == "Bound", "the claim is not bound")
}

func serviceAsHelm(service *unstructured.Unstructured) Report {
	text := func(field string) string {
		value, _, _ := unstructured.NestedString(service.Object, "spec", field)
		return value
	}
	outside, _, _ := unstructured.NestedSlice(service.Object, "spec", "externalIPs")
	ingress, _, _ := unstructured.NestedSlice(service.Object, "status", "loadBalancer", "ingress")
	switch kind := text("type"); {
	case kind == "ExternalName":
		return Report{State: Current}
	case text("clusterIP") == "":
		return readyIf(false, "the Service has no cluster IP")
	default:
		reachable := kind != "LoadBalancer" || len(outside) > 0 || len(ingress) > 0
		return readyIf(reachable, "the load balancer has no address")
	}
}

// replicasAsHelm judges a controller of pods by the pods that it has, however many these are.
func replicasAsHelm(set *unstructured.Unstructured) Report {
	if report := observed(set); report.State != Current {
		return report
	}
	return enough(number(set, 0, "status", "readyReplicas"), number(set, 0, "status", "replicas"), "ready")
}

// deploymentAsHelm wants as many ready pods of the new revision as the strategy leaves. The object does not say of
// which revision the pods are that are not ready; they count as those of the new one.
func deploymentAsHelm(deployment *unstructured.Unstructured) Report {
	if paused, _, _ := unstructured.NestedBool(deployment.Object, "spec", "paused"); paused {
		return Report{State: Current}
	}
	if report := observed(deployment); report.State != Current {
		return report
	}

	wanted := number(deployment, 1, "spec", "replicas")
	old := number(deployment, 0, "status", "replicas") - number(deployment, 0, "status", "updatedReplicas")
	ready := number(deployment, 0, "status", "readyReplicas") - max(0, old)
	return enough(max(0, ready), wanted-mayLack(deployment, wanted), "ready")
}

// mayLack is how many of the pods of a Deployment may be unavailable during an update.
func mayLack(deployment *unstructured.Unstructured, wanted int64) int64 {
	strategy, _, _ := unstructured.NestedString(deployment.Object, "spec", "strategy", "type")
	if strategy != "RollingUpdate" || wanted == 0 {
		return 0
	}

	surge := share(deployment, wanted, true, "spec", "strategy", "rollingUpdate", "maxSurge")
	lack := share(deployment, wanted, false, "spec", "strategy", "rollingUpdate", "maxUnavailable")
	if surge == 0 && lack == 0 {
		lack = 1
	}

	return min(lack, wanted)
}

func statefulSetAsHelm(set *unstructured.Unstructured) Report {
	if report := observed(set); report.State != Current {
		return report
	}
	if !rolls(set) {
		return Report{State: Current}
	}

	wanted := number(set, 1, "spec", "replicas")
	partition := number(set, 0, "spec", "updateStrategy", "rollingUpdate", "partition")
	updated := enough(number(set, 0, "status", "updatedReplicas"), wanted-partition, "updated")
	if updated.State != Current {
		return updated
	}
	if ready := number(set, 0, "status", "readyReplicas"); ready != wanted {
		return readyIf(false, fmt.Sprintf("%d pods are ready, and %d are wanted", ready, wanted))
	}

	current, _, _ := unstructured.NestedString(set.Object, "status", "currentRevision")
	update, _, _ := unstructured.NestedString(set.Object, "status", "updateRevision")
	return readyIf(partition != 0 || current == update, "not all pods are of the new revision")
}

// rolls reports whether the controller of a set replaces the pods by itself.
func rolls(set *unstructured.Unstructured) bool {
	strategy, _, _ := unstructured.NestedString(set.Object, "spec", "updateStrategy", "type")
	return strategy == "RollingUpdate"
}

func daemonSetAsHelm(set *unstructured.Unstructured) Report {
	if report := observed(set); report.State != Current {
		return report
	}
	if !rolls(set) {
		return Report{State: Current}
	}

	wanted := number(set, 0, "status", "desiredNumberScheduled")
	if updated := number(set, 0, "status", "updatedNumberScheduled"); updated != wanted {
		return readyIf(false, fmt.Sprintf("%d of %d pods are updated", updated, wanted))
	}

	lack := share(set, wanted, true, "spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
	return enough(number(set, 0, "status", "numberReady"), wanted-lack, "ready")
}

// jobAsHelm judges a Job that is waited for. Without a number of completions Helm does not wait for any. A Job that
// says that it has failed will not complete.
func jobAsHelm(job *unstructured.Unstructured) Report {
	said := assessJob(job)
	if said.State == Failed {
		return said
	}

	const defaultLimit = 6
	failed := number(job, 0, "status", "failed")
	if failed > number(job, defaultLimit, "spec", "backoffLimit") {
		return Report{State: Failed, Message: fmt.Sprintf("%d pods of the Job have failed", failed)}
	}

	return enough(number(job, 0, "status", "succeeded"), number(job, 0, "spec", "completions"), "complete")
}

// definitionAsHelm does not wait for a definition whose names are taken: the conflict stays.
func definitionAsHelm(definition *unstructured.Unstructured) Report {
	ready := hasCondition(definition, "Established", "True") || hasCondition(definition, "NamesAccepted", "False")
	return readyIf(ready, "the definition is not established")
}

// observed is Current once the controller of a workload has seen its newest generation.
func observed(object *unstructured.Unstructured) Report {
	seen := number(object, 0, "status", "observedGeneration")
	is := object.GetGeneration()
	return readyIf(seen == is, fmt.Sprintf("its status is about generation %d, and it is at %d", seen, is))
}

func enough(has, wanted int64, what string) Report {
	return readyIf(has >= wanted, fmt.Sprintf("%d of %d pods are %s", has, wanted, what))
}

func readyIf(ready bool, otherwise string) Report {
	if ready {
		return Report{State: Current}
	}
	return Report{State: InProgress, Message: otherwise}
}

// number reads a whole number.
func number(object *unstructured.Unstructured, otherwise int64, path ...string) int64 {
	if value, ok, err := unstructured.NestedInt64(object.Object, path...); ok && err == nil {
		return value
	}
	return otherwise
}

// share reads a number of pods, or a percentage of all. One that cannot be read is all.
func share(object *unstructured.Unstructured, all int64, up bool, path ...string) int64 {
	value, has, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if !has || err != nil || value == nil {
		return 0
	}

	given := intstr.Parse(fmt.Sprint(value))
	scaled, err := intstr.GetScaledValueFromIntOrPercent(&given, int(all), up)
	if err != nil {
		return all
	}

	return int64(scaled)
}

func hasCondition(object *unstructured.Unstructured, conditionType, status string) bool {
	conditions, _, _ := unstructured.NestedSlice(object.Object, "status", "conditions")
	return find(conditions, conditionType, status) != nil
}
