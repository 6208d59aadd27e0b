package build

import (
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// outside records what a build asks of the world: programs by the name of git, and requests by the transport that is used by default.
type outside struct {
	git      string
	requests []string
}

// watchOutside puts a git that records its calls first on PATH, and a transport that records its requests in the place of the default one.
func watchOutside(t testing.TB) *outside {
	t.Helper()
	dir := t.TempDir()
	o := &outside{git: filepath.Join(dir, "calls")}
	script := "#!/bin/sh\necho \"git $*\" >>" + o.git + "\nexit 1\n"
	if err := os.WriteFile(filepath.Join(dir, "git"), []byte(script), 0o755); err != nil { // it has to be run
		t.Fatal(err)
	}
	before, path := http.DefaultTransport, os.Getenv("PATH")
	http.DefaultTransport = o
	if err := os.Setenv("PATH", dir+":"+path); err != nil { //nolint:usetesting // fuzz targets have no Setenv
		t.Fatal(err)
	}
	t.Cleanup(func() {
		http.DefaultTransport = before
		_ = os.Setenv("PATH", path) //nolint:usetesting // as above
	})
	return o
}

// RoundTrip implements http.RoundTripper.
func (o *outside) RoundTrip(r *http.Request) (*http.Response, error) {
	o.requests = append(o.requests, r.Method+" "+r.URL.String())
	return nil, errors.New("no network in this test")
}

// reached is what was asked for since the last call.
func (o *outside) reached(t testing.TB) []string {
	t.Helper()
	found := o.requests
	o.requests = nil
	calls, err := os.ReadFile(o.git)
	if err == nil {
		found = append(found, strings.Split(strings.TrimSpace(string(calls)), "\n")...)
		err = os.Remove(o.git)
	}
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return found
}

// spelled are references that kustomize clones, though each of them may be the name of a directory.
var spelled = []string{
	"git@example.com/org/repo", "org-1@example.com/org/repo", "github.com/org/repo", "git@github.com/org/repo", "GitHub.com/org/repo",
	"a/../git@example.com/org/repo", "git::example.com/org/repo", "ssh.example.com/org/repo.git", "git@example.com/org/repo?ref=x",
	"git@e/o/r?ref=--upload-pack=touch%20marker%20%23", "https://example.com/org/repo.git\n", "\nhttps://example.com/a.yaml",
	"example.com//org/repo?ref=a\nb", "file:///etc", "ssh://git@example.com/org/repo", "git@example.com:org/repo.git", "www.github.com/org/repo",
}

// A directory may have any name. Whatever a reference looks like, no program is started for it and nothing is fetched, and the directory is
// built when it is one of the source and its name cannot be taken for an address.
func TestNoSpellingOfAReferenceIsFetched(t *testing.T) {
	watch := watchOutside(t)
	for _, spelling := range spelled {
		for _, field := range []string{"resources", "components", "bases", "generators", "transformers", "validators", "crds", "configurations"} {
			source := files{"kustomization.yaml": fmt.Sprintf("%s: [%q]\n", field, spelling), "a/x": ""}
			for _, at := range []string{spelling, strings.TrimPrefix(spelling, "a/../")} {
				at = strings.Trim(strings.ReplaceAll(at, "\n", ""), "/")
				source[at+"/kustomization.yaml"] = "resources: [cm.yaml]\n"
				source[at+"/cm.yaml"] = configMap("x", "y")
			}
			objects, err := Build(t.Context(), source.tree(t), Options{})
			if reached := watch.reached(t); len(reached) > 0 {
				t.Errorf("%s: %q reached %q", field, spelling, reached)
			}
			special := strings.ContainsAny(spelling, "@:?\n") || strings.HasPrefix(strings.ToLower(spelling), "github.com")
			if special && (err == nil || len(objects) > 0) {
				t.Errorf("%s: %q was built: %d objects", field, spelling, len(objects))
			}
			if !special && field == "resources" && (err != nil || len(objects) != 1) {
				t.Errorf("%s: the directory %q was not built: %v", field, spelling, err)
			}
		}
	}
}

// Every field that names a file, and every place where such a field can be, refuses what would have to be fetched.
func TestNothingIsFetched(t *testing.T) {
	watch := watchOutside(t)
	const address = "http://192.0.2.1/latest"
	generator := func(kind, fields string) string {
		return "apiVersion: builtin\nkind: " + kind + "\nmetadata: {name: stolen}\n" + fields
	}
	inline := func(field, text string) string {
		return "resources: [a.yaml]\n" + field + ":\n- |-\n  " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n  ") + "\n"
	}
	computed := "resources: [g.yaml]\npatches:\n- target: {kind: ConfigMapGenerator}\n  patch: |-\n" +
		"    [{op: replace, path: /files/0, value: \"k=" + address + "\"}]\n"
	for name, source := range map[string]files{
		"files of an inline generator":        {"kustomization.yaml": inline("generators", generator("ConfigMapGenerator", "files: [k="+address+"]"))},
		"another case":                        {"kustomization.yaml": inline("generators", generator("ConfigMapGenerator", "FILES: [k="+address+"]"))},
		"two cases":                           {"kustomization.yaml": inline("generators", generator("ConfigMapGenerator", "files: [a.yaml]\nFiles: [k="+address+"]"))},
		"envs of an inline generator":         {"kustomization.yaml": inline("generators", generator("SecretGenerator", "envs: ["+address+"]"))},
		"env of an inline generator":          {"kustomization.yaml": inline("generators", generator("SecretGenerator", "env: "+address))},
		"the path of an inline patch":         {"kustomization.yaml": inline("transformers", generator("PatchTransformer", "path: "+address+"\ntarget: {kind: ConfigMap}"))},
		"the path of operations":              {"kustomization.yaml": inline("transformers", generator("PatchJson6902Transformer", "path: "+address+"\ntarget: {kind: ConfigMap, name: x}"))},
		"paths of merges":                     {"kustomization.yaml": inline("transformers", generator("PatchStrategicMergeTransformer", "paths: ["+address+"]"))},
		"the path of inline replacements":     {"kustomization.yaml": inline("transformers", generator("ReplacementTransformer", "replacements: [{path: "+address+"}]"))},
		"targets of a value":                  {"kustomization.yaml": inline("validators", generator("ValueAddTransformer", "value: x\ntargetFilePath: "+address))},
		"a generator in a file":               {"kustomization.yaml": "generators: [g.yaml]\n", "g.yaml": generator("ConfigMapGenerator", `files: ["k=HTTP:\u002f\u002f192.0.2.1"]`)},
		"a generator in a directory":          {"kustomization.yaml": "generators: [g]\n", "g/kustomization.yaml": "resources: [g.yaml]\n", "g/g.yaml": generator("ConfigMapGenerator", "files: [k="+address+"]")},
		"a generator below a directory":       {"kustomization.yaml": "generators: [g]\n", "g/kustomization.yaml": "resources: [h]\n", "g/h/kustomization.yaml": "resources: [g.yaml]\n", "g/h/g.yaml": generator("ConfigMapGenerator", "files: [k="+address+"]")},
		"an address that a patch writes":      {"kustomization.yaml": "generators: [g]\n", "g/kustomization.yaml": computed, "g/g.yaml": generator("ConfigMapGenerator", "files: [k=a.yaml]")},
		"a chart":                             {"kustomization.yaml": inline("generators", generator("HelmChartInflationGenerator", "name: y\nrepo: "+address))},
		"a program":                           {"kustomization.yaml": inline("generators", "apiVersion: x/v1\nkind: Y\nmetadata: {name: x, annotations: {config.kubernetes.io/function: \"exec: {path: /bin/true}\"}}")},
		"a strategic merge patch":             {"kustomization.yaml": "resources: [a.yaml]\npatchesStrategicMerge: [" + address + "]\n"},
		"a strategic merge patch with a line": {"kustomization.yaml": "resources: [a.yaml]\npatchesStrategicMerge: [\"" + address + "\\n\"]\n"},
		"the path of a patch with a line":     {"kustomization.yaml": "resources: [a.yaml]\npatches: [{path: \"" + address + "\\n.yaml\"}]\n"},
		"operations":                          {"kustomization.yaml": "resources: [a.yaml]\npatchesJson6902: [{path: " + address + ", target: {kind: ConfigMap, name: x, version: v1}}]\n"},
		"replacements":                        {"kustomization.yaml": "resources: [a.yaml]\nreplacements: [{path: " + address + "}]\n"},
		"a schema":                            {"kustomization.yaml": "resources: [a.yaml]\nopenapi: {path: " + address + "}\n"},
		"definitions":                         {"kustomization.yaml": "resources: [a.yaml]\ncrds: [" + address + "]\n"},
		"a link to a directory with a name":   {"kustomization.yaml": "resources: [l]\n", "l": "->git@example.com/org", "git@example.com/org/kustomization.yaml": "resources: [cm.yaml]\n", "git@example.com/org/cm.yaml": configMap("x", "y")},
	} {
		t.Run(name, func(t *testing.T) {
			source["a.yaml"] = configMap("x", "y")
			objects, err := Build(t.Context(), source.tree(t), Options{})
			var known *Error
			if !errors.As(err, &known) || known.Reason() != v1beta1.BuildFailedReason || known.Path == "" {
				t.Errorf("got %d objects and %v", len(objects), err)
			}
			if reached := watch.reached(t); len(reached) > 0 {
				t.Errorf("%q was reached", reached)
			}
			if strings.Contains(fmt.Sprint(err), "kustomize: ") {
				t.Errorf("the library was asked: %v", err)
			}
		})
	}
}

// The library reads what kustomizations name, and nothing else, wherever it looks for it.
func TestTheLibraryReadsOnlyWhatIsNamed(t *testing.T) {
	t.Parallel()
	source := files{"kustomization.yaml": "resources: [a.yaml]\n", "a.yaml": configMap("a", "a"), "b.yaml": configMap("b", "b"), "c/kustomization.yaml": "resources: []\n"}
	view := newView(source.tree(t), decrypting(nil, false), nil)
	if err := layOver(view, ".", []string{"."}, v1beta1.Overlay{}); err != nil {
		t.Fatal(err)
	}
	for name, is := range map[string]bool{
		"/source/a.yaml": true, "/source/kustomization.yaml": true, "/overlay/kustomization.yaml": true,
		"/source/b.yaml": false, "/source/c/kustomization.yaml": false, "/plain/kustomization.yaml": false, "/etc/hostname": false,
	} {
		if content, err := view.ReadFile(name); (err == nil) != is {
			t.Errorf("%s: %q, %v", name, content, err)
		}
	}
}

// Everything that a kustomization may name still works, also behind links and with the file names that kustomize knows.
func TestReferencesAreRewritten(t *testing.T) {
	t.Parallel()
	source := files{
		"app/kustomization.yaml": "resources: [../base, ./list.yaml, link]\ncomponents: [../part]\npatches: [{path: p.yaml}]\n" +
			"patchesStrategicMerge: [merge.yaml, \"{apiVersion: v1, kind: ConfigMap, metadata: {name: listed}, data: {inline: x}}\"]\n" +
			"configMapGenerator:\n- name: made\n  options: {disableNameSuffixHash: true}\n  files: [linked.txt, key=text.txt, ../base/kustomization.yaml]\n  envs: [set.env]\n" +
			"generators: [g.yaml, more]\nreplacements: [{path: r.yaml}]\n" +
			"transformers:\n- |-\n  apiVersion: builtin\n  kind: PatchTransformer\n  metadata: {name: t}\n  path: p2.yaml\n  target: {name: base}\n",
		"app/list.yaml":               configMap("listed", "l"),
		"app/link":                    "->../base2",
		"app/linked.txt":              "->text.txt",
		"app/text.txt":                "text",
		"app/set.env":                 "SET=1\n",
		"app/p.yaml":                  "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\ndata: {patched: x}\n",
		"app/p2.yaml":                 "- {op: add, path: /data/transformed, value: x}\n",
		"app/merge.yaml":              "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: base}\ndata: {merged: x}\n",
		"app/r.yaml":                  "source: {kind: ConfigMap, name: listed, fieldPath: data.value}\ntargets: [{select: {name: base}, fieldPaths: [data.value]}]\n",
		"app/g.yaml":                  "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: of-file}\nfiles: [t=text.txt]\noptions: {disableNameSuffixHash: true}\n",
		"app/more/kustomization.yaml": "resources: [g.yaml]\n",
		"app/more/g.yaml":             "apiVersion: builtin\nkind: ConfigMapGenerator\nmetadata: {name: of-directory, annotations: {config.kubernetes.io/local-config: \"true\"}}\nfiles: [t=text.txt]\noptions: {disableNameSuffixHash: true}\n",
		"base/kustomization.yaml":     "resources: [a.yaml]\nnameSuffix: \"\"\n",
		"base/a.yaml":                 configMap("base", "b"),
		"base2/kustomization.yml":     "resources: [a.yaml]\n",
		"base2/a.yaml":                configMap("base2", "b"),
		"part/kustomization.yaml":     "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\nresources: [c.yaml]\npatches: [{path: p.yaml, target: {name: base}}]\n",
		"part/c.yaml":                 configMap("component", "c"),
		"part/p.yaml":                 "- {op: add, path: /data/component, value: x}\n",
	}
	objects, err := Build(t.Context(), source.tree(t), Options{Path: "app"})
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, o := range objects {
		found[o.GetName()] = fmt.Sprint(o.Object["data"])
	}
	for name, want := range map[string]string{
		"base":         "map[component:x merged:x patched:x transformed:x value:l]",
		"base2":        "map[value:b]",
		"listed":       "map[inline:x value:l]",
		"component":    "map[value:c]",
		"of-file":      "map[t:text]",
		"of-directory": "map[t:text]",
		"made":         "map[SET:1 key:text kustomization.yaml:resources: [a.yaml]\nnameSuffix: \"\"\n linked.txt:text]",
	} {
		if found[name] != want {
			t.Errorf("%s is %q, want %q", name, found[name], want)
		}
	}
	if len(found) != 7 {
		t.Errorf("%d objects: %v", len(found), found)
	}
}

// What makes the library panic is an error, which is counted once.
func TestPanicsAreErrors(t *testing.T) {
	faults := 0
	guard.OnFault(func(guard.Fault) { faults++ })
	defer guard.OnFault(func(guard.Fault) {})
	b := builder(t)
	for name, kustomization := range map[string]string{
		"a schema":           "resources: [a.yaml]\nopenapi: {path: bad.json}\npatches: [{patch: \"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {replicas: 5}}\"}]\n",
		"an image":           "resources: [a.yaml]\nimages:\n- name: '('\n  newTag: x\n",
		"a null target":      "resources: [a.yaml]\nreplacements: [{source: {kind: Deployment}, targets: [null]}]\n",
		"a null in a config": "resources: [a.yaml]\ntransformers:\n- |-\n  apiVersion: builtin\n  kind: PatchJson6902Transformer\n  metadata: {name: x}\n  target: null\n  jsonOp: '[{\"op\":\"add\",\"path\":\"/spec/x/y\",\"value\":1}]'\n",
	} {
		t.Run(name, func(t *testing.T) {
			faults = 0
			source := files{"app/kustomization.yaml": kustomization, "app/a.yaml": deployment, "app/bad.json": "{]"}.tree(t)
			_, err := b.Build(t.Context(), "fleet", source, Request{Path: "app"})
			var known *Error
			if !errors.As(err, &known) || known.Reason() != v1beta1.InternalErrorReason || !known.Retryable() || faults != 1 {
				t.Errorf("got %v, %d faults", err, faults)
			}
			if text := fmt.Sprint(err); text != "app: kustomize: the kustomization makes it panic" {
				t.Error(text)
			}
		})
	}
}

// A schema says how lists of objects are merged. One that a source brings is for its own build: the next one in the
// process, which can be of another namespace, merges as ever.
func TestASchemaIsForOneBuildOnly(t *testing.T) {
	const patch = "patches: [{patch: \"{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: a, image: new}]}}}}\"}]\n"
	const schema = `{"definitions": {"io.k8s.api.apps.v1.Deployment": {"type": "object", "x-kubernetes-group-version-kind": [{"group": "apps", "kind": "Deployment", "version": "v1"}]}}}`
	source := files{
		"web.yaml":           "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec: {template: {spec: {containers: [{name: a, image: old}, {name: b, image: b}]}}}\n",
		"kustomization.yaml": "resources: [web.yaml]\n" + patch,
	}
	containers := func(t *testing.T, b Builder, source files) int {
		t.Helper()
		built, err := b.Build(t.Context(), "fleet", source.tree(t), Request{})
		if err != nil || len(built.Objects) != 1 {
			return 0
		}
		found, _, err := unstructured.NestedSlice(built.Objects[0].Object, "spec", "template", "spec", "containers")
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	const component = "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
	for name, other := range map[string]files{
		"in the kustomization": {"kustomization.yaml": "resources: [web.yaml]\nopenapi: {path: s.json}\n" + patch, "s.json": schema},
		"in a base": {
			"kustomization.yaml": "resources: [base]\n" + patch, "base/kustomization.yaml": "resources: [../web.yaml]\nopenapi: {path: s.json}\n", "base/s.json": schema,
		},
		"in a component": {
			"kustomization.yaml": "resources: [web.yaml]\ncomponents: [part]\n", "part/kustomization.yaml": component + "openapi: {path: s.yaml}\n" + patch,
			"part/s.yaml": schema,
		},
		"that is none": {"kustomization.yaml": "resources: [web.yaml]\nopenapi: {path: s.json}\n" + patch, "s.json": "{]"},
		"in a build that fails": {
			"kustomization.yaml": "resources: [web.yaml]\nopenapi: {path: s.json}\nreplicas: [{name: gone, count: 1}]\n" + patch, "s.json": schema,
		},
		"that is empty": {"kustomization.yaml": "resources: [web.yaml]\nopenapi: {path: s.json}\n" + patch, "s.json": ""},
	} {
		t.Run(name, func(t *testing.T) {
			other["web.yaml"] = source["web.yaml"]
			b := builder(t) // with one child, because one build follows the other
			if n := containers(t, b, source); n != 2 {
				t.Fatalf("%d containers, want 2", n)
			}
			if n := containers(t, b, other); n == 2 {
				t.Errorf("its own schema is not used: %d containers", n)
			}
			if n := containers(t, b, source); n != 2 {
				t.Errorf("the next build has %d containers, want 2", n)
			}
		})
	}
}

// diamond is a kustomization that names two, which both name the next: 2^levels builds in a few files.
func diamond(levels int) files {
	source := files{"l0/kustomization.yaml": "resources: [a.yaml]\n", "l0/a.yaml": configMap("x", "y")}
	for i := 1; i <= levels; i++ {
		for _, side := range []string{"a", "b"} {
			source[fmt.Sprintf("l%d/%s/kustomization.yaml", i, side)] = fmt.Sprintf("namePrefix: %s\nresources: [../../l%d]\n", side, i-1)
		}
		source[fmt.Sprintf("l%d/kustomization.yaml", i)] = "resources: [a, b]\n"
	}
	return source
}

func TestBuildsAreBounded(t *testing.T) {
	t.Parallel()
	many := func(count int) string {
		var text strings.Builder
		for i := range count {
			text.WriteString(configMap(fmt.Sprintf("c%d", i), "x") + "---\n")
		}
		return text.String()
	}
	patches := func(count int) string {
		return "patches:\n" + strings.Repeat("- {target: {kind: ConfigMap}, patch: \"[{op: add, path: /data/x, value: y}]\"}\n", count)
	}
	component := "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n"
	for name, tt := range map[string]struct {
		source files
		path   string
		want   string
	}{
		"a base on many ways":    {diamond(40), "l40", "more than 512 kustomizations"},
		"patches and objects":    {files{"kustomization.yaml": "resources: [all.yaml]\n" + patches(400), "all.yaml": many(400)}, "", "400 objects"},
		"patches of a component": {files{"kustomization.yaml": "resources: [all.yaml]\ncomponents: [c]\n", "all.yaml": many(400), "c/kustomization.yaml": component + patches(400)}, "", "400 objects"},
		"patches in one file":    {files{"kustomization.yaml": "resources: [all.yaml]\npatches: [{path: p.yaml}]\n", "all.yaml": many(400), "p.yaml": many(400)}, "", "400 objects"},
		"objects":                {files{"kustomization.yaml": "resources: [a, b]\n", "a/kustomization.yaml": "resources: [../all.yaml]\nnamePrefix: a\n", "b/kustomization.yaml": "resources: [../all.yaml]\nnamePrefix: b\n", "all.yaml": many(6000)}, "", "more than 10000 objects"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			begun := time.Now()
			_, err := Build(t.Context(), tt.source.tree(t), Options{Path: tt.path})
			var known *Error
			if !errors.As(err, &known) || known.Reason() != v1beta1.RenderingLimitExceededReason || !strings.Contains(err.Error(), tt.want) || known.Path == "" {
				t.Errorf("got %v", err)
			}
			t.Logf("%s after %s", err, time.Since(begun))
		})
	}
	if objects, err := Build(t.Context(), diamond(5).tree(t), Options{Path: "l5"}); err != nil || len(objects) != 32 {
		t.Errorf("a small one: %d objects, %v", len(objects), err)
	}
	if _, err := Build(t.Context(), files{"a/kustomization.yaml": "resources: [../b]\n", "b/kustomization.yaml": "resources: [../a]\n"}.tree(t), Options{Path: "a"}); err == nil || !strings.Contains(err.Error(), "names itself") {
		t.Errorf("a circle: %v", err)
	}
}
