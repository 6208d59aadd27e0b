package kubeclient

import (
	"fmt"
	"maps"
	"sync"

	"golang.org/x/sync/errgroup"
	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/ssa"
	"fairlead.dev/fairlead/helmops/kube/tracker"
	"fairlead.dev/fairlead/helmops/process/guard"
)

// writesAtOnce is how many objects of one release are written at the same time.
const writesAtOnce = 8

// Create implements kube.Interface. Kinds are created one after the other, in the order of the list, the objects of a
// kind at the same time, as Helm does.
func (c *Client) Create(resources kube.ResourceList) (*kube.Result, error) {
	if len(resources) == 0 {
		return nil, kube.ErrNoObjectsVisited
	}
	if err := unique(resources); err != nil {
		return nil, err
	}

	c.definesOf(resources)
	c.scaled = scaledBy(resources)
	err := c.inBatches(resources, func(info *resource.Info) error {
		if !c.owned(info) {
			return c.postUnowned(info) // a hook, or the namespace of the release
		}

		_, err := c.write(info, nil, false)
		return err
	})
	c.stopWithProcess()
	if err != nil {
		return nil, err
	}

	return &kube.Result{Created: resources}, nil
}

// Update implements kube.Interface: what is wanted is applied, and what was there before and is no longer wanted is
// deleted. What a failed revision left behind counts as having been there.
func (c *Client) Update(original, target kube.ResourceList, force bool) (*kube.Result, error) {
	original = c.withLeftovers(original)
	c.trackParsed()
	c.definesOf(target)
	c.scaled, c.unscaled = scaledBy(target), scaledBy(original)
	if err := c.keepSizes(target); err != nil {
		return &kube.Result{}, err
	}

	var mu sync.Mutex
	result := &kube.Result{}
	err := c.inBatches(target, func(info *resource.Info) error {
		created, err := c.write(info, original.Get(info), force)
		mu.Lock()
		defer mu.Unlock()
		if created {
			result.Created = append(result.Created, info)
		} else {
			result.Updated = append(result.Updated, info)
		}

		return err
	})
	if err == nil {
		result.Deleted, err = c.prune(original.Difference(target), target)
	}

	c.stopWithProcess()
	return result, err
}

// inBatches runs work for the objects, one run of equal kinds after the other.
func (c *Client) inBatches(resources kube.ResourceList, work func(*resource.Info) error) error {
	for begin := 0; begin < len(resources); {
		end := begin + 1
		for end < len(resources) && resources[end].Mapping.GroupVersionKind == resources[begin].Mapping.GroupVersionKind {
			end++
		}

		failures := make([]error, end-begin)
		var group errgroup.Group
		group.SetLimit(writesAtOnce)
		for i, info := range resources[begin:end] {
			group.Go(func() error {
				failures[i] = guard.Do("writing an object", func() error { return work(info) })
				return nil
			})
		}

		_ = group.Wait() // the failures are all wanted, not the first
		if err := ssa.Join(failures); err != nil {
			return err
		}

		begin = end
	}
	return nil
}

// unique refuses a manifest that has an object twice, which would be half installed otherwise.
func unique(resources kube.ResourceList) error {
	seen := make(map[string]bool, len(resources))
	for _, info := range resources {
		key := info.Mapping.GroupVersionKind.Group + " " + name(info)
		if seen[key] {
			return fmt.Errorf("%s already exists: it is in the manifest twice", name(info))
		}
		seen[key] = true
	}
	return nil
}

// owned reports whether Helm has marked an object as part of the release.
func (c *Client) owned(info *resource.Info) bool {
	content, ok := info.Object.(*unstructured.Unstructured)
	return ok && ownerOf(content) == c.self()
}

// write brings one object to what is wanted, and reports whether it had to be created. original is the object in the
// revision before, nil when it was not there. An object that says so is recreated where a field cannot be changed.
func (c *Client) write(info, original *resource.Info, force bool) (created bool, err error) {
	c.begin()
	created, err = c.writeInPlace(info, original, force)
	if c.recreates(info, err) {
		return false, c.recreate(info, original)
	}
	return created, err
}

func (c *Client) writeInPlace(info, original *resource.Info, force bool) (created bool, err error) {
	switch {
	case force:
		return c.byHelm(info, original, true)
	case c.options.ClientSide:
		return c.writeClientSide(info, original)
	}

	body, err := ssa.ApplyBody(info.Object.(*unstructured.Unstructured))
	if err != nil {
		return false, fmt.Errorf("encoding %s: %w", name(info), err)
	}

	w := desired{body: body, sum: ssa.Checksum(body)}
	c.notePresent(info, w.sum)
	entry, there := c.known(info)
	switch {
	case there && entry.Deleting:
		if err := c.untilGone(info); err != nil {
			return false, err
		}
		there = false
	case there && unchanged(entry, w.sum):
		c.markAs(info, ownershipText(entry.Ownership))
		return false, nil
	}

	if !there {
		return c.create(info, original, w)
	}

	if c.autoscaled(info, mayBeAutoscaled(entry)) {
		if w, err = c.leaveReplicas(info, w, nil); err != nil {
			return false, err
		}
	}

	return c.overwrite(info, original, w, entry.Legacy)
}

// create makes an object, or takes it over when there is one that the tracker does not know.
func (c *Client) create(info, original *resource.Info, w desired) (created bool, err error) {
	answer, err := c.applyNew(info)
	switch {
	case err == nil:
		c.compareAnswer(info, info.Object, answer)
		return true, c.wrote(info, answer, w.sum)
	case !apierrors.IsConflict(err) && !apierrors.IsAlreadyExists(err):
		return c.fallback(info, original, err)
	}

	live, err := c.mayTake(info)
	if err != nil {
		return false, err
	}
	if w, err = c.leaveReplicas(info, w, live); err != nil {
		return false, err
	}

	return c.overwrite(info, original, w, true)
}

// unchanged reports whether what is there is what was sent last, and is wanted now.
func unchanged(entry tracker.Entry, sum uint64) bool {
	return !entry.Legacy && entry.Payload == sum && entry.Applied == entry.Ownership && entry.Applied != 0
}

// known returns what the tracker knows of an object, if that can be relied on.
func (c *Client) known(info *resource.Info) (tracker.Entry, bool) {
	if !c.tracker.Tracks(info.Mapping.GroupVersionKind) {
		return tracker.Entry{}, false
	}
	return c.tracker.Get(ref(info))
}

// overwrite applies an object that exists. legacy is set when Helm clients may own fields of it in another way.
func (c *Client) overwrite(info, original *resource.Info, w desired, legacy bool) (created bool, err error) {
	if legacy {
		if err := c.takeFields(info, original); err != nil {
			return false, err
		}
	}

	answer, err := c.applyOver(info, w.body)
	switch {
	case err == nil:
		c.compareAnswer(info, info.Object, answer)
		return false, c.wrote(info, answer, w.sum)
	case w.autoscaled:
		bare := withoutReplicas(info)
		if created, err = c.fallback(bare, withoutReplicas(original), err); err != nil {
			return created, err
		}

		return created, info.Refresh(bare.Object, true)
	default:
		return c.fallback(info, original, err)
	}
}

// applyNew applies an object in such a way that the API server refuses, with a conflict, when there is one already: an
// object that does not exist cannot have the resource version that is asked for.
func (c *Client) applyNew(info *resource.Info) (*unstructured.Unstructured, error) {
	body, err := guarded(info)
	if err != nil {
		return nil, err
	}
	return c.apply(info, body)
}

// guarded is the payload that only creates.
func guarded(info *resource.Info) ([]byte, error) {
	content := &unstructured.Unstructured{Object: cloneMetadata(info.Object.(*unstructured.Unstructured).Object)}
	content.SetResourceVersion("1")
	body, err := ssa.ApplyBody(content)
	if err != nil {
		return nil, fmt.Errorf("encoding %s: %w", name(info), err)
	}
	return body, nil
}

// wrote tells the tracker and Helm what the API server made of a write.
func (c *Client) wrote(info *resource.Info, answer *unstructured.Unstructured, sum uint64) error {
	c.tracker.Wrote(kindOf(info.Mapping), answer, sum)
	c.mark(info, answer)
	return info.Refresh(answer, true)
}

// mayTake returns an object that exists if it may become part of the release. It never may while it is part of another.
func (c *Client) mayTake(info *resource.Info) (*unstructured.Unstructured, error) {
	live, err := c.live(info)
	if err != nil {
		return nil, fmt.Errorf("reading %s, which exists already: %w", name(info), err)
	}
	return live, c.mine(info, live)
}

// mine fails when an object belongs to another owner.
func (c *Client) mine(info *resource.Info, live *unstructured.Unstructured) error {
	switch has := ownerOf(live); {
	case has == c.self():
		return nil
	case has != (owner{}):
		return fmt.Errorf("%s belongs to the Helm release %s/%s; remove it there, or from this chart", name(info),
			has.namespace, has.name)
	case c.options.KeepForeign && !c.wasKept(info):
		return fmt.Errorf("%s exists and belongs to no Helm release, and disableTakeOwnership is set", name(info))
	default:
		return nil
	}
}

// post creates an object that is not part of the release, the way Helm does.
func (c *Client) post(info *resource.Info) error {
	ctx, cancel := c.request()
	defer cancel()
	client, err := c.identity.REST(info.Mapping.GroupVersionKind.GroupVersion())
	if err != nil {
		return err
	}

	result := client.Post().
		NamespaceIfScoped(info.Namespace, info.Namespaced()).Resource(info.Mapping.Resource.Resource).
		VersionedParams(&metav1.CreateOptions{FieldManager: FieldManager}, metav1.ParameterCodec).
		Body(info.Object).Do(ctx)
	answer, err := result.Get()
	if apierrors.IsAlreadyExists(err) {
		return err // Helm looks for this one, for the namespace
	}
	if err != nil {
		return fmt.Errorf("creating %s: %w", name(info), reworded(info, err))
	}

	if made, ok := answer.(*unstructured.Unstructured); ok {
		c.compareAnswer(info, info.Object, made)
		c.noteWarnings(info, result.Warnings(), made)
	}

	return info.Refresh(answer, true)
}

// live reads an object.
func (c *Client) live(info *resource.Info) (*unstructured.Unstructured, error) {
	ctx, cancel := c.request()
	defer cancel()
	requests, err := c.requests(info)
	if err != nil {
		return nil, err
	}

	live, err := requests.Get(ctx)
	if err == nil {
		c.noteSecret(live)
	}

	return live, err
}

// cloneMetadata copies an object as far as its metadata.
func cloneMetadata(object map[string]any) map[string]any {
	out := maps.Clone(object)
	if metadata, ok := object["metadata"].(map[string]any); ok {
		out["metadata"] = maps.Clone(metadata)
	}
	return out
}
