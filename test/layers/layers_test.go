// Package layers holds the test that keeps the structure of the code: imports point down only.
package layers

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "fairlead.dev/fairlead/"

// layers from top to bottom; a package is in the layer of the longest prefix that matches it. A package may import
// those of lower layers and, within its own, those below its own path or above it, and what `peers` allows.
var layers = map[string]int{
	"cmd/":         5,
	"controllers/": 4,

	"helmops/release": 3,
	"helmops/view":    3,
	"helmops/install": 3,

	"helmops/engine":          2,
	"helmops/engine/helmtext": 1,
	"helmops/chart":           2,
	"helmops/postrender":      2,
	"helmops/kustomize/build": 2,
	"helmops/kustomize/apply": 2,
	"helmops/kube/cluster":    2,
	"helmops/kube/tracker":    2,
	"helmops/kube/keep":       2,
	"helmops/kube/ssa":        2,
	"helmops/process/worker":  2,
	"sources/":                2,

	"helmops/approval":        1,
	"helmops/plan":            1,
	"helmops/preview":         1,
	"helmops/promotion":       1,
	"helmops/status":          1,
	"helmops/values":          1,
	"helmops/window":          1,
	"helmops/kustomize":       1,
	"helmops/kustomize/plan":  1,
	"helmops/kustomize/sops":  1,
	"helmops/kube/cel":        1,
	"helmops/kube/definition": 1,
	"helmops/kube/diff":       1,
	"helmops/kube/drift":      1,
	"helmops/kube/health":     1,
	"helmops/kube/redact":     1,
	"helmops/kube/warning":    1,
	"helmops/process/backoff": 1,
	"helmops/process/fair":    1,
	"helmops/process/guard":   1,
	"helmops/process/memory":  1,
	"sources":                 1,
	"sources/archive":         1,
	"sources/egress":          1,
	"sources/ignore":          1,
	"sources/knownhosts":      1,
	"sources/quota":           1,

	"api/":       0,
	"config":     0,
	"test/":      6,
	"test/build": 6,
	"test/seed":  6,
}

// peers are the imports that are allowed within one layer.
var peers = map[string][]string{
	"controllers/catalog":       {"controllers/loop"},
	"controllers/generator":     {"controllers/catalog", "controllers/loop"},
	"controllers/source":        {"controllers/catalog", "controllers/loop"},
	"controllers/kustomization": {"controllers/catalog", "controllers/loop", "controllers/refs"},
	"controllers/pipeline":      {"controllers/catalog", "controllers/loop", "controllers/refs"},
	"controllers/refs":          {"controllers/loop"},
	"controllers/receiver":      {"controllers/loop"},
	"controllers/release":       {"controllers/catalog", "controllers/loop", "controllers/refs"},
	"controllers/review": {
		"controllers/catalog", "controllers/kustomization", "controllers/refs", "controllers/release",
	},
	"helmops/engine": {
		"helmops/chart", "helmops/kube/cluster", "helmops/kube/keep", "helmops/kube/ssa", "helmops/kube/tracker",
		"helmops/postrender",
		"helmops/process/worker",
	},
	"helmops/kustomize/apply": {"helmops/kube/cluster", "helmops/kube/keep", "helmops/kube/ssa", "helmops/kube/tracker"},
	"helmops/kustomize/build": {"helmops/process/worker"},
	"helmops/kustomize/plan":  {"helmops/approval", "helmops/process/backoff", "helmops/window"},
	"helmops/postrender":      {"helmops/process/worker"},
	"helmops/plan":            {"helmops/approval", "helmops/process/backoff", "helmops/window"},
	"helmops/promotion":       {"helmops/approval", "helmops/window"},
	"helmops/status":          {"helmops/kustomize/plan", "helmops/plan", "helmops/kube/warning"},
	"helmops/kube/health":     {"helmops/kube/cel"},
	"helmops/kube/diff":       {"helmops/kube/redact"},
	"helmops/preview":         {"helmops/kube/diff", "helmops/kube/redact"},
	"sources/helmrepo":        {"sources/transport"},
	"sources/oci":             {"sources/transport"},
	"sources/git":             {"sources/transport", "sources/chartvalues"},
	"sources/chartvalues":     {"sources/transport"},
	"sources/bucket":          {"sources/transport"},
	"sources/oidc":            {"sources/transport"},
	"sources/compose":         {"sources/archive"},
	"sources/ignore":          {"sources/archive"},
	"sources/store":           {"sources/quota"},
}

// shared are packages of sources that helmops may import: readers of a format that both meet, which import nothing of
// Fairlead. Two readers of one format differ sooner or later in what they refuse.
var shared = []string{"sources/archive", "sources/egress", "sources/knownhosts"}

// forbidden imports of other modules, by layer or package prefix; the exceptions may have them.
var forbidden = []struct {
	path    string
	except  []string
	because string
}{
	{"helm.sh/helm/v3/pkg/action", []string{"helmops/engine"}, "Helm stays behind one package"},
	{"helm.sh/helm/v3/pkg/kube", []string{"helmops/engine"}, "Helm stays behind one package"},
	{"helm.sh/helm/v3/pkg/storage", []string{"helmops/engine"}, "Helm stays behind one package"},
	{"sigs.k8s.io/controller-runtime/pkg/builder", []string{"controllers/loop"}, "controllers are set up in one place"},
	{"sigs.k8s.io/controller-runtime/pkg/manager", []string{"cmd/"}, "only the command runs a manager"},
	{"github.com/fluxcd/pkg/ssa", []string{"helmops/install"}, "it costs a GET and a dry run for each object; controllers count requests"},
}

// inProcess are the packages that build kustomizations in their own process: the job of the child processes, and what
// installs our own manifests. All others have a child build what tenants write.
var inProcess = []string{"helmops/kustomize/build", "helmops/install"}

// Nothing else but a child may hand files of others to the kustomize library.
func TestKustomizationsAreBuiltInChildren(t *testing.T) {
	call := regexp.MustCompile(`\bbuild\.Build\(|\bbuild\.Request\{[^}]*\}\.Build\(`)
	found := 0
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, path := range p.Imports {
			if path == "sigs.k8s.io/kustomize/api/krusty" && from != "helmops/kustomize/build" && layerOrZero(from) < 6 {
				t.Errorf("%s imports %s: only helmops/kustomize/build builds", from, path)
			}
		}
		for _, file := range p.GoFiles {
			content, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if !call.Match(content) {
				continue
			}
			found++
			if !slices.Contains(inProcess, from) && layerOrZero(from) < 6 {
				t.Errorf("%s/%s builds in its own process; use build.Builder", from, file)
			}
		}
	}
	if found == 0 {
		t.Error("no call was found, so this test finds nothing")
	}
}

// Archives of others are read in one place, which bounds what they unpack to.
func TestArchivesAreReadInOnePlace(t *testing.T) {
	const reader = "sources/archive"
	call := regexp.MustCompile(`\b(tar|zip)\.(NewReader|OpenReader)\(`)
	found := false
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		if layerOrZero(from) >= 6 {
			continue
		}
		for _, file := range p.GoFiles {
			content, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if !call.Match(content) {
				continue
			}
			if from == reader {
				found = true
				continue
			}
			t.Errorf("%s/%s reads an archive itself; use %s, which bounds it", from, file, reader)
		}
	}
	if !found {
		t.Errorf("no call was found in %s, so this test finds nothing", reader)
	}
}

func layerOrZero(path string) int {
	layer, _ := layerOf(path)
	return layer
}

// pure layers know no client, no logger and no metrics.
var impure = []string{
	"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "github.com/prometheus", "log/slog", "github.com/go-logr",
	"net/http",
}

type goPackage struct {
	ImportPath string
	Dir        string
	Imports    []string
	GoFiles    []string
}

func list(t *testing.T) []goPackage {
	t.Helper()
	out, err := exec.Command("go", "list", "-json=ImportPath,Dir,Imports,GoFiles", module+"...").Output()
	if err != nil {
		t.Fatalf("listing the packages: %v", err)
	}
	var packages []goPackage
	for decoder := json.NewDecoder(strings.NewReader(string(out))); decoder.More(); {
		var p goPackage
		if err := decoder.Decode(&p); err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
	if len(packages) < 10 {
		t.Fatalf("only %d packages found", len(packages))
	}
	return packages
}

// What sources and kubeconfigs may not connect to is decided in one place.
func TestAddressesAreRefusedInOnePlace(t *testing.T) {
	var found []string
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, file := range p.GoFiles {
			content, err := os.ReadFile(filepath.Join(p.Dir, file))
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(content), `"169.254.0.0/16"`) && layerOrZero(from) < 6 {
				found = append(found, from)
			}
		}
	}
	if !slices.Equal(found, []string{"sources/egress"}) {
		t.Errorf("link-local addresses are refused in %v, want sources/egress alone", found)
	}
}

func TestImportsPointDown(t *testing.T) {
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		layer, ok := layerOf(from)
		if !ok {
			t.Errorf("%s is in no layer; add it to the list", from)
			continue
		}
		for _, path := range p.Imports {
			to, own := strings.CutPrefix(path, module)
			if !own {
				checkForeign(t, from, layer, path)
				continue
			}
			if slices.Contains(shared, from) {
				t.Errorf("%s imports %s: what sources and helmops share imports nothing of Fairlead", from, to)
			}
			below, _ := layerOf(to)
			if below > layer || below == layer && !related(from, to) {
				t.Errorf("%s (layer %d) imports %s (layer %d)", from, layer, to, below)
			}
			if strings.HasPrefix(from, "sources") && strings.HasPrefix(to, "helmops") ||
				strings.HasPrefix(from, "helmops") && strings.HasPrefix(to, "sources") && !slices.Contains(shared, to) {
				t.Errorf("%s imports %s: sources and helmops meet in controllers only", from, to)
			}
		}
	}
}

func checkForeign(t *testing.T, from string, layer int, path string) {
	t.Helper()
	for _, f := range forbidden {
		if within(path, f.path) && layer < 6 && !anyWithin(from, f.except) {
			t.Errorf("%s imports %s: %s", from, path, f.because)
		}
	}
	if layer > 1 {
		return
	}
	for _, f := range impure {
		if within(path, f) {
			t.Errorf("%s imports %s: layers 0 and 1 are pure", from, path)
		}
	}
	if layer == 0 && strings.Contains(path, ".") && !within(path, "k8s.io/apimachinery") {
		t.Errorf("%s imports %s: the API imports nothing but apimachinery", from, path)
	}
}

func layerOf(path string) (int, bool) {
	best, layer := -1, 0
	for prefix, l := range layers {
		if len(prefix) > best && within(path, strings.TrimSuffix(prefix, "/")) {
			if strings.HasSuffix(prefix, "/") && path == strings.TrimSuffix(prefix, "/") {
				continue
			}
			best, layer = len(prefix), l
		}
	}
	return layer, best >= 0
}

func related(a, b string) bool {
	if within(a, b) || within(b, a) || strings.HasPrefix(a, "test/") {
		return true
	}
	for prefix, allowed := range peers {
		if within(a, prefix) && anyWithin(b, allowed) {
			return true
		}
	}
	return false
}

func within(path, prefix string) bool {
	prefix = strings.TrimSuffix(prefix, "/")
	return path == prefix || strings.HasPrefix(path, prefix+"/")
}

func anyWithin(path string, prefixes []string) bool {
	for _, prefix := range prefixes {
		if within(path, prefix) {
			return true
		}
	}
	return false
}

// The test itself has to fail when something is wrong.
func TestLayersAreTold(t *testing.T) {
	for path, want := range map[string]int{
		"helmops/engine/storage": 2, "helmops/plan": 1, "sources": 1, "sources/oci": 2, "controllers/loop": 4,
		"api/v1beta1": 0,
	} {
		if got, ok := layerOf(path); !ok || got != want {
			t.Errorf("layer of %s = %d, %v; want %d", path, got, ok, want)
		}
	}
	if related("sources/git", "sources/oci") || related("controllers/loop", "controllers/release") {
		t.Error("siblings count as related")
	}
}
