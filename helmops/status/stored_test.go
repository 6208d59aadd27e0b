package status

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"fairlead.dev/fairlead/api/v1beta1"
)

var update = flag.Bool("update", false, "write the samples of stored objects that are missing")

// storedKustomization is a Kustomization as the API server has it, and what is read from it later. A sample that is
// there is never replaced: -update only adds one that is missing.
type storedKustomization struct {
	name  string
	write func(k *v1beta1.Kustomization)
	// reads is what every later version makes of the sample.
	reads []string
}

func storedInventory() []v1beta1.ResourceRef {
	return []v1beta1.ResourceRef{
		v1beta1.NewResourceRef("shop", "settings", "", "ConfigMap", "v1"),
		v1beta1.NewResourceRef("", "shop", "rbac.authorization.k8s.io", "ClusterRole", "v1"),
		v1beta1.NewResourceRef("shop", "system:web", "rbac.authorization.k8s.io", "Role", "v1"),
	}
}

var storedKustomizations = []storedKustomization{
	{name: "kustomization-applied-1",
		write: func(k *v1beta1.Kustomization) {
			k.Annotations = map[string]string{v1beta1.ReconcileRequestAnnotation: "token-1", v1beta1.ForceRequestAnnotation: "token-1"}
			KustomizationApplied(k, Applied{
				Generation: 3, Revision: "main@sha1:4f2c", Digest: "sha256:set", Inventory: storedInventory(), Created: []string{"ConfigMap shop/settings"},
			}, now)
			KustomizationHealth(k, Health{Known: true, Of: 3, Objects: []v1beta1.ObjectHealth{
				{Kind: "Role", Group: "rbac.authorization.k8s.io", Namespace: "shop", Name: "system:web", State: "InProgress", Message: "it is new"},
			}}, now)
			KustomizationSettled(k, nil, false, now)
			k.Status.LastHandledReconcileAt = "token-1"
		},
		reads: []string{
			"applied main@sha1:4f2c as sha256:set, attempted sha256:set, 0 failures, ready true",
			`object ConfigMap in "" named shop/settings`,
			`object ClusterRole in "rbac.authorization.k8s.io" named /shop`,
			`object Role in "rbac.authorization.k8s.io" named shop/system:web`,
			"Role shop/system:web is InProgress",
			"request token-1 was handled",
		}},
	{name: "kustomization-failed-1",
		write: func(k *v1beta1.Kustomization) {
			KustomizationApplied(k, Applied{Generation: 3, Revision: "main@sha1:4f2c", Digest: "sha256:set", Inventory: storedInventory()}, now)
			failure := &Failure{Reason: v1beta1.RenderingLimitExceededReason, Message: "rendering exceeded its bound of memory", Final: true}
			KustomizationApplied(k, Applied{Generation: 3, Revision: "main@sha1:9a1b", Digest: "sha256:next", Failure: failure}, now.Add(time.Minute))
		},
		reads: []string{
			"applied main@sha1:4f2c as sha256:set, attempted sha256:next, 1 failures, ready false",
			`object ConfigMap in "" named shop/settings`,
			`object ClusterRole in "rbac.authorization.k8s.io" named /shop`,
			`object Role in "rbac.authorization.k8s.io" named shop/system:web`,
			"the set sha256:next exceeds a bound",
		}},
}

func readingsOfKustomization(k *v1beta1.Kustomization) []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	s := &k.Status
	say("applied %s as %s, attempted %s, %d failures, ready %v", s.LastAppliedRevision, s.LastAppliedDigest, s.LastAttemptedDigest, s.Failures, IsReady(k))
	if s.Inventory != nil {
		for _, entry := range s.Inventory.Entries {
			namespace, name, group, kind, ok := entry.Split()
			if !ok {
				say("entry %s cannot be read", entry.ID)
			}
			say("object %s in %q named %s/%s", kind, group, namespace, name)
		}
	}
	for _, object := range s.Unhealthy {
		say("%s %s/%s is %s", object.Kind, object.Namespace, object.Name, object.State)
	}
	if s.LimitExceeded != nil {
		say("the set %s exceeds a bound", s.LimitExceeded.Digest)
	}
	if token := k.Annotations[v1beta1.ReconcileRequestAnnotation]; token != "" && token == s.LastHandledReconcileAt {
		say("request %s was handled", token)
	}
	return out
}

// What every version has written into Kustomizations is understood by every later one.
func TestStoredKustomizationsAreUnderstood(t *testing.T) {
	t.Parallel()
	files, err := os.ReadDir(filepath.Join("testdata", "stored"))
	if err != nil || len(files) > len(storedKustomizations) {
		t.Errorf("%d samples, %d of them are read (error %v)", len(files), len(storedKustomizations), err)
	}
	for _, sample := range storedKustomizations {
		t.Run(sample.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join("testdata", "stored", sample.name+".json")
			text, err := os.ReadFile(file)
			if errors.Is(err, fs.ErrNotExist) && *update {
				k := &v1beta1.Kustomization{ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "shop", Generation: 3}}
				sample.write(k)
				if text, err = json.MarshalIndent(k, "", "  "); err == nil {
					err = os.WriteFile(file, append(text, '\n'), 0o600)
				}
			}
			if err != nil {
				t.Fatal(err)
			}
			k := &v1beta1.Kustomization{}
			if err := json.Unmarshal(text, k); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(sample.reads, readingsOfKustomization(k)); diff != "" {
				t.Errorf("what is read (-want +got):\n%s", diff)
			}
		})
	}
}
