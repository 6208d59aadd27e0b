package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/helmops/view"
	"fairlead.dev/fairlead/test/servers"
)

const ciFleet = `apiVersion: fairlead.dev/v1beta1
kind: GitRepository
metadata: {name: fleet, namespace: flux-system}
spec: {url: "https://github.com/acme/fleet"}
---
apiVersion: fairlead.dev/v1beta1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./apps, prune: true, sourceRef: {kind: GitRepository, name: fleet}}
`

const ciRelease = `# The shop.
apiVersion: fairlead.dev/v1beta1
kind: HelmRelease
metadata: {name: shop, namespace: web}
spec:
  chart: {spec: {chart: charts/shop, sourceRef: {kind: GitRepository, name: fleet, namespace: flux-system}}}
  valuesFrom: [{kind: Secret, name: shop-values}]
  values: {image: "%s", note: "%s"}
`

const ciTemplate = `apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}, annotations: {note: {{ .Values.note | quote }}}}
spec:
  selector: {matchLabels: {app: shop}}
  template:
    metadata: {labels: {app: shop}}
    spec: {containers: [{name: web, image: "shop:{{ .Values.image }}"}]}
`

// ciRepository is a repository with a change in its work tree, whose values are hostile.
func ciRepository(t *testing.T) string {
	t.Helper()
	tree, err := servers.NewWorkTree(t.TempDir(), "git@github.com:acme/fleet.git")
	if err != nil {
		t.Fatal(err)
	}
	err = tree.Write(map[string]string{
		"clusters/prod/fleet.yaml": ciFleet, "apps/shop.yaml": fmt.Sprintf(ciRelease, "1.9.1", "plain"),
		"charts/shop/Chart.yaml": "apiVersion: v2\nname: shop\nversion: 0.1.0\n", "charts/shop/templates/d.yaml": ciTemplate,
	})
	if err == nil {
		_, err = tree.Commit("first")
	}
	if err == nil {
		err = tree.Write(map[string]string{"apps/shop.yaml": fmt.Sprintf(ciRelease, "1.9.2",
			"```` @acme/owners <img src=x onerror=alert(1)> | ::error::x"),
		})
	}
	if err != nil {
		t.Fatal(err)
	}
	return tree.Dir
}

func TestCI(t *testing.T) {
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	dir := ciRepository(t)
	args := func(more ...string) []string {
		return append([]string{"ci", "--repository", dir, "--path", "clusters/prod", "--cache-dir", t.TempDir()}, more...)
	}
	for name, more := range map[string][]string{
		"ci": nil, "ci-markdown": {"-o", "markdown"}, "ci-json": {"-o", "json"}, "ci-github": {"-o", "github"},
	} {
		summary := filepath.Join(t.TempDir(), "summary.md")
		t.Setenv(summaryVariable, summary)
		found := world{}.run(t, args(more...)...)
		if found.code != exitNotReady {
			t.Errorf("%s: exit code %d: %s", name, found.code, found.stderr)
		}
		found.stderr = ""
		golden(t, name, append([]string{"ci", "--path", "clusters/prod"}, more...), found)
		if name != "ci-github" {
			continue
		}
		appended, err := os.ReadFile(summary)
		markdown := world{}.run(t, args("-o", "markdown")...)
		if err != nil || string(appended) != markdown.stdout {
			t.Errorf("the summary is %q: %v", appended, err)
		}
	}

	for name, tt := range map[string]struct {
		more []string
		code int
		says string
	}{
		"below the risk":       {[]string{"--fail-on", "Recreate"}, exitOK, ""},
		"at the risk":          {[]string{"--fail-on", "Restart"}, exitNotReady, ""},
		"no change":            {[]string{"--head", "main"}, exitOK, "the change touches none of the 3 releases and Kustomizations"},
		"no such risk":         {[]string{"--fail-on", "High"}, exitError, `--fail-on "High" is not a risk`},
		"no such base":         {[]string{"--base", "release-1"}, exitError, "git fetch origin release-1"},
		"no such directory":    {[]string{"--path", "clusters/staging"}, exitError, "there is no directory clusters/staging"},
		"a source of no form":  {[]string{"--source", "fleet"}, exitError, `"fleet" is not of the form NAMESPACE/NAME`},
		"too small a bound":    {[]string{"--max-bytes", "10"}, exitError, "--max-bytes 10"},
		"no Kubernetes at all": {[]string{"--kube-version", "new"}, exitError, `"new" is not a version of Kubernetes`},
	} {
		found := world{}.run(t, args(tt.more...)...)
		if found.code != tt.code || !strings.Contains(found.stderr, tt.says) {
			t.Errorf("%s: exit code %d, want %d, saying %q: %s", name, found.code, tt.code, tt.says, found.stderr)
		}
	}

	// With a cluster the values are known.
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "web", Name: "shop-values"}, Data: map[string][]byte{"values.yaml": []byte("note: hunter2")},
	}
	found := world{objects: []client.Object{secret}}.run(t, args("--cluster", "--kube-version", "1.35", "-o", "json")...)
	var review view.Review
	if err := json.Unmarshal([]byte(found.stdout), &review); err != nil {
		t.Fatalf("%v: %s", err, found.stderr)
	}
	if len(review.Items) != 2 || len(review.Items[0].Notes) != 0 || review.KubeVersion != "v1.35" && review.KubeVersion != "v1.35.0" {
		t.Errorf("with a cluster: %+v", review)
	}
}

// hostileReview has what a manifest may have in its names and values.
func hostileReview(n int) *view.Review {
	name := "a|b`c</code></summary><script>@acme/owners #1\n::error::x"
	found := &view.Review{Base: "sha1:1", Head: "the work tree", KubeVersion: "v1.37.0", Notes: []string{name}}
	for i := range n {
		item := view.NewReviewItem("HelmRelease", "web", fmt.Sprintf("%s-%d", name, i), "changed")
		item.Risk = "DataLoss"
		item.File = "apps/a,b:c%\n::error::x.yaml"
		item.Summary.Deleted = 1
		item.Objects = []view.PlanObject{{
			ObjectDifference: view.ObjectDifference{Kind: "ConfigMap", Name: name, Change: "changed", Fields: []view.FieldDifference{
				{Path: ".data.x", Change: "changed", From: "```` " + name, To: strings.Repeat("@acme/owners ", 20)},
			}},
			Risks: []view.PlanRisk{{Class: "DataLoss", Why: name}},
		}}
		found.Items = append(found.Items, item)
	}
	found.Items[0].Error = name
	found.Sort()
	return found
}

func TestMarkdownOfHostileNames(t *testing.T) {
	t.Parallel()
	a := &app{}
	text := a.reviewMarkdown(hostileReview(3), &ciFlags{maxBytes: defaultMaxBytes, paths: []string{"clusters/prod"}})
	outside := outsideOfFences(t, text)
	for _, bad := range []string{"@", "<script", "|b", "`", " #1", "::"} {
		if strings.Contains(outside, bad) {
			t.Errorf("%q is outside of code:\n%s", bad, outside)
		}
	}
	for _, line := range strings.Split(outside, "\n") {
		if strings.HasPrefix(line, "| DataLoss") && strings.Count(line, "|") != 5 {
			t.Errorf("a row with other columns: %s", line)
		}
	}
}

// outsideOfFences is what is in no block of code. A block ends with the fence that it began with.
func outsideOfFences(t *testing.T, text string) string {
	t.Helper()
	var out []string
	fence := ""
	for _, line := range strings.Split(text, "\n") {
		switch {
		case fence == "" && strings.HasPrefix(line, "```"):
			fence = strings.TrimSuffix(line, "text")
		case fence != "" && line == fence:
			fence = ""
		case fence == "":
			out = append(out, line)
		}
	}
	if fence != "" {
		t.Error("a block of code has no end")
	}
	return strings.Join(out, "\n")
}

func TestMarkdownIsBounded(t *testing.T) {
	t.Parallel()
	found := hostileReview(400)
	for _, most := range []int{minBytes, 10_000, defaultMaxBytes} {
		flags := &ciFlags{maxBytes: most, paths: []string{"clusters/it's"}, base: "main", cluster: true}
		text := (&app{}).reviewMarkdown(found, flags)
		if len(text) > most {
			t.Errorf("%d bytes, more than %d", len(text), most)
		}
		outside := outsideOfFences(t, text)
		for _, want := range []string{"Left out: ", "plans with ", "fairlead ci --path ", " --base main --cluster"} {
			if !strings.Contains(strings.NewReplacer("&#39;", "'", "&#92;", `\`).Replace(outside), want) {
				t.Errorf("with %d bytes it lacks %q", most, want)
			}
		}
	}
	if text := (&app{}).reviewMarkdown(found, &ciFlags{}); strings.Contains(text, "Left out") || strings.Count(text, "<details>") != 400 {
		t.Error("without a bound something is left out")
	}
}

func TestAnnotations(t *testing.T) {
	t.Parallel()
	items := hostileReview(2).Items
	for i, want := range []string{
		"::error file=apps/a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ax.yaml,line=1,title=Error%3A HelmRelease web/a|b`c</code></summary><script>" +
			"@acme/owners #1 %3A%3Aerror%3A%3Ax-0::a|b`c",
		"::warning file=apps/a%2Cb%3Ac%25%0A%3A%3Aerror%3A%3Ax.yaml,line=1,title=DataLoss%3A HelmRelease web/a|b`c",
	} {
		got := annotationOf(items[i])
		if !strings.HasPrefix(got, want) || strings.Contains(got, "\n") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
	if got := annotationOf(view.NewReviewItem("HelmRelease", "a", "b", "changed")); got != "" {
		t.Errorf("a plan without a risk has the annotation %q", got)
	}
}

// No line of the text is a command for the pipeline that it is printed in.
func TestTextIsNoCommand(t *testing.T) {
	t.Parallel()
	var printed, notes bytes.Buffer
	a := &app{environment: environment{out: &printed, err: &notes}}
	hostile := view.ReviewItem{Kind: "::stop-commands::x", Namespace: "web", Name: "##vso[task.setvariable]", Change: "changed"}
	hostile.Objects = []view.PlanObject{{ObjectDifference: view.ObjectDifference{Kind: "::add-mask::a", Name: "b", Change: "created"}}}
	if err := a.reviewText(&view.Review{Items: []view.ReviewItem{hostile}}); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(printed.String(), "\n ::add-mask::a b: created") {
		t.Errorf("it prints\n%s", &printed)
	}
	for _, line := range strings.Split(printed.String()+notes.String(), "\n") {
		if strings.HasPrefix(line, "::") || strings.HasPrefix(line, "##") {
			t.Errorf("a line is %q", line)
		}
	}
}
