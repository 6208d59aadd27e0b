package installation

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/config"
	"fairlead.dev/fairlead/helmops/manifests"
	"fairlead.dev/fairlead/helmops/rollout"
)

// Names of what is installed; the manifests have them too.
const (
	Namespace  = "fairlead-system"
	Controller = "fairlead-controller"
	// Root is the name of the source and the Kustomization by which a cluster follows its repository.
	Root = "fairlead"
	// VersionAnnotation on the Deployment tells which version of the command has installed it.
	VersionAnnotation = "fairlead.dev/version"
	// placeholder is the image in the manifests.
	placeholder = "fairlead"
	// clusterAdmin is the binding that lets the controller do everything.
	clusterAdmin = "fairlead-release-admin"
)

// Owner is the Kustomization that owns what is installed.
func Owner() types.NamespacedName { return types.NamespacedName{Namespace: Namespace, Name: Root} }

// Options are what is installed.
type Options struct {
	// Image of the controller, with a tag or a digest.
	Image string
	// Version of the command that installs.
	Version string
	// NoClusterAdmin leaves out the binding to cluster-admin: releases then need ServiceAccounts of their own.
	NoClusterAdmin bool
	// Sync has the cluster follow a repository; nil for none.
	Sync *Sync
}

// Sync is a directory of a repository that a cluster follows.
type Sync struct {
	URL, Branch string
	// Path of the directory in the repository, without leading or trailing slashes.
	Path string
	// Secret with the credentials, in Namespace; empty for none.
	Secret string
	// Interval between two polls of the repository.
	Interval time.Duration
}

// Dir is where the manifests of Fairlead are in the repository.
func (s Sync) Dir() string { return path.Join(s.Path, Namespace) }

// Follows says what is followed, as Found does.
func (s Sync) Follows() string { return "./" + s.Path + " of " + s.URL }

// Names of the files.
const (
	componentsFile = "components.yaml"
	syncFile       = "sync.yaml"
)

// Files are the manifests by name. They depend on the options alone: the same options give the same bytes.
func (o Options) Files(ctx context.Context) (map[string][]byte, error) {
	source, err := manifests.ReadFS(config.Files, manifests.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the manifests of Fairlead: %w", err)
	}
	image, err := imageOf(o.Image)
	if err != nil {
		return nil, err
	}
	objects, err := manifests.Build(ctx, source, manifests.Options{Path: "default", Overlay: v1beta1.Overlay{Images: []v1beta1.Image{image}}})
	if err != nil {
		return nil, fmt.Errorf("building the manifests of Fairlead: %w", err)
	}
	components := bytes.NewBufferString("# Fairlead " + o.Version + ". Made by the fairlead command, which overwrites what is changed here.\n")
	for _, object := range objects {
		if !o.finish(object.Unstructured) {
			continue
		}
		if err := appendDocument(components, object.Object); err != nil {
			return nil, err
		}
	}
	files := map[string][]byte{componentsFile: components.Bytes()}
	if o.Sync != nil {
		files[syncFile], err = o.Sync.file()
	}
	return files, err
}

// finish completes an object of the manifests; false leaves it out.
func (o Options) finish(object *unstructured.Unstructured) bool {
	annotate := func(key, value string) {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[key] = value
		object.SetAnnotations(annotations)
	}
	switch object.GetKind() {
	case "CustomResourceDefinition", "Namespace":
		// Whatever becomes of the files in a repository: without the definitions every declaration in the cluster would go.
		annotate(v1beta1.PruneAnnotation, v1beta1.Disabled)
	case "Deployment":
		annotate(VersionAnnotation, o.Version)
	case "ClusterRoleBinding":
		return !o.NoClusterAdmin || object.GetName() != clusterAdmin
	}
	return true
}

// Unwanted is what an installation with other options may have left.
func (o Options) Unwanted() []v1beta1.ResourceRef {
	if !o.NoClusterAdmin {
		return nil
	}
	return []v1beta1.ResourceRef{{ID: "_" + clusterAdmin + "_rbac.authorization.k8s.io_ClusterRoleBinding", Version: "v1"}}
}

// imageOf takes an image reference apart.
func imageOf(text string) (v1beta1.Image, error) {
	image := v1beta1.Image{Name: placeholder}
	rest, digest, _ := strings.Cut(text, "@")
	image.Digest = digest
	// A colon before the last slash is that of a port.
	if i := strings.LastIndex(rest, ":"); i > strings.LastIndex(rest, "/") {
		rest, image.NewTag = rest[:i], rest[i+1:]
	}
	image.NewName = rest
	if rest == "" || image.NewTag == "" && digest == "" || strings.ContainsAny(text, " \t\n'\"") {
		return image, fmt.Errorf("%q is no image with a tag or a digest", text)
	}
	return image, nil
}

func (s Sync) file() ([]byte, error) {
	out := bytes.NewBufferString("# What this cluster follows.\n")
	for _, object := range s.objects() {
		if err := appendDocument(out, object); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func (s Sync) objects() []map[string]any {
	metadata := map[string]any{"name": Root, "namespace": Namespace}
	source := map[string]any{
		"url": s.URL, "interval": s.Interval.String(), "ref": map[string]any{"branch": s.Branch},
	}
	if s.Secret != "" {
		source["secretRef"] = map[string]any{"name": s.Secret}
	}
	version := v1beta1.GroupVersion.String()
	return []map[string]any{
		{"apiVersion": version, "kind": v1beta1.GitRepositoryKind, "metadata": metadata, "spec": source},
		{"apiVersion": version, "kind": v1beta1.KustomizationKind, "metadata": metadata, "spec": map[string]any{
			"sourceRef": map[string]any{"kind": v1beta1.GitRepositoryKind, "name": Root},
			"path":      "./" + s.Path,
			"prune":     true,
			// Deleting it by mistake must not take the cluster down.
			"deletionPolicy": v1beta1.DeletionPolicyOrphan,
		}},
	}
}

func appendDocument(out *bytes.Buffer, object map[string]any) error {
	text, err := yaml.Marshal(object)
	if err != nil {
		return fmt.Errorf("writing a manifest of Fairlead: %w", err)
	}
	out.WriteString("---\n")
	out.Write(text)
	return nil
}

// Objects are those of the files, as the cluster gets them.
func (o Options) Objects(ctx context.Context) ([]rollout.Object, error) {
	files, err := o.Files(ctx)
	if err != nil {
		return nil, err
	}
	var out []rollout.Object
	for _, name := range []string{componentsFile, syncFile} {
		objects, err := manifests.Parse(name, files[name])
		if err != nil {
			return nil, err
		}
		for _, object := range objects {
			manifests.Own(object.Unstructured, Owner())
			out = append(out, rollout.Object{Unstructured: object.Unstructured, Origin: name})
		}
	}
	return out, nil
}
