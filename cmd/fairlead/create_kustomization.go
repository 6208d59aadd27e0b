package main

import (
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

// sourceOfFlags name the source of an object.
type sourceOfFlags struct {
	source    string
	namespace string
}

func (f *sourceOfFlags) add(cmd *cobra.Command, what string) {
	cmd.Flags().StringVar(&f.source, "source", "", what+", as KIND/NAME; required")
	cmd.Flags().StringVar(&f.namespace, "source-namespace", "", "namespace of the source, where it is another one")
}

// read returns the kind of the API and the name.
func (f *sourceOfFlags) read(cmd *cobra.Command) (kind, name string, err error) {
	word, name, found := strings.Cut(f.source, "/")
	if f.source == "" {
		return "", "", usagef(cmd, "--source is missing: KIND/NAME, for example gitrepository/fleet")
	}
	k, known := kindByWord(word)
	if !found || !known || name == "" || !slices.Contains(view.SourceKinds, k.name) {
		return "", "", usagef(cmd, "--source %q: write KIND/NAME of a source, as gitrepository/fleet", f.source)
	}
	return k.name, name, nil
}

// manifestKinds are the kinds of sources that a Kustomization can have.
var manifestKinds = []string{
	v1beta1.GitRepositoryKind, v1beta1.OCIRepositoryKind, v1beta1.BucketKind, v1beta1.ExternalArtifactKind,
}

func newCreateKustomizationCommand(a *app) *cobra.Command {
	source := sourceOfFlags{}
	spec := v1beta1.KustomizationSpec{}
	var interval time.Duration
	var dependsOn []string
	cmd := &cobra.Command{
		Use:     "kustomization NAME --source KIND/NAME",
		Aliases: []string{"ks"},
		Short:   "Create a Kustomization",
		Long: `Create a Kustomization, or print its manifest with --export: it applies the manifests in a
directory of a GitRepository, an OCIRepository or a Bucket. What leaves the directory is deleted from the
cluster, unless --prune=false is given.`,
		Example: `  fairlead create kustomization apps -n fleet --source gitrepository/fleet --path ./apps --export
  fairlead create kustomization apps --source bucket/fleet --path ./apps --wait --depends-on infra --export`,
	}
	source.add(cmd, "source of the manifests")
	flags := cmd.Flags()
	flags.StringVar(&spec.Path, "path", "", "directory in the source; its root when left out")
	flags.BoolVar(&spec.Prune, "prune", true, "delete what the source no longer has")
	flags.BoolVar(&spec.Wait, "wait", false, "it is Ready only when all its objects are")
	flags.StringVar(&spec.TargetNamespace, "target-namespace", "", "namespace of all objects")
	flags.StringVar(&spec.ServiceAccountName, "service-account", "", "ServiceAccount that applies the objects")
	flags.StringSliceVar(&dependsOn, "depends-on", nil, "Kustomizations that have to be Ready first: [NAMESPACE/]NAME")
	flags.DurationVar(&interval, "interval", 0, "how often everything is checked; the default when left out")
	a.addCreation(cmd, func(cmd *cobra.Command) (client.Object, error) {
		kind, name, err := source.read(cmd)
		if err != nil {
			return nil, err
		}
		if !slices.Contains(manifestKinds, kind) {
			return nil, usagef(cmd, "a %s holds no manifests; use one of %s", kind, strings.Join(manifestKinds, ", "))
		}
		if spec.DependsOn, err = dependenciesOf(cmd, dependsOn); err != nil {
			return nil, err
		}

		spec.SourceRef = v1beta1.ManifestSourceReference{Kind: kind, Name: name, Namespace: source.namespace}
		spec.Interval = orNil(interval)
		return &v1beta1.Kustomization{TypeMeta: ownType(v1beta1.KustomizationKind), Spec: spec}, nil
	})
	return cmd
}
