package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/review"
	"fairlead.dev/fairlead/helmops/engine"
	"fairlead.dev/fairlead/helmops/preview"
	"fairlead.dev/fairlead/helmops/view"
)

// Output formats of the command alone.
const (
	outputMarkdown = "markdown"
	outputGitHub   = "github"
)

// defaultMaxBytes is less than the 65,536 characters that a comment on GitHub may have.
const defaultMaxBytes = 60_000

const ciLong = `Print the plans of every release and Kustomization that a change of a Git repository touches. Run it in a checkout of
the repository, in a pipeline or by hand. Nothing is changed, and no cluster is needed.

It builds the directories of --path twice: as they are in the work tree, or at --head, and as they were at the merge
base with --base. Kustomizations in what is built whose GitRepository has the URL of a remote of the checkout are built
from the same tree, and so on. A release is touched when its spec, its values, its source or a chart in the repository
differs; the charts of all others are not fetched.

A plan compares what the two sides render, with the same rules and risks as "fairlead plan". Without a cluster the
template function lookup finds nothing, and what is in the cluster alone is not known: ConfigMaps and Secrets that are
not in the tree are left out, encrypted files are compared as they are, and notes say so. Registries are asked with the
credentials of Docker's config.json. With --cluster they and the Secrets of sources are read from the cluster of the
kubeconfig, with your own rights.

Charts of exact versions stay in --cache-dir, and are not asked for again. Values in Secrets, and what came from
Secrets, are masked.

With -o markdown the output is for a comment: what does not fit into --max-bytes is counted, with the command that
prints it. With -o github it is annotations of GitHub, and the markdown is appended to $GITHUB_STEP_SUMMARY.

Exits with 0 when nothing changes, or nothing with the risk of --fail-on, with 1 when something does, with 2 on an
error. A plan that cannot be made is an error; the others are printed.`

// ciFlags are what the command is asked for.
type ciFlags struct {
	repository, base, head string
	paths, sources         []string
	cluster                bool
	kubeVersion            string
	apiVersions            []string
	cacheDir               string
	maxBytes               int
	failOn                 string
}

func newCICommand(a *app) *cobra.Command {
	flags := &ciFlags{}
	cmd := &cobra.Command{
		Use:   "ci --path DIR",
		Short: "Print the plans of what a change in Git touches, for pull requests",
		Long:  ciLong,
		Example: `  fairlead ci --path clusters/prod --base main
  fairlead ci --path clusters/prod --base main -o markdown >comment.md
  fairlead ci --path clusters/prod --base origin/main -o github --fail-on DataLoss
  fairlead ci --path apps --source flux-system/flux-system --cluster -o json`,
		Args: cobra.NoArgs,
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputMarkdown, outputGitHub, outputJSON)
	flags.register(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if err := flags.check(cmd); err != nil {
			return err
		}
		return a.ci(cmd.Context(), flags, out)
	}
	return cmd
}

func (flags *ciFlags) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&flags.repository, "repository", ".", "directory of the checkout")
	f.StringArrayVar(&flags.paths, "path", nil,
		"directory in the repository that is built, as a Kustomization builds spec.path; may be repeated")
	f.StringVar(&flags.base, "base", "main", "branch, tag or commit that the change is for")
	f.StringVar(&flags.head, "head", "", "branch, tag or commit with the change, the work tree when left out")
	f.StringArrayVar(&flags.sources, "source", nil,
		"NAMESPACE/NAME of a GitRepository that is this repository, besides those with its URL; may be repeated")
	f.BoolVar(&flags.cluster, "cluster", false,
		"read what is not in the tree from the cluster: values, variables, keys of SOPS, credentials")
	f.StringVar(&flags.kubeVersion, "kube-version", "",
		"version of Kubernetes that charts see, "+engine.DefaultKubeVersion+" or that of the cluster when left out")
	f.StringArrayVar(&flags.apiVersions, "api-versions", nil,
		"API version that charts see besides those of Kubernetes, for example example.com/v1; may be repeated")
	f.StringVar(&flags.cacheDir, "cache-dir", "", "directory for charts, that of the user when left out")
	f.IntVar(&flags.maxBytes, "max-bytes", defaultMaxBytes, "how large the markdown may be, 0 for no bound")
	f.StringVar(&flags.failOn, "fail-on", preview.None.String(),
		"exit with 1 only for changes of this risk or above: "+strings.Join(v1beta1.Risks(), ", "))
	// The only errors are flags that do not exist, and they were added above.
	_ = cmd.MarkFlagDirname("path")
	_ = cmd.MarkFlagDirname("repository")
	_ = cmd.MarkFlagDirname("cache-dir")
	_ = cmd.RegisterFlagCompletionFunc("fail-on",
		cobra.FixedCompletions(v1beta1.Risks(), cobra.ShellCompDirectiveNoFileComp))
}

// minBytes is what markdown takes that says no more than how much is left out.
const minBytes = 4000

func (flags *ciFlags) check(cmd *cobra.Command) error {
	switch {
	case len(flags.paths) == 0:
		return usagef(cmd, "--path is missing: the directory that is built, for example --path clusters/prod")
	case !slices.Contains(v1beta1.Risks(), flags.failOn):
		return usagef(cmd, "--fail-on %q is not a risk; risks: %s", flags.failOn, strings.Join(v1beta1.Risks(), ", "))
	case flags.maxBytes != 0 && flags.maxBytes < minBytes:
		return usagef(cmd, "--max-bytes %d: want 0 or at least %d", flags.maxBytes, minBytes)
	}

	for _, source := range flags.sources {
		if _, err := keyIn(source); err != nil {
			return usagef(cmd, "--source %s", err)
		}
	}

	return nil
}

// keyIn reads NAMESPACE/NAME.
func keyIn(text string) (types.NamespacedName, error) {
	namespace, name, ok := strings.Cut(text, "/")
	if !ok || namespace == "" || name == "" || strings.Contains(name, "/") {
		return types.NamespacedName{}, fmt.Errorf("%q is not of the form NAMESPACE/NAME", text)
	}
	return types.NamespacedName{Namespace: namespace, Name: name}, nil
}

// ci prints the plans of what a change touches.
func (a *app) ci(ctx context.Context, flags *ciFlags, out *output) error {
	silenceLibraries()
	config, err := a.reviewConfig(ctx, flags)
	if err != nil {
		return err
	}

	pool := newPool()
	defer pool.Close()
	config.Pool = pool
	p := &progress{w: a.err, width: a.width}
	var mu sync.Mutex
	config.Progress = func(text string) {
		mu.Lock()
		defer mu.Unlock()
		p.show(oneLine(text))
	}
	found, err := review.Run(ctx, config)
	p.clear()
	if err != nil {
		return fmt.Errorf("compare %s with %s: %w", config.Head.Revision, config.Base.Revision, err)
	}
	if err := a.printReview(found, flags, out); err != nil {
		return err
	}

	return flags.verdict(found)
}

// verdict is how the command ends.
func (flags *ciFlags) verdict(found *view.Review) error {
	if found.Failed > 0 {
		return fmt.Errorf("%s could not be made; see above", plural(found.Failed, "plan"))
	}
	if len(found.Items) > 0 && view.RiskRank(found.Risk) >= view.RiskRank(flags.failOn) {
		return errNotReady
	}
	return nil
}

// printReview prints the plans.
func (a *app) printReview(found *view.Review, flags *ciFlags, out *output) error {
	switch out.format {
	case outputJSON:
		return out.write(a.out, found)
	case outputMarkdown:
		_, err := io.WriteString(a.out, a.reviewMarkdown(found, flags))
		return err
	case outputGitHub:
		return a.reviewGitHub(found, flags)
	default:
		return a.reviewText(found)
	}
}

// reviewConfig finds out what is compared.
func (a *app) reviewConfig(ctx context.Context, flags *ciFlags) (review.Config, error) {
	config := review.Config{
		Paths: slices.Clone(flags.paths), Namespace: a.flags.namespace, APIVersions: flags.apiVersions,
		KubeVersion: flags.kubeVersion, Workers: runtime.NumCPU(),
	}
	if config.Namespace == "" {
		config.Namespace = metav1.NamespaceDefault
	}

	for _, source := range flags.sources {
		key, err := keyIn(source)
		if err != nil {
			return config, err
		}
		config.Sources = append(config.Sources, key)
	}

	if err := flags.trees(ctx, &config); err != nil {
		return config, err
	}
	if err := a.reviewCluster(ctx, flags, &config); err != nil {
		return config, err
	}

	var err error
	if config.CacheDir, err = cacheDir(flags.cacheDir); err != nil {
		return config, err
	}

	config.DockerConfig, err = callersDockerConfig()
	return config, err
}
