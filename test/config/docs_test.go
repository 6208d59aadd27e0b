package config

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var (
	quoted = regexp.MustCompile("`([^`\n]+)`")
	fenced = regexp.MustCompile("(?ms)^```.*?^```")
)

// cells returns the rows of all tables of a page, header and separator included, by cell.
func cells(page string) [][]string {
	var rows [][]string
	for _, line := range strings.Split(page, "\n") {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "|") {
			continue
		}
		parts := strings.Split(strings.Trim(line, "|"), "|")
		for i := range parts {
			parts[i] = strings.TrimSpace(parts[i])
		}
		rows = append(rows, parts)
	}
	return rows
}

// terms returns what a text names, each in backticks; blocks of code are left out.
func terms(text string) []string {
	var found []string
	for _, match := range quoted.FindAllStringSubmatch(fenced.ReplaceAllString(text, ""), -1) {
		found = append(found, match[1])
	}
	return found
}

// constants returns the string constants of a file whose names end so, by value.
func constants(t *testing.T, suffix string, path ...string) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(append([]string{root}, path...)...), nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok {
			return true
		}
		for i, name := range spec.Names {
			if !strings.HasSuffix(name.Name, suffix) || i >= len(spec.Values) {
				continue
			}
			if literal, ok := spec.Values[i].(*ast.BasicLit); ok {
				value, _ := strconv.Unquote(literal.Value)
				found[value] = name.Name
			}
		}
		return true
	})
	if len(found) == 0 {
		t.Fatalf("no constants end in %s", suffix)
	}
	return found
}

func TestEveryReasonIsDocumented(t *testing.T) {
	want := constants(t, "Reason", "api", "v1beta1", "reasons.go")
	maps.Copy(want, constants(t, "Condition", "api", "v1beta1", "conditions.go"))
	documented := map[string]bool{}
	for _, row := range cells(read(t, "docs", "conditions.md")) {
		for _, term := range terms(row[0]) {
			documented[term] = true
		}
	}
	for value, name := range want {
		if !documented[value] {
			t.Errorf("docs/conditions.md has no row for %s, %q", name, value)
		}
	}
	for value := range documented {
		if want[value] == "" {
			t.Errorf("docs/conditions.md has a row for %q, which the code does not know", value)
		}
	}
}

// metricsOf returns the labels of every metric of ours that a file makes, by name.
func metricsOf(t *testing.T, path string, found map[string][]string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		name := ""
		for _, text := range texts(call.Args[0]) {
			if strings.HasPrefix(text, "fairlead_") {
				name = text
			}
		}
		if name != "" {
			found[name] = nil
			if len(call.Args) > 1 {
				found[name] = texts(call.Args[1])
			}
		}
		return true
	})
}

// texts returns the string literals in a composite literal.
func texts(e ast.Expr) []string {
	literal, ok := e.(*ast.CompositeLit)
	if !ok {
		return nil
	}
	var found []string
	ast.Inspect(literal, func(n ast.Node) bool {
		if basic, ok := n.(*ast.BasicLit); ok && basic.Kind == token.STRING {
			text, _ := strconv.Unquote(basic.Value)
			found = append(found, text)
		}
		return true
	})
	return found
}

// metricsMade are the labels of every metric of ours, by name.
func metricsMade(t *testing.T) map[string][]string {
	t.Helper()
	made := map[string][]string{}
	for _, dir := range []string{"cmd", "controllers", "helmops", "sources"} {
		err := filepath.WalkDir(filepath.Join(root, dir), func(path string, _ fs.DirEntry, err error) error {
			if err == nil && strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go") {
				metricsOf(t, path, made)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(made) < 4 {
		t.Errorf("only %d metrics were found in the code", len(made))
	}
	return made
}

func TestEveryMetricIsDocumented(t *testing.T) {
	made := metricsMade(t)
	page := read(t, "docs", "metrics.md")
	rows := map[string][]string{}
	for _, row := range cells(page) {
		if names := terms(row[0]); len(row) == 4 && len(names) == 1 {
			rows[names[0]] = terms(row[2])
		}
	}
	for name, labels := range made {
		if got, ok := rows[name]; !ok || !slices.Equal(got, labels) {
			t.Errorf("docs/metrics.md gives %s the labels %v, the code %v", name, got, labels)
		}
	}
	for _, name := range regexp.MustCompile(`fairlead_\w+`).FindAllString(page, -1) {
		if _, ok := made[strings.TrimSuffix(name, "_count")]; !ok {
			t.Errorf("docs/metrics.md names %s, which the code does not make", name)
		}
	}
}

// pages are all pages whose text is checked: ours and the READMEs that lead to them.
func pages(t *testing.T) []string {
	t.Helper()
	return append(glob(t, "docs", "*.md"), glob(t, "charts", "*", "README.md")...)
}

var block = regexp.MustCompile("(?ms)^```yaml\n(.*?)^```")

// Every example of ours is accepted by the API, every other one by Kubernetes' types.
func TestExamplesInTheDocs(t *testing.T) {
	known, s := schemas(t), scheme(t)
	seen := map[string]bool{}
	for _, file := range pages(t) {
		for _, match := range block.FindAllStringSubmatch(read(t, file[len(root)+1:]), -1) {
			for _, document := range documents(t, match[1]) {
				if !strings.Contains(document, "apiVersion:") {
					continue
				}
				for _, wrong := range checkOwn(t, known, document) {
					t.Errorf("%s: %s in:\n%s", file, wrong, document)
				}
				objects(t, s, document)
				seen[kindOf(t, document)] = true
			}
		}
	}
	for kind := range known {
		if !seen[kind] && kind != "ReleasePlan" && kind != "ExternalArtifact" { // users write none
			t.Errorf("no page has an example of a %s", kind)
		}
	}
}

var link = regexp.MustCompile(`\]\(([^)#]*)(#[^)]*)?\)`)

func TestLinksInTheDocs(t *testing.T) {
	for _, file := range append(pages(t), filepath.Join(root, "README.md")) {
		page := read(t, file[len(root)+1:])
		for _, match := range link.FindAllStringSubmatch(page, -1) {
			target := match[1]
			if target == "" || strings.Contains(target, "://") {
				continue
			}
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), target)); err != nil {
				t.Errorf("%s: the link to %s leads nowhere", file, target)
			}
		}
	}
	index := read(t, "docs", "README.md")
	for _, file := range glob(t, "docs", "*.md") {
		if name := filepath.Base(file); name != "README.md" && !strings.Contains(index, "("+name+")") {
			t.Errorf("docs/README.md does not list %s", name)
		}
	}
}

func TestFlagsInTheDocs(t *testing.T) {
	source := read(t, "cmd", "fairlead", "controller.go") + read(t, "cmd", "fairlead", "tenancy.go") +
		read(t, "cmd", "fairlead", "cache.go")
	documented := map[string]bool{}
	for _, row := range cells(read(t, "docs", "install.md")) {
		for _, term := range terms(row[0]) {
			documented[strings.TrimPrefix(term, "--")] = true
		}
	}
	for _, match := range regexp.MustCompile(`f\.\w+Var\(&flags\.[\w.]+, "([^"]+)"`).FindAllStringSubmatch(source, -1) {
		if !documented[match[1]] {
			t.Errorf("docs/install.md has no row for --%s", match[1])
		}
		delete(documented, match[1])
	}
	if len(documented) > 0 {
		t.Errorf("docs/install.md has rows for flags that do not exist: %v", documented)
	}
}
