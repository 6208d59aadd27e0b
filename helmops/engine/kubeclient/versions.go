package kubeclient

import (
	"context"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/payload"
)

// patch applies an object, or asks what would become of it. One whose owners of fields have them in a version that
// cannot express the object is applied after these entries were restated in the version of the manifest; the trial
// of such a one is that of a merge.
func (c *Client) patch(info *resource.Info, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	answer, err := c.send(info, types.ApplyPatchType, body, dryRun)
	switch {
	case !payload.Unconvertible(err):
		return answer, err
	case dryRun:
		return c.send(info, types.MergePatchType, body, true)
	}
	if err := c.restate(info); err != nil {
		return nil, err
	}
	return c.send(info, types.ApplyPatchType, body, false)
}

// restate has all who own fields of an object own them in the version of the manifest.
func (c *Client) restate(info *resource.Info) error {
	live, err := c.live(info)
	if err != nil {
		return fmt.Errorf("reading %s: %w", name(info), err)
	}
	patch, err := payload.Restated(live)
	if err == nil && patch != nil {
		_, err = c.send(info, types.JSONPatchType, patch, false)
	}
	if err != nil {
		return fmt.Errorf("bringing the owners of the fields of %s to version %s: %w",
			name(info), info.Mapping.GroupVersionKind.Version, reworded(info, err))
	}
	return nil
}

// send sends a patch. Only an apply may take fields over from others.
func (c *Client) send(
	info *resource.Info, kind types.PatchType, body []byte, dryRun bool,
) (*unstructured.Unstructured, error) {
	client, err := c.identity.REST(info.Mapping.GroupVersionKind.GroupVersion())
	if err != nil {
		return nil, err
	}
	var answer []byte
	var warnings []utilnet.WarningHeader
	err = c.persist(func(ctx context.Context) error {
		request := client.Patch(kind).
			NamespaceIfScoped(info.Namespace, info.Namespaced()).Resource(info.Mapping.Resource.Resource).Name(info.Name).
			Param("fieldManager", FieldManager).Body(body)
		if kind == types.ApplyPatchType {
			request.Param("force", "true")
		}
		if dryRun {
			request.Param("dryRun", metav1.DryRunAll)
		}
		result := request.Do(ctx)
		warnings = result.Warnings()
		answer, err = raw(result)
		return err
	})
	if err != nil {
		return nil, err
	}
	object, err := decoded(answer)
	if err == nil && !dryRun {
		c.noteWarnings(info, warnings, object)
	}
	return object, err
}
