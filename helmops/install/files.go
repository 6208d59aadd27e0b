package install

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"strings"
	"time"

	"github.com/fluxcd/pkg/ssa/utils"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/config"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
	"fairlead.dev/fairlead/helmops/kustomize/build"
)

// Names of what is installed; the manifests have them too.
const (
	Namespace  = "fairlead-system"
	Controller = "fairlead-controller"
	// ControllerSelector selects the pods of the controller, ControllerContainer is the container in them.
	ControllerSelector  = "app.kubernetes.io/name=fairlead,app.kubernetes.io/component=controller"
	ControllerContainer = "controller"
	// Root is the name of the source and the Kustomization by which a cluster follows its repository.
	Root = "fairlead"
	// VersionAnnotation on the Deployment names the version of the command that has installed it.
	VersionAnnotation = "fairlead.dev/version"
	// placeholder is the image in the manifests.
	placeholder = "fairlead"
	// clusterAdmin is the binding that lets the controller do everything.
	clusterAdmin = "fairlead-release-admin"
	// viewRole and editRole are the roles of those who have view, edit or admin in a namespace. Shared tenancy has the
	// first only.
	viewRole = "fairlead-view"
	editRole = "fairlead-edit"
	// warningPrefix is how the names of policies begin that only warn.
	warningPrefix = "fairlead-warn-"
	// approvalPolicy is the policy, and its binding, that checks who approves a promotion.
	approvalPolicy = "fairlead-approvals"
	// promotionPolicy checks who requests one.
	promotionPolicy = "fairlead-promotions"
	// sourcePolicy keeps the sources of stages for the controller.
	sourcePolicy = "fairlead-stage-sources"
)

// isTenantRole reports whether an object is a role that is added to the roles of Kubernetes.
func isTenantRole(object *unstructured.Unstructured) bool {
	return object.GetKind() == "ClusterRole" && (object.GetName() == viewRole || object.GetName() == editRole)
}

// isCommon reports whether an object belongs to a policy of both modes of tenancy: one that only warns of fields
// without effect, that checks who approves or requests a promotion, or that keeps the sources of stages for the
// controller.
func isCommon(object *unstructured.Unstructured) bool {
	name := object.GetName()
	return strings.HasPrefix(name, warningPrefix) || name == approvalPolicy || name == promotionPolicy ||
		name == sourcePolicy
}

// Owner is the Kustomization that owns what is installed.
func Owner() types.NamespacedName { return types.NamespacedName{Namespace: Namespace, Name: Root} }

// Options are what is installed.
type Options struct {
	// Image of the controller, with a tag or a digest.
	Image string
	// Version of the command that installs.
	Version string
	// NoClusterAdmin leaves out the binding to cluster-admin: releases then need ServiceAccounts of their own. Strict tenancy never
	// has it.
	NoClusterAdmin bool
	// NoWarnings leaves out the policies that warn of fields without effect, and those that check who approves or
	// requests a promotion or changes the source of a stage, for clusters that do not serve such policies.
	NoWarnings bool
	// NoTenantRoles leaves out the roles that add the kinds of Fairlead to the roles view, edit and admin of Kubernetes.
	NoTenantRoles bool
	// Tenancy is how far those who share the cluster are kept apart.
	Tenancy Tenancy
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

// maxFile bounds a file, in bytes.
const maxFile = 4 << 20

// Names of the files.
const (
	componentsFile = "components.yaml"
	syncFile       = "sync.yaml"
)

// Files are the manifests by name. They depend on the options alone: the same options give the same bytes.
func (o Options) Files(ctx context.Context) (map[string][]byte, error) {
	source, err := build.ReadFS(config.Files, build.Limits{})
	if err != nil {
		return nil, fmt.Errorf("reading the manifests of Fairlead: %w", err)
	}

	image, err := imageOf(o.Image)
	if err != nil {
		return nil, err
	}

	options := build.Options{Path: o.Tenancy.directory(), Overlay: v1beta1.Overlay{Images: []v1beta1.Image{image}}}
	objects, err := build.Build(ctx, source, options)
	if err != nil {
		return nil, fmt.Errorf("building the manifests of Fairlead: %w", err)
	}

	components := bytes.NewBufferString("# Fairlead " + o.Version + ". Made by the fairlead command, which overwrites what is changed here.\n")
	for _, object := range objects {
		keep, err := o.finish(object.Unstructured)
		if err != nil {
			return nil, err
		}
		if !keep {
			continue
		}
		if err := appendDocument(components, object.Object); err != nil {
			return nil, err
		}
	}

	files := map[string][]byte{componentsFile: components.Bytes()}
	if o.Sync != nil {
		files[syncFile], err = o.Sync.file(o.Tenancy)
	}

	return files, err
}

// finish completes an object of the manifests; false leaves it out.
func (o Options) finish(object *unstructured.Unstructured) (bool, error) {
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
		return true, o.Tenancy.addArguments(object)
	case "ClusterRole":
		return !o.NoTenantRoles || !isTenantRole(object), nil
	case "ClusterRoleBinding":
		return !o.NoClusterAdmin || object.GetName() != clusterAdmin, nil
	case policyKind, policyBindingKind:
		if isCommon(object) {
			return !o.NoWarnings && !o.Tenancy.NoPolicies, nil
		}
		return !o.Tenancy.NoPolicies, o.Tenancy.setVariables(object)
	}

	return true, nil
}

// Unwanted is what an installation with other options may have left: what the other mode of tenancy has, and what is left out of this.
func (o Options) Unwanted(ctx context.Context) ([]v1beta1.ResourceRef, error) {
	wanted, err := o.Objects(ctx)
	if err != nil {
		return nil, err
	}

	has := map[string]bool{}
	for _, object := range wanted {
		has[refOf(object).ID] = true
	}

	every, err := everything(ctx)
	if err != nil {
		return nil, err
	}

	var out []v1beta1.ResourceRef
	for _, object := range every {
		if ref := refOf(object); !has[ref.ID] && !isSync(object) {
			out = append(out, ref)
		}
	}

	return out, nil
}

// everything is what installations may have, whatever their options: each object once, as one of them has it.
func everything(ctx context.Context) ([]apply.Object, error) {
	var out []apply.Object
	seen := map[string]bool{}
	for _, tenancy := range []Tenancy{{}, {Strict: true}} {
		objects, err := Options{Image: placeholder + ":any", Tenancy: tenancy}.Objects(ctx)
		if err != nil {
			return nil, err
		}

		for _, object := range append(objects, tenancy.syncIdentity()...) {
			if id := refOf(object).ID; !seen[id] {
				seen[id] = true
				out = append(out, object)
			}
		}
	}

	return out, nil
}

func refOf(o apply.Object) v1beta1.ResourceRef {
	gvk := o.GroupVersionKind()
	return v1beta1.NewResourceRef(o.GetNamespace(), o.GetName(), gvk.Group, gvk.Kind, gvk.Version)
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

func (s Sync) file(tenancy Tenancy) ([]byte, error) {
	out := bytes.NewBufferString("# What this cluster follows.\n")
	for _, object := range s.objects(tenancy) {
		if err := appendDocument(out, object); err != nil {
			return nil, err
		}
	}
	return out.Bytes(), nil
}

func (s Sync) objects(tenancy Tenancy) []map[string]any {
	metadata := map[string]any{"name": Root, "namespace": Namespace}
	source := map[string]any{
		"url": s.URL, "interval": s.Interval.String(), "ref": map[string]any{"branch": s.Branch},
	}
	if s.Secret != "" {
		source["secretRef"] = map[string]any{"name": s.Secret}
	}

	follows := map[string]any{
		"sourceRef": map[string]any{"kind": v1beta1.GitRepositoryKind, "name": Root},
		"path":      "./" + s.Path,
		"prune":     true,
		// Deleting it by mistake must not take the cluster down.
		"deletionPolicy": v1beta1.DeletionPolicyOrphan,
	}

	var out []map[string]any
	for _, object := range tenancy.syncIdentity() {
		follows["serviceAccountName"] = syncAccount
		out = append(out, object.Object)
	}

	version := v1beta1.GroupVersion.String()
	return append(out,
		map[string]any{"apiVersion": version, "kind": v1beta1.GitRepositoryKind, "metadata": metadata, "spec": source},
		map[string]any{"apiVersion": version, "kind": v1beta1.KustomizationKind, "metadata": metadata, "spec": follows},
	)
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
func (o Options) Objects(ctx context.Context) ([]apply.Object, error) {
	files, err := o.Files(ctx)
	if err != nil {
		return nil, err
	}

	var out []apply.Object
	for _, name := range []string{componentsFile, syncFile} {
		objects, err := read(name, files[name])
		if err != nil {
			return nil, err
		}

		for _, object := range objects {
			build.Own(object, Owner())
			out = append(out, apply.Object{Unstructured: object, Origin: name})
		}
	}

	return out, nil
}

// read takes a file apart, whose size the library does not bound.
func read(name string, content []byte) ([]*unstructured.Unstructured, error) {
	if len(content) > maxFile {
		return nil, fmt.Errorf("%s has %d bytes, at most %d are read", name, len(content), maxFile)
	}

	objects, err := utils.ReadObjects(bytes.NewReader(content))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}

	return objects, nil
}
