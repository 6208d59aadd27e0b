package install

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/polling"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/clusterreader"
	"github.com/fluxcd/cli-utils/pkg/kstatus/polling/engine"
	"github.com/fluxcd/pkg/ssa"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	toolswatch "k8s.io/client-go/tools/watch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kube/cluster"
	"fairlead.dev/fairlead/helmops/kube/health"
)

var deployments = schema.GroupVersionResource{Group: "apps", Version: "v1", Resource: "deployments"}

// Site is a cluster that Fairlead is, or is to be, installed in, with the rights of the user who installs.
type Site struct {
	cluster *cluster.Cluster
	as      *cluster.Identity
	client  client.Client
	manager *ssa.ResourceManager
}

// NewSite connects to a cluster; its life is that of ctx. Nothing is asked of it yet.
func NewSite(ctx context.Context, config *rest.Config) (*Site, error) {
	to, err := cluster.New(config)
	if err != nil {
		return nil, err
	}

	context.AfterFunc(ctx, to.Close)
	shared, err := to.Self().Getter(Namespace).ToRESTConfig()
	if err != nil {
		return nil, err
	}

	objects, err := client.New(shared, client.Options{Scheme: runtime.NewScheme(), Mapper: to.Mapper()})
	if err != nil {
		return nil, fmt.Errorf("setting up a client for %s: %w", to.Host(), err)
	}

	// One object at a time is read: the default reader would need the right to list.
	poller := polling.NewStatusPoller(objects, to.Mapper(), polling.Options{
		ClusterReaderFactory: engine.ClusterReaderFactoryFunc(clusterreader.NewDirectClusterReader),
	})
	manager := ssa.NewResourceManager(objects, poller, ssa.Owner{Field: v1beta1.KustomizationFieldManager})
	manager.SetConcurrency(atOnce)
	return &Site{cluster: to, as: to.Self(), client: objects, manager: manager}, nil
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
	if meta.IsNoMatchError(err) {
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
