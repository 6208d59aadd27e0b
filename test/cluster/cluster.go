package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// startTimeout is far above what a start takes, for machines that are busy with something else.
	startTimeout = 3 * time.Minute
	pollInterval = 50 * time.Millisecond
)

// cluster is one control plane from start to stop.
type cluster struct {
	options  options
	dir      workdir
	ports    ports
	self     string
	kwokPath string
	children *children
	client   kubernetes.Interface
	progress io.Writer
}

// start brings the cluster up, component after component, and returns when pods can be created. Nothing started before
// an error is stopped here: stop does that.
func (c *cluster) start(ctx context.Context) error {
	began := time.Now()
	waiting, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{
		{"files", c.writeFiles},
		{etcd, c.startEtcd},
		{apiserver, c.startAPIServer},
		{"node", c.createNode},
		{"controllers", c.startControllers},
		{kwok, c.startKwok},
		{"node ready", c.awaitReady},
		{"ready", c.openAddresses},
	} {
		if err := step.do(waiting); err != nil {
			return err
		}
		fmt.Fprintf(c.progress, "devcluster: %s after %.1fs\n", step.name, time.Since(began).Seconds())
	}
	// Last, because it lives as long as the cluster and not as long as the start.
	return volumes{client: c.client, dir: c.dir, warn: c.warn}.run(ctx)
}

func (c *cluster) warn(err error) {
	fmt.Fprintln(c.progress, "devcluster:", err)
}

func (c *cluster) writeFiles(context.Context) error {
	if err := ensurePKI(c.dir); err != nil {
		return err
	}
	return writeComponentFiles(c.dir, c.ports, c.options)
}

func (c *cluster) startEtcd(ctx context.Context) error {
	if err := c.children.start(selfCommand(c.self, etcd, etcdArgs(c.dir, c.ports, c.options))); err != nil {
		return err
	}
	return waitFor(ctx, "etcd to be healthy", func(ctx context.Context) (bool, error) {
		return etcdHealthy(ctx, c.ports.etcd)
	})
}

func (c *cluster) startAPIServer(ctx context.Context) error {
	if err := c.children.start(selfCommand(c.self, apiserver, apiserverArgs(c.dir, c.ports, c.options))); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.dir.kubeconfigOf(ownFile))
	if err != nil {
		return fmt.Errorf("read our own kubeconfig: %w", err)
	}
	config.QPS, config.Burst = clientQPS, 2*clientQPS
	if c.client, err = kubernetes.NewForConfig(config); err != nil {
		return fmt.Errorf("create a client: %w", err)
	}
	return waitFor(ctx, "the API server to be ready", func(ctx context.Context) (bool, error) {
		err := c.client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
		return err == nil, err
	})
}

func (c *cluster) createNode(ctx context.Context) error {
	return ensureNode(ctx, c.client)
}

func (c *cluster) startControllers(context.Context) error {
	if err := c.children.start(selfCommand(c.self, controllerManager, controllerManagerArgs(c.dir, c.ports))); err != nil {
		return err
	}
	return c.children.start(selfCommand(c.self, scheduler, schedulerArgs(c.dir, c.ports)))
}

func (c *cluster) startKwok(ctx context.Context) error {
	pods, err := c.client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("list pods to see which addresses are in use: %w", err)
	}
	return c.children.start(kwokCommand(c.dir, c.kwokPath, podAddressesAfter(pods.Items)))
}

// awaitReady waits for all that a first pod needs.
func (c *cluster) awaitReady(ctx context.Context) error {
	for _, condition := range []struct {
		name string
		met  func(context.Context) (bool, error)
	}{
		{controllerManager + " to be healthy", healthCheck(c.ports.controllerManager)},
		{scheduler + " to be healthy", healthCheck(c.ports.scheduler)},
		{"the default service account", func(ctx context.Context) (bool, error) {
			return defaultAccountPresent(ctx, c.client)
		}},
		{"the node to be ready", func(ctx context.Context) (bool, error) { return nodeReady(ctx, c.client) }},
	} {
		if err := waitFor(ctx, condition.name, condition.met); err != nil {
			return err
		}
	}
	return nil
}

// openAddresses gives out one address before any other pod needs one.
func (c *cluster) openAddresses(ctx context.Context) error {
	if err := createAddressPod(ctx, c.client); err != nil {
		return err
	}
	if err := waitFor(ctx, "the first pod to have an address", func(ctx context.Context) (bool, error) {
		return addressPodServed(ctx, c.client)
	}); err != nil {
		return err
	}
	return deleteAddressPod(ctx, c.client)
}

// healthCheck asks a component whether it is healthy. Nothing secret is sent, so its certificate is not looked at.
func healthCheck(port int) func(context.Context) (bool, error) {
	config := &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: config}}
	return func(ctx context.Context) (bool, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+loopback(port)+"/healthz", nil)
		if err != nil {
			return false, err
		}
		response, err := client.Do(request)
		if err != nil {
			return false, err
		}
		defer response.Body.Close()
		return response.StatusCode == http.StatusOK, nil
	}
}

// waitFor polls until the condition is met. When the wait is cut short it says why: the reason why the context ended
// (a signal, a dead component), or that the time was up and what the last answer was.
func waitFor(ctx context.Context, what string, met func(context.Context) (bool, error)) error {
	var last error
	for {
		ok, err := met(ctx)
		if ok {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if cause := context.Cause(ctx); !errors.Is(cause, context.DeadlineExceeded) {
				return cause
			}
			return fmt.Errorf("waited %s for %s; the last answer was: %w", startTimeout, what, last)
		case <-time.After(pollInterval):
		}
	}
}

// executables are this program and the kwok beside it.
func executables() (self, kwokPath string, err error) {
	if self, err = os.Executable(); err != nil {
		return "", "", fmt.Errorf("find the devcluster program: %w", err)
	}
	kwokPath = filepath.Join(filepath.Dir(self), kwok)
	if _, err := os.Stat(kwokPath); err != nil {
		return "", "", fmt.Errorf("find kwok beside devcluster (run make cluster to build both): %w", err)
	}
	return self, kwokPath, nil
}
