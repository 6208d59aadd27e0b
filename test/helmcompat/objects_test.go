package helmcompat

import (
	"encoding/base64"
	"encoding/json"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// kind of an object, as its manifest writes it.
type kind struct{ apiVersion, kind string }

// always are the kinds that are looked at in every scenario, so that objects that are not declared are found as well.
var always = []kind{
	{"v1", "ConfigMap"}, {"v1", "Secret"}, {"v1", "Service"}, {"v1", "ServiceAccount"}, {"v1", "Pod"},
	{"v1", "PersistentVolumeClaim"}, {"apps/v1", "Deployment"}, {"batch/v1", "Job"},
}

// kindsOf lists the kinds in a manifest of one document, lists looked into.
func kindsOf(manifest string) []kind {
	var document struct {
		APIVersion, Kind string
		Items            []struct{ APIVersion, Kind string }
	}
	if yaml.Unmarshal([]byte(manifest), &document) != nil {
		return nil
	}
	var found []kind
	if document.Kind != "" && document.Items == nil {
		found = append(found, kind{document.APIVersion, document.Kind})
	}
	for _, item := range document.Items {
		found = append(found, kind{item.APIVersion, item.Kind})
	}
	return found
}

// objects returns what is in the namespaces of a side, and what it has outside of any, by kind, namespace and name.
// Objects that controllers make, and those that every namespace has, are left out.
func (p *play) objects(t *testing.T, s side) map[string]any {
	t.Helper()
	found := map[string]any{}
	for _, k := range slices.Concat(always, slices.Collect(maps.Keys(p.kinds))) {
		for _, object := range listed(t, schema.FromAPIVersionAndKind(k.apiVersion, k.kind).GroupKind(), s) {
			name := k.kind + " " + object.GetNamespace() + "/" + object.GetName()
			found[name] = tidyObject(t, &object)
		}
	}
	return found
}

// listed returns the objects of a kind that are a side's own.
func listed(t *testing.T, kind schema.GroupKind, s side) []unstructured.Unstructured {
	t.Helper()
	mapping, err := world.cluster.Client.RESTMapper().RESTMapping(kind) // the version that the server prefers
	if meta.IsNoMatchError(err) {
		return nil // of a manifest that cannot be installed
	}
	if err != nil {
		t.Fatal(err)
	}
	namespaces := s.all
	if mapping.Scope.Name() == meta.RESTScopeNameRoot {
		namespaces = []string{""}
	}
	var own []unstructured.Unstructured
	for _, namespace := range namespaces {
		list := &unstructured.UnstructuredList{}
		list.SetGroupVersionKind(mapping.GroupVersionKind)
		if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(namespace)); err != nil {
			t.Fatal(err)
		}
		for _, object := range list.Items {
			if !isOthers(&object) && (namespace != "" || strings.Contains(object.GetName(), s.namespace)) {
				own = append(own, object)
			}
		}
	}
	return own
}

// isOthers reports whether an object was made by a controller, is in every namespace, or is compared as a record.
func isOthers(object *unstructured.Unstructured) bool {
	name, kind := object.GetName(), object.GetKind()
	return len(object.GetOwnerReferences()) > 0 || kind == "ConfigMap" && name == "kube-root-ca.crt" ||
		kind == "ServiceAccount" && name == "default" || strings.HasPrefix(name, "sh.helm.release.v1.")
}

// noise is what the server, its controllers and the simulated node fill in on their own, by path.
var noise = [][]string{
	{"status"},
	{"metadata", "uid"}, {"metadata", "resourceVersion"}, {"metadata", "creationTimestamp"}, {"metadata", "managedFields"},
	{"metadata", "generation"}, {"metadata", "selfLink"},
	{"metadata", "annotations", "pv.kubernetes.io/bind-completed"}, {"metadata", "annotations",
		"pv.kubernetes.io/bound-by-controller"},
	{"metadata", "annotations", "volume.kubernetes.io/selected-node"},
	{"metadata", "annotations", "volume.kubernetes.io/storage-provisioner"},
	{"metadata", "annotations", "volume.beta.kubernetes.io/storage-provisioner"},
	{"spec", "clusterIP"}, {"spec", "clusterIPs"}, {"spec", "healthCheckNodePort"}, {"spec", "nodeName"}, {"spec",
		"volumeName"},
}

// tokenVolume is the volume with the token that the server adds to every Pod.
var tokenVolume = regexp.MustCompile(`kube-api-access-[a-z0-9]{5}`)

// managersOf lists who wrote the object, but for Kubernetes itself, whatever the operation.
func managersOf(object client.Object) []any {
	var names []string
	for _, entry := range object.GetManagedFields() {
		if entry.Subresource == "" && !strings.HasPrefix(entry.Manager, "kube-") && entry.Manager != "kwok" {
			names = append(names, entry.Manager)
		}
	}
	slices.Sort(names)
	var managers []any
	for _, name := range slices.Compact(names) {
		managers = append(managers, name)
	}
	return managers
}

// tidyObject returns the content of an object without noise, the data of a Secret readable.
func tidyObject(t *testing.T, object client.Object) map[string]any {
	t.Helper()
	document, err := json.Marshal(object)
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(document), string(object.GetUID()), "(its uid)")
	content := map[string]any{}
	if err := json.Unmarshal([]byte(tokenVolume.ReplaceAllString(text, "kube-api-access")), &content); err != nil {
		t.Fatal(err)
	}
	managers := managersOf(object)
	for _, path := range noise {
		unstructured.RemoveNestedField(content, path...)
	}
	if annotations, found, _ := unstructured.NestedMap(content, "metadata", "annotations"); found &&
		len(annotations) == 0 {
		unstructured.RemoveNestedField(content, "metadata", "annotations")
	}
	if managers != nil {
		_ = unstructured.SetNestedSlice(content, managers, "metadata", "managers")
	}
	ports, _, _ := unstructured.NestedSlice(content, "spec", "ports")
	for _, port := range ports {
		if fields, ok := port.(map[string]any); ok {
			delete(fields, "nodePort")
		}
	}
	if ports != nil {
		_ = unstructured.SetNestedSlice(content, ports, "spec", "ports")
	}
	if content["kind"] == "Secret" {
		data, _ := content["data"].(map[string]any)
		for key, value := range data {
			if plain, err := base64.StdEncoding.DecodeString(value.(string)); err == nil {
				data[key] = string(plain)
			}
		}
	}
	return content
}
