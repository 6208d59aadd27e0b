package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	helmchart "helm.sh/helm/v3/pkg/chart"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/plan"
)

// valued are a release with values of every origin, and what it names.
func valued() []client.Object {
	hr := shop()
	hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
		{Kind: "ConfigMap", Name: "shop-values"},
		{Kind: "Secret", Name: "shop-secrets", ValuesKey: "prod.yaml"},
		{Kind: "Secret", Name: "shop-secrets", ValuesKey: "token", TargetPath: "auth.token", Literal: true},
	}
	hr.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"replicas":3,"url":"db://shop:hunter2@db"}`)}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: "web", Name: name} }
	return []client.Object{hr, valueless(),
		&corev1.ConfigMap{ObjectMeta: meta("shop-values"), Data: map[string]string{
			"values.yaml": "replicas: 1\nhosts: [shop.example.com]\n",
		}},
		&corev1.Secret{ObjectMeta: meta("shop-secrets"), Data: map[string][]byte{
			"prod.yaml": []byte("auth: {password: hunter2, pin: 1234}\n"), "token": []byte("t0ps3cret"),
		}},
	}
}

// valueless is a release without values of its own.
func valueless() *v1beta1.HelmRelease {
	hr := fresh()
	hr.Name = "plain"
	return hr
}

// valuedChart is the chart of that release, with a subchart.
func valuedChart() *helmchart.Chart {
	out := &helmchart.Chart{
		Metadata: &helmchart.Metadata{Name: "shop", Version: "1.9.1"},
		Values: map[string]any{
			"replicas": 1.0, "hosts": []any{}, "url": "", "auth": map[string]any{"user": "shop"},
			"redis": map[string]any{"size": "2Gi"},
		},
		Templates: []*helmchart.File{{Name: "templates/web.yaml", Data: []byte("{{ toYaml .Values.auth }}")}},
	}
	out.AddDependency(&helmchart.Chart{
		Metadata: &helmchart.Metadata{Name: "redis", Version: "18.0.0"},
		Values:   map[string]any{"size": "1Gi", "port": 6379.0},
	})
	return out
}

// valuedRecords are its revisions: the newest one failed.
func valuedRecords() fakeInspector {
	stored := func(replicas float64, url, token string) *engine.Content {
		return &engine.Content{
			ChartName: "shop",
			Values: map[string]any{
				"replicas": replicas, "url": url, "hosts": []any{"shop.example.com"},
				"auth": map[string]any{"password": "hunter2", "pin": 1234.0, "token": token},
			},
			Defaults: map[string]any{
				"replicas": 1.0, "auth": map[string]any{"user": "shop"},
				"redis": map[string]any{"size": "2Gi", "port": 6379.0},
			},
		}
	}
	record := func(version int, status string) plan.Record { return plan.Record{Version: version, Status: status} }
	return fakeInspector{
		records: []plan.Record{
			record(43, plan.StatusFailed), record(42, plan.StatusDeployed), record(41, plan.StatusSuperseded),
			record(40, plan.StatusSuperseded),
		},
		stored: map[int]*engine.Content{
			43: stored(3, "db://shop:hunter2@db", "t0ps3cret"), 42: stored(3, "db://old:hunter2@db", "t0ps3cret"),
			41: stored(3, "db://old:hunter2@db", "old"), 40: stored(2, "db://old:hunter2@db", "t0ps3cret"),
		},
	}
}

func valuedWorld() world {
	return world{objects: valued(), chart: valuedChart(), looks: valuedRecords()}
}

// mistyped is the same release with keys that its chart does not know, one of them from a Secret.
func mistyped() world {
	w := valuedWorld()
	hr := valued()[0].(*v1beta1.HelmRelease)
	hr.Spec.Values.Raw = []byte(`{"replcas":3,"hosts":["a"],"redis":{"prt":1}}`)
	w.objects = append([]client.Object{hr}, valued()[1:]...)
	w.objects[3].(*corev1.Secret).Data["prod.yaml"] = []byte("hunter: hunter2\n")
	return w
}

func TestValuesOfARelease(t *testing.T) {
	t.Parallel()
	w := world{objects: valued()}
	full := valuedWorld()
	terminal := valuedWorld()
	terminal.outWidth = 80
	narrow := valuedWorld()
	narrow.outWidth = 60
	unreadable := valuedWorld()
	unreadable.looks.recordsErr = apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "", errors.New("no"))
	unfetched := valuedWorld()
	unfetched.chart = nil
	remote := valuedWorld()
	remote.objects[0].(*v1beta1.HelmRelease).Spec.KubeConfig = &v1beta1.KubeConfigReference{}
	runGolden(t, []goldenCase{
		{"values", w, "values release shop"},
		{"values-json", w, "values hr/shop -o json"},
		{"values-key", w, "values release shop --key auth"},
		{"values-key-item", w, "values release shop --key hosts[0] -o json"},
		{"values-key-columns", w, "values release shop --key hosts[0] -o jsonpath={.a}"},
		{"values-key-missing", w, "values release shop --key auth.pasword"},
		{"values-key-of-the-chart", w, "values release shop --key redis"},
		{"values-key-invalid", w, "values release shop --key auth..pin"},
		{"values-origin", full, "values release shop --origin"},
		{"values-origin-json", full, "values release shop --origin -o json"},
		{"values-origin-terminal", terminal, "values release shop --origin"},
		{"values-origin-narrow", narrow, "values release shop --origin"},
		{"values-origin-key", full, "values release shop --origin --key auth --no-headers"},
		{"values-origin-no-chart", unfetched, "values release shop --origin"},
		{"values-origin-forbidden", unreadable, "values release shop --origin"},
		{"values-origin-remote", remote, "values release shop --origin"},
		{"values-origin-unknown", mistyped(), "values release shop --origin"},
		{"values-origin-unknown-json", mistyped(), "values release shop --origin -o json"},
		{"values-all", full, "values release shop --all"},
		{"values-all-origin", full, "values release shop --all --origin"},
		{"values-all-key", full, "values release shop --all --key redis.size"},
		{"values-all-no-chart", unfetched, "values release shop --all"},
		{"values-all-changed", full, "values release shop --all --changed"},
		{"values-changed", full, "values release shop --changed"},
		{"values-changed-key-missing", full, "values release shop --changed --key redis"},
		{"values-changed-no-chart", unfetched, "values release shop --changed"},
		{"values-none", w, "values release plain"},
		{"values-none-origin", full, "values release plain --origin"},
		{"values-none-origin-json", full, "values release plain --origin -o json"},
		{"values-none-changed", full, "values release plain --changed"},
		{"values-missing", world{objects: valued()[:3]}, "values release shop"},
		{"values-not-found", w, "values release shpo"},
		{"values-wrong-kind", w, "values ks/apps"},
	})
}

// Values of Secrets are in no output of the command, with whatever flags.
func TestValuesHideSecrets(t *testing.T) {
	t.Parallel()
	overridden := valuedWorld()
	hr := valued()[0].(*v1beta1.HelmRelease)
	hr.Spec.Values.Raw = []byte(`{"auth":"none","url":"db://shop:hunter2@db"}`)
	hr.Spec.ValuesFrom = hr.Spec.ValuesFrom[:2]
	overridden.objects = append([]client.Object{hr}, valued()[1:]...)
	broken := valuedWorld()
	broken.objects[3].(*corev1.Secret).Data["prod.yaml"] = []byte("redis: hunter2\n")
	worlds := map[string]world{
		"set": valuedWorld(), "overridden": overridden, "unknown": mistyped(), "broken": broken,
	}
	queries := []string{
		"", "--origin", "--all", "--changed", "--all --origin", "--changed --origin", "--key auth",
	}
	for name, w := range worlds {
		for _, flags := range queries {
			for _, format := range []string{"", "-o json", "-o yaml"} {
				args := strings.Fields("values release shop " + flags + " " + format)
				r := w.run(t, args...)
				for _, secret := range []string{"hunter2", "1234", "t0ps3cret"} {
					if strings.Contains(r.stdout+r.stderr, secret) {
						t.Errorf("%s, %v: it prints %s\n%s%s", name, args, secret, r.stdout, r.stderr)
					}
				}
			}
		}
	}
}

func TestUnknownKeysAreCounted(t *testing.T) {
	t.Parallel()
	w := valuedWorld()
	hr := valued()[0].(*v1beta1.HelmRelease)
	hr.Spec.ValuesFrom = nil
	text := `{"x0":0`
	for i := 1; i < 25; i++ {
		text += fmt.Sprintf(`,"x%d":0`, i)
	}
	hr.Spec.Values.Raw = []byte(text + "}")
	w.objects = []client.Object{hr}
	r := w.run(t, "values", "release", "shop", "--changed")
	lines := strings.Split(strings.TrimSpace(r.stderr), "\n")
	last := lines[len(lines)-1]
	if len(lines) != maxUnknownLines+1 || last != "warning: and 5 more keys that the chart does not know" {
		t.Errorf("%d lines:\n%s", len(lines), r.stderr)
	}
}

// At most as many records are read as the release keeps.
func TestValuesReadFewRecords(t *testing.T) {
	t.Parallel()
	hr := valued()[0].(*v1beta1.HelmRelease)
	keep := int32(2)
	hr.Spec.MaxHistory = &keep
	look := valuedRecords()
	c := &connection{engine: func(context.Context) (inspector, error) { return look, nil }}
	got, err := valuesRevisions(t.Context(), c, hr)
	if err != nil || len(got) != 2 || got[0].Revision != 42 || got[1].Revision != 41 {
		t.Errorf("read %v, error %v", got, err)
	}
	look.records = look.records[:1]
	if got, err := valuesRevisions(t.Context(), c, hr); err != nil || got == nil || len(got) > 0 {
		t.Errorf("without a deployed revision it read %v, error %v", got, err)
	}
}
