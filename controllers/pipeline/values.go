package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/kustomize/build"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/helmops/values"
	"fairlead.dev/fairlead/sources"
)

// readAgain is when a file that could not be read is read again.
const readAgain = time.Minute

// Files are the artifacts of sources.
type Files interface {
	// Artifact returns what a source has now, without waiting; see catalog.Catalog.
	Artifact(ctx context.Context, choice catalog.ChartRef) (v1beta1.Artifact, error)
	// OpenArtifact waits for an archive that Artifact returned; see catalog.Catalog.
	OpenArtifact(ctx context.Context, choice catalog.ChartRef, want v1beta1.Artifact) (io.ReadCloser, error)
}

// sharedFiles are the files of shared values of all pipelines. Each is read once for each artifact, outside of the
// workers.
type sharedFiles struct {
	files Files
	tasks *loop.Tasks[sharedFile]
	now   func() time.Time

	mu    sync.Mutex
	known map[types.NamespacedName]sharedFile
}

// sharedFile is what a file of one artifact says. The zero value is that of a pipeline without shared values.
type sharedFile struct {
	from fileID
	// digest is that of the values in canonical form: comments and the order of keys make no other values.
	digest  string
	content []byte
	err     error
	// again is when it is read again after a failure of the source; zero for a file that stays as it is.
	again time.Time
}

// fileID names a file in an artifact.
type fileID struct {
	choice         catalog.ChartRef
	path, artifact string
}

// readingError says that a file is being read; the pipeline is reconciled when it was.
type readingError struct{ file string }

// Error implements error.
func (e *readingError) Error() string { return e.file + " is being read" }

// isPending reports whether the candidate of the subject is only not known yet.
func isPending(err error) bool {
	var reading *readingError
	return catalog.IsPending(err) || errors.As(err, &reading)
}

func newSharedFiles(
	ctx context.Context, files Files, wake func(types.NamespacedName), now func() time.Time,
) *sharedFiles {
	return &sharedFiles{
		files: files, now: now, known: map[types.NamespacedName]sharedFile{},
		tasks: loop.NewTasks[sharedFile](ctx, wake, now).Within(fair.New(copiesAtOnce, copiesPerNamespace)),
	}
}

// valuesChoice is the source of the shared values of a pipeline; the zero value for none.
func valuesChoice(p *v1beta1.ReleasePipeline) catalog.ChartRef {
	v := p.Spec.Subject.Values
	if v == nil {
		return catalog.ChartRef{}
	}
	return catalog.ChartRef{Kind: v.SourceRef.Kind, Namespace: p.Namespace, Name: v.SourceRef.Name}
}

// of returns the shared values that a pipeline has now. It never waits: the error is a readingError while the file is
// read, and says otherwise why there are none.
func (f *sharedFiles) of(ctx context.Context, p *v1beta1.ReleasePipeline) (sharedFile, error) {
	if p.Spec.Subject.Values == nil {
		f.forget(client.ObjectKeyFromObject(p))
		return sharedFile{}, nil
	}

	choice := valuesChoice(p)
	path := p.Spec.Subject.Values.Path
	name := fmt.Sprintf("spec.subject.values: file %s of %s %s/%s", path, choice.Kind, choice.Namespace, choice.Name)
	artifact, err := f.files.Artifact(ctx, choice)
	if err != nil {
		return sharedFile{}, fmt.Errorf("%s: %w", name, err)
	}

	id := fileID{choice: choice, path: path, artifact: artifact.Digest}
	key := client.ObjectKeyFromObject(p)
	known := f.take(key)
	if known.from == id && (known.again.IsZero() || f.now().Before(known.again)) {
		return known, known.err
	}

	f.tasks.Start(key, func(ctx context.Context) sharedFile { return f.read(ctx, id, name, artifact) },
		func(err error) sharedFile { return f.failed(id, name, err) })
	return sharedFile{}, &readingError{name}
}

// take returns what was read last for a pipeline.
func (f *sharedFiles) take(key types.NamespacedName) sharedFile {
	f.mu.Lock()
	defer f.mu.Unlock()
	if came, ok := f.tasks.Take(key); ok {
		f.known[key] = came
	}
	return f.known[key]
}

// again is when the file of a pipeline is read again; zero for not without an event.
func (f *sharedFiles) again(key types.NamespacedName) time.Time {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.known[key].again
}

// read reads a file. No error quotes its content.
func (f *sharedFiles) read(ctx context.Context, id fileID, name string, artifact v1beta1.Artifact) sharedFile {
	archive, err := f.files.OpenArtifact(ctx, id.choice, artifact)
	if err != nil {
		return f.failed(id, name, err)
	}

	content, err := build.ReadFile(archive, id.path, v1beta1.MaxSharedValues)
	if closing := archive.Close(); err == nil && closing != nil {
		return f.failed(id, name, closing)
	}
	if err != nil {
		return refusedFile(id, name, err)
	}

	digest, err := valuesDigest(content)
	if err != nil {
		return refusedFile(id, name, err)
	}

	return sharedFile{from: id, digest: digest, content: content}
}

// failed is a file that could not be read, which says nothing about the file.
func (f *sharedFiles) failed(id fileID, name string, err error) sharedFile {
	return sharedFile{from: id, err: fmt.Errorf("%s: %w", name, err), again: f.now().Add(readAgain)}
}

// refusedFile is a file that cannot be used until it changes.
func refusedFile(id fileID, name string, err error) sharedFile {
	return sharedFile{from: id, err: sources.Stall(v1beta1.ValuesErrorReason, nil,
		"%s: %s; there is no new candidate until the source changes, and the stages keep what they have", name, err)}
}

// valuesDigest is the digest of a document with values. The error quotes nothing of it.
func valuesDigest(content []byte) (string, error) {
	if !utf8.Valid(content) {
		return "", errors.New("the file is binary; values are UTF-8 text")
	}
	parsed, err := values.Merge(values.Layer{Origin: "the file", Data: content})
	if err != nil {
		return "", fmt.Errorf("reading the values: %w", err)
	}
	return values.Digest(parsed), nil
}

// forget drops what is known for a pipeline that is gone, or has no shared values.
func (f *sharedFiles) forget(key types.NamespacedName) {
	f.mu.Lock()
	defer f.mu.Unlock()
	delete(f.known, key)
	f.tasks.Take(key)
}
