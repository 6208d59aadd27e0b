package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/kustomize/sops"
	"fairlead.dev/fairlead/helmops/process/worker"
)

// jobName is the name of the job that builds.
const jobName = "kustomization"

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
	// LeaveEncrypted takes encrypted files as they are, instead of refusing them. It is for comparing only: the objects
	// must not be applied.
	LeaveEncrypted bool `json:"leaveEncrypted,omitempty"`
}

// Response is what comes of a build.
type Response struct {
	Objects []Object
	// Opened are the values that were decrypted, also when the build failed. They are secret.
	Opened []string
}

// Build builds in this process, as the function Build does, and decrypts with the keys of the request.
func (r Request) Build(ctx context.Context, tree *Tree, working func(file string)) (Response, error) {
	var out Response
	var mu sync.Mutex
	options := Options{
		Path: r.Path, Overlay: r.Overlay, Owner: r.Owner, Variables: r.Variables, Working: working,
		LeaveEncrypted: r.LeaveEncrypted,
	}
	if r.Decrypt {
		keys, err := sops.NewKeys(r.Keys, func(value string) {
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
	// Opened are bytes: JSON would change what is not UTF-8, and nothing would mask it.
	Opened  [][]byte   `json:"opened,omitempty"`
	Failure *sentError `json:"failure,omitempty"`
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
	Final  bool   `json:"final,omitempty"`
}

// Jobs are those of this package, for the processes of a pool.
func Jobs() worker.Jobs { return worker.Jobs{jobName: job} }

// job builds what an encoded Request asks for. The host answers for the tree. A build that fails has an output, too.
func job(ctx context.Context, input []byte, host worker.Host) ([]byte, error) {
	var r Request
	if err := json.Unmarshal(input, &r); err != nil {
		return nil, errors.New("the request of a build cannot be read")
	}
	tree := remoteTree(func(question []byte) ([]byte, error) { return host(ctx, question) })
	response, err := r.Build(ctx, tree, func(file string) { worker.WorkingOn(ctx, file) })
	return encodeAnswer(response, err)
}

func encodeAnswer(r Response, failure error) ([]byte, error) {
	var out answer
	for _, value := range r.Opened {
		out.Opened = append(out.Opened, []byte(value))
	}

	for _, o := range r.Objects {
		text, err := o.MarshalJSON()
		if err != nil {
			return nil, fmt.Errorf("%s cannot be written as JSON", nameOf(o.Unstructured))
		}

		out.Objects = append(out.Objects, sentObject{Origin: o.Origin, Object: text})
	}

	var known *Error
	var panicked *worker.PanicError
	switch {
	case errors.As(failure, &panicked):
		return nil, panicked // the parent counts it
	case errors.As(failure, &known):
		out.Failure = &sentError{
			Reason: known.reason, Path: known.Path, Line: known.Line, Text: known.err.Error(), Final: known.final,
		}
	case failure != nil:
		return nil, failure
	}

	return json.Marshal(out)
}

func decodeAnswer(output []byte) (Response, error) {
	var sent answer
	if err := json.Unmarshal(output, &sent); err != nil {
		return Response{}, errors.New("the answer of a build cannot be read")
	}

	var r Response
	for _, value := range sent.Opened {
		r.Opened = append(r.Opened, string(value))
	}
	if f := sent.Failure; f != nil {
		return r, &Error{reason: f.Reason, Path: f.Path, Line: f.Line, err: errors.New(f.Text), final: f.Final}
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

// Runner runs jobs in processes without network, files and rights.
type Runner interface {
	Run(ctx context.Context, task worker.Task) ([]byte, error)
}

// Builder builds in processes of their own, which are bounded. Their jobs are those of Jobs.
type Builder struct{ Runner Runner }

// Build makes the objects that a request asks for of the files. The process takes the share of the namespace. The error
// is an *Error, or that of ctx; the response has the values that were decrypted in any case.
func (b Builder) Build(ctx context.Context, namespace string, tree *Tree, r Request) (Response, error) {
	input, err := json.Marshal(r)
	if err != nil {
		return Response{}, fmt.Errorf("writing the request of a build: %w", err)
	}

	host := func(_ context.Context, question []byte) ([]byte, error) { return tree.Answer(question) }
	output, err := b.Runner.Run(ctx, worker.Task{Job: jobName, Namespace: namespace, Input: input, Host: host})
	if err != nil {
		return Response{}, ended(ctx, r.Path, err)
	}

	return decodeAnswer(output)
}

// ended words why a process has not built.
func ended(ctx context.Context, path string, err error) error {
	var limit *worker.LimitError
	var panicked *worker.PanicError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("building the objects: %w", ctx.Err())
	case errors.As(err, &limit):
		at := limit.File
		if at == "" {
			at = path
		}

		return &Error{
			reason: v1beta1.RenderingLimitExceededReason, Path: at, final: limit.Repeats(),
			err: fmt.Errorf("the build exceeds its bound of %s, %s", limit.Limit, limit.Bound),
		}
	case errors.As(err, &panicked):
		return &Error{reason: panicked.Reason(), Path: path, err: panicked}
	default:
		return broken(path, "building the objects: %w", err)
	}
}
