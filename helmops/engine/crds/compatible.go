package crds

import (
	"bufio"
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// RefusalError says why an existing definition is not replaced. It is decided before anything is written.
type RefusalError struct {
	// Name of the definition and File of the chart that it is in.
	Name, File string
	// Problem continues "cannot be replaced:".
	Problem string
}

// Error implements error.
func (r *RefusalError) Error() string {
	return fmt.Sprintf("CustomResourceDefinition %s cannot be replaced with that of %s: %s", r.Name, r.File, r.Problem)
}

// compatible returns a *RefusalError for a replacement that the API server would refuse, or that would make objects
// unreadable.
func compatible(d *definition) error {
	refuse := func(format string, args ...any) error {
		return &RefusalError{Name: d.name(), File: d.file, Problem: fmt.Sprintf(format, args...)}
	}
	for _, path := range [][]string{{"group"}, {"scope"}, {"names", "kind"}, {"names", "plural"}} {
		was, _, _ := unstructured.NestedString(d.live.Object, append([]string{"spec"}, path...)...)
		is, _, _ := unstructured.NestedString(d.object.Object, append([]string{"spec"}, path...)...)
		if was != is {
			return refuse("spec.%s changes from %q to %q, and objects of the old kind would be lost; "+
				"move them to a definition of another name, or delete this one with all its objects first", strings.Join(path, "."),
				was, is)
		}
	}

	stored, _, _ := unstructured.NestedStringSlice(d.live.Object, "status", "storedVersions")
	versions := versionsOf(d.object)
	var dropped []string
	for _, version := range stored {
		if _, kept := versions[version]; !kept {
			dropped = append(dropped, version)
		}
	}

	if len(dropped) > 0 {
		return refuse("it drops version %s, which objects may still be stored in (status.storedVersions); "+
			"rewrite all of them in a version that stays, then remove %[1]s from status.storedVersions",
			strings.Join(dropped, ", "))
	}

	return nil
}

// versionsOf returns the versions of a definition and whether they are served.
func versionsOf(object *unstructured.Unstructured) map[string]bool {
	list, _, _ := unstructured.NestedSlice(object.Object, "spec", "versions")
	versions := map[string]bool{}
	for _, entry := range list {
		if version, ok := entry.(map[string]any); ok {
			name, _ := version["name"].(string)
			versions[name], _ = version["served"].(bool)
		}
	}
	return versions
}

// keepCABundle returns the spec of the chart with the live CA of the conversion webhook, where the chart leaves it to
// something in the cluster, such as cert-manager, to put one in.
func keepCABundle(wanted, live *unstructured.Unstructured) map[string]any {
	spec, _, _ := unstructured.NestedMap(wanted.Object, "spec")
	path := []string{"conversion", "webhook", "clientConfig"}
	config, found, _ := unstructured.NestedMap(spec, path...)
	if own, _ := config["caBundle"].(string); !found || own != "" && own != "Cg==" {
		return spec
	}

	bundle, _, _ := unstructured.NestedString(live.Object, append([]string{"spec"}, append(path, "caBundle")...)...)
	if bundle != "" {
		// The path was read as a map just now, so it can be set.
		_ = unstructured.SetNestedField(spec, bundle, append(slices.Clone(path), "caBundle")...)
	}

	return spec
}

func merged(under, over map[string]string) map[string]string {
	if len(under) == 0 && len(over) == 0 {
		return nil
	}
	all := maps.Clone(under)
	if all == nil {
		all = map[string]string{}
	}
	maps.Copy(all, over)
	return all
}

func newReader(content []byte) *bufio.Reader { return bufio.NewReader(bytes.NewReader(content)) }
