package catalog

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"unicode/utf8"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/helmops/values"
	"fairlead.dev/fairlead/sources"
	"fairlead.dev/fairlead/sources/git"
	"fairlead.dev/fairlead/sources/store"
)

// maxValuesFiles is how many files one entry of spec.valuesFrom may match. All of them together may have
// values.MaxSize bytes, as all values of a release.
const maxValuesFiles = 50

// ValuesFiles are the files of a source that a path or pattern matches.
type ValuesFiles struct {
	// Revision of the source in which the files were seen, main@sha1:… for example. The same files may be in later ones.
	Revision string
	// Files in lexical order of their paths.
	Files []ValuesFile
}

// ValuesFile is a file with values. Its content is UTF-8 text, and is not encrypted.
type ValuesFile struct {
	Path string `json:"path"`
	Data []byte `json:"data"`
}

// ChoiceOfValues returns what an entry of spec.valuesFrom asks of a source; the zero value for a ConfigMap or Secret.
func ChoiceOfValues(hr *v1beta1.HelmRelease, reference v1beta1.ValuesReference) ChartRef {
	if !reference.IsSource() {
		return ChartRef{}
	}
	return ChartRef{
		Kind: reference.Kind, Namespace: cmp.Or(reference.Namespace, hr.Namespace), Name: reference.Name,
		files: reference.Path,
	}
}

// ChoicesOfValues returns what spec.valuesFrom asks of sources, in its order.
func ChoicesOfValues(hr *v1beta1.HelmRelease) []ChartRef {
	var choices []ChartRef
	for _, reference := range hr.Spec.ValuesFrom {
		if reference.IsSource() {
			choices = append(choices, ChoiceOfValues(hr, reference))
		}
	}
	return choices
}

// ofValues are the choices of values files.
func ofValues(choices []ChartRef) []ChartRef {
	return slices.DeleteFunc(slices.Clone(choices), func(choice ChartRef) bool { return choice.files == "" })
}

// Values returns the values files that a choice stands for now. It never waits: for files that are still being looked
// for the error IsPending, and the subscribers are notified when there are some. Other errors say why there are none;
// they have the methods Reason and Retryable. IsAbsent says of them whether the source or the files do not exist.
func (c *Catalog) Values(ctx context.Context, choice ChartRef) (ValuesFiles, error) {
	source, err := c.valuesSource(ctx, choice)
	if err != nil {
		return ValuesFiles{}, err
	}

	found, ok := c.pick(ctx, choice, source)
	switch {
	case ok && found.err != nil:
		return ValuesFiles{}, found.err
	case ok && found.Archive != "":
		return c.openValues(choice, source, found)
	}

	return ValuesFiles{}, c.unknown(choice, source)
}

// valuesSource reads the source of a choice of values files.
func (c *Catalog) valuesSource(ctx context.Context, choice ChartRef) (v1beta1.Source, error) {
	source, err := c.source(ctx, choice)
	if sources.Reason(err) == v1beta1.SourceNotFoundReason {
		return nil, &absentError{err}
	}
	return source, err
}

// IsAbsent reports whether an error of Values means that the source does not exist, or that no file matches.
func IsAbsent(err error) bool {
	var absent *absentError
	return errors.As(err, &absent)
}

// absentError says that a source does not exist, or has no file that matches.
type absentError struct{ error }

// Unwrap returns what has the reason.
func (e *absentError) Unwrap() error { return e.error }

// openValues reads the files of an answer.
func (c *Catalog) openValues(choice ChartRef, source v1beta1.Source, found resolved) (ValuesFiles, error) {
	kept, err := c.View(source).Open(found.Archive)
	if store.IsMissing(err) {
		return ValuesFiles{}, c.lost(choice)
	}
	if err != nil {
		return ValuesFiles{}, fmt.Errorf("%s: %w", choice, err)
	}

	defer kept.Close()
	out := ValuesFiles{Revision: found.Origin}
	if err := json.NewDecoder(kept).Decode(&out.Files); err != nil {
		return ValuesFiles{}, sources.Fail(v1beta1.StorageFailedReason, err, "reading %s from the artifact cache", choice)
	}

	return out, nil
}

// lost has the source of a choice polled again, because the cache no longer has what the last poll found for it.
func (c *Catalog) lost(choice ChartRef) error {
	c.mu.Lock()
	if s := c.shelves[choice.Source()]; s != nil {
		delete(s.Picks, choice.String())
	}
	c.awaited[choice] = true
	c.mu.Unlock()

	c.wake(choice)
	return &pending{what: "reading " + choice.String() + " again, because the cache has lost them"}
}

// pickFiles keeps the values files of an archive, unless that was done for the same archive before. Files that are gone
// are not replaced by former ones: the release says so, and stays as it is.
func (c *Catalog) pickFiles(
	ctx context.Context, view store.View, found Polled, choice ChartRef, before *sourceCache,
) resolved {
	if found.Chart != nil {
		return resolved{err: unavailable(v1beta1.InvalidContentReason,
			"%s holds the helm chart %s and no values files", choice.Source(), found.Chart.Name)}
	}

	had := before.Picks[choice.String()]
	if before.Digest == found.Artifact.Digest && (isOfContent(had.err) || had.Archive != "" && view.Has(had.Archive)) {
		return had
	}

	files, err := c.readValues(view, &found.Artifact, choice)
	if err != nil {
		return resolved{err: fmt.Errorf("%s: %w; the controller looks again when its artifact changes", choice.Source(), err)}
	}

	digest, size, err := view.Put(ctx, "", func(w io.Writer) error { return json.NewEncoder(w).Encode(files) })
	if err != nil {
		return resolved{err: err}
	}

	return resolved{
		Revision: v1beta1.ChartRevision{Name: choice.files, Digest: digest}, Archive: digest, Size: size,
		Origin: found.Artifact.Revision,
	}
}

// isOfContent reports whether an error is about the files of an archive or the pattern, so that it stays as it is.
func isOfContent(err error) bool {
	switch sources.Reason(err) {
	case v1beta1.NotFoundReason, v1beta1.InvalidContentReason, v1beta1.InvalidReferenceReason, v1beta1.UnsupportedReason:
		return true
	default:
		return false
	}
}

// readValues reads the values files in an archive.
func (c *Catalog) readValues(view store.View, tree *v1beta1.Artifact, choice ChartRef) ([]ValuesFile, error) {
	archive, err := view.Open(tree.Digest)
	if store.IsMissing(err) {
		c.wake(choice)
		return nil, &pending{what: "fetching " + choice.Source().String() + " again, because the cache has lost it"}
	}
	if err != nil {
		return nil, err
	}

	defer archive.Close()
	found, err := git.ReadFiles(archive, choice.files, git.FileLimits{Files: maxValuesFiles, Bytes: values.MaxSize})
	if sources.Reason(err) == v1beta1.NotFoundReason {
		return nil, &absentError{err}
	}
	if err != nil {
		return nil, err
	}

	files := make([]ValuesFile, 0, len(found))
	for _, file := range found {
		if err := checkValues(file); err != nil {
			return nil, err
		}
		files = append(files, ValuesFile{Path: file.Path, Data: file.Content})
	}

	return files, nil
}

// sopsKey finds the metadata that SOPS adds to a file, and sopsValue is how each encrypted value begins, the checksum
// in the metadata among them.
var (
	sopsKey   = regexp.MustCompile(`(?m)^\s*"?sops"?\s*:`)
	sopsValue = []byte("ENC[AES256_GCM,")
)

// checkValues refuses files that hold no values in plain text.
func checkValues(file git.File) error {
	switch {
	case !utf8.Valid(file.Content):
		return unavailable(v1beta1.InvalidContentReason, "%s is binary; values are UTF-8 text", file.Path)
	case bytes.Contains(file.Content, sopsValue) && sopsKey.Match(file.Content):
		return unavailable(v1beta1.UnsupportedReason, "%s is encrypted with SOPS, which values of sources do not support; "+
			"let a Kustomization decrypt it into a Secret, and name the Secret in spec.valuesFrom", file.Path)
	}
	return nil
}

// indexValues makes releases findable by the values files that they ask for, and by the sources of these.
func indexValues(ctx context.Context, indexer client.FieldIndexer, ownNamespace bool) error {
	return indexer.IndexField(ctx, &v1beta1.HelmRelease{}, valuesIndex, func(o client.Object) []string {
		var keys []string
		for _, choice := range ChoicesOfValues(o.(*v1beta1.HelmRelease)) {
			if !ownNamespace || choice.Namespace == o.GetNamespace() {
				keys = append(keys, choice.String(), choice.Source().String())
			}
		}
		return keys
	})
}

// valuesAsked lists the values files that releases ask a source for.
func valuesAsked(ctx context.Context, reader client.Reader, source ChartRef) ([]ChartRef, error) {
	releases := &v1beta1.HelmReleaseList{}
	match := client.MatchingFields{valuesIndex: source.String()}
	if err := reader.List(ctx, releases, match, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("listing the releases with values of %s: %w", source, err)
	}

	var choices []ChartRef
	for i := range releases.Items {
		for _, choice := range ChoicesOfValues(&releases.Items[i]) {
			if choice.Source() == source {
				choices = append(choices, choice)
			}
		}
	}

	return choices, nil
}

// ValuesUsersOf lists the releases that take the values files of a choice, or any of a source.
func ValuesUsersOf(ctx context.Context, reader client.Reader, choice ChartRef) []types.NamespacedName {
	releases := &v1beta1.HelmReleaseList{}
	match := client.MatchingFields{valuesIndex: choice.String()}
	if err := reader.List(ctx, releases, match, client.UnsafeDisableDeepCopy); err != nil {
		return nil // the cache answers; it fails only while the process stops
	}

	keys := make([]types.NamespacedName, 0, len(releases.Items))
	for i := range releases.Items {
		keys = append(keys, client.ObjectKeyFromObject(&releases.Items[i]))
	}

	return keys
}

// ValuesResolver asks upstream for values files, as the controllers do, and keeps what it fetches in a directory.
type ValuesResolver struct {
	catalog *Catalog
}

// NewValuesResolver returns a resolver that reads sources and their Secrets with reader, and writes nothing to the
// cluster. The caller calls Close, and removes dir after it.
func NewValuesResolver(reader client.Reader, dir string) (*ValuesResolver, error) {
	artifacts, err := store.Open(dir)
	if err != nil {
		return nil, err
	}
	return &ValuesResolver{NewCatalog(reader, reader, artifacts)}, nil
}

// Close ends the use of the directory.
func (r *ValuesResolver) Close() error { return r.catalog.store.Close() }

// Values asks upstream once which files a choice stands for. A source that is suspended is asked, too. The errors are
// those of Catalog.Values, and none is IsPending.
func (r *ValuesResolver) Values(ctx context.Context, choice ChartRef) (ValuesFiles, error) {
	source, err := r.catalog.valuesSource(ctx, choice)
	if err != nil {
		return ValuesFiles{}, err
	}
	if found := r.catalog.Poll(ctx, source, []ChartRef{choice}); found.Err != nil {
		return ValuesFiles{}, fmt.Errorf("%s: %w", choice.Source(), found.Err)
	}
	return r.catalog.Values(ctx, choice)
}
