package ssa

import (
	"context"
	"errors"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/client-go/rest"
)

// Requests sends requests about one object. Each method sends exactly one.
type Requests struct {
	// Client is that of the group and version of the object.
	Client rest.Interface
	// Resource is the plural name of the kind.
	Resource string
	// Namespaced reports whether the kind has a namespace; Namespace is ignored otherwise.
	Namespaced      bool
	Namespace, Name string
	// Manager is the field manager; empty for the one that the API server derives from the name of the client.
	Manager string
	// Strict has the API server refuse fields that the kind does not have, instead of dropping them.
	Strict bool
}

// Answer is the object as the API server has it after a request.
type Answer struct {
	Object   *unstructured.Unstructured
	Warnings []utilnet.WarningHeader
}

// Get reads the object. When there is none, the error is that of the API server.
func (r Requests) Get(ctx context.Context) (*unstructured.Unstructured, error) {
	answer, err := decoded(r.at(r.Client.Get()).Name(r.Name).Do(ctx))
	return answer.Object, err
}

// Create creates the object, or asks what would be created.
func (r Requests) Create(ctx context.Context, body []byte, dryRun bool) (Answer, error) {
	return decoded(r.written(r.Client.Post(), dryRun).Body(body).Do(ctx))
}

// Patch patches the object, or asks what would become of it. Only an apply takes fields over from other managers.
func (r Requests) Patch(ctx context.Context, kind types.PatchType, body []byte, dryRun bool) (Answer, error) {
	request := r.written(r.Client.Patch(kind).Name(r.Name), dryRun)
	if kind == types.ApplyPatchType {
		request.Param("force", "true")
	}
	return decoded(request.Body(body).Do(ctx))
}

// Claim changes who owns fields of the object, with a JSON patch. The answer is not read.
func (r Requests) Claim(ctx context.Context, patch []byte) error {
	return r.written(r.Client.Patch(types.JSONPatchType).Name(r.Name), false).Body(patch).Do(ctx).Error()
}

// Delete deletes the object.
func (r Requests) Delete(ctx context.Context, options metav1.DeleteOptions) error {
	return r.at(r.Client.Delete()).Name(r.Name).Body(&options).Do(ctx).Error()
}

func (r Requests) at(request *rest.Request) *rest.Request {
	return request.NamespaceIfScoped(r.Namespace, r.Namespaced).Resource(r.Resource)
}

func (r Requests) written(request *rest.Request, dryRun bool) *rest.Request {
	r.at(request)
	if r.Manager != "" {
		request.Param("fieldManager", r.Manager)
	}
	if r.Strict {
		request.Param("fieldValidation", metav1.FieldValidationStrict)
	}
	if dryRun {
		request.Param("dryRun", metav1.DryRunAll)
	}

	return request
}

// decoded keeps whole numbers whole, which the plain JSON decoder does not, and what the API server says when it
// refuses, which Raw alone does not.
func decoded(result rest.Result) (Answer, error) {
	if err := result.Error(); err != nil {
		return Answer{}, err
	}

	raw, err := result.Raw()
	if err != nil {
		return Answer{}, err
	}

	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(raw); err != nil {
		return Answer{}, errors.New("the API server's answer is not an object")
	}

	return Answer{Object: out, Warnings: result.Warnings()}, nil
}
