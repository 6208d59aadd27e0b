// Package hostile has what a tenant would use against the controller: charts and directories that are too much, and
// servers that lie, stall and
// flood. Everything listens on loopback addresses.
package hostile

import (
	"fmt"
	"strings"
)

// Config is the manifest of a ConfigMap.
func Config(name string) string {
	return fmt.Sprintf("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {a: b}\n", name)
}

// Chart is a chart with the given files, each path followed by its content.
func Chart(name string, files ...string) map[string]string {
	all := map[string]string{"Chart.yaml": fmt.Sprintf("apiVersion: v2\nname: %s\nversion: 1.0.0\n", name)}
	for i := 0; i+1 < len(files); i += 2 {
		all[files[i]] = files[i+1]
	}
	return all
}

// Templates are charts, all of the name bomb, whose templates never end or never have enough, by what they do.
var Templates = map[string]map[string]string{
	"ranges are nested": Chart("bomb", "templates/a.yaml",
		"{{- range until 100000 }}{{- range until 100000 }}{{- end }}{{- end }}\n"+Config("a")),
	"a text is repeated": Chart("bomb", "templates/a.yaml",
		Config("a")+"b: {{ repeat 3000 (repeat 1000000 \"x\") | sha256sum }}\n"),
	"a list grows": Chart("bomb", "templates/a.yaml",
		"{{- $l := list \"x\" }}{{- range until 60 }}{{- $l = concat $l $l }}{{- end }}\n"+Config("a")),
	"a value evaluates itself": Chart("bomb", "values.yaml", "again: '{{ tpl .Values.again . }}'\n",
		"templates/a.yaml", Config("a")+"b: {{ tpl .Values.again . | quote }}\n"),
	"a template includes itself": Chart("bomb", "templates/a.yaml",
		"{{- define \"r\" }}{{ include \"r\" . }}{{ end }}\n{{ include \"r\" . }}\n"),
	"two templates take turns": Chart("bomb", "templates/a.yaml",
		"{{- define \"r\" }}{{ tpl \"{{ include \\\"s\\\" . }}\" . }}{{ end }}{{- define \"s\" }}{{ tpl \"{{ include "+
			"\\\"r\\\" . }}\" . }}{{ end }}\n{{ include \"r\" . }}\n"),
	"the output has no end": Chart("bomb", "templates/a.yaml",
		Config("a")+"{{- range until 1000000 }}\n# {{ repeat 1000 \"x\" }}\n{{- end }}\n"),
	"a pattern is searched": Chart("bomb", "templates/a.yaml",
		Config("a")+"b: {{ regexReplaceAll \"a\" (repeat 1000000 \"a\") (repeat 10000 \"b\") | sha256sum }}\n"),
}

// Diamond is a directory whose base is included over 2^levels ways.
func Diamond(levels int) map[string]string {
	files := map[string]string{"kustomization.yaml": "resources: [l0]\n", fmt.Sprintf("l%d/kustomization.yaml",
		levels): "resources: [a.yaml]\n",
		fmt.Sprintf("l%d/a.yaml", levels): Config("a")}
	for level := range levels {
		files[fmt.Sprintf("l%d/kustomization.yaml", level)] = "resources: [left, right]\n"
		for _, side := range []string{"left", "right"} {
			files[fmt.Sprintf("l%d/%s/kustomization.yaml", level, side)] =
				fmt.Sprintf("nameSuffix: -%s\nresources: [../../l%d]\n", side, level+1)
		}
	}
	return files
}

// Crowd has as many patches as objects.
func Crowd(size int) map[string]string {
	var objects, patches strings.Builder
	for i := range size {
		objects.WriteString(Config(fmt.Sprintf("c%d", i)) + "---\n")
		patches.WriteString("- target: {kind: ConfigMap}\n  patch: |\n    - {op: add, path: /data/x, value: y}\n")
	}
	return map[string]string{"kustomization.yaml": "resources: [all.yaml]\npatches:\n" + patches.String(),
		"all.yaml": objects.String()}
}

// Aliases is a document whose aliases stand for 9^9 texts.
func Aliases() string {
	text := "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nx:\n  a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c <= 'i'; c++ {
		former := strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ",")
		text += fmt.Sprintf("  %c: &%c [%s]\n", c, c, former)
	}
	return text
}
