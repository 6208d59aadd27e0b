package preview

import (
	"cmp"
	"encoding/json"
	"slices"

	"k8s.io/apimachinery/pkg/api/resource"

	"fairlead.dev/fairlead/helmops/kube/diff"
)

// templates are where the pod template of a kind is, for kinds whose pods are replaced when it changes.
var templates = map[kindOf][]string{
	{"apps", "Deployment"}:        {"spec", "template"},
	{"apps", "StatefulSet"}:       {"spec", "template"},
	{"apps", "DaemonSet"}:         {"spec", "template"},
	{"", "ReplicationController"}: {"spec", "template"},
	{"apps", "ReplicaSet"}:        {"spec", "template"},
	{"batch", "Job"}:              {"spec", "template"},
	{"batch", "CronJob"}:          {"spec", "jobTemplate", "spec", "template"},
}

// restarts sees pods that are replaced because their template changes, also where only a field changes that does so
// with each rendering.
func restarts(f facts) []Risk {
	kind := kindOf{f.id.group, f.id.kind}
	switch kind {
	case kindOf{"apps", "Deployment"}, kindOf{"apps", "StatefulSet"}, kindOf{"apps", "DaemonSet"}:
	default:
		return nil
	}

	switch {
	case f.change == diff.Deleted:
		return risk(Restart, "is deleted, and its pods with it")
	case f.change != diff.Changed || keepsPods(f):
		return nil
	case changes(f.fields, ".spec.template"):
		return risk(Restart, "restarts its pods")
	case changes(f.paths, ".spec.template"):
		return risk(Restart, "restarts its pods with every upgrade: its pod template changes with each rendering")
	}

	return nil
}

// keepsPods reports whether a workload has no pods, or leaves those that run as they are until they are deleted.
func keepsPods(f facts) bool {
	if text(f.is, "spec", "updateStrategy", "type") == "OnDelete" {
		return true
	}
	return f.id.kind != "DaemonSet" && replicas(f.was) == 0
}

// replicas of a workload, 1 when it does not say.
func replicas(object map[string]any) int64 {
	switch n := field(object, "spec", "replicas").(type) {
	case int64:
		return n
	case float64:
		return int64(n)
	case json.Number:
		whole, _ := n.Int64()
		return whole
	default:
		return 1
	}
}

// templateOf is the pod template of a workload, the pod itself for a pod; nil for other kinds.
func templateOf(id ref, object map[string]any) map[string]any {
	if id.group == "" && id.kind == "Pod" {
		return object
	}
	path, is := templates[kindOf{id.group, id.kind}]
	if !is {
		return nil
	}
	return mapAt(object, path...)
}

// containersOf are the containers of a pod, by name, those of its initialization included.
func containersOf(pod map[string]any) map[string]map[string]any {
	out := map[string]map[string]any{}
	for _, key := range []string{"initContainers", "containers"} {
		for _, c := range mapsIn(list(pod, "spec", key)) {
			out[text(c, "name")] = c
		}
	}
	return out
}

// Image is an image that changes. From or To is empty where the container is new or gone.
type Image struct {
	Object, Container, From, To string
}

func (c *comparison) images() []Image {
	var out []Image
	for _, id := range union(c.from, c.to) {
		was := containersOf(templateOf(id, c.from[id]))
		is := containersOf(templateOf(id, c.to[id]))
		for _, name := range union(was, is) {
			image := Image{
				Object:    id.String(),
				Container: name,
				From:      text(was[name], "image"),
				To:        text(is[name], "image"),
			}
			if image.From != image.To {
				image.From = c.mask(image.From)
				image.To = c.mask(image.To)
				out = append(out, image)
			}
		}
	}

	slices.SortStableFunc(out, func(a, b Image) int {
		return cmp.Or(cmp.Compare(a.Object, b.Object), cmp.Compare(a.Container, b.Container))
	})
	return out
}

// union are the keys of two maps, in no order, each once.
func union[K comparable, V any](a, b map[K]V) []K {
	out := make([]K, 0, len(a)+len(b))
	for key := range a {
		out = append(out, key)
	}
	for key := range b {
		if _, both := a[key]; !both {
			out = append(out, key)
		}
	}
	return out
}

// Requests are sums of resource requests before and after a change.
type Requests struct {
	CPU, Memory Amount
}

// Amount is a quantity before and after a change.
type Amount struct {
	From, To resource.Quantity
}

// Changes reports whether it is another quantity afterwards.
func (a Amount) Changes() bool { return a.From.Cmp(a.To) != 0 }

// requests sums what all pods ask for, times their replicas. DaemonSets, which have as many pods as there are nodes,
// and Jobs count once. A quantity that cannot be read counts as none: the API server refuses it.
func (c *comparison) requests() Requests {
	return Requests{
		CPU:    Amount{From: sum(c.from, "cpu"), To: sum(c.to, "cpu")},
		Memory: Amount{From: sum(c.from, "memory"), To: sum(c.to, "memory")},
	}
}

func sum(objects set, name string) resource.Quantity {
	var total resource.Quantity
	for id, object := range objects {
		pod := templateOf(id, object)
		if pod == nil {
			continue
		}

		times := int64(1)
		if id.group == "apps" && id.kind != "DaemonSet" {
			times = replicas(object)
		}

		for _, c := range mapsIn(list(pod, "spec", "containers")) {
			one, err := resource.ParseQuantity(quantityText(field(c, "resources", "requests", name)))
			if err != nil {
				continue
			}

			one.Mul(times)
			total.Add(one)
		}
	}

	return total
}

// quantityText is a quantity as it is written: a text, or a number.
func quantityText(value any) string {
	if written, is := value.(string); is {
		return written
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return ""
	}
	return string(encoded)
}
