package kustomization

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/refs"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

func TestHasSecrets(t *testing.T) {
	t.Parallel()
	from := func(kind string) (spec v1beta1.KustomizationSpec) {
		spec.PostBuild = &v1beta1.PostBuild{SubstituteFrom: []v1beta1.SubstituteReference{{Kind: kind, Name: "a"}}}
		return spec
	}
	has := func(group, kind string) *v1beta1.ResourceInventory {
		return &v1beta1.ResourceInventory{
			Entries: []v1beta1.ResourceRef{v1beta1.NewResourceRef("apps", "a", group, kind, "v1")},
		}
	}
	for name, tt := range map[string]struct {
		spec      v1beta1.KustomizationSpec
		inventory *v1beta1.ResourceInventory
		want      bool
	}{
		"nothing":                  {},
		"variables of a ConfigMap": {spec: from("ConfigMap"), inventory: has("", "ConfigMap")},
		"variables of a Secret":    {spec: from("Secret"), want: true},
		"another cluster": {spec: v1beta1.KustomizationSpec{KubeConfig: &v1beta1.KubeConfigReference{}},
			want: true},
		"encrypted files":              {spec: v1beta1.KustomizationSpec{Decryption: &v1beta1.Decryption{}}, want: true},
		"a Secret in the repository":   {inventory: has("", "Secret"), want: true},
		"a kind that is called Secret": {inventory: has("example.com", "Secret")},
	} {
		k := &v1beta1.Kustomization{Spec: tt.spec}
		k.Status.Inventory = tt.inventory
		if got := hasSecrets(k); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// speaker is a cluster in which an object says a secret.
type speaker struct {
	Engine
	quoted []bool
}

func (s *speaker) Look(
	_ cluster.Access, _ types.NamespacedName, refs []v1beta1.ResourceRef, _ *health.Rules, quote bool,
) (apply.ObservedState, bool) {
	s.quoted = append(s.quoted, quote)
	return apply.ObservedState{Unseen: refs}, true
}

func (s *speaker) Follow(ctx context.Context, _ cluster.Access, kind schema.GroupVersionKind, key types.NamespacedName,
	see func(*unstructured.Unstructured) (bool, error)) error {
	object := &unstructured.Unstructured{Object: map[string]any{"status": map[string]any{"conditions": []any{
		map[string]any{"type": "Ready", "status": "False", "reason": "LoginFailed", "message": "hunter2 is wrong"},
	}}}}
	object.SetGroupVersionKind(kind)
	object.SetName(key.Name)
	if _, err := see(object); err != nil {
		return err
	}
	<-ctx.Done()
	return errors.New("it has ended")
}

// Objects are quoted when no secret is in play, and those of others never.
func TestWordsOfObjectsAreQuotedWithoutSecretsOnly(t *testing.T) {
	t.Parallel()
	for _, decrypts := range []bool{false, true} {
		s, woken := &speaker{}, make(chan struct{}, 8)
		lookout := refs.NewDependencyWatcher(t.Context(), s, func(types.NamespacedName) { woken <- struct{}{} },
			func() time.Time { return now })
		h := &handler{gatherer: &gatherer{dependencyWatcher: lookout}, engine: s, now: func() time.Time { return now }}
		k := &v1beta1.Kustomization{Spec: v1beta1.KustomizationSpec{Wait: true}}
		k.Spec.HealthChecks = []v1beta1.ObjectReference{{APIVersion: "example.com/v1", Kind: "Database", Name: "of-others"}}
		k.Status.Inventory = &v1beta1.ResourceInventory{
			Entries: []v1beta1.ResourceRef{v1beta1.NewResourceRef("apps", "mine", "example.com", "Database", "v1")},
		}
		if decrypts {
			k.Spec.Decryption = &v1beta1.Decryption{}
		}
		h.look(k, inputs{})
		<-woken
		<-woken
		mine, others := "condition Ready is False, reason LoginFailed: hunter2 is wrong",
			"condition Ready is False, reason LoginFailed"
		if decrypts {
			mine = others
		}
		var got []string
		for _, o := range h.look(k, inputs{}).Awaited {
			got = append(got, o.Name+" "+o.Message)
		}
		if want := "mine " + mine + "|of-others " + others; strings.Join(got, "|") != want {
			t.Errorf("decrypts %v: %q, want %q", decrypts, got, want)
		}
		if fmt.Sprint(s.quoted) != fmt.Sprint([]bool{!decrypts, !decrypts}) {
			t.Errorf("decrypts %v: the engine may quote %v", decrypts, s.quoted)
		}
	}
}
