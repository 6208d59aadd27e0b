package pipeline

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"fairlead.dev/fairlead/api/v1beta1"
	"fairlead.dev/fairlead/controllers/catalog"
	"fairlead.dev/fairlead/controllers/loop"
	"fairlead.dev/fairlead/helmops/process/backoff"
	"fairlead.dev/fairlead/helmops/process/fair"
	"fairlead.dev/fairlead/sources"
)

const (
	// copyTimeout ends an attempt to copy.
	copyTimeout = 30 * time.Minute
	// progressEvery is how often the progress of a copy is written.
	progressEvery = 5 * time.Second
	// copiesAtOnce is how many copies run at a time, copiesPerNamespace how many of them for one namespace.
	copiesAtOnce       = 6
	copiesPerNamespace = 3
	// firstRetry is the pause after the first failure of a copy; it doubles up to lastRetry.
	firstRetry = 10 * time.Second
	lastRetry  = 10 * time.Minute
)

// Copier copies charts to other registries.
type Copier interface {
	// Copy waits for the registries; see catalog.Catalog.
	Copy(ctx context.Context, want catalog.Copy) (catalog.Copied, error)
}

// copies are the copies of all pipelines. A copy is a task for each stage: what a stage has decides what is copied, so
// a process that ends in between leaves nothing behind that the next one would not complete.
type copies struct {
	copier Copier
	tasks  *loop.Tasks[copyResult]

	mu sync.Mutex
	// begun are the attempts whose result was not taken yet.
	begun map[types.NamespacedName]*transfer
}

// copyResult is how an attempt ended.
type copyResult struct {
	input  string
	copied catalog.Copied
	err    error
}

// newCopies returns the copies of a process. wake is called with the name of a pipeline.
func newCopies(
	ctx context.Context, copier Copier, wake func(types.NamespacedName), now func() time.Time,
) *copies {
	ofPipeline := func(key types.NamespacedName) {
		key.Name, _, _ = strings.Cut(key.Name, "/")
		wake(key)
	}
	return &copies{
		copier: copier, begun: map[types.NamespacedName]*transfer{},
		tasks: loop.NewTasks[copyResult](ctx, ofPipeline, now).Within(fair.New(copiesAtOnce, copiesPerNamespace)),
	}
}

// copyKey names the task of a stage. Names of objects have no slash.
func copyKey(p *v1beta1.ReleasePipeline, stage string) types.NamespacedName {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name + "/" + stage}
}

// copy begins and ends the copies of the stages of a pipeline, and writes how they go into its status. repeat makes
// finished ones be compared with their destination again. It returns when to look again; zero for never.
func (h *handler) copy(
	ctx context.Context, p *v1beta1.ReleasePipeline, repeat bool, now time.Time,
) (next time.Time, err error) {
	var base *v1beta1.OCIRepositorySpec
	for i := range p.Status.Stages {
		s := &p.Status.Stages[i]
		to := copyOf(p, s.Name)
		if to == nil || s.Delivery == nil {
			h.copies.cancel(copyKey(p, s.Name))
			s.Copy = nil
			continue
		}

		if base == nil {
			if base, err = h.copyBase(ctx, p, s.Name); err != nil {
				return next, err
			}
		}

		one := attempt{
			copies: h.copies, key: copyKey(p, s.Name), status: inputOf(s, to), now: now,
			want: catalog.Copy{
				Namespace: p.Namespace, Field: fmt.Sprintf("stages[%s].deliver.copy", s.Name), To: *to.DeepCopy(),
				Version: s.Delivery.Version, Digest: s.Delivery.Digest,
			},
		}
		if to.Attest != nil {
			one.want.Promotion = h.evidence(ctx, p, s)
		}

		next = sooner(next, one.step(base, repeat))
		s.Copy = one.status
	}

	return next, nil
}

// copyBase is the registry that the stages copy from; nil while its source does not exist.
func (h *handler) copyBase(
	ctx context.Context, p *v1beta1.ReleasePipeline, stage string,
) (*v1beta1.OCIRepositorySpec, error) {
	kind, err := h.outletKind(ctx, p)
	if err != nil || kind == "" {
		return nil, err
	}

	if kind != v1beta1.OCIRepositoryKind {
		return nil, sources.Stall(v1beta1.UnsupportedReason, nil,
			"stage %s copies, and %s %s/%s is no registry; only charts of an OCI registry are copied", stage,
			p.Spec.Subject.SourceRef.Kind, p.Namespace, p.Spec.Subject.SourceRef.Name)
	}

	base, err := h.base(ctx, p)
	if err != nil && !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("reading the source of the subject: %w", err)
	}

	return base, nil
}

// copyOf is the repository that a stage copies to; nil for a stage that does not, or that the spec no longer has.
func copyOf(p *v1beta1.ReleasePipeline, stage string) *v1beta1.StageCopy {
	for i := range p.Spec.Stages {
		if p.Spec.Stages[i].Name == stage {
			return p.Spec.Stages[i].CopyOf()
		}
	}
	return nil
}

// inputOf is the status of the copy of what a stage has: as it was, or an empty one when something else is to be copied
// than before.
func inputOf(s *v1beta1.StageStatus, to *v1beta1.StageCopy) *v1beta1.StageCopyStatus {
	spec, err := json.Marshal(to)
	if err != nil {
		spec = []byte(err.Error()) // a struct of strings; it does not happen
	}

	sum := sha256.Sum256(fmt.Appendf(spec, " %s %s", s.Delivery.Version, s.Delivery.Digest))
	input := hex.EncodeToString(sum[:8])
	if s.Copy != nil && s.Copy.Input == input {
		return s.Copy.DeepCopy()
	}

	return &v1beta1.StageCopyStatus{URL: to.URL, Digest: s.Delivery.Digest, Input: input}
}

// attempt is one look at the copy of one stage.
type attempt struct {
	copies *copies
	key    types.NamespacedName
	status *v1beta1.StageCopyStatus
	want   catalog.Copy
	now    time.Time
}

// step takes the result of an attempt that has ended, and begins one where one is due. base is nil when the source of
// the subject is gone: then nothing is begun until it is there.
func (a *attempt) step(base *v1beta1.OCIRepositorySpec, repeat bool) (next time.Time) {
	result, ok := a.copies.take(a.key)
	if ok && result.input == a.status.Input && !errors.Is(result.err, context.Canceled) {
		a.ended(result)
	}

	switch running := a.copies.of(a.key); {
	case running != nil && running.input != a.status.Input:
		running.cancel()
		return a.now.Add(progressEvery)
	case running != nil:
		running.show(a.status, a.now)
		return a.now.Add(progressEvery)
	case !repeat && a.settled(), base == nil && a.status.CopiedAt != nil:
		return time.Time{}
	case base == nil:
		a.status.Reason = v1beta1.SourceNotFoundReason
		a.status.Message = "the source of the subject does not exist"
		return time.Time{}
	case !repeat && a.status.NextAttempt != nil && a.now.Before(a.status.NextAttempt.Time):
		return a.status.NextAttempt.Time
	}

	a.want.From = *base
	a.status.NextAttempt = nil
	a.copies.start(a.key, a.status.Input, a.want)
	return a.now.Add(progressEvery)
}

// settled reports whether there is nothing left to copy.
func (a *attempt) settled() bool {
	return a.status.Rejected || a.status.CopiedAt != nil && a.status.Attempts == 0
}

// ended writes the result of an attempt into the status.
func (a *attempt) ended(result copyResult) {
	s := a.status
	s.Reason = ""
	s.Message = ""
	s.NextAttempt = nil
	s.Rejected = false
	if result.err == nil {
		s.Attempts = 0
		s.Bytes = result.copied.Bytes
		s.Total = result.copied.Bytes
		s.Referrers = int64(result.copied.Referrers)
		s.SignedBy = short(result.copied.SignedBy, maxReleaseMessage)
		s.Attested = result.copied.Attested
		if s.CopiedAt == nil {
			at := metav1.NewTime(a.now)
			s.CopiedAt = &at
		}

		return
	}

	s.Message = short(result.err.Error(), maxMessage)
	if why := catalog.Rejects(result.err); why != "" {
		s.Reason = why
		s.Rejected = true
		s.CopiedAt = nil
		return
	}

	var known interface {
		Reason() string
		RetryAfter() time.Duration
	}
	pause := time.Duration(0)
	s.Reason = v1beta1.FetchFailedReason
	if errors.As(result.err, &known) {
		s.Reason, pause = cmp.Or(known.Reason(), s.Reason), known.RetryAfter()
	}

	s.Attempts++
	at := metav1.NewTime(a.now.Add(max(pause, retryPause(s.Attempts))).Truncate(time.Second))
	s.NextAttempt = &at
}

// retryPause is how long a copy waits after a number of failures in a row.
func retryPause(failures int64) time.Duration {
	return backoff.Policy{First: firstRetry, Last: lastRetry}.After(failures)
}
