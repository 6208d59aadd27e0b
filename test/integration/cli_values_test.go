package integration

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"fairlead.dev/fairlead/api/v1beta1"
)

// layered is the sample chart with a subchart.
func layered(t *testing.T, version string) []byte {
	t.Helper()
	return chartArchive(t, "sample", version, map[string]string{
		"Chart.yaml": "apiVersion: v2\nname: sample\nversion: " + version + "\n" +
			"dependencies: [{name: cache, version: 2.0.0, condition: cache.enabled}]\n",
		"charts/cache/Chart.yaml":               "apiVersion: v2\nname: cache\nversion: 2.0.0\n",
		"charts/cache/values.yaml":              "size: 1Gi\nport: 6379\n",
		"charts/cache/templates/configmap.yaml": "",
	})
}

// originsOf runs values --origin and returns its items in one line each, and what it notes.
func originsOf(t *testing.T, namespace string, flags ...string) (items map[string]string, notes string) {
	t.Helper()
	args := append([]string{"values", "release", "web", "-n", namespace, "--origin", "-o", "json"}, flags...)
	out, notes, code := command(t, "fairlead", args...)
	var read struct {
		Items []struct {
			Path, From    string
			Value         any
			Overrides     []struct{ From string }
			SinceRevision int
			Unknown       bool
		}
	}
	if err := json.Unmarshal([]byte(out), &read); err != nil || code != 0 {
		t.Fatalf("%v: exit code %d, error %v\n%s%s", args, code, err, out, notes)
	}
	items = map[string]string{}
	for _, v := range read.Items {
		text := fmt.Sprintf("%v, %s", v.Value, v.From)
		for _, o := range v.Overrides {
			text += " > " + o.From
		}
		items[v.Path] = fmt.Sprintf("%s, since %d, unknown %t", text, v.SinceRevision, v.Unknown)
	}
	return items, notes
}

// Every value of a release has its layer, what it overrides and since when it is so, from the chart and the records.
func TestValuesHaveTheirOrigin(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns)
	if _, err := world.registry.PushChart(t.Context(), ns, layered(t, "1.0.0")); err != nil {
		t.Fatal(err)
	}
	meta := func(name string) metav1.ObjectMeta { return metav1.ObjectMeta{Namespace: ns, Name: name} }
	apply(t,
		&corev1.ConfigMap{ObjectMeta: meta("base"), Data: map[string]string{"values.yaml": "message: base\nreplicas: 1\n"}},
		&corev1.Secret{ObjectMeta: meta("login"), StringData: map[string]string{"token": "t0ps3cret"}})
	declare := func(inline string) *v1beta1.HelmRelease {
		hr := release(ns, "web", "sample", "*", "charts", "")
		hr.Spec.ValuesFrom = []v1beta1.ValuesReference{
			{Kind: "ConfigMap", Name: "base"}, {Kind: "Secret", Name: "login", ValuesKey: "token", TargetPath: "cache.token"},
		}
		hr.Spec.Values = &runtime.RawExtension{Raw: []byte(inline)}
		return hr
	}
	hr := declare(`{"message":"one","replicas":0,"cache":{"size":"2Gi"}}`)
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	hr = declare(`{"message":"two","replicas":0,"cache":{"size":"2Gi"},"mesage":"typo"}`)
	apply(t, hr)
	awaitReady(t, hr)

	sample := "chart sample 1.0.0"
	cache := "chart cache 2.0.0, subchart of sample"
	base := "ConfigMap " + ns + "/base, key values.yaml"
	want := map[string]string{
		"message":    "two, spec.values > " + base + " > " + sample + ", since 2, unknown false",
		"replicas":   "0, spec.values > " + base + " > " + sample + ", since 1, unknown false",
		"cache.size": "2Gi, spec.values > " + cache + ", since 1, unknown false",
		"cache.token": "***, Secret " + ns + "/login, key token, targetPath cache.token, since 1, " +
			"unknown true",
		"mesage": "typo, spec.values, since 2, unknown true",
	}
	items, notes := originsOf(t, ns)
	expectItems(t, items, want)
	if !strings.Contains(notes, "mesage of spec.values") || !strings.Contains(notes, "did you mean message?") {
		t.Errorf("it notes\n%s", notes)
	}

	want = map[string]string{
		"cache.size":  want["cache.size"],
		"cache.token": want["cache.token"],
		"cache.port":  "6379, " + cache + ", since 1, unknown false",
	}
	items, _ = originsOf(t, ns, "--all", "--key", "cache")
	expectItems(t, items, want)
	all := mustRun(t, "fairlead", "values", "release", "web", "-n", ns, "--all", "-o", "json")
	helm := mustRun(t, "helm", "get", "values", "web", "-n", ns, "--all", "-o", "json")
	sameValues(t, all, strings.ReplaceAll(helm, "t0ps3cret", "***"))
}

// A value that is wanted and not deployed has no revision; without the right to read Secrets no value has one.
func TestValuesThatAreNotDeployed(t *testing.T) {
	t.Parallel()
	ns := namespace(t)
	registrySample(t, ns, "1.0.0")
	hr := release(ns, "web", "sample", "*", "charts", "")
	hr.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"message":"one"}`)}
	apply(t, hr)
	awaitVersion(t, hr, "1.0.0")
	mustRun(t, "fairlead", "suspend", "release", "web", "-n", ns)
	patch := `{"spec":{"values":{"message":"two"}}}`
	mustRun(t, "kubectl", "patch", "helmreleases.fairlead.dev", "web", "-n", ns, "--type", "merge", "-p", patch)
	out := mustRun(t, "fairlead", "values", "release", "web", "-n", ns, "--origin", "--no-headers")
	if fields := strings.Fields(out); len(fields) == 0 || fields[0] != "message" || fields[len(fields)-1] != "next" {
		t.Errorf("it prints\n%s", out)
	}
	out, notes, code := command(t, "fairlead", "values", "release", "web", "-n", ns, "--key", "mesage")
	if code != 1 || out != "" || !strings.Contains(notes, "did you mean message?") {
		t.Errorf("of a key that is not there: exit code %d\n%s%s", code, out, notes)
	}
}

func expectItems(t *testing.T, got, want map[string]string) {
	t.Helper()
	for path, text := range want {
		if got[path] != text {
			t.Errorf("%s is %s\nwant %s", path, got[path], text)
		}
	}
	if len(got) != len(want) {
		t.Errorf("there are %v", got)
	}
}

// sameValues compares values as JSON, without the maps for global values that Helm adds for subcharts.
func sameValues(t *testing.T, got, want string) {
	t.Helper()
	read := func(text string) string {
		var all map[string]any
		if err := json.Unmarshal([]byte(text), &all); err != nil {
			t.Fatal(err)
		}
		for _, below := range all {
			if sub, is := below.(map[string]any); is {
				delete(sub, "global")
			}
		}
		out, err := json.Marshal(all)
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
	if read(got) != read(want) {
		t.Errorf("the values are\n%s\nHelm has\n%s", read(got), read(want))
	}
}
