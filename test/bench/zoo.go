package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/test/env"
	"fairlead.dev/fairlead/test/servers"
)

const (
	// zooNamespace holds the zoo: objects that wait, each for something else.
	zooNamespace = "zoo"
	// ofEach is how many objects of the zoo are in each state.
	ofEach = 10
	// reconcileCounter counts the reconciles of each object.
	reconcileCounter = "fairlead_object_reconciles_total"
)

// zooFiles are a chart with two files of values, whose Deployment never becomes ready when its values say so.
var zooFiles = map[string]string{
	"chart/Chart.yaml": "apiVersion: v2\nname: animal\nversion: 1.0.0\n",
	"chart/a.yaml":     "message: a\n",
	"chart/b.yaml":     "stuck: false\n",
	"chart/templates/config.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: \"{{ .Release.Name }}\"}\n" +
		"data: {message: {{ .Values.message | quote }}}\n",
	"chart/templates/stuck.yaml": `{{- if .Values.stuck }}
apiVersion: apps/v1
kind: Deployment
metadata: {name: {{ .Release.Name }}}
spec:
  selector: {matchLabels: {app: {{ .Release.Name }}}}
  template:
    metadata: {labels: {app: {{ .Release.Name }}}}
    spec: {nodeSelector: {disk: none-such}, containers: [{name: main, image: example.com/animal}]}
{{- end }}
`,
}

// inhabitant is an object of the zoo, and the reason that its condition Ready comes to have.
type inhabitant struct {
	object env.Conditioned
	reason string
	// suspend is set when it is suspended then.
	suspend bool
}

// watchZoo fills the zoo, and measures what it costs to leave all of its objects alone.
func (f *field) watchZoo(ctx context.Context, r *result) error {
	all, done, err := f.fillZoo(ctx)
	if err != nil {
		return err
	}
	defer done()
	if err := f.pause(ctx, calm); err != nil {
		return err
	}

	before, begun, err := f.readZoo(ctx)
	if err != nil {
		return err
	}
	if err := f.pause(ctx, f.settings.Idle); err != nil {
		return err
	}
	after, ended, err := f.readZoo(ctx)
	if err != nil {
		return err
	}

	seconds := f.settings.Idle.Seconds()
	reconciles := float64(ended - begun)
	r.Wall = seconds
	r.Notes = append(r.Notes, fmt.Sprintf(
		"%d objects left alone for %s: %.0f reconciles, %.3f per object and second, %.2f CPU-s of the controller",
		len(all), f.settings.Idle, reconciles, reconciles/float64(len(all))/seconds, after-before))
	return nil
}

// readZoo returns the processor time of the controller, and how often it has reconciled objects of the zoo.
func (f *field) readZoo(ctx context.Context) (cpu float64, reconciles int, err error) {
	consumed, err := f.procs[0].consumed() // the controller is the first
	if err != nil {
		return 0, 0, err
	}
	page, err := fetch(ctx, http.DefaultClient, f.controller.Metrics)
	if err != nil {
		return 0, 0, fmt.Errorf("reading the metrics of the controller: %w", err)
	}
	reconciles, err = sumSamples(ofNamespace(page, zooNamespace), reconcileCounter)
	if err == nil && reconciles == 0 {
		err = errors.New("the controller counts no reconciles of the zoo")
	}
	return consumed.cpu, reconciles, err
}

// ofNamespace returns the samples on a page of metrics that are about objects of a namespace.
func ofNamespace(page, namespace string) string {
	var out strings.Builder
	for line := range strings.Lines(page) {
		if strings.Contains(line, `,namespace="`+namespace+`"}`) {
			out.WriteString(line)
		}
	}
	return out.String()
}

// fillZoo declares all objects of the zoo and waits until they have come to rest. done ends the server that their
// charts come from.
func (f *field) fillZoo(ctx context.Context) (all []inhabitant, done func(), err error) {
	server, err := servers.GitServer(filepath.Join(f.dir, "zoo"), servers.Options{})
	if err != nil {
		return nil, nil, err
	}
	done = func() { _ = server.Close() }
	defer func() {
		if err != nil {
			done()
		}
	}()
	url, err := server.Create("zoo")
	if err != nil {
		return nil, nil, err
	}
	if _, err = server.Commit("zoo", "main", zooFiles, "first"); err != nil {
		return nil, nil, err
	}

	all = append(all, inhabitant{reason: v1beta1.SucceededReason, object: &v1beta1.GitRepository{
		ObjectMeta: inZoo("git"),
		Spec:       v1beta1.GitRepositorySpec{URL: url, Reference: &v1beta1.GitRepositoryRef{Branch: "main"}},
	}})
	for i := range ofEach {
		all = append(all, inhabitantsOf(i)...)
	}
	namespaces := []string{zooNamespace, zooNamespace + "-other"}
	for _, name := range namespaces {
		if err = f.cluster.Apply(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return nil, nil, err
		}
	}
	// The last ones are refused because of others, which have to be there.
	refused := func(one inhabitant) bool { return one.reason == v1beta1.OwnedByOtherReason }
	first := slices.DeleteFunc(slices.Clone(all), refused)
	if err = f.keep(ctx, first); err != nil {
		return nil, nil, err
	}
	last := slices.DeleteFunc(slices.Clone(all), func(one inhabitant) bool { return !refused(one) })
	return all, done, f.keep(ctx, last)
}

// keep applies objects and waits until they have come to rest.
func (f *field) keep(ctx context.Context, some []inhabitant) error {
	for _, one := range some {
		if err := f.cluster.Apply(ctx, one.object); err != nil {
			return err
		}
	}
	for _, one := range some {
		if err := f.awaitInhabitant(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

func inZoo(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: zooNamespace, Name: name}
}

// inhabitantsOf are one object in each state: a chart with files of values and its release, a release that is
// suspended, one that failed permanently, and one whose name another has.
func inhabitantsOf(i int) []inhabitant {
	name := func(what string) string { return fmt.Sprintf("%s%02d", what, i) }
	chart := &v1beta1.HelmChart{ObjectMeta: inZoo(name("chart")), Spec: v1beta1.HelmChartSpec{
		Chart: "chart", SourceRef: v1beta1.LocalSourceReference{Kind: v1beta1.GitRepositoryKind, Name: "git"},
		ValuesFiles: []string{"chart/a.yaml", "chart/b.yaml"},
	}}
	release := func(what string) *v1beta1.HelmRelease {
		return &v1beta1.HelmRelease{ObjectMeta: inZoo(name(what)), Spec: v1beta1.HelmReleaseSpec{
			ChartRef: &v1beta1.ChartSourceReference{Kind: v1beta1.HelmChartKind, Name: chart.Name},
		}}
	}
	failed := release("failed")
	failed.Spec.Timeout = &metav1.Duration{Duration: time.Second}
	failed.Spec.Values = &runtime.RawExtension{Raw: []byte(`{"stuck":true}`)}
	failed.Spec.Install = &v1beta1.Install{Remediation: &v1beta1.InstallRemediation{}}
	second := release("second")
	second.Spec.ReleaseName = name("ready")
	second.Spec.StorageNamespace, second.Spec.TargetNamespace = zooNamespace, zooNamespace+"-other"
	return []inhabitant{
		{object: chart, reason: v1beta1.SucceededReason},
		{object: release("ready"), reason: v1beta1.InstallSucceededReason},
		{object: release("asleep"), reason: v1beta1.InstallSucceededReason, suspend: true},
		{object: failed, reason: v1beta1.InstallFailedReason},
		{object: second, reason: v1beta1.OwnedByOtherReason},
	}
}

// awaitInhabitant waits until an object has come to its state, and suspends it then if that is wanted.
func (f *field) awaitInhabitant(ctx context.Context, one inhabitant) error {
	what := fmt.Sprintf("%s has the reason %s", one.object.GetName(), one.reason)
	err := env.Until(ctx, f.settings.Timeout, what, func() (bool, error) {
		err := f.cluster.Client.Get(ctx, client.ObjectKeyFromObject(one.object), one.object)
		ready := meta.FindStatusCondition(one.object.GetConditions(), v1beta1.ReadyCondition)
		return ready != nil && ready.Reason == one.reason, err
	})
	if err != nil || !one.suspend {
		return err
	}
	patch := client.RawPatch(types.MergePatchType, []byte(`{"spec":{"suspend":true}}`))
	return f.cluster.Client.Patch(ctx, one.object, patch)
}
