package build

import (
	"encoding/json"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/api/resource"
	kustypes "sigs.k8s.io/kustomize/api/types"

	"fairlead.dev/fairlead/helmops/kustomize"
)

// kustomized has the library build the overlay.
func kustomized(files *view) (objects []Object, err error) {
	defer kustomize.Exclusive()()
	defer recovered(&err, "kustomize: the kustomization makes it panic")
	options := krusty.MakeDefaultOptions()
	options.LoadRestrictions = kustypes.LoadRestrictionsNone // the view is the restriction
	options.PluginConfig = kustypes.DisabledPluginConfig()
	built, err := krusty.MakeKustomizer(options).Run(files, overlayRoot)
	if files.failure != nil {
		return nil, files.failure
	}
	if err != nil {
		return nil, broken("", "kustomize: %s", readable(err))
	}

	out := make([]Object, 0, built.Size())
	for _, one := range built.Resources() {
		found, err := objectsIn(one)
		if err != nil {
			return nil, err
		}

		out = append(out, found...)
	}

	return out, nil
}

// objectsIn takes the values out of a resource, without the way over YAML text that the library would take: what
// begins with a tab, for one, is not read as it was written.
func objectsIn(built *resource.Resource) ([]Object, error) {
	unreadable := broken("", "%s %s cannot be written as JSON", built.GetKind(), built.GetName())
	values, err := built.Map()
	if err != nil {
		return nil, unreadable // the error quotes it
	}

	text, err := json.Marshal(values)
	if err != nil {
		return nil, unreadable
	}

	read, err := fromJSON(text)
	fields, is := read.(map[string]any)
	if err != nil || !is {
		return nil, unreadable
	}

	documents, err := apart("", fields, 0)
	if err != nil {
		return nil, err
	}

	out := make([]Object, 0, len(documents))
	for _, d := range documents {
		if err := d.check(""); err != nil {
			return nil, err
		}
		out = append(out, Object{Unstructured: &unstructured.Unstructured{Object: d.object}})
	}

	return out, nil
}

// readable shortens an error of the library, whose texts repeat the way to their cause.
func readable(err error) string {
	text := strings.ReplaceAll(err.Error(), ".."+sourceRoot+"/", "")
	for _, root := range plainRoots {
		text = strings.ReplaceAll(text, ".."+root+"/", "")
	}

	text = strings.ReplaceAll(strings.ReplaceAll(text, sourceRoot+"/", ""), overlayRoot, "spec")
	const longest = 1024
	if len(text) > longest {
		text = strings.ToValidUTF8(text[:longest/2], "") + "…" + strings.ToValidUTF8(text[len(text)-longest/2:], "")
	}

	return text
}
