package env

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"fairlead.dev/fairlead/api/v1beta1"
)

// clusterStart is how long the control plane may take to come up on a slow machine.
const clusterStart = 2 * time.Minute

// Cluster is a running control plane.
type Cluster struct {
	// Kubeconfig is the path of a file with the administrator's access.
	Kubeconfig string
	// Client has that access and validates strictly.
	Client client.WithWatch
	// Config of the client.
	Config *rest.Config

	process *process

	mu   sync.Mutex
	logs []string // of the controllers that were started against it
}

// StartCluster runs bin/devcluster on a directory, with further arguments, until it is ready.
func StartCluster(ctx context.Context, dir string, args ...string) (*Cluster, error) {
	path, err := binary("devcluster")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	out := &lineWriter{lines: make(chan string, 16)}
	child, err := begin("the control plane", filepath.Join(dir, "devcluster.log"), out, path,
		append([]string{"--dir", dir}, args...)...)
	if err != nil {
		return nil, err
	}
	kubeconfig, err := awaitReady(ctx, child, out.lines)
	if err != nil {
		return nil, errors.Join(err, child.stop())
	}
	c := &Cluster{Kubeconfig: kubeconfig, process: child}
	if err := c.connect(); err != nil {
		return nil, errors.Join(err, child.stop())
	}
	return c, nil
}

func awaitReady(ctx context.Context, child *process, lines <-chan string) (string, error) {
	timeout := time.After(clusterStart)
	for {
		select {
		case line := <-lines:
			if kubeconfig, ok := strings.CutPrefix(line, "ready kubeconfig="); ok {
				return kubeconfig, nil
			}
		case <-child.done:
			return "", child.ended()
		case <-ctx.Done():
			return "", ctx.Err()
		case <-timeout:
			return "", fmt.Errorf("the control plane is not ready after %s; its log ends with:\n%s", clusterStart,
				tail(child.log))
		}
	}
}

func (c *Cluster) connect() error {
	config, err := clientcmd.BuildConfigFromFlags("", c.Kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = -1, 0
	scheme, err := Scheme()
	if err != nil {
		return err
	}
	plain, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	c.Config, c.Client = config, plain
	return err
}

// Scheme knows Fairlead's kinds and Kubernetes' own.
func Scheme() (*runtime.Scheme, error) {
	scheme := runtime.NewScheme()
	return scheme, errors.Join(clientgoscheme.AddToScheme(scheme), v1beta1.AddToScheme(scheme),
		apiextensionsv1.AddToScheme(scheme))
}

// Stop ends the control plane and everything it started.
func (c *Cluster) Stop() error { return c.process.stop() }

// Failed says why the control plane has ended by itself; nil while it runs.
func (c *Cluster) Failed() error { return c.process.ended() }

// InstallCRDs applies config/crd and waits until the API server serves the kinds.
func (c *Cluster) InstallCRDs(ctx context.Context) error {
	root, err := Root()
	if err != nil {
		return err
	}
	files, err := filepath.Glob(filepath.Join(root, "config", "crd", "fairlead.dev_*.yaml"))
	if err != nil || len(files) == 0 {
		return fmt.Errorf("no CRDs in %s: %w", root, err)
	}
	for _, file := range files {
		document, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := yaml.UnmarshalStrict(document, crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := c.Apply(ctx, crd); err != nil {
			return fmt.Errorf("applying %s: %w", filepath.Base(file), err)
		}
		if err := c.established(ctx, crd.Name); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) established(ctx context.Context, name string) error {
	return Until(ctx, 30*time.Second, "the API server serves "+name, func() (bool, error) {
		crd := &apiextensionsv1.CustomResourceDefinition{}
		if err := c.Client.Get(ctx, client.ObjectKey{Name: name}, crd); err != nil {
			return false, err
		}
		for _, condition := range crd.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}

// Apply brings objects to the state that is given, as kubectl apply --server-side does, and refuses fields that their
// kinds do not have.
func (c *Cluster) Apply(ctx context.Context, objects ...client.Object) error {
	for _, object := range objects {
		gvk, err := c.Client.GroupVersionKindFor(object)
		if err != nil {
			return err
		}
		object.GetObjectKind().SetGroupVersionKind(gvk)
		content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
		if err != nil {
			return err
		}
		delete(content, "status")
		metadata, _ := content["metadata"].(map[string]any)
		for _, field := range []string{
			"managedFields", "resourceVersion", "uid", "creationTimestamp", "generation", "finalizers",
		} {
			delete(metadata, field) // what the API server and the controller keep
		}
		document, err := json.Marshal(content)
		if err != nil {
			return err
		}
		force, strict := true, metav1.FieldValidationStrict
		options := &client.PatchOptions{
			Force: &force, FieldManager: "stage", Raw: &metav1.PatchOptions{FieldValidation: strict},
		}
		// The answer goes into a copy: callers apply the same value again.
		target := object.DeepCopyObject().(client.Object)
		if err := c.Client.Patch(ctx, target, client.RawPatch("application/apply-patch+yaml", document),
			options); err != nil {
			return fmt.Errorf("applying %s %s/%s: %w", gvk.Kind, object.GetNamespace(), object.GetName(), err)
		}
	}
	return nil
}

// Until asks again and again until the answer is yes, and says what it waited for when that does not come.
func Until(ctx context.Context, timeout time.Duration, what string, ask func() (bool, error)) error {
	deadline := time.Now().Add(timeout)
	for pause := 20 * time.Millisecond; ; pause = min(pause*3/2, 500*time.Millisecond) {
		yes, err := ask()
		if yes && err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("gave up after %s waiting until %s: %w", timeout, what,
				errors.Join(errors.New("last answer was no"), err))
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
