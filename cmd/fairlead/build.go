package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/kustomization"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/view"
)

func newBuildCommand(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "build kustomization NAME --path DIR",
		Short: "Print the objects that a Kustomization would make of local files",
		Long: `Print the objects that a Kustomization would make of a local directory in place of the one in its source. Nothing is changed.

The Kustomization comes from the cluster, or from --file when it is not there yet. The ConfigMaps and Secrets that it names for
variables and decryption are read with your own rights, and nothing else is asked of the cluster: with --file and without such
names no kubeconfig is needed. What lies outside of the Git
repository that DIR is in cannot be reached, and no base is fetched: a build that works here works in the cluster.

Values in Secrets, and what was encrypted or came from Secrets, are masked. For this reason the output is for reading, not for applying.`,
		Example: `  fairlead build kustomization apps -n fleet --path ./apps/production
  fairlead build kustomization apps --file clusters/demo/apps.yaml --path ./apps/production
  fairlead build ks apps -n fleet --path ./apps/production -o json | jq -r '.items[].kind'`,
		ValidArgsFunction: a.completeKindAndName("kustomization"),
	}
	a.addClusterFlags(cmd)
	out := addOutputFlag(cmd, outputJSON, outputYAML)
	files := addFilesFlags(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		k, name, err := kindAndName(cmd, args, "kustomization")
		if err != nil {
			return err
		}
		if err := files.check(cmd); err != nil {
			return err
		}

		ks, err := a.kustomization(cmd.Context(), k, name, files)
		if err != nil {
			return err
		}

		objects, mask, err := a.render(cmd.Context(), ks, files)
		if err != nil {
			return err
		}

		built := view.Built(objects, mask)
		if out.machine() {
			return out.write(a.out, built)
		}

		if len(built.Items) == 0 {
			fmt.Fprintln(a.err, "no objects in "+oneLine(files.path))
			return nil
		}

		return writeDocuments(a.out, built.Items)
	}
	return cmd
}

func writeDocuments(w io.Writer, objects []map[string]any) error {
	for _, o := range objects {
		text, err := yaml.Marshal(o)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintf(w, "---\n%s", text); err != nil {
			return err
		}
	}
	return nil
}

// filesFlags name what local files are looked at.
type filesFlags struct {
	path, file string
}

func addFilesFlags(cmd *cobra.Command) *filesFlags {
	f := &filesFlags{}
	cmd.Flags().StringVar(&f.path, "path", "", "local directory that stands for spec.path of the Kustomization")
	cmd.Flags().StringVar(&f.file, "file", "", "YAML file with the Kustomization, in place of the one in the cluster")
	// The only errors are flags that do not exist, and they were added above.
	_ = cmd.MarkFlagDirname("path")
	_ = cmd.MarkFlagFilename("file", "yaml", "yml")
	return f
}

func (f *filesFlags) check(cmd *cobra.Command) error {
	if f.path == "" {
		return usagef(cmd, "--path is missing: the local directory that stands for spec.path of the Kustomization")
	}
	return nil
}

// kustomization comes from the file, or else from the cluster.
func (a *app) kustomization(ctx context.Context, k kind, name string, files *filesFlags) (*v1beta1.Kustomization, error) {
	if files.file != "" {
		return kustomizationIn(files.file, types.NamespacedName{Namespace: a.namespaceOrNone(), Name: name})
	}

	_, object, err := a.named(ctx, k, name)
	if err != nil {
		return nil, err
	}

	ks, ok := object.(*v1beta1.Kustomization)
	if !ok {
		return nil, fmt.Errorf("%s is no Kustomization", k.describe(client.ObjectKeyFromObject(object)))
	}

	return ks, nil
}

// namespaceOrNone is the namespace that is meant, empty when neither a flag nor a kubeconfig names one. What is wrong with the
// kubeconfig is reported when something is read from the cluster.
func (a *app) namespaceOrNone() string {
	c, err := a.open()
	if err != nil {
		return a.flags.namespace
	}
	return c.namespace
}

// clusterReader connects to the cluster when something is read, so that a command which reads nothing needs no kubeconfig.
type clusterReader struct{ app *app }

// Get implements client.Reader.
func (r clusterReader) Get(ctx context.Context, key client.ObjectKey, object client.Object, options ...client.GetOption) error {
	c, err := r.app.open()
	if err != nil {
		return err
	}
	return c.client.Get(ctx, key, object, options...)
}

// List implements client.Reader.
func (r clusterReader) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	c, err := r.app.open()
	if err != nil {
		return err
	}
	return c.client.List(ctx, list, options...)
}

// maxKustomizationFile bounds the file of a Kustomization, in bytes.
const maxKustomizationFile = 8 << 20

// kustomizationIn finds a Kustomization in a file of manifests. One without a namespace is of the namespace that is asked for; one
// of any namespace is found when none is asked for.
func kustomizationIn(file string, key types.NamespacedName) (*v1beta1.Kustomization, error) {
	opened, err := os.Open(file) //nolint:gosec // the user names the file
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}

	content, err := io.ReadAll(io.LimitReader(opened, maxKustomizationFile))
	if err := errors.Join(err, opened.Close()); err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}

	objects, err := build.Parse(file, content)
	if err != nil {
		return nil, fmt.Errorf("--file: %w", err)
	}

	for _, o := range objects {
		group := o.GroupVersionKind().Group
		if group != v1beta1.GroupVersion.Group || o.GetKind() != v1beta1.KustomizationKind || o.GetName() != key.Name {
			continue
		}
		if o.GetNamespace() == "" {
			o.SetNamespace(cmp.Or(key.Namespace, metav1.NamespaceDefault))
		}
		if key.Namespace != "" && o.GetNamespace() != key.Namespace {
			continue
		}

		text, err := o.MarshalJSON()
		if err != nil {
			return nil, err
		}

		ks := &v1beta1.Kustomization{}
		if err := yaml.UnmarshalStrict(text, ks); err != nil {
			return nil, fmt.Errorf("--file: Kustomization %s in %s: %w", key, file, err)
		}

		return ks, nil
	}

	if key.Namespace == "" {
		return nil, fmt.Errorf("--file: there is no Kustomization %s in %s", key.Name, file)
	}

	return nil, fmt.Errorf("--file: there is no Kustomization %s in %s (choose the namespace with -n)", key, file)
}

// render makes the objects of a Kustomization from local files.
func (a *app) render(ctx context.Context, ks *v1beta1.Kustomization, files *filesFlags) ([]apply.Object, func(string) string, error) {
	root, path, err := repositoryOf(files.path)
	if err != nil {
		return nil, nil, fmt.Errorf("--path: %w", err)
	}

	tree, err := build.ReadDir(root, build.Limits{})
	if err != nil {
		return nil, nil, fmt.Errorf("--path: %w", err)
	}

	objects, mask, err := a.renderAt(ctx, ks, tree, path)
	if err != nil {
		return nil, nil, fmt.Errorf("build Kustomization %s/%s from %s: %w", ks.Namespace, ks.Name, files.path, err)
	}

	return objects, mask, nil
}

// renderAt makes the objects of a Kustomization from the directory at path. The error holds no secret.
func (a *app) renderAt(
	ctx context.Context, ks *v1beta1.Kustomization, tree *build.Tree, path string,
) ([]apply.Object, func(string) string, error) {
	pool := newPool()
	defer pool.Close()
	objects, mask, err := kustomization.Render(ctx, callerReader{clusterReader{a}}, build.Builder{Runner: pool}, ks, tree, path)
	if err != nil {
		return nil, nil, errors.New(mask.Apply(err.Error()))
	}
	return objects, mask.Apply, nil
}

// repositoryOf returns the Git repository that a directory is in, and where in it the directory is. Without a repository it is the
// directory itself.
func repositoryOf(dir string) (root, path string, err error) {
	dir, err = filepath.Abs(dir)
	if err == nil {
		dir, err = filepath.EvalSymlinks(dir)
	}
	if err != nil {
		return "", "", err
	}

	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return "", "", err
	case !info.IsDir():
		return "", "", fmt.Errorf("%s is not a directory", dir)
	}

	for root = dir; ; root = filepath.Dir(root) {
		if _, err := os.Stat(filepath.Join(root, ".git")); err == nil {
			relative, err := filepath.Rel(root, dir)
			return root, filepath.ToSlash(relative), err
		}
		if root == filepath.Dir(root) {
			return dir, ".", nil
		}
	}
}
