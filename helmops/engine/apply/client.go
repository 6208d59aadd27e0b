// Package apply is Helm's way to the objects of a release, arranged so that nothing blocks: while an action waits, it
// gives its share of the processor back.
package apply

import (
	"context"
	"errors"
	"io"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	"k8s.io/cli-runtime/pkg/genericclioptions"
)

// FieldManager is the name under which objects are written, the same as the helm command's, so that both work on the
// objects of one release.
const FieldManager = "helm"

// Yielder runs a function that waits, without holding the caller's share of the processor.
type Yielder interface {
	Yield(wait func() error) error
}

// Client implements kube.Interface for one action. What it does not override is Helm's own.
type Client struct {
	*kube.Client
	ctx        context.Context //nolint:containedctx // Helm's client interface takes none.
	superseded <-chan struct{}
	release    string
	leftovers  []string
	yield      Yielder
}

// Options of a client.
type Options struct {
	// Release and Namespace name the Helm release.
	Release, Namespace string
	// Superseded is closed when nobody wants the release any more as it is being made. Nil is never.
	Superseded <-chan struct{}
	// Leftovers are the manifests of failed revisions whose objects may be in the cluster, newest first.
	Leftovers []string
}

// ErrSuperseded ends a wait for objects that nobody wants any more.
var ErrSuperseded = errors.New("a newer desired state ended the wait")

// Helm probes for these one by one and silently does less when one is missing.
var (
	_ kube.Interface                    = (*Client)(nil)
	_ kube.InterfaceExt                 = (*Client)(nil)
	_ kube.InterfaceThreeWayMerge       = (*Client)(nil)
	_ kube.InterfaceLogs                = (*Client)(nil)
	_ kube.InterfaceDeletionPropagation = (*Client)(nil)
	_ kube.InterfaceResources           = (*Client)(nil)
)

// NewClient returns a client for one action. When ctx ends, waits do not return any more: the process is about to stop,
// and Helm would take a returning wait for a failed release. When it is superseded, a wait for readiness ends with
// ErrSuperseded; hooks are finished first.
func NewClient(ctx context.Context, getter genericclioptions.RESTClientGetter, yield Yielder, o Options) *Client {
	client := kube.New(getter)
	client.Namespace = o.Namespace
	return &Client{Client: client, ctx: ctx, superseded: o.Superseded, release: o.Release, leftovers: o.Leftovers, yield: yield}
}

// Build implements kube.Interface. The request to validate is ignored: since Kubernetes 1.27 Helm's validation downloads
// megabytes of OpenAPI documents only to see that the server validates by itself.
func (c *Client) Build(manifest io.Reader, _ bool) (kube.ResourceList, error) {
	return c.Client.Build(manifest, false)
}

// Wait implements kube.Interface. Jobs count as ready once they were started.
func (c *Client) Wait(resources kube.ResourceList, timeout time.Duration) error {
	return c.wait(resources, timeout, false)
}

// WaitWithJobs implements kube.Interface. Jobs count as ready once they have completed.
func (c *Client) WaitWithJobs(resources kube.ResourceList, timeout time.Duration) error {
	return c.wait(resources, timeout, true)
}

// WatchUntilReady implements kube.Interface: it waits for the Jobs and Pods of a hook.
func (c *Client) WatchUntilReady(resources kube.ResourceList, timeout time.Duration) error {
	return c.parked(func() error { return c.Client.WatchUntilReady(resources, timeout) })
}

// WaitForDelete implements kube.InterfaceExt.
func (c *Client) WaitForDelete(resources kube.ResourceList, timeout time.Duration) error {
	return c.parked(func() error { return c.Client.WaitForDelete(resources, timeout) })
}

func (c *Client) wait(resources kube.ResourceList, timeout time.Duration, jobs bool) error {
	return c.parked(func() error {
		ctx, cancel := context.WithTimeout(c.ctx, timeout)
		defer cancel()
		return untilReady(ctx, c.superseded, resources, timeout, jobs)
	})
}

// parked waits without holding the processor, and does not come back once the process is stopping.
func (c *Client) parked(wait func() error) error {
	err := c.yield.Yield(wait)
	if c.ctx.Err() != nil {
		select {}
	}
	return err
}
