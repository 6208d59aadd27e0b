package kubeclient

import (
	"encoding/json"
	"fmt"
	"slices"

	"helm.sh/helm/v3/pkg/kube"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
	"k8s.io/cli-runtime/pkg/resource"
	"k8s.io/client-go/util/csaupgrade"
	"k8s.io/client-go/util/retry"

	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// formerManagers wrote the objects of a release before: the helm command, which does not apply, and Flux.
var formerManagers = sets.New(FieldManager, "helm-controller")

// takeFields makes the fields ours that Helm clients own in another way, so that a field which leaves the chart leaves
// the object too. original is the object in the revision before, nil when it was not there.
func (c *Client) takeFields(info, original *resource.Info) error {
	return retry.RetryOnConflict(whileItMoves, func() error {
		live, err := c.live(info)
		if apierrors.IsNotFound(err) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("reading %s: %w", name(info), err)
		}
		if !slices.ContainsFunc(live.GetManagedFields(), isFormer) {
			return nil
		}

		patch, err := fieldsPatch(live, c.meant(info, original))
		if err != nil {
			return fmt.Errorf("taking over the fields of %s: %w", name(info), err)
		}

		err = c.claimFields(info, patch, "")
		if err != nil && !apierrors.IsConflict(err) {
			return fmt.Errorf("taking over the fields of %s: %w", name(info), reworded(info, err))
		}

		return err
	})
}

// meant returns which fields the revision before had in its manifest, as ours; nil when that is not known. A client
// that does not apply owns more than it sent: what admission added to its request, too. That must not go with the first
// apply.
func (c *Client) meant(info, original *resource.Info) *metav1.ManagedFieldsEntry {
	if original == nil {
		return nil
	}

	former, ok := original.Object.(*unstructured.Unstructured)
	if !ok {
		return nil
	}

	body, err := ssa.ApplyBody(former)
	if err != nil {
		return nil
	}

	ctx, cancel := c.request()
	defer cancel()
	requests, err := c.requests(info)
	if err != nil {
		return nil
	}

	would, err := requests.Patch(ctx, types.ApplyPatchType, body, true)
	if err != nil {
		return nil
	}

	for _, entry := range would.Object.GetManagedFields() {
		if entry.Manager == FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == "" {
			return &entry
		}
	}

	return nil
}

// fieldsPatch is the JSON patch that puts our entry in the place of those of former managers: the fields that were
// meant, or all of theirs when that is not known. It fails with a conflict when the object has changed since it was
// read.
func fieldsPatch(live *unstructured.Unstructured, meant *metav1.ManagedFieldsEntry) ([]byte, error) {
	var fields []metav1.ManagedFieldsEntry
	if meant != nil {
		fields = append(fields, *meant)
	}

	for _, entry := range live.GetManagedFields() {
		own := entry.Manager == FieldManager && entry.Operation == metav1.ManagedFieldsOperationApply &&
			entry.Subresource == ""
		switch {
		case meant != nil && (own || isFormer(entry) && entry.Operation == metav1.ManagedFieldsOperationUpdate):
			continue
		case isFormer(entry):
			entry.Operation = metav1.ManagedFieldsOperationUpdate // Flux applies; only what was updated is merged
		}

		fields = append(fields, entry)
	}

	live = live.DeepCopy()
	live.SetManagedFields(fields)
	if err := csaupgrade.UpgradeManagedFields(live, formerManagers, FieldManager); err != nil {
		return nil, err
	}

	type operation struct {
		Op    string `json:"op"`
		Path  string `json:"path"`
		Value any    `json:"value"`
	}
	return json.Marshal([]operation{
		{Op: "replace", Path: "/metadata/managedFields", Value: live.GetManagedFields()},
		{Op: "replace", Path: "/metadata/resourceVersion", Value: live.GetResourceVersion()},
	})
}

func isFormer(entry metav1.ManagedFieldsEntry) bool {
	if entry.Subresource != "" || !formerManagers.Has(entry.Manager) {
		return false
	}
	return entry.Operation == metav1.ManagedFieldsOperationUpdate || entry.Manager != FieldManager
}

// fallback writes an object in Helm's own way when it cannot be applied.
func (c *Client) fallback(info, original *resource.Info, cause error) (created bool, err error) {
	if ssa.IsApplyOnly(cause) {
		return c.byHelm(info, original, false)
	}
	return false, fmt.Errorf("applying %s: %w", name(info), reworded(info, cause))
}

// byHelm writes one object with Helm's own client: created, replaced with force, or patched by a comparison of three.
func (c *Client) byHelm(info, original *resource.Info, force bool) (created bool, err error) {
	client, err := c.identity.REST(info.Mapping.GroupVersionKind.GroupVersion())
	if err != nil {
		return false, err
	}

	wanted := info.Object
	direct := *info
	listens := &listening{Interface: client}
	direct.Client = listens
	former := kube.ResourceList{}
	if original != nil {
		was := *original
		was.Client = client
		former = append(former, &was)
	}

	result, err := c.Client.Update(former, kube.ResourceList{&direct}, force)
	if err != nil {
		return false, fmt.Errorf("writing %s: %w", name(info), reworded(info, err))
	}

	if answer, ok := direct.Object.(*unstructured.Unstructured); ok {
		answer, lacks, err := c.complete(info, wanted, answer)
		if err == nil && c.options.ClientSide {
			answer, err = c.asUpdates(info, answer)
		}
		if err != nil {
			return false, fmt.Errorf("writing %s: %w", name(info), reworded(info, err))
		}

		direct.Object = answer
		c.noteWarnings(info, listens.heard(), answer)
		c.tracker.Wrote(kindOf(info.Mapping), answer, 0)
		c.mark(info, answer)
		c.noteDropped(info, lacks)
		if len(lacks) > 0 {
			c.markAs(info, "") // the next look for drift reports what it lacks
		}
	}

	return len(result.Created) > 0, info.Refresh(direct.Object, true)
}
