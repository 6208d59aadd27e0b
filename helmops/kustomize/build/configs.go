package build

import (
	"path"
	"reflect"
	"strings"

	"sigs.k8s.io/kustomize/api/types"
	"sigs.k8s.io/yaml"
)

// builtins are the built-in generators and transformers of the library, with what they name. Others are programs, which
// are not started.
var builtins = map[string]func(c *config) error{
	"AnnotationsTransformer":         (*config).nothing,
	"ConfigMapGenerator":             (*config).generator,
	"HashTransformer":                (*config).nothing,
	"IAMPolicyGenerator":             (*config).nothing,
	"ImageTagTransformer":            (*config).nothing,
	"LabelTransformer":               (*config).nothing,
	"NamespaceTransformer":           (*config).nothing,
	"PatchJson6902Transformer":       (*config).path,
	"PatchStrategicMergeTransformer": (*config).merges,
	"PatchTransformer":               (*config).path,
	"PrefixSuffixTransformer":        (*config).nothing,
	"PrefixTransformer":              (*config).nothing,
	"ReplacementTransformer":         (*config).replacements,
	"ReplicaCountTransformer":        (*config).nothing,
	"SecretGenerator":                (*config).generator,
	"SuffixTransformer":              (*config).nothing,
	"ValueAddTransformer":            (*config).targets,
}

// config is the configuration of one generator or transformer.
type config struct {
	*rewriting
	// field of the kustomization that names it, and file that it is in.
	field, file string
	object      map[string]any
	// count is how many changes it makes to an object.
	count *int
}

// configure puts the configuration that a field names in its place, checked and with resolved paths. The library takes
// what is inline before what is in files; the order is kept so.
func (r *rewriting) configure(field string, entries *[]string, count *int) error {
	var inline, named []string
	for _, entry := range *entries {
		if entry == "" {
			continue
		}

		if isInline(entry) {
			text, err := r.configs(field, r.file, []byte(entry), count)
			if err != nil {
				return err
			}

			inline = append(inline, text...)
			continue
		}

		at, err := r.target(field, entry)
		if err != nil {
			return err
		}

		text, err := r.configsAt(field, at, count, 0)
		if err != nil {
			return err
		}

		named = append(named, text...)
	}

	*entries = append(inline, named...)
	return nil
}

// configsAt reads the configuration in a file, or in the files that the kustomization of a directory names. The latter
// must not do anything else: what a kustomization can change, it could change into an address.
func (r *rewriting) configsAt(field, at string, count *int, depth int) ([]string, error) {
	if !r.files.IsDir(at) {
		content, err := r.files.ReadFile(at)
		if err != nil {
			return nil, err
		}

		return r.configs(field, at, content, count)
	}

	if r.found.builds++; r.found.builds > maxBuilds || depth > maxDepth {
		return nil, exceeded(at, "the build consists of more than %d kustomizations", maxBuilds)
	}

	file, k, err := r.read(at)
	if err != nil {
		return nil, err
	}

	plain := types.Kustomization{TypeMeta: k.TypeMeta, MetaData: k.MetaData, Resources: k.Resources}
	if !reflect.DeepEqual(*k, plain) {
		return nil, broken(file, "%s names the directory, so it may have resources and nothing else", field)
	}

	below := &rewriting{graph: r.graph, file: file, dir: at}
	var out []string
	for _, resource := range k.Resources {
		target, err := below.target("resources", resource)
		if err != nil {
			return nil, err
		}

		found, err := r.configsAt(field, target, count, depth+1)
		if err != nil {
			return nil, err
		}

		out = append(out, found...)
	}

	return out, nil
}

// configs checks configuration. Paths in it are relative to the kustomization that names it, wherever it is.
func (r *rewriting) configs(field, file string, content []byte, count *int) ([]string, error) {
	documents, err := parse(file, content)
	if err != nil {
		return nil, err
	}

	var out []string
	for _, d := range documents {
		kind, _ := d.object["kind"].(string)
		version, _ := d.object["apiVersion"].(string)
		resolve, is := builtins[kind]
		if !is || version != "builtin" {
			return nil, brokenAt(file, d.line,
				"%s names a %.100s of %.100s; only built-in generators and transformers are used, "+
					"and charts are installed by a HelmRelease", field, kind, version)
		}

		*count++
		if err := resolve(&config{rewriting: r, field: field, file: file, object: d.object, count: count}); err != nil {
			return nil, err
		}

		text, err := yaml.Marshal(d.object)
		if err != nil {
			return nil, brokenAt(file, d.line, "it cannot be written as YAML")
		}

		out = append(out, string(text))
	}

	return out, nil
}

// value returns a field, under whatever case its name has: the library does not look at the case.
func (c *config) value(object map[string]any, name string) (key string, value any, err error) {
	for k, v := range object {
		if !strings.EqualFold(k, name) {
			continue
		}
		if key != "" {
			return "", nil, broken(c.file, "a %s has %s and %s", c.object["kind"], key, k)
		}

		key = k
		value = v
	}
	return key, value, nil
}

// text resolves a field with a text. The field may be left out.
func (c *config) text(object map[string]any, name string, resolve func(text *string) error) error {
	key, value, err := c.value(object, name)
	if err != nil || value == nil {
		return err
	}

	text, is := value.(string)
	if !is {
		return broken(c.file, "%s of a %s is not a text", key, c.object["kind"])
	}
	if text == "" {
		return nil
	}
	if err := resolve(&text); err != nil {
		return err
	}

	object[key] = text
	return nil
}

// list resolves a field with a list of texts. The field may be left out.
func (c *config) list(object map[string]any, name string, resolve func(text *string) error) error {
	key, value, err := c.value(object, name)
	if err != nil || value == nil {
		return err
	}

	items, is := value.([]any)
	if !is {
		return broken(c.file, "%s of a %s is not a list", key, c.object["kind"])
	}

	for i := range items {
		text, is := items[i].(string)
		if !is {
			return broken(c.file, "%s of a %s is not a list of texts", key, c.object["kind"])
		}
		if err := resolve(&text); err != nil {
			return err
		}

		items[i] = text
	}

	return nil
}

func (c *config) env(text *string) error {
	return c.data(c.described(), text, formatOfEnv(*text))
}

func (c *config) described() string {
	kind, _ := c.object["kind"].(string)
	if c.file == c.rewriting.file {
		return kind + " in " + c.field
	}
	return kind + " in " + path.Clean(c.file)
}

func (c *config) nothing() error { return nil }

// yaml resolves a file that the library reads as YAML.
func (c *config) yaml(text *string) error {
	return c.config(c.described(), text)
}

// mark marks the variables in quotes in an inline patch.
func (c *config) mark(patch *string) error {
	*patch = string(c.files.marked([]byte(*patch)))
	return nil
}

func (c *config) path() error {
	for _, inline := range []string{"patch", "jsonOp"} {
		if err := c.text(c.object, inline, c.mark); err != nil {
			return err
		}
	}
	return c.text(c.object, "path", c.yaml)
}

func (c *config) targets() error { return c.text(c.object, "targetFilePath", c.yaml) }

func (c *config) merges() error {
	if err := c.text(c.object, "patches", c.mark); err != nil {
		return err
	}
	return c.list(c.object, "paths", func(text *string) error { return c.merge(c.described(), text, c.count) })
}

func (c *config) generator() error {
	c.found.objects++
	err := c.list(c.object, "files", func(text *string) error { return c.keyed(c.described(), text) })
	if err != nil {
		return err
	}
	if err := c.list(c.object, "envs", c.env); err != nil {
		return err
	}
	return c.text(c.object, "env", c.env)
}

func (c *config) replacements() error {
	_, value, err := c.value(c.object, "replacements")
	if err != nil || value == nil {
		return err
	}

	items, is := value.([]any)
	if !is {
		return broken(c.file, "replacements of a ReplacementTransformer is not a list")
	}

	for _, item := range items {
		fields, is := item.(map[string]any)
		if !is {
			return broken(c.file, "a replacement is not an object")
		}

		*c.count++
		if err := c.text(fields, "path", c.yaml); err != nil {
			return err
		}
	}

	return nil
}
