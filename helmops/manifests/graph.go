package manifests

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
)

// maxGraph is how many kustomizations a build may consist of.
const maxGraph = 512

// remote is what kustomize takes for something that has to be fetched.
var remote = regexp.MustCompile(`(?i)^([a-z][a-z0-9+.-]*:(//)?|[^/]*@[^/]*:|github\.com|[a-z0-9]+::)`)

// graph checks the kustomizations that a build reaches, before the library sees them: everything that they name has to be a file or a
// directory of the tree. The library would fetch what is not, or what looks like an address.
type graph struct {
	files *view
	seen  map[string]bool
}

// kustomizationIn returns the path of the kustomization file of a directory, empty when there is none.
func kustomizationIn(files *view, dir string) string {
	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if file := path.Join(dir, name); files.isFile(file) {
			return file
		}
	}
	return ""
}

func (g *graph) walk(dir string) error {
	at, err := g.files.tree.resolve(dir)
	if err != nil {
		return broken(dir, "%w", err)
	}
	if g.seen[at] {
		return nil
	}
	if len(g.seen) >= maxGraph {
		return broken(dir, "the build consists of more than %d kustomizations", maxGraph)
	}
	g.seen[at] = true
	file := kustomizationIn(g.files, at)
	if file == "" {
		return broken(dir, "the directory has no kustomization.yaml, so it cannot be a resource of another kustomization")
	}
	content, err := g.files.ReadFile(file)
	if err != nil {
		return err
	}
	var k types.Kustomization
	if err := k.Unmarshal(content); err != nil {
		return brokenAt(file, lineOf(err), "it is not a kustomization: %s", reworded(err))
	}
	k.FixKustomization()
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 || k.HelmGlobals != nil {
		return broken(file, "helm charts are not rendered by kustomize here; a HelmRelease installs them")
	}
	for _, named := range namedBy(&k) {
		if err := g.check(file, path.Dir(file), named); err != nil {
			return err
		}
	}
	return nil
}

// reference is something that a kustomization names.
type reference struct {
	field, path string
	// follow is set for what may be a directory with a kustomization; config for files that configure generators and the like.
	follow, config bool
}

// namedBy lists all files and directories that a kustomization names, also by the fields that are deprecated.
//
//nolint:staticcheck // what is deprecated still works
func namedBy(k *types.Kustomization) []reference {
	var out []reference
	add := func(field string, follow, config bool, paths ...string) {
		for _, p := range paths {
			if p != "" && !strings.Contains(p, "\n") { // what has lines is content
				out = append(out, reference{field, p, follow, config})
			}
		}
	}
	add("resources", true, false, k.Resources...)
	add("components", true, false, k.Components...)
	add("bases", true, false, k.Bases...)
	add("crds", false, false, k.Crds...)
	add("configurations", false, false, k.Configurations...)
	add("generators", true, true, k.Generators...)
	add("transformers", true, true, k.Transformers...)
	add("validators", true, true, k.Validators...)
	add("openapi.path", false, false, k.OpenAPI["path"])
	for _, p := range k.Patches {
		add("patches", false, false, p.Path)
	}
	for _, p := range k.PatchesJson6902 {
		add("patchesJson6902", false, false, p.Path)
	}
	for _, p := range k.PatchesStrategicMerge {
		if !strings.Contains(string(p), ":") {
			add("patchesStrategicMerge", false, false, string(p))
		}
	}
	for _, r := range k.Replacements {
		add("replacements", false, false, r.Path)
	}
	sources := func(field string, s types.KvPairSources) {
		for _, file := range s.FileSources {
			if _, name, named := strings.Cut(file, "="); named {
				file = name
			}
			add(field, false, false, file)
		}
		add(field, false, false, s.EnvSources...)
		add(field, false, false, s.EnvSource)
	}
	for _, m := range k.ConfigMapGenerator {
		sources("configMapGenerator", m.KvPairSources)
	}
	for _, s := range k.SecretGenerator {
		sources("secretGenerator", s.KvPairSources)
	}
	return out
}

func (g *graph) check(file, dir string, r reference) error {
	if remote.MatchString(r.path) {
		return broken(file, "%s names %.200q, which would have to be fetched; only files of the source are used", r.field, r.path)
	}
	if path.IsAbs(r.path) {
		return broken(file, "%s names the absolute path %.200q", r.field, r.path)
	}
	target := dir + "/" + r.path // not cleaned: links on the way count
	if _, err := g.files.tree.resolve(target); err != nil {
		return broken(file, "%s names %.200q: %w", r.field, r.path, err)
	}
	switch {
	case r.follow && g.files.IsDir(target):
		return g.walk(target)
	case !g.files.isFile(target):
		return broken(file, "%s names %.200q, which the source does not have", r.field, r.path)
	case !r.config && r.field != "resources":
		return nil
	}
	content, err := g.files.ReadFile(target)
	if err != nil {
		return err
	}
	documents, err := parse(path.Clean(target), content)
	if err != nil {
		return err
	}
	for _, d := range documents {
		if r.config && fetches(d.object) {
			return broken(path.Clean(target), "it names something that would have to be fetched; only files of the source are used")
		}
	}
	return nil
}

// fetches tells whether any text in the configuration of a transformer or generator looks like an address.
func fetches(value any) bool {
	switch value := value.(type) {
	case map[string]any:
		for _, v := range value {
			if fetches(v) {
				return true
			}
		}
	case []any:
		for _, v := range value {
			if fetches(v) {
				return true
			}
		}
	case string:
		_, after, named := strings.Cut(value, "=")
		return strings.Contains(strings.ToLower(value), "://") && (remote.MatchString(value) || named && remote.MatchString(after))
	}
	return false
}

var lineText = regexp.MustCompile(`line (\d+)`)

// lineOf finds the line in an error of a YAML parser, 0 when it has none.
func lineOf(err error) int {
	line := 0
	if m := lineText.FindStringSubmatch(err.Error()); m != nil {
		_, _ = fmt.Sscan(m[1], &line)
	}
	return line
}

// reworded leaves out of an error of a YAML parser what its position repeats, and any value that it quotes.
func reworded(err error) string {
	text := err.Error()
	if inner := errors.Unwrap(err); inner != nil {
		text = inner.Error()
	}
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:\n  "} {
		text = strings.TrimPrefix(text, prefix)
	}
	text = lineText.ReplaceAllString(text, "")
	text = strings.TrimLeft(text, ": ")
	if at := strings.IndexAny(text, "`\""); at >= 0 {
		text = strings.TrimRight(text[:at], " ") + "…"
	}
	return text
}
