package main

import (
	"cmp"
	"context"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/view"
)

func newTreeCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "tree KIND NAME",
		Short: "Show the objects of a release or Kustomization and their health",
		Long: `Show the objects of a release or a Kustomization, what belongs to them, and how they are: a Deployment
with its ReplicaSets and Pods, and for a Pod why it does not run. The cluster is read with your own rights; what they do
not allow is named.

Of a source it shows the charts, releases, Kustomizations and pipelines that use it.

Exits with 0 when every object is healthy, or Ready below a source, with 1 when one is not, with 2 on an error.

Kinds:` + kindTable(reconciledWords...),
		Example: `  fairlead tree release shop -n web
  fairlead tree kustomization apps -n fleet
  fairlead tree helmrepository charts -n web
  fairlead tree hr shop -n web -o json | jq '.objects[] | select(.state != "Current")'`,
		ValidArgsFunction: a.completeKindAndName(reconciledWords...),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputWide, outputName, outputJSON, outputYAML)
	addHeadersFlag(cmd, out)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, reconciledWords...)
		if err != nil {
			return err
		}

		c, err := a.open()
		if err != nil {
			return err
		}

		key := types.NamespacedName{Namespace: c.namespace, Name: name}
		if k.isSource() {
			return a.sourceTree(cmd.Context(), c, k, key, out)
		}
		owner, err := view.NewReader(c.client).Object(cmd.Context(), k.name, key)
		if err != nil {
			return a.notFound(cmd.Context(), k, key, err)
		}
		if view.IsRemote(owner) {
			return elsewhere(k, key)
		}
		tree, err := view.NewReader(c.objects).Tree(cmd.Context(), owner)
		if err != nil {
			return err
		}
		if out.machine() {
			err = out.write(a.out, tree, nodeNames(tree.Objects)...)
		} else {
			err = a.printTree(k, key, tree, out)
		}
		if err == nil && tree.Healthy < tree.Total {
			err = errNotReady
		}
		return err
	}
	return cmd
}

// nodeNames are the names of objects and of what belongs to them, in the order of the table.
func nodeNames(nodes []view.Node) []printedName {
	names := make([]printedName, 0, len(nodes))
	for _, n := range nodes {
		names = append(names, printedName{group: n.Group, kind: n.Kind, name: n.Name})
		names = append(names, nodeNames(n.Children)...)
	}
	return names
}

// localRelease reads the release that the arguments name. It fails for one on another cluster.
func (a *app) localRelease(cmd *cobra.Command, args []string) (*connection, *v1beta1.HelmRelease, error) {
	k, name, err := kindAndName(cmd, args, "release")
	if err != nil {
		return nil, nil, err
	}

	c, err := a.open()
	if err != nil {
		return nil, nil, err
	}

	key := types.NamespacedName{Namespace: c.namespace, Name: name}
	hr, err := a.release(cmd.Context(), c, k, key)
	switch {
	case err != nil:
		return nil, nil, err
	case hr.Spec.KubeConfig != nil:
		return nil, nil, elsewhere(k, key)
	}

	return c, hr, nil
}

// elsewhere refuses to look at objects where they are not.
func elsewhere(k kind, key types.NamespacedName) error {
	return fmt.Errorf("%s has its objects in another cluster (spec.kubeConfig), which your kubeconfig does not reach", k.describe(key))
}

// release reads one release.
func (a *app) release(ctx context.Context, c *connection, k kind, key types.NamespacedName) (*v1beta1.HelmRelease, error) {
	object, err := view.NewReader(c.client).Object(ctx, k.name, key)
	if err != nil {
		return nil, a.notFound(ctx, k, key, err)
	}
	hr, ok := object.(*v1beta1.HelmRelease)
	if !ok {
		return nil, fmt.Errorf("%s is not a release", k.describe(key))
	}
	return hr, nil
}

func (a *app) printTree(k kind, key types.NamespacedName, tree view.Tree, out *output) error {
	for _, note := range tree.Notes {
		a.note("%s", oneLine(note))
	}

	if tree.Total == 0 {
		a.note("%s has no objects", k.describe(key))
		return nil
	}

	t := a.table(out, column{"OBJECT", false}, column{"HEALTH", false}, column{"MESSAGE", false})
	for _, node := range tree.Objects {
		addNode(t, node, tree.Namespace, "", "")
	}
	if err := t.write(a.out, a.tableWidth(out)); err != nil {
		return err
	}

	_, err := fmt.Fprintf(a.out, "\n%d of %s healthy\n", tree.Healthy, plural(tree.Total, "object"))
	return err
}

// addNode adds the row of an object and those of what belongs to it. The namespace is named where it is another one.
func addNode(t *table, n view.Node, namespace, branch, below string) {
	name := n.Kind + " " + n.Name
	if n.Namespace != "" && n.Namespace != namespace {
		name = n.Kind + " " + n.Namespace + "/" + n.Name
	}

	// The lines of the tree are not cleaned as cells are, because they begin with spaces.
	t.rows = append(t.rows, []string{branch + oneLine(name), n.State, orNone(oneLine(n.Message))})
	for i, c := range n.Children {
		if i == len(n.Children)-1 {
			addNode(t, c, cmp.Or(n.Namespace, namespace), below+"└─ ", below+"   ")
		} else {
			addNode(t, c, cmp.Or(n.Namespace, namespace), below+"├─ ", below+"│  ")
		}
	}
}
