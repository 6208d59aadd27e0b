package drift

import (
	"slices"

	"k8s.io/apimachinery/pkg/runtime/schema"
)

// choice is a union: a group of fields of which the API server accepts only one. Where it has set a field of the
// group by default, or another client has, an apply that sets another field is refused, because it removes only
// what the applier owns.
//
// A list that is replaced as a whole, such as the metrics of a HorizontalPodAutoscaler, needs no entry, and
// neither does a group whose fields are immutable, such as the source of a PersistentVolume. The API server
// accepts a DaemonSet with the leftover field, and clears those that depend on the type of a Service itself.
type choice struct {
	// kinds that have it; nil is every kind with a template of a pod, and at is a path in the specification of the
	// pod then.
	kinds []schema.GroupKind
	// at is the path of the fields' parent; each stands for any item of a list, which is named by its "name".
	at []string
	// by is the field whose value says which of the others may be set, as branches has it; empty where no field
	// does.
	by       string
	branches map[string]string
	// fields of which one may be set, where no field says which; nil is all but the name.
	fields []string
}

// each stands for any item of a list in a path.
const each = "*"

func apps(kind string) schema.GroupKind { return schema.GroupKind{Group: "apps", Kind: kind} }

func admission(kind string) schema.GroupKind {
	return schema.GroupKind{Group: "admissionregistration.k8s.io", Kind: kind}
}

func flow(kind string) schema.GroupKind {
	return schema.GroupKind{Group: "flowcontrol.apiserver.k8s.io", Kind: kind}
}

// pods are the kinds that have the specification of a pod, and where.
var pods = map[schema.GroupKind][]string{
	{Kind: "Pod"}:                   {"spec"},
	{Kind: "ReplicationController"}: {"spec", "template", "spec"},
	{Kind: "PodTemplate"}:           {"template", "spec"},
	apps("Deployment"):              {"spec", "template", "spec"},
	apps("ReplicaSet"):              {"spec", "template", "spec"},
	apps("StatefulSet"):             {"spec", "template", "spec"},
	apps("DaemonSet"):               {"spec", "template", "spec"},
	{Group: "batch", Kind: "Job"}:   {"spec", "template", "spec"},
	{Group: "batch", Kind: "CronJob"}: {
		"spec", "jobTemplate", "spec", "template", "spec",
	},
}

var (
	probes   = []string{"exec", "httpGet", "tcpSocket", "grpc"}
	handlers = []string{"exec", "httpGet", "tcpSocket", "sleep"}
	sources  = []string{"fieldRef", "resourceFieldRef", "configMapKeyRef", "secretKeyRef", "fileKeyRef"}
	profiles = map[string]string{"Localhost": "localhostProfile"}
	rolling  = map[string]string{"RollingUpdate": "rollingUpdate"}

	definition = []schema.GroupKind{{Group: "apiextensions.k8s.io", Kind: "CustomResourceDefinition"}}

	webhooks = []schema.GroupKind{
		admission("ValidatingWebhookConfiguration"), admission("MutatingWebhookConfiguration"),
	}
	bindings = []schema.GroupKind{
		admission("ValidatingAdmissionPolicyBinding"), admission("MutatingAdmissionPolicyBinding"),
	}
)

// unions are those of the built-in kinds.
var unions = slices.Concat([]choice{
	{kinds: []schema.GroupKind{apps("Deployment")}, at: []string{"spec", "strategy"}, by: "type", branches: rolling},
	{
		kinds: []schema.GroupKind{apps("StatefulSet")}, at: []string{"spec", "updateStrategy"},
		by: "type", branches: rolling,
	},
	{
		kinds: []schema.GroupKind{{Kind: "Service"}}, at: []string{"spec"},
		by: "sessionAffinity", branches: map[string]string{"ClientIP": "sessionAffinityConfig"},
	},
	{
		kinds: []schema.GroupKind{flow("PriorityLevelConfiguration")}, at: []string{"spec"},
		by: "type", branches: map[string]string{"Limited": "limited", "Exempt": "exempt"},
	},
	{
		kinds: []schema.GroupKind{flow("PriorityLevelConfiguration")}, at: []string{"spec", "limited", "limitResponse"},
		by: "type", branches: map[string]string{"Queue": "queuing"},
	},
	{
		kinds: definition, at: []string{"spec", "conversion"},
		by: "strategy", branches: map[string]string{"Webhook": "webhook"},
	},
	{
		kinds: definition, at: []string{"spec", "conversion", "webhook", "clientConfig"},
		fields: []string{"url", "service"},
	},
	{kinds: webhooks, at: []string{"webhooks", each, "clientConfig"}, fields: []string{"url", "service"}},
	{kinds: bindings, at: []string{"spec", "paramRef"}, fields: []string{"name", "selector"}},
	{
		kinds: []schema.GroupKind{{Group: "networking.k8s.io", Kind: "Ingress"}},
		at:    []string{"spec", "defaultBackend"}, fields: []string{"service", "resource"},
	},
	{
		kinds: []schema.GroupKind{{Group: "policy", Kind: "PodDisruptionBudget"}},
		at:    []string{"spec"}, fields: []string{"minAvailable", "maxUnavailable"},
	},
	{at: []string{"volumes", each}},
	{at: []string{"securityContext", "seccompProfile"}, by: "type", branches: profiles},
	{at: []string{"securityContext", "appArmorProfile"}, by: "type", branches: profiles},
}, ofContainers("containers"), ofContainers("initContainers"))

// ofContainers are the unions of the containers in a list.
func ofContainers(list string) []choice {
	at := func(path ...string) []string { return append([]string{list, each}, path...) }
	return []choice{
		{at: at("env", each), fields: []string{"value", "valueFrom"}},
		{at: at("env", each, "valueFrom"), fields: sources},
		{at: at("livenessProbe"), fields: probes},
		{at: at("readinessProbe"), fields: probes},
		{at: at("startupProbe"), fields: probes},
		{at: at("lifecycle", "postStart"), fields: handlers},
		{at: at("lifecycle", "preStop"), fields: handlers},
		{at: at("securityContext", "seccompProfile"), by: "type", branches: profiles},
		{at: at("securityContext", "appArmorProfile"), by: "type", branches: profiles},
	}
}

// unionsOf returns the unions of a kind, each with its path from the root of the object.
func unionsOf(kind schema.GroupKind) []choice {
	var out []choice
	pod, hasPod := pods[kind]
	for _, u := range unions {
		switch {
		case slices.Contains(u.kinds, kind):
			out = append(out, u)
		case u.kinds == nil && hasPod:
			u.at = slices.Concat(pod, u.at)
			out = append(out, u)
		}
	}

	return out
}

// leftover returns the fields of a union that the object has in the cluster, and that what is applied excludes.
func (u choice) leftover(live, wants map[string]any) []string {
	var out []string
	for name := range live {
		if _, wanted := wants[name]; !wanted && u.excludes(wants, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

// excludes reports whether a field cannot be set together with what is applied.
func (u choice) excludes(wants map[string]any, name string) bool {
	if u.by != "" {
		return u.excludesByValue(wants, name)
	}
	if !u.has(name) {
		return false
	}

	for other := range wants {
		if other != name && u.has(other) {
			return true
		}
	}

	return false
}

// excludesByValue is excludes for a union with a field that decides. That field itself is excluded where it is not
// applied, but a branch is: the API server sets it by default.
func (u choice) excludesByValue(wants map[string]any, name string) bool {
	decided, is := wants[u.by].(string)
	for value, branch := range u.branches {
		_, applied := wants[branch]
		switch {
		case name == branch:
			return is && decided != value
		case name == u.by && applied:
			return true
		}
	}

	return false
}

func (u choice) has(name string) bool {
	if u.fields == nil {
		return name != "name"
	}
	return slices.Contains(u.fields, name)
}
