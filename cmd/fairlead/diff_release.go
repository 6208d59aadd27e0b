package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/drift"
	"fairlead.dev/fairlead/helmops/view"
)

// releaseDiff is what of a release is compared; the cluster with what is deployed when nothing is set.
type releaseDiff struct {
	// revisions is a range, FROM..TO.
	revisions string
	pending   bool
	// version of the chart, or a range; ref is a branch, tag or commit.
	version, ref string
}

func addReleaseDiffFlags(cmd *cobra.Command) *releaseDiff {
	d := &releaseDiff{}
	flags := cmd.Flags()
	flags.StringVar(&d.revisions, "revision", "",
		"compare a revision with another, as FROM..TO; TO may be live or pending")
	flags.BoolVar(&d.pending, "pending", false,
		"compare what is deployed with what the chart and the values that are wanted make")
	flags.StringVar(&d.version, "to-version", "",
		"compare what is deployed with another version of the chart, or the newest of a range")
	flags.StringVar(&d.ref, "to-git", "",
		"compare what is deployed with the release at a branch, tag or commit of its GitRepository")
	cmd.MarkFlagsMutuallyExclusive("revision", "pending", "to-version", "to-git")
	return d
}

// check refuses flags that were given without a value.
func (d *releaseDiff) check(cmd *cobra.Command) error {
	for _, name := range []string{"revision", "to-version", "to-git"} {
		if flag := cmd.Flags().Lookup(name); flag.Changed && flag.Value.String() == "" {
			return usagef(cmd, "--%s is empty", name)
		}
	}
	return nil
}

func (a *app) diffRelease(cmd *cobra.Command, k kind, name string, compared *releaseDiff, out *output) error {
	if err := compared.check(cmd); err != nil {
		return err
	}

	revisions, err := revisionRangeOf(cmd, compared.revisions)
	if err != nil {
		return err
	}

	c, err := a.open()
	if err != nil {
		return err
	}

	ctx := cmd.Context()
	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	hr, err := a.release(ctx, c, k, key)
	switch {
	case err != nil:
		return err
	case hr.Spec.KubeConfig != nil:
		return elsewhere(k, key)
	case compared.revisions != "":
		return a.diffRevisions(ctx, c, hr, revisions, out)
	case compared.version != "":
		return a.diffVersion(ctx, c, hr, compared.version, out)
	case compared.ref != "":
		return a.diffGit(ctx, c, hr, compared.ref, out)
	case compared.pending:
		return a.diffPending(ctx, c, hr, out)
	}

	return a.diffDrift(ctx, c, hr, out)
}

// What a range of revisions may name instead of a number.
const (
	deployedRevision = "deployed"
	liveState        = "live"
	pendingState     = "pending"
)

// revisionRange is what --revision compares. A side is the number of a revision, or deployed; to may be live or
// pending.
type revisionRange struct{ from, to string }

// revisionRangeOf reads FROM..TO; both are empty when the text is.
func revisionRangeOf(cmd *cobra.Command, text string) (revisionRange, error) {
	if text == "" {
		return revisionRange{}, nil
	}

	from, to, ok := strings.Cut(text, "..")
	if ok && to == "" {
		to = deployedRevision
	}
	if !ok || !isRevision(from) || !isRevision(to) && to != liveState && to != pendingState {
		return revisionRange{}, usagef(cmd, "--revision %q is not a range; write for example 41..42, 41..live, "+
			"41..pending, deployed..pending, or 41.. for 41..deployed", text)
	}

	return revisionRange{from, to}, nil
}

// isRevision reports whether a text names a revision in storage.
func isRevision(text string) bool {
	number, err := strconv.Atoi(text)
	return text == deployedRevision || err == nil && number > 0
}

// driftRules are what of a release may differ from its manifest.
func driftRules(hr *v1beta1.HelmRelease) (*drift.Rules, error) {
	rules, err := drift.Compile(hr.GetDriftIgnore())
	if err != nil {
		return nil, fmt.Errorf("spec.driftDetection.ignore cannot be understood: %w", err)
	}
	return rules, nil
}

func (a *app) diffDrift(ctx context.Context, c *connection, hr *v1beta1.HelmRelease, out *output) error {
	rules, err := driftRules(hr)
	if err != nil {
		return err
	}

	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	look, err := c.engine(ctx)
	if err != nil {
		return err
	}

	found, err := look.Drift(ctx, cluster.Access{}, view.Target(hr), rules, false)
	if err != nil && len(found) == 0 {
		return fmt.Errorf("compare release %s/%s with the cluster: %w", hr.Namespace, hr.Name, err)
	}

	d := view.DriftDifferences(found, hr.GetReleaseNamespace())
	return a.printPartly(hr, d, out, err)
}

// printPartly prints differences. The error says which objects could not be compared with the cluster, nil for none.
func (a *app) printPartly(hr *v1beta1.HelmRelease, d view.Differences, out *output, err error) error {
	if printErr := a.printDifferences(d, out); err == nil {
		return printErr
	}
	return fmt.Errorf("not all objects of release %s/%s could be compared with the cluster: %w",
		hr.Namespace, hr.Name, err)
}
