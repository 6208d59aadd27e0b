package integration

import (
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

// thingsDefinition defines the kind Thing in a group of the namespace's own.
func thingsDefinition(ns string) string {
	return strings.ReplaceAll(`apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: things.$NS.example.com}
spec:
  group: $NS.example.com
  names: {kind: Thing, plural: things}
  scope: Namespaced
  versions:
  - {name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}
`, "$NS", ns)
}

const claimTemplate = "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n" +
	"spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}\n"

func thingsOf(ns string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
		"metadata": map[string]any{"name": "things." + ns + ".example.com"},
	}}
}

func thing(group, ns, name string) *unstructured.Unstructured {
	return &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": group + "/v1", "kind": "Thing", "metadata": map[string]any{"namespace": ns, "name": name},
	}}
}

func data(ns string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{ObjectMeta: named(ns, "data")}
}

// toy is a release of a small chart whose files the test gives for each version.
func toy(
	t *testing.T, first map[string]string, change ...func(*v1beta1.HelmRelease),
) (ns string, publish func(string, map[string]string), hr *v1beta1.HelmRelease) {
	t.Helper()
	amongOthers(t)
	ns = namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "toy")
	publish = func(version string, files map[string]string) {
		t.Helper()
		all := map[string]string{
			"Chart.yaml": "apiVersion: v2\nname: toy\nversion: " + version + "\n",
			"templates/cm.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: cm}\n" +
				"data: {version: '" + version + "'}\n",
		}
		for name, content := range files {
			all[name] = strings.ReplaceAll(content, "$NS", ns)
		}
		archive, err := servers.BuildChart(all)
		if err != nil {
			t.Fatal(err)
		}
		if err := charts.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
	files := maps.Clone(first)
	if _, is := files["templates/crd.yaml"]; is {
		files["templates/crd.yaml"] = thingsDefinition(ns)
	}
	publish("1.0.0", files)
	hr = release(ns, "toy", "toy", "*", "charts", "")
	for _, c := range change {
		c(hr)
	}
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)
	awaitReady(t, hr)
	return ns, publish, hr
}

// wantKept expects the status to list exactly these objects, as Kind name: part of the reason.
func wantKept(t *testing.T, kept []v1beta1.KeptObject, want map[string]string) {
	t.Helper()
	if len(kept) != len(want) {
		t.Errorf("kept are %+v, want %v", kept, want)
	}
	for _, o := range kept {
		if reason, is := want[o.String()]; !is || !strings.Contains(o.Reason, reason) {
			t.Errorf("kept is %s because it %q; want %v", o, o.Reason, want)
		}
	}
}

// wantKeptEvent expects an event of an object that names what was kept.
func wantKeptEvent(t *testing.T, ns, of, names string) {
	t.Helper()
	until(t, "an event says what was kept", func() bool {
		list := &eventsv1.EventList{}
		if err := world.cluster.Client.List(t.Context(), list, client.InNamespace(ns)); err != nil {
			t.Fatal(err)
		}
		for _, e := range list.Items {
			if e.Reason == v1beta1.KeptReason && e.Regarding.Name == of && strings.Contains(e.Note, names) {
				return true
			}
		}
		return false
	})
}

func wantNoOwner(t *testing.T, object client.Object) {
	t.Helper()
	live := get(t, object)
	labels := []string{
		"app.kubernetes.io/managed-by", v1beta1.KustomizationNameLabel, v1beta1.KustomizationNamespaceLabel,
	}
	for _, label := range labels {
		if value := live.GetLabels()[label]; value != "" {
			t.Errorf("%s still has the label %s: %s", live.GetName(), label, value)
		}
	}
	for _, annotation := range []string{"meta.helm.sh/release-name", "meta.helm.sh/release-namespace"} {
		if value := live.GetAnnotations()[annotation]; value != "" {
			t.Errorf("%s still has the annotation %s: %s", live.GetName(), annotation, value)
		}
	}
}

func uid(t *testing.T, object client.Object) types.UID {
	t.Helper()
	return get(t, object).GetUID()
}

// A definition that moves from the templates to the crds directory stays with its objects, also when it has none,
// and the next upgrade continues with it.
func TestADefinitionMovesToTheCRDsDirectory(t *testing.T) {
	t.Parallel()
	for name, things := range map[string]int{"with objects": 2, "without": 0} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns, publish, hr := toy(t, map[string]string{"templates/crd.yaml": ""})
			group, crd := ns+".example.com", thingsOf(ns)
			before := uid(t, crd)
			var made []*unstructured.Unstructured
			for _, name := range []string{"one", "two"}[:things] {
				o := thing(group, ns, name)
				if err := world.cluster.Client.Create(t.Context(), o); err != nil {
					t.Fatal(err)
				}
				made = append(made, o)
			}
			publish("2.0.0", map[string]string{"crds/crd.yaml": thingsDefinition(ns)})
			awaitVersion(t, hr, "2.0.0")
			if after := uid(t, crd); after != before {
				t.Error("the definition was deleted and created again")
			}
			for _, o := range made {
				if uid(t, thing(group, ns, o.GetName())) != o.GetUID() {
					t.Errorf("%s was deleted", o.GetName())
				}
			}
			wantNoOwner(t, crd)
			wantKept(t, get(t, hr).Status.Kept, map[string]string{"CustomResourceDefinition things." + group: "crds directory"})
			wantKeptEvent(t, ns, "toy", "CustomResourceDefinition things."+group)

			publish("3.0.0", map[string]string{"crds/crd.yaml": thingsDefinition(ns)})
			awaitVersion(t, hr, "3.0.0")
			wantKept(t, get(t, hr).Status.Kept, nil)
			remove(t, crd)
		})
	}
}

// The same with the charts that others had trouble with.
func TestTheMoveOfADefinitionAsReported(t *testing.T) {
	t.Parallel()
	root, err := env.Root()
	if err != nil {
		t.Fatal(err)
	}
	cases := filepath.Join(root, "..", "shared", "cases")
	if _, err := os.Stat(cases); err != nil {
		t.Skip("the folder shared/cases beside the project is absent; its charts are not installed")
	}
	ns := namespace(t)
	charts := chartRepository(t, servers.ChartOptions{}, "any")
	publish := func(name, version string) {
		t.Helper()
		files, err := servers.ReadChart(filepath.Join(cases, name), version)
		if err != nil {
			t.Fatal(err)
		}
		archive, err := servers.BuildChart(files)
		if err != nil {
			t.Fatal(err)
		}
		if err := charts.Add(archive); err != nil {
			t.Fatal(err)
		}
	}
	publish("crd-move-1", "1.0.0")
	hr := release(ns, "move", "crd-move", "*", "charts", "")
	apply(t, helmRepository(ns, "charts", charts.URL()), hr)
	awaitReady(t, hr)
	own := thing("move.example.com", ns, "own")
	if err := world.cluster.Client.Create(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	publish("crd-move-2", "2.0.0")
	awaitVersion(t, hr, "2.0.0")
	if uid(t, thing("move.example.com", ns, "own")) != own.GetUID() {
		t.Error("the custom resource was deleted")
	}
	if len(get(t, hr).Status.Kept) != 1 {
		t.Errorf("kept is %+v", get(t, hr).Status.Kept)
	}
}

// What an upgrade drops is kept where data would be lost, and deleted where nothing would. What is back in the
// chart is owned again, also where the release may not take objects of others.
func TestAnUpgradeKeepsData(t *testing.T) {
	t.Parallel()
	ns, publish, hr := toy(t, map[string]string{
		"templates/crd.yaml": "", "templates/data.yaml": claimTemplate,
		"templates/full.yaml":  "apiVersion: v1\nkind: Namespace\nmetadata: {name: $NS-full}\n",
		"templates/empty.yaml": "apiVersion: v1\nkind: Namespace\nmetadata: {name: $NS-empty}\n",
		"templates/extra.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: extra}\n",
	}, func(hr *v1beta1.HelmRelease) { hr.Spec.Upgrade = &v1beta1.Upgrade{DisableTakeOwnership: true} })
	group := ns + ".example.com"
	own := thing(group, ns, "own")
	foreign := &corev1.ConfigMap{ObjectMeta: named(ns+"-full", "foreign")}
	for _, o := range []client.Object{own, foreign} {
		if err := world.cluster.Client.Create(t.Context(), o); err != nil {
			t.Fatal(err)
		}
	}
	claim, full := uid(t, data(ns)), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-full"}}
	hr.Spec.Suspend = true
	apply(t, hr)
	publish("2.0.0", nil)
	before, stderr, _ := command(t, "fairlead", "diff", "release", "toy", "-n", ns, "--pending")
	says(t, before+stderr, "PersistentVolumeClaim data: kept (holds data)", "things."+group+": kept (has 1 object",
		"extra: deleted", "Namespace "+ns+"-empty: deleted")
	hr.Spec.Suspend = false
	apply(t, hr)
	awaitVersion(t, hr, "2.0.0")
	lost := !exists(t, &corev1.ConfigMap{ObjectMeta: named(ns+"-full", "foreign")}) || !exists(t, thing(group, ns, "own"))
	if lost || uid(t, data(ns)) != claim {
		t.Error("data of users was deleted")
	}
	wantKept(t, get(t, hr).Status.Kept, map[string]string{
		"CustomResourceDefinition things." + group: "has 1 object: things." + group + " " + ns + "/own",
		"Namespace " + ns + "-full":                "configmaps " + ns + "-full/foreign",
		"PersistentVolumeClaim " + ns + "/data":    "holds data",
	})
	wantKeptEvent(t, ns, "toy", "PersistentVolumeClaim "+ns+"/data")
	for _, o := range []client.Object{data(ns), full, thingsOf(ns)} {
		wantNoOwner(t, o)
	}
	until(t, "the empty namespace goes", func() bool {
		return !exists(t, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: ns + "-empty"}})
	})
	if exists(t, &corev1.ConfigMap{ObjectMeta: named(ns, "extra")}) {
		t.Error("an object without data was kept")
	}

	publish("3.0.0", map[string]string{"templates/data.yaml": claimTemplate})
	awaitVersion(t, hr, "3.0.0")
	if _, is := get(t, data(ns)).Annotations["meta.helm.sh/release-name"]; !is || uid(t, data(ns)) != claim {
		t.Error("the claim is not part of the release again")
	}
	if kept := get(t, hr).Status.Kept; len(kept) != 2 {
		t.Errorf("kept are %+v, want two objects", kept)
	}
	stdout, _, _ := command(t, "fairlead", "explain", "release", "toy", "-n", ns)
	says(t, stdout, "deletes PersistentVolumeClaim "+ns+"/data, which holds data",
		"Namespace "+ns+"-full, which has 1 object")
	remove(t, full)
	remove(t, thingsOf(ns))
}

// Who asks for the deletion of a kind has it.
func TestAnUpgradeDeletesWhatIsAskedFor(t *testing.T) {
	t.Parallel()
	first := map[string]string{"templates/crd.yaml": "", "templates/data.yaml": claimTemplate}
	ns, publish, hr := toy(t, first, func(hr *v1beta1.HelmRelease) {
		hr.Spec.Upgrade = &v1beta1.Upgrade{Prune: []string{"CustomResourceDefinition"}}
	})
	if err := world.cluster.Client.Create(t.Context(), thing(ns+".example.com", ns, "own")); err != nil {
		t.Fatal(err)
	}
	publish("2.0.0", nil)
	awaitVersion(t, hr, "2.0.0")
	until(t, "the definition goes", func() bool { return !exists(t, thingsOf(ns)) })
	wantKept(t, get(t, hr).Status.Kept, map[string]string{"PersistentVolumeClaim " + ns + "/data": "holds data"})
}

// A rollback, the cleanup of a failed upgrade and an uninstall as a remedy keep data; an uninstall of the release
// does not.
func TestARemedyKeepsData(t *testing.T) {
	t.Parallel()
	fails := map[string]string{
		"templates/data.yaml": claimTemplate,
		"templates/hook.yaml": "apiVersion: batch/v1\nkind: Job\nmetadata: {name: fails, " +
			"annotations: {helm.sh/hook: post-upgrade}}\n" +
			"spec: {backoffLimit: 0, template: {spec: {restartPolicy: Never, " +
			"containers: [{name: c, image: example.com/x, command: [sh, -c, exit 1]}]}}}\n",
		"templates/secret.yaml": "apiVersion: v1\nkind: Secret\nmetadata: {name: extra}\n",
	}
	yes := true
	for name, upgrade := range map[string]*v1beta1.Upgrade{
		"rollback": {},
		"cleanup":  {CleanupOnFail: true, Remediation: &v1beta1.UpgradeRemediation{RemediateLastFailure: new(bool)}},
		"uninstall": {Remediation: &v1beta1.UpgradeRemediation{
			RemediateLastFailure: &yes, Strategy: v1beta1.UninstallRemediation,
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ns, publish, hr := toy(t, nil, func(hr *v1beta1.HelmRelease) { hr.Spec.Upgrade = upgrade })
			publish("2.0.0", fails)
			until(t, "the claim is made", func() bool { return exists(t, data(ns)) })
			claim := uid(t, data(ns))
			wantKeptEvent(t, ns, "toy", "PersistentVolumeClaim "+ns+"/data")
			if uid(t, data(ns)) != claim {
				t.Error("the claim was deleted")
			}
			if name == "uninstall" {
				return // it is installed again, with the claim
			}
			wantKept(t, get(t, hr).Status.Kept, map[string]string{"PersistentVolumeClaim " + ns + "/data": ""})
			wantNoOwner(t, data(ns))
			until(t, "what holds no data goes", func() bool {
				return !exists(t, &corev1.Secret{ObjectMeta: named(ns, "extra")})
			})
		})
	}
}

// Deleting the HelmRelease deletes what Helm deletes.
func TestAnUninstallOfTheWholeReleaseIsHelms(t *testing.T) {
	t.Parallel()
	ns, _, hr := toy(t, map[string]string{"templates/crd.yaml": "", "templates/data.yaml": claimTemplate})
	if err := world.cluster.Client.Create(t.Context(), thing(ns+".example.com", ns, "own")); err != nil {
		t.Fatal(err)
	}
	stdout, _, _ := command(t, "fairlead", "explain", "release", "toy", "-n", ns)
	says(t, stdout, "deletes CustomResourceDefinition things."+ns+".example.com, which has 1 object",
		"deletes PersistentVolumeClaim")
	remove(t, hr)
	until(t, "the release goes with its data", func() bool {
		return !exists(t, hr) && !exists(t, thingsOf(ns)) && !exists(t, data(ns))
	})
}
