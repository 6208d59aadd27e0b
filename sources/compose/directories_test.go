package compose

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/sources"
)

// found lists the directories of an archive of files that match a pattern.
func found(t *testing.T, pattern string, files map[string]string) (Directories, []Directory) {
	t.Helper()
	d, err := ParseDirectories(pattern)
	if err != nil {
		t.Fatal(err)
	}
	archive := packed(t, files)
	source := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
	directories, err := d.Find(t.Context(), source, Limits{})
	if err != nil {
		t.Fatal(err)
	}
	return d, directories
}

func TestDirectoriesThatMatch(t *testing.T) {
	t.Parallel()
	files := map[string]string{
		"README.md": "x", "apps/readme.md": "a file, no directory", "apps/web/base/a.yaml": "a",
		"apps/web/envs/prod/a.yaml": "a", "apps/web/envs/dev/a.yaml": "a", "apps/Api/envs/prod/deep/a.yaml": "a",
		"apps/latest": "-> web", "apps/linked/only": "-> ../web/base/a.yaml", "team-shop-eu/x": "x",
		"apps/" + strings.Repeat("a", 300) + "/x": "longer than the name of a directory can be",
	}
	for pattern, want := range map[string][]string{
		"@repo/apps/{app}":  {"apps/Api app=Api", "apps/linked app=linked", "apps/web app=web"},
		"@repo/apps/{app}/": {"apps/Api app=Api", "apps/linked app=linked", "apps/web app=web"},
		"@repo/apps/{app}/envs/{env}": {
			"apps/Api/envs/prod app=Api env=prod", "apps/web/envs/dev app=web env=dev", "apps/web/envs/prod app=web env=prod",
		},
		"@repo/apps/web":                 {"apps/web"},
		"@repo/team-{team}-{zone}":       {"team-shop-eu team=shop zone=eu"},
		"@repo/{a}-{b}":                  {"team-shop-eu a=team-shop b=eu"},
		"@repo/apps/{app}/envs/{env}/no": nil,
		"@repo/apps.{app}":               nil,
	} {
		d, directories := found(t, pattern, files)
		var got []string
		for _, directory := range directories {
			text := directory.Path
			for _, name := range d.placeholders {
				text += " " + name + "=" + directory.Values[name]
			}
			got = append(got, text)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", pattern, diff)
		}
	}
}

func TestPatternsOfDirectoriesThatAreRefused(t *testing.T) {
	t.Parallel()
	many := "@repo"
	for i := range maxPlaceholders + 1 {
		many += fmt.Sprintf("/{a%d}", i)
	}
	for pattern, want := range map[string]string{
		"apps/{app}":        "the form @ALIAS/PATH",
		"@repo":             "the form @ALIAS/PATH",
		"@repo/":            "names no directory",
		"@repo/./":          "names no directory",
		"@repo//apps":       "inside of the source",
		"@repo/../{app}":    "inside of the source",
		"@repo/apps/*":      "not supported",
		"@repo/apps/{app":   "a { without a }",
		"@repo/apps/app}":   "a } without a {",
		"@repo/apps/{}":     "not a placeholder",
		"@repo/apps/{a,b}":  "not a placeholder",
		"@repo/apps/{_app}": "not a placeholder",
		"@repo/apps/{1app}": "not a placeholder",
		"@repo/{a{b}}":      "not a placeholder",
		"@repo/{app}/{app}": "{app} twice",
		"@repo/{" + strings.Repeat("a", 64) + "}/": "not a placeholder",
		many: "more than the 16 placeholders",
	} {
		_, err := ParseDirectories(pattern)
		if sources.Reason(err) != v1beta1.InvalidReferenceReason || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", pattern, err, want)
		}
	}
}

func TestTemplates(t *testing.T) {
	t.Parallel()
	d, err := ParseDirectories("@repo/apps/{app}/envs/{env}")
	if err != nil {
		t.Fatal(err)
	}
	directory := Directory{Path: "apps/Web/envs/eu.Prod", Values: map[string]string{"app": "Web", "env": "eu.Prod"}}
	template := v1beta1.OutputArtifact{Name: "{app}-{env}", Revision: "@repo", Copy: []v1beta1.CopyOperation{
		op("@repo/apps/{app}/envs/{env}/**", "@artifact/{env}/", without("{a,b}.md")), op("@repo/base/", "@artifact/"),
	}}
	if err := d.CheckTemplate(template); err != nil {
		t.Fatal(err)
	}
	made, err := directory.Render(template)
	if err != nil {
		t.Fatal(err)
	}
	want := v1beta1.OutputArtifact{Name: "web-eu.prod", Revision: "@repo", Copy: []v1beta1.CopyOperation{
		op("@repo/apps/Web/envs/eu.Prod/**", "@artifact/eu.Prod/", without("{a,b}.md")), op("@repo/base/", "@artifact/"),
	}}
	if diff := cmp.Diff(want, made); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(map[string]string{"app": "web", "env": "eu.prod"}, directory.Labels()); diff != "" {
		t.Errorf("labels (-want +got):\n%s", diff)
	}
	if template.Copy[0].From != "@repo/apps/{app}/envs/{env}/**" {
		t.Error("the template was changed")
	}

	for _, tt := range []struct {
		name, from, to, message string
	}{
		{"{other}", "@repo/x", "@artifact/", "no placeholder {other}"},
		{"{app}..x", "@repo/x", "@artifact/", "not the name of an object"},
		{"{app", "@repo/x", "@artifact/", "a { without a }"},
		{"{app}", "@repo/{a,b}", "@artifact/", "not a placeholder"},
		{"{app}", "@repo/{none}", "@artifact/", "no placeholder {none}"},
		{"{app}", "@repo/x", "@artifact/{none}", "no placeholder {none}"},
		{"{app}", "@repo/{app}/../x", "@artifact/", "inside of it"},
	} {
		bad := v1beta1.OutputArtifact{Name: tt.name, Copy: []v1beta1.CopyOperation{op(tt.from, tt.to)}}
		err := d.CheckTemplate(bad)
		if sources.Reason(err) != v1beta1.InvalidReferenceReason || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s from %s to %s: error %v, want %q in it", tt.name, tt.from, tt.to, err, tt.message)
		}
	}
}

// A directory with a problem does not keep the others from having artifacts.
func TestArtifactsOfDirectories(t *testing.T) {
	t.Parallel()
	templates := func(names ...string) []v1beta1.OutputArtifact {
		out := make([]v1beta1.OutputArtifact, 0, len(names))
		for _, name := range names {
			out = append(out, v1beta1.OutputArtifact{Name: name})
		}
		return out
	}
	many := map[string]string{}
	for i := range MaxOutputs/2 + 1 {
		many[fmt.Sprintf("apps/d%04d/x", i)] = "x"
	}
	for _, tt := range []struct {
		name      string
		files     map[string]string
		templates []v1beta1.OutputArtifact
		want      []string
		count     int
		reason    string
		message   string
	}{
		{
			name: "two templates", files: map[string]string{"apps/web/x": "", "apps/API/x": ""},
			templates: templates("{app}", "{app}-crds"), want: []string{"api", "api-crds", "web", "web-crds"},
		},
		{
			name: "no directory", files: map[string]string{"web/x": ""}, templates: templates("{app}"),
			reason:  v1beta1.NotFoundReason,
			message: `no directory of the source @repo matches spec.pathPattern "@repo/apps/{app}"`,
		},
		{
			name: "a hidden directory", files: map[string]string{"apps/.github/x": "", "apps/web/x": ""},
			templates: templates("{app}"), want: []string{"web"}, reason: v1beta1.InvalidContentReason,
			message: `"apps/.github": the value ".github" of {app} is not that of a label`,
		},
		{
			name:      "characters of patterns",
			files:     map[string]string{"apps/*/x": "", "apps/\u212aube/x": "", "apps/web/x": ""},
			templates: templates("{app}"), want: []string{"web"}, reason: v1beta1.InvalidContentReason,
			message: "is not that of a label",
		},
		{
			name: "a name that no object can have", files: map[string]string{"apps/my_app/x": "", "apps/web/x": ""},
			templates: templates("{app}"), want: []string{"web"}, reason: v1beta1.InvalidContentReason,
			message: `"apps/my_app": "my_app" is not the name of an object`,
		},
		{
			name: "names that differ in case", files: map[string]string{"apps/Web/x": "", "apps/web/x": "", "apps/api/x": ""},
			templates: templates("{app}"), want: []string{"api"}, reason: v1beta1.InvalidContentReason,
			message: `"apps/Web" and "apps/web" both make the artifact web`,
		},
		{
			name: "a name without a placeholder", files: map[string]string{"apps/web/x": "", "apps/api/x": ""},
			templates: templates("shop"), reason: v1beta1.InvalidContentReason, message: "both make the artifact shop",
		},
		{
			name: "too many", files: many, templates: templates("{app}", "{app}-more"), count: MaxOutputs,
			reason: v1beta1.InvalidContentReason, message: "more than the 1000 artifacts that are allowed",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			d, directories := found(t, "@repo/apps/{app}", tt.files)
			artifacts, problem := d.Expand(tt.templates, directories)
			var names []string
			for _, artifact := range artifacts {
				names = append(names, artifact.Name)
				made, err := artifact.Directory.Render(tt.templates[artifact.Template])
				if err != nil || made.Name != artifact.Name {
					t.Errorf("%s is rendered as %s, error %v", artifact.Name, made.Name, err)
				}
			}
			if diff := cmp.Diff(tt.want, names); tt.count == 0 && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if tt.count > 0 && len(names) != tt.count {
				t.Errorf("%d artifacts, want %d", len(names), tt.count)
			}
			if sources.Reason(problem) != tt.reason || problem != nil && !strings.Contains(problem.Error(), tt.message) {
				t.Errorf("problem %v, want %s: %s", problem, tt.reason, tt.message)
			}
		})
	}
}

func TestDirectoriesOfABrokenArchive(t *testing.T) {
	t.Parallel()
	d, err := ParseDirectories("@repo/{app}")
	if err != nil {
		t.Fatal(err)
	}
	for name, archive := range map[string][]byte{
		"garbage": []byte("no archive"), "hostile": packed(t, map[string]string{"../../x/y": "out"}),
		"too many entries": packed(t, map[string]string{"a/x": "", "b/x": "", "c/x": ""}),
	} {
		source := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(archive)), nil }
		_, err := d.Find(t.Context(), source, Limits{Entries: 2})
		if sources.Reason(err) != v1beta1.InvalidContentReason {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

// No pattern and no name of a directory leads to a panic, to a name that no object can have, or to a path with a
// wildcard that the template does not have.
func FuzzDirectories(f *testing.F) {
	f.Add("@repo/apps/{app}", "apps/web/x")
	f.Add("@repo/{a}{b}-{c}", "x-*/x")
	f.Add("@repo/{a}/./{b}/", "../{a}/[x]")
	f.Fuzz(func(t *testing.T, pattern, file string) {
		d, err := ParseDirectories(pattern)
		if err != nil {
			return
		}
		dir, is := d.above(file)
		if !is {
			return
		}
		values, matches := d.match(dir)
		if !matches {
			return
		}
		from, name := "@repo/x", "x"
		for _, placeholder := range d.placeholders {
			from += "/{" + placeholder + "}"
			name += "-{" + placeholder + "}"
		}
		template := v1beta1.OutputArtifact{Name: name, Copy: []v1beta1.CopyOperation{op(from, "@artifact/")}}
		found, problem := d.Expand([]v1beta1.OutputArtifact{template}, []Directory{{Path: dir, Values: values}})
		if len(found) == 0 {
			if problem == nil {
				t.Errorf("%q makes nothing, and has no problem", dir)
			}
			return
		}
		made, err := found[0].Directory.Render(template)
		if err != nil || isName(made.Name) != nil || isPattern(made.Copy[0].From) || !isInside(made.Copy[0].From) {
			t.Errorf("%q makes %+v, error %v", dir, made, err)
		}
	})
}
