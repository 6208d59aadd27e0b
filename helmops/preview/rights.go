package preview

import (
	"fmt"
	"slices"
	"strings"

	"fairlead.dev/fairlead/helmops/kube/diff"
)

const rbac = "rbac.authorization.k8s.io"

// roleRights sees what a Role or ClusterRole allows that it did not allow before.
func roleRights(f facts) []Risk {
	if f.id.group != rbac || f.id.kind != "Role" && f.id.kind != "ClusterRole" || f.change == diff.Deleted {
		return nil
	}

	if field(f.is, "aggregationRule") != nil && changesOrNew(f, ".aggregationRule") {
		return risk(Escalation, "takes the rules of other ClusterRoles (aggregationRule)")
	}

	had := rightsOf(f.was)
	var more []string
	for _, r := range rightsOf(f.is) {
		if !slices.ContainsFunc(had, func(h right) bool { return h.includes(r) }) {
			more = append(more, r.String())
		}
	}

	if len(more) == 0 {
		return nil
	}

	slices.Sort(more)
	return risk(Escalation, "allows %s", shortened(slices.Compact(more)))
}

func changesOrNew(f facts, path string) bool {
	return f.change == diff.Created || changes(f.fields, path)
}

// right is one verb on one resource, or on one path that is none.
type right struct{ verb, group, resource, name, url string }

func (r right) String() string {
	if r.url != "" {
		return r.verb + " " + r.url
	}
	what := r.resource
	if r.group != "" {
		what += "." + r.group
	}
	if r.name != "" {
		what += "/" + r.name
	}
	return r.verb + " " + what
}

// includes reports whether a right has another one in it: a wildcard has all, and a right without a name all names.
func (r right) includes(other right) bool {
	matches := func(have, want string) bool { return have == "*" || have == want }
	if (r.url == "") != (other.url == "") || !matches(r.verb, other.verb) {
		return false
	}
	if r.url != "" {
		prefix, open := strings.CutSuffix(r.url, "*")
		return r.url == other.url || open && strings.HasPrefix(other.url, prefix)
	}
	return matches(r.group, other.group) && matches(r.resource, other.resource) &&
		(r.name == "" || r.name == other.name)
}

// maxRights bounds the rights that are compared: a role is a product of four lists.
const maxRights = 10_000

// rightsOf are the rights of a role, one by one.
func rightsOf(role map[string]any) []right {
	var out []right
	for _, rule := range mapsIn(list(role, "rules")) {
		names := textsIn(list(rule, "resourceNames"))
		if len(names) == 0 {
			names = []string{""}
		}

		for _, verb := range textsIn(list(rule, "verbs")) {
			for _, url := range textsIn(list(rule, "nonResourceURLs")) {
				out = append(out, right{verb: verb, url: url})
			}

			out = appendRights(out, rule, verb, names)
			if len(out) > maxRights {
				return append(out[:maxRights], right{verb: "*", group: "*", resource: "*"})
			}
		}
	}

	return out
}

func appendRights(out []right, rule map[string]any, verb string, names []string) []right {
	for _, group := range textsIn(list(rule, "apiGroups")) {
		for _, resource := range textsIn(list(rule, "resources")) {
			for _, name := range names {
				out = append(out, right{verb: verb, group: group, resource: resource, name: name})
			}
			if len(out) > maxRights {
				return out
			}
		}
	}
	return out
}

// boundSubjects sees who gets a role that did not have it.
func boundSubjects(f facts) []Risk {
	if f.id.group != rbac || f.id.kind != "RoleBinding" && f.id.kind != "ClusterRoleBinding" ||
		f.change == diff.Deleted {
		return nil
	}

	role := text(f.is, "roleRef", "kind") + " " + text(f.is, "roleRef", "name")
	had := subjectsOf(f.was)
	if text(f.was, "roleRef", "kind")+" "+text(f.was, "roleRef", "name") != role {
		had = nil
	}

	var more []string
	for _, s := range subjectsOf(f.is) {
		if !slices.Contains(had, s) {
			more = append(more, s)
		}
	}

	if len(more) == 0 {
		return nil
	}

	where := ""
	if f.id.kind == "ClusterRoleBinding" {
		where = " in all namespaces"
	}

	return risk(Escalation, "gives %s to %s%s", role, shortened(more), where)
}

func subjectsOf(binding map[string]any) []string {
	subjects := mapsIn(list(binding, "subjects"))
	out := make([]string, 0, len(subjects))
	for _, s := range subjects {
		out = append(out, nameOf(text(s, "kind"), text(s, "namespace"), text(s, "name")))
	}
	return out
}

// privilegedPods sees what pods may do on their node that they could not do before.
func privilegedPods(f facts) []Risk {
	if f.change == diff.Deleted {
		return nil
	}

	had := powersOf(templateOf(f.id, f.was))
	var more []string
	for _, power := range powersOf(templateOf(f.id, f.is)) {
		if !slices.Contains(had, power) {
			more = append(more, power)
		}
	}

	if len(more) == 0 {
		return nil
	}

	return risk(Escalation, "runs pods with %s", shortened(more))
}

// powersOf is what of a pod the baseline Pod Security Standard forbids, in words.
func powersOf(pod map[string]any) []string {
	if pod == nil {
		return nil
	}

	var out []string
	for _, key := range []string{"hostNetwork", "hostPID", "hostIPC"} {
		if field(pod, "spec", key) == true {
			out = append(out, key)
		}
	}

	for _, volume := range mapsIn(list(pod, "spec", "volumes")) {
		if path := text(volume, "hostPath", "path"); path != "" {
			out = append(out, "hostPath "+path)
		}
	}

	containers := containersOf(pod)
	names := union(containers, nil)
	slices.Sort(names)
	for _, name := range names {
		c := containers[name]
		if field(c, "securityContext", "privileged") == true {
			out = append(out, "container "+name+" privileged")
		}

		for _, capability := range textsIn(list(c, "securityContext", "capabilities", "add")) {
			out = append(out, fmt.Sprintf("capability %s in container %s", capability, name))
		}
	}

	return out
}

// admission sees webhooks and aggregated APIs: the API server asks them about objects of others.
func admission(f facts) []Risk {
	switch (kindOf{f.id.group, f.id.kind}) {
	case kindOf{"admissionregistration.k8s.io", "MutatingWebhookConfiguration"},
		kindOf{"admissionregistration.k8s.io", "ValidatingWebhookConfiguration"}:
		if f.change == diff.Created || f.change == diff.Changed && changes(f.fields, ".webhooks") {
			return risk(Escalation, "sees requests for objects of others")
		}
	case kindOf{"apiregistration.k8s.io", "APIService"}:
		if f.change == diff.Created && field(f.is, "spec", "service") != nil {
			return risk(Escalation, "answers requests in place of the API server")
		}
	}
	return nil
}
