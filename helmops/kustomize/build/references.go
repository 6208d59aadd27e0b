package build

import (
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"sigs.k8s.io/kustomize/api/konfig"
	"sigs.k8s.io/kustomize/api/types"
)

// remote is what people write when something is to be fetched. It is for the message only: checkReference refuses more.
var remote = regexp.MustCompile(`(?i)^([a-z][a-z0-9+.-]*:(//)?|[^/]*@[^/]*:|github\.com|[a-z0-9]+::)`)

// checkReference refuses every text that the library could take for anything but a path in the tree. from says where
// the text is from.
func checkReference(file, from, text string) error {
	switch {
	case text == "":
		return broken(file, "%s names nothing", from)
	case remote.MatchString(text):
		return broken(file, "%s names %.200q, which would have to be fetched; only files of the source are used", from, text)
	case path.IsAbs(text):
		return broken(file, "%s names the absolute path %.200q", from, text)
	case strings.ContainsAny(text, `@:?\`), strings.Contains(text, "//"), strings.ContainsFunc(text, unicode.IsControl):
		return broken(file,
			"%s names %.200q; a path with one of @ : ? \\ // or a control character can be taken for an address, "+
				"so only files of the source without them are used", from, text)
	case len(text) > maxPath:
		return broken(file, "%s names a path that is too long", from)
	default:
		return nil
	}
}

// rewriting makes of one kustomization what the library gets.
type rewriting struct {
	*graph
	// file is the kustomization file, dir its resolved directory.
	file, dir string
	found     product
}

// target resolves a reference.
func (r *rewriting) target(field, text string) (string, error) {
	if err := checkReference(r.file, field, text); err != nil {
		return "", err
	}

	at, err := r.files.tree.resolve(r.dir + "/" + text) // not cleaned: links on the way count
	if err != nil {
		return "", broken(r.file, "%s names %.200q: %w", field, text, err)
	}
	if !r.files.IsDir(at) && !r.files.isFile(at) && !r.files.tree.isLarge(at) {
		return "", broken(r.file, "%s names %.200q, which the source does not have", field, text)
	}

	return at, nil
}

// relative is how the library gets a resolved path: relative to the directory of the kustomization, and beginning with
// "./".
func (r *rewriting) relative(at string) (string, error) {
	from := path.Join(sourceRoot, r.dir)
	to := path.Join(sourceRoot, at)
	if slices.Contains(konfig.RecognizedKustomizationFileNames(), path.Base(at)) && r.files.isFile(at) {
		to = path.Join(plainRoot, at) // the file as it is in the source
	}
	return r.from(from, to)
}

// from is how the library gets to a path.
func (r *rewriting) from(from, to string) (string, error) {
	out, err := filepath.Rel(from, to)
	if err != nil {
		return "", err
	}
	out = "./" + filepath.ToSlash(out)
	return out, checkReference(r.file, "a link", out)
}

// named resolves a reference to a file that is no manifest of its own, and lets the library read it.
func (r *rewriting) named(field, text string) (at string, err error) {
	at, err = r.target(field, text)
	if err != nil {
		return "", err
	}
	if r.files.IsDir(at) {
		return "", broken(r.file, "%s names %.200q, which is a directory", field, text)
	}
	r.files.allowed[at] = true
	return at, nil
}

// config resolves a reference to a file that the library reads as YAML.
func (r *rewriting) config(field string, text *string) error {
	at, err := r.named(field, *text)
	if err != nil {
		return err
	}
	*text, err = r.relative(at)
	return err
}

func (r *rewriting) configAll(field string, texts []string) error {
	for i := range texts {
		if err := r.config(field, &texts[i]); err != nil {
			return err
		}
	}
	return nil
}

// data resolves a reference to a file whose content becomes data of an object, byte for byte.
func (r *rewriting) data(field string, text *string, format dataFormat) error {
	at, err := r.named(field, *text)
	if err != nil {
		return err
	}
	*text, err = r.from(path.Join(sourceRoot, r.dir), path.Join(plainRoot+string(format), at))
	return err
}

// envs resolves references to files of variables.
func (r *rewriting) envs(field string, texts []string) error {
	for i := range texts {
		if err := r.data(field, &texts[i], formatOfEnv(texts[i])); err != nil {
			return err
		}
	}
	return nil
}

// patch resolves the file of a patch, which may be left out, and counts the patch.
func (r *rewriting) patch(field string, file, inline *string, patches *int) error {
	*patches += documentsIn([]byte(*inline))
	*inline = string(r.files.marked([]byte(*inline)))
	if *file == "" {
		return nil
	}
	if err := r.config(field, file); err != nil {
		return err
	}

	content, err := r.files.ReadFile(path.Join(sourceRoot, r.dir, *file))
	*patches += documentsIn(content) - 1
	return err
}

// resources resolves references to files and directories of objects.
func (r *rewriting) resources(field string, texts []string) error {
	for i, text := range texts {
		at, err := r.target(field, text)
		if err != nil {
			return err
		}

		below := product{}
		if r.files.IsDir(at) {
			below, err = r.walk(at)
		} else {
			below.objects, err = r.manifest(at)
			r.files.allowed[at] = true
		}
		if err != nil {
			return err
		}
		if texts[i], err = r.relative(at); err != nil {
			return err
		}

		r.found.add(below)
		if err := r.found.check(r.file); err != nil {
			return err
		}
	}
	return nil
}

// kustomization resolves all that a kustomization names, and reckons what it comes to.
func (r *rewriting) kustomization(k *types.Kustomization) (product, error) {
	r.found.builds = 1
	patches := 0
	for _, step := range []func() error{
		func() error { return r.resources("resources", k.Resources) },
		func() error { return r.generators(k) },
		func() error { return r.configure("generators", &k.Generators, &patches) },
		func() error { return r.components(k.Components) },
		func() error { return r.configure("transformers", &k.Transformers, &patches) },
		func() error { return r.configure("validators", &k.Validators, &patches) },
		func() error { return r.settings(k) },
		func() error { return r.patches(k, &patches) },
	} {
		if err := step(); err != nil {
			return product{}, err
		}
	}

	patches += len(k.Images) + len(k.Replicas) + len(k.Vars) //nolint:staticcheck // what is deprecated still works
	r.found.change(patches)
	return r.found, nil
}

// components resolves components, which change all objects of the kustomization that names them.
func (r *rewriting) components(texts []string) error {
	for i, text := range texts {
		at, err := r.target("components", text)
		if err != nil {
			return err
		}
		if !r.files.IsDir(at) {
			return broken(r.file, "components names %.200q, which is no directory", text)
		}

		below, err := r.walk(at)
		if err != nil {
			return err
		}
		if texts[i], err = r.relative(at); err != nil {
			return err
		}

		r.found.component(below)
		if err := r.found.check(r.file); err != nil {
			return err
		}
	}
	return nil
}

// settings resolves files that say how objects are to be read.
func (r *rewriting) settings(k *types.Kustomization) error {
	if err := r.configAll("crds", k.Crds); err != nil {
		return err
	}
	if err := r.configAll("configurations", k.Configurations); err != nil {
		return err
	}

	schema, is := k.OpenAPI["path"]
	if !is {
		return nil
	}
	if err := r.config("openapi.path", &schema); err != nil {
		return err
	}

	k.OpenAPI["path"] = schema
	return nil
}

// patches resolves the files of patches and replacements, also in fields that are deprecated.
//
//nolint:staticcheck // what is deprecated still works
func (r *rewriting) patches(k *types.Kustomization, count *int) error {
	for i := range k.Patches {
		if err := r.patch("patches", &k.Patches[i].Path, &k.Patches[i].Patch, count); err != nil {
			return err
		}
	}

	for i := range k.PatchesJson6902 {
		patch := &k.PatchesJson6902[i]
		if err := r.patch("patchesJson6902", &patch.Path, &patch.Patch, count); err != nil {
			return err
		}
	}

	for i := range k.PatchesStrategicMerge {
		if err := r.merge("patchesStrategicMerge", (*string)(&k.PatchesStrategicMerge[i]), count); err != nil {
			return err
		}
	}

	for i := range k.Replacements {
		*count += 1 + len(k.Replacements[i].Targets)
		if k.Replacements[i].Path == "" {
			continue
		}
		if err := r.config("replacements", &k.Replacements[i].Path); err != nil {
			return err
		}
	}

	return nil
}

// merge resolves a strategic merge patch that is a path or else inline.
func (r *rewriting) merge(field string, text *string, count *int) error {
	if !isInline(*text) {
		return r.patch(field, text, new(string), count)
	}
	if _, err := parse(r.file, []byte(*text)); err != nil {
		return err
	}
	*count += documentsIn([]byte(*text))
	*text = string(r.files.marked([]byte(*text)))
	return nil
}

// isInline tells content from paths, where a field may have either.
func isInline(text string) bool {
	return strings.Contains(text, "\n") || strings.HasPrefix(text, "{")
}

// generators resolves the files of generated ConfigMaps and Secrets.
func (r *rewriting) generators(k *types.Kustomization) error {
	r.found.objects += len(k.ConfigMapGenerator) + len(k.SecretGenerator)
	for i := range k.ConfigMapGenerator {
		if err := r.sources("configMapGenerator", &k.ConfigMapGenerator[i].KvPairSources); err != nil {
			return err
		}
	}

	for i := range k.SecretGenerator {
		if err := r.sources("secretGenerator", &k.SecretGenerator[i].KvPairSources); err != nil {
			return err
		}
	}

	return nil
}

func (r *rewriting) sources(field string, s *types.KvPairSources) error {
	for i := range s.FileSources {
		if err := r.keyed(field, &s.FileSources[i]); err != nil {
			return err
		}
	}

	if s.EnvSource != "" {
		s.EnvSources = append(s.EnvSources, s.EnvSource)
		s.EnvSource = ""
	}

	return r.envs(field, s.EnvSources)
}

// keyed resolves a file with the key under which it is kept: key=path, or a path whose base name is the key.
func (r *rewriting) keyed(field string, text *string) error {
	key, file, named := strings.Cut(*text, "=")
	if !named {
		key = path.Base(*text)
		file = *text
	}

	if strings.Contains(file, "=") {
		return broken(r.file, "%s names %.200q; a key and a path cannot contain =", field, *text)
	}
	if err := r.data(field, &file, formatOfKey(key)); err != nil {
		return err
	}
	if strings.Contains(file, "=") {
		return broken(r.file, "%s names %.200q, whose path in the source contains =", field, *text)
	}

	*text = key + "=" + file
	return nil
}
