package attacks

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/hostile"
)

// refusedBuild is the reason with which a directory is refused.
var refusedBuild = []string{v1beta1.BuildFailedReason}

// panicked is the reason with which a directory is refused that makes a child process panic.
var panicked = []string{v1beta1.InternalErrorReason}

// generator is the configuration of kustomize's ConfigMapGenerator, indented.
func generator(indent, files string) string {
	lines := "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata:\n  name: stolen\n" + files + "\n"
	return indent + strings.ReplaceAll(strings.TrimSpace(lines), "\n", "\n"+indent) + "\n"
}

// inline is a kustomization with a generator or transformer in it.
func inline(field, text string) string {
	return "resources: [a.yaml]\n" + field + ":\n- |-\n" + text
}

// withConfig is a directory with a kustomization and an object.
func withConfig(kustomization string, more ...string) map[string]string {
	files := map[string]string{"kustomization.yaml": kustomization, "a.yaml": hostile.Config("a")}
	for i := 0; i+1 < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return files
}

// nothingStolen checks that a build has put nothing into the tenant's namespace.
func nothingStolen(t *testing.T, _ *scene) {
	t.Helper()
	for _, name := range []string{"stolen", "a"} {
		if own(t, &corev1.ConfigMap{}, name) {
			t.Errorf("ConfigMap %s was applied", name)
		}
	}
}

// A directory of manifests reaches neither the network nor the files and programs of the controller.
func TestDirectories(t *testing.T) {
	trees := []struct {
		name string
		tree map[string]string
		says string
	}{
		{"an inline generator reads a URL", withConfig(inline("generators", generator("  ",
			"files:\n- k=http://$HOST/internal"))), ""},
		{"an inline generator reads variables from a URL", withConfig(inline("generators", generator("  ",
			"envs:\n- http://$HOST/internal"))), ""},
		{"a generator in a file reads a URL", withConfig("generators: [g.yaml]\n", "g.yaml", generator("",
			"files:\n- k=http://$HOST/internal")), ""},
		{"a generator in a directory reads a URL", withConfig("generators: [g]\n",
			"g/kustomization.yaml", "resources: [g.yaml]\n", "g/g.yaml", generator("", "files:\n- k=http://$HOST/internal")),
			""},
		{"a patch writes a URL into a generator", withConfig("generators: [g]\n", "a.txt", "x", "g/a.txt", "x", "g/g.yaml",
			generator("", "files:\n- k=a.txt"),
			"g/kustomization.yaml", "resources: [g.yaml]\npatches:\n- target: {kind: ConfigMapGenerator}\n"+
				"  patch: |-\n    - {op: replace, path: /files/0, value: \"k=http://$HOST/internal\"}\n"), ""},
		{"a generator reads a redirecting URL", withConfig(inline("generators", generator("  ",
			"files:\n- k=http://$HOST/redirect"))), ""},
		{"a generator reads a file of the controller", withConfig(inline("generators", generator("  ",
			"files:\n- k=/etc/hostname"))), ""},
		{"a generator reads the environment of the controller", withConfig(inline("generators", generator("  ",
			"files:\n- k=/proc/self/environ"))), ""},
		{"a strategic merge patch is a URL",
			withConfig("resources: [a.yaml]\npatchesStrategicMerge:\n- http://$HOST/internal\n"), ""},
		{"a patch path is a URL", withConfig("resources: [a.yaml]\npatches:\n- path: http://$HOST/internal\n"), ""},
		{"a patch path is a URL with a newline",
			withConfig("resources: [a.yaml]\npatches:\n- path: \"http://$HOST/p\\n.yaml\"\n"), ""},
		{"an inline patch transformer reads a URL", withConfig(inline("transformers",
			"  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: p}\n  path: http://$HOST/internal\n  target: {kind: ConfigMap}\n")), ""},
		{"an inline replacement transformer reads a URL", withConfig(inline("transformers",
			"  apiVersion: builtin\n  kind: ReplacementTransformer\n  metadata: {name: p}\n  replacements:\n  - path: http://$HOST/internal\n")), ""},
		{"a resource is a URL", withConfig("resources: [\"http://$HOST/internal\"]\n"), "http://"},
		{"a resource is a Git URL with a newline", withConfig("resources: [\"http://$HOST/o/r.git\\n\"]\n"), ""},
		{"a component is a URL", withConfig("resources: [a.yaml]\ncomponents: [\"http://$HOST/internal\"]\n"), "http://"},
		{"a schema is a URL", withConfig("resources: [a.yaml]\nopenapi: {path: \"http://$HOST/internal\"}\n"), ""},
		{"a definition is a URL", withConfig("resources: [a.yaml]\ncrds: [\"http://$HOST/internal\"]\n"), ""},
		{"a configuration is a URL", withConfig("resources: [a.yaml]\nconfigurations: [\"http://$HOST/internal\"]\n"), ""},
		{"a chart is inflated",
			withConfig("resources: [a.yaml]\nhelmCharts: [{name: x, repo: \"http://$HOST/internal\", version: 1.0.0}]\n"), ""},
		{"a generator runs a program", withConfig("generators: [g.yaml]\n", "g.yaml",
			"apiVersion: v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: |\n      exec: {path: /bin/touch}\n"), ""},
		{"a transformer runs a container", withConfig("resources: [a.yaml]\ntransformers: [g.yaml]\n", "g.yaml",
			"apiVersion: v1\nkind: X\nmetadata:\n  name: x\n  annotations:\n    config.kubernetes.io/function: |\n      container: {image: busybox}\n"), ""},
		{"an archive path leads out of it", withConfig("resources: [../../../../../etc]\n"), ""},
	}
	for _, directory := range []string{
		"git@example.com/org/repo", "org-1@example.com/org/repo", "git@github.com/org/repo",
		"git@e/o/r?ref=--upload-pack=touch%20x%20",
	} {
		trees = append(trees, struct {
			name string
			tree map[string]string
			says string
		}{"a directory looks like a repository: " + strings.NewReplacer("/", " ", "?", " ", "%", "").Replace(directory),
			withConfig("resources: [\""+directory+"\"]\n", directory+"/kustomization.yaml", "resources: [cm.yaml]\n",
				directory+"/cm.yaml", hostile.Config("stolen")), ""})
	}
	for _, test := range trees {
		play(t, attack{name: test.name, tree: test.tree, reasons: refusedBuild, says: []string{test.says},
			absent: nothingStolen})
	}
	play(t, attack{name: "a directory has the name of a host",
		tree: withConfig("resources: [www.github.com/org/repo]\n", "www.github.com/org/repo/kustomization.yaml",
			"resources: [cm.yaml]\n", "www.github.com/org/repo/cm.yaml", hostile.Config("local")),
		absent: func(t *testing.T, _ *scene) {
			t.Helper()
			eventually(t, "the directory of the source is applied", func() bool { return own(t, &corev1.ConfigMap{}, "local") })
		}})
}

// refusedBomb is the reason with which what is too much is refused.
var refusedBomb = []string{v1beta1.RenderingLimitExceededReason}

// A directory of a few kilobytes does not occupy the controller, and does not end it.
func TestDirectoriesThatAreTooMuch(t *testing.T) {
	bomb := strings.Repeat("a", 64<<10)
	play(t,
		attack{name: "bases are included over many ways", tree: hostile.Diamond(12), reasons: refusedBomb,
			absent: nothingStolen, heavy: true},
		attack{name: "each of many patches looks at each of many objects", tree: hostile.Crowd(500), reasons: refusedBomb,
			absent: nothingStolen, heavy: true},
		attack{name: "a variable replaces its letters by itself", tree: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: \"${BOMB//a/${BOMB}}\"}\n",
		}, spec: "  postBuild: {substitute: {BOMB: " + bomb + "}}\n", reasons: refusedBomb, absent: nothingStolen,
			heavy: true},
		attack{name: "variables double each other", tree: map[string]string{
			"a.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {a: \"${A//a/${B//a/${A}}}\"}\n",
		}, spec: "  postBuild: {substitute: {A: " + bomb + ", B: " + bomb + "}}\n", reasons: refusedBomb,
			absent: nothingStolen, heavy: true},
		attack{name: "aliases of YAML multiply", tree: withConfig("resources: [a.yaml]\n", "a.yaml", hostile.Aliases()),
			reasons: refusedBuild, absent: nothingStolen, heavy: true},
		attack{name: "lists are nested without end", tree: withConfig("resources: [a.yaml]\n",
			"a.yaml", hostile.Config("a")+"b: "+strings.Repeat("[", 1_000_000)+"\n"), reasons: refusedBuild,
			absent: nothingStolen, heavy: true},
		attack{name: "a broken schema makes the library panic",
			tree: withConfig("resources: [a.yaml]\nopenapi: {path: bad.json}\n"+
				"patches: [{patch: \"{apiVersion: v1, kind: ConfigMap, metadata: {name: a}, data: {b: c}}\"}]\n", "bad.json", "{"),
			reasons: panicked, absent: nothingStolen},
		attack{name: "an image name makes the library panic",
			tree: withConfig("resources: [p.yaml]\nimages: [{name: '(', newTag: x}]\n", "p.yaml",
				"apiVersion: v1\nkind: Pod\nmetadata: {name: a}\nspec: {containers: [{name: a, image: b}]}\n"),
			reasons: panicked, absent: nothingStolen},
		attack{name: "a replacement without a target makes the library panic", tree: withConfig(
			"resources: [a.yaml]\nreplacements: [{source: {kind: ConfigMap, name: a}, targets: [null]}]\n"),
			reasons: panicked, absent: nothingStolen},
		attack{name: "a transformer without a target makes the library panic", tree: withConfig(inline("transformers",
			"  apiVersion: builtin\n  kind: PatchJson6902Transformer\n  metadata: {name: p}\n  target: null\n  jsonOp: '[{\"op\": \"add\", \"path\": \"/a\", \"value\": 1}]'\n")),
			reasons: panicked, absent: nothingStolen},
	)
}
