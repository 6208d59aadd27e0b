package manifests

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/manifests/decryption"
)

// JobName is the name of Job.
const JobName = "kustomization"

// Request is all that a build is made of, but for the files. It can be sent to another process.
type Request struct {
	// Path of the directory, the root when empty.
	Path string `json:"path,omitempty"`
	// Overlay is changed in the objects.
	Overlay v1beta1.Overlay `json:"overlay"`
	// Owner is the Kustomization, whose labels the objects get; none when empty.
	Owner types.NamespacedName `json:"owner"`
	// Variables of Overlay.PostBuild, and of what it refers to.
	Variables map[string]string `json:"variables,omitempty"`
	// Decrypt decrypts files with Keys, the content of a Secret; otherwise encrypted files are refused.
	Decrypt bool              `json:"decrypt,omitempty"`
	Keys    map[string][]byte `json:"keys,omitempty"`
}

// Response is what comes of a build.
type Response struct {
	Objects []Object
	// Opened are the values that were decrypted, also when the build failed. They are secret.
	Opened []string
}

// Do builds in this process, as Build does, and decrypts with the keys of the request.
func (r Request) Do(ctx context.Context, tree *Tree, working func(file string)) (Response, error) {
	var out Response
	var mu sync.Mutex
	options := Options{Path: r.Path, Overlay: r.Overlay, Owner: r.Owner, Variables: r.Variables, Working: working}
	if r.Decrypt {
		keys, err := decryption.NewKeys(r.Keys, func(value string) {
			mu.Lock()
			defer mu.Unlock()
			out.Opened = append(out.Opened, value)
		})
		if err != nil {
			return Response{}, undecrypted("", "%w", err)
		}
		options.Decrypt = keys
	}
	var err error
	out.Objects, err = Build(ctx, tree, options)
	return out, err
}

// answer is a response as it is sent.
type answer struct {
	Objects []sentObject `json:"objects,omitempty"`
	Opened  []string     `json:"opened,omitempty"`
	Failure *sentError   `json:"failure,omitempty"`
}

type sentObject struct {
	Origin string          `json:"origin,omitempty"`
	Object json.RawMessage `json:"object"`
}

type sentError struct {
	Reason string `json:"reason"`
	Path   string `json:"path,omitempty"`
	Line   int    `json:"line,omitempty"`
	Text   string `json:"text"`
}

// Job builds what an encoded Request asks for. Files come from the Answer of a tree behind ask; working is called with the name of each. A
// build that fails has an output, too: the error is about what is none of its business.
func Job(
	ctx context.Context, input []byte, ask func(ctx context.Context, question []byte) ([]byte, error), working func(file string),
) ([]byte, error) {
	var r Request
	if err := json.Unmarshal(input, &r); err != nil {
		return nil, errors.New("the request of a build cannot be read")
	}
	tree := Remote(func(question []byte) ([]byte, error) { return ask(ctx, question) })
	response, err := r.Do(ctx, tree, working)
	if tree.failure != nil {
		return nil, tree.failure
	}
	return encode(response, err)
}

func encode(r Response, failure error) ([]byte, error) {
	out := answer{Opened: r.Opened}
	for _, o := range r.Objects {
		text, err := o.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("%s cannot be written as JSON", nameOf(o.Unstructured))
		}
		out.Objects = append(out.Objects, sentObject{Origin: o.Origin, Object: text})
	}
	var known *Error
	switch {
	case errors.As(failure, &known):
		out.Failure = &sentError{Reason: known.reason, Path: known.Path, Line: known.Line, Text: known.err.Error()}
	case failure != nil:
		return nil, failure
	}
	return json.Marshal(out)
}

func decode2(output []byte) (Response, error) {
	var sent answer
	if err := json.Unmarshal(output, &sent); err != nil {
		return Response{}, errors.New("the answer of a build cannot be read")
	}
	r := Response{Opened: sent.Opened}
	if f := sent.Failure; f != nil {
		return r, &Error{reason: f.Reason, Path: f.Path, Line: f.Line, err: errors.New(f.Text)}
	}
	for _, o := range sent.Objects {
		object := &unstructured.Unstructured{}
		if err := object.UnmarshalJSON(o.Object); err != nil {
			return Response{}, errors.New("an object of a build cannot be read")
		}
		r.Objects = append(r.Objects, Object{object, o.Origin})
	}
	return r, nil
}
