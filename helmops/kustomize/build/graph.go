package build

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// graph checks the kustomizations that a build reaches, before the library sees them, and writes for each of them the
// file that the library gets instead: in it every reference is a resolved path of the tree that begins with "./", and
// configuration of generators and transformers is inline. The library fetches what looks like an address; nothing of
// what it gets does.
type graph struct {
	files *view
	// known are the kustomizations that were walked, by resolved directory; active are those that are being walked.
	known  map[string]product
	active map[string]bool
}

func newGraph(files *view) *graph {
	return &graph{files: files, known: map[string]product{}, active: map[string]bool{}}
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

// walk checks the kustomization of a directory and everything below it, once, and returns what it comes to.
func (g *graph) walk(dir string) (product, error) {
	at, err := g.files.tree.resolve(dir)
	if err != nil {
		return product{}, broken(dir, "%w", err)
	}
	if found, is := g.known[at]; is {
		return found, nil
	}
	if g.active[at] {
		return product{}, broken(at, "the kustomization names itself, directly or by others")
	}
	if len(g.active) > maxDepth {
		return product{}, broken(at, "kustomizations are nested too deeply")
	}

	g.active[at] = true
	defer delete(g.active, at)
	file, k, err := g.read(at)
	if err != nil {
		return product{}, err
	}

	found, err := (&rewriting{graph: g, file: file, dir: at}).kustomization(k)
	if err != nil {
		return product{}, err
	}
	if err := found.check(file); err != nil {
		return product{}, err
	}

	content, err := yaml.Marshal(k)
	if err != nil {
		return product{}, broken(file, "it cannot be written as YAML")
	}

	g.files.rewritten[at] = rewritten{name: path.Base(file), content: content}
	g.known[at] = found
	return found, nil
}

// read reads the kustomization of a directory.
func (g *graph) read(dir string) (file string, k *types.Kustomization, err error) {
	file = kustomizationIn(g.files, dir)
	if file == "" {
		return "", nil, broken(dir,
			"the directory has no kustomization.yaml, so it cannot be a resource of another kustomization")
	}

	for _, name := range konfig.RecognizedKustomizationFileNames() {
		if other := path.Join(dir, name); other != file && g.files.isFile(other) {
			return "", nil, broken(dir, "the directory has both a %s and a %s", path.Base(file), name)
		}
	}

	content, err := g.files.ReadFile(file)
	if err != nil {
		return "", nil, err
	}
	if len(content) > maxKustomization {
		return "", nil, exceeded(file, "the kustomization has %d bytes, more than %d", len(content), maxKustomization)
	}

	k = &types.Kustomization{}
	if err := k.Unmarshal(content); err != nil {
		return "", nil, brokenAt(file, lineOf(err), "it is not a kustomization: %s", reworded(err))
	}

	k.FixKustomization()
	if len(k.HelmCharts) > 0 || len(k.HelmChartInflationGenerator) > 0 || k.HelmGlobals != nil {
		return "", nil, broken(file, "helm charts are not rendered by kustomize here; a HelmRelease installs them")
	}

	return file, k, nil
}

// resource checks a file of objects, or a directory with a kustomization, that the library is given from without.
func (g *graph) resource(name string) (found product, err error) {
	if err := checkReference(name, "spec.path", "./"+name); err != nil {
		return product{}, err
	}
	if g.files.IsDir(name) {
		return g.walk(name)
	}

	content, err := g.files.ReadFile(name)
	if err != nil {
		return product{}, err
	}

	documents, err := parse(name, content)
	if err != nil {
		return product{}, err
	}

	for _, d := range documents {
		if err := d.check(name); err != nil {
			return product{}, err
		}
	}

	at, err := g.files.tree.resolve(name)
	g.files.allowed[at] = true
	return product{objects: len(documents)}, err
}

// manifest checks a file of objects, and counts them.
func (g *graph) manifest(name string) (int, error) {
	content, err := g.files.ReadFile(name)
	if err != nil {
		return 0, err
	}
	documents, err := parse(path.Clean(name), content)
	if err != nil {
		return 0, err
	}
	return len(documents), nil
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
