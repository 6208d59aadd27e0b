package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/kube/redact"
	"fairlead.dev/fairlead/helmops/release"
)

// rendered is what a chart makes with a value from a Secret, hunter2.
func rendered() *engine.Content {
	return &engine.Content{
		Manifest: "# Source: shop/templates/web.yaml\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: shop}\n" +
			"data: {url: 'db://shop:hunter2@db', other: plain}\n---\n# only a comment\n---\n" +
			"apiVersion: v1\nkind: Secret\nmetadata: {name: shop}\nstringData: {generated: s3cr3t-word}\n---\n" +
			"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: copy}\ndata: {generated: s3cr3t-word}\n",
		Hooks: []engine.ContentHook{{
			Kind: "Job", Name: "migrate", Events: []string{"pre-upgrade"},
			Manifest: "apiVersion: batch/v1\nkind: Job\n" +
				"metadata: {name: migrate, annotations: {helm.sh/hook: pre-upgrade}}\n",
		}},
	}
}

func TestRenderPrintsWithoutSecrets(t *testing.T) {
	t.Parallel()
	in := release.Inputs{
		Chart:  v1beta1.ChartRevision{Name: "shop", Version: "1.9.2", Digest: digestB},
		Values: map[string]any{"password": "hunter2"},
		Mask:   redact.NewMask("hunter2"),
	}
	tests := map[string]struct {
		content *engine.Content
		format  string
		want    string
		err     string
	}{
		"objects": {content: rendered(), want: `---
apiVersion: v1
data:
  other: plain
  url: db://shop:***@db
kind: ConfigMap
metadata:
  name: shop
---
apiVersion: v1
kind: Secret
metadata:
  name: shop
stringData:
  generated: '***'
---
apiVersion: v1
data:
  generated: '***'
kind: ConfigMap
metadata:
  name: copy
---
apiVersion: batch/v1
kind: Job
metadata:
  annotations:
    helm.sh/hook: pre-upgrade
  name: migrate
`},
		"no objects": {
			content: &engine.Content{}, want: "shop-1.9.2@7c1e09a25b3c makes no object for release web/shop\n",
		},
		"no objects, for programs": {content: &engine.Content{}, format: outputJSON, want: "{\n  \"items\": []\n}\n"},
		"a rendering that fails":   {err: "the password *** is too short"},
		"a manifest that is broken": {content: &engine.Content{Manifest: "a: hunter2: b"},
			err: "the manifest: document 1 is not YAML"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out bytes.Buffer
			a := &app{environment: environment{out: &out, err: &out}}
			look := fakeInspector{renders: tt.content}
			err := a.printRendering(t.Context(), look, shop(), in, engine.Action{}, &output{format: tt.format})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Errorf("error %v, want %q", err, tt.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestRenderRefuses(t *testing.T) {
	t.Parallel()
	remote := shop()
	remote.Spec.KubeConfig = &v1beta1.KubeConfigReference{SecretRef: &v1beta1.SecretKeyReference{Name: "edge"}}
	runGolden(t, []goldenCase{
		{"render-remote", world{objects: []client.Object{remote}}, "render release shop"},
		{"render-not-found", world{objects: everything()}, "render release shpo"},
		{"render-wrong-kind", world{}, "render kustomization apps"},
		{"render-no-source", world{objects: valued()}, "render release shop"},
	})
}
