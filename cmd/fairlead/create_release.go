package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/values"
)

// createReleaseFlags are the flags of create release.
type createReleaseFlags struct {
	source          sourceOfFlags
	chart           string
	version         string
	values          []string
	valuesFrom      []string
	targetNamespace string
	createNamespace bool
	dependsOn       []string
	interval        time.Duration
}

func newCreateReleaseCommand(a *app) *cobra.Command {
	f := &createReleaseFlags{}
	cmd := &cobra.Command{
		Use:     "release NAME --source KIND/NAME",
		Aliases: []string{"hr", "helmrelease"},
		Short:   "Create a HelmRelease",
		Long: `Create a HelmRelease, or print its manifest with --export. Of a HelmRepository, GitRepository or
Bucket, --chart names the chart in it; an OCIRepository or a HelmChart is a chart itself.

--values takes a file of values, "-" for standard input; of several, later ones win. Secrets do not belong
there: name a Secret with --values-from.`,
		Example: `  fairlead create release shop --source helmrepository/charts --chart shop --version 1.x --export
  fairlead create release shop --source ocirepository/shop --values production.yaml --export
  fairlead create release shop --source git/fleet --chart ./charts/shop --values-from secret/shop --export`,
	}
	f.source.add(cmd, "source of the chart")
	flags := cmd.Flags()
	flags.StringVar(&f.chart, "chart", "", "name of the chart, or its path in a GitRepository or Bucket")
	flags.StringVar(&f.version, "version", "", "version of the chart or a range of versions; the newest when left out")
	flags.StringArrayVar(&f.values, "values", nil, "file with values for the chart")
	flags.StringArrayVar(&f.valuesFrom, "values-from", nil,
		"secret/NAME or configmap/NAME with values, and :KEY when the key is not values.yaml")
	flags.StringVar(&f.targetNamespace, "target-namespace", "", "namespace of the Helm release, if another one")
	flags.BoolVar(&f.createNamespace, "create-target-namespace", false, "create that namespace when it does not exist")
	flags.StringSliceVar(&f.dependsOn, "depends-on", nil, "releases that have to be Ready first: [NAMESPACE/]NAME")
	flags.DurationVar(&f.interval, "interval", 0, "how often everything is checked; the default when left out")
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		out := &v1beta1.HelmRelease{TypeMeta: ownType(v1beta1.HelmReleaseKind)}
		if err := f.fill(cmd, a, &out.Spec); err != nil {
			return nil, err
		}

		return out, nil
	})
	return cmd
}

// chartKinds are kinds that are a chart themselves.
var chartKinds = []string{v1beta1.OCIRepositoryKind, v1beta1.HelmChartKind, v1beta1.ExternalArtifactKind}

func (f *createReleaseFlags) fill(cmd *cobra.Command, a *app, spec *v1beta1.HelmReleaseSpec) error {
	kind, name, err := f.source.read(cmd)
	if err != nil {
		return err
	}

	itself := slices.Contains(chartKinds, kind)
	switch {
	case itself && (f.chart != "" || f.version != ""):
		return usagef(cmd, "the %s is the chart itself; --chart and --version do not go with it", kind)
	case itself:
		spec.ChartRef = &v1beta1.ChartSourceReference{Kind: kind, Name: name, Namespace: f.source.namespace}
	case f.chart == "":
		return usagef(cmd, "--chart is missing: the chart in the %s", kind)
	default:
		spec.Chart = &v1beta1.HelmChartTemplate{Spec: v1beta1.HelmChartTemplateSpec{
			Chart: f.chart, Version: f.version,
			SourceRef: v1beta1.SourceReference{Kind: kind, Name: name, Namespace: f.source.namespace},
		}}
	}

	if f.createNamespace {
		if f.targetNamespace == "" {
			return usagef(cmd, "--create-target-namespace needs --target-namespace")
		}
		spec.Install = &v1beta1.Install{CreateNamespace: true}
	}

	spec.TargetNamespace, spec.Interval = f.targetNamespace, orNil(f.interval)
	if spec.DependsOn, err = dependenciesOf(cmd, f.dependsOn); err != nil {
		return err
	}
	if spec.ValuesFrom, err = valuesFromOf(cmd, f.valuesFrom); err != nil {
		return err
	}

	spec.Values, err = a.valuesOfFiles(f.values)
	return err
}

// valuesOfFiles merges files of values; nil without a file.
func (a *app) valuesOfFiles(paths []string) (*runtime.RawExtension, error) {
	if len(paths) == 0 {
		return nil, nil //nolint:nilnil // no values are no error
	}

	var layers []values.Layer
	for _, path := range paths {
		content, err := a.readInput(path)
		if err != nil {
			return nil, fmt.Errorf("--values: %w", err)
		}

		layers = append(layers, values.Layer{Origin: path, Data: content})
	}

	merged, err := values.Merge(layers...)
	if err != nil {
		return nil, fmt.Errorf("--values: %w", err)
	}

	raw, err := json.Marshal(merged)
	if err != nil {
		return nil, fmt.Errorf("--values: %w", err)
	}

	return &runtime.RawExtension{Raw: raw}, nil
}

func valuesFromOf(cmd *cobra.Command, texts []string) ([]v1beta1.ValuesReference, error) {
	kinds := map[string]string{"secret": "Secret", "configmap": "ConfigMap"}
	var out []v1beta1.ValuesReference
	for _, text := range texts {
		word, rest, found := strings.Cut(text, "/")
		name, key, _ := strings.Cut(rest, ":")
		kind := kinds[strings.ToLower(word)]
		if !found || kind == "" || name == "" {
			return nil, usagef(cmd, "--values-from %q: write secret/NAME, configmap/NAME or secret/NAME:KEY", text)
		}

		out = append(out, v1beta1.ValuesReference{Kind: kind, Name: name, ValuesKey: key})
	}

	return out, nil
}

func dependenciesOf(cmd *cobra.Command, texts []string) ([]v1beta1.DependencyReference, error) {
	var out []v1beta1.DependencyReference
	for _, text := range texts {
		namespace, name, found := strings.Cut(text, "/")
		if !found {
			namespace = ""
			name = text
		}

		if name == "" || found && namespace == "" {
			return nil, usagef(cmd, "--depends-on %q: write NAME or NAMESPACE/NAME", text)
		}

		out = append(out, v1beta1.DependencyReference{Namespace: namespace, Name: name})
	}

	return out, nil
}
