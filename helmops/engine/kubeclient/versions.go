package kubeclient

import (
	"context"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/resource"

	"fairlead.dev/fairlead/helmops/kube/ssa"
)

// requests are those about one object, as this field manager.
func (c *Client) requests(info *resource.Info) (ssa.Requests, error) {
	client, err := c.identity.REST(info.Mapping.GroupVersionKind.GroupVersion())
	if err != nil {
		return ssa.Requests{}, err
	}
	return ssa.Requests{
		Client: client, Resource: info.Mapping.Resource.Resource,
		Namespaced: info.Namespaced(), Namespace: info.Namespace, Name: info.Name,
		Manager: FieldManager,
	}, nil
}

// writer applies one object.
func (c *Client) writer(info *resource.Info) ssa.Writer {
	return ssa.Writer{
		Name: name(info), Version: info.Mapping.GroupVersionKind.Version, Manager: FieldManager,
		Send: func(kind types.PatchType, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
			return c.send(info, kind, body, dryRun)
		},
		Live:   func() (*unstructured.Unstructured, error) { return c.live(info) },
		Claim:  func(patch []byte) error { return c.claimFields(info, patch, FieldManager) },
		Reword: func(err error) error { return reworded(info, err) },
	}
}

// patch applies an object, or asks what would become of it.
func (c *Client) patch(info *resource.Info, body []byte, dryRun bool) (*unstructured.Unstructured, error) {
	return c.writer(info).Apply(body, dryRun)
}

// claimFields changes who owns fields of an object, with one request.
func (c *Client) claimFields(info *resource.Info, patch []byte, manager string) error {
	ctx, cancel := c.request()
	defer cancel()
	requests, err := c.requests(info)
	if err != nil {
		return err
	}
	requests.Manager = manager
	return requests.Claim(ctx, patch)
}

// send sends a patch, again while the API server does not answer.
func (c *Client) send(
	info *resource.Info, kind types.PatchType, body []byte, dryRun bool,
) (*unstructured.Unstructured, error) {
	requests, err := c.requests(info)
	if err != nil {
		return nil, err
	}

	var answer ssa.Answer
	err = c.persist(func(ctx context.Context) error {
		answer, err = requests.Patch(ctx, kind, body, dryRun)
		return err
	})
	if err != nil {
		return nil, err
	}
	if !dryRun {
		c.noteWarnings(info, answer.Warnings, answer.Object)
	}

	return answer.Object, nil
}
