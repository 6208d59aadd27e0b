package install

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"

	corev1apply "k8s.io/client-go/applyconfigurations/core/v1"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
	"fairlead.dev/fairlead/helmops/kustomize/apply"
)

// fieldManager of what the command writes beside the manifests.
const fieldManager = "fairlead-cli"

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// Site is a cluster that Fairlead is, or is to be, installed in, with the rights of the user who installs.
type Site struct {
	cluster *cluster.Cluster
	as      *cluster.Identity
	engine  *apply.Engine
}

// NewSite connects to a cluster; its life is that of ctx. Nothing is asked of it yet.
func NewSite(ctx context.Context, config *rest.Config) (*Site, error) {
	to, err := cluster.New(config)
	if err != nil {
		return nil, err
	}

	remote := cluster.NewPool(1, time.Minute, time.Now)
	context.AfterFunc(ctx, func() {
		to.Close()
		remote.Close()
	})
	engine := apply.New(ctx, apply.Config{Local: to, Remote: remote, Now: time.Now, Moved: func(types.NamespacedName) {}})
	return &Site{cluster: to, as: to.Self(), engine: engine}, nil
}

// Applied names what was written.
type Applied struct {
	Created, Changed, Deleted []string
}

// Apply brings the objects into the cluster, and deletes those that are unwanted, after all of it was tried. When everything is as it is
// wanted, nothing is written.
func (s *Site) Apply(ctx context.Context, objects []apply.Object, unwanted ...v1beta1.ResourceRef) (Applied, error) {
	var out Applied
	set := apply.Set{Owner: Owner(), Objects: objects, Before: unwanted, Prune: true}
	previewed, err := apply.Preview(ctx, s.as, set, nil, nil)
	if err != nil {
		return out, err
	}

	for _, p := range previewed {
		switch {
		case p.Live == nil:
			out.Created = append(out.Created, nameOf(p.Would))
		case p.Would == nil:
			out.Deleted = append(out.Deleted, nameOf(p.Live))
		case !same(p.Live, p.Would):
			out.Changed = append(out.Changed, nameOf(p.Would))
		}
	}

	if len(out.Created)+len(out.Changed)+len(out.Deleted) == 0 {
		return out, nil
	}

	return out, s.engine.Apply(ctx, cluster.Access{}, set).Err
}

// same reports whether applying an object changes nothing, not even who owns its fields. Its status is not ours.
func same(live, would *unstructured.Unstructured) bool {
	live, would = live.DeepCopy(), would.DeepCopy()
	delete(live.Object, "status")
	delete(would.Object, "status")
	live.SetResourceVersion("")
	would.SetResourceVersion("")
	managers := func(o *unstructured.Unstructured) []metav1.ManagedFieldsEntry {
		return slices.DeleteFunc(o.GetManagedFields(), func(e metav1.ManagedFieldsEntry) bool { return e.Subresource == "status" })
	}
	live.SetManagedFields(managers(live))
	would.SetManagedFields(managers(would))
	return equality.Semantic.DeepEqual(live.Object, would.Object)
}

// ApplySecret creates or updates a Secret in the namespace of Fairlead.
func (s *Site) ApplySecret(ctx context.Context, name string, data map[string]string) error {
	secret := corev1apply.Secret(name, Namespace).WithStringData(data).WithType(corev1.SecretTypeOpaque).
		WithLabels(map[string]string{"app.kubernetes.io/name": "fairlead"})
	_, err := s.as.Kube().CoreV1().Secrets(Namespace).Apply(ctx, secret, metav1.ApplyOptions{FieldManager: fieldManager, Force: true})
	if err != nil { // the error of the API server may quote what was sent
		return fmt.Errorf("writing Secret %s/%s: %s", Namespace, name, apierrors.ReasonForError(err))
	}
	return nil
}

// AwaitController waits until the controller is available. progress is called with what is missing.
func (s *Site) AwaitController(ctx context.Context, progress func(string)) error {
	deployments := s.as.Dynamic().Resource(deployments).Namespace(Namespace)
	selector := fields.OneTermEqualSelector("metadata.name", Controller).String()
	watcher := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = selector
			return deployments.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = selector
			return deployments.Watch(ctx, o)
		},
	}
	last := "it does not exist"
	_, err := toolswatch.UntilWithSync(ctx, watcher, &unstructured.Unstructured{}, nil, func(event watch.Event) (bool, error) {
		live, is := event.Object.(*unstructured.Unstructured)
		if !is || event.Type == watch.Deleted {
			return false, nil
		}

		report := health.Assess(live, false)
		if report.State == health.Current {
			return true, nil
		}

		last = report.Full()
		progress("waiting for Deployment " + Namespace + "/" + Controller + ": " + last)
		return false, nil
	})
	if err == nil {
		return nil
	}
	if cause := s.causeOf(ctx); cause != "" {
		last += "; " + cause
	}

	return fmt.Errorf("the controller is not available: Deployment %s/%s: %s", Namespace, Controller, last)
}

// causeOf finds what keeps a pod of the controller from running, as far as a container says.
func (s *Site) causeOf(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	pods, err := s.as.Kube().CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app.kubernetes.io/name=fairlead", Limit: 10})
	if err != nil {
		return ""
	}

	for _, pod := range pods.Items {
		for _, c := range pod.Status.ContainerStatuses {
			if waiting := c.State.Waiting; waiting != nil && waiting.Reason != "ContainerCreating" {
				return fmt.Sprintf("pod %s: %s: %s (image %s)", pod.Name, waiting.Reason, waiting.Message, c.Image)
			}
		}
	}

	return ""
}

// object reads an object by kind; nil when it, or its kind, does not exist.
func (s *Site) object(ctx context.Context, kind schema.GroupVersionKind, namespace, name string) (*unstructured.Unstructured, error) {
	mapping, err := s.cluster.Mapper().RESTMapping(kind.GroupKind(), kind.Version)
	if isNoKind(err) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("asking which kinds the cluster knows: %w", err)
	}

	live, err := s.as.Dynamic().Resource(mapping.Resource).Namespace(namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil //nolint:nilnil // nothing is an answer
	}

	return live, deniedOr(err, right{"get", mapping.Resource.GroupResource(), namespace})
}

// errHelm: what Helm has installed is Helm's to change.
var errHelm = errors.New("the Helm chart of Fairlead has installed it here; use helm upgrade and helm uninstall")

// Found is what is known of an installation.
type Found struct {
	// Installed is set when there is a controller; Version is that of the command that installed it, empty when that is not known.
	Installed bool
	Version   string
	// Image of the controller.
	Image string
	// Follows is the directory that the cluster follows, empty for none.
	Follows string
	// Secret with the credentials of the repository that the cluster follows, empty for none.
	Secret string
}

// Find looks for an installation. One of Helm is an error.
func (s *Site) Find(ctx context.Context) (Found, error) {
	var out Found
	live, err := s.object(ctx, deploymentKind, Namespace, Controller)
	if err != nil {
		return out, err
	}

	if live != nil {
		if live.GetLabels()["app.kubernetes.io/managed-by"] == "Helm" {
			return out, errHelm
		}

		out.Installed, out.Version = true, live.GetAnnotations()[VersionAnnotation]
		containers, _, _ := unstructured.NestedSlice(live.Object, "spec", "template", "spec", "containers")
		for _, c := range containers {
			if container, is := c.(map[string]any); is && container["name"] == "controller" {
				out.Image, _ = container["image"].(string)
			}
		}
	}

	if live, err = s.object(ctx, kustomizationKind, Namespace, Root); err != nil || live == nil {
		return out, err
	}

	directory, _, _ := unstructured.NestedString(live.Object, "spec", "path")
	if live, err = s.object(ctx, repositoryKind, Namespace, Root); err != nil || live == nil {
		return out, err
	}

	url, _, _ := unstructured.NestedString(live.Object, "spec", "url")
	out.Follows = directory + " of " + url
	out.Secret, _, _ = unstructured.NestedString(live.Object, "spec", "secretRef", "name")
	return out, nil
}
