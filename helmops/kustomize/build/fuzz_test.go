package build

import (
	"strings"
	"testing"

	"fairlead.dev/fairlead/api/v1beta1"
)

// FuzzBuild builds whatever a kustomization says, with a few files of another content and of another name. Nothing of
// it may start a program, connect to anything, or panic.
func FuzzBuild(f *testing.F) {
	for _, spelling := range spelled {
		f.Add("resources: ['"+strings.ReplaceAll(spelling, "'", "")+"']\n", spelling, configMap("x", "y"))
	}
	inline := func(text string) string { return "- |-\n  " + strings.ReplaceAll(text, "\n", "\n  ") + "\n" }
	generator := "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: g}\nfiles: [k=http://192.0.2.1/x]"
	f.Add("resources: [a.yaml]\npatches: [{path: data.txt, target: {kind: ConfigMap}}]\n", "sub",
		"- {op: add, path: /data/x, value: y}\n")
	f.Add("generators:\n"+inline(generator), "sub", "")
	f.Add("generators: [data.txt, sub]\ntransformers: [data.txt]\nvalidators: [sub]\n", "sub", generator)
	f.Add("configMapGenerator: [{name: x, files: [k=data.txt, kustomization.yaml], envs: [data.txt]}]\n", "sub", "A=b\n")
	f.Add("resources: [sub]\ncomponents: [sub]\nimages: [{name: '(', newTag: x}]\nopenapi: {path: data.txt}\ncrds: [data.txt]\n", "sub", "{]")
	f.Add("resources: [a.yaml]\nreplacements: [{path: data.txt}, null, {source: {kind: ConfigMap}, targets: [null]}]\n",
		"sub", "source: null\n")
	watch := watchOutside(f)
	f.Fuzz(func(t *testing.T, kustomization, name, content string) {
		if len(kustomization)+len(name)+len(content) > 8<<10 || strings.ContainsRune(name, 0) {
			return
		}
		tree := newTree()
		tree.files["kustomization.yaml"] = []byte(kustomization)
		tree.files["a.yaml"] = []byte(configMap("a", "a"))
		tree.files["data.txt"] = []byte(content)
		for _, dir := range []string{"sub", strings.Trim(name, "/")} {
			tree.files[dir+"/kustomization.yaml"] = []byte("resources: [x.yaml]\n")
			tree.files[dir+"/x.yaml"] = []byte(content)
		}
		tree.index()
		view := newView(tree, decrypting(nil, false), nil)
		if err := layOver(view, ".", []string{"."}, v1beta1.Overlay{}); err == nil {
			_, err := kustomized(view)
			if err != nil && strings.Contains(err.Error(), errUnchecked.Error()) {
				t.Errorf("the library wanted a file that was not checked: %v", err)
			}
		}
		if reached := watch.reached(t); len(reached) > 0 {
			t.Fatalf("%q was reached", reached)
		}
	})
}
