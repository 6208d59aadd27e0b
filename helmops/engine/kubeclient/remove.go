package kubeclient

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/dynamic"

	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
)

// resourcePolicyAnnotation keeps an object when it leaves the chart.
const (
	resourcePolicyAnnotation = "helm.sh/resource-policy"
	keepPolicy               = "keep"
)

// withLeftovers adds what failed revisions may have left to what was there before. Helm compares with the last revision
// that was deployed; an object that only a failed one had would stay for ever.
func (c *Client) withLeftovers(original kube.ResourceList) kube.ResourceList {
	for _, manifest := range c.options.Leftovers {
		former, err := c.Build(strings.NewReader(manifest), false)
		if err != nil {
			continue // it has kinds that the cluster does not know; nothing of it was applied
		}
		original = append(original, former.Difference(original)...)
	}
	return original
}

// prune deletes what is no longer wanted. What another release or no release owns by now, and what is to be kept,
// stays. Objects that others may live in come last: by then those that go with them are gone.
func (c *Client) prune(unwanted, wanted kube.ResourceList) (kube.ResourceList, error) {
	var deleted kube.ResourceList
	for _, info := range dataLast(unwanted) {
		if c.absent(info) {
			continue
		}

		live, err := c.live(info)
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return deleted, fmt.Errorf("reading %s, which is no longer in the chart: %w", name(info), err)
		}
		if ownerOf(live) != c.self() || live.GetAnnotations()[resourcePolicyAnnotation] == keepPolicy {
			continue
		}

		if verdict := c.verdict(info, live, wanted, nil); verdict.Keep {
			c.keep(info, live, verdict.Reason)
			continue
		}

		if err := c.remove(info, metav1.DeletePropagationBackground); err != nil {
			return deleted, err
		}

		deleted = append(deleted, info)
	}

	return deleted, nil
}

// Delete implements kube.Interface.
func (c *Client) Delete(resources kube.ResourceList) (*kube.Result, []error) {
	return c.DeleteWithPropagationPolicy(resources, metav1.DeletePropagationBackground)
}

// DeleteWithPropagationPolicy implements kube.InterfaceDeletionPropagation. What is gone already counts as deleted.
func (c *Client) DeleteWithPropagationPolicy(
	resources kube.ResourceList, policy metav1.DeletionPropagation,
) (*kube.Result, []error) {
	var mu sync.Mutex
	result := &kube.Result{}
	c.trackParsed()
	var failures []error
	// Failures are collected, and the others are deleted all the same.
	_ = c.inBatches(c.dataLast(resources), func(info *resource.Info) error {
		err := c.removeUnlessKept(info, policy)
		mu.Lock()
		defer mu.Unlock()
		if err != nil {
			failures = append(failures, err)
		} else {
			result.Deleted = append(result.Deleted, info)
		}

		return nil
	})
	c.stopWithProcess()
	if len(failures) > 0 {
		c.failed = ssa.Join(failures)
		return nil, failures
	}

	return result, nil
}

func (c *Client) remove(info *resource.Info, policy metav1.DeletionPropagation) error {
	ctx, cancel := c.request()
	defer cancel()
	requests, err := c.requests(info)
	if err != nil {
		return err
	}

	entry, known := c.tracker.Get(ref(info))
	if known && entry.Release != "" && (owner{entry.Release, entry.ReleaseNamespace}) != c.self() {
		c.leave(info, left)
		return nil // another release has it by now
	}

	err = requests.Delete(ctx, metav1.DeleteOptions{PropagationPolicy: &policy})
	switch {
	case apierrors.IsNotFound(err):
		c.leave(info, left)
	case err != nil:
		return fmt.Errorf("deleting %s: %w", name(info), err)
	case known:
		c.leave(info, tracked)
	default:
		c.leave(info, followed)
	}

	return nil
}

// departure is how to find out that a deleted object is gone.
type departure int

const (
	// followed: by a watch of its own.
	followed departure = iota
	// tracked: the tracker has it, and will tell.
	tracked
	// left: nothing to wait for.
	left
)

func (c *Client) leave(info *resource.Info, how departure) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.departures[ref(info)] = how
}

// WaitForDelete implements kube.InterfaceExt.
func (c *Client) WaitForDelete(resources kube.ResourceList, timeout time.Duration) error {
	return c.waitReleased(func() error {
		ctx, cancel := context.WithTimeout(c.ctx, timeout)
		defer cancel()
		for _, info := range resources {
			if err := c.gone(ctx, info, timeout); err != nil {
				return err
			}
		}

		return nil
	})
}

// untilGone waits for an object that is being deleted, so that it can be recreated.
func (c *Client) untilGone(info *resource.Info) error {
	return c.WaitForDelete(kube.ResourceList{info}, goneTimeout)
}

// goneTimeout is how long an object that is being deleted may hold up its successor.
const goneTimeout = time.Minute

// gone waits until an object does not exist.
func (c *Client) gone(ctx context.Context, info *resource.Info, timeout time.Duration) error {
	c.mu.Lock()
	how := c.departures[ref(info)]
	c.mu.Unlock()
	var err error
	switch how {
	case left:
		return nil
	case tracked:
		err = c.untracked(ctx, info)
	case followed:
		err = c.awaitDeletion(ctx, info)
	}

	switch {
	case ctx.Err() != nil:
		c.stopWithProcess()
		return c.whyKept(info, timeout) //nolint:contextcheck // this one has ended
	case err != nil:
		return fmt.Errorf("waiting until %s is gone: %w", name(info), err)
	}

	return nil
}

// untracked waits until the tracker no longer knows an object. When the tracker knows nothing of the kind any more,
// the object is followed by itself.
func (c *Client) untracked(ctx context.Context, info *resource.Info) error {
	changed, cancel := c.tracker.Watch([]tracker.Ref{ref(info)})
	defer cancel()
	for {
		_, there := c.tracker.Get(ref(info))
		switch {
		case there:
		case c.tracker.Tracks(info.Mapping.GroupVersionKind):
			return nil
		default:
			return c.awaitDeletion(ctx, info)
		}

		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// awaitDeletion waits until an untracked object does not exist.
func (c *Client) awaitDeletion(ctx context.Context, info *resource.Info) error {
	return tracker.Follow(ctx, c.dynamic(info), info.Name, func(live *unstructured.Unstructured) (bool, error) {
		return live == nil, nil
	})
}

// whyKept says what keeps an object that was deleted.
func (c *Client) whyKept(info *resource.Info, timeout time.Duration) error {
	live, err := c.live(info)
	if apierrors.IsNotFound(err) {
		return nil
	}
	what := fmt.Sprintf("%s is still there %s after it was deleted", name(info), timeout)
	if err == nil && len(live.GetFinalizers()) > 0 {
		what += "; its finalizers are " + strings.Join(live.GetFinalizers(), ", ")
	}
	return errors.New(what)
}

func (c *Client) dynamic(info *resource.Info) dynamic.ResourceInterface {
	client := c.identity.Dynamic().Resource(info.Mapping.Resource)
	if info.Namespaced() {
		return client.Namespace(info.Namespace)
	}
	return client
}
